#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 86-adopt: a memory file is handed over from one main host (this one) to another (a namespace, "new"),
# without moving a page: every page is right, only one of both can write, and what was not activated is
# taken back with nothing lost. Pages are stored by ioctl. Bad maps and ioctls are refused.
#
# check-kernels: 6.1  (about owners, who hardly depend on the kernel; 86-adopt-here runs on 6.12)
# timeout: 1200
# timeout-long: 1800

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/newhost.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

readonly spaceioctl=$fakes_dir/spaceioctl.py map=$scenario_tmp/map

new_host_start
memfile_servers 64M timeout 2000
at_exit new_leaves
smemv monitor --json >"$scenario_out/events" &
monitor=$!
at_exit "end_process $monitor TERM 5"
dmesg_mark

take_back_is_refused() {
	[[ $(smemv vm take-back demo 2>&1) == *'the new owner is active'* ]]
}

is_event() {
	jq -es "any(.event == \"$1\")" "$scenario_out/events"
}

take_map() {
	smemv vm map demo --json >"$map"
}

file=$(smemv vm create demo size 8M deadline 5000) || bail "no file was made"
filecheck_start holder --hold --seed 5 "$file"
require "the file is written" wait_until 120 filecheck_holds holder
ok "its map is told" take_map
fails "a map with pages that are nowhere else is refused" 'are in the old host.s memory only' \
	on_new smemv vm adopt demo "$map"
ok "it is evicted" smemv vm evict demo 8M
ok "its map is told again" take_map
is "$(jq '[.runs[] | select(.where == 0 or .where == 1) | .count] | add' "$map")" 2048 "all pages are at the servers"
like "$(smemv vm map demo)" 'epoch 1, 8.0M, active.*the arbiter.*0-.*(one|two)' "people can read it"
ok "what a program must not do is refused" "$spaceioctl" bad "$file"
compare "$(dmesg_since | grep -c 'cannot leave server')" -le 30 "and told in the log, but not each of 80 times"

# Adopting fails, and leaves nothing behind.
fails "without its servers it is refused" 'there is no memory server' on_new smemv vm adopt demo "$map"
ok "the new host adds one" on_new smemv server add one "$(memserver_address one)" timeout 2000
fails "with one of them missing it is refused" 'a server of the map is not known here' on_new smemv vm adopt demo "$map"
like "$(dmesg_since)" 'demo: cannot adopt .*: server two of the map is not known here' "the log names it"
ok "and the other" on_new smemv server add two "$(memserver_address two)" timeout 2000
for change in '.runs[0].first = 1 | .runs[0].count = 2048' '.runs += [{first: 0, count: 1, where: 0}]' \
	'.runs[0].where = 7' '.size_bytes = 4194304' '.arbiter = 5'; do
	jq -c "$change" "$map" >"$map.bad"
	fails "a map with $change is refused" 'the map makes no sense' on_new smemv vm adopt demo "$map.bad"
done
echo '{"uuid": 5}' >"$map.bad"
fails "what is no map is refused" 'no map as' on_new smemv vm adopt demo "$map.bad"
fails "a file that is not there, too" 'cannot open' on_new smemv vm adopt demo "$map.none"
ok "no file is left" on_new test ! -e /dev/smemv/demo
on_new smemv vm create fresh size 4M >/dev/null
ok "nor do bad runs come through the ioctl" on_new "$spaceioctl" adopt /dev/smemv/fresh
ok "the fresh file is as it was" new_says fresh '.owner == "active" and .epoch == 1'
ok "it goes" on_new smemv vm del fresh
is "$(memfile_get demo .owner)" active "the old host did not notice"

