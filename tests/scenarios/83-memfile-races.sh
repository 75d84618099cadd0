#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 83-memfile-races: evictions race with everything else that is done to a file's pages: direct I/O into
# them, locked pages, pages pinned for long, fork, private mappings, any advice, reads of a
# process's memory, a debugger, a core dump, kill -9, deletion while in use, a file that becomes smaller.
#
# processors: 2
# timeout: 600

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

memfile_servers 64M
file=$(smemv vm create demo size 16M budget 6M) || bail "no file was made"
modprobe brd rd_nr=1 rd_size=16384

ok "direct I/O into pages, and holes" "$filecheck" --passes 2 --direct /dev/ram0 --punch 5 "$file"
smemv_spin 20000
ok "locked pages stay" "$filecheck" --passes 1 --mlock 512 --seed 2 "$file"
compare "$(memfile_get demo .counters.spins)" -gt "$(memfile_get demo .counters.spins_in_vain)" "who waited spun, and pages came meanwhile"
smemv_spin 50

filecheck_start both --hold --fork --seed 3 "$file"
require "the file is written" wait_until 120 filecheck_holds both
filecheck_go_on both
ok "a forked child finds the same" filecheck_verdict both 180

# Whoever maps it privately sees the file, but for what he wrote, which the file never sees.
filecheck_start shared --hold --seed 11 "$file"
require "the file is written for another who maps it privately" wait_until 120 filecheck_holds shared
before=$(memfile_get demo .counters.load_pages)
ok "he finds all of it, and what he writes" "$filecheck" --private --passes 2 --seed 11 "$file"
compare $(($(memfile_get demo .counters.load_pages) - before)) -gt 2048 "of which most came from the servers"
filecheck_go_on shared
ok "and the file is as it was" filecheck_verdict shared 120

# What a process may advise the kernel of its memory, and of the file, but for holes. Prints what was refused.
advise_all() {
	python3 - "$file" <<-'PYTHON'
		import errno, mmap, os, sys
		COLD, PAGEOUT, POPULATE_READ, POPULATE_WRITE, COLLAPSE = 20, 21, 22, 23, 25
		fd = os.open(sys.argv[1], os.O_RDWR)
		memory = mmap.mmap(fd, 0)
		for advice in (mmap.MADV_DONTNEED, mmap.MADV_WILLNEED, COLD, PAGEOUT, POPULATE_READ, POPULATE_WRITE,
		               mmap.MADV_HUGEPAGE, COLLAPSE, mmap.MADV_FREE, mmap.MADV_MERGEABLE):
		    used = memory[::4096]
		    try:
		        memory.madvise(advice)
		    except OSError as error:
		        print(f"advice {advice}: {errno.errorcode[error.errno]}")
		memory.flush()
		for advice in (os.POSIX_FADV_WILLNEED, os.POSIX_FADV_DONTNEED):
		    used = memory[::4096]
		    os.posix_fadvise(fd, 0, 0, advice)
		os.fsync(fd)
		os.sync()
	PYTHON
}

filecheck_start advised --duration 3600 --seed 12 --punch 3 "$file"
before=$(memfile_get demo .file_counters.out_stored)
require "a file's pages go out" wait_until 60 memfile_passes demo .file_counters.out_stored $((before + 500))
catch_output advise_all
is "$caught_status" 0 "others give any advice about them"
is "$(grep -v 'advice \(25\|8\):' <<<"$caught_output")" "" "which is taken, but for what is not for files: ${caught_output//$'\n'/, }"
ok "and every byte is right" filecheck_end advised 120
is "$(memfile_get demo .lost_pages)" 0 "and none lost"

# What else looks at a process's memory.
mapping_of() {
	grep -m 1 ' /dev/smemv/demo' "/proc/$1/maps" | cut -d ' ' -f 1
}

