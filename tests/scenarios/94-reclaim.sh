#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 94-reclaim: smemv reclaim sends the cold part of a guest's ordinary memory to the servers, and not the hot
# part; the daemon holds a guest at a size; the guest finds every byte right.
#
# check-kernels: 6.12  (about the command; scans run on more)
# timeout: 500

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/scan.sh"

readonly workload_mib=32
readonly cold_pages=$((workload_mib * 256 * 7 / 8)) hot_pages=$((workload_mib * 256 / 8))

two_servers 160M
make_disk 256M policy error

resident_kib() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"
}

# idle_is PID MIB: at least so much was not accessed in eight intervals.
idle_is() {
	(($(smemv_json 'first | .idle_bytes' scan show "$1") >= $2 << 20))
}

# further_passes PID N
further_passes() {
	local goal
	goal=$(($(smemv_json 'first | .scans' scan show "$1") + $2))
	wait_until 120 passes_are "$1" "$goal"
}

passes_are() {
	(($(smemv_json 'first | .scans' scan show "$1") >= $2))
}

swapped_kib() {
	awk '/^VmSwap:/ { print $2 }' "/proc/$1/status"
}

# end_of CHILD: its status becomes ended_with, because only its parent can wait for it.
end_of() {
	ended_with=0
	wait "$1" || ended_with=$?
}

field() {
	jq -er "$1" "$scenario_tmp/report"
}

fails "a process that is none" 'there is no process 999999' smemv reclaim pid 999999
fails "a process without a machine" "process $$ has no virtual machine of KVM" smemv reclaim pid $$

# A guest that works on an eighth of its memory until it is told to look at all of it.
cgroup_make guest memory.swap.max=max
guest_takes_orders guest
guest_start guest guest 128M --size ${workload_mib}M --pattern front --passes 1000000 --progress 1 \
	-- "${guest_control[@]}"
require "the guest boots and fills its memory" guest_fills guest 240
pid=$(guest_pid guest)
fails "a guest that is not scanned: what to do is said" "smemv scan start pid $pid" smemv reclaim pid "$pid"
require "it is scanned" smemv scan start pid "$pid" interval 200
fails "who may not" 'needs root' setpriv --reuid 65534 --regid 65534 --clear-groups smemv reclaim pid "$pid"
require "its cold part is seen" wait_until 180 idle_is "$pid" $((workload_mib * 3 / 4))
fails "but it does not remember for ever" 'remembers seven whole intervals' smemv reclaim pid "$pid" cold 80000
fails "nothing goes without swap" 'there is no free swap' smemv reclaim pid "$pid"
swap_on "$disk"

smemv reclaim pid "$pid" rate 1M --json >"$scenario_tmp/report" 2>"$scenario_tmp/progress" &
slow=$!
require "it tells how far it is" wait_until 60 grep -Eq 'paged out .* of .*, about [0-9]+ s left' "$scenario_tmp/progress"
kill -INT $slow
end_of $slow
is "$ended_with" 0 "an interrupt ends it well"
diag "$(tr -d '\n' <"$scenario_tmp/report")"
is "$(field .state)" interrupted "and it says so"
out=$(field .paged_out_bytes)
compare "$(field .paged_out_bytes)" -le "$(field '(.seconds + 0.5) * 1048576 | floor')" "it kept to its rate"

ok "the cold part goes" sh -c "smemv reclaim pid $pid --json >$scenario_tmp/report"
out=$((out + $(field .paged_out_bytes)))
compare "$(field .stayed_bytes)" -le $((2 << 20)) "hardly anything of it stays"
diag "$(tr -d '\n' <"$scenario_tmp/report"); on the servers: $(swap_pages) pages"
compare "$(swap_pages)" -ge $((cold_pages * 9 / 10)) "it is on the servers"
compare $(($(resident_kib "$pid") / 4)) -ge $hot_pages "and the hot part is not"
ok "the guest goes on for a while" further_passes "$pid" 3
compare $(((out / 1024 - $(swapped_kib "$pid")) / 4)) -le $((hot_pages / 4)) "hardly anything of it came back"
diag "kB paged out: $((out / 1024)), still swapped: $(swapped_kib "$pid")"
# What went is still in the swap cache, until memory is needed.
cgroup_make guest memory.high=$(($(cgroup_get guest memory.current) / 2))
cgroup_make guest memory.high=max
diag "here: $(cgroup_get guest memory.current) bytes"
in=$(counter_of /proc/vmstat pswpin)
guest_end guest
ok "the guest found every byte right" guest_wait guest 300
diag "$caught_output"
compare $(($(counter_of /proc/vmstat pswpin) - in)) -ge $((cold_pages / 4)) "and some of it came back from the servers"

