#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 16-suspend: with policy "suspend" a process whose pages cannot be reached waits beyond the deadline and
# gets no error; it can be killed while it waits. When the link heals all go on with the right content;
# when a killed server comes back without its pages, these are errors, and all others right.

. "$(dirname "$0")/../lib/scenario.sh"

readonly deadline_ms=2000

# Before Linux 6.2 a page fault that reads a single page, without reading ahead, waits for it in
# swap_readpage() in a way that no signal ends, whatever the disk is. In sequence there is read-ahead.
pattern=random
if [[ $LAB_KERNEL == 6.1 || $LAB_KERNEL == debug ]]; then
	pattern=sequential
fi

two_servers 96M timeout 1000
make_disk 96M deadline "$deadline_ms" policy suspend
swap_on "$disk"
for name in first second; do
	pager_cgroup "$name" 5M
done

swap_waits() {
	smemv_json 'first | .waiting > 0' swap show
}

nothing_waits() {
	smemv_json 'first | .waiting == 0' swap show
}

# start_pagers OPTION...: two, of which most is swapped, to both servers.
start_pagers() {
	local name
	for name in first second; do
		pager_start "$name" "$name" --size 12M --pattern "$pattern" --duration 3600 "$@"
	done
	for name in first second; do
		require "the $name process has filled its memory" pager_fills "$name" 120
	done
	require "pages of them are at server one" counter_passes 300 swap_pages one
	require "and at server two" counter_passes 300 swap_pages two
}

# It waits for a page, and nothing about it has changed from look to look: no fault ended, no time was used.
stands_still() {
	local look now last=''
	for ((look = 0; look < 5; look++)); do
		now=$(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 1,8-13)
		if [[ $now != D* || ( -n $last && $now != "$last" ) ]]; then
			echo "state, faults, times: $last, then $now"
			return 1
		fi
		last=$now
		pause 0.2
	done
}

# Both wait for server one, which cannot be reached; the first one is killed there.
kill_first_while_it_waits() {
	ok "reads wait beyond the deadline" wait_until 120 counter_passes "$suspends" swap_counter suspends
	ok "the disk tells that requests wait" wait_until 30 swap_waits
	for name in first second; do
		ok "the $name process waits" wait_until 60 stands_still "$(pager_pid "$name")"
	done
	like "$(dmesg_since)" "demo: load of page [0-9]+ waits: no server could be reached for $deadline_ms ms" \
		"the kernel's log says what waits, and why"
	diag "it waits in: $(sed 's/.* //' "/proc/$(pager_pid first)/stack" | head -n 5 | tr '\n' ' ')"
	kill -KILL "$(pager_pid first)"
	ok "a process that waits can be killed" wait_until 30 is_gone "$(pager_pid first)"
	ok "the other one still waits" stands_still "$(pager_pid second)"
	is "$(swap_counter load_errors)" 0 "no read failed"
	is "$(swap_counter deadlines)" 0 "nor was given up"
}

# A link that is cut.
start_pagers
dmesg_mark
suspends=$(swap_counter suspends)
net_cut one
kill_first_while_it_waits
net_heal one
ok "the server is connected again" wait_until 30 server_state_is one up
ok "the other process goes on, and each byte is right" pager_finish second 180
is "$(pager_get second lost)" 0 "it lost nothing"
ok "nothing waits any more" wait_until 30 nothing_waits
is "$(swap_lost_pages)" 0 "nothing is lost"

# A server that is killed.
start_pagers --allow-lost --write 0
dmesg_mark
suspends=$(swap_counter suspends)
memserver_kill one
kill_first_while_it_waits
server_comes_back_empty one 96M
ok "the other process goes on, and each byte that it could read is right" pager_finish second 180
compare "$(pager_get second lost)" -gt 0 "pages of the killed server gave SIGBUS"
compare "$(swap_counter lost_reads)" -gt 0 "which is counted"
like "$(dmesg_since)" 'demo: (page [0-9]+ is|[0-9]+ pages are) lost: server one (does not have|was restarted without)' "the kernel's log names lost pages"
ok "nothing waits any more" wait_until 30 nothing_waits

require "swapoff works" swap_off "$disk"
blkdiscard -f "$disk"
ok "nothing stays behind" wait_until 30 servers_are_empty one two
ok "the disk goes" smemv swap del demo
ok "no space remains" wait_until 10 no_spaces_remain one two
ok "the module goes" smemv_unload

done_testing
