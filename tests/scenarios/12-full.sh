#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 12-full: a server with too little memory, then all of them. Pages go where there is room; where
# there is none, writes fail with ENOSPC or wait, as the policy says. What was stored stays right. A limit is kept
# whatever is under way.

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

net_subhost one
net_subhost two
memserver_start one 4M
memserver_start two 12M
smemv_load
require "a small server is added" smemv server add one "$(memserver_address one)"
require "a larger one is added" smemv server add two "$(memserver_address two)"
smemv monitor --json >"$scenario_out/events" &
monitor=$!
at_exit "kill -KILL $monitor 2>/dev/null"
make_disk 32M deadline 2000 policy error
diskcheck_start "$disk"
capacity=$(($(memserver_stat one smemv_capacity_pages) + $(memserver_stat two smemv_capacity_pages)))
size=8192

same_pages_as_map() {
	[[ $(memserver_pages one) == "$(swap_pages one)" && $(memserver_pages two) == "$(swap_pages two)" ]]
}

ok "12 MiB fit, though one server has only 4" diskcheck_do 120 fill count=3072
ok "and are right" diskcheck_do 120 verify
ok "the servers hold what the map says" settles 30 one two
is "$(swap_pages)" 3072 "which is what was written"

ok "of 32 MiB a part fits" diskcheck_do 120 fill errors=write
compare "$(diskcheck_get no_space)" -gt 0 "writes without room fail with ENOSPC"
is "$(diskcheck_get write_errors)" 0 "and with nothing else"
takes_at_most 2000 "at once: no server is awaited"
is "$(swap_counter deadlines)" 0 "until a deadline"
compare "$(swap_counter no_space)" -gt 0 "this is counted"
both_told_full() {
	[[ $(jq -r 'select(.event == "server-full") | .server' "$scenario_out/events" | sort) == $'one\ntwo' ]]
}
ok "people are told of each that it is full, once" wait_until 10 both_told_full
ok "what fits is right" diskcheck_do 120 verify errors=read
unreadable=$(diskcheck_get unreadable)
compare "$unreadable" -gt 0 "what does not is an error"
ok "the servers' books agree" wait_until 30 same_pages_as_map
is "$(($(swap_pages) + unreadable))" "$size" "each page is stored or an error"
compare "$(swap_pages)" -ge $((capacity * 9 / 10)) "the servers are full"

ok "room is made" diskcheck_do 60 discard count=4096
ok "and can be used" diskcheck_do 120 fill count=2048
ok "all is right" diskcheck_do 120 verify count=4096

ok "the writer is to wait now" smemv swap set demo policy suspend
dmesg_mark
diskcheck_tell fill first=4096
writer_waits() {
	smemv_json 'first | .waiting > 0' swap show
}
ok "it waits" wait_until 60 writer_waits
ok "and is counted" wait_until 60 counter_passes 0 swap_counter suspends
like "$(dmesg_since)" 'demo: store of page [0-9]+ waits: every server was full for 2000 ms' \
	"the kernel's log says what for"
unlike "$(dmesg_since)" 'could be reached' "which is no server that cannot be reached"
full=$(swap_counter no_space)
fails "beyond the deadline too" 'no answer' diskcheck_wait 4
is "$(swap_counter no_space)" "$full" "each request is counted once, however long it waits"
blkdiscard -f -l 16777216 "$disk"
ok "with room, it goes on by itself" diskcheck_wait 120
ok "what it wrote is right" diskcheck_do 120 verify first=4096
events_named() {
	jq -r "select(.event == \"$1\") | .event" "$scenario_out/events" | wc -l
}
all_go_on() {
	(($(events_named resumed) == $(events_named suspended)))
}
compare "$(events_named suspended)" -gt 0 "that it waited is an event"
ok "that it goes on, too" wait_until 10 all_go_on
resumed=$(events_named resumed)

ok "the disk is full again" smemv swap set demo policy error
ok "as far as it goes" diskcheck_do 120 fill count=4096 errors=write
suspends=$(swap_counter suspends)
ok "a writer waits again" smemv swap set demo policy suspend
diskcheck_tell fill count=4096 errors=write
ok "for room, beyond the deadline" wait_until 60 counter_passes "$suspends" swap_counter suspends
ok "until it is told not to" smemv swap set demo policy error
ok "it gets the error" diskcheck_wait 120
compare "$(diskcheck_get no_space)" -gt 0 "ENOSPC"
ok "nothing that was stored is harmed" diskcheck_do 120 verify errors=read

leave_nothing_behind
disk_is_gone() {
	(($(events_named swap-deleted) > 0))
}
ok "all events are here" wait_until 10 disk_is_gone
is "$(events_named resumed)" "$resumed" "none says that requests went on which failed"

# A server's limit. The answers take so long that all is asked for before the first of them comes. The other
# server is filled until it has less room, as pages go to the roomier.
limit=1000
net_subhost three
net_subhost four
memserver_start three 32M
memserver_start four 16M
net_shape three,four delay 20ms
require "a server with a limit is added" smemv server add three "$(memserver_address three)" limit $((limit * 4))K
require "and one without" smemv server add four "$(memserver_address four)"

# new_disk NAME SIZE SERVERS
new_disk() {
	disk=$(smemv swap add "$2" servers "$3" name "$1" policy error) || bail "no disk was made"
	wait_until 10 test -b "$disk" || bail "there is no $disk"
}

filling=$((($(memserver_stat four smemv_capacity_pages) - 700) / 16 * 16))
head -c $((filling * 4096)) /dev/urandom >"$scenario_tmp/filling"
head -c 6M /dev/urandom >"$scenario_tmp/data"
new_disk filling 16M four
filled=$disk
ok "the other server is filled" dd if="$scenario_tmp/filling" of="$filled" bs=64k oflag=direct
new_disk limited 8M three,four
ok "more than the limit is written at once" dd if="$scenario_tmp/data" of="$disk" bs=6M oflag=direct
at_three=$(memserver_pages three)
compare "$at_three" -gt 0 "some of it went to the server with the limit"
compare "$at_three" -le $limit "which it keeps"
is "$(memserver_pages four)" $((filling + 1536 - at_three)) "the rest is at the other"
ok "all of it is right" cmp -n $((6 << 20)) "$disk" "$scenario_tmp/data"

ok "there is room again" blkdiscard -f "$disk"
ok "at the server" wait_until 30 servers_are_empty three
ok "the disk goes" smemv swap del limited
new_disk limited 8M three
fails "of what is too much" 'No space left' dd if="$scenario_tmp/data" of="$disk" bs=6M oflag=direct
is "$(memserver_pages three)" $limit "so much fits"
ok "there is room again" blkdiscard -f "$disk"
ok "at the server" wait_until 30 servers_are_empty three

fails "more than the limit cannot be drained to it" 'no other server that it may go to has room' \
	smemv server drain four to three
is "$(memserver_pages three)" $limit "so much was"
ok "it is right" cmp -n $((filling * 4096)) "$filled" "$scenario_tmp/filling"

ok "the disks go" eval 'smemv swap del limited && smemv swap del filling'
ok "and the servers" eval 'smemv server del three && smemv server del four'
ok "which hold nothing" wait_until 30 servers_are_empty three four
done_testing
