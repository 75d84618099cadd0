#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 95-migrate-moments: a split migration fails in each way at each of three moments, and the guest is in one place in
# the end, runs there only, and finds all of its memory right; or nobody has it, because its only host died.
#
#	failures	cancel (Ctrl-C), timeout, source (killed), killed (a server), cut (a server), arbiter-killed and
#			arbiter-cut (the server that decides about ownership), full (the only server, by another guest),
#			dst-cut (the destination)
#	moments		setup (it warms up), meanwhile (pages are being sent), claim (the destination has adopted the
#			memory and asks for ownership next)
#
# How the destination dies is shown by 95-migrate-failures, which also shows a part of this in make check. With
# arguments, failures and moments in turn, only these combinations are tried.
#
# qemu: patched
# memory: 4G
# check-kernels: none  (long; 95-migrate-failures shows a part)
# timeout: 900
# timeout-long: 3600

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/migrate.sh"
. "$(dirname "$0")/../lib/attempt.sh"

# Where the guest may be afterwards, as smemv migrate tells it. "unknown": its source is dead.
declare -A outcome=(
	[cancel, setup]=source [cancel, meanwhile]=source [cancel, claim]=source
	[timeout, setup]=source [timeout, meanwhile]=source [timeout, claim]=source
	[source, setup]=unknown [source, meanwhile]=unknown [source, claim]='unknown|destination'
	[killed, setup]=destination [killed, meanwhile]='destination|source' [killed, claim]=source
	[cut, setup]=destination [cut, meanwhile]=destination [cut, claim]=source
	[arbiter-killed, setup]=source [arbiter-killed, meanwhile]=source
	[arbiter-killed, claim]=source-stopped [arbiter-cut, claim]='source|source-stopped'
	[full, setup]=source [full, meanwhile]=source [full, claim]=destination
	[dst-cut, setup]=source [dst-cut, claim]=source
)

# --- The moments. Each begins the migration and returns when it has come.

setup_comes() {
	begin bandwidth 1M heat dirty warmup 10 "$@"
	require "$what: it warms up" wait_until 60 migration_is setup
}

meanwhile_comes() {
	begin "${slow[@]}" "$@"
	require "$what: it is under way" wait_until 60 migrate_has_stored source 512
}

claim_comes() {
	begin "${fast[@]}" "$@"
	require "$what: the destination claims the guest" wait_until 120 target_has_claimed
}

# --- The failures. Some are an option of smemv migrate; each has a begin, and some have an end.

options_of() {
	case $failure in
	dst-cut) echo timeout 20 ;;
	timeout) if [[ $moment == setup ]]; then echo timeout 8; else echo timeout 20; fi ;;
	full) echo servers three ;;
	esac
}

cancel_begin() {
	kill -INT "$migrate_cli_pid"
}

# It must end by itself, also while the destination is held.
timeout_begin() {
	ok "$what: smemv migrate gives up by itself" wait_until 60 is_gone "$migrate_cli_pid"
}

source_begin() {
	kill -KILL "$(guest_pid source)"
}

killed_begin() {
	memserver_kill two
}

killed_end() {
	server_comes_back two
}

cut_begin() {
	net_cut two
	ok "$what: the cut is noticed" wait_until 60 memfile_server_is two down
}

cut_end() {
	link_comes_back two
}

arbiter-killed_begin() {
	memserver_kill one
}

# It knows nothing any more: once the map was sent, only the operator can say where the guest may run.
arbiter-killed_end() {
	server_comes_back one
	if [[ $place != source-stopped ]]; then
		return
	fi
	fails "$what: the guest cannot be continued" 'cont. asks again' qmp source cont
	migrate_quit "$target"
	kill -KILL "$(guest_pid "$target")" 2>/dev/null || true
	ok "$what: the operator has it back" smemv vm take-back source.out force
	ok "$what: now it can" qmp source cont
	ok "$what: the space under construction goes" wait_until 30 smemv vm del source.out
}

