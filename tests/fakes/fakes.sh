# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# Fake memory servers for scenarios: source it after the library.

readonly fakes_dir=$LAB_TREE/tests/fakes
declare -A fake_pids=()

# fake_start NAME: a fake memory server on sub-host NAME (net_subhost), at the usual port.
fake_start() {
	rm -f "$(fake_control "$1")"
	setsid ip netns exec "$1" "$fakes_dir/fakeserver.py" --listen "$(net_address "$1"):$memserver_port" \
		--control "$(fake_control "$1")" >>"$scenario_out/fake-$1.log" 2>&1 </dev/null &
	fake_pids[$1]=$!
	at_exit "end_process ${fake_pids[$1]} KILL 5"
	wait_until 30 memserver_listens "$1" || bail "the fake server did not start: $(tail -n 5 "$scenario_out/fake-$1.log")"
	wait_until 5 test -S "$(fake_control "$1")"
}

fake_control() {
	echo "$scenario_tmp/fake-$1"
}

# fake_tell NAME COMMAND...: see fakeserver.py; prints the answer.
fake_tell() {
	"$fakes_dir/fakeserver.py" --tell "$(fake_control "$1")" "${@:2}"
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
