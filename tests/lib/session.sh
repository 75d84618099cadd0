# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
#
# The scenarios' library without its test points, for what runs in the lab and is no test: the
# benchmarks and the demo. Everything that was started is ended by the EXIT trap.

set -Eeuo pipefail

if [[ -z ${LAB_TREE:-} ]]; then
	echo "${0##*/}: run this with tests/lab/run: it needs the lab" >&2
	exit 2
fi

lib_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scenario_tmp=$(mktemp -d /tmp/session.XXXXXX)
scenario_out=${LAB_OUT:-$scenario_tmp}
cleanups=()

# at_exit COMMAND: a string to evaluate at the end; the last one is run first.
at_exit() {
	cleanups+=("$1")
}

bail() {
	echo "${0##*/}: $*" >&2
	exit 1
}

session_end() {
	local status=$? i

	trap - EXIT ERR
	set +e
	for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do
		eval "${cleanups[i]}" >&2
	done
	rm -rf "$scenario_tmp"
	exit "$status"
}

trap session_end EXIT
trap 'exit 130' INT TERM
trap 'echo "${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND failed" >&2' ERR

. "$lib_dir/wait.sh"
. "$lib_dir/kernel.sh"
. "$lib_dir/net.sh"
. "$lib_dir/memserver.sh"
. "$lib_dir/cgroup.sh"
. "$lib_dir/swap.sh"
. "$lib_dir/guest.sh"
