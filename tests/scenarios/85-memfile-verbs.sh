#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 85-memfile-verbs: pages are evicted and brought home by command; clean pages leave without a byte of
# traffic; what a program reads in sequence is fetched ahead, what it reads at random is not.
#
# timeout: 400

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

readonly mib=$((1 << 20))
memfile_servers 64M
file=$(smemv vm create demo size 16M) || bail "no file was made"
is "$(memfile_get demo .budget_bytes)" $((16 * mib)) "without a budget all of it may be here"

bytes_sent() {
	echo $(($(net_bytes one tx) + $(net_bytes two tx)))
}

filecheck_start holder --hold "$file"
require "the file is written" wait_until 120 filecheck_holds holder
is "$(memfile_get demo .resident_bytes)" $((16 * mib)) "all of it is here"
is "$(memfile_get demo .pages)" 0 "and nothing at the servers"

ok "some is evicted" smemv vm evict demo 4M
compare "$(memfile_get demo .resident_bytes)" -le $((12 * mib)) "it is not here any more"
compare "$(memfile_get demo .pages)" -ge 1024 "but at the servers"
ok "as good as all is evicted" smemv vm evict demo 11M
compare "$(memfile_get demo .resident_bytes)" -le $((1 * mib)) "little is left"

ok "it is brought home" smemv vm populate demo
home=$(memfile_get demo .resident_bytes)
compare "$home" -ge $((15 * mib)) "as far as the budget goes"
compare "$(memfile_get demo .pages)" -ge 3500 "the servers keep their copies"

# Clean: the servers have all but what was never evicted. Keepalives are a few hundred bytes.
sent=$(bytes_sent) stored=$(memfile_get demo .counters.store_pages)
ok "it is evicted again" smemv vm evict demo 8M
stored=$(($(memfile_get demo .counters.store_pages) - stored))
compare "$stored" -le 256 "next to nothing is stored"
compare $(($(bytes_sent) - sent)) -lt $((stored * 4400 + 20000)) "without traffic for the rest"
compare "$(memfile_get demo .file_counters.out_clean)" -ge 1500 "the pages were clean"
ok "the budget is lowered" smemv vm set demo budget 6M
filecheck_go_on holder
ok "every byte is right" filecheck_verdict holder 120

# Sequential reads against random ones: pages fetched ahead for each page that was asked for.
ahead=$(memfile_get demo .file_counters.ahead_pages)
hits=$(memfile_get demo .file_counters.ahead_hits)
waste=$(memfile_get demo .file_counters.ahead_waste)
ok "a sequence" "$filecheck" --passes 1 --sequential --write 0 --threads 1 --seed 2 "$file"
hits=$(($(memfile_get demo .file_counters.ahead_hits) - hits))
compare $(($(memfile_get demo .file_counters.ahead_pages) - ahead)) -gt 1500 "is fetched ahead"
compare "$hits" -gt 1500 "and used"
compare $(($(memfile_get demo .file_counters.ahead_waste) - waste)) -lt $((hits / 4)) "little of it in vain"

fails "populating no file" 'there is no memory file of this name' smemv vm populate none
fails "evicting no file" 'there is no memory file of this name' smemv vm evict none 1M
leave_no_file demo
leave_no_module
done_testing