# Claimed: the new host looks, and changes nothing.
ok "the new host adopts it" on_new smemv vm adopt demo - budget 4M deadline 3000 <"$map"
ok "it is claimed" new_says demo '.owner == "claimed" and .epoch == 2 and .pages == 2048'
ok "every page is right there" on_new "$filecheck" --verify --seed 5 /dev/smemv/demo
compare "$(new_get demo .peak_bytes)" -le $((4 << 20)) "within its budget"
fails "it cannot store" 'it is claimed and not active' on_new smemv vm evict demo 1M
ok "adopting again gives the same answer" on_new smemv vm adopt demo "$map"
ok "the old host reads nothing wrong" "$filecheck" --verify --allow-lost --seed 5 "$file"
compare "$(last_value lost "$caught_output")" -ge 2000 "for it cannot read any more"
like "$(dmesg_since)" 'demo: server (one|two) says that another main host owns this space now' "its log says why"
ok "and so does an event" wait_until 20 is_event fenced-out
is "$(memfile_get demo .owner)" lost "it is not the owner"
fails "it cannot store" 'another main host owns its pages now' smemv vm evict demo 1M
fails "nor bring any home" 'pages could not be brought: another main host owns them now' smemv vm populate demo

# Never activated: the old host takes it back.
ok "the new host drops it" on_new smemv vm del demo
is "$(memfile_pages_at_servers)" 2048 "the servers keep all pages"
ok "the old host takes it back" smemv vm take-back demo
ok "it is the owner" memfile_says '.owner == "active" and .epoch > 2'
ok "there is an event" wait_until 20 is_event vm-taken-back
filecheck_go_on holder
ok "no page was lost" filecheck_verdict holder 120
ok "it can take it back as often as it likes" smemv vm take-back demo

# Taking it back holds up what brings its pages home, and does not end it.
is_partly_home() {
	(($(memfile_get demo .resident_bytes) >= 2 << 20))
}
ok "it is evicted" smemv vm evict demo 8M
# The link drops what it holds when its delay ends.
ok "it may take long" smemv vm set demo deadline 60000
net_shape one,two rate 4mbit delay 300ms
timeout 120 smemv vm populate demo &
populate=$!
ok "a part of it is home again" wait_until 30 is_partly_home
ok "it is taken back meanwhile" smemv vm take-back demo
compare "$(memfile_get demo .resident_bytes)" -lt $((8 << 20)) "before all of it is"
net_shape one,two
status=0
wait $populate || status=$?
is "$status" 0 "bringing it home goes on and ends"
is "$(memfile_get demo .resident_bytes)" $((8 << 20)) "when all of it is there"

# So it does when its first requests were refused because the pages were another's just then.
ok "it is evicted" smemv vm evict demo 8M
ok "page by page, as not all may stay" smemv vm set demo budget 6M
take_map
ok "the new host adopts it" on_new smemv vm adopt demo "$map" budget 4M deadline 3000
refused() {
	echo $(($(server_counter one stale_epoch) + $(server_counter two stale_epoch)))
}
refused_before=$(refused)
net_shape one,two delay 500ms
timeout 60 smemv vm populate demo &
populate=$!
sleep 0.3
ok "it is taken back when this host does not know yet that it lost it" smemv vm take-back demo
net_shape one,two
status=0
wait $populate || status=$?
is "$status" 0 "bringing it home begins anew"
compare "$(refused)" -gt "$refused_before" "after the servers had refused it"
compare "$(memfile_get demo .resident_bytes)" -gt $((5 << 20)) "and ends when the budget has no more room to spare"
ok "all may stay again" smemv vm set demo budget 8M
ok "the new host's file goes" on_new smemv vm del demo
ok "it may not take long any more" smemv vm set demo deadline 5000

# Claimed and taken back while the claim is held: the new host is out.
ok "it can store" smemv vm evict demo 8M
take_map
ok "the new host adopts it again" on_new smemv vm adopt demo "$map" budget 4M deadline 3000
ok "the old host takes it back" smemv vm take-back demo
fails "the new host is too late" 'the old owner took it back' on_new smemv vm activate demo
is "$(new_get demo .owner)" lost "it lost it"
ok "its file goes" on_new smemv vm del demo
ok "every page is right" "$filecheck" --verify --seed 5 "$file"

