#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 24-zero-window: a memory server that reads nothing any more, while its kernel still acknowledges until
# the window is closed: first for less than the timeout, then for longer. No request fails, none waits
# without a bound, nothing is lost, and it recovers by itself.
#
# processors: 2

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

# Server two is patient, server one is not.
net_subhost one
net_subhost two
# Buffers of many megabytes could take all that is written.
for name in one two; do
	ip netns exec "$name" sysctl -qw net.ipv4.tcp_rmem='4096 131072 262144'
done
memserver_start one 64M
memserver_start two 64M
smemv_load
require "server one is added" smemv server add one "$(memserver_address one)" timeout 1000
require "server two is added" smemv server add two "$(memserver_address two)" timeout 60000
make_disk 32M deadline 60000 policy error
diskcheck_start "$disk"
require "the disk is filled" diskcheck_do 120 fill

closed_windows() {
	tcp_counter TCPToZeroWindowAdv "$1"
}

moved_pages() {
	echo $(($(swap_counter store_pages) + $(swap_counter load_pages)))
}

# Enough large writes under way to fill every buffer between here and a server that reads nothing.
run_large_writes() {
	diskcheck_tell run write=90 min=24 depth=256 overlap=yes
}

# Shorter than the timeout.
run_large_writes
closed=$(closed_windows two)
memserver_pause two
ok "server two's window closes" wait_until 40 counter_passes "$closed" closed_windows two
memserver_resume two
moved=$(moved_pages)
ok "it goes on" wait_until 60 counter_passes $((moved + 2000)) moved_pages
ok "no request failed, and all that was read was right" diskcheck_end_run 60
for counter in disconnects timeouts resent; do
	is "$(server_counter two $counter)" 0 "server two: no $counter"
done
ok "every page is right" diskcheck_do 120 verify

# Longer.
dmesg_mark
run_large_writes
closed=$(closed_windows one)
memserver_pause one
ok "server one's window closes" wait_until 40 counter_passes "$closed" closed_windows one
ok "its connections are given up" wait_until 40 server_state_is one down
like "$(dmesg_since)" 'server one: connection [0-9]+ ended: (no answer within the timeout|a request passed its deadline)' \
	"the kernel's log says why"
moved=$(moved_pages)
ok "pages go to server two meanwhile" wait_until 60 counter_passes $((moved + 1000)) moved_pages
memserver_resume one
ok "it is connected again" wait_until 60 server_state_is one up
restored=$(server_counter one store_pages)
ok "and used again" wait_until 60 counter_passes "$restored" server_counter one store_pages
ok "no request failed, and all that was read was right" diskcheck_end_run 120
takes_at_most 60000 "none took longer than its deadline"
diag "$(diskcheck_answer)"
compare "$(server_counter one resent)" -gt 0 "requests were sent again"
is "$(server_counter one protocol_errors)" 0 "server one said nothing wrong"
ok "every page is right" diskcheck_do 120 verify
is "$(swap_lost_pages)" 0 "nothing is lost"
ok "the servers hold what the map says" settles 60 one two
ok "which is what was written" holds_what_was_written

leave_nothing_behind
done_testing
