# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# Pagers: memcheck as background processes that swap, each in a memory cgroup that says how much of
# it may stay.

declare -A pager_pids=()

# pager_cgroup NAME SIZE: a cgroup of which so much may stay. By memory.high, which holds up who is above
# it: memory.max kills when all of that little is on its way out at the moment, as on a slow link.
pager_cgroup() {
	cgroup_make "$1" "memory.high=$2" memory.swap.max=max
}

# pager_start NAME CGROUP MEMCHECK-OPTION...: the pid is its own, not that of a shell around it.
pager_start() {
	local name=$1 group=$2
	shift 2

	: >"$(pager_log_file "$name")"
	(cgroup_exec "$group" "$memcheck" --progress 1 "$@") >"$(pager_log_file "$name")" 2>&1 </dev/null &
	pager_pids[$name]=$!
	at_exit "end_process $! KILL 10"
}

pager_pid() {
	echo "${pager_pids[$1]:?no pager was started as $1}"
}

pager_log_file() {
	echo "$scenario_out/pager-$1"
}

pager_is_filled() {
	has_line 'MEMCHECK filled' "$(pager_log_file "$1")"
}

pager_is_filled_or_gone() {
	pager_is_filled "$1" || is_gone "$(pager_pid "$1")"
}

# pager_fills NAME SECONDS: it has written all its memory once.
pager_fills() {
	wait_until "$2" pager_is_filled_or_gone "$1" || echo "not filled after $2 s"
	pager_is_filled "$1" || {
		echo "it ended, or is too slow; it said: $(tail -n 1 "$(pager_log_file "$1")")"
		return 1
	}
}

# The last value of KEY that it told: lost, reads, passes ...
pager_get() {
	last_value "$2" "$(<"$(pager_log_file "$1")")"
}

# pager_wait NAME SECONDS: for its end; fails unless its verdict is that every byte was right.
pager_wait() {
	if ! wait_until "$2" is_gone "$(pager_pid "$1")"; then
		echo "no verdict after $2 s; last: $(tail -n 1 "$(pager_log_file "$1")")"
		return 1
	fi
	tail -n 1 "$(pager_log_file "$1")"
	tail -n 1 "$(pager_log_file "$1")" | grep -q '^MEMCHECK PASS'
}

# pager_finish NAME SECONDS: it reads all its memory once more, and ends; fails unless it was still
# there and every byte is right.
pager_finish() {
	if is_gone "$(pager_pid "$1")"; then
		echo "it had ended: $(tail -n 1 "$(pager_log_file "$1")")"
		return 1
	fi
	kill -USR1 "$(pager_pid "$1")"
	pager_wait "$1" "$2"
}
