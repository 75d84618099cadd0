#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 22-loss: both links lose every fifth packet, each way. Requests take longer; none fails, none takes
# longer than its deadline, nothing is lost, and without the loss all is as before.

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

readonly deadline_ms=60000

two_servers 32M
make_disk 8M deadline "$deadline_ms" policy error
diskcheck_start "$disk"
require "the disk is filled" diskcheck_do 120 fill
retransmitted=$(tcp_counter RetransSegs)

net_shape one,two loss 20%
ok "with loss no request fails, and all that is read is right" \
	diskcheck_do 200 run write=45 discard=5 overlap=yes depth=16 max=8 out=200 in=200
takes_at_most "$deadline_ms" "none took longer than its deadline"
diag "$(diskcheck_answer)"
lost_segments=$(($(tcp_counter RetransSegs) - retransmitted))
compare "$lost_segments" -gt 100 "TCP had to send again what was lost"
is "$(swap_counter deadlines)" 0 "no request was given up"

for server in one two; do
	net_shape "$server"
	ok "without loss server $server is up" wait_until 60 server_state_is "$server" up
done
ok "and all goes on" diskcheck_do 60 run write=50 out=2000 in=2000
takes_at_most 1000 "as quickly as before"
ok "every page is right" diskcheck_do 60 verify
is "$(swap_lost_pages)" 0 "nothing is lost"
for server in one two; do
	is "$(server_counter "$server" protocol_errors)" 0 "server $server said nothing wrong"
	is "$(server_counter "$server" bad_crc)" 0 "no page of $server arrived damaged"
done
ok "the servers hold what the map says" settles 60 one two
ok "which is what was written" holds_what_was_written

leave_nothing_behind
done_testing
