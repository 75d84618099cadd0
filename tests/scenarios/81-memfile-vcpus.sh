#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 81-memfile-vcpus: a guest with two processors, which run at once on two of the main host's while the third does what
# the operator asks for: it is scanned, the budget goes down and up, memory is evicted, the servers are drained, deleted
# and added by turns, and in the end all comes home. Both processors want the same pages; every byte is right.
#
# check-kernels: 6.12
# processors: 3
# timeout: 600
# timeout-long: 3000

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

readonly guest_mib=128 budgets=(36 44 40)
seconds=40
if is_long_run; then
	seconds=900
fi

memfile_servers 256M
file=$(smemv vm create web1 size "${guest_mib}M" budget "${budgets[0]}M") || bail "no file was made"

# It ends when it is told to: what is done meanwhile takes its time.
guest_takes_orders web1
guest_on_file web1 "$file" "${guest_mib}M" --size 48M --threads 2 --pattern turns --passes 1000000 --progress 2 -- \
	-smp 2 "${guest_control[@]}"

# What both processors use comes back meanwhile: that not all of it went is no fault.
evict_some() {
	local said
	said=$(smemv vm evict web1 8M 2>&1) || [[ $said == *"could be evicted: the rest is "* ]] || {
		echo "$said"
		return 1
	}
}

# server_goes NAME OTHER: its pages move to OTHER while the guest loads and stores them, and it comes back without any.
server_goes() {
	smemv server drain "$1" to "$2" && wait_until 30 servers_are_empty "$1" &&
		smemv server del "$1" && smemv server add "$1" "$(memserver_address "$1")"
}

# One turn of all that an operator may do.
turn() {
	local budget=${budgets[$1 % 3]} pairs=('one two' 'two one') from to
	read -r from to <<<"${pairs[$1 % 2]}"

	smemv vm set web1 budget "${budget}M" && wait_until 60 memfile_fits web1 "$budget" &&
		evict_some && server_goes "$from" "$to"
}

turns() {
	local n=0 end=$((SECONDS + seconds))

	while ((SECONDS < end)); do
		turn $((n++)) || return
	done
	diag "$n turns"
}

require "the guest has filled its memory" guest_fills web1 300
ok "it is scanned" smemv scan start pid "$(guest_pid web1)" interval 200
ok "budget, evictions and servers change for as long as it runs" turns
# Its memory turns over in some 15 s: the evictor asks for a quarter of that as the interval.
compare "$(smemv_json 'first | .scans' scan show "$(guest_pid web1)")" -ge 4 "it was scanned meanwhile"
diag "$(memfile_get web1 .file_counters | tr -d '\n')"
compare "$(memfile_get web1 .file_counters.out_stored)" -gt 10240 "pages went out"
compare "$(memfile_get web1 .file_counters.remote_faults)" -gt 2560 "pages came back"
is "$(memfile_get web1 .file_counters.fault_errors)" 0 "no fault failed"
ok "the budget is raised to all of it" smemv vm set web1 budget "${guest_mib}M"
ok "all comes home" smemv vm populate web1
fetched=$(memfile_get web1 .file_counters.remote_faults)
guest_end web1
ok "every byte is right" guest_wait web1 300
is "$(memfile_get web1 .file_counters.remote_faults)" "$fetched" "for which nothing was fetched any more"

leave_no_file web1
leave_no_module

done_testing
