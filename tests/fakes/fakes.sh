# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# Fake memory servers for scenarios: source it after the library.

readonly fakes_dir=$LAB_TREE/tests/fakes
declare -A fake_pids=() relay_pids=()

# fake_start NAME: a fake memory server on sub-host NAME (net_subhost), at the usual port.
fake_start() {
	rm -f "$(fake_control "$1")"{,.in,.out}
	setsid ip netns exec "$1" "$fakes_dir/fakeserver.py" --listen "$(net_address "$1"):$memserver_port" \
		--control "$(fake_control "$1")" >>"$scenario_out/fake-$1.log" 2>&1 </dev/null &
	fake_pids[$1]=$!
	disown $!
	at_exit "end_process ${fake_pids[$1]} KILL 5"
	wait_until 30 test -p "$(fake_control "$1").out" ||
		bail "the fake server did not start: $(tail -n 5 "$scenario_out/fake-$1.log")"
}

fake_control() {
	echo "$scenario_tmp/fake-$1"
}

# fake_tell NAME COMMAND...: see fakeserver.py; prints the answer.
fake_tell() {
	local control answer=''
	control=$(fake_control "$1")

	# Open for both, it does not wait for a fake that is gone.
	echo "${*:2}" 1<>"$control.in"
	IFS= read -r -t 30 answer <>"$control.out" || answer=""
	echo "$answer"
	[[ -n $answer && $answer != '{"error"'* ]]
}

# hostile_setup: a fake and a good server, and disk demo (in $disk) over both.
hostile_setup() {
	net_subhost fake
	net_subhost good
	fake_start fake
	memserver_start good 256M
	smemv_load
	dmesg_mark
	require "the fake server is added" smemv server add fake "$(memserver_address fake)" timeout 1000
	require "the good server is added" smemv server add good "$(memserver_address good)" timeout 10000
	disk=$(smemv swap add 256M servers fake,good name demo) || bail "no disk was made"
	wait_until 10 test -b "$disk" || bail "there is no $disk"
}

# hostile_cases OPERATION,...: every misbehaviour in answers to these.
hostile_cases() {
	report_cases "$fakes_dir/hostile.py" "$disk" demo "$(fake_control fake)" fake "$1" ${TEST_CASES:+"$TEST_CASES"}
	is "$(smemv_json '.[0].counters.protocol_errors' server show good)" 0 "the good server is not blamed"
	is "$(smemv_json '.[0].counters.disconnects' server show good)" 0 "its connections held"
}

# What a driver in Python reports, one case a line, as test points: "ok" or "not ok", tab, what was
# tried, tab, why it failed; the last line is "done".
report_cases() {
	local verdict what why last=''

	while IFS=$'\t' read -r verdict what why; do
		last=$verdict
		case $verdict in
		ok) pass "$what" ;;
		"not ok") fail "$what" "$why" ;;
		done) ;;
		*) diag "$verdict $what $why" ;;
		esac
	done < <("$@" 2>&1)
	is "$last" "done" "all cases were tried"
}

# relay_start NAME [RULE...]: before the memory server on sub-host NAME, at relay_address NAME: see relay.py.
relay_start() {
	relay_rule "$@"
	setsid ip netns exec "$1" "$fakes_dir/relay.py" "$(relay_address "$1")" "$(memserver_address "$1")" \
		"$(relay_rule_file "$1")" >"$scenario_out/relay-$1.log" 2>&1 </dev/null &
	relay_pids[$1]=$!
	disown $!
	at_exit "relay_end $1"
	wait_until 30 grep -q relays "$scenario_out/relay-$1.log" || bail "the relay did not start"
}

# One that was started after a mount has a copy of it.
relay_end() {
	end_process "${relay_pids[$1]}" KILL 5
}

relay_address() {
	echo "$(net_address "$1"):7372"
}

relay_rule_file() {
	echo "$scenario_tmp/relay-$1.rule"
}

# relay_rule NAME [WORD... [, WORD...]]: rules; none: it relays everything again.
relay_rule() {
	local rules=${*:2} file
	file=$(relay_rule_file "$1")
	# In one step: what is held between two rules would go.
	printf '%s' "${rules// , /$'\n'}" >"$file.new"
	mv "$file.new" "$file"
}

# Its rule was followed.
relay_is_done() {
	[[ ! -s $(relay_rule_file "$1") ]]
}
