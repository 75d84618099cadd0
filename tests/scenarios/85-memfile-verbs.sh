#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 85-memfile-verbs: pages are evicted and brought home by command, which can be stopped, and which says why
# less was moved; clean pages leave without a byte of traffic; what a program reads in sequence is fetched
# ahead, what it reads at random is not. Exactly the pages leave that are punched out. A server is drained while
# its pages are stored, loaded and punched out.
#
# check-kernels: 6.1  (commands and ioctls hardly depend on the kernel)
# timeout: 1000

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

# interrupted COUNTER COMMAND...: on slow links, for some seconds: stopped as soon as 600 pages more moved, as the counter tells.
interrupted() {
	local counter=$1 since pid
	shift

	net_shape one,two rate 2mbit
	since=$(memfile_get demo "$counter")
	"$@" 2>"$scenario_tmp/interrupted" &
	pid=$!
	require "pages move" wait_until 60 memfile_passes demo "$counter" $((since + 600))
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

smemv monitor --json >"$scenario_out/events" &
at_exit "kill -KILL $! 2>/dev/null"
listening() {
	awk '$2 == 16 && $4 != "00000000" { found = 1 } END { exit !found }' /proc/net/netlink
}
ok "somebody listens" wait_until 20 listening
# heard EVENT SPACE JQ-CONDITION: one of these was such
heard() {
	wait_until 10 heard_by_now "$@" || {
		tail -n 3 "$scenario_out/events"
		return 1
	}
}
heard_by_now() {
	jq -es "any(.[] | select(.event == \"$1\" and .space == \"$2\"); $3)" "$scenario_out/events"
}

interrupted .file_counters.out_stored smemv vm evict demo 12M
is "$ended_with" 1 "an interrupt ends an eviction"
like "$(<"$scenario_tmp/interrupted")" 'only [0-9.]+[KM] of 12.0M could be evicted: it was stopped' "which says how far it came"
ok "the module does not go on" wait_until 20 is_at_rest
ok "it told each second how far it was" heard evicting demo '.count > 0 and .left > 0'
ok "and how it ended" heard evicted demo '.count >= 500 and .left > 0'
left=$(resident)
compare "$left" -gt $((4 * mib)) "the rest is here"
ok "it can be asked for" smemv vm evict demo $((left - 4 * mib))
compare "$(resident)" -le $((4 * mib)) "and goes"
ok "as is told" heard evicted demo ".count >= $((left / 4096 - 1024)) and .left == 0"

# Pages that are used all the time come back before they are stored, or soon after: nobody waits for ever for fewer.
busy_file=$(smemv vm create busy size 8M) || bail "no file was made"
filecheck_start user --duration 300 --threads 16 --write 100 --seed 5 "$busy_file"
is_all_here() {
	(($(memfile_get busy .resident_bytes) == 8 * mib))
}
pages_taken() {
	memfile_get busy '.file_counters | .out_stored + .out_rescued + .out_clean'
}
require "another file is in use, all of it" wait_until 60 is_all_here
net_shape one,two rate 2mbit
for time in first second third fourth; do
	taken=$(pages_taken)
	smemv vm evict busy 2M 2>"$scenario_tmp/evicted" ||
		like "$(<"$scenario_tmp/evicted")" 'of 2.0M could be evicted: ' "the $time time pages came back"
	# Twice as many as were asked for, and those that were on their way.
	compare $(($(pages_taken) - taken)) -le $((2 * 512 + 8 * 64)) "the $time time no more was tried than that"
done
ok "all the time it is in use" kill -0 "${filecheck_pids[user]}"
compare "$(memfile_get busy .file_counters.out_rescued)" -gt 0 "pages were on their way"
net_shape one,two
ok "every byte is right" filecheck_end user 60
ok "the file goes" smemv vm del busy

memserver_pause two
fails "one server does not answer" 'pages could not be brought: two is (down|connecting)' smemv vm populate demo
memserver_resume two
ok "it goes on" wait_until 60 servers_are_up
ok "what came is evicted" smemv vm evict demo $(($(resident) - 4 * mib))

interrupted .counters.load_pages smemv vm populate demo
is "$ended_with" 1 "an interrupt ends bringing home"
like "$(<"$scenario_tmp/interrupted")" 'it was stopped: [0-9.]+[KM] of it is here' "which says how far it came"
ok "the module does not go on" wait_until 20 is_at_rest
ok "it told each second how far it was" heard populating demo '.left > 0'
ok "and how it ended" heard populated demo '.count >= 500 and .left > 0'
left=$(memfile_get demo '.size_bytes - .resident_bytes')
compare "$(resident)" -lt $((16 * mib)) "the rest is at the servers"
ok "it can be asked for" script -qefc 'smemv vm populate demo' "$scenario_tmp/terminal"
is "$(resident)" $((16 * mib)) "and comes"
ok "as is told" heard populated demo ".count >= $((left / 4096)) and .left == 0"
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

# The first round makes it forget that the file was written in sequence.
filecheck_start random --hold --rounds 2 --scattered --threads 1 --seed 3 "$file"
require "the file is written anew" wait_until 120 filecheck_holds random
filecheck_go_on random
require "and read at random" wait_until 120 filecheck_holds random 2
ok "all is evicted" smemv vm evict demo 16M
faults=$(memfile_get demo .file_counters.remote_faults)
ahead=$(memfile_get demo .file_counters.ahead_pages)
filecheck_go_on random
ok "every byte is right at random, too" filecheck_verdict random 120
faults=$(($(memfile_get demo .file_counters.remote_faults) - faults))
ahead=$(($(memfile_get demo .file_counters.ahead_pages) - ahead))
diag "at random: $faults pages asked for, $ahead fetched ahead"
compare "$faults" -gt 3500 "each page is asked for"
compare "$ahead" -lt $((faults / 50)) "and next to nothing is fetched ahead"

# Holes in what is only here, only there, and both.
holes=(5+1 100+77 500+24 1030+300 2047+2 3000+1000 4095+1)

# One line for each page that is anywhere: PAGE SERVER|absent HERE NEWER.
page_states() {
	smemv vm map demo --json | jq -r '.runs[] | "\(.where) \(.here // false) \(.newer // false)" as $state |
		range(.first; .first + .count) | "\(.) \($state)"'
}

# There are no reads of it.
content() {
	python3 - "$file" <<-'PYTHON'
		import mmap, os, sys
		memory = mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), 0, access=mmap.ACCESS_READ)
		for at in range(0, len(memory), 4096):
		    sys.stdout.buffer.write(memory[at:at + 4096])
	PYTHON
}

