#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 81-memfile-guest: stock QEMU runs a KVM guest on a memory file of which half may be on this host.
# Its program verifies every byte of what it wrote, in random order, then all of it; the budget is
# lowered and raised meanwhile.
#
# smoke: yes
# timeout: 600

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

memfile_servers 256M
file=$(smemv vm create web1 size 128M budget 56M) || bail "no file was made"
guest_on_file web1 "$file" 128M --size 48M --passes 1 --progress 2

budget_is_kept() {
	(($(memfile_get web1 .resident_bytes) <= $1))
}

ok "the guest has filled its memory" guest_fills web1 300
fails "the file of a guest that runs is not deleted" 'open or mapped' smemv vm del web1
fails "the module of a guest that runs is not unloaded" 'in use' smemv_unload
ok "the budget is lowered while it runs" smemv vm set web1 budget 52M
ok "and is kept" wait_until 60 budget_is_kept $((52 << 20))
ok "the budget is raised while it runs" smemv vm set web1 budget 64M
ok "every byte is right" guest_wait web1 400
diag "$(memfile_get web1 .file_counters | tr -d '\n')"
compare "$(memfile_get web1 .file_counters.out_stored)" -gt 2048 "pages went out"
compare "$(memfile_get web1 .file_counters.remote_faults)" -gt 1024 "pages came back"
is "$(memfile_get web1 .file_counters.fault_errors)" 0 "no fault failed"
compare "$(memfile_get web1 .peak_bytes)" -le $((64 << 20)) "no more than the budget was here at any time"

leave_no_file web1
leave_no_module

done_testing
