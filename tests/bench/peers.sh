# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# The swap disks that are compared, each served from memory by the sub-host "far" over the same
# link, each as its own documentation sets it up. PEER_up SIZE_MIB makes the disk; peer_disk names it.

declare -A peer_disk=()
readonly nbd_port=10809 nvme_port=4420 memcached_port=11211
readonly configfs=/sys/kernel/config nvme_subsystem=smemv-bench

# start_server NAME COMMAND...: in the sub-host, ended when the session ends.
start_server() {
	local name=$1
	shift
	setsid ip netns exec far "$@" >"$scenario_out/$name.log" 2>&1 </dev/null &
	at_exit "end_process $! TERM 10"
}

far_listens() {
	[[ -n $(ip netns exec far ss -Hltn "sport = :$1") ]]
}

wait_for_port() {
	wait_until 30 far_listens "$2" ||
		bail "$1 does not listen on port $2: $(tail -n 3 "$scenario_out/$1.log" 2>/dev/null)"
}

wait_for_disk() {
	wait_until 30 test -b "/dev/$1" || bail "there is no disk /dev/$1: $(dmesg | tail -n 3)"
}

smemv_up() {
	local device

	memserver_start far "$(($1 * 2))M"
	smemv_load
	smemv server add far "$(memserver_address far)"
	device=$(smemv swap add "${1}M" servers far name bench)
	peer_disk[smemv]=${device#/dev/}
}

nbd_up() {
	local image=/dev/shm/nbd.img

	modprobe nbd
	truncate -s "${1}M" "$image"
	printf '[generic]\n\tlistenaddr = %s\n\tport = %s\n[bench]\n\texportname = %s\n' \
		"$(net_address far)" "$nbd_port" "$image" >"$scenario_tmp/nbd.conf"
	# -M 1 would do, but one process per client is what it does by default.
	ip netns exec far nbd-server -C "$scenario_tmp/nbd.conf" -p "$scenario_tmp/nbd.pid" \
		>"$scenario_out/nbd.log" 2>&1
	wait_for_port nbd "$nbd_port"
	at_exit "end_process \"\$(<$scenario_tmp/nbd.pid)\" TERM 10"
	nbd-client "$(net_address far)" "$nbd_port" /dev/nbd0 -N bench -b 4096 -swap \
		>>"$scenario_out/nbd.log" 2>&1
	at_exit 'nbd-client -d /dev/nbd0 >/dev/null'
	peer_disk[nbd]=nbd0
	wait_for_disk nbd0
}

# The target listens in the network namespace of the process that enables its port; "ip netns exec"
# would give that process another /sys.
nvme_target_up() {
	local subsystem=$configfs/nvmet/subsystems/$nvme_subsystem port=$configfs/nvmet/ports/1

	modprobe brd rd_nr=1 rd_size=$(($1 * 1024))
	modprobe nvmet-tcp
	mountpoint -q "$configfs" || mount -t configfs configfs "$configfs"
	mkdir -p "$subsystem/namespaces/1" "$port"
	echo 1 >"$subsystem/attr_allow_any_host"
	echo /dev/ram0 >"$subsystem/namespaces/1/device_path"
	echo 1 >"$subsystem/namespaces/1/enable"
	echo ipv4 >"$port/addr_adrfam"
	echo tcp >"$port/addr_trtype"
	net_address far >"$port/addr_traddr"
	echo "$nvme_port" >"$port/addr_trsvcid"
	nsenter --net=/run/netns/far ln -s "$subsystem" "$port/subsystems/$nvme_subsystem"
	at_exit nvme_target_down
}

nvme_target_down() {
	local subsystem=$configfs/nvmet/subsystems/$nvme_subsystem

	rm "$configfs/nvmet/ports/1/subsystems/$nvme_subsystem"
	rmdir "$configfs/nvmet/ports/1" "$subsystem/namespaces/1" "$subsystem"
}

nvme_up() {
	# One path: the multipath layer would only be in this peer's way.
	modprobe nvme-core multipath=N
	modprobe nvme-tcp
	nvme_target_up "$1"
	wait_for_port nvme "$nvme_port"
	nvme connect -t tcp -a "$(net_address far)" -s "$nvme_port" -n "$nvme_subsystem" \
		-i "$(nproc)" >"$scenario_out/nvme.log" 2>&1
	at_exit "nvme disconnect -n $nvme_subsystem >/dev/null"
	peer_disk[nvme]=nvme0n1
	wait_for_disk nvme0n1
}

memcached_up() {
	start_server memcached memcached -u root -l "$(net_address far)" -p "$memcached_port" -m 64 -t 1
	wait_for_port memcached "$memcached_port"
}
