# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Memory cgroups: what makes a process page without filling the machine.

readonly cgroup_root=/sys/fs/cgroup

# cgroup_make NAME [FILE=VALUE...], such as memory.max=64M memory.swap.max=max
cgroup_make() {
	local directory=$cgroup_root/$1 setting
	shift

	if [[ ! -d $directory ]]; then
		mkdir "$directory"
		at_exit "cgroup_remove ${directory##*/}"
	fi
	for setting in "$@"; do
		echo "${setting#*=}" >"$directory/${setting%%=*}"
	done
}

cgroup_run() {
	(cgroup_exec "$@")
}

# In place of this shell. "(cgroup_exec NAME COMMAND...) &" leaves the pid of COMMAND in $!.
cgroup_exec() {
	echo "$BASHPID" >"$cgroup_root/$1/cgroup.procs"
	exec "${@:2}"
}

cgroup_get() {
	cat "$cgroup_root/$1/$2"
}

cgroup_remove() {
	local directory=$cgroup_root/$1
	if [[ -d $directory ]]; then
		echo 1 >"$directory/cgroup.kill" 2>/dev/null || true
		wait_until 10 rmdir "$directory" || complain "cgroup $1 cannot be removed"
	fi
}
