#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 86-adopt-here: a memory file is handed over to another one of the same main host, which the servers cannot tell
# from it: only one of both becomes the owner, whoever asks. One that had a space of its own before asks the arbiter,
# whatever that one's epoch was. A space that an operator dropped behind its owner's back loses what was at the
# server only, and nothing that the owner still has.
#
# check-kernels: 6.12  (about owners, who hardly depend on the kernel; 86-adopt runs on 6.1)
# timeout: 500

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

readonly spaceioctl=$fakes_dir/spaceioctl.py map=$scenario_tmp/map

memfile_servers 64M timeout 1000
dmesg_mark

is_right() {
	"$spaceioctl" verify "/dev/smemv/$1" 77
}

# adopted_as NAME: what demo has, all of which is at the servers.
adopted_as() {
	smemv vm map demo --json >"$map" && smemv vm adopt "$1" - budget 2M deadline 3000 <"$map"
}

file=$(smemv vm create demo size 4M deadline 5000) || bail "no file was made"
require "pages are stored" "$spaceioctl" store "$file" 77

ok "another file of this host adopts it" adopted_as other
is "$(memfile_get other .owner)" claimed "it is claimed"
ok "the old one takes it back" smemv vm take-back demo
is "$(memfile_get demo .owner)" active "it is the owner"
fails "the other is too late" 'the old owner took it back' smemv vm activate other
is "$(memfile_get other .owner)" lost "it lost it"
ok "every page is right" is_right demo
ok "the other goes" smemv vm del other

ok "a third file adopts it" adopted_as third
fails "a fourth cannot" '.' adopted_as fourth
like "$(dmesg_since)" 'fourth: cannot adopt: another file of this host claimed the space' "the log says why"
ok "no file is left of it" test ! -e /dev/smemv/fourth
ok "the third becomes the owner" smemv vm activate third
fails "the old one cannot take it back" 'the new owner is active' smemv vm take-back demo
is "$(memfile_get demo .owner)" lost "it is not the owner"
ok "every page is right" is_right third
ok "the old one goes" smemv vm del demo
ok "every page is right without it" is_right third
ok "the third goes" smemv vm del third
ok "the servers hold nothing any more" wait_until 20 servers_hold_nothing

# The epochs of two spaces have nothing to do with each other.
file=$(smemv vm create demo size 4M deadline 5000) || bail "no file was made"
require "pages are stored" "$spaceioctl" store "$file" 77
require "a file of its own is made" smemv vm create own size 4M
ok "and taken back, as its owner may" smemv vm take-back own
is "$(memfile_get own .epoch)" 2 "its space is in the epoch that the other's will be in"
ok "it adopts the other's" "$spaceioctl" over /dev/smemv/own <>"$file"
is "$(memfile_get own '"\(.owner) \(.epoch)"')" 'claimed 2' "it is claimed, and not yet active"
ok "it becomes the owner" smemv vm activate own
fails "which the arbiter knows" 'the new owner is active' smemv vm take-back demo
ok "every page is right" is_right own
ok "it stores" smemv vm evict own 4M
ok "the old one goes" smemv vm del demo
ok "it goes" smemv vm del own
ok "the servers hold nothing any more" wait_until 20 servers_hold_nothing

# half_is_dropped HOST SERVER: a half of a file is at hand and unmodified, and the other half only at the server that
# drops it meanwhile.
half_is_dropped() {
	local host=$1 server=$2 here

	written_at "$server"
	is "$(memserver_pages "$host")" 1024 "$server: all of it is at the server"
	ok "$server: a half is read again" python3 -c 'import mmap, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 2 << 20) as memory:
    [memory[at] for at in range(0, 2 << 20, 4096)]' "$file"
	# With what was fetched ahead of it.
	here=$(($(memfile_get demo .resident_bytes) / 4096))
	compare "$here" -ge 512 "$server: it is here"
	compare "$here" -lt 600 "$server: and little else"
	"go_away_$server"
	require "$server: its owner is gone" wait_until 60 space_is_unowned "$host"
	ok "$server: an operator drops it" in_subhost "$host" smemv-memserver drop "$(uuid_at "$host")" \
		--server "$(memserver_address "$host")"
	"come_back_$server"
	ok "$server: it is back" wait_until 60 memfile_server_is "$server" up
	ok "$server: what was only there is lost" wait_until 30 memfile_says ".lost_pages == $((1024 - here))"
	like "$(dmesg_since)" "demo: $((1024 - here)) pages are lost: server $server had dropped the space" \
		"$server: the log says why"
	ok "$server: what was here is evicted" smemv vm evict demo 4M
	is "$(memserver_pages "$host")" "$here" "$server: it was stored once more"
	"$filecheck" --verify --allow-lost --seed 5 "$file" >"$scenario_tmp/verdict" 2>&1 || true
	like "$(<"$scenario_tmp/verdict")" 'FILECHECK PASS' "$server: and is right"
	is "$(last_value lost "$(<"$scenario_tmp/verdict")")" $((1024 - here)) "$server: the rest reads as lost"
}

