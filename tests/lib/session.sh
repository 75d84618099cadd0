# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash source-path=SCRIPTDIR
#
# The scenarios' library without its test points, for what runs in the lab and is no test: the
# benchmarks and the demo. Everything that was started is ended by the EXIT trap.

. "$(dirname "${BASH_SOURCE[0]}")/base.sh"

bail() {
	echo "${0##*/}: $*" >&2
	exit 1
}

session_end() {
	local status=$?

	trap - EXIT ERR
	set +e
	run_cleanups >&2
	exit "$status"
}

trap session_end EXIT
trap 'echo "${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND failed" >&2' ERR
