# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# Test points in TAP. A point that fails does not end the scenario; where nothing after it can be
# right, use require instead of ok, or "passed || bail REASON" after it.

tap_count=0
tap_failed=0
tap_done=no
tap_status=0
tap_error_place=''
tap_passed=yes

# Test points come out here also where a command's output is being caught.
exec {tap_out}>&1 {tap_err}>&2

diag() {
	local line
	while IFS= read -r line; do
		echo "# $line" >&"$tap_out"
	done <<<"$*"
}

point() {
	tap_count=$((tap_count + 1))
	echo "$1 $tap_count - $2" >&"$tap_out"
}

pass() {
	tap_passed=yes
	point ok "$1"
}

# fail DESCRIPTION [DIAGNOSTICS...]
fail() {
	local description=$1 line
	shift
	tap_failed=$((tap_failed + 1))
	tap_passed=no
	point "not ok" "$description"
	for line in "$@"; do
		diag "$line"
	done
	tap_place
}

# The first caller outside this library.
tap_place() {
	local i
	for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
		if [[ ${BASH_SOURCE[i]} != "${BASH_SOURCE[0]}" ]]; then
			diag "at ${BASH_SOURCE[i]##*/} line ${BASH_LINENO[i - 1]}"
			return
		fi
	done
}

# Whether the point before this passed.
passed() {
	[[ $tap_passed == yes ]]
}

# Runs a command in this shell, so that what it starts and remembers stays.
catch_output() {
	caught_status=0
	"$@" >"$scenario_tmp/caught" 2>&1 || caught_status=$?
	caught_output=$(<"$scenario_tmp/caught")
}

# ok DESCRIPTION COMMAND...: COMMAND succeeds.
ok() {
	local description=$1
	shift
	catch_output "$@"
	if ((caught_status == 0)); then
		pass "$description"
	else
		fail "$description" "$* returned $caught_status" "${caught_output:-no output}"
	fi
}

# require DESCRIPTION COMMAND...: ok, or the scenario ends here.
require() {
	ok "$@"
	passed || bail "the rest needs this"
}

# fails DESCRIPTION REGEX COMMAND...: COMMAND fails, and its output says REGEX. That timeout(1) had to end it is no
# such failure.
fails() {
	local description=$1 regex=$2
	shift 2
	catch_output "$@"
	if ((caught_status != 0 && caught_status != 124 && caught_status < 126)) && [[ $caught_output =~ $regex ]]; then
		pass "$description"
	else
		fail "$description" "$* returned $caught_status" "wanted: failure and /$regex/" \
			"got: ${caught_output:-no output}"
	fi
}

# is GOT WANTED DESCRIPTION
is() {
	if [[ $1 == "$2" ]]; then
		pass "$3"
	else
		fail "$3" "got:    $1" "wanted: $2"
	fi
}

# like GOT REGEX DESCRIPTION
like() {
	if [[ $1 =~ $2 ]]; then
		pass "$3"
	else
		fail "$3" "got: $1" "wanted: /$2/"
	fi
}

unlike() {
	if [[ ! $1 =~ $2 ]]; then
		pass "$3"
	else
		fail "$3" "got: $1" "wanted no: /$2/"
	fi
}

# compare A OPERATOR B DESCRIPTION, for whole numbers; the operators are those of test: -eq -lt ...
compare() {
	if test "$1" "$2" "$3" 2>/dev/null; then
		pass "$4"
	else
		fail "$4" "got: $1 $2 $3, which is not so"
	fi
}

# skip REASON DESCRIPTION: a point that this kernel or machine cannot have.
skip() {
	point ok "$2 # SKIP $1"
}

skip_all() {
	echo "1..0 # SKIP $1" >&"$tap_out"
	tap_done=skipped
	exit 0
}

bail() {
	diag "giving up: $*"
	exit 1
}

done_testing() {
	tap_done=yes
	exit 0
}

# tap_end STATUS: called by the EXIT trap with what the scenario returned.
tap_end() {
	if [[ $tap_done == skipped ]]; then
		return
	fi
	if [[ $tap_done == no ]]; then
		tap_failed=$((tap_failed + 1))
		point "not ok" "the scenario reached its end"
		diag "it ended with status $1${tap_error_place:+ at $tap_error_place}"
	fi
	echo "1..$tap_count" >&"$tap_out"
	if ((tap_failed || tap_count == 0)); then
		tap_status=1
	fi
}
