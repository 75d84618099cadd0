# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# Split migrations of a real guest. The lab's main host is the source; a network namespace with a
# mount namespace of its own is the destination main host. Both reach the memory servers one and two.
# Source it after scenario.sh and memfile.sh.

guest_qemu=qemu-system-x86_64
readonly migrate_port=4444
# Which way a migration goes; a guest that is to come back has them turned round.
migrate_from=src migrate_to=dst

# migrate_destination: the destination main host. Before anything is mounted here: its mounts are its own.
migrate_destination() {
	type -P "$guest_qemu" | grep -q '/build/qemu/' ||
		bail "the patched QEMU is missing: run make qemu"
	net_subhost dst
	setsid ip netns exec dst unshare -m --propagation private sleep infinity &
	dst_holder=$!
	at_exit "kill $dst_holder 2>/dev/null"
	wait_until 10 dst_is_apart || bail "the destination has no namespaces of its own"
}

# migrate_unmount: the destination's files hold the module, and its namespaces outlive that. So this is to be registered
# (at_exit) when the module is loaded.
migrate_unmount() {
	if dst mountpoint -q /dev/smemv; then
		dst bash -c 'rm -rf /dev/smemv/* && umount /dev/smemv'
	fi
}

# migrate_hosts SIZE: the servers, of SIZE each, and both main hosts.
migrate_hosts() {
	local name
	migrate_destination
	memfile_servers "$@"
	at_exit migrate_unmount
	for name in one two; do
		require "the destination adds server $name" dst smemv server add "$name" "$(memserver_address "$name")"
	done
}

# migrate_third_server SIZE: both main hosts have a server three, too.
migrate_third_server() {
	local side
	net_subhost three
	memserver_start three "$1"
	for side in src dst; do
		require "$side adds server three" on "$side" smemv server add three "$(memserver_address three)"
	done
}

dst_is_apart() {
	[[ $(readlink "/proc/$dst_holder/ns/mnt") != "$(readlink /proc/$$/ns/mnt)" &&
		$(readlink "/proc/$dst_holder/ns/net") != "$(readlink /proc/$$/ns/net)" &&
		$(cat "/proc/$dst_holder/comm") == sleep ]]
}

# dst COMMAND...: on the destination main host.
dst() {
	nsenter --target "$dst_holder" --mount --net "$@"
}

# on SIDE COMMAND...
on() {
	if [[ $1 == dst ]]; then
		dst "${@:2}"
	else
		"${@:2}"
	fi
}

# migrate_guest SIDE NAME MEMORY MEMCHECK-OPTION... -- QEMU-OPTION...: a guest on that side that takes
# orders (guest_takes_orders), with another QMP socket (migrate_socket).
migrate_guest() {
	local side=$1 name=$2 ram_size=$3 guest_prefix=() guest_append guest_control
	local check=()
	shift 3

	while [[ $1 != -- ]]; do
		check+=("$1")
		shift
	done
	shift
	if [[ $side == dst ]]; then
		guest_prefix=(nsenter --target "$dst_holder" --mount --net)
	fi
	guest_takes_orders "$name"
	if [[ "$*" == *virtio-balloon* ]]; then
		guest_append+=' devices'
	fi
	cgroup_make "$name"
	guest_start "$name" "$name" "$ram_size" "${check[@]}" -- "${guest_control[@]}" \
		-qmp "unix:$(migrate_socket "$name"),server=on,wait=off" "$@"
	wait_until 30 qmp "$name" query-status || bail "QEMU of $name does not answer: $(tail -n 3 "$scenario_out/guest-$name.qemu")"
}

# For smemv migrate: a QMP socket has one client at a time.
migrate_socket() {
	echo "$scenario_tmp/migrate-$1"
}

# migrate_devices: both hosts have a disk and a network card's other end for guests that are started with the options
# in migrate_device_options, which use them.
migrate_devices() {
	local side
	modprobe -q tun || true
	for side in src dst; do
		on "$side" ip tuntap add guest0 mode tap
		on "$side" ip link set guest0 address 02:00:00:00:00:01
		on "$side" ip addr add 10.9.0.1/24 dev guest0
		on "$side" ip link set guest0 up
	done
	truncate -s 4M "$scenario_tmp/disk"
	migrate_device_options=(-drive "if=none,id=disk,format=raw,file=$scenario_tmp/disk,file.locking=off"
		-device "virtio-blk-pci,drive=disk" -netdev "tap,id=net,ifname=guest0,script=no,downscript=no"
		-device "virtio-net-pci,netdev=net,mac=02:00:00:00:00:02,romfile=" -object "iothread,id=hints"
		-device "virtio-balloon-pci,id=balloon,free-page-hint=on,iothread=hints")
}

