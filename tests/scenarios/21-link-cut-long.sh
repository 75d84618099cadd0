#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 21-link-cut-long: a link is dead for longer than the deadline, then both are. What needs them
# fails in time with EIO; afterwards everything is there again, as the servers never lost a page,
# but for pages whose write failed: these are errors until they are written again.

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

two_servers 64M timeout 1000
make_disk 16M deadline 60000 policy error
diskcheck_start "$disk"
require "the disk is filled" diskcheck_do 120 fill

smemv swap set demo deadline 3000
net_cut one
ok "reads fail, writes go to server two" diskcheck_do 120 run write=50 seconds=5 depth=64 errors=read
compare "$(diskcheck_get read_errors)" -gt 0 "reads failed"
compare "$(diskcheck_get pages_out)" -gt 0 "writes did not"
takes_at_most $((3000 + 1000)) "each ended within deadline and timeout"
compare "$(swap_counter deadlines)" -gt 0 "deadlines are counted"
compare "$(swap_counter replaced)" -gt 0 "pages of server one were stored on server two"
smemv swap set demo deadline 60000
net_heal one
ok "the server is connected again" wait_until 30 server_state_is one up
ok "what could not be read is there again, and right" diskcheck_do 120 verify
is "$(swap_lost_pages)" 0 "nothing is lost"
ok "the servers hold what the map says" settles 60 one two
compare "$(server_counter one reconciled)" -gt 0 "older copies were removed from server one"

smemv swap set demo deadline 3000
net_cut one
net_cut two
ok "with both cut, writes fail too" diskcheck_do 120 run write=50 seconds=5 depth=64 max=8 errors=any
failed=$(diskcheck_get write_errors)
compare "$failed" -gt 0 "writes failed"
takes_at_most $((3000 + 1000)) "each ended within deadline and timeout"
smemv swap set demo deadline 60000
net_heal one
net_heal two
ok "the servers are connected again" wait_until 30 server_state_is one up
ok "both of them" wait_until 30 server_state_is two up
ok "only pages whose write failed are unreadable" diskcheck_do 120 verify errors=read
compare "$(diskcheck_get unreadable)" -gt 0 "these are errors"
compare "$(diskcheck_get unreadable)" -le "$failed" "and no others"
ok "the servers hold what the map says" settles 60 one two
ok "everything can be written" diskcheck_do 120 fill
ok "and read" diskcheck_do 120 verify
ok "the servers still hold what the map says" settles 60 one two
ok "which is what was written" holds_what_was_written

leave_nothing_behind
done_testing