# What a guest came to use since the last pass is not cold, though no pass has seen it.
machine_start --size $((8 << 20))
pid=$machine_pid
ok "a machine that has no memory yet is scanned" smemv scan start pid "$pid" interval 60000
ok "once" wait_until 30 passes_are "$pid" 1
ok "it begins to use its memory" machine_tell touch 0 2048
ok "what is cold of it goes" sh -c "smemv reclaim pid $pid cold 0.1 --json >$scenario_tmp/report 2>$scenario_tmp/warning"
# The program has four pages.
compare "$(field .paged_out_bytes)" -le $((4 * 4096)) "which is nothing"
# Nor what a scan cannot know yet.
fails "the scan has to look eight times" 'has looked 1 of 8 times, every 60 s: wait' smemv reclaim pid "$pid"
fails "or for as long as is asked for" 'has not watched for 400 s yet: wait' smemv reclaim pid "$pid" cold 400
fails "and never knows more than seven intervals" 'remembers seven whole intervals' smemv reclaim pid "$pid" cold 430
is "$(smemv_json 'first | .scans' scan show "$pid")" 1 "no other pass was made"
end_process "$pid" KILL

# All of its memory is in use, whatever part of a long interval has passed.
machine_start --size $((2 << 20))
pid=$machine_pid
busy_touching() {
	while echo "touch 0 512" >&"$machine_input"; do sleep 0.1; done
}
# A slow machine does not come to all in one interval, and what its processor has in its TLB is not seen.
is_in_use() {
	used=$(($(smemv_json 'first | .newest_bytes' scan show "$pid") / 4096))
	((used >= 128))
}
ok "a busy machine is scanned, with a long interval" smemv scan start pid "$pid" interval 5000
busy_touching 2>"$scenario_tmp/touching" &
touching=$!
at_exit "kill -KILL $touching 2>/dev/null"
ok "more than once" further_passes "$pid" 2
sleep 1.5
ok "much of it is seen in use" wait_until 60 is_in_use
ok "what was not accessed for a part of the interval goes" \
	sh -c "smemv reclaim pid $pid cold 0.5 --json >$scenario_tmp/report 2>$scenario_tmp/warning"
diag "in use: $used pages; $(tr -d '\n' <"$scenario_tmp/report"); $(<"$scenario_tmp/warning")"
# The program has four pages.
compare "$(field .paged_out_bytes)" -le $(((512 + 4 - used) * 4096)) "which is nothing of what was in use in it"
like "$(<"$scenario_tmp/warning")" "less than the scan's interval, 5 s" "a warning says what counts"
kill -KILL $touching
end_process "$pid" KILL

# The daemon, on a machine that does what it is told.
machine_start --size $((16 << 20))
pid=$machine_pid
ok "a machine is scanned" smemv scan start pid "$pid" interval 100
ok "it uses all of its memory" machine_tell touch 0 4096
before_kib=$(resident_kib "$pid")
target_kib=$((before_kib / 2))

# daemon_start [OPTION...]: with its states in $daemon_log, what else it says in $daemon_log.said.
daemon_start() {
	daemon_log=$scenario_tmp/daemon
	# Here, as the child comes to it later: nothing of an earlier one must be taken for its.
	: >"$daemon_log"
	smemv --json reclaim pid "$pid" --daemon target ${target_kib}K "$@" >"$daemon_log" 2>"$daemon_log.said" &
	daemon=$!
	at_exit "kill -KILL $daemon 2>/dev/null"
}
daemon_holds() {
	[[ $(tail -n 1 "$daemon_log" | jq -r .state) == holding ]]
}
daemon_start
ok "the daemon brings it to its target" wait_until 120 daemon_holds
compare "$(resident_kib "$pid")" -le "$target_kib" "not above it"
compare "$(resident_kib "$pid")" -ge $((target_kib * 9 / 10)) "nor far below"
ok "it uses more" machine_tell touch 0 4096
compare "$(resident_kib "$pid")" -gt "$target_kib" "and has more then"
is_back() {
	(($(resident_kib "$pid") <= target_kib)) && daemon_holds
}
ok "the daemon takes that back" wait_until 240 is_back
diag "$(jq -c '[.state, .resident_bytes, .paged_out_bytes, .refault_bytes, .pressure_percent]' <"$daemon_log" | head -n 30)"
like "$(jq -r .state <"$daemon_log")" 'resting: (refaults|pressure)' "after a rest, because it came back at once"
kill -TERM $daemon
end_of $daemon
is "$ended_with" 0 "it ends when told"
is "$(tail -n 1 "$daemon_log" | jq -r .state)" interrupted "and says why"

