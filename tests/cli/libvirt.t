#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source-path=SCRIPTDIR
#
# The domain that docs/migration.md shows is one that libvirt takes, and this test would notice one that it does not.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/.tap.sh"

domain=$tree/docs/migration-libvirt.xml

is_shown() {
	local line

	while IFS= read -r line; do
		grep -qF -- "${line#"${line%%[![:space:]]*}"}" "$domain" || {
			echo "not in $domain: $line"
			return 1
		}
	done < <(sed -n '/^<memoryBacking>/,/^<\/qemu:commandline>/p' "$tree/docs/migration.md" | grep -v '^\.\.\.$')
}

refuses() {
	sed "$1" "$domain" >"$work/domain.xml"
	! virt-xml-validate "$work/domain.xml" domain
}

if command -v virt-xml-validate >/dev/null; then
	ok "the domain fits libvirt's schema" virt-xml-validate "$domain" domain
	ok "one with a memory of no known kind does not" refuses "s/source type='file'/source type='elsewhere'/"
	ok "one without a name does not" refuses '/<name>/d'
else
	skip "the domain fits libvirt's schema" "virt-xml-validate is missing: install libvirt-clients"
fi
ok "docs/migration.md shows parts of that domain" is_shown

done_testing
