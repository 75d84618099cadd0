# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
#
# The library of all scenarios: source it first. It runs inside the lab, as root, in the tree.
#
# A scenario ends with done_testing. One that ends earlier, by an error or an unset variable, fails
# with the line where it did. Everything that was started is ended by the EXIT trap.

. "$(dirname "${BASH_SOURCE[0]}")/base.sh"
. "$lib_dir/tap.sh"
. "$lib_dir/fault.sh"

# tests/run --long: as often and as long as the requirement says; else as much as shows it.
is_long_run() {
	[[ ${TEST_LONG:-no} == yes ]]
}

scenario_end() {
	local status=$?

	trap - EXIT ERR
	set +e
	exec >&"$tap_err" 2>&1
	run_cleanups
	if [[ $tap_done == yes ]] && ((${#complaints[@]})); then
		fail "all came to its end" "${complaints[@]}"
	fi
	tap_end "$status"
	exit "$tap_status"
}

trap scenario_end EXIT
trap 'tap_error_place="${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND"' ERR