read_memory_of() {
	local range
	range=$(mapping_of "$1")
	dd if="/proc/$1/mem" bs=4k iflag=skip_bytes,fullblock skip=$((16#${range%-*})) count=4096 status=none | wc -c
}

# invert_words PID: one of each page, as a debugger does.
invert_words() {
	python3 - "$1" "$(mapping_of "$1")" <<-'PYTHON'
		import ctypes, os, sys
		PEEKDATA, POKEDATA, ATTACH, DETACH = 2, 5, 16, 17
		libc = ctypes.CDLL(None, use_errno=True)
		libc.ptrace.restype = ctypes.c_long
		libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
		pid = int(sys.argv[1])
		first, end = (int(bound, 16) for bound in sys.argv[2].split("-"))

		def ptrace(request, address=0, data=0):
		    ctypes.set_errno(0)
		    result = libc.ptrace(request, pid, address, data)
		    if ctypes.get_errno():
		        sys.exit(f"request {request} at {address:#x}: {os.strerror(ctypes.get_errno())}")
		    return result

		ptrace(ATTACH)
		os.waitpid(pid, 0)
		for address in range(first + 8, end, 4096):
		    ptrace(POKEDATA, address, ~ptrace(PEEKDATA, address) % 2**64)
		ptrace(DETACH)
	PYTHON
}

# What a debugger wrote comes back to it, else the second time does not undo the first.
filecheck_start traced --hold --seed 8 "$file"
require "the file is written for a debugger" wait_until 120 filecheck_holds traced
for time in first second; do
	ok "all is evicted for the $time time" smemv vm evict demo 16M
	before=$(memfile_get demo .counters.load_pages)
	ok "a debugger changes each page" invert_words "${filecheck_pids[traced]}"
	compare $(($(memfile_get demo .counters.load_pages) - before)) -gt 2048 "of which most were remote"
done
filecheck_go_on traced
ok "and every byte is right after all" filecheck_verdict traced 120

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
is "$(memfile_get demo .deleted)" true "as one that was deleted"
ok "another of its name is made" smemv vm create demo size 4M
is "$(memfile_get demo '"\(.size_bytes) \(.deleted)"')" "$((4 << 20)) null" "which is meant from then on"
is "$(smemv_json '[.[] | .deleted] | sort == [null, true]' vm show)" true "both are listed"
is "$(smemv show --metrics | grep -c '^smemv_vm_size_bytes{name="demo"} ')" 1 "Prometheus is told of one"
ok "that one goes" timeout 60 smemv vm del demo
is "$caught_output" "" "and its namesake is not waited for"
filecheck_go_on last
ok "and every byte of it is right" filecheck_verdict last 120
ok "the servers hold nothing afterwards" wait_until 20 servers_hold_nothing
is "$(smemv vm show --json)" "[]" "nor does the module"

# Pinned for long, as for devices.
readonly pinned=64

pin_answers() {
	local answer=nothing
	read -r -t 60 -u "$pin_from" answer || true
	echo "it said $answer"
	[[ $answer == "$1" ]]
}

# pin_told COMMAND ANSWER
pin_told() {
	echo "$1" >&"$pin_to"
	pin_answers "$2"
}

# Since Linux 6.5; until then io_uring takes no memory of files at all.
refuses_pins_by_file() {
	[[ $(printf '%s\n' 6.5 "$(uname -r)" | sort -V | head -n 1) == 6.5 ]]
}

file=$(smemv vm create demo size 16M budget 6M) || bail "no file was made"
if refuses_pins_by_file; then
	fails "without dma pages cannot be pinned for long" 'refused: Bad address' "$filepin" "$file" /dev/ram0 $pinned
else
	fails "io_uring pins no file's pages here" 'refused: Operation not supported' "$filepin" "$file" /dev/ram0 $pinned
fi
ok "that file is as usable as before" "$filecheck" --passes 1 --seed 9 "$file"
ok "it goes" smemv vm del demo

pages_stay_pinned() {
	filecheck_start rest --hold --seed 10 "$file"
	require "a file for devices is written" wait_until 120 filecheck_holds rest
	kill -KILL "${filecheck_pids[rest]}"
	coproc pin { exec "$filepin" "$file" /dev/ram0 $pinned; }
	at_exit "kill -KILL $pin_PID 2>/dev/null"
	pin_from=${pin[0]} pin_to=${pin[1]}
	require "with dma pages are pinned for long" pin_answers pinned
	fails "all cannot be evicted then" 'only .* could be evicted: .* pinned' smemv vm evict demo 16M
	ok "they stay when all else is evicted" pin_told here "here=$pinned"
	compare "$(memfile_get demo .resident_bytes)" -le $((2 << 20)) "as it is"
	ok "a device writes to them" pin_told "write 1" written
	fails "nor are they evicted then" 'only 0 of .* could be evicted: .* pinned' smemv vm evict demo 16M
	ok "and what it wrote can be seen" pin_told check right
	ok "it writes again" pin_told "write 2" written
	ok "they are let go of" pin_told unpin unpinned
	ok "then they are evicted" smemv vm evict demo 16M
	ok "and not here" pin_told here "here=0"
	ok "the last that was written to them comes back" pin_told check right
}

file=$(smemv vm create demo size 16M budget 6M dma) || bail "no file was made"
if refuses_pins_by_file; then
	pages_stay_pinned
	end_process "$pin_PID" KILL
else
	skip "io_uring pins no file's pages before Linux 6.5" "pages stay that are pinned for long"
fi
ok "the file for devices goes" smemv vm del demo

servers_hold_half() {
	(($(memfile_pages_at_servers) <= 2048))
}

# It becomes smaller while pages go and come.
file=$(smemv vm create demo size 16M budget 4M) || bail "no file was made"
filecheck_start smaller --duration 3600 --allow-lost --seed 7 "$file"
before=$(memfile_get demo .file_counters.remote_faults)
require "pages go and come" wait_until 120 memfile_passes demo .file_counters.remote_faults $((before + 500))
for ((size = 15; size >= 8; size--)); do
	before=$(memfile_get demo .file_counters.out_stored)
	ok "the file becomes smaller: $size MiB" truncate -s ${size}M "$file"
	ok "pages still go out" wait_until 60 memfile_passes demo .file_counters.out_stored $((before + 100))
done
ok "the servers forget what was cut off" wait_until 20 servers_hold_half
ok "every byte is right of what stays" filecheck_end smaller 120
is "$(filecheck_get smaller lost)" 2048 "and exactly what was cut off cannot be read"
is "$(memfile_get demo .lost_pages)" 0 "which the module does not count as lost"
leave_no_file demo
leave_no_module

done_testing
