# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# diskcheck under a scenario's control, and the servers and disks that such scenarios share. Source
# it after scenario.sh. One diskcheck at a time: it remembers across commands what it wrote.

diskcheck=$guest_dir/diskcheck
diskcheck_told=0
diskcheck_log=$scenario_out/diskcheck.log

# diskcheck_start DISK [OPTION...]
diskcheck_start() {
	local disk=$1
	shift

	diskcheck_told=0
	: >"$diskcheck_log"
	rm -f "$scenario_tmp/diskcheck.commands"
	mkfifo "$scenario_tmp/diskcheck.commands"
	setsid "$diskcheck" "$@" "$disk" <"$scenario_tmp/diskcheck.commands" >>"$diskcheck_log" 2>&1 &
	diskcheck_pid=$!
	exec {diskcheck_input}>"$scenario_tmp/diskcheck.commands"
	at_exit "kill -KILL $diskcheck_pid 2>/dev/null"
}

# diskcheck_tell COMMAND: one of diskcheck's, and does not wait for its end.
diskcheck_tell() {
	diskcheck_told=$((diskcheck_told + 1))
	echo "$*" >&"$diskcheck_input"
}

diskcheck_answers() {
	grep -Ec '^DISKCHECK (ok|FAIL)' "$diskcheck_log" || true
}

diskcheck_has_answered() {
	(($(diskcheck_answers) >= diskcheck_told)) || is_gone "$diskcheck_pid"
}

# The answer to the last command.
diskcheck_answer() {
	grep -E '^DISKCHECK (ok|FAIL)' "$diskcheck_log" | sed -n "${diskcheck_told}p"
}

# diskcheck_wait SECONDS: for the last command's answer; fails unless it is ok.
diskcheck_wait() {
	if ! wait_until "$1" diskcheck_has_answered; then
		echo "no answer after $1 s"
		tail -n 3 "$diskcheck_log"
		return 1
	fi
	if [[ $(diskcheck_answer) != 'DISKCHECK ok'* ]]; then
		tail -n 12 "$diskcheck_log"
		return 1
	fi
	diskcheck_answer
}

# diskcheck_do SECONDS COMMAND
diskcheck_do() {
	diskcheck_tell "${@:2}"
	diskcheck_wait "$1"
}

# diskcheck_get KEY: of the last answer.
diskcheck_get() {
	diskcheck_answer | grep -oE " $1=[0-9]+" | cut -d = -f 2
}

# A run without an end of its own ends here.
diskcheck_end_run() {
	kill -USR1 "$diskcheck_pid"
	diskcheck_wait "$1"
}

# Closing its input is not enough: what was started meanwhile holds that too.
diskcheck_stop() {
	echo quit >&"$diskcheck_input"
	exec {diskcheck_input}>&-
	wait_until 10 is_gone "$diskcheck_pid"
}

# swap_pages [SERVER]: pages of the only swap disk that its map says are remote (at SERVER).
swap_pages() {
	if (($#)); then
		smemv_json "first | .where[\"$1\"] // 0" swap show
	else
		smemv_json 'first | .pages' swap show
	fi
}

swap_lost_pages() {
	smemv_json 'first | .lost_pages' swap show
}

# swap_counter NAME, server_counter SERVER NAME
swap_counter() {
	smemv_json "first | .counters.$1" swap show
}

server_counter() {
	smemv_json "first | .counters.$2" server show "$1"
}

server_state_is() {
	[[ $(smemv_json 'first | .state' server show "$1") == "$2" ]]
}

# all_is_settled SERVER...: each is up and holds exactly the pages that the map says.
all_is_settled() {
	local server
	for server in "$@"; do
		server_state_is "$server" up || return 1
		[[ $(memserver_pages "$server") == "$(swap_pages "$server")" ]] || return 1
	done
}

describe_settling() {
	local server
	for server in "$@"; do
		echo "$server: $(smemv_json 'first | .state' server show "$server")," \
			"holds $(memserver_pages "$server") pages, the map says $(swap_pages "$server")"
	done
}

# settles SECONDS SERVER...: until all_is_settled, for ok.
settles() {
	wait_until "$1" all_is_settled "${@:2}" || {
		describe_settling "${@:2}"
		return 1
	}
	describe_settling "${@:2}"
}

map_is_what_was_written() {
	[[ $(swap_pages) == "$(diskcheck_get written)" ]]
}

# holds_what_was_written: for ok, after a verify. What was discarded is given up a little later.
holds_what_was_written() {
	wait_until 30 map_is_what_was_written || {
		echo "the map holds $(swap_pages) pages, $(diskcheck_get written) were written"
		return 1
	}
}

servers_are_empty() {
	local server
	for server in "$@"; do
		(($(memserver_pages "$server") == 0)) || return 1
	done
}

# two_servers SIZE [SERVER-ADD-OPTION...]: memory servers one and two on sub-hosts of those names,
# and the module using both.
two_servers() {
	local size=$1 name
	shift

	for name in one two; do
		net_subhost "$name"
		memserver_start "$name" "$size"
	done
	smemv_load
	for name in one two; do
		require "server $name is added" smemv server add "$name" "$(memserver_address "$name")" "$@"
	done
}

# make_disk SIZE [SWAP-ADD-OPTION...]: disk becomes its path.
make_disk() {
	disk=$(smemv swap add "$@" name demo) || bail "no disk was made"
}

# A new server in the place of one that ended; it has none of the old one's pages.
server_comes_back_empty() {
	memserver_start "$1" "$2"
	wait_until 30 server_state_is "$1" up || bail "server $1 was not connected again"
}

# takes_at_most LIMIT_MS DESCRIPTION: the longest request of diskcheck's last command. A busy
# machine stops an emulated one for a while, so the limit gets some slack.
takes_at_most() {
	compare "$(diskcheck_get max_ms)" -le $(($1 + 5000)) "$2"
}

counter_passes() {
	(($("${@:2}") > $1))
}

# All that was stored is given up, and nothing stays behind on the servers.
leave_nothing_behind() {
	diskcheck_stop
	blkdiscard -f "$disk"
	ok "a discard empties the servers" wait_until 30 servers_are_empty one two
	ok "the disk goes" smemv swap del demo
	ok "no space remains" wait_until 10 no_spaces_remain one two
}

no_spaces_remain() {
	local server
	for server in "$@"; do
		(($(memserver_stat "$server" smemv_spaces) == 0)) || return 1
	done
}