# The first half of what will be each hole is here, too, then.
read_halves() {
	python3 - "$file" "${holes[@]}" <<-'PYTHON'
		import mmap, os, sys
		memory = mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), 0, access=mmap.ACCESS_READ)
		for first, count in (map(int, hole.split("+")) for hole in sys.argv[2:]):
		    for page in range(first, first + count // 2):
		        memory[page * 4096]
	PYTHON
}

punch_holes() {
	local hole
	for hole in "${holes[@]}"; do
		fallocate -p -o $((${hole%+*} * 4096)) -l $((${hole#*+} * 4096)) "$file" || return
	done
}

# in_holes 1|0 <STATES: those that are there, or elsewhere.
in_holes() {
	awk -v holes="${holes[*]}" '
		BEGIN {
			split(holes, hole, " ")
			for (i in hole) {
				split(hole[i], bounds, "+")
				for (page = bounds[1]; page < bounds[1] + bounds[2]; page++)
					punched[page]
			}
		}
		($1 in punched) == '"$1"
}

servers_hold() {
	(($(memfile_pages_at_servers) == $1))
}

ok "the file is emptied" fallocate -p -o 0 -l 16M "$file"
smemv vm set demo budget 16M
filecheck_start writer --hold --seed 4 "$file"
require "the file is written for holes" wait_until 120 filecheck_holds writer
kill -KILL "${filecheck_pids[writer]}"
wait_until 20 is_gone "${filecheck_pids[writer]}"
content >"$scenario_tmp/content"
ok "some is evicted" smemv vm evict demo 12M
read_halves
page_states >"$scenario_tmp/before"
in_holes 1 <"$scenario_tmp/before" >"$scenario_tmp/punched"
for kind in '[01] false false' '[01] true false' 'absent true true'; do
	compare "$(grep -c " $kind\$" "$scenario_tmp/punched")" -gt 0 "there are holes where pages are: $kind"
done
held=$(memfile_pages_at_servers) left=$(grep -c ' [01] ' "$scenario_tmp/punched")
ok "holes are punched" punch_holes
page_states >"$scenario_tmp/after"
is "$(in_holes 1 <"$scenario_tmp/after")" '' "what is in them is nowhere"
ok "all else is where it was" diff <(in_holes 0 <"$scenario_tmp/before") "$scenario_tmp/after"
ok "as many pages less are at the servers" wait_until 20 servers_hold $((held - left))
for hole in "${holes[@]}"; do
	dd if=/dev/zero of="$scenario_tmp/content" bs=4k seek="${hole%+*}" count="${hole#*+}" conv=notrunc status=none
done
ok "holes are zeros, and all else is what it was" cmp <(content) "$scenario_tmp/content"

# drains_in_use SERVER OTHER: with a new one in its place afterwards.
drains_in_use() {
	local what="server $1 is drained in use" moved counter
	local -A counted=()

	for counter in out_stored remote_faults punched; do
		counted[$counter]=$(memfile_get demo .file_counters.$counter)
	done
	net_shape one,two rate 8mbit
	ok "$what" smemv server drain "$1" to "$2"
	net_shape one,two
	ok "$what: it told each second how far it was" heard draining demo ".server == \"$1\" and .count > 0 and .left > 0"
	ok "$what: and how it ended" heard drained demo ".server == \"$1\" and .count > 0 and .left == 0"
	for counter in out_stored remote_faults punched; do
		moved=$(($(memfile_get demo .file_counters.$counter) - counted[$counter]))
		compare "$moved" -gt 0 "$what: meanwhile pages are counted as $counter"
	done
	is "$(memfile_get demo ".where.$1 // 0")" 0 "$what: none of its pages is there"
	ok "$what: nor anything else" wait_until 20 no_page_remains "$1"
	ok "$what: it goes" smemv server del "$1"
	ok "$what: and is added again" smemv server add "$1" "$(memserver_address "$1")" lanes 2
}

no_page_remains() {
	(($(memserver_pages "$1") == 0))
}

smemv vm set demo budget 6M
filecheck_start used --duration 3600 --punch 10 --seed 6 "$file"
before=$(memfile_get demo .file_counters.remote_faults)
require "pages go and come" wait_until 120 memfile_passes demo .file_counters.remote_faults $((before + 500))
drains_in_use one two
drains_in_use two one
ok "every byte is right after both" filecheck_end used 120
is "$(memfile_get demo .lost_pages)" 0 "no page is lost"
fails "populating no file" 'there is no memory file of this name' smemv vm populate none
fails "evicting no file" 'there is no memory file of this name' smemv vm evict none 1M
leave_no_file demo
leave_no_module
done_testing
