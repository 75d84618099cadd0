#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 15-killed-in: a memory server is killed while pages come in from it, as disk and as swap. Reads
# under way end in time, its pages are errors and counted, a process that needs one gets SIGBUS and
# nothing worse, and all other pages are right.

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

two_servers 128M timeout 1000
make_disk 20M deadline 60000 policy error
diskcheck_start "$disk"

require "the disk is filled" diskcheck_do 120 fill
gone=$(swap_pages one)
compare "$gone" -gt 0 "pages are at server one"
compare "$(swap_pages two)" -gt 0 "pages are at server two"

diskcheck_tell run write=0 depth=64 errors=read
wait_until 60 counter_passes 500 swap_counter load_pages || bail "nothing is read"
smemv swap set demo deadline 3000
memserver_kill one
ok "reads of its pages fail" wait_until 30 counter_passes 0 swap_counter load_errors
ok "what is read is right" diskcheck_end_run 60
takes_at_most $((3000 + 1000)) "each read ended within deadline and timeout"
ok "pages of server two are right meanwhile" \
	diskcheck_do 60 run write=0 seconds=3 depth=64 errors=read
compare "$(diskcheck_get pages_in)" -gt 0 "and can be read"

smemv swap set demo deadline 60000
server_comes_back_empty one 128M
ok "after its restart all other pages are right" diskcheck_do 120 verify errors=read
is "$(diskcheck_get unreadable)" "$gone" "exactly the pages that were there are unreadable"
is "$(swap_lost_pages)" "$gone" "the disk counts them as lost"
ok "reading them again changes nothing" diskcheck_do 120 verify errors=read
is "$(diskcheck_get unreadable)" "$gone" "they stay unreadable"
diskcheck_stop
blkdiscard -f "$disk"

# The same with a process whose memory it is.
swap_on "$disk"
pager_cgroup pager 8M
pager_start victim pager --size 16M --write 0 --allow-lost --duration 3600
require "a process has filled its memory" pager_fills victim 60
wait_until 60 counter_passes 300 swap_pages one || bail "nothing was swapped to server one"
smemv swap set demo deadline 3000
memserver_kill one
ok "the process cannot read some of its memory" wait_until 60 counter_passes 0 pager_get victim lost
server_comes_back_empty one 128M
ok "every page that it could read was right" pager_finish victim 120
compare "$(pager_get victim lost)" -gt 0 "pages of the killed server gave SIGBUS"
require "swapoff works" swap_off "$disk"
blkdiscard -f "$disk"
ok "nothing stays behind" wait_until 30 servers_are_empty one two
ok "the disk goes" smemv swap del demo
done_testing
