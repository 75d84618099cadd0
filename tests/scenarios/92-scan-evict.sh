#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 92-scan-evict: a machine uses a fifth of its memory again and again and goes through the rest in
# between, with half of its memory on this host. The clock drives the hot fifth out with the rest;
# with a scan attached it stays, and so do pages that only the host uses. Large pages of which a part is
# used fall apart.
#
# check-kernels: 6.12  (long: 100 s of a processor, most of it for emulating machines that touch memory)
# timeout: 400

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/scan.sh"

readonly pages=8192 hot=1638 slice=2000 rounds=6 host_pages=64

loads() {
	memfile_get demo .counters.load_pages
}

intervals_pass() {
	wait_until 60 scans_are $(($(scan_get .scans) + $1)) || bail "no scans"
}

# machine_on_file: half of its memory, with known content, is on this host.
machine_on_file() {
	file=$(smemv vm create demo size $((pages * 4096)) budget $((pages * 2048))) || bail "no file was made"
	filecheck_start writer --hold --seed 7 "$file"
	require "the memory has content" wait_until 120 filecheck_holds writer
	kill -KILL "${filecheck_pids[writer]}"
	machine_start --file "$file" --size $((pages * 4096))
}

# rounds_of NAME: sets hot_loads[NAME] and all_loads[NAME], of all rounds but the first two, in which the
# machine is got to know.
declare -A hot_loads=() all_loads=()
rounds_of() {
	local name=$1 round at=$hot before began=0 figures=''
	hot_loads[$name]=0

	for ((round = 0; round < rounds; round++)); do
		before=$(loads)
		((round != 2)) || began=$before
		machine_tell touch 0 $hot || fail "the machine answers"
		figures+=" $(($(loads) - before))"
		((round < 2)) || hot_loads[$name]=$((hot_loads[$name] + $(loads) - before))
		machine_tell touch $at $slice || fail "the machine answers"
		at=$((at + slice))
		((at + slice <= pages)) || at=$hot
	done
	all_loads[$name]=$(($(loads) - began))
	is "$(memfile_get demo .order)" "$name" "the order was that of the $name"
	diag "$name: of the hot fifth came back$figures pages, of all ${all_loads[$name]}"
	diag "$(smemv scan show)"
}

machine_off_file() {
	end_process "$machine_pid" KILL
	ok "every byte is right" "$filecheck" --verify --seed 7 "$file"
}

memfile_servers 64M
kvm_start

machine_on_file
rounds_of clock
machine_off_file
leave_no_file demo

# What knows nothing.
readonly evict_order=/sys/module/smemv/parameters/evict_order
fails "an order must be one that there is" 'Invalid argument' bash -c "echo nonsense >$evict_order"
echo random >$evict_order
machine_on_file
rounds_of random
machine_off_file
leave_no_file demo
echo auto >$evict_order

machine_on_file
require "it is scanned" smemv scan start pid "$machine_pid" interval 2000
require "and attached" smemv vm attach demo pid "$machine_pid"
intervals_pass 3
# The machine touches none of these in its rounds.
coproc host { exec python3 "$LAB_TREE/tests/fakes/hostuse.py" "$file" $((pages - 128)) $host_pages; }
rounds_of heat
echo >&"${host[1]}"
read -r -t 20 absent <&"${host[0]}" || bail "the host's program did not end"
diag "$absent times one of $host_pages pages that the host uses was not here"
# What is measured depends on how even the machine's speed is; a long run has this one to itself.
clock_least=$hot lately_least=$((hot * 4096 / 2)) splits_least=1
if is_long_run; then
	compare "$absent" -le $((host_pages * 5)) "pages that the host uses, as vhost does, are not evicted over and over"
	clock_least=$((hot * 3 / 2)) lately_least=$((hot * 4096 * 9 / 10)) splits_least=5
	compare "${hot_loads[heat]}" -le $((hot / 2)) "it stayed by heat: in four rounds less than half of it came back once"
	compare $((5 * all_loads[heat])) -le $((4 * all_loads[clock])) "so that a fifth of all refaults is saved"
fi
compare "${hot_loads[clock]}" -ge "$clock_least" "by the clock the hot fifth was driven out"
compare $((2 * hot_loads[heat])) -le "${hot_loads[clock]}" "by heat at most half as much of it"
smemv --json vm heat demo >"$scenario_tmp/heat" || fail "the heat is told"
compare "$(jq '[.[:6][].resident_bytes] | add' "$scenario_tmp/heat")" -ge "$lately_least" "what was used lately is here"
machine_off_file
leave_no_file demo

# 16 MiB in pages of 2 MiB: of each the machine uses a page, and it may keep 4 MiB. One that it did not
# come to in the youngest interval goes as a whole, rightly.
file=$(smemv vm create demo size 16M) || bail "no file was made"
machine_start --file "$file" --size $((16 << 20))
require "all of it is in use" machine_tell touch 0 4096
compare "$(memfile_get demo .file_counters.huge_faults)" -ge 7 "in large pages"
require "it is attached" smemv vm attach demo pid "$machine_pid"
intervals_pass 3
machine_tell touch 0 8 512
intervals_pass 1
ok "the budget shrinks" smemv vm set demo budget 4M
few_are_here() {
	machine_tell touch 0 8 512 && (($(memfile_get demo .resident_bytes) <= 4 << 20))
}
ok "and is kept to" wait_until 60 few_are_here
compare "$(memfile_get demo .file_counters.huge_splits)" -ge "$splits_least" "by splitting"
ok "it goes on" machine_tell touch 0 4096
end_process "$machine_pid" KILL
leave_no_file demo
leave_no_module

done_testing