# The number of times that the guest's program went through its memory, as it last said.
guest_passes() {
	last_number 'MEMCHECK progress passes=' "$(guest_log_file "$1")"
}

guest_has_passed() {
	(($(guest_passes "$1") >= $2))
}

guest_has_said_passes() {
	has_line 'MEMCHECK progress' "$(guest_log_file "$1")"
}

# guest_sweeps NAME SECONDS: two full sweeps from now on. One that has just come says first how many it had before. What
# a guest does that does not get there in time is told.
guest_sweeps() {
	local from=none end=$((SECONDS + $2))
	if wait_until "$2" guest_has_said_passes "$1"; then
		from=$(guest_passes "$1")
		if wait_until $((end - SECONDS)) guest_has_passed "$1" $((from + 3)); then
			return
		fi
	fi
	echo "passes: $from when it began, now $(guest_passes "$1"); $(guest_status "$1")"
	guest_stands "$1"
	return 1
}

# migrate_split GUEST on|off: the capability.
migrate_split() {
	qmp "$1" migrate-set-capabilities "{\"capabilities\": [{\"capability\": \"smemv\", \"state\": $2}]}" >/dev/null
}

migrate_address() {
	if [[ $1 == dst ]]; then
		net_address dst
	else
		net_main_address dst
	fi
}

# migrate_get GUEST JQ-EXPRESSION: of query-migrate.
migrate_get() {
	qmp "$1" query-migrate | jq -r "$2"
}

guest_state() {
	qmp "$1" query-status | jq -r .status
}

guest_runs() {
	[[ $(guest_state "$1") == running ]]
}

dst_server_is() {
	[[ $(dst smemv server show "$1" --json | jq -r 'first | .state') == "$2" ]]
}

# A QEMU whose guest is elsewhere.
migrate_quit() {
	qmp "$1" quit >/dev/null 2>&1 || true
	wait_until 20 is_gone "$(guest_pid "$1")"
}

# migrate_target NAME MEMORY BUDGET MEMCHECK-OPTION... -- QEMU-OPTION...: a memory file of that name where the
# migration goes, and a QEMU on it that waits for a guest.
migrate_target() {
	local name=$1 memory=$2 on_file
	on "$migrate_to" smemv vm create "$name" size "$memory" budget "$3" overcommit >/dev/null || bail "no memory file for $name"
	mapfile -t on_file < <(memfile_ram "/dev/smemv/$name" "$memory")
	migrate_guest "$migrate_to" "$name" "$memory" "${@:4}" "${on_file[@]}" -incoming defer
}

# migrate_cli FROM TO OPTION...: smemv migrate; its report is for migrate_report.
migrate_cli() {
	on "$migrate_from" smemv migrate from "$(migrate_socket "$1")" to "$(migrate_socket "$2")" \
		via "$(migrate_address "$migrate_to"):$migrate_port" \
		--json "${@:3}" >"$scenario_tmp/report" 2>"$scenario_out/progress" || {
		local status=$?
		cat "$scenario_out/progress"
		return $status
	}
}

# The same in the background, as a process that takes signals.
migrate_cli_begin() {
	smemv migrate from "$(migrate_socket "$1")" to "$(migrate_socket "$2")" \
		via "$(migrate_address "$migrate_to"):$migrate_port" \
		--json "${@:3}" >"$scenario_tmp/report" 2>"$scenario_out/progress" &
	migrate_cli_pid=$!
	at_exit "kill $migrate_cli_pid 2>/dev/null"
}

# migrate_cli_wait SECONDS: leaves its exit status in migrate_cli_status. It is cancelled when it takes longer.
migrate_cli_wait() {
	if ! wait_until "$1" is_gone "$migrate_cli_pid"; then
		diag "smemv migrate does not end: $(tail -n 3 "$scenario_out/progress")"
		end_process "$migrate_cli_pid" TERM 60 || true
	fi
	migrate_cli_status=0
	wait "$migrate_cli_pid" || migrate_cli_status=$?
}

# migrate_report [JQ-OPTION...] JQ-EXPRESSION: of the report that smemv migrate printed.
migrate_report() {
	jq -r "$@" "$scenario_tmp/report"
}

# migrate_has_stored GUEST PAGES: so many at the servers, of its migration that is under way: not of the one before.
migrate_has_stored() {
	(($(migrate_get "$1" 'if .status == "active" then [.smemv.targets[].pages] | add // 0 else 0 end') >= $2))
}
