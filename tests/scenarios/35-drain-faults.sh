#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 35-drain-faults: a server is drained while the target is full, cut off or restarted, while the
# source is cut off, and while the operator changes his mind. What cannot move stays, and is right.

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

two_servers 64M timeout 1000
make_disk 8M deadline 30000 policy error
diskcheck_start "$disk"
require "the disk is filled" diskcheck_do 120 fill

drain_in_background() {
	smemv server drain "$@" >"$scenario_tmp/drain.log" 2>"$scenario_tmp/drain.err" &
	drain_pid=$!
}

is_reachable() {
	server_state_is "$1" up || server_state_is "$1" draining
}

# Interrupted by the operator: pages stay, the server takes pages again.
gives_up_drain() {
	drain_in_background "$@"
	wait_until 60 counter_passes 0 swap_pages one || return
	kill -INT "$drain_pid"
	wait_until 60 is_gone "$drain_pid" || return
	server_state_is "$1" up && (($(swap_pages "$1") > 0))
}

everything_is_right() {
	ok "$1: every page is right" diskcheck_do 120 verify
	is "$(swap_lost_pages)" 0 "$1: nothing is lost"
	ok "$1: the servers hold what the map says" settles 60 one two
	ok "$1: which is what was written" holds_what_was_written
}

before=$(swap_pages one)
net_cut two
fails "a drain to a server that is cut off fails" 'pages stay there: no other server .* can be reached' \
	timeout 120 smemv server drain one
net_heal two
require "server two is connected again" wait_until 30 server_state_is two up
is "$(swap_pages one)" "$before" "and moved nothing"
everything_is_right "target cut"

# drain_says JQ-CONDITION
drain_says() {
	jq -e "$1" "$scenario_tmp/drain.log" || {
		cat "$scenario_tmp"/drain.{log,err}
		return 1
	}
}

# drain_slowly FROM TO: in the background, until some pages have moved.
drain_slowly() {
	before=$(swap_pages "$1")
	net_shape "$2" rate 5mbit
	drain_in_background "$1" to "$2" --json
	wait_until 60 counter_passes 64 pages_gone "$1"
}

pages_gone() {
	echo $((before - $(swap_pages "$1")))
}

diskcheck_tell run write=40 discard=10 max=16 overlap=yes
ok "a drain is under way" drain_slowly one two
net_cut one
compare "$(swap_pages one)" -gt 0 "not all is moved when its source is cut off"
sleep 3
net_heal one
net_shape two
wait_until 120 is_gone "$drain_pid" || bail "the drain does not end"
status=0
wait "$drain_pid" || status=$?
diag "it returned $status: $(cat "$scenario_tmp"/drain.{log,err})"
compare "$status" -le 1 "the drain tells whether all was moved"
require "server one is connected again" wait_until 30 is_reachable one
ok "after a cut of the source a second drain moves the rest" timeout 120 smemv server drain one
ok "no request failed, and all that was read was right" diskcheck_end_run 60
is "$(swap_pages one)" 0 "server one is empty"
ok "source cut: every page is right" diskcheck_do 120 verify
is "$(swap_lost_pages)" 0 "source cut: nothing is lost"
ok "source cut: the server holds what the map says" settles 60 two

# Server one was emptied: what comes to it now was moved.
ok "server one takes pages again" smemv server del one
require "and is used again" smemv server add one "$(memserver_address one)" timeout 1000
net_shape two rate 5mbit
ok "a drain is given up halfway" gives_up_drain two to one
net_shape two
everything_is_right "given up"

# What was given up meanwhile was not moved.
ok "a drain is under way" drain_slowly two one
ok "all pages are given up" blkdiscard -f "$disk"
net_shape one
wait_until 120 is_gone "$drain_pid" || bail "the drain does not end"
ok "it says what it moved of $before pages" \
	drain_says ".moved_pages > 0 and .moved_pages < $before and .left_pages == 0 and .lost_pages == 0"
ok "server two can go" smemv server del two
ok "and come back" smemv server add two "$(memserver_address two)" timeout 1000
require "the disk is filled again" diskcheck_do 120 fill
ok "server one is drained" timeout 120 smemv server drain one to two

# Nor was what a restarted server has no more: all.
ok "server one can go" smemv server del one
ok "and come back" smemv server add one "$(memserver_address one)" timeout 1000
ok "a drain is under way" drain_slowly two one
memserver_kill two
held=$(swap_pages two) moved=$(pages_gone two)
memserver_start two 64M
net_shape one
wait_until 120 is_gone "$drain_pid" || bail "the drain does not end"
require "server two is restarted" wait_until 30 is_reachable two
are_lost() {
	(($(swap_lost_pages) == held))
}
ok "its pages are known to be lost" wait_until 30 are_lost
ok "the drain says what was moved, and what stayed or is lost" \
	drain_says ".moved_pages == $moved and (.left_pages == $held or .lost_pages == $held)"
is "$(smemv server drain two to one --json | jq -c '[.moved_pages, .left_pages, .lost_pages]')" '[0,0,0]' "a drain of it has nothing to move"
ok "the others are right" diskcheck_do 120 verify errors=read

leave_nothing_behind
done_testing
