#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 96-migrate-guards: what goes wrong around a migration harms no guest and no later attempt. The file of another running
# guest, named by mistake, is refused, also when all of it is at servers, and keeps every byte. A destination that does not
# answer leaves nothing behind when the time is up; who tries again too early is told so, and its destination stays. A
# migration of the whole guest tells nothing of a split before it. A destination that cannot have the guest's disk keeps
# the guest stopped, says why, and "cont" lets it go on.
#
# qemu: patched
# check-kernels: none  (long: 250 s of a processor; make check has forty minutes)
# timeout: 1200

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/migrate.sh"

readonly ram=112M
readonly workload=(--size 24M --pattern sequential --write 5 --zero 10 --passes 1000000 --progress 1)
readonly disk_image=$scenario_tmp/disk

# disk_options LOCKING: QEMU's options.
disk_options() {
	printf '%s\n' -drive "if=none,id=disk,format=raw,file=$disk_image,file.locking=$1" -device virtio-blk-pci,drive=disk
}

start_guests() {
	local on_file

	truncate -s 1M "$disk_image"
	mapfile -t unlocked < <(disk_options off)
	mapfile -t on_file < <(memfile_ram /dev/smemv/other $ram)
	require "another guest's file is made" smemv vm create other size $ram
	migrate_guest src other $ram "${workload[@]}" -- "${on_file[@]}"
	migrate_guest src source $ram "${workload[@]}" -- "${unlocked[@]}"
	for name in other source; do
		require "guest $name fills its memory" guest_fills $name 300
	done
}

# Takes what comes and answers nothing: a migration goes as far as it can without a destination.
start_sink() {
	python3 - 127.0.0.1 9 <<-'EOT' >"$scenario_out/sink" 2>&1 &
		import socket, sys
		listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
		print("listening", flush=True)
		while True:
		    client, _ = listener.accept()
		    while client.recv(1 << 20):
		        pass
	EOT
	at_exit "kill $! 2>/dev/null"
	wait_until 30 grep -q listening "$scenario_out/sink"
}

by_hand() {
	qmp source migrate '{"uri": "tcp:127.0.0.1:9"}'
}

# Of the other guest, which stands still, nothing is here.
other_is_evicted() {
	smemv vm evict other $ram || true
	memfile_fits other 0
}

others_file_by_mistake() {
	require "somebody listens" start_sink
	migrate_split source true
	qmp source migrate-set-parameters '{"smemv-space": "/dev/smemv/other"}' >/dev/null
	fails "the file of a guest that runs is refused" "/other' is open elsewhere" by_hand
	qmp other stop >/dev/null
	ok "that guest is evicted" wait_until 60 other_is_evicted
	fails "and refused all the same" "/other' is open elsewhere" by_hand
	qmp other cont >/dev/null
	require "a file is made that no guest uses now" smemv vm create left size $ram
	is "$("$LAB_TREE/tests/fakes/spaceioctl.py" errors /dev/smemv/left 0 1)" OK=1 "with a page at a server"
	qmp source migrate-set-parameters '{"smemv-space": "/dev/smemv/left"}' >/dev/null
	fails "it is refused" "/left' holds memory" by_hand
	ok "it goes" smemv vm del left
	migrate_split source false
	ok "that guest goes through its memory twice" guest_sweeps other 300
	guest_end other
	ok "and every byte of it is right" guest_wait other 200
	ok "its file goes" smemv vm del other
}

# What is sent there vanishes.
close_destination() {
	dst ip route add blackhole "$(net_main_address dst)/32"
}

open_destination() {
	dst ip route del blackhole "$(net_main_address dst)/32"
}

source_connects() {
	[[ $(qmp source query-yank) == *migration* ]]
}

source_connects_no_more() {
	! source_connects
}

ends_with() {
	local want=$1 status=0
	shift
	"$@" || status=$?
	((status == want))
}

