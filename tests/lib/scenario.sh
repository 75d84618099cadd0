# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
#
# The library of all scenarios: source it first. It runs inside the lab, as root, in the tree.
#
# A scenario ends with done_testing. One that ends earlier, by an error or an unset variable, fails
# with the line where it did. Everything that was started is ended by the EXIT trap.

set -Eeuo pipefail

if [[ -z ${LAB_TREE:-} ]]; then
	echo "Bail out! run this with tests/run or tests/lab/run: it needs the lab" >&2
	exit 2
fi

lib_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scenario_tmp=$(mktemp -d /tmp/scenario.XXXXXX)
# A folder of their own: what is left here can be read after the run (tests/lab/run -o).
scenario_out=${LAB_OUT:-$scenario_tmp}

. "$lib_dir/tap.sh"
. "$lib_dir/wait.sh"
. "$lib_dir/kernel.sh"
. "$lib_dir/net.sh"
. "$lib_dir/memserver.sh"
. "$lib_dir/cgroup.sh"
. "$lib_dir/swap.sh"
. "$lib_dir/guest.sh"
. "$lib_dir/fault.sh"

cleanups=()

# at_exit COMMAND: a string to evaluate when the scenario ends; the last one is run first.
at_exit() {
	cleanups+=("$1")
}

scenario_end() {
	local status=$? i

	trap - EXIT ERR
	set +e
	exec >&"$tap_err" 2>&1
	for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do
		eval "${cleanups[i]}"
	done
	tap_end "$status"
	rm -rf "$scenario_tmp"
	exit "$tap_status"
}

trap scenario_end EXIT
trap 'exit 130' INT TERM
trap 'tap_error_place="${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND"' ERR
