# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# For the tests in this folder: TAP, and the command under test.

cli=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../build/smemv")
tree=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
points=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [[ ! -x $cli ]]; then
	echo "Bail out! build/smemv is missing: run make cli"
	exit 1
fi

# ok NAME COMMAND...
ok() {
	local name=$1
	shift

	points=$((points + 1))
	if "$@" >"$work/ok" 2>&1; then
		echo "ok $points - $name"
	else
		echo "not ok $points - $name"
		sed 's/^/# /' "$work/ok"
	fi
}

skip() {
	points=$((points + 1))
	echo "ok $points - $1 # SKIP $2"
}

same() {
	[[ $1 == "$2" ]] || {
		printf 'got:    %s\nwanted: %s\n' "$1" "$2"
		return 1
	}
}

# run ARGUMENT...: fills $out, $err and $status.
run() {
	status=0
	"$cli" "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
	out=$(<"$work/out")
	err=$(<"$work/err")
}

done_testing() {
	echo "1..$points"
}
