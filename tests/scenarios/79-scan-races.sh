#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 79-scan-races: scans race with faults, evictions, holes, dirty logging, moved memory slots, killed
# machines and the module's unloading: nothing is lost, and the kernel has nothing to say.
#
# check-kernels: 6.12  (long: 100 s of a processor, most of it for emulating machines that touch memory)
# processors: 2
# timeout: 300
# timeout-long: 900

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/scan.sh"

race_s=4
if is_long_run; then
	race_s=60
fi
readonly race_s

scans() {
	smemv_json 'first | .scans' scan show "$machine_pid"
}

# races_for SECONDS COMMAND...: again and again, while the machine is busy and scanned.
races_for() {
	local end=$((SECONDS + $1)) commands passes
	shift

	while ((SECONDS < end)); do
		"$@" || return
	done
	# With half of its memory at servers one command can take it five seconds on a busy machine.
	commands=$(machine_answers)
	ok "the machine goes on" wait_until 120 machine_answered $((commands + 2))
	passes=$(scans) || bail "it is not scanned any more: $(smemv scan show 2>&1); it said last: $(tail -n 2 "$machine_log")"
	compare "$passes" -gt 2 "and was scanned"
	ok "and is scanned" wait_until 20 counter_passes $((passes + 2)) scans
}

# A file whose pages come and go; what the machine touches it leaves as it was.
squeeze() {
	smemv vm set demo budget $((2 + RANDOM % 5))M || return
	# As much as can be.
	smemv vm evict demo 1M 2>/dev/null || true
	smemv vm heat demo >/dev/null || {
		echo "the machine said last: $(tail -n 2 "$machine_log")"
		return 1
	}
}
memfile_servers 64M
kvm_start
file=$(smemv vm create demo size 8M budget 4M) || bail "no file was made"
filecheck_start writer --hold --seed 3 "$file"
require "the memory has content" wait_until 60 filecheck_holds writer
kill -KILL "${filecheck_pids[writer]}"
busy_machine --cpus 2 --file "$file" --size $((8 << 20)) -- \
	"touch 0 2048" "log on" "read 1 600 3" "move" "touch 512 512" "log off"
require "it is scanned" smemv scan start pid "$machine_pid" interval 10
require "and attached" smemv vm attach demo pid "$machine_pid"
ok "faults and evictions" races_for "$race_s" squeeze
end_process "$machine_pid" KILL
ok "every byte is right" "$filecheck" --verify --seed 3 "$file"
busy_machine --file "$file" --size $((8 << 20)) -- "touch 0 2048" "discard 100 500" "attach" "read 0 2048"
ok "one that attaches itself is scanned" wait_until 120 machine_answered 8
ok "holes" races_for "$race_s" squeeze
end_process "$machine_pid" KILL
leave_no_file demo

# Anonymous memory, in large pages that dirty logging splits and the kernel puts together again.
restart_scan() {
	smemv scan stop pid "$machine_pid" && smemv scan start pid "$machine_pid" interval 10 &&
		wait_until 20 has_scanned
}
has_scanned() {
	(($(scans) >= 3))
}
echo always >/sys/kernel/mm/transparent_hugepage/enabled
echo 0 >/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs
busy_machine --huge --cpus 3 --size $((8 << 20)) -- \
	"touch 0 2048" "log on" "touch 3 600 3" "move" "discard 512 512" "log off" "read 0 2048"
require "another is scanned" smemv scan start pid "$machine_pid" interval 10
ok "slots, dirty logging, large pages" races_for "$race_s" restart_scan
end_process "$machine_pid" KILL

# Machines that end at any moment.
end=$((SECONDS + race_s)) machines_killed=0
while ((SECONDS < end || machines_killed < 3)); do
	busy_machine --cpus 2 --size $((4 << 20)) -- "touch 0 1024"
	smemv scan start pid "$machine_pid" interval 10 || fail "a short-lived machine is scanned"
	wait_until 20 machine_answered $((1 + RANDOM % 8)) || true
	end_process "$machine_pid" KILL
	machines_killed=$((machines_killed + 1))
done
diag "$machines_killed machines were killed"
ok "their scans end" wait_until 20 no_scan_is_left
leave_no_module

# The module goes while it scans one. Where modules came and went, the lab's former emulator now and then mixed up
# the memory of a machine that runs, without smemv too (QEMU 7.2; with brd coming and going, four of nine machines
# within 20 s): the machine ended by a triple fault, or stood still, or the main host's kernel panicked. Another
# machine takes the place of a lost one; that machines go on is shown by tests/ept/run.
unloads=0 machines_lost=0
busy_machine_of_two() {
	busy_machine --cpus 2 --size $((4 << 20)) -- "touch 0 1024" "log on" "touch 0 1024" "log off"
}
is_lost_to_the_emulator() {
	wait_until 5 is_gone "$machine_pid" && tail -n 1 "$machine_log" | grep -q '^failed: exit 8,'
}
busy_machine_of_two
while ((unloads < race_s / 2)); do
	smemv_load
	if ! smemv scan start pid "$machine_pid" interval 10 || ! wait_until 20 has_scanned; then
		is_lost_to_the_emulator || fail "the machine is scanned" "$(tail -n 2 "$machine_log")"
		machines_lost=$((machines_lost + 1))
		((machines_lost < 20)) || bail "no machine lives for long"
		busy_machine_of_two
	else
		unloads=$((unloads + 1))
	fi
	ok "the module goes" smemv_unload
done
diag "the module was unloaded $unloads times while it scanned; $machines_lost machines were lost to the emulator"
end_process "$machine_pid" KILL

done_testing