# Activated: the commit point. The arbiter decides; while it is silent nobody runs.
ok "all of it is evicted" smemv vm evict demo 8M
take_map
ok "the new host adopts it" on_new smemv vm adopt demo "$map" budget 4M deadline 3000
arbiter=$(jq -r '.servers[.arbiter].name' "$map")
memserver_pause "$arbiter"
fails "without the arbiter nobody can know" 'nobody can know who the owner is' on_new smemv vm activate demo
fails "neither can the old host" 'nobody can know who the owner is' smemv vm take-back demo
is "$(new_get demo .owner)" claimed "it is still claimed"
memserver_resume "$arbiter"
ok "it is activated" wait_until 30 on_new smemv vm activate demo
ok "again" on_new smemv vm activate demo
ok "it is the owner" new_says demo '.owner == "active"'
ok "the old host cannot take it back" wait_until 30 take_back_is_refused
is "$(memfile_get demo .owner)" lost "it is not the owner"
ok "the new host reads it" on_new "$filecheck" --verify --seed 5 /dev/smemv/demo
ok "and writes it" on_new "$filecheck" --passes 1 --punch 5 --seed 8 /dev/smemv/demo
compare "$(new_get demo .file_counters.out_stored)" -gt 500 "beyond its budget"
on_new "$filecheck" --hold --seed 9 /dev/smemv/demo </dev/null >/dev/null || true
ok "the old host's file goes" timeout 60 smemv vm del demo
like "$(dmesg_since)" "is not this host's any more and was left alone" "and takes nothing with it, says the log"
ok "every page is right" on_new "$filecheck" --verify --seed 9 /dev/smemv/demo
ok "the new host's file goes" on_new smemv vm del demo
ok "the servers hold nothing any more" wait_until 20 servers_hold_nothing

# Pages from a program's memory, as a migration sends them.
file=$(smemv vm create demo size 4M deadline 5000) || bail "no file was made"
ok "pages are stored from memory that changes" "$spaceioctl" store "$file" 77
take_map
is "$(jq '[.runs[] | .count] | add' "$map")" 960 "those that were given up are nowhere"
ok "the new host adopts them" on_new smemv vm adopt demo "$map" budget 1M deadline 3000
ok "and becomes the owner" on_new smemv vm activate demo
ok "every page is right" on_new "$spaceioctl" verify /dev/smemv/demo 77
ok "the old host's file goes" smemv vm del demo
ok "the new host's file goes" on_new smemv vm del demo

# The new host has large pages, as a migration's destination may: those that the map spares stay whole.
file=$(smemv vm create demo size 4M deadline 5000) || bail "no file was made"
on_new smemv vm create fresh size 4M >/dev/null
ok "a file with large pages adopts" on_new "$spaceioctl" large /dev/smemv/fresh 82 <>"$file"
ok "and becomes the owner" on_new smemv vm activate fresh
ok "all of it is evicted" on_new smemv vm evict fresh 4M
is "$(new_get fresh .pages)" 1024 "all pages are at the servers"
ok "every page is right" on_new "$spaceioctl" adopted /dev/smemv/fresh 82
ok "the old host's file goes" smemv vm del demo
ok "the new host's file goes" on_new smemv vm del fresh

# Pages that somebody touches while they are stored.
file=$(smemv vm create demo size 4M) || bail "no file was made"
net_shape one,two delay 500ms
ok "what was touched before is refused, and who touches the rest waits for it" "$spaceioctl" touch "$file" 80
ok "the file goes" smemv vm del demo
file=$(smemv vm create demo size 4M) || bail "no file was made"
like "$("$spaceioctl" killed "$file" 81)" '^stored=[1-9][0-9]*$' "so it is when who stores is killed"
ok "the file goes" smemv vm del demo
file=$(smemv vm create demo size 4M) || bail "no file was made"
ok "what is given up while it waits to be stored stays so" "$spaceioctl" given "$file" 83
net_shape one,two
ok "the file goes" smemv vm del demo

# Servers that are full, or gone.
file=$(smemv vm create demo size 80M servers one,two deadline 2000 policy suspend) || bail "no file was made"
like "$("$spaceioctl" errors "$file" 0)" 'OK=1[0-9]{4} ENOSPC=' "a full server is told from others"
memserver_kill two
like "$("$spaceioctl" errors "$file" 1 512 | tr ' ' '\n' | head -n 1)" 'EIO=' "so is one that is gone"
memserver_start two 64M
ok "it comes back" wait_until 30 memfile_server_is two up

