# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# Scans of small machines: kvmtouch, driven by tests/fakes/scancheck.py. Source it after scenario.sh.

kvmtouch=$guest_dir/kvmtouch

# scan_check TITLE METHOD [SCANCHECK-OPTION...] KVMTOUCH-ARGUMENT... -- STEP...
#
# A point for each step that compares, and one for the method; the options of scancheck.py begin
# with --interval or --coarse and come first.
scan_check() {
	local title=$1 method=$2 options=() verdict what line lines log=$scenario_tmp/scancheck
	shift 2

	while [[ ${1:-} == --interval || ${1:-} == --coarse ]]; do
		if [[ $1 == --interval ]]; then
			options+=("$1" "$2")
			shift
		else
			options+=("$1")
		fi
		shift
	done
	"${nested_prefix[@]}" python3 "$LAB_TREE/tests/fakes/scancheck.py" "${options[@]}" "$kvmtouch" "$@" >"$log" 2>&1 ||
		fail "$title: the check ran to its end" "$(tail -n 5 "$log")"
	mapfile -t lines <"$log"
	for line in "${lines[@]}"; do
		IFS=$'\t' read -r verdict what <<<"$line"
		case $verdict in
		ok) pass "$title: $what" ;;
		"not ok") fail "$title: $what" ;;
		method) is "$what" "$method" "$title: by $method" ;;
		*) diag "$line" ;;
		esac
	done
}

# kvm_reload MODULE=PARAMETERS...: KVM anew, such as kvm_reload kvm='tdp_mmu=0' kvm_amd='npt=0'
kvm_reload() {
	local setting

	if [[ -e /run/lab/kvm-hold.pid ]]; then
		end_process "$(</run/lab/kvm-hold.pid)" KILL 10 || true
		rm -f /run/lab/kvm-hold.pid
	fi
	modprobe -r kvm-amd kvm || return
	for setting in "$@"; do
		# shellcheck disable=SC2086 # several parameters
		modprobe "${setting%%=*}" ${setting#*=} || return
	done
	kvm_start
}

machines=0

# machine_start KVMTOUCH-OPTION...: sets machine_pid; machine_tell COMMAND to it.
machine_start() {
	local input=$scenario_tmp/machine-$((++machines))

	mkfifo "$input"
	"${nested_prefix[@]}" "$kvmtouch" "$@" <"$input" >"$input.log" &
	machine_pid=$!
	machine_log=$input.log
	exec {machine_input}>"$input"
	at_exit "kill -KILL $machine_pid 2>/dev/null"
	wait_until 20 grep -q ready "$machine_log" || bail "no machine: $(<"$machine_log")"
}

machine_tell() {
	local answers
	answers=$(machine_answers)
	echo "$*" >&"$machine_input"
	wait_until 90 machine_answered $((answers + 1))
}

machine_answers() {
	grep -c '^done' "$machine_log" || true
}

machine_answered() {
	(($(machine_answers) >= $1))
}

# busy_machine KVMTOUCH-OPTION... -- COMMAND...: it goes on with these commands until it is killed.
busy_machine() {
	local options=()

	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	machine_log=$scenario_out/machine-$((++machines)).log
	# The feeder ends by SIGPIPE.
	"${nested_prefix[@]}" "$kvmtouch" "${options[@]}" < <(while printf '%s\n' "$@"; do :; done 2>/dev/null) >"$machine_log" 2>&1 &
	machine_pid=$!
	at_exit "kill -KILL $machine_pid 2>/dev/null"
	wait_until 20 grep -q ready "$machine_log" || bail "no machine: $(<"$machine_log")"
}

# Of the machine's scan.
scan_get() {
	smemv_json "first | $1" scan show "$machine_pid"
}

scans_are() {
	(($(scan_get .scans) >= $1))
}

no_scan_is_left() {
	[[ $(smemv scan show --json) == '[]' ]]
}
