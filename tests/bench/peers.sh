# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# The swap disks that are compared, each served from memory by the sub-host "far" over the same
# link, each as its own documentation sets it up. PEER_up SIZE_MIB makes the disk; peer_disk names it.

declare -A peer_disk=()
readonly nbd_port=10809 nvme_port=4420 memcached_port=11211
readonly configfs=/sys/kernel/config

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

# What the default of 100 us is to a real processor.
spin_as_real() {
	echo "${BENCH_SPIN:-2000}" >/sys/module/smemv/parameters/spin_us
}

smemv_up() {
	local device

	memserver_start far "$(($1 * 2))M"
	smemv_load
	spin_as_real
	smemv server add far "$(memserver_address far)"
	device=$(smemv swap add "${1}M" servers far name bench)
	peer_disk[smemv]=${device#/dev/}
}

# A memory file, of which all may be here: what is measured is what it costs that it is not.
memfile_up() {
	smemv_is_loaded || bail "memfile needs smemv before it"
	smemv vm create bench size "${1}M" servers far >/dev/null
	at_exit 'smemv vm del bench; umount /dev/smemv'
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

# The target's port; it exports nothing yet.
nvme_target_up() {
	local port=$configfs/nvmet/ports/1

	modprobe brd rd_nr=1 rd_size=$(($1 * 1024))
	modprobe nvmet-tcp
	mountpoint -q "$configfs" || mount -t configfs configfs "$configfs"
	mkdir -p "$port"
	at_exit "rmdir $port"
	echo ipv4 >"$port/addr_adrfam"
	echo tcp >"$port/addr_trtype"
	net_address far >"$port/addr_traddr"
	echo "$nvme_port" >"$port/addr_trsvcid"
}

# nvme_export SUBSYSTEM: the RAM disk. The target listens in the network namespace of the process that
# enables its port; "ip netns exec" would give that process another /sys.
nvme_export() {
	local subsystem=$configfs/nvmet/subsystems/$1 port=$configfs/nvmet/ports/1

	mkdir -p "$subsystem/namespaces/1"
	at_exit "rm $port/subsystems/$1; rmdir $subsystem/namespaces/1 $subsystem"
	echo 1 >"$subsystem/attr_allow_any_host"
	echo /dev/ram0 >"$subsystem/namespaces/1/device_path"
	echo 1 >"$subsystem/namespaces/1/enable"
	nsenter --net=/run/netns/far ln -s "$subsystem" "$port/subsystems/$1"
}

# nvme_connect PEER SUBSYSTEM DISK [OPTION...]: DISK is what the kernel will call it.
nvme_connect() {
	local peer=$1 subsystem=$2 disk=$3
	shift 3

	nvme connect -t tcp -a "$(net_address far)" -s "$nvme_port" -n "$subsystem" -i "$(nproc)" "$@" \
		>>"$scenario_out/nvme.log" 2>&1
	at_exit "nvme disconnect -n $subsystem >/dev/null"
	peer_disk[$peer]=$disk
	wait_for_disk "$disk"
}

nvme_up() {
	# One path: the multipath layer would only be in this peer's way.
	modprobe nvme-core multipath=N
	modprobe nvme-tcp
	nvme_target_up "$1"
	nvme_export smemv-bench
	wait_for_port nvme "$nvme_port"
	nvme_connect nvme smemv-bench nvme0n1
}

# The same RAM disk once more, with a CRC32C over headers and data as smemv has. Both hold the same
# pages: only one may be swapped to at a time.
nvme_digest_up() {
	[[ -n ${peer_disk[nvme]:-} ]] || bail "nvme_digest needs nvme before it"
	nvme_export smemv-bench-digest
	nvme_connect nvme_digest smemv-bench-digest nvme1n1 --hdr-digest --data-digest
}

memcached_up() {
	start_server memcached memcached -u root -l "$(net_address far)" -p "$memcached_port" -m 64 -t 1
	wait_for_port memcached "$memcached_port"
}
