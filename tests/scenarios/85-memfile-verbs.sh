#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 85-memfile-verbs: pages are evicted and brought home by command, which can be stopped, and which says why
# less was moved; clean pages leave without a byte of traffic; what a program reads in sequence is fetched
# ahead, what it reads at random is not.
#
# timeout: 500

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

readonly mib=$((1 << 20))
memfile_servers 64M
file=$(smemv vm create demo size 16M) || bail "no file was made"
is "$(memfile_get demo .budget_bytes)" $((16 * mib)) "without a budget all of it may be here"

bytes_sent() {
	echo $(($(net_bytes one tx) + $(net_bytes two tx)))
}

filecheck_start holder --hold "$file"
require "the file is written" wait_until 120 filecheck_holds holder
is "$(memfile_get demo .resident_bytes)" $((16 * mib)) "all of it is here"
is "$(memfile_get demo .pages)" 0 "and nothing at the servers"

# interrupted COMMAND...: on slow links, stopped as soon as two hundred pages more moved, as the counter tells.
interrupted() {
	local counter=$1 since pid
	shift

	net_shape one,two rate 10mbit
	since=$(memfile_get demo "$counter")
	"$@" 2>"$scenario_tmp/interrupted" &
	pid=$!
	require "pages move" wait_until 60 memfile_passes demo "$counter" $((since + 200))
	kill -INT "$pid"
	ended_with=0
	wait "$pid" || ended_with=$?
	net_shape one,two
}
is_at_rest() {
	[[ $(memfile_says '"\(.goal_bytes) \(.populating) \(.going_bytes)"') == "null null 0" ]]
}
servers_are_up() {
	memfile_server_is one up && memfile_server_is two up
}
resident() {
	memfile_get demo .resident_bytes
}

# Longer than a connection may be silent, so that it is known by then who does not answer.
ok "not for long" smemv vm set demo deadline 7000
memserver_pause one
memserver_pause two
fails "no server answers" 'only 0 of 1.0M could be evicted: no server takes the rest: (one|two) is (down|connecting)' \
	smemv vm evict demo 1M
memserver_resume one
memserver_resume two
ok "they go on" wait_until 60 servers_are_up

interrupted .file_counters.out_stored smemv vm evict demo 12M
is "$ended_with" 1 "an interrupt ends an eviction"
like "$(<"$scenario_tmp/interrupted")" 'only [0-9.]+[KM] of 12.0M could be evicted: it was stopped' "which says how far it came"
ok "the module does not go on" wait_until 20 is_at_rest
left=$(resident)
compare "$left" -gt $((4 * mib)) "the rest is here"
ok "it can be asked for" smemv vm evict demo $((left - 4 * mib))
compare "$(resident)" -le $((4 * mib)) "and goes"

memserver_pause two
fails "one server does not answer" 'pages could not be brought: two is (down|connecting)' smemv vm populate demo
memserver_resume two
ok "it goes on" wait_until 60 servers_are_up
ok "what came is evicted" smemv vm evict demo $(($(resident) - 4 * mib))

interrupted .counters.load_pages smemv vm populate demo
is "$ended_with" 1 "an interrupt ends bringing home"
like "$(<"$scenario_tmp/interrupted")" 'it was stopped: [0-9.]+[KM] of it is here' "which says how far it came"
ok "the module does not go on" wait_until 20 is_at_rest
compare "$(resident)" -lt $((16 * mib)) "the rest is at the servers"
ok "it can be asked for" script -qefc 'smemv vm populate demo' "$scenario_tmp/terminal"
is "$(resident)" $((16 * mib)) "and comes"
like "$(<"$scenario_tmp/terminal")" 'at most [0-9.]+[BKM]? left of [0-9.]+M, [0-9.]+[KM]?/s' "a terminal shows how far it is"

ok "some is evicted" script -qefc 'smemv vm evict demo 4M' "$scenario_tmp/terminal"
like "$(<"$scenario_tmp/terminal")" $'\r[0-9.]+[KM]? left of 4.0M, [0-9.]+[KM]?/s' "a terminal shows how far it is"
compare "$(memfile_get demo .resident_bytes)" -le $((12 * mib)) "it is not here any more"
compare "$(memfile_get demo .pages)" -ge 1024 "but at the servers"
ok "as good as all is evicted" smemv vm evict demo 11M
compare "$(memfile_get demo .resident_bytes)" -le $((1 * mib)) "little is left"

ok "it is brought home" smemv vm populate demo
home=$(memfile_get demo .resident_bytes)
compare "$home" -ge $((15 * mib)) "as far as the budget goes"
compare "$(memfile_get demo .pages)" -ge 3500 "the servers keep their copies"

# Clean: the servers have all but what was never evicted. Keepalives are a few hundred bytes.
sent=$(bytes_sent) stored=$(memfile_get demo .counters.store_pages)
ok "it is evicted again" smemv vm evict demo 8M
stored=$(($(memfile_get demo .counters.store_pages) - stored))
compare "$stored" -le 256 "next to nothing is stored"
compare $(($(bytes_sent) - sent)) -lt $((stored * 4400 + 20000)) "without traffic for the rest"
compare "$(memfile_get demo .file_counters.out_clean)" -ge 1500 "the pages were clean"
ok "the budget is lowered" smemv vm set demo budget 6M
filecheck_go_on holder
ok "every byte is right" filecheck_verdict holder 120

# Sequential reads against random ones: pages fetched ahead for each page that was asked for.
ahead=$(memfile_get demo .file_counters.ahead_pages)
hits=$(memfile_get demo .file_counters.ahead_hits)
waste=$(memfile_get demo .file_counters.ahead_waste)
ok "a sequence" "$filecheck" --passes 1 --sequential --write 0 --threads 1 --seed 2 "$file"
hits=$(($(memfile_get demo .file_counters.ahead_hits) - hits))
compare $(($(memfile_get demo .file_counters.ahead_pages) - ahead)) -gt 1500 "is fetched ahead"
compare "$hits" -gt 1500 "and used"
compare $(($(memfile_get demo .file_counters.ahead_waste) - waste)) -lt $((hits / 4)) "little of it in vain"

fails "populating no file" 'there is no memory file of this name' smemv vm populate none
fails "evicting no file" 'there is no memory file of this name' smemv vm evict none 1M
leave_no_file demo
leave_no_module
done_testing
