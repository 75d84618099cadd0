#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 83-memfile-badmem: memory of the main host fails. What is about to fail is left for other memory, also
# while pages go, come and are punched; of memory that has failed, a page that a server has comes back from
# there, and one that only was there is lost, and says so: it never comes back as an older one, or as zeros.
#
# check-kernels: 6.1 7.2  (which split large pages differently; 6.12 does as 6.1)
# timeout: 400

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

readonly hwpoison=100 soft_offline=101 # MADV_

memfile_servers 64M
file=$(smemv vm create demo size 16M budget 6M) || bail "no file was made"

# memory_fails ADVICE read|write STEP FIRST COUNT: of so many pages, each used before; prints how many did. One that
# has failed ends its user.
memory_fails() {
	python3 - "$file" "$@" <<-'PYTHON'
		import errno, mmap, os, sys
		path, advice, use, step, first, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:])
		fd = os.open(path, os.O_RDWR)
		memory = mmap.mmap(fd, 0)
		failed = 0
		for page in range(first, first + count * step, step):
		    at = page * 4096
		    word = memory[at]
		    if use == "write":
		        memory[at] = word
		    try:
		        memory.madvise(advice, at, 4096)
		        failed += 1
		    except OSError as error:
		        if error.errno not in (errno.EBUSY, errno.EIO, errno.EAGAIN):
		            raise
		print(failed)
	PYTHON
}

moved_pages() {
	counter_of /proc/vmstat pgmigrate_success
}

# page_is WHAT PAGE: zeros, or lost
page_is() {
	python3 - "$file" "$1" "$2" <<-'PYTHON'
		import mmap, os, signal, sys
		child = os.fork()
		if not child:
		    memory = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 0)
		    os._exit(any(memory[int(sys.argv[3]) * 4096:][:4096]))
		status = os.waitpid(child, 0)[1]
		wanted = {"zeros": 0, "lost": signal.SIGBUS}[sys.argv[2]]
		print("it ended with", status)
		sys.exit(status & 127 != wanted or status >> 8)
	PYTHON
}

# Pages that were written and such that were only read.
filecheck_start moved --hold --rounds 2 --seed 1 "$file"
require "a file is written" wait_until 120 filecheck_holds moved
ok "all is evicted" smemv vm evict demo 16M
before=$(moved_pages)
compare "$(memory_fails $soft_offline write 3 0 200)" -ge 190 "memory of written pages is taken out of use"
compare "$(memory_fails $soft_offline read 3 1000 200)" -ge 190 "and of such that were read"
compare $(($(moved_pages) - before)) -ge 190 "for which pages were moved"
filecheck_go_on moved
ok "every byte is right" wait_until 60 filecheck_holds moved 2
ok "they are evicted as all others are" smemv vm evict demo 16M
filecheck_go_on moved
ok "and every byte is right when it has come back" filecheck_verdict moved 120

filecheck_start moving --duration 3600 --seed 2 --punch 3 "$file"
for round in 1 2 3; do
	compare "$(memory_fails $soft_offline read 13 $round 300)" -ge 100 "memory is taken out of use while pages go and come ($round)"
done
ok "and every byte is right" filecheck_end moving 120

# breaks USE PAGE: a page in memory that fails, after that use of it.
breaks() {
	local failed status=0

	failed=$(memory_fails $hwpoison "$1" 1 "$2" 1) || status=$?
	echo "said $failed, ended with $status"
	((status == 0 ? failed == 1 : status == 128 + 7))
}

# lost_pages NAME: in the round that ended last
lost_pages() {
	grep '^FILECHECK holding' "$(filecheck_log_file "$1")" | tail -n 1 | sed 's/.*lost=//'
}

servers_hold_all_but() {
	(($(memfile_pages_at_servers) == 4096 - $1))
}

# goes_wrong NAME LOST: memory fails below a page that was only read, and one that was written.
goes_wrong() {
	dmesg_mark
	ok "$1: memory fails below a page that was only read" breaks read 500
	ok "$1: and below one that was written" breaks write 600
	filecheck_go_on "$1"
	require "$1: its user goes on" wait_until 120 filecheck_holds "$1" 2
	is "$(lost_pages "$1")" "$2" "$1: he misses what only was in that memory, and nothing else"
	is "$(memfile_get demo .lost_pages)" "$2" "$1: so the module says"
	like "$(dmesg_since)" 'demo: page 600 is lost: the memory that held it failed' "$1: and the kernel's log"
	ok "$1: all is evicted" smemv vm evict demo 16M
	ok "$1: no older content stays at a server" wait_until 20 servers_hold_all_but "$2"
	ok "$1: what is lost stays so" page_is lost 600
	filecheck_go_on "$1"
	ok "$1: so it does when all else has come back" filecheck_verdict "$1" 120
	is "$(filecheck_get "$1" lost)" "$2" "$1: and only that"
	ok "$1: a hole is punched there" fallocate -p -o $((500 * 4096)) -l $((101 * 4096)) "$file"
	ok "$1: and it is zeros" page_is zeros 600
	is "$(memfile_get demo .lost_pages)" 0 "$1: and not lost any more"
	ok "$1: the file is as usable as before" "$filecheck" --passes 1 --seed 9 "$file"
}

filecheck_start small --hold --rounds 2 --allow-lost --seed 3 "$file"
require "a file of small pages is written" wait_until 120 filecheck_holds small
ok "all of them are evicted" smemv vm evict demo 16M
goes_wrong small 1
leave_no_file demo

# Where all of it is here, in large pages, none is at a server.
file=$(smemv vm create demo size 16M budget 16M) || bail "no file was made"
filecheck_start large --hold --rounds 2 --allow-lost --seed 4 "$file"
require "a file of large pages is written" wait_until 120 filecheck_holds large
compare "$(memfile_get demo .file_counters.huge_faults)" -ge 4 "of which there are some"
goes_wrong large 2
leave_no_file demo

# A large page that the kernel cannot split for it, as a server that is away may have lost what it has of it.
file=$(smemv vm create demo size 16M budget 16M) || bail "no file was made"
filecheck_start whole --hold --rounds 2 --allow-lost --seed 5 "$file"
require "a file is written" wait_until 120 filecheck_holds whole
ok "all of it is evicted" smemv vm evict demo 16M
ok "and brought home" smemv vm populate demo
compare "$(memfile_get demo .file_counters.huge_loads)" -ge 4 "in large pages"
for name in one two; do
	net_cut $name
done
for name in one two; do
	ok "server $name is away" wait_until 60 memfile_server_is $name down
done
stays_whole() {
	local failed status=0

	failed=$(memory_fails $hwpoison read 1 "$1" 1) || status=$?
	echo "said $failed, ended with $status"
	((status == 0 ? failed == 0 : status == 128 + 7))
}
ok "memory fails below a page of a large one, which is not split" stays_whole 700
ok "and below another of it" stays_whole 900
ok "and below the first page of another" stays_whole 1024
for name in one two; do
	net_heal $name
done
for name in one two; do
	ok "server $name is back" wait_until 60 memfile_server_is $name up
done
smemv vm evict demo 16M || true
is "$(memfile_get demo .resident_bytes)" 0 "all is evicted, what failed with it: servers have it"
filecheck_go_on whole
require "its user goes on" wait_until 120 filecheck_holds whole 2
is "$(lost_pages whole)" 0 "he misses nothing"
filecheck_go_on whole
ok "all else is right once more" filecheck_verdict whole 120
leave_no_file demo
leave_no_module
done_testing
