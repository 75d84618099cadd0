#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 92-scan-held: pages that nobody uses but that cannot go, since somebody holds them, look like the coldest of a machine
# that uses all others all the time. When the budget shrinks others go in their place.
#
# check-kernels: 6.12
# timeout: 200

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/scan.sh"

readonly pages=2048 held_pages=256 hot_first=512

machine_touches() {
	while sleep 0.2; do
		echo "touch $hot_first $((pages - hot_first))" >&"$machine_input"
	done
}

resident_is() {
	(($(memfile_get demo .resident_bytes) <= $1))
}

memfile_servers 64M
kvm_start

file=$(smemv vm create demo size $((pages * 4096))) || bail "no file was made"
filecheck_start writer --hold --seed 7 "$file"
require "the memory has content" wait_until 60 filecheck_holds writer
kill -KILL "${filecheck_pids[writer]}"

coproc holder { exec python3 "$LAB_TREE/tests/fakes/holdpages.py" "$file" 0 $held_pages; }
read -r -t 20 said <&"${holder[0]}" || bail "no pages are held"
is "$said" held "$held_pages pages are held"

machine_start --file "$file" --size $((pages * 4096))
require "it is scanned" smemv scan start pid "$machine_pid" interval 500
require "and attached" smemv vm attach demo pid "$machine_pid"
machine_touches &
at_exit "kill $! 2>/dev/null"
require "it uses three quarters of its memory in each interval" wait_until 60 scans_are 10

ok "the budget shrinks" smemv vm set demo budget $((pages * 4096 * 5 / 8))
ok "and is kept to, though what is coldest cannot go" wait_until 30 resident_is $((pages * 4096 * 5 / 8))
is "$(memfile_get demo .order)" heat "the order was that of the heat"
is "$(memfile_get demo .file_counters.fault_errors)" 0 "no fault failed"

holder_input=${holder[1]}
exec {holder_input}>&-
read -r -t 20 said <&"${holder[0]}" || bail "the pages are not what they were"
is "$said" right "what is held is what the file has"
kill -KILL "$machine_pid"
ok "every byte is right" "$filecheck" --verify --seed 7 "$file"
leave_no_file demo
leave_no_module

done_testing