written_at() {
	file=$(smemv vm create demo size 4M servers "$1" deadline 5000) || bail "no file was made"
	require "$1: a file is written" "$filecheck" --hold --seed 5 "$file" </dev/null
	require "$1: and evicted" smemv vm evict demo 4M
}

space_is_unowned() {
	in_subhost "$1" smemv-memserver spaces --server "$(memserver_address "$1")" --json |
		jq -e 'any(.owned | not)' >/dev/null
}

uuid_at() {
	in_subhost "$1" smemv-memserver spaces --server "$(memserver_address "$1")" --json | jq -r '.[0].uuid'
}

go_away_one() {
	memserver_pause one
	ok "one: the server is silent" wait_until 30 memfile_server_is one down
	net_cut one
	memserver_resume one
}

come_back_one() {
	net_heal one
}

go_away_relayed() {
	relay_end three
}

# The answer that the space was made anew is lost.
come_back_relayed() {
	relay_start three after open
	ok "relayed: an answer is lost" wait_until 30 relay_is_done three
}

# The arbiter's answer to the last step is lost, whether that was done or not.
net_subhost three
memserver_start three 64M
relay_start three
require "a server behind a relay is added" smemv server add relayed "$(relay_address three)" lanes 1 timeout 2000
owner_unheard() {
	local what="answer lost $1 it was done"
	file=$(smemv vm create demo size 4M servers relayed deadline 5000) || bail "no file was made"
	ok "$what: pages are stored" "$spaceioctl" store "$file" 77
	relay_rule three "$1 activate"
	fails "$what: it is not known who is the owner" 'ask again' smemv vm take-back demo
	ok "$what: it was lost" relay_is_done three
	is "$(memfile_get demo .owner)" claimed "$what: so it is not the owner"
	ok "$what: the server is back" wait_until 30 memfile_server_is relayed up
	ok "$what: asked again it is" smemv vm take-back demo
	is "$(memfile_get demo .owner)" active "$what: and is told so"
	ok "$what: every page is right" is_right demo
	ok "$what: it is written" "$filecheck" --hold --seed 8 "$file" </dev/null
	ok "$what: and stored" smemv vm evict demo 4M
	is "$(memserver_pages three)" 1024 "$what: all of it"
	ok "$what: it can be taken back as ever" smemv vm take-back demo
	ok "$what: every page is right" "$filecheck" --verify --seed 8 "$file"
	ok "$what: the file goes" smemv vm del demo
	is "$(memserver_pages three)" 0 "$what: and its pages"
}
owner_unheard after
owner_unheard before
half_is_dropped three relayed
ok "the file goes" smemv vm del demo
ok "the server goes" smemv server del relayed
ok "so does the relay" relay_end three
ok "and ends" memserver_stop three

half_is_dropped one one
ok "the file goes" smemv vm del demo

# Who was the owner once is there first, and has the server make the space anew.
written_at() {
	file=$(smemv vm create former size 4M servers "$1" deadline 5000) || bail "no file was made"
	require "$1, adopted: a file is written" "$filecheck" --hold --seed 5 "$file" </dev/null
	require "$1, adopted: and evicted" smemv vm evict former 4M
	smemv vm map former --json >"$map" && smemv vm adopt demo - deadline 5000 <"$map"
	require "$1, adopted: another adopts it" smemv vm activate demo
	file=/dev/smemv/demo
}
half_is_dropped one one
ok "the former one goes" smemv vm del former

leave_no_file demo
leave_no_module
done_testing