# A map from before a server was restarted is worth nothing.
ok "the file goes" smemv vm del demo
file=$(smemv vm create demo size 2M) || bail "no file was made"
"$spaceioctl" store "$file" 78
take_map
memserver_kill two
memserver_start two 64M
ok "it is back at the new host" wait_until 30 new_server_is two up
fails "a map of a server that was restarted is refused" 'was restarted since' on_new smemv vm adopt demo "$map"

ok "the file goes" smemv vm del demo

# A drain that cannot end does not keep the owner from taking back.
some_moved() {
	(($(memfile_get demo '.where.two // 0') > $1))
}
books_agree() {
	[[ "$(memserver_pages one) $(memserver_pages two)" == "$(memfile_get demo '"\(.where.one // 0) \(.where.two // 0)"')" ]]
}
taken_back_in_a_drain() {
	local there drain
	file=$(smemv vm create demo size 16M deadline 20000) || bail "no file was made"
	ok "in a drain: it is written" "$filecheck" --hold --seed 11 "$file" </dev/null
	ok "in a drain: and evicted" smemv vm evict demo 16M
	there=$(memfile_get demo '.where.two // 0')
	compare "$there" -lt 4000 "in a drain: some of it is at the arbiter"
	net_shape one,two rate 8mbit
	smemv server drain one 2>/dev/null &
	drain=$!
	ok "in a drain: pages move" wait_until 30 some_moved $((there + 100))
	memserver_pause two
	net_shape one,two
	ok "in a drain: it is taken back all the same" timeout 60 smemv vm take-back demo
	memserver_resume two
	wait $drain || true
	ok "in a drain: the server is back" wait_until 30 memfile_server_is two up
	ok "in a drain: every page is right" "$filecheck" --verify --seed 11 "$file"
	ok "in a drain: the servers hold what the map says" wait_until 30 books_agree
	ok "in a drain: the file goes" smemv vm del demo
}
taken_back_in_a_drain

# The arbiter dies between claim and activation: nobody can know, so nobody runs, whichever host
# the new arbiter hears of first.
cut_old() {
	ip rule "$1" dev lo to "$(net_address one)" prohibit
}

cut_new() {
	case $1 in
	add) on_new ip link set eth0 down ;;
	del) on_new ip link set eth0 up && on_new ip route add default via 10.72.0.1 ;;
	esac
}

sees_one_up() {
	case $1 in
	old) memfile_server_is one up ;;
	new) new_server_is one up ;;
	esac
}

# arbiter_forgets FIRST SECOND: the hosts in the order in which they reach the new arbiter.
arbiter_forgets() {
	local first=$1 second=$2

	file=$(smemv vm create demo size 2M deadline 2000) || bail "no file was made"
	"$spaceioctl" store "$file" 79
	take_map
	ok "$first first: the new host adopts it" on_new smemv vm adopt demo "$map" deadline 2000
	memserver_kill one
	fails "$first first: the arbiter is dead: it cannot be activated" 'nobody can know' on_new smemv vm activate demo
	"cut_$second" add
	memserver_start one 64M
	ok "$first first: the $first host sees the arbiter" wait_until 30 sees_one_up "$first"
	"cut_$second" del
	ok "$first first: and so does the $second host" wait_until 30 sees_one_up "$second"
	fails "$first first: it knows nothing any more: it cannot be activated" 'nobody can know' on_new smemv vm activate demo
	fails "$first first: nor taken back" 'nobody can know' smemv vm take-back demo
	like "$(dmesg_since)" 'the arbiter was restarted and does not know any more' "$first first: the log says why"
	ok "$first first: the new host's file goes" on_new smemv vm del demo
	ok "$first first: the old host's file goes" smemv vm del demo
}
arbiter_forgets old new
dmesg_mark
arbiter_forgets new old
# What nobody may drop, the operator does.
for name in one two; do
	memserver_kill $name
	memserver_start $name 64M
	ok "server $name is empty again" wait_until 30 memfile_server_is $name up
