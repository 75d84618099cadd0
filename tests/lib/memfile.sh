# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# Memory files: what scenarios about them share. Source it after scenario.sh.

filecheck=$guest_dir/filecheck

# memfile_servers SIZE [SERVER-ADD-OPTION...]: memory servers one and two, and the module with both.
memfile_servers() {
	local size=$1 name
	shift

	for name in one two; do
		net_subhost "$name"
		memserver_start "$name" "$size"
	done
	smemv_load
	at_exit memfile_unmount
	for name in one two; do
		require "server $name is added" smemv server add "$name" "$(memserver_address "$name")" "$@"
	done
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

memfile_pages_at_servers() {
	echo $(($(memserver_pages one) + $(memserver_pages two)))
}

servers_hold_nothing() {
	(($(memfile_pages_at_servers) == 0)) &&
		(($(memserver_stat one smemv_spaces) + $(memserver_stat two smemv_spaces) == 0))
}

# guest_on_file NAME FILE MEMORY MEMCHECK-OPTION...: a guest whose RAM is a memory file.
guest_on_file() {
	local name=$1 file=$2 guest_memory=$3
	shift 3

	cgroup_make "$name"
	guest_start "$name" "$name" "$guest_memory" "$@" -- \
		-object "memory-backend-file,id=pc.ram,share=on,align=2M,size=$guest_memory,mem-path=$file" \
		-machine memory-backend=pc.ram
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
	done
	ok "the module goes" smemv_unload
}
