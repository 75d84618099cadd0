#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 14-killed-out: a memory server is killed while pages go out to it. No write may fail while another
# server has room, its pages are errors (never zeros, never older content), the others stay right,
# and a new server in its place is used again by itself.
#
# smoke: yes

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

two_servers 64M timeout 1000
make_disk 20M deadline 10000 policy error
diskcheck_start "$disk"

# Three parts: what lies on the servers when one is killed and is not written again before it is read,
# what is being written then, and what is left for the server that comes back (where pages are stored
# already, they stay).
still_part=2048
first_part=4096

require "pages lie on both servers" diskcheck_do 60 fill count=$still_part
compare "$(swap_pages one)" -gt 0 "on server one too"
stores_before=$(swap_counter store_pages)
diskcheck_tell run write=100 first=$still_part count=$((first_part - still_part))
wait_until 60 counter_passes $((stores_before + 1000)) swap_counter store_pages || bail "nothing is written"
dmesg_mark
memserver_kill one
killed_at=$(swap_counter store_pages)
ok "pages still go out" wait_until 60 counter_passes $((killed_at + 1000)) swap_counter store_pages
ok "no write fails, as server two has room" diskcheck_end_run 60
takes_at_most $((10000 + 1000)) "no write took longer than deadline and timeout"
like "$(dmesg_since)" 'server one: connection [0-9]+ ended' "the kernel's log says which server went"

gone=$(swap_pages one)
compare "$gone" -gt 0 "pages were at the killed server"
smemv swap set demo deadline 3000
ok "reads of its pages fail, others are right" diskcheck_do 120 run write=0 seconds=3 depth=64 errors=read
compare "$(diskcheck_get read_errors)" -gt 0 "reads failed with EIO"
takes_at_most $((3000 + 1000)) "each failed within deadline and timeout"
compare "$(swap_counter load_errors)" -gt 0 "the failed reads are counted"

smemv swap set demo deadline 60000
server_comes_back_empty one 64M
ok "after its restart its pages are errors, all others are right" diskcheck_do 120 verify errors=read
is "$(diskcheck_get unreadable)" "$gone" "exactly the pages that were there are unreadable"
is "$(swap_lost_pages)" "$gone" "the disk counts them as lost"
compare "$(swap_counter lost_reads)" -ge "$gone" "and each read of them"
like "$(dmesg_since)" '(page [0-9]+ is|[0-9]+ pages are) lost: server one' "the kernel's log names lost pages"

ok "every page can be written again" diskcheck_do 120 fill count=$first_part
ok "and read" diskcheck_do 120 verify
is "$(swap_lost_pages)" 0 "nothing is lost any more"
ok "new pages can be written" diskcheck_do 120 fill first=$first_part
compare "$(swap_pages one)" -gt 0 "the new server is used for them"
ok "the servers hold what the map says" settles 30 one two
ok "which is what was written" holds_what_was_written

leave_nothing_behind
done_testing
