# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# Memory servers on sub-hosts (net_subhost makes those). A server is named as its sub-host.

declare -A memserver_pids=()
readonly memserver_says=' serves on '
readonly memserver_port=7371 memserver_stats_port=9371

# memserver_start NAME SIZE [OPTION...]: returns when it accepts connections.
memserver_start() {
	local name=$1 size=$2 address starts
	shift 2

	address=$(net_address "$name")
	starts=$(memserver_starts "$name")
	memserver_notice_end "$name"
	rm -f "$scenario_tmp/memserver-$name".*
	memserver_supervise "$name" --listen "$address:$memserver_port" \
		--stats "$address:$memserver_stats_port" --memory "$size" "$@" &
	wait_until 5 test -s "$scenario_tmp/memserver-$name.pid"
	memserver_pids[$name]=$(<"$scenario_tmp/memserver-$name.pid")
	at_exit "memserver_end_quietly $name"
	wait_until 20 memserver_has_started "$name" "$starts" ||
		bail "memory server $name did not start: $(tail -n 5 "$(memserver_log_file "$name")")"
}

# How often a server of this name has said so.
memserver_starts() {
	local log='' rest
	if [[ -e $(memserver_log_file "$1") ]]; then
		log=$(<"$(memserver_log_file "$1")")
	fi
	rest=${log//"$memserver_says"/}
	echo $(((${#log} - ${#rest}) / ${#memserver_says}))
}

memserver_has_started() {
	(($(memserver_starts "$1") > $2))
}

# Keeps the exit status for whoever asks, whether or not that shell is the parent. setsid: a signal
# meant for the scenario's own group is not for the servers.
memserver_supervise() {
	local name=$1 status=0 record=$scenario_tmp/memserver-$1
	shift

	trap - ERR
	setsid ip netns exec "$name" smemv-memserver "$@" >>"$(memserver_log_file "$name")" 2>&1 </dev/null &
	echo $! >"$record.pid"
	wait $! || status=$?
	echo "$status" >"$record.status"
} >/dev/null 2>&1

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
	end_process "$(memserver_pid "$1")" TERM "${2:-20}" ||
		echo "memory server $1 did not end within ${2:-20} s of SIGTERM"
	memserver_status "$1"
}

memserver_kill() {
	kill -KILL "$(memserver_pid "$1")"
	memserver_status "$1" || true
}

memserver_status() {
	local file=$scenario_tmp/memserver-$1.status
	: >"$scenario_tmp/memserver-$1.asked"
	wait_until 5 test -s "$file"
	return "$(<"$file")"
}

# Accepts nothing, reads nothing, answers nothing; its kernel still acknowledges until buffers fill.
memserver_pause() {
	kill -STOP "$(memserver_pid "$1")"
}

memserver_resume() {
	kill -CONT "$(memserver_pid "$1")"
}

# Whoever ends a server on purpose asks for its status: another one that ended did so by itself.
memserver_notice_end() {
	local record=$scenario_tmp/memserver-$1 status=''

	if [[ -z ${memserver_pids[$1]:-} || -e $record.asked ]] || ! is_gone "${memserver_pids[$1]}"; then
		return
	fi
	wait_until 5 test -s "$record.status" && status=$(<"$record.status")
	: >"$record.asked"
	complain "memory server $1 ended by itself, with status ${status:-unknown}: $(tail -n 3 "$(memserver_log_file "$1")")"
}

memserver_end_quietly() {
	local pid=${memserver_pids[$1]}
	memserver_notice_end "$1"
	kill -CONT "$pid" 2>/dev/null || return 0
	: >"$scenario_tmp/memserver-$1.asked"
	# A server that still holds pages would wait for their owners.
	end_process "$pid" KILL 5
}

# memserver_stats NAME: all of its metrics, in Prometheus' text format, below HTTP's header. Not by curl: in
# emulation that takes three times as long, and scenarios ask often.
memserver_stats() {
	printf 'GET /metrics HTTP/1.0\r\n\r\n' |
		ip netns exec "$1" busybox nc -w 5 "$(net_address "$1")" "$memserver_stats_port"
}

# memserver_stat NAME METRIC: the value of one metric (labels, if any, as part of METRIC); sums the
# series when METRIC has several and no labels were given.
memserver_stat() {
	memserver_stats "$1" | awk -v metric="$2" '
		{ name = $1; sub(/\{.*/, "", name) }
		$1 == metric || name == metric { sum += $NF; found = 1 }
		END { if (!found) exit 1; printf "%.0f\n", sum }'
}

# Pages that a server holds, zero pages included.
memserver_pages() {
	local metrics with_content

	metrics=$(memserver_stats "$1") || return
	[[ $metrics =~ smemv_used_pages\ ([0-9]+) ]] || return
	with_content=${BASH_REMATCH[1]}
	[[ $metrics =~ smemv_zero_pages\ ([0-9]+) ]] || return
	echo $((with_content + BASH_REMATCH[1]))
}

# memserver_pages_at NAME...: of all of these; says nothing and fails when one of them does not answer.
memserver_pages_at() {
	local name held sum=0

	for name in "$@"; do
		held=$(memserver_pages "$name") || return
		sum=$((sum + held))
	done
	echo "$sum"
}
