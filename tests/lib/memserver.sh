# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# Memory servers on sub-hosts (net_subhost makes those). A server is named as its sub-host.

declare -A memserver_pids=()
readonly memserver_port=7371 memserver_stats_port=9371

# memserver_start NAME SIZE [OPTION...]: returns when it accepts connections.
memserver_start() {
	local name=$1 size=$2 address
	shift 2

	address=$(net_address "$name")
	# setsid: a signal meant for the scenario's own group is not for the servers.
	setsid ip netns exec "$name" smemv-memserver \
		--listen "$address:$memserver_port" --stats "$address:$memserver_stats_port" \
		--memory "$size" "$@" >>"$(memserver_log_file "$name")" 2>&1 </dev/null &
	memserver_pids[$name]=$!
	at_exit "memserver_end_quietly $name"
	if ! wait_until 20 memserver_answers_or_is_gone "$name" || is_gone "${memserver_pids[$name]}"; then
		bail "memory server $name did not start: $(tail -n 5 "$(memserver_log_file "$name")")"
	fi
}

memserver_listens() {
	[[ -n $(ip netns exec "$1" ss -Hltn "sport = :$memserver_port") ]]
}

memserver_answers_or_is_gone() {
	is_gone "${memserver_pids[$1]}" || memserver_listens "$1"
}

memserver_address() {
	echo "$(net_address "$1"):$memserver_port"
}

memserver_pid() {
	echo "${memserver_pids[$1]:?no memory server was started on $1}"
}

memserver_log_file() {
	echo "$scenario_out/memserver-$1.log"
}

# Its exit status is the server's.
memserver_stop() {
	local pid
	pid=$(memserver_pid "$1")
	end_process "$pid" TERM 20 || diag "memory server $1 did not end within 20 s of SIGTERM"
	wait "$pid"
}

memserver_kill() {
	local pid
	pid=$(memserver_pid "$1")
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
}

# Accepts nothing, reads nothing, answers nothing; its kernel still acknowledges until buffers fill.
memserver_pause() {
	kill -STOP "$(memserver_pid "$1")"
}

memserver_resume() {
	kill -CONT "$(memserver_pid "$1")"
}

memserver_end_quietly() {
	local pid=${memserver_pids[$1]}
	kill -CONT "$pid" 2>/dev/null || return 0
	end_process "$pid" TERM 5 || true
}

# memserver_stats NAME: all of its metrics, in Prometheus' text format.
memserver_stats() {
	ip netns exec "$1" curl -sS --max-time 5 "http://$(net_address "$1"):$memserver_stats_port/metrics"
}

# memserver_stat NAME METRIC: the value of one metric (labels, if any, as part of METRIC); sums the
# series when METRIC has several and no labels were given.
memserver_stat() {
	memserver_stats "$1" | awk -v metric="$2" '
		{ name = $1; sub(/\{.*/, "", name) }
		$1 == metric || name == metric { sum += $NF; found = 1 }
		END { if (!found) exit 1; printf "%.0f\n", sum }'
}
