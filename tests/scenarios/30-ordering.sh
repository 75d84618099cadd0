#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 30-ordering: connections die with stores in a server's buffers, pages are stored again while their
# last store is open, and discarded close behind a store, each more than a thousand times (in part: four
# hundred): the newest content is what comes back, always. This is what the rules of docs/wire.md about order and
# fences are for.
#
# processors: 2
# timeout: 600

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

wanted=400 rounds=2
if is_long_run; then
	wanted=1000 rounds=4
fi

two_servers 64M timeout 100
make_disk 16M deadline 60000 policy error
diskcheck_start "$disk"
# Who disturbs it shall not wait for its turn.
renice -n 15 -p "$diskcheck_pid" >/dev/null

# Longer than the timeout: the module gives the connection up, while all that it sent waits in the
# server's socket buffers; it is there when the server goes on, before the new connection's HELLO.
stop_server_for_a_while() {
	memserver_pause "$1"
	pause 0.$((2 + RANDOM % 3))
	memserver_resume "$1"
	pause 0.$((1 + RANDOM % 4))
}

# The same, and the server never hears that the old connection ended: only the fence keeps what waits
# there from being applied after what the new connection brings.
stop_server_unheard() {
	memserver_pause "$1"
	pause 0.05
	net_mute "$1"
	pause 0.$((3 + RANDOM % 3))
	net_heal "$1"
	pause 0.$((2 + RANDOM % 3))
	memserver_resume "$1"
	pause 0.$((1 + RANDOM % 4))
}

# The server's side of every connection is destroyed, at a moment that nobody chose.
cut_connections() {
	in_subhost "$1" ss -K state established "sport = :$memserver_port" >"$scenario_tmp/ss"
	pause 0.$((1 + RANDOM % 3))
}

enough_happened() {
	(($(server_counter one resent) >= wanted && $(server_counter two resent) >= wanted &&
		$(swap_counter conflicts) >= 2 * wanted))
}

disturb() {
	local round
	for ((round = 0; round < 400; round++)); do
		stop_server_for_a_while one
		stop_server_for_a_while two
		stop_server_unheard one
		stop_server_unheard two
		cut_connections one
		cut_connections two
		if ((round >= rounds)) && enough_happened; then
			return 0
		fi
	done
	return 1
}

# Few pages and many requests: most of them meet another one on the same page.
diskcheck_tell run write=55 discard=15 max=4 depth=250 overlap=yes count=2048
ok "connections die with requests under way, $wanted times" disturb
ok "no request failed, and all that was read was the newest" diskcheck_end_run 120
overwrites=$(diskcheck_get overwrites) overdiscards=$(diskcheck_get overdiscards)
compare "$overwrites" -ge "$wanted" "pages were stored again while a store was open"
compare "$overdiscards" -ge "$wanted" "pages were discarded or stored again close behind"
for server in one two; do
	compare "$(server_counter "$server" resent)" -ge "$wanted" "requests to $server were sent again"
	compare "$(server_counter "$server" connects)" -ge $((5 * rounds)) "after new connections to $server"
	is "$(server_counter "$server" protocol_errors)" 0 "server $server said nothing wrong"
	ok "server $server is connected" wait_until 30 server_state_is "$server" up
done
compare "$(server_counter one reconciled)" -gt 0 "server one had copies that were not its own any more"

ok "every page is right" diskcheck_do 120 verify
is "$(swap_lost_pages)" 0 "nothing is lost"
ok "the servers hold what the map says" settles 60 one two
ok "which is what was written" holds_what_was_written

leave_nothing_behind
done_testing
