#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 92-scan-populate: of a file to which a scan is attached the pages that were used lately come home first, so that they
# are here when the budget does not hold the rest; without one they come in the order of the file. Where the budget
# holds all they come in large pages either way.
#
# check-kernels: 6.12  (the order hardly depends on the kernel)
# timeout: 300

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/scan.sh"

readonly pages=4096 hot_from=3000 hot=500

# Of the hot pages those that are here.
hot_here() {
	smemv vm map demo --json | jq --argjson from $hot_from --argjson hot $hot '
		[.runs[] | select(.here) | ([.first + .count, $from + $hot] | min) - ([.first, $from] | max) | select(. > 0)] |
		add // 0'
}

all_leave() {
	smemv vm evict demo 16M >/dev/null 2>&1 || true
	(($(memfile_get demo .resident_bytes) <= 64 << 10))
}

memfile_servers 64M
kvm_start
file=$(smemv vm create demo size $((pages * 4096))) || bail "no file was made"
filecheck_start writer --hold --seed 7 "$file"
require "the memory has content" wait_until 120 filecheck_holds writer
kill -KILL "${filecheck_pids[writer]}"
machine_start --file "$file" --size $((pages * 4096))
require "all of it goes" wait_until 60 all_leave

ok "the budget is a quarter" smemv vm set demo budget 4M
ok "as much comes home" smemv vm populate demo
compare "$(memfile_get demo .resident_bytes)" -ge $((3 << 20)) "as the budget has room for"
is "$(hot_here)" 0 "without a scan that is the beginning of the file"

ok "the budget is all" smemv vm set demo budget 16M
require "it is scanned" smemv scan start pid "$machine_pid" interval 8000
require "and attached" smemv vm attach demo pid "$machine_pid"
require "the machine uses some of it" machine_tell touch $hot_from $hot
require "which is noticed" wait_until 60 scans_are $(($(scan_get .scans) + 1))
require "all of it goes" wait_until 60 all_leave
is "$(hot_here)" 0 "what was used, too"
ok "the budget is a quarter" smemv vm set demo budget 4M
ok "as much comes home" smemv vm populate demo
is "$(hot_here)" $hot "what was used lately first"
compare "$(memfile_get demo .resident_bytes)" -ge $((3 << 20)) "and then the rest"
compare "$(memfile_get demo .resident_bytes)" -le $((4 << 20)) "as far as the budget goes"

require "all of it goes" wait_until 60 all_leave
ok "the budget is all" smemv vm set demo budget 16M
before=$(memfile_get demo .file_counters.huge_loads)
ok "all of it comes home" smemv vm populate demo
is "$(memfile_get demo .resident_bytes)" $((pages * 4096)) "to the last page"
is "$(($(memfile_get demo .file_counters.huge_loads) - before))" $((pages / 512)) "2 MiB at a time"
end_process "$machine_pid" KILL
ok "every byte is right" "$filecheck" --verify --seed 7 "$file"
leave_no_file demo
leave_no_module
done_testing
