#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 89-memfile-pressure: what a memory file has here is charged to the cgroup of its user; when the cgroup,
# or the host, has no memory left, written pages go to the servers instead of their user to the OOM killer.
#
# memory: 2G
# timeout: 500

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

readonly mib=$((1 << 20))
memfile_servers 256M

file_counter() {
	memfile_get demo ".file_counters.$1"
}

# Charges: 24 MiB and little else.
file=$(smemv vm create demo size 24M) || bail "no file was made"
cgroup_make users
before=$(cgroup_get users memory.current)
ok "a process in a cgroup writes all of it" cgroup_run users "$filecheck" --passes 0 "$file"
charged=$(($(cgroup_get users memory.current) - before))
compare "$charged" -ge $((24 * mib)) "the cgroup is charged for its pages"
compare "$charged" -le $((30 * mib)) "and for little more"
ok "half of it is evicted" smemv vm evict demo 12M
compare "$(cgroup_get users memory.current)" -le $((before + charged - 11 * mib)) "for which it is not charged any more"
leave_no_file demo

# Who only looks at it is not whose memory it is.
file=$(smemv vm create demo size 24M) || bail "no file was made"
cgroup_run users "$filecheck" --passes 0 "$file" >/dev/null || fail "the file is written"
require "all of it is evicted" smemv vm evict demo 24M
cgroup_make viewers
cgroup_run viewers python3 -c 'import mmap, sys
with open(sys.argv[1], "rb") as file:
    mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)' "$file" || fail "another looks at it"
before=$(cgroup_get viewers memory.current) users_before=$(cgroup_get users memory.current)
ok "it is brought home" smemv vm populate demo
compare "$(($(cgroup_get viewers memory.current) - before))" -lt $((4 * mib)) "who looked at it is not charged"
compare "$(($(cgroup_get users memory.current) - users_before))" -gt $((16 * mib)) "who wrote it is"
leave_no_file demo

# A limit below the budget.
file=$(smemv vm create demo size 64M) || bail "no file was made"
cgroup_make small memory.max=32M
ok "a limit of half of it is no reason to kill" cgroup_run small "$filecheck" --passes 1 --punch 2 "$file"
is "$(counter_of "$cgroup_root/small/memory.events" oom_kill)" 0 "nothing was"
compare "$(file_counter squeezes)" -gt 0 "faults waited for memory"
compare "$(file_counter out_stored)" -gt 2048 "written pages went out for it"
is "$(file_counter fault_errors)" 0 "no fault failed"
compare "$(file_counter ahead_hits)" -le "$(file_counter ahead_pages)" "what was not fetched ahead is no hit"
diag "$(memfile_get demo .file_counters | tr -d '\n')"
leave_no_file demo

# The host runs low: another process takes what is left. It may be killed before the servers have answered what the
# shrinker began to store, as nothing waits for that: a shortcoming, for long runs to show until it is none.
takes_all_but_a_little() {
	python3 - "$1" <<'PYTHON'
import mmap, sys
size = int(sys.argv[1])
memory = mmap.mmap(-1, size)
for at in range(0, size, 4096):
    memory[at] = 1
PYTHON
}

available_bytes() {
	awk '/^MemAvailable:/ { print $2 * 1024 }' /proc/meminfo
}

if is_long_run; then
	file=$(smemv vm create demo size 192M) || bail "no file was made"
	filecheck_start holder --hold "$file"
	require "a guest's memory is all here, and written" wait_until 200 filecheck_holds holder
	ok "another process needs most of the rest" takes_all_but_a_little $(($(available_bytes) - 24 * mib))
	compare "$(file_counter shrinks)" -gt 0 "memory was asked for"
	compare "$(memfile_get demo .resident_bytes)" -lt $((184 * mib)) "some of the guest's left"
	filecheck_go_on holder
	ok "every byte is right" filecheck_verdict holder 200
	diag "$(memfile_get demo .file_counters | tr -d '\n')"
	leave_no_file demo
fi
leave_no_module

done_testing
