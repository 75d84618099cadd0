# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Swap on a disk, and what the CLI says about it.

# swap_on DISK [SWAPON-OPTION...]
swap_on() {
	mkswap "$1" >/dev/null
	swapon "${@:2}" "$1"
	at_exit "swap_off_quietly $1"
}

swap_off() {
	swapoff "$1"
}

swap_is_on() {
	awk -v disk="$1" 'NR > 1 && $1 == disk { found = 1 } END { exit !found }' /proc/swaps
}

swap_off_quietly() {
	if swap_is_on "$1"; then
		timeout 60 swapoff "$1" || complain "swapoff $1 failed at the end"
	fi
}

# Pages in use on a swap disk.
swap_used_pages() {
	awk -v disk="$1" '$1 == disk { print $4 / 4 }' /proc/swaps
}

# smemv_json JQ-EXPRESSION ARGUMENT...: of what "smemv ARGUMENT... --json" prints.
smemv_json() {
	local expression=$1
	shift
	smemv "$@" --json | jq -er "$expression"
}
