#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 82-memfile-failures: a memory file's servers are cut and killed while pages go and come. A cut
# loses nothing; of a killed server exactly the pages are lost that were there and nowhere else, each
# a SIGBUS and never another content; who waits by policy can be killed.
#
# timeout: 600

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

memfile_servers 64M timeout 1000
file=$(smemv vm create demo size 16M budget 6M deadline 60000) || bail "no file was made"

# To groups of generic netlink.
listening() {
	awk '$2 == 16 && $4 != "00000000" { found = 1 } END { exit !found }' /proc/net/netlink
}

# An event is of one page, or tells how many.
pages_told_lost() {
	jq -s '[.[] | select(.event == "page-lost" and .server == "two") | .count // 1] | add' \
		"$scenario_out/events"
}

# A cut, in the midst of evictions and faults.
filecheck_start cut --duration 20 --punch 5 "$file"
require "pages come back" wait_until 60 memfile_passes demo .file_counters.remote_faults 300
net_cut one
ok "the cut is noticed" wait_until 30 memfile_server_is one down
net_heal one
ok "the server is used again" wait_until 60 memfile_server_is one up
ok "every byte is right after a cut" filecheck_verdict cut 180
is "$(memfile_get demo .lost_pages)" 0 "no page is lost"
compare "$(memfile_get demo .peak_bytes)" -le $((6 << 20)) "the budget was kept"

# Killed with pages that are nowhere else, and pages that are here too.
filecheck_start killed --hold --allow-lost --seed 2 "$file"
require "the file is written anew" wait_until 120 filecheck_holds killed
there=$(memfile_get demo '.where.two // 0')
compare "$there" -gt 500 "pages are at server two"
smemv monitor --json >"$scenario_out/events" &
monitor=$!
at_exit "kill -KILL $monitor 2>/dev/null"
ok "somebody listens" wait_until 20 listening
memserver_kill two
memserver_start two 64M
ok "an empty one takes its place" wait_until 60 memfile_server_is two up
filecheck_go_on killed
ok "all other pages are right" filecheck_verdict killed 240
lost=$(filecheck_get killed lost)
compare "$lost" -gt 0 "pages are lost"
compare "$lost" -le "$there" "no more than were there"
is "$(memfile_get demo .lost_pages)" "$lost" "the module counts as many"
like "$(dmesg)" 'demo: (page [0-9]+ is|[0-9]+ pages are) lost: server two' "the kernel's log names the server"
compare "$(memfile_get demo .file_counters.fault_errors)" -ge "$lost" "each was a SIGBUS"
ok "the monitor ends" end_process $monitor TERM 10
is "$(pages_told_lost)" "$lost" "events told of each lost page"

# Written pages do not care for what was lost, and holes heal.
ok "a file with lost pages can be emptied" fallocate -p -o 0 -l 16M "$file"
ok "lost pages are gone with the hole" wait_until 20 memfile_says '.lost_pages == 0'
ok "and be used again" "$filecheck" --passes 1 --seed 3 "$file"

# A clean page that is here becomes the only copy when its server comes back without it: nothing may drop it.
ok "the file goes" smemv vm del demo
file=$(smemv vm create demo size 8M servers one,two deadline 60000) || bail "no file was made"
filecheck_start home --hold --seed 5 "$file"
require "a file is written" wait_until 120 filecheck_holds home
ok "all of it is evicted" smemv vm evict demo 8M
ok "and brought home" smemv vm populate demo
there=$(memfile_get demo '.where.two // 0')
compare "$there" -gt 500 "server two keeps a copy of many pages"
memserver_kill two
ok "it is down" wait_until 30 memfile_server_is two down
sync
echo 1 >/proc/sys/vm/drop_caches
compare "$(memfile_get demo .resident_bytes)" -ge $((there * 4096)) "what it has stays here while it is away, also when the host drops its caches"
memserver_start two 64M
ok "it comes back without them" wait_until 60 memfile_server_is two up
ok "which the module finds out" wait_until 30 memfile_says '(.where.two // 0) == 0'
is "$(memfile_get demo .lost_pages)" 0 "nothing is lost"
sync
echo 1 >/proc/sys/vm/drop_caches
compare "$(memfile_get demo .resident_bytes)" -ge $((there * 4096)) "what is only here stays when the host drops its caches"
filecheck_go_on home
ok "every byte is right" filecheck_verdict home 120
ok "it is evicted again" smemv vm evict demo 8M
stored=$(memfile_get demo .counters.store_pages)
ok "and brought home" smemv vm populate demo
ok "and evicted" smemv vm evict demo 8M
is "$(memfile_get demo .counters.store_pages)" "$stored" "without being sent once more: the new server's copies count"

