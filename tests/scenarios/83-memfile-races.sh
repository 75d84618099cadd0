#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 83-memfile-races: evictions race with everything else that is done to a file's pages: direct I/O into
# them, locked pages, fork, reads of a process's memory, a core dump, kill -9, deletion while in use.
#
# processors: 2
# timeout: 600

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

memfile_servers 64M
file=$(smemv vm create demo size 16M budget 6M) || bail "no file was made"
modprobe brd rd_nr=1 rd_size=16384

ok "direct I/O into pages, and holes" "$filecheck" --passes 2 --direct /dev/ram0 --punch 5 "$file"
smemv_spin 5000
ok "locked pages stay" "$filecheck" --passes 1 --mlock 512 --seed 2 "$file"
compare "$(memfile_get demo .counters.spins)" -gt "$(memfile_get demo .counters.spins_in_vain)" "who waited spun, and pages came meanwhile"
smemv_spin 50

filecheck_start both --hold --fork --seed 3 "$file"
require "the file is written" wait_until 120 filecheck_holds both
filecheck_go_on both
ok "a forked child finds the same" filecheck_verdict both 180

# What else looks at a process's memory.
mapping_of() {
	grep -m 1 ' /dev/smemv/demo' "/proc/$1/maps" | cut -d ' ' -f 1
}

read_memory_of() {
	local range
	range=$(mapping_of "$1")
	dd if="/proc/$1/mem" bs=4k iflag=skip_bytes,fullblock skip=$((16#${range%-*})) count=4096 status=none | wc -c
}

filecheck_start seen --duration 3600 --seed 4 "$file"
before=$(memfile_get demo .file_counters.out_stored)
require "pages go out" wait_until 60 memfile_passes demo .file_counters.out_stored $((before + 500))
victim=${filecheck_pids[seen]}
is "$(read_memory_of "$victim")" $((16 << 20)) "its memory can be read through /proc"
ok "as can its page tables" grep -q '^Rss' "/proc/$victim/smaps"
echo "$scenario_tmp/core" >/proc/sys/kernel/core_pattern
echo 0x7f >"/proc/$victim/coredump_filter"
prlimit --pid "$victim" --core=unlimited
kill -ABRT "$victim"
ok "it leaves a core" wait_until 60 is_gone "$victim"
compare "$(stat -c %s "$(compgen -G "$scenario_tmp/core*")")" -ge $((16 << 20)) "with all of the file in it"

filecheck_start killed --duration 3600 --seed 5 --punch 5 "$file"
before=$(memfile_get demo .file_counters.out_stored)
require "another's pages go out" wait_until 60 memfile_passes demo .file_counters.out_stored $((before + 500))
kill -KILL "${filecheck_pids[killed]}"
ok "kill -9 ends it" wait_until 20 is_gone "${filecheck_pids[killed]}"

# A file without a name lives as long as its users.
filecheck_start last --hold --seed 6 "$file"
require "the last one has written" wait_until 120 filecheck_holds last
rm "$file"
is "$(memfile_get demo '.openers')" 1 "a deleted file is shown as long as it is used"
filecheck_go_on last
ok "and every byte of it is right" filecheck_verdict last 120
ok "the servers hold nothing afterwards" wait_until 20 servers_hold_nothing
is "$(smemv vm show --json)" "[]" "nor does the module"
leave_no_module

done_testing
