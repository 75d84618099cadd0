#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 80-memfile: a program maps a memory file of twice its budget, writes, verifies and punches holes
# from two threads at once: every byte is right, and never more than the budget is on this host.
#
# smoke: yes

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

memfile_servers 128M
file=$(smemv vm create demo size 16M budget 8M) || bail "no file was made"
is "$file" /dev/smemv/demo "it is where it is expected"
is "$(stat -c %s "$file")" $((16 << 20)) "it has its size"

ok "random reads and writes" "$filecheck" --passes 2 "$file"
compare "$(memfile_get demo .file_counters.out_stored)" -gt 2048 "pages went out"
compare "$(memfile_get demo .file_counters.remote_faults)" -gt 1024 "pages came back"
ok "holes are punched meanwhile" "$filecheck" --passes 2 --punch 10 --threads 4 --seed 2 "$file"
ok "in the order of the file" "$filecheck" --passes 1 --sequential --seed 3 "$file"
compare "$(memfile_get demo .peak_bytes)" -le $((8 << 20)) "the budget was kept at all times"
# An idle file keeps at least half of what is kept free where faults are.
has_spare_room() {
	(($(memfile_get demo .resident_bytes) <= (8 << 20) - (128 << 10)))
}
ok "ahead of need there is some room" wait_until 20 has_spare_room
is "$(memfile_get demo .file_counters.fault_errors)" 0 "no fault failed"
is "$(memfile_get demo .lost_pages)" 0 "no page was lost"

diag "$(memfile_get demo .file_counters | tr -d "\n")"
leave_no_file demo
leave_no_module

done_testing