destination_does_not_answer() {
	sysctl -qw net.ipv4.tcp_syn_retries=5
	migrate_target silent $ram 64M "${workload[@]}" -- "${unlocked[@]}"
	close_destination
	ok "no answer: the time is up" ends_with 3 migrate_cli source silent budget 16M timeout 3
	like "$(tail -n 1 "$scenario_out/progress")" 'still tries to connect' "no answer: it is told that QEMU goes on trying"
	ok "no answer: the space under construction is gone at once" test ! -e /dev/smemv/source.out
	ok "no answer: the guest goes on" guest_runs source
	ok "no answer: the destination's file goes" wait_until 20 dst smemv vm del silent
	migrate_target patient $ram 64M "${workload[@]}" -- "${unlocked[@]}"
	require "no answer: QEMU is trying still" source_connects
	fails "no answer: the next attempt comes too early" 'still tries to connect.*nothing was begun' migrate_cli source patient budget 16M
	is "$(guest_state patient)" inmigrate "no answer: its destination waits on"
	fails "no answer: so it is by hand" 'has not ended its attempt to connect' by_hand
	open_destination
	require "no answer: QEMU gives up" wait_until 120 source_connects_no_more
}

# The next attempt, which is cancelled midway, and then all of the guest to ordinary memory.
whole_after_split() {
	migrate_cli_begin source patient budget 0 bandwidth 1M heat address
	require "it is under way" wait_until 60 migrate_has_stored source 512
	kill -INT "$migrate_cli_pid"
	migrate_cli_wait 120
	is "$migrate_cli_status" 3 "a split is cancelled midway"
	ok "its destination's file goes" wait_until 20 dst smemv vm del patient
	migrate_guest dst whole $ram "${workload[@]}" -- "${unlocked[@]}" -incoming defer
	ok "then all of the guest goes to one host" migrate_cli source whole
	is "$(migrate_report '.result + " " + (.targets | length | tostring)')" "migrated 0" "the report tells of no servers"
	is "$(migrate_report .heat_source)" "" "nor of heat"
}

# As a QEMU does that writes to the image.
lock_image() {
	exec {lock}< <(exec python3 - "$disk_image" <<-'EOT'
		import fcntl, os, signal, struct, sys
		file = os.open(sys.argv[1], os.O_RDWR)
		fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 201, 1, 0))
		print("locked", flush=True)
		signal.pause()
	EOT
	)
	locker=$!
	at_exit "kill $locker 2>/dev/null"
	read -r -t 30 -u "$lock"
}

disk_is_in_use() {
	local locked

	mapfile -t locked < <(disk_options on)
	migrate_from=dst migrate_to=src
	migrate_target there $ram 64M "${workload[@]}" -- "${locked[@]}"
	require "somebody else uses the disk's image" lock_image
	ok "disk in use: the guest arrives, and somebody must look" ends_with 4 migrate_cli whole there budget 16M patience 5
	is "$(migrate_report .guest_is_at)" destination-stopped "disk in use: the report says where the guest is"
	like "$(migrate_report .reason)" 'lock' "disk in use: and why it does not run"
	is "$(guest_state there)" paused "disk in use: it is paused there"
	is "$(qmp there query-migrate-capabilities | jq '.[] | select(.capability == "smemv").state')" false "disk in use: it may migrate on later as any other guest"
	fails "disk in use: the source does not run it any more" 'has moved' qmp whole cont
	fails "disk in use: nor does the destination, yet" 'lock' qmp there cont
	end_process "$locker"
	ok "disk free again: the destination does" qmp there cont
	ok "the guest goes through its memory twice" guest_sweeps there 300
	guest_end there
	ok "every byte is right" guest_wait there 200
	ok "its file goes" smemv vm del there
	migrate_quit whole
	ok "the servers hold nothing any more" wait_until 30 servers_hold_nothing
}

migrate_hosts 192M
start_guests
others_file_by_mistake
destination_does_not_answer
whole_after_split
disk_is_in_use

done_testing
