#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source-path=SCRIPTDIR
#
# What cannot be done says which object, why, and what to do: exit 1 and nothing on stdout.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/.tap.sh"

fails() {
	local want=$1
	shift

	run "$@"
	# shellcheck disable=SC2053 # want is a pattern
	same "$status" 1 && same "$out" "" && { [[ $err == $want ]] || same "$err" "$want"; }
}

ok "reclaim needs a machine" fails "smemv: reclaim: process $$ has no virtual machine of KVM" reclaim pid $$
ok "and a process" fails 'smemv: reclaim: there is no process 4194999' reclaim pid 4194999
ok "a host name without an address" fails \
	'smemv: server add s1: cannot find the address of "no-such-host.invalid": *' \
	server add s1 no-such-host.invalid

without_module() {
	fails "smemv: $1: the kernel module is not loaded: run 'modprobe smemv', or *insmod*" "${@:2}"
}

adopts_nothing() {
	printf '{"uuid": "%032d", "epoch": 1, "size_bytes": 1048576, "arbiter": 0, "servers": [], "runs": []}' 0 >"$work/map"
	without_module 'vm adopt web1' vm adopt web1 "$work/map"
}

if [[ -e /sys/module/smemv ]]; then
	skip "a missing module is explained" "the module is loaded here"
else
	ok "server add without the module" without_module 'server add s1' server add s1 192.0.2.1
	ok "server show without the module" without_module 'server show' server show --json
	ok "server del without the module" without_module 'server del s1' server del s1
	ok "server drain without the module" without_module 'server drain s1' server drain s1
	ok "swap add without the module" without_module 'swap add' swap add 1G
	ok "swap add of a name without the module" without_module 'swap add d' swap add 1G name d
	ok "swap set without the module" without_module 'swap set d' swap set d policy error
	ok "swap del without the module" without_module 'swap del d' swap del d
	ok "vm create without the module" without_module 'vm create web1' vm create web1 size 1G
	ok "vm show without the module" without_module 'vm show' vm show
	ok "vm set without the module" without_module 'vm set web1' vm set web1 budget 1G
	ok "vm evict without the module" without_module 'vm evict web1' vm evict web1 1G
	for verb in map heat activate take-back populate; do
		ok "vm $verb without the module" without_module "vm $verb web1" vm "$verb" web1
	done
	ok "vm adopt without the module" adopts_nothing
	ok "vm attach needs a machine" fails "smemv: vm attach web1: process $$ has no virtual machine of KVM" \
		vm attach web1 pid $$
	ok "scan start needs a machine" fails "smemv: scan start: process $$ has no virtual machine of KVM" \
		scan start pid $$
	ok "scan show without the module" without_module 'scan show' scan show
	ok "scan stop without the module" without_module 'scan stop' scan stop pid 1
	ok "vm del without the module" without_module 'vm del web1' vm del web1
	ok "no directory is made without the module" test ! -e /dev/smemv
	ok "show without the module" without_module show show
	ok "show --watch without the module" without_module show show --watch 1 count 1
	ok "monitor without the module" without_module monitor --json monitor
	ok "bare smemv is show" fails 'smemv: the kernel module is not loaded: run *'
fi

output_is_checked() {
	run --version
	status=0
	"$cli" --version >/dev/full 2>"$work/err" || status=$?
	same "$status" 1 && same "$(<"$work/err")" "smemv: cannot write the output"
}
ok "output that cannot be written is a failure" output_is_checked

done_testing