# Waiting by policy.
ok "the file goes" smemv vm del demo
file=$(smemv vm create demo size 16M budget 6M deadline 60000) || bail "no file was made"
smemv vm set demo policy suspend deadline 1000
filecheck_start waits --hold --seed 4 "$file"
require "the file is written once more" wait_until 120 filecheck_holds waits
last_page_of() {
	smemv vm map demo --json |
		jq -e "(.servers | map(.name?) | index(\"$1\")) as \$at | last(.runs[] | select(.where == \$at and (.here | not)) | .first)"
}
page=$(last_page_of two) || bail "no page is at server two only"
net_cut one
net_cut two
filecheck_go_on waits
ok "it waits for the servers" wait_until 30 memfile_says '.waiting > 0'
kill -KILL "${filecheck_pids[waits]}"
ok "and can be killed meanwhile" wait_until 20 is_gone "${filecheck_pids[waits]}"
# Behind it a hole waits, which holds up nobody else: not who needs a page of another server, not who brings pages home,
# and not the host and the command that ends it.
net_heal two
ok "one server is back" wait_until 60 memfile_server_is two up
page_has_content() {
	timeout 60 python3 - "$file" "$1" <<-'PYTHON'
		import mmap, os, sys
		memory = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 0)
		at = int(sys.argv[2]) * 4096
		sys.exit(not any(memory[at:at + 4096]))
	PYTHON
}
waits_for_page() {
	grep -q folio_wait "/proc/$1/wchan"
}
punch_all() {
	fallocate -p -o 0 -l 16M "$file" &
	puncher=$!
	ok "$1" wait_until 20 waits_for_page $puncher
}
"$filecheck" --verify --allow-lost --seed 4 "$file" >/dev/null 2>&1 &
reader=$!
ok "somebody waits again" wait_until 30 memfile_says '.waiting > 0'
punch_all "a hole waits for him"
fetched=$(memfile_get demo .file_counters.remote_faults)
ok "who needs a page of another server gets it" page_has_content "$page"
compare "$(memfile_get demo .file_counters.remote_faults)" -gt "$fetched" "from there"
kill -KILL $puncher
ok "who makes the hole can be killed" wait_until 20 is_gone $puncher
punch_all "another one waits"
ended_with=0
timeout 60 smemv vm populate demo 2>/dev/null || ended_with=$?
compare $ended_with -lt 124 "who brings pages home ends by itself"
ok "the file's mode can be changed" timeout 5 chmod 600 "$file"
ok "the host's mounts can be read meanwhile" timeout 5 grep -q /dev/smemv /proc/self/mountinfo
ok "the policy can be changed" timeout 10 smemv vm set demo policy error
# It goes on page by page, a deadline for each, and the hole behind it; where the hole was first, there is nothing to wait for.
kill -KILL $reader 2>/dev/null || true
ok "and the hole is made when its deadline is over" wait_until 20 is_gone $puncher
ok "nobody waits any more" wait_until 20 is_gone $reader
net_heal one
net_heal two
for name in one two; do
	ok "server $name is used again" wait_until 60 memfile_server_is $name up
done
ok "nothing waits any more when they are back" wait_until 60 memfile_says '.waiting == 0'

# A server that is only full, with the same policy: what needs no room there goes, and so does a hole in what does.
# pages write|read FIRST COUNT: reading goes over those that were written before, too.
pages() {
	timeout 60 python3 - "$file" "$@" <<-'PYTHON'
		import mmap, os, struct, sys
		path, what, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
		memory = mmap.mmap(os.open(path, os.O_RDWR), 0)
		for page in range(first, first + count):
		    content = struct.pack("<Q", page + 1) * 512
		    if what == "write":
		        memory[page * 4096:(page + 1) * 4096] = content
		        memory[page % 1024 * 4096]   # those that were read before stay in use
		    elif memory[page * 4096:(page + 1) * 4096] != content:
		        sys.exit(f"page {page} is wrong")
	PYTHON
}
ok "the file goes" smemv vm del demo
net_subhost three
memserver_start three 8M
ok "a small server is added" smemv server add three "$(memserver_address three)" timeout 1000
file=$(smemv vm create demo size 32M budget 12M servers three overcommit policy suspend deadline 2000) || bail "no file was made"
ok "it is filled" pages write 0 1792
ok "what it has is evicted" smemv vm evict demo 7M
ok "and brought home" smemv vm populate demo
ok "more is written" pages write 2048 1024
ok "and still more, for which pages leave that are there already" pages write 3072 1024
ok "a hole is made in what finds no room" timeout 20 fallocate -p -o 8M -l 4M "$file"
ok "every page is right" pages read 0 1792
ok "also of what came last" pages read 3072 1024
ok "the file goes" smemv vm del demo
ok "and the server" smemv server del three
ok "which ends cleanly" memserver_stop three
file=$(smemv vm create demo size 16M budget 6M) || bail "no file was made"
ok "there is one again" "$filecheck" --hold --seed 4 "$file" </dev/null

# Deleted while a server is cut off.
compare "$(memserver_pages two)" -gt 0 "server two has pages of it"
net_cut two
ok "the cut is noticed" wait_until 30 memfile_server_is two down
dmesg_mark
ok "the file goes" smemv vm del demo
compare "$(memserver_pages two)" -gt 0 "server two has its pages still"
like "$(dmesg_since)" 'server two: cannot be told now to drop space' "the log tells of it"
net_heal two
ok "they are dropped when it is reached again" wait_until 60 servers_hold_nothing
ok "and it is used" wait_until 60 memfile_server_is two up
leave_no_module

done_testing
