#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 17-pressure: with 95 % of the main host's memory in use, writers swap all the time: everything that paging
# out needs, from a request to a socket buffer, has to be had when there is no memory. Nothing stands still, no page
# is lost, no request fails. In part 10 seconds of it, in full three minutes.
#
# The servers are outside of the lab: in its kernel they would starve with the main host, and hold up
# their own help.
#
# memory: 1G
# processors: 2
# timeout: 420
# far-servers: 160M

. "$(dirname "$0")/../lib/scenario.sh"

readonly writers=(first second third)
seconds=10
if is_long_run; then
	seconds=180
fi

modprobe virtio_net
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
smemv_load
require "server one is added" smemv server add one "$LAB_FAR_ONE" lanes 2
require "server two is added" smemv server add two "$LAB_FAR_TWO" lanes 2
make_disk 256M policy error
swap_on "$disk"

# holds_no_space SERVER: as it says itself.
holds_no_space() {
	local address=LAB_FAR_${1^^}
	[[ $(smemv-memserver spaces --server "${!address}" --json | jq length) == 0 ]]
}

memory_kb() {
	counter_of /proc/meminfo "$1:"
}

# hog KB: so much is in use and cannot go.
hog() {
	python3 - "$1" <<'PYTHON' &
import ctypes, mmap, signal, sys
memory = mmap.mmap(-1, int(sys.argv[1]) << 10, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
if ctypes.CDLL(None).mlock(ctypes.c_void_p(address), ctypes.c_size_t(len(memory))):
    sys.exit("cannot lock memory")
print("hog: locked", flush=True)
signal.pause()
PYTHON
	at_exit "end_process $! KILL 10"
	wait_until 60 hog_has "$1"
}

hog_has() {
	(($(memory_kb Mlocked) >= $1))
}

used_percent() {
	echo $((100 - $(memory_kb MemAvailable) * 100 / $(memory_kb MemTotal)))
}

# What the writers have, less what they may keep.
readonly kept_kb=$((48 << 10))
require "most of the memory is taken" hog $(($(memory_kb MemAvailable) - kept_kb))
cgroup_make writers
for name in "${writers[@]}"; do
	pager_start "$name" writers --size 40M --write 100 --duration 3600 --seed ${#name}
done
for name in "${writers[@]}"; do
	require "writer $name has filled its memory" pager_fills "$name" 180
done

pages_moved() {
	echo $(($(counter_of /proc/vmstat pswpin) + $(counter_of /proc/vmstat pswpout)))
}

# pages_move SINCE: else what the writers wait for.
pages_move() {
	wait_until 30 counter_passes "$1" pages_moved || {
		echo "no page moves; $1 have"
		head -n 5 /proc/meminfo
		ps -o pid,stat,wchan:30,comm -C memcheck,kswapd0
		for name in "${writers[@]}"; do
			cat "/proc/$(pager_pid "$name")/stack"
		done
		return 1
	}
}

# watch_pressure SECONDS: the least use that was seen, while pages go out or come in all the time. Which of both it
# is at a moment is reclaim's to say: it takes many out at once, and then the writers bring theirs back for a while.
watch_pressure() {
	local now end out in used
	read_now
	end=$((now + $1 * 1000))
	out=$(counter_of /proc/vmstat pswpout) in=$(counter_of /proc/vmstat pswpin)
	least=100
	while read_now && ((now < end)); do
		pages_move "$(pages_moved)" || return
		used=$(used_percent)
		least=$((used < least ? used : least))
		sleep 1
	done
	wait_until 120 counter_passes "$out" counter_of /proc/vmstat pswpout || { echo "none went out"; return 1; }
	wait_until 120 counter_passes "$in" counter_of /proc/vmstat pswpin || { echo "none came in"; return 1; }
}

before=$(counter_of /proc/vmstat pswpout)
ok "pages go out and come in for $seconds seconds without a pause" watch_pressure "$seconds"
compare "$least" -ge 94 "nearly all memory was in use all the time"
diag "at least $least % in use; $(($(counter_of /proc/vmstat pswpout) - before)) pages out meanwhile"
for name in "${writers[@]}"; do
	ok "writer $name goes on, and each byte is right" pager_finish "$name" 180
done
for counter in store_errors load_errors lost_reads deadlines no_space; do
	is "$(swap_counter $counter)" 0 "the disk counted no $counter"
done
# Presumably because there was no memory for a packet, one was seen to pass its timeout on a busy machine. It is made again.
for server in one two; do
	ok "server $server is connected" wait_until 30 server_state_is "$server" up
	compare "$(server_counter "$server" disconnects)" -le 2 "its connections held, but for two at most"
done
unlike "$(dmesg)" 'invoked oom-killer' "nobody was killed for memory"
require "swapoff works" swap_off "$disk"
ok "the disk goes" smemv swap del demo
for server in one two; do
	ok "server $server holds nothing any more" wait_until 30 holds_no_space "$server"
	ok "and is not needed" smemv server del "$server"
done
ok "the module goes" smemv_unload

done_testing
