#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 90-scan-exact: a scan reports exactly the pages that a guest touched, and none when it is idle: by
# 4 KiB and 2 MiB, by one processor, several, and such as come later, on anonymous memory and on a memory file, through
# dirty logging, moved memory slots and the collapse of pages into large ones.
#
# smoke: no
# timeout: 800

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/scan.sh"

memfile_servers 128M
kvm_start

# What is mapped first counts as accessed by its first use.
scan_check "4 KiB" tdp-walk --size $((8 << 20)) -- \
	0+2048 idle 5+1 100+77 0+300*5 7+1000*2 "memory 2048 3072" 0+2048 idle

scan_check "dirty logging" tdp-walk --size $((8 << 20)) -- \
	0+2048 "log on" idle 3+77 3+300 "log off" idle 3+77

scan_check "several processors, moved slot" tdp-walk --cpus 3 --size $((8 << 20)) -- \
	0+2048 10+300 move idle 20+77 idle
scan_check "processors come" tdp-walk --size $((8 << 20)) -- \
	0+2048 idle cpu idle 10+300 cpu cpu 20+77 idle

# Half of it: the rest stays as it is. Each touch of a large page is one of all that it has.
scan_check "collapse" tdp-walk --size $((8 << 20)) -- \
	0+2048 idle 5+1 "collapse 0 1024" idle =0+512 5+1 =0+1024,1025+490*2 5+1000*2 =512+512 700+1 1500+77 \
	0+2048 idle =0+1024 511+2 1024+1 idle

# A touch of one page of a 2 MiB entry is one of all, so that they share what is remembered (the machine's program
# does not); dirty logging splits it.
echo always >/sys/kernel/mm/transparent_hugepage/enabled
scan_check "2 MiB" tdp-walk --huge --size $((8 << 20)) -- \
	0+2048 idle =512+512 700+1 =0+1024 511+2 "memory 0 512" "log on" idle 600+1 "memory 512 1024" idle

# Pages that come back from a server are of 4 KiB, those of a range that is wholly empty would not be.
file=$(smemv vm create demo size 8M budget 8M) || bail "no file was made"
require "the file is written" "$filecheck" --passes 1 "$file"
ok "and evicted" smemv vm evict demo 8M
scan_check "memory file" tdp-walk --file "$file" --size $((8 << 20)) -- \
	0+2048 idle 5+1 100+77 7+1000*2 "discard 0 500" idle 0+300
leave_no_file demo
leave_no_module

done_testing
