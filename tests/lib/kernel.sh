# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The module and the kernel's messages.

smemv_ko=$LAB_TREE/build/smemv.ko

smemv_is_loaded() {
	[[ -d /sys/module/smemv ]]
}

# smemv_load [PARAMETER=VALUE...]
smemv_load() {
	[[ -e $smemv_ko ]] || bail "$smemv_ko is missing: was the lab started with -n before a build?"
	insmod "$smemv_ko" "$@"
	# Once is enough, also when it is loaded often.
	if [[ ${smemv_unload_at_exit:-no} == no ]]; then
		smemv_unload_at_exit=yes
		at_exit smemv_unload_quietly
	fi
}

# What used it may take a moment to be gone, such as a namespace with its mounts.
smemv_unload_quietly() {
	if smemv_is_loaded; then
		wait_until 10 rmmod smemv || complain "the module cannot be unloaded: $(rmmod smemv 2>&1)"
	fi
}

# How long to spin for a page, in microseconds. Here all takes some 20 times as long as on a real processor.
smemv_spin() {
	echo "$1" >/sys/module/smemv/parameters/spin_us
}

# The module's threads are its work queues' own; Linux 6.12 calls them kworkers. The memory servers are called alike.
smemv_threads() {
	cat /proc/[0-9]*/comm 2>/dev/null | grep -xEc '(kworker/R-)?smemv(_[a-z]*)?' || true
}

smemv_unload() {
	rmmod smemv
}

dmesg_marks=0

# What the kernel says from here on is what dmesg_since prints.
dmesg_mark() {
	dmesg_marks=$((dmesg_marks + 1))
	echo "smemv-scenario: mark $$.$dmesg_marks" >/dev/kmsg
}

dmesg_since() {
	dmesg | sed "1,/smemv-scenario: mark $$\\.$dmesg_marks\$/d"
}

# kernel_int SYMBOL: an int of the kernel's own, from its memory; fails where that cannot be read.
kernel_int() {
	local address segment from offset size

	[[ -r /proc/kcore ]] || return
	address=0x$(awk -v name="$1" '$3 == name { print $1; exit }' /proc/kallsyms)
	while read -r segment offset from _ _ size _; do
		if [[ $segment == LOAD ]] && ((address - from >= 0 && address - from < size)); then
			dd if=/proc/kcore bs=4 count=1 skip=$((offset + address - from)) iflag=skip_bytes status=none |
				od -An -td4 | tr -d ' '
			return
		fi
	done < <(readelf -lW /proc/kcore)
	return 1
}

# counter_of FILE NAME: the number after NAME in a file of "name value" lines (vmstat, memory.stat).
counter_of() {
	awk -v name="$2" '$1 == name { print $2; found = 1 } END { exit !found }' "$1"
}
