#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 23-delay: 50 ms on the way to each server and 50 ms back. That is slow and nothing else: no connection
# ends, no request is sent twice, and many requests under way make up for it.

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

readonly round_trip_ms=100

two_servers 64M timeout 4000
net_shape one,two delay 50ms
make_disk 16M deadline 30000 policy error
diskcheck_start "$disk"
ok "the disk is filled" diskcheck_do 120 fill depth=64
ok "one page after the other" diskcheck_do 60 run write=0 depth=1 min=1 max=1 in=10
compare "$(diskcheck_get max_ms)" -ge "$round_trip_ms" "takes a round trip"
ok "many at a time are right" diskcheck_do 120 run write=45 discard=5 overlap=yes depth=64 seconds=3
diag "$(diskcheck_answer)"
# One after the other there would be one request in a round trip.
compare "$(diskcheck_get pages_in)" -gt $((3 * 10 * 32)) "and more than one in a round trip"
takes_at_most 4000 "none took longer than the timeout"
ok "every page is right" diskcheck_do 120 verify depth=64

for server in one two; do
	for counter in disconnects timeouts resent protocol_errors; do
		is "$(server_counter "$server" "$counter")" 0 "server $server: no $counter"
	done
done
is "$(swap_counter deadlines)" 0 "no request was given up"
ok "the servers hold what the map says" settles 60 one two
ok "which is what was written" holds_what_was_written

leave_nothing_behind
done_testing
