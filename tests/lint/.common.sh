# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the lint scripts share. Each is an executable in tests/lint that prints TAP and can run alone.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

lint_count=0
lint_failed=0

# Files of the tree: those that git knows or would add, so that build output is left out. Without
# git (a release's tarball) all there are.
tree_files() {
	{ git ls-files -co --exclude-standard 2>/dev/null || find . -path ./build -prune -o -type f -printf '%P\n'; } |
		while IFS= read -r file; do
			[[ -f $file ]] && echo "$file"
		done | LC_ALL=C sort -u
}

comment() {
	local line
	while IFS= read -r line; do
		echo "# $line"
	done
}

# finding DESCRIPTION TEXT: a point that passes when TEXT, what was found wrong, is empty.
finding() {
	lint_count=$((lint_count + 1))
	if [[ -z $2 ]]; then
		echo "ok $lint_count - $1"
		return
	fi
	lint_failed=1
	echo "not ok $lint_count - $1"
	comment <<<"$2"
}

lint_skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

need() {
	command -v "$1" >/dev/null || {
		echo "Bail out! $1 is missing: scripts/install-deps check"
		exit 1
	}
}

lint_end() {
	echo "1..$lint_count"
	exit "$lint_failed"
}

# What passed once with the same content, the same check and the same SALT need not be checked again.
lint_memory=${SMEMV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/smemv}/lint

# content_keys SALT FILE...: a line "KEY FILE" each
content_keys() {
	local salt
	salt=$({
		echo "$1"
		cat "$0"
	} | sha256sum | cut -c 1-16)
	shift
	sha256sum -- "$@" | awk -v salt="$salt" '{ print salt "-" $1, $2 }'
}

# not_passed SALT FILE...: those that have to be checked, a line each
not_passed() {
	local key file
	while read -r key file; do
		[[ -e $lint_memory/$key ]] || echo "$file"
	done < <(content_keys "$@")
}

# remember_passed FINDINGS SALT FILE...: all that the findings do not name
remember_passed() {
	local findings=$1 key file
	shift
	mkdir -p "$lint_memory"
	while read -r key file; do
		[[ $findings == *"$file"* ]] || : >"$lint_memory/$key"
	done < <(content_keys "$@")
}
