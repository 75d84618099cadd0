# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# diskcheck under a scenario's control. Source it after scenario.sh. One diskcheck at a time: it
# remembers across commands what it wrote.

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

# The answer to the last command; fails when there is none yet.
diskcheck_answer() {
	local line answers=0

	while read -r line; do
		if [[ $line == 'DISKCHECK '@(ok|FAIL)* ]] && ((++answers == diskcheck_told)); then
			echo "$line"
			return
		fi
	done <"$diskcheck_log"
	return 1
}

diskcheck_has_answered() {
	diskcheck_answer || is_gone "$diskcheck_pid"
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
	last_value "$1" "$(diskcheck_answer)"
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

# takes_at_most LIMIT_MS DESCRIPTION: the longest request of diskcheck's last command. A busy
# machine stops an emulated one for a while, so the limit gets some slack.
takes_at_most() {
	compare "$(diskcheck_get max_ms)" -le $(($1 + 5000)) "$2"
}

# All that was stored is given up, and nothing stays behind on the servers.
leave_nothing_behind() {
	diskcheck_stop
	blkdiscard -f "$disk"
	ok "a discard empties the servers" wait_until 30 servers_are_empty one two
	ok "the disk goes" smemv swap del demo
	ok "no space remains" wait_until 10 no_spaces_remain one two
}
