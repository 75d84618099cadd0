# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
#
# What scenarios (scenario.sh) and other sessions in the lab (session.sh) share: the parts of the
# library, a folder for the time being, and the ending of all that was started.

set -Eeuo pipefail

if [[ -z ${LAB_TREE:-} ]]; then
	echo "Bail out! ${0##*/} needs the lab: use tests/run for a scenario, tests/lab/run for the rest" >&2
	exit 2
fi

lib_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scenario_tmp=$(mktemp -d /tmp/scenario.XXXXXX)
# A folder of their own: what is left here can be read after the run (tests/lab/run -o).
scenario_out=${LAB_OUT:-$scenario_tmp}

. "$lib_dir/text.sh"
. "$lib_dir/wait.sh"
. "$lib_dir/kernel.sh"
. "$lib_dir/net.sh"
. "$lib_dir/memserver.sh"
. "$lib_dir/cgroup.sh"
. "$lib_dir/swap.sh"
. "$lib_dir/disk.sh"
. "$lib_dir/guest.sh"
. "$lib_dir/pager.sh"

cleanups=()

# at_exit COMMAND: a string to evaluate when the scenario ends; the last one is run first.
at_exit() {
	cleanups+=("$1")
}

# What went wrong while all was undone, or before it without anybody looking: a scenario fails by it.
complaints=()

complain() {
	complaints+=("$*")
	echo "$*" >&2
}

# For the EXIT trap, where a failure must not keep the rest from being undone.
run_cleanups() {
	local i
	for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do
		eval "${cleanups[i]}"
	done
	rm -rf "$scenario_tmp"
}

trap 'exit 130' INT TERM
