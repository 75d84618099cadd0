#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 95-migrate-failures: split migrations that fail at each step: the destination dies or is cut off, servers die or are
# full, the arbiter is silent at the decision, the source dies after it. The guest runs on one side at most, with all
# its memory right; servers drop what a failed attempt got; the next attempt works.
#
# qemu: patched
# check-kernels: 6.1  (long, as all migrations: each of their scenarios runs on one kernel)
# timeout: 1200
# timeout-long: 3600

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/migrate.sh"
. "$(dirname "$0")/../lib/attempt.sh"

# The end of each attempt that fails: guest_stays CASE [STATUS [COMMAND...]]; COMMAND makes a server whole again.
guest_stays() {
	local case=$1

	migrate_cli_wait 180
	is "$migrate_cli_status" "${2:-1}" "$case: the migration fails"
	diag "$(migrate_report .reason)"
	is "$(migrate_report .guest_is_at)" source "$case: the report says where the guest is"
	guest_stays_there "$case" "${@:3}"
}

destination_dies_at_first() {
	new_target
	begin bandwidth 1M heat dirty warmup 10
	require "it has begun" wait_until 60 migration_is setup
	kill -KILL "$(guest_pid $target)"
	guest_stays "destination killed at first"
}

destination_dies_meanwhile() {
	new_target
	begin "${slow[@]}"
	require "it is under way" wait_until 60 migrate_has_stored source 512
	kill -KILL "$(guest_pid $target)"
	guest_stays "destination killed meanwhile"
}

destination_dies_with_the_claim() {
	new_target smemv_adopt
	begin "${fast[@]}"
	require "the destination claims the guest" wait_until 120 target_has_claimed
	kill -KILL "$(guest_pid $target)"
	guest_stays "destination killed with the claim"
}

# The source has all that it got, as long as the destination is not the owner.
server_dies_with_the_claim() {
	new_target smemv_adopt
	begin "${fast[@]}"
	require "the destination claims the guest" wait_until 120 target_has_claimed
	memserver_kill two
	let_go
	guest_stays "server killed with the claim" 1 server_comes_back two
}

# What it has received it goes on with when it is let go.
cancelled_with_the_claim() {
	new_target smemv_adopt
	begin "${fast[@]}"
	require "the destination claims the guest" wait_until 120 target_has_claimed
	kill -INT "$migrate_cli_pid"
	migrate_cli_wait 180
	is "$migrate_cli_status" 3 "cancelled with the claim: smemv migrate says so"
	ok "the guest runs on at the source" wait_until 30 guest_runs source
	let_go
	ok "the destination cannot activate it any more" wait_until 60 target_has_lost
	ok "and does not run" target_does_not_run
	end_target "cancelled with the claim"
	ok "the servers dropped what they got" wait_until 30 servers_hold_nothing
}

destination_is_cut_off() {
	new_target
	begin "${slow[@]}" timeout 20
	require "it is under way" wait_until 60 migrate_has_stored source 512
	net_cut dst
	guest_stays "destination cut off" 3 link_comes_back dst
}

only_server_dies() {
	new_target
	# It is the one that decides about ownership, too.
	begin "${slow[@]}" servers two
	require "it is under way" wait_until 60 migrate_has_stored source 512
	memserver_kill two
	guest_stays "only server killed" 1 server_comes_back two
}

# Nobody can know who owns the guest, so it stays stopped, until somebody asks again.
arbiter_is_silent() {
	new_target smemv_adopt
	begin "${fast[@]}"
	require "the destination claims the guest" wait_until 120 target_has_claimed
	memserver_pause one
	kill -KILL "$(guest_pid $target)"
	migrate_cli_wait 180
	is "$migrate_cli_status" 4 "arbiter silent: somebody must look"
	is "$(migrate_report .guest_is_at)" source-stopped "arbiter silent: the guest is stopped"
	fails "arbiter silent: it cannot be continued" 'cont. asks again' qmp source cont
	memserver_resume one
	ok "arbiter silent: it can when the arbiter answers" wait_until 60 qmp source cont
	ok "arbiter silent: it runs" guest_runs source
	ok "arbiter silent: the space under construction goes" wait_until 30 smemv vm del source.out
	end_target "arbiter silent"
	ok "arbiter silent: the servers dropped what they got" wait_until 30 servers_hold_nothing
}

# It was too late: the destination is the owner, and goes on when it is let go.
cancelled_too_late() {
	new_target smemv_activate
	begin "${fast[@]}"
	require "the destination owns the guest" wait_until 200 target_has_activated
	kill -INT "$migrate_cli_pid"
	ok "cancelled too late: the source knows that the guest moved" wait_until 60 migration_is moved
	let_go
	migrate_cli_wait 120
	is "$migrate_cli_status" 0 "cancelled too late: smemv migrate says that it succeeded"
	is "$(migrate_report '.result + " " + .guest_is_at')" "migrated destination" "cancelled too late: so does its report"
	guest_is_right_at_target "cancelled too late"
	ok "the servers hold nothing any more" wait_until 30 servers_hold_nothing
}

# A page that was sent before is under way again with most of the batches.
sends_again_to() {
	(($(migrate_get source "[select(.status == \"active\") | .smemv.targets[] | select(.server == \"$1\") | .resent] | add // 0") >= 256))
}

has_failed() {
	[[ $(migrate_get source ".smemv.targets[] | select(.server == \"$1\") | .state") == failed ]]
}

# Each page is counted at one server, the one that has it, and none waits.
counts_are_right() {
	local want
	want="one $(memserver_pages one) 0, two 0 0, three $(memserver_pages three) 0"
	is "$(migrate_get source '[.smemv.targets[] | "\(.server) \(.pages) \(.backlog)"] | join(", ")')" "$want" \
		"server killed, server full: pages and backlog are told as they are"
}

source_dies_right_after_the_decision() {
	new_target smemv_activate
	begin bandwidth 2M heat address downtime 1 servers one,two,three
	require "it is under way, and sends again what the guest writes" wait_until 60 sends_again_to two
	memserver_kill two
	# Earlier it would be found out at the very end, where QEMU answers nobody and smemv migrate loses its patience.
	require "server two is given up" wait_until 60 has_failed two
	hurry
	require "the destination owns the guest" wait_until 200 target_has_activated
	compare "$(dst smemv vm show "$target" --json | jq 'first | .counters.load_pages')" -le 8 \
		"it had fetched only what processors and devices share with the guest, though all is remote"
	is "$(migrate_get source '[.smemv.targets[] | .server + " " + .state] | join(", ")')" "one active, two failed, three full" \
		"server killed, server full: they were given up"
	counts_are_right
	kill -KILL "$(guest_pid source)"
	let_go
	migrate_cli_wait 120
	is "$migrate_cli_status" 4 "source killed after the decision: somebody must look"
	guest_is_right_at_target "source killed after the decision"
	ok "source killed after the decision: the space under construction is gone" test ! -e /dev/smemv/source.out
}

migrate_hosts 128M
migrate_third_server 8M
start_source
destination_dies_with_the_claim
server_dies_with_the_claim
if is_long_run; then
	only_server_dies
	destination_dies_at_first
	destination_dies_meanwhile
	cancelled_with_the_claim
	destination_is_cut_off
	arbiter_is_silent
	cancelled_too_late
	start_source
fi
source_dies_right_after_the_decision

done_testing
