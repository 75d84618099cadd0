# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash source-path=SCRIPTDIR
#
# What the lab's programs on the outside share: paths, messages, locks.

lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for those who source this
tree=$(cd "$lab_dir/../.." && pwd)
cache=${SMEMV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/smemv}
lab_kernels=(6.1 6.12 7.2 debug)

say() {
	echo "lab: $*" >&2
}

die() {
	echo "lab: $*" >&2
	exit 1
}

known_kernel() {
	local kernel
	for kernel in "${lab_kernels[@]}"; do
		[[ $1 == "$kernel" ]] && return 0
	done
	return 1
}

# The directory of a lab kernel: vmlinuz, release, lib/modules/RELEASE, and build (the kbuild tree).
kernel_dir() {
	echo "$cache/kernels/$1"
}

# with_lock FILE COMMAND...: one at a time, across all labs of this user.
with_lock() {
	local file=$1
	shift
	mkdir -p "$(dirname "$file")"
	(
		flock 9
		"$@" 9>&-
	) 9>"$file"
}

build_tsc_khz() {
	if [[ ! $cache/tsc-khz -nt $lab_dir/tsc-khz.c ]]; then
		gcc -O2 -Wall -Wextra -Werror -o "$cache/tsc-khz.new" "$lab_dir/tsc-khz.c" && mv "$cache/tsc-khz.new" "$cache/tsc-khz"
	fi
}

# kHz of this machine's time stamp counter, which the lab's processors show too.
tsc_khz() {
	with_lock "$cache/.tsc-khz.lock" build_tsc_khz || die "cannot build tests/lab/tsc-khz.c"
	"$cache/tsc-khz"
}
