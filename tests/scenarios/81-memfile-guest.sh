#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 81-memfile-guest: stock QEMU runs a KVM guest on a memory file with twice its budget, for three minutes on
# 6.12 and a quarter of that elsewhere (a long run: thirty), longer where it was not through all of it each way by
# then. Its program goes through its memory at random, in sequence and with a hot fifth, by turns, and verifies every
# byte at each visit and all of it at the end; the budget goes down and up all the time.
#
# smoke: yes
# timeout: 1200
# timeout-long: 3600

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

# Its program has 48 MiB; what its kernel uses beside that makes it twice what may be here.
readonly most=44 budgets=(36 44 40)
seconds=45
if is_long_run; then
	seconds=1800
elif [[ $(uname -r) == 6.12.* ]]; then
	seconds=180
fi

readonly tracefs=/sys/kernel/tracing
mountpoint -q $tracefs || mount -t tracefs none $tracefs
# Its processor goes on meanwhile, or waits where it can be interrupted, and QEMU goes on.
asynchronous_faults() {
	grep -c kvm_try_async_get_page $tracefs/trace || true
}

memfile_servers 256M
file=$(smemv vm create web1 size 128M budget "${most}M") || bail "no file was made"
guest_control=()
guest_takes_orders web1
guest_on_file web1 "$file" 128M --size 48M --pattern turns --passes 1000000 --progress 2 -- "${guest_control[@]}"

passes_done() {
	local passes
	passes=$(guest_status web1 | grep -oE 'passes=[0-9]+') || true
	passes=${passes#*=}
	echo "${passes:-0}"
}

# At random, in sequence, and with a hot fifth.
budget_moves() {
	local i began=$SECONDS

	for ((i = 0; SECONDS - began < seconds || $(passes_done) < 3; i++)); do
		((SECONDS - began < seconds + 500)) || return
		smemv vm set web1 budget "${budgets[i % 3]}M" || return
		wait_until 60 memfile_fits web1 "${budgets[i % 3]}" || return
		if wait_until 5 is_gone "$(guest_pid web1)"; then
			echo "the guest has ended"
			return 1
		fi
	done
	diag "$i times"
	guest_end web1
}

require "the guest has filled its memory" guest_fills web1 300
echo 1 >$tracefs/events/kvm/kvm_try_async_get_page/enable
fails "the file of a guest that runs is not deleted" 'open or mapped' smemv vm del web1
fails "the module of a guest that runs is not unloaded" 'in use' smemv_unload
ok "its budget goes down and up, and is kept, until it is through all of it each way" budget_moves
ok "every byte is right" guest_wait web1 120
echo 0 >$tracefs/events/kvm/kvm_try_async_get_page/enable
compare "$(asynchronous_faults)" -gt 100 "KVM waits for pages asynchronously"
diag "$(memfile_get web1 .file_counters | tr -d '\n')"
compare "$(memfile_get web1 .pages)" -ge $((2 * most * 256)) "it used twice what may be here"
diag "$(passes_done) passes"
compare "$(memfile_get web1 .file_counters.out_stored)" -gt 10240 "pages went out"
compare "$(memfile_get web1 .file_counters.remote_faults)" -gt 10240 "pages came back"
is "$(memfile_get web1 .file_counters.fault_errors)" 0 "no fault failed"
compare "$(memfile_get web1 .peak_bytes)" -le $((most << 20)) "no more than the budget was here at any time"

leave_no_file web1
leave_no_module

done_testing
