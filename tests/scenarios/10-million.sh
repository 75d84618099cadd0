#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 10-million: a million pages go out and a million come in, in sequence and at random, over two servers:
# as a disk, then as swap. Every byte of each is verified; what the servers hold is what is swapped, and
# nothing once swap is off.
#
# A million takes some five minutes on an emulated processor: make check moves a fiftieth of that.
#
# processors: 2
# timeout: 600
# timeout-long: 3600

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

wanted=20000
if is_long_run; then
	wanted=1000000
fi

two_servers 64M
make_disk 32M deadline 60000 policy error
smemv_spin 20000
diskcheck_start "$disk"

# As a disk: large requests, many at a time.
require "the disk is filled" diskcheck_do 600 fill depth=32
for pattern in sequential random; do
	ok "$pattern: pages go out and come in" diskcheck_do 1800 \
		run pattern=$pattern write=50 min=8 depth=32 out=$((wanted / 2)) in=$((wanted / 2))
	diag "$(diskcheck_answer)"
done
ok "every page of the disk is right" diskcheck_do 600 verify depth=32
compare "$(swap_counter store_pages)" -ge "$wanted" "$wanted pages went out to servers"
compare "$(swap_counter load_pages)" -ge "$wanted" "$wanted pages came in from servers"
for server in one two; do
	compare "$(server_counter "$server" store_pages)" -gt $((wanted / 4)) "server $server got its share"
	is "$(server_counter "$server" resent)" 0 "nothing had to be sent to $server twice"
done
ok "the servers hold what the map says" settles 30 one two
ok "which is what was written" holds_what_was_written
diskcheck_stop
blkdiscard -f "$disk"
ok "a discard empties the servers" wait_until 30 servers_are_empty one two

# As swap: a process that may keep half of its memory.
swap_on "$disk"
pager_cgroup pager 8M
ok "in sequence, a process loses no byte" cgroup_run pager "$memcheck" --size 12M --pattern sequential --passes 1
pager_start swapper pager --size 16M --pattern random --duration 3600
swapped_in_before=$(counter_of /proc/vmstat pswpin)
pages_swapped_in() {
	echo $(($(counter_of /proc/vmstat pswpin) - swapped_in_before))
}
ok "at random, thousands of its pages come in" wait_until 240 counter_passes 1500 pages_swapped_in

# While it stands still the books can be compared. mkswap wrote one page; each processor keeps some
# slots that are in use in swap's books and empty on the disk.
kill -STOP "$(pager_pid swapper)"
books_agree() {
	local used held
	used=$(swap_used_pages "$disk")
	held=$(memserver_pages_at one two) || return
	echo "swapped: $used; on servers: $held; in the map: $(swap_pages)"
	((held == $(swap_pages) && held - 1 <= used && used < held + $(nproc) * 2 * 64))
}
ok "the servers hold what is swapped" wait_until 30 books_agree
diag "$(books_agree)"
compare "$(swap_pages)" -ge 2000 "which is half of the process"

echo max >"$cgroup_root/pager/memory.high"
require "swapoff brings everything home" swap_off "$disk"
only_mkswap_is_left() {
	(($(memserver_pages_at one two) == 1))
}
ok "the servers hold no swapped page any more, only the header" wait_until 30 only_mkswap_is_left
kill -CONT "$(pager_pid swapper)"
ok "the process goes on, reads all that came home, and no byte was lost" pager_finish swapper 120
compare "$(swap_counter spins)" -gt "$(swap_counter spins_in_vain)" "who waited spun, and pages came meanwhile"
for counter in store_errors load_errors lost_reads deadlines no_space; do
	is "$(swap_counter $counter)" 0 "the disk counted no $counter"
done
ok "the disk goes" smemv swap del demo
ok "the servers hold nothing" wait_until 30 servers_are_empty one two
ok "no space remains" wait_until 10 no_spaces_remain one two
ok "the module goes" smemv_unload

done_testing