# What is cold for it can be told when it begins, and not later.
ok "it is scanned with longer intervals" sh -c "smemv scan stop pid $pid && smemv scan start pid $pid interval 10000"
ok "and once so far" wait_until 30 passes_are "$pid" 1
daemon_start cold 60
ok "a daemon with a time of its own begins" wait_until 30 test -s "$daemon_log"
ok "and says what it waits for" wait_until 30 grep -q 'nothing is paged out yet.*has not watched for 60 s' "$daemon_log.said"
is "$(jq -s 'map(.paged_out_bytes) | max' "$daemon_log")" 0 "and does"
kill -STOP $daemon
ok "with shorter ones again" sh -c "smemv scan stop pid $pid && smemv scan start pid $pid interval 100"
ok "until all that is remembered is less" further_passes "$pid" 10
ok "the machine uses all of its memory" machine_tell touch 0 4096
kill -CONT $daemon
ok "it says that it cannot tell now" wait_until 30 grep -q 'until intervals are longer.*remembers seven' "$daemon_log.said"
sleep 2
kill -TERM $daemon
end_of $daemon
is "$ended_with" 0 "and goes on until it is told to end"

daemon_start
ok "another holds it" wait_until 60 daemon_holds
ok "all is in use again" machine_tell touch 0 4096
ok "and cold" wait_until 60 idle_is "$pid" 12
kill -STOP $daemon
: >"$scenario_tmp/report"
smemv reclaim pid "$pid" rate 64K >"$scenario_tmp/report" 2>&1 &
slow=$!
wait_until 60 grep -q 'paged out' "$scenario_tmp/report"
end_process "$pid" KILL
end_of $slow
is "$ended_with" 1 "a machine that ends is a failure"
like "$(<"$scenario_tmp/report")" "process $pid ended" "which is told"
kill -CONT $daemon
end_of $daemon
is "$ended_with" 0 "for the daemon that is the end of its work"
is "$(tail -n 1 "$daemon_log" | jq -r .state)" ended "and it says so"

# Memory that is shared, with the host's programs for instance: it is in no process's count of swap. A part of it, the
# first that is found, cannot go.
mkdir "$scenario_tmp/shared"
mount -t tmpfs none "$scenario_tmp/shared"
at_exit "umount -l $scenario_tmp/shared"
truncate -s 16M "$scenario_tmp/shared/memory"
machine_start --file "$scenario_tmp/shared/memory" --size $((16 << 20))
pid=$machine_pid
ok "a machine with shared memory uses all of it" machine_tell touch 0 4096
coproc holder { exec python3 "$LAB_TREE/tests/fakes/holdpages.py" "$scenario_tmp/shared/memory" 0 1024; }
read -r -t 20 said <&"${holder[0]}" || bail "no pages are held"
is "$said" held "but a part of it another program has, too"
ok "it is scanned" smemv scan start pid "$pid" interval 100
ok "and cold" wait_until 60 idle_is "$pid" 15
target_kib=$(($(resident_kib "$pid") - 3072))
daemon_start
ok "the daemon gets past what cannot go" wait_until 60 daemon_holds
diag "$(jq -c '[.state, .resident_bytes, .paged_out_bytes, .refault_bytes, .pressure_percent]' <"$daemon_log" | head -n 30)"
unlike "$(jq -r .state <"$daemon_log")" 'refaults' "and takes nothing for come back"
kill -TERM $daemon
end_of $daemon
ok "the machine finds its memory" machine_tell touch 0 4096
end_process "$pid" KILL
holder_input=${holder[1]}
exec {holder_input}>&-

for counter in store_errors load_errors lost_reads deadlines no_space; do
	is "$(swap_counter $counter)" 0 "the disk counted no $counter"
done
require "swapoff works" swap_off "$disk"
ok "the disk goes" smemv swap del demo
ok "nothing stays behind" wait_until 30 servers_are_empty one two
ok "the module goes" smemv_unload

done_testing
