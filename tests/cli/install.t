#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source-path=SCRIPTDIR
#
# make install: everything is where packages look for it, below DESTDIR only, and what is installed works there.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/.tap.sh"

root=$work/root

# installs MAKE-VARIABLE...: a module that was built here for some kernel is not meant.
installs() {
	rm -rf "$root"
	make -s --no-print-directory -C "$tree" install DESTDIR="$root" KDIR= "$@" >"$work/said" 2>&1 || {
		cat "$work/said"
		return 1
	}
}

has() {
	local file
	for file; do
		[[ -s $root$file ]] || {
			echo "there is no $file"
			return 1
		}
	done
}

# The units of the tree name another place.
unit_runs() {
	grep -q "^ExecStart=$2" "$root$1"
}

ok "it installs" installs
ok "programs and manuals" has /usr/local/sbin/smemv{,-memserver} /usr/local/share/man/man8/smemv{,-memserver}.8
ok "the interface for other programs" has /usr/local/include/smemv/smemv{,_counters,_wire}.h
ok "units" has /etc/systemd/system/{smemv.service,smemv-memserver.service,dev-smemv.mount}
ok "which run what was installed" unit_runs /etc/systemd/system/smemv-memserver.service /usr/local/sbin/smemv-memserver
ok "the installed command is this one" same "$("$root/usr/local/sbin/smemv" --version)" "$("$tree/build/smemv" --version)"
ok "no module is where none was built" same "$(find "$root" -name '*.ko')" ""
ok "elsewhere, too" installs PREFIX=/usr
ok "units are where packages have them" has /lib/systemd/system/smemv-memserver.service
ok "and run what is there" unit_runs /lib/systemd/system/smemv-memserver.service /usr/sbin/smemv-memserver
ok "nothing is anywhere else" same "$(find "$root" -path "$root/usr/local*" -o -path "$root/etc/systemd*")" ""

done_testing