arbiter-cut_begin() {
	net_cut one
	ok "$what: the cut is noticed" wait_until 60 memfile_server_is one down
}

arbiter-cut_end() {
	link_comes_back one
}

# Neither the source nor a server hears of it.
dst-cut_begin() {
	net_cut dst
}

dst-cut_end() {
	link_comes_back dst
}

full_begin() {
	local filler
	filler=$(smemv vm create filler size 124M budget 1M)
	like "$("$LAB_TREE/tests/fakes/spaceioctl.py" errors "$filler" 2)" 'ENOSPC=' "$what: another file fills server three"
}

full_end() {
	ok "$what: the other file goes" smemv vm del filler
}

if_there() {
	if declare -F "$1" >/dev/null; then
		"$1"
	fi
}

# --- The ends.

# Both sides have come to rest: one runs, or none of them is alive.
is_settled() {
	if ! is_gone "$(guest_pid source)" && ! source_runs; then
		qmp source cont >/dev/null 2>&1 || true
	fi
	source_runs || target_runs || { is_gone "$(guest_pid source)" && target_does_not_run; }
}

source_runs() {
	! is_gone "$(guest_pid source)" && guest_runs source
}

target_runs() {
	! target_does_not_run
}

stays_at_source() {
	ok "$what: the destination does not run" target_does_not_run
	if [[ $place == source-stopped && -e /dev/smemv/source.out ]]; then
		ok "$what: the space under construction goes" wait_until 30 smemv vm del source.out
	fi
	guest_stays_there "$what"
	ok "$what: the guest goes on through its memory" guest_sweeps source 300
}

is_nowhere() {
	end_target "$what"
	if [[ -e /dev/smemv/source.out ]]; then
		ok "$what: the space under construction goes" wait_until 30 smemv vm del source.out
	fi
	ok "$what: the servers dropped what they got" wait_until 60 servers_hold_nothing
	start_source
}

moves() {
	fails "$what: the source does not run" '' source_runs
	guest_is_right_at_target "$what"
	if ! is_gone "$(guest_pid source)"; then
		migrate_quit source
	fi
	if [[ -e /dev/smemv/source.out ]]; then
		ok "$what: the space under construction goes" smemv vm del source.out
	fi
	ok "$what: the servers hold nothing any more" wait_until 60 servers_hold_nothing
	start_source
}

combination() {
	local place
	failure=$1 moment=$2 what="$1, $2"

	if [[ $moment == claim ]]; then
		new_target smemv_adopt
	else
		new_target
	fi
	# shellcheck disable=SC2046 # words
	"${moment}_comes" $(options_of)
	"${failure}_begin"
	if [[ $moment == claim ]]; then
		let_go
	elif [[ $failure != @(source|timeout) ]]; then
		hurry >/dev/null 2>&1 || true
	fi
	migrate_cli_wait 180
	place=$(migrate_report .guest_is_at)
	diag "exit status $migrate_cli_status, guest at $place: $(migrate_report .reason)"
	like "$place" "^(${outcome[$failure, $moment]})$" "$what: the guest is where it should be"
	if_there "${failure}_end"
	ok "$what: it comes to rest" wait_until 90 is_settled
	if source_runs; then
		stays_at_source
	elif target_runs; then
		moves
	else
		is_nowhere
	fi
}

# The emulator is slow when several servers are in trouble.
patience=15
migrate_hosts 128M
migrate_third_server 124M
start_source
if (($#)); then
	while (($#)); do
		combination "$1" "$2"
		shift 2
	done
elif is_long_run; then
	for failure_now in cancel timeout source killed cut arbiter-killed arbiter-cut full dst-cut; do
		for moment_now in setup meanwhile claim; do
			if [[ -n ${outcome[$failure_now, $moment_now]:-} ]]; then
				combination $failure_now $moment_now
			fi
		done
	done
else
	combination cut claim
fi
guest_end source
ok "the guest at the source finds every byte right" guest_wait source 200

done_testing
