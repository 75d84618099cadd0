#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 20-link-cut-short: a link is dead for 5 s, longer than the server's timeout and shorter than the
# deadline. Nothing fails, nothing is lost, and it recovers by itself.
#
# smoke: yes

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

two_servers 64M timeout 1000
make_disk 16M deadline 30000 policy error
diskcheck_start "$disk"

require "the disk is filled" diskcheck_do 120 fill
diskcheck_tell run write=45 discard=5 overlap=yes
wait_until 60 counter_passes 500 swap_counter load_pages || bail "nothing is read"
dmesg_mark
net_cut one
sleep 5
net_heal one
ok "the server is connected again" wait_until 30 server_state_is one up
restored_at=$(server_counter one store_pages)
ok "and used again" wait_until 60 counter_passes "$restored_at" server_counter one store_pages
ok "no request failed, and all that was read was right" diskcheck_end_run 60
takes_at_most $((5000 + 1000 + 5000)) "none took longer than cut, timeout and the longest backoff"
compare "$(server_counter one disconnects)" -gt 0 "the cut was noticed"
like "$(dmesg_since)" 'server one: connection [0-9]+ ended: no answer within the timeout' \
	"the kernel's log says why"

ok "every page is right" diskcheck_do 120 verify
is "$(swap_lost_pages)" 0 "nothing is lost"
ok "the servers hold what the map says" settles 60 one two
ok "which is what was written" holds_what_was_written

leave_nothing_behind
done_testing
