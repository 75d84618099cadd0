#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 99-migrate-on: a guest that lives on a memory file, most of it at memory servers, migrates on to another main host.
# What is at the servers stays there, what is here takes the stream; it has two processors, and uses a disk and a
# network card meanwhile; every byte is right. One with ordinary memory keeps large pages.
# In full: hosts without large pages, several channels, one and three servers, 50 migrations there and back, and a source
# with ordinary memory of which 0, 10, 50 and 100 % go to the main host, an idle guest and ones that write, a balloon that
# moves meanwhile, and a guest that writes faster than its links carry: it ends by its time limit, and moves with
# auto-converge.
#
# qemu: patched
# check-kernels: 6.12  (long, as all migrations: each of their scenarios runs on one kernel)
# processors: 3
# timeout: 1500
# timeout-long: 9000

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/migrate.sh"

readonly ram=112M ram_mib=112 used=24M
# What else is said of a memory file at the source.
file_words=()
readonly large_pages_are=/sys/kernel/mm/transparent_hugepage/enabled

# workload WRITE-PERCENT
workload() {
	printf '%s\n' --size $used --pattern sequential --write "$1" --zero 10 --passes 1000000 --progress 1
}

start_there() {
	migrate_target there $ram $ram --size $used -- "$@"
}

# start_on_file SERVERS BUDGET WRITE-PERCENT [QEMU-OPTION...]
start_on_file() {
	local work on_file
	mapfile -t work < <(workload "$3")
	mapfile -t on_file < <(memfile_ram /dev/smemv/here $ram)
	require "the source makes a memory file" smemv vm create here size $ram budget "$2" servers "$1" "${file_words[@]}"
	migrate_guest src source $ram "${work[@]}" -- "${on_file[@]}" "${@:4}"
	start_there "${@:4}"
	require "the guest fills its memory" guest_fills source 600
}

# start_ordinary WRITE-PERCENT [QEMU-OPTION...]
start_ordinary() {
	local work
	mapfile -t work < <(workload "$1")
	migrate_guest src source $ram "${work[@]}" -- "${@:2}"
	start_there "${@:2}"
	require "the guest fills its memory" guest_fills source 600
}

guest_is_right() {
	ok "$1: the guest runs at the destination" wait_until 30 guest_runs there
	ok "$1: QEMU at the source has ended" wait_until 20 is_gone "$(guest_pid source)"
	ok "$1: it goes through its memory twice" guest_sweeps there 400
	guest_end there
	ok "$1: every byte is right" guest_wait there 300
	ok "$1: its file goes" dst smemv vm del there
}

