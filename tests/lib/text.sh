# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# Looking into logs without starting programs, for what is asked again and again (see wait.sh).

# For regexes over several lines, where a dot is the end of a line, too.
readonly in_line=$'[^\n]*'

# has_line START FILE: one of its lines begins so.
has_line() {
	[[ -e $2 && $'\n'$(<"$2") == *$'\n'"$1"* ]]
}

# last_value KEY TEXT: the number of the last " KEY=NUMBER"; fails when there is none.
last_value() {
	local rest=${2##* "$1"=}

	[[ $rest != "$2" && $rest =~ ^[0-9]+ ]] || return
	echo "${BASH_REMATCH[0]}"
}

# last_number START FILE: the one behind START in the last line that begins so; 0 when there is none.
last_number() {
	local log=$'\n' rest
	[[ ! -e $2 ]] || log+=$(<"$2")
	rest=${log##*$'\n'"$1"}
	if [[ $rest != "$log" && $rest =~ ^[0-9]+ ]]; then
		echo "${BASH_REMATCH[0]}"
	else
		echo 0
	fi
}
