#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 50-unload: the module cannot be unloaded while a disk is in use, always otherwise, and fifty times
# load, configure, use, unload leave nothing behind: no memory, thread, socket, page or space, nor a way through
# the network's code. In part fifty times on 6.12, elsewhere less often.
#
# smoke: yes

. "$(dirname "$0")/../lib/scenario.sh"

net_subhost one
net_subhost two
memserver_start one 64M
memserver_start two 64M

rounds=50
if [[ $LAB_KERNEL == debug ]] || ! is_long_run && [[ $LAB_KERNEL != 6.12 ]]; then
	rounds=15
fi
address_one=$(memserver_address one) address_two=$(memserver_address two)
head -c 256K /dev/urandom >"$scenario_tmp/data"

configure() {
	smemv_load || return
	smemv server add one "$address_one" || return
	smemv server add two "$address_two" || return
	disk=$(smemv swap add 4M name demo) || return
	wait_until 10 test -b "$disk"
}

# Across the border of two runs, so that both servers get some.
write_disk() {
	dd if="$scenario_tmp/data" of="$disk" bs=64k oflag=direct seek=30 status=none
}

disk_is_right() {
	dd if="$disk" bs=64k iflag=direct count=4 skip=30 status=none | cmp - "$scenario_tmp/data"
}

servers_are_empty() {
	local server
	for server in one two; do
		[[ $(memserver_pages $server) == 0 && $(memserver_stat $server smemv_spaces) == 0 ]] || return 1
	done
}

no_sockets_are_left() {
	[[ -z $(ss -Htan "dport = :$memserver_port") ]]
}

servers_have_no_clients() {
	[[ $(memserver_stat one smemv_connections) == 0 && $(memserver_stat two smemv_connections) == 0 ]]
}

no_threads_are_left() {
	(($(smemv_threads) == 0))
}

# One kind of memory that the kernel has in use, in kB.
memory_of() {
	counter_of /proc/meminfo "$1:"
}

# What nobody holds, in kB: free, in the processors' lists of free pages, or with programs and files.
memory_unheld() {
	local lists
	lists=$(awk '$1 == "count:" { n += $2 } END { print n * 4 }' /proc/zoneinfo)
	echo $((lists + $(memory_of MemFree) + $(memory_of AnonPages) + $(memory_of Cached)))
}

# For how many users sockets may use reserves of memory. As long as there is one, each packet of the host is
# looked at for it.
users_of_reserves() {
	kernel_int memalloc_socks_key || echo unknown
}

settle_memory() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# While it is in use.
reserves=$(users_of_reserves)
require "the module is loaded and configured" configure
compare "$(smemv_threads)" -gt 0 "it has threads"
if [[ $reserves == unknown ]]; then
	skip "this kernel does not let its memory be read" "its sockets may use reserves"
else
	compare "$(users_of_reserves)" -gt "$reserves" "its sockets may use reserves"
fi
mkswap "$disk" >/dev/null
swapon "$disk"
at_exit "swap_off_quietly $disk"
fails "unload is refused while swap is on" 'in use' smemv_unload
ok "the disk still works" swapoff "$disk"
exec {held}<"$disk"
fails "unload is refused while somebody has the disk open" 'in use' smemv_unload
exec {held}<&-
ok "pages are written" write_disk
compare "$(memserver_pages_at one two)" -ge 64 "the servers hold them"
ok "unload takes an idle disk with it" smemv_unload
ok "and the servers' pages" wait_until 10 servers_are_empty
ok "the disk is gone" test ! -e "$disk"

# round NUMBER: every third time the module has to clean up by itself.
round() {
	configure && write_disk && disk_is_right || return
	if (($1 % 3)); then
		smemv swap del demo && smemv server del one && smemv server del two || return
	fi
	smemv_unload
}

rounds_pass() {
	local n
	for ((n = 1; n <= rounds; n++)); do
		if ! round $n; then
			echo "round $n failed"
			return 1
		fi
		if ((n == 5)); then
			settle_memory
			percpu=$(memory_of Percpu) slab=$(memory_of SUnreclaim) vmalloc=$(memory_of VmallocUsed)
			unheld=$(memory_unheld)
		fi
	done
}

require "$rounds times load, configure, use, unload" rounds_pass
settle_memory
diag "kB before and after: Percpu $percpu $(memory_of Percpu), SUnreclaim $slab $(memory_of SUnreclaim)," \
	"VmallocUsed $vmalloc $(memory_of VmallocUsed), unheld $unheld $(memory_unheld)"
# A leak of one page a round is 180 kB.
compare $(($(memory_of Percpu) - percpu)) -le 128 "no memory per processor leaks"
compare $(($(memory_of SUnreclaim) - slab)) -le 512 "no slab memory leaks"
compare $(($(memory_of VmallocUsed) - vmalloc)) -le 128 "no mapped memory leaks"
compare $((unheld - $(memory_unheld))) -le 4096 "no pages leak"
is "$(users_of_reserves)" "$reserves" "no socket may use reserves any more"
ok "no slab cache is left" bash -c '! grep -q ^smemv /proc/slabinfo'
ok "no thread is left" no_threads_are_left
ok "no connection is left" wait_until 10 no_sockets_are_left
ok "no disk is left" bash -c '! ls /dev/smemv* /sys/block/smemv* 2>/dev/null | grep .'
ok "the servers hold nothing" wait_until 10 servers_are_empty
ok "no connection is left at the servers" wait_until 10 servers_have_no_clients
fails "the CLI says that the module is not loaded" 'the kernel module is not loaded' smemv show

done_testing