done

# But for an operator who does know: then the old host goes on with what it has and what the others hold.
force_back() {
	local there
	file=$(smemv vm create demo size 8M deadline 2000) || bail "no file was made"
	ok "force: it is written" "$filecheck" --hold --seed 5 "$file" </dev/null
	ok "force: and evicted" smemv vm evict demo 8M
	take_map
	there=$(memfile_get demo '.where.one // 0')
	compare "$there" -lt 2048 "force: some of it is not at the arbiter"
	ok "force: the new host adopts it" on_new smemv vm adopt demo "$map" deadline 2000
	memserver_kill one
	memserver_start one 64M
	for name in old new; do
		ok "force: the $name host sees the arbiter" wait_until 30 sees_one_up $name
	done
	fails "force: it cannot be taken back" 'say force' smemv vm take-back demo
	fails "force: nor by who is not root" '(Permission denied|needs root)' \
		setpriv --reuid 65534 --regid 65534 --clear-groups smemv vm take-back demo force
	dmesg_mark
	ok "force: by force it can" smemv vm take-back demo force
	is "$(memfile_get demo .owner)" active "force: it is the owner"
	like "$(dmesg_since)" 'demo: this host was made the owner of space .* by force' "force: says the log"
	fails "force: the new host cannot be it" '(took it back|nobody can know)' on_new smemv vm activate demo
	"$filecheck" --verify --allow-lost --seed 5 "$file" >"$scenario_tmp/forced" 2>&1 || true
	like "$(<"$scenario_tmp/forced")" 'FILECHECK PASS' "force: every page that is there is right"
	is "$(last_value lost "$(<"$scenario_tmp/forced")")" "$there" "force: lost are those that were at the arbiter"
	ok "force: it can be taken back as ever" smemv vm take-back demo
	ok "force: the lost pages are given up" fallocate -p -o 0 -l 8M "$file"
	ok "force: the file can be written" "$filecheck" --hold --seed 6 "$file" </dev/null
	ok "force: and evicted" smemv vm evict demo 8M
	ok "force: every page is right" "$filecheck" --verify --seed 6 "$file"
	ok "force: the new host's file goes" on_new smemv vm del demo
}
force_back

# Pages that are drained off the arbiter after the map was told are not where it says.
drained_meanwhile() {
	ok "drained: the former file goes" smemv vm del demo
	file=$(smemv vm create demo size 8M deadline 5000) || bail "no file was made"
	ok "drained: it is written" "$filecheck" --hold --seed 10 "$file" </dev/null
	ok "drained: and evicted" smemv vm evict demo 8M
	take_map
	compare "$(memfile_get demo .where.one)" -gt 0 "drained: some of it is at the arbiter"
	ok "drained: then all of that is moved" smemv server drain one
	ok "drained: the new host adopts it" on_new smemv vm adopt demo "$map" deadline 2000
	on_new smemv vm populate demo 2>/dev/null || true
	compare "$(new_get demo .lost_pages)" -gt 0 "drained: it misses pages, and expects them no more"
	fails "drained: it does not become the owner" 'has not all pages that it got' \
		on_new smemv vm activate demo
	ok "drained: the old host takes it back" smemv vm take-back demo
	ok "drained: the new host's file goes" on_new smemv vm del demo
	ok "drained: every page is right" "$filecheck" --verify --seed 10 "$file"
	take_map
	ok "drained: the server goes, who had been to decide" smemv server del one
	take_map
	ok "drained: the new host adopts it from the other" on_new smemv vm adopt demo "$map" deadline 2000
	ok "drained: the old host takes it back from there, too" smemv vm take-back demo
	ok "drained: the new host's file goes again" on_new smemv vm del demo
	ok "drained: every page is still right" "$filecheck" --verify --seed 10 "$file"
	ok "drained: and comes again" smemv server add one "$(memserver_address one)" timeout 2000
}
drained_meanwhile

on_new umount /dev/smemv
ok "the new host needs no server" on_new smemv server del one
ok "nor the other" on_new smemv server del two
leave_no_file demo
leave_no_module
done_testing
