# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# Memory files: what scenarios about them share. Source it after scenario.sh.

filecheck=$guest_dir/filecheck
filepin=$guest_dir/filepin
# Of guests' RAM: KVM has large pages only of what begins at a multiple of them.
memfile_align=,align=2M

# memfile_servers SIZE [SERVER-ADD-OPTION...]: memory servers one and two, and the module with both.
memfile_servers() {
	two_servers "$@"
	at_exit memfile_unmount
}

memfile_unmount() {
	if mountpoint -q /dev/smemv; then
		rm -rf /dev/smemv/* && umount /dev/smemv
	fi
}

# memfile_get NAME JQ-EXPRESSION: such as .resident_bytes, .counters.load_pages
memfile_get() {
	smemv_json "first | $2" vm show "$1"
}

# memfile_fits NAME MIB: no more of it is here.
memfile_fits() {
	(($(memfile_get "$1" .resident_bytes) <= $2 << 20))
}

memfile_pages_at_servers() {
	memserver_pages_at one two
}

servers_hold_nothing() {
	servers_are_empty one two && no_spaces_remain one two
}

# memfile_ram FILE SIZE: QEMU's options, a line each, that make a memory file the guest's RAM.
memfile_ram() {
	printf '%s\n' -object "memory-backend-file,id=pc.ram,share=on$memfile_align,size=$2,mem-path=$1" \
		-machine memory-backend=pc.ram
}

# guest_on_file NAME FILE MEMORY MEMCHECK-OPTION... [-- QEMU-OPTION...]: a guest whose RAM is a memory file.
guest_on_file() {
	local name=$1 guest_memory=$3 check=() on_file
	mapfile -t on_file < <(memfile_ram "$2" "$3")
	shift 3

	while (($#)) && [[ $1 != -- ]]; do
		check+=("$1")
		shift
	done
	cgroup_make "$name"
	guest_start "$name" "$name" "$guest_memory" "${check[@]}" -- "${@:2}" "${on_file[@]}"
}

leave_no_file() {
	ok "the file goes" smemv vm del "$1"
	ok "the servers hold nothing any more" wait_until 20 servers_hold_nothing
}

leave_no_module() {
	local name
	umount /dev/smemv
	for name in one two; do
		ok "server $name is not needed any more" smemv server del "$name"
		# One that was started late has a copy of the mount, as "ip netns exec" copies them all.
		ok "server $name ends cleanly" memserver_stop "$name"
	done
	ok "the module goes" smemv_unload
}

declare -A filecheck_pids=() filecheck_inputs=()

filecheck_log_file() {
	echo "$scenario_out/filecheck-$1.log"
}

# filecheck_start NAME OPTION...: in the background; a line to it ends --hold (filecheck_go_on).
filecheck_start() {
	local name=$1 input
	shift

	# Not the last one's of this name, from the first look on: it says "holding", too.
	: >"$(filecheck_log_file "$name")"
	rm -f "$scenario_tmp/filecheck-$name"
	mkfifo "$scenario_tmp/filecheck-$name"
	setsid "$filecheck" "$@" <"$scenario_tmp/filecheck-$name" >"$(filecheck_log_file "$name")" 2>&1 &
	filecheck_pids[$name]=$!
	exec {input}>"$scenario_tmp/filecheck-$name"
	filecheck_inputs[$name]=$input
	at_exit "kill -KILL ${filecheck_pids[$name]} 2>/dev/null"
}

# filecheck_holds NAME [TIMES]: the first, or so many, of its --rounds.
filecheck_holds() {
	(($(grep -c '^FILECHECK holding' "$(filecheck_log_file "$1")") >= ${2:-1}))
}

filecheck_go_on() {
	echo >&"${filecheck_inputs[$1]}"
}

# filecheck_end NAME SECONDS: one with a duration; as filecheck_verdict.
filecheck_end() {
	kill -TERM "${filecheck_pids[$1]}"
	filecheck_verdict "$@"
}

# filecheck_verdict NAME SECONDS: prints it; fails unless it is PASS.
filecheck_verdict() {
	wait_until "$2" is_gone "${filecheck_pids[$1]}" || echo "no verdict after $2 s"
	tail -n 3 "$(filecheck_log_file "$1")"
	has_line 'FILECHECK PASS' "$(filecheck_log_file "$1")"
}

# filecheck_get NAME KEY: of the verdict.
filecheck_get() {
	last_value "$2" "$(<"$(filecheck_log_file "$1")")"
}

memfile_passes() {
	(($(memfile_get "$1" "$2") > $3))
}

memfile_server_is() {
	[[ $(smemv_json 'first | .state' server show "$1") == "$2" ]]
}

# memfile_says JQ-CONDITION: of the file demo.
memfile_says() {
	smemv_json "first | $1" vm show demo
}

# huge_mapped_kb PID: what of its files is mapped as pages of 2 MiB.
huge_mapped_kb() {
	awk '/^FilePmdMapped:/ { sum += $2 } END { print sum + 0 }' "/proc/$1/smaps"
}