# moves_on SERVERS BUDGET [QEMU-OPTION...]
moves_on() {
	local case="on $1, $2 here${file_words[*]:+, }${file_words[*]}"

	start_on_file "$1" "$2" 5 "${@:3}"
	compare "$(memfile_get here .pages)" -gt 2048 "$case: much of it is at the servers"
	if (($# > 2)); then
		devices_are_used source 0 0
	fi
	ok "$case: it migrates" migrate_cli source there budget $ram
	diag "$(migrate_report -c '{total_ms, downtime_ms, main, targets}')"
	is "$(migrate_report '[.targets[].bytes] | add')" 0 "$case: nothing was sent to a server again"
	compare "$(dst smemv vm show there --json | jq 'first | .pages')" -gt 1024 "$case: the servers' pages are the destination's"
	if (($# > 2)); then
		devices_are_used there "$(guest_devices source rounds)" "$(guest_devices source answers)"
	fi
	guest_is_right "$case"
	ok "$case: the source's file goes" smemv vm del here
	ok "$case: the servers hold nothing any more" wait_until 30 all_servers_hold_nothing
}

splits() {
	local case="$1, $2 %, $3 % writes"

	start_ordinary "$3" -smp 2
	ok "$case: it migrates" migrate_cli source there servers "$1" budget "$(($2 * ram_mib / 100))M" auto-converge heat dirty
	diag "$(migrate_report -c '{total_ms, downtime_ms, main, targets}')"
	guest_is_right "$case"
	ok "$case: the servers hold nothing any more" wait_until 30 all_servers_hold_nothing
}

# Neither host has a large page of the guest.
splits_in_small_pages() {
	local case="$1, $2 %, 4 KiB pages" memfile_align='' allowed
	allowed=$(grep -o '\[.*\]' "$large_pages_are")

	echo never >"$large_pages_are"
	start_ordinary 5
	is "$(large_pages_kb source)" 0 "$case: the source has no large page"
	ok "$case: it migrates" migrate_cli source there servers "$1" budget "$(($2 * ram_mib / 100))M" heat dirty
	diag "$(migrate_report -c '{total_ms, downtime_ms, main, targets}')"
	ok "$case: nor has the destination" has_small_pages there
	guest_is_right "$case"
	ok "$case: the servers hold nothing any more" wait_until 30 all_servers_hold_nothing
	echo "${allowed//[][]/}" >"$large_pages_are"
}

# Its first pages come by channels that do not wait for the one which says what comes.
splits_by_channels() {
	local name

	start_ordinary 5
	for name in source there; do
		ok "multifd: $name can have it" qmp "$name" migrate-set-capabilities \
			'{"capabilities": [{"capability": "multifd", "state": true}]}'
	done
	ok "multifd: it migrates" migrate_cli source there servers one,two budget 56M heat address
	diag "$(migrate_report -c '{total_ms, downtime_ms, main, targets}')"
	guest_is_right multifd
	ok "multifd: the servers hold nothing any more" wait_until 30 all_servers_hold_nothing
}

large_pages_kb() {
	awk '/^(AnonHugePages|FilePmdMapped):/ { sum += $2 } END { print sum + 0 }' "/proc/$(guest_pid "$1")/smaps"
}

# One that nobody aligned may begin at a multiple of 2 MiB by chance.
has_small_pages() {
	local start
	start=$(awk '$6 == "/dev/smemv/there" { sub(/-.*/, ""); print; exit }' "/proc/$(guest_pid "$1")/maps")
	((16#$start % (2 << 20) == 0 || $(large_pages_kb "$1") == 0))
}

# Of what is used most all pages go to the main host, and large pages are made of them there.
arrives_in_large_pages() {
	start_ordinary 5
	ok "large pages: it migrates" migrate_cli source there servers one,two budget 56M heat scanner warmup 4
	diag "$(migrate_report -c '{total_ms, downtime_ms, main, targets}')"
	compare "$(dst smemv vm show there --json | jq 'first | .file_counters.huge_faults')" -ge 4 "large pages: some were made"
	compare "$(huge_mapped_kb "$(guest_pid there)")" -ge 2048 "large pages: they are mapped as one page each"
	compare "$(dst smemv vm show there --json | jq 'first | .pages')" -gt 1024 "large pages: the rest is at the servers"
	guest_is_right "large pages"
	ok "large pages: the servers hold nothing any more" wait_until 30 all_servers_hold_nothing
}

# devices_are_used NAME ROUNDS ANSWERS: more than before.
devices_are_used() {
	ok "$1: the guest uses its disk" wait_until 240 guest_devices_pass "$1" rounds "$2"
	ok "$1: its network answers" wait_until 240 guest_devices_pass "$1" answers "$3"
	is "$(guest_devices "$1" wrong)" 0 "$1: and what it reads is right"
}

# limits_are_kept BYTES: a second, by each link, and all together carry more than one of them may. Headers, and what QEMU
# may send at once, come on top.
limits_are_kept() {
	local -A before=()
	local link now start bytes all=0

	read_now
	start=$now
	for link in one two dst; do
		before[$link]=$(net_bytes $link tx)
	done
	pause 5
	for link in one two dst; do
		read_now
		bytes=$(($(net_bytes $link tx) - before[$link]))
		compare $bytes -le $(($1 * (now - start) * 11 / 10000 + (64 << 10))) "devices: the link to $link carries no more than it may"
		all=$((all + bytes))
	done
	compare $all -gt $(($1 * 5)) "devices: together they carry more than one may"
}

# While it migrates, so slowly that it does not end meanwhile, the balloon takes 6 MiB and gives them back: with 12 the
# guest's kernel kills its program.
splits_with_devices() {
	local rounds

	start_ordinary 5 -smp 2 "${migrate_device_options[@]}"
	devices_are_used source 0 0
	migrate_cli_begin source there servers one,two budget 16M bandwidth 256K heat dirty downtime 2000 auto-converge
	require "devices: it is under way" wait_until 60 migrate_has_stored source 512
	limits_are_kept $((256 << 10))
	ok "devices: the balloon fills" qmp source balloon '{"value": 111149056}'
	rounds=$(guest_devices source rounds)
	ok "devices: the guest uses its disk meanwhile" wait_until 60 guest_devices_pass source rounds "$rounds"
	ok "devices: the balloon empties" qmp source balloon '{"value": 117440512}'
	ok "devices: its speed is not limited any more" qmp source migrate-set-parameters '{"smemv-bandwidth": 0}'
	migrate_cli_wait 200
	is "$migrate_cli_status" 0 "devices: it migrates"
	diag "$(migrate_report -c '{reason, total_ms, downtime_ms, main, targets}')"
	devices_are_used there "$(guest_devices source rounds)" "$(guest_devices source answers)"
	guest_is_right devices
	ok "devices: the servers hold nothing any more" wait_until 30 all_servers_hold_nothing
}

all_servers_hold_nothing() {
	servers_hold_nothing && (($(memserver_pages three) == 0))
}

turn_round() {
	local to=$migrate_from
	migrate_from=$migrate_to
	migrate_to=$to
}

# The guest of the file here goes to the other host and back again, N times in a row.
there_and_back() {
	local i from=source to file=here

	start_on_file one,two 48M 5
	migrate_quit there
	dst smemv vm del there
	for ((i = 1; i <= $1; i++)); do
		to=hop$i
		migrate_target $to $ram 48M --size $used --
		ok "migration $i in a row" migrate_cli $from $to budget 48M
		passed || break
		wait_until 20 is_gone "$(guest_pid $from)" || fail "QEMU at the source of migration $i ends"
		on "$migrate_from" smemv vm del $file || fail "the file at the source of migration $i goes"
		ok "the guest goes on" guest_sweeps $to 300
		from=$to file=$to
		turn_round
	done
	guest_end $from
	ok "there and back: every byte is right" guest_wait $from 200
	ok "there and back: its file goes" on "$migrate_from" smemv vm del $file
	ok "there and back: the servers hold nothing any more" wait_until 30 all_servers_hold_nothing
	if [[ $migrate_from == dst ]]; then
		turn_round
	fi
}

# A guest that writes all of its memory, over links that are slower.
does_not_converge() {
	local told

	net_shape one,two,dst rate 16mbit
	start_ordinary 100
	ok "too many writes: the time is up" ends_with 3 migrate_cli source there budget 16M heat dirty timeout 40
	is "$(migrate_report '.result + " " + .guest_is_at')" "timed-out source" "too many writes: the report says so"
	like "$(tail -n 1 "$scenario_out/progress")" 'say auto-converge, or a longer' "too many writes: and what to do"
	# The main host's link has nearly all of 16 MiB to carry at 2 MB/s when the guest stops, the servers' less.
	told=$(told_downtimes_ms)
	diag "downtimes told: ${told//$'\n'/ }"
	compare "$(head -n 1 <<<"$told")" -ge 4000 "too many writes: how long the guest would stand still is told by the busiest link"
	compare "$(tail -n 1 <<<"$told")" -le 10000 "too many writes: and not by its pace of the moment"
	ok "too many writes: the guest goes on" guest_runs source
	ok "too many writes: the destination's file goes" wait_until 30 dst smemv vm del there
	start_there
	ok "too many writes: it migrates when it may be slowed" migrate_cli source there budget 16M heat dirty auto-converge downtime 2000
	diag "$(migrate_report -c '{total_ms, downtime_ms, throttle_percent, main, targets}')"
	guest_is_right "too many writes"
}

# The last ten, the shortest first.
told_downtimes_ms() {
	sed -nE 's/^active: .*, downtime about ([0-9]+) ms$/\1/p' "$scenario_out/progress" | tail -n 10 | sort -n
}

ends_with() {
	local want=$1 status=0
	shift
	"$@" || status=$?
	((status == want))
}

migrate_hosts 128M
migrate_third_server 128M
dmesg_mark
migrate_devices
moves_on one,two 56M -smp 2 "${migrate_device_options[@]}"
# It uses more than may be here, so that pages come and are not written to while it migrates, of which that is not known.
file_words=(dma)
moves_on one,two 32M
file_words=()
arrives_in_large_pages
if is_long_run; then
	moves_on one 32M
	moves_on one,two,three 32M
	for servers in one one,two,three; do
		for percent in 0 10 50 100; do
			splits $servers $percent 5
		done
	done
	splits_by_channels
	for percent in 0 10 100; do
		splits_in_small_pages one,two $percent
	done
	splits one,two 50 0
	splits one,two 50 100
	there_and_back 50
	splits_with_devices
	does_not_converge
fi
unlike "$(dmesg_since)" "smemv: $in_line(lost|failed|cannot)" "the kernel's log tells of no trouble"

done_testing
