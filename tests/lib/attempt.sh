# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# Attempts to migrate a guest that fail at a step. Source it after migrate.sh.
#
# The destination is held at a step by its own log: QEMU tells a trace event into a full pipe, and waits.

readonly ram=112M
readonly workload=(--size 24M --pattern sequential --write 5 --zero 10 --passes 1000000 --progress 1)
# So slow that there is time for a failure.
readonly slow=(bandwidth 1M heat address) fast=(heat address downtime 2000)
attempt=0
# Seconds in which QEMU has to answer.
patience=4

start_source() {
	migrate_guest src source $ram "${workload[@]}" --
	require "the guest fills its memory" guest_fills source 200
}

# new_target [EVENT]: one that is held there, until let_go.
new_target() {
	local held=()

	attempt=$((attempt + 1))
	target=target$attempt
	if (($#)); then
		make_full_pipe
		held=(-D "$scenario_tmp/full" -trace "$1")
	fi
	migrate_target "$target" "$ram" 64M "${workload[@]}" -- "${held[@]}"
}

make_full_pipe() {
	rm -f "$scenario_tmp/full"
	mkfifo "$scenario_tmp/full"
	exec {full_pipe}<>"$scenario_tmp/full"
	dd if=/dev/zero bs=64k count=1 status=none >&"$full_pipe"
}

let_go() {
	dd bs=64k count=1 of=/dev/null status=none <&"$full_pipe"
}

# begin OPTION...: in the background.
begin() {
	migrate_cli_begin source "$target" budget 0 patience "$patience" "$@"
}

# The failure has come: the rest need not be slow.
hurry() {
	qmp source migrate-set-parameters '{"smemv-bandwidth": 0, "downtime-limit": 2000}' >/dev/null
}

migration_is() {
	[[ $(migrate_get source .smemv.state) == "$1" ]]
}

target_says() {
	[[ $(dst smemv vm show "$target" --json | jq "first | $1") == true ]]
}

# Adopted, and not activated yet: the guest is nobody's to run.
target_has_claimed() {
	target_says '.owner == "claimed"'
}

target_has_activated() {
	target_says '.owner == "active" and .epoch > 1'
}

target_has_lost() {
	is_gone "$(guest_pid "$target")" || target_says '.owner == "lost"'
}

target_does_not_run() {
	is_gone "$(guest_pid "$target")" || ! guest_runs "$target"
}

end_target() {
	migrate_quit "$target"
	kill -KILL "$(guest_pid "$target")" 2>/dev/null || true
	ok "$1: the destination's file goes" wait_until 30 dst smemv vm del "$target"
}

# guest_stays_there CASE [COMMAND...]: the guest is at the source, and nothing is left of the attempt; COMMAND makes
# a server whole again.
guest_stays_there() {
	local case=$1

	ok "$case: the guest runs on at the source" wait_until 30 guest_runs source
	ok "$case: the space under construction is gone" test ! -e /dev/smemv/source.out
	"${@:2}"
	end_target "$case"
	ok "$case: the servers dropped what they got" wait_until 30 servers_hold_nothing
}

guest_is_right_at_target() {
	ok "$1: it runs at the destination" wait_until 30 guest_runs "$target"
	ok "$1: it goes through its memory twice" guest_sweeps "$target" 300
	guest_end "$target"
	ok "$1: every byte is right" guest_wait "$target" 200
	ok "$1: its file goes" dst smemv vm del "$target"
}

servers_are_up() {
	local name
	for name in one two; do
		memfile_server_is "$name" up && dst_server_is "$name" up || return 1
	done
}

server_comes_back() {
	memserver_start "$1" 128M
	ok "the servers are up again" wait_until 60 servers_are_up
}

link_comes_back() {
	net_heal "$1"
	ok "the servers are up again" wait_until 60 servers_are_up
}
