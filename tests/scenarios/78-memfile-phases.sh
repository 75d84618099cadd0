#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 78-memfile-phases: in each phase of a memory file's pages its servers fail in each way, and what was under
# way ends, says what happened, and succeeds when it is asked for again; every page is right. Lost are only
# pages that were at a server that was killed: all of those that were not here too, and no others.
#
#	phases		fault ahead evict populate leave (drain, the server that fails is the source)
#			fill (drain, it is the target) adopt (claimed and being read, then activated)
#	failures	killed (and restarted empty), cut (longer than its timeout), gone (both, longer than the
#			file's deadline), slow, full (both)
#
# A failure begins when the phase has moved some pages and ends before all are. There is no fill while full: it is
# leave while full. Faults and populating while full store nothing; so this shows that they need no room.
#
# With arguments, phases and failures in turn, only these combinations are tried.
#
# check-kernels: 6.12
# timeout: 600
# timeout-long: 3000

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/newhost.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

readonly mib=$((1 << 20)) any_server=4294967295
# Half the file is enough to show it.
if is_long_run || (($#)); then
	readonly file_bytes=$((8 * mib)) budget=2M
else
	readonly file_bytes=$((4 * mib)) budget=1M
fi
readonly map=$scenario_tmp/map op_log=$scenario_tmp/op

new_host_start
memfile_servers 16M timeout 2000
at_exit new_leaves

# What is under way, in the background.
op_start() {
	"$@" >"$op_log" 2>&1 &
	op_pid=$!
	at_exit "kill -KILL $op_pid 2>/dev/null"
}

command_is_over() {
	is_gone "$op_pid"
}

command_has_failed() {
	command_is_over
}

# command_ends WANTED: it succeeds (WANTED is ''), or fails and says WANTED; "maybe REGEX": either.
command_ends() {
	local wanted=$1 status=0
	wait "$op_pid" || status=$?
	if ((status == 0)) && [[ -z $wanted || $wanted == 'maybe '* ]]; then
		pass "$what: it succeeds"
	elif ((status == 0)) || [[ -z $wanted ]]; then
		fail "$what: it succeeds or says why not" "returned $status, wanted: ${wanted:-success}" "$(<"$op_log")"
	else
		like "$(<"$op_log")" "${wanted#maybe }" "$what: it fails, and says why"
	fi
}

# Slowly, so that a failure finds something to interrupt.
links_are() {
	net_shape one,two "$@"
}

# One that was drained stays so, until it is deleted.
servers_are_up() {
	local name
	for name in one two; do
		memfile_server_is $name up || memfile_server_is $name draining || return 1
	done
}

take_map() {
	smemv vm map demo --json >"$map"
}

# Pages of the map of which CONDITION is true, one number a line.
pages_of_map() {
	jq -r ".servers as \$servers | .runs[] | select($1) | range(.first; .first + .count)" "$map" | sort
}

pages_here() {
	python3 - "$file" <<-'PYTHON' | sort
		import ctypes, mmap, os, sys
		fd = os.open(sys.argv[1], os.O_RDWR)
		memory = mmap.mmap(fd, 0)
		here = (ctypes.c_ubyte * (len(memory) // 4096))()
		address = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
		assert not ctypes.CDLL(None).mincore(address, ctypes.c_size_t(len(memory)), here)
		print(*(page for page, state in enumerate(here) if state & 1), sep="\n")
	PYTHON
}

# shellcheck disable=SC2016 # jq's
readonly at_two='.where == ($servers | map(.name) | index("two"))'

# At the servers, most of it not here, and each page's server known: it stays where it is when it is only read.
evict_all() {
	smemv vm evict demo "$file_bytes" && take_map &&
		pages_of_map "$at_two" >"$scenario_tmp/at-two"
}

all_is_remote() {
	require "$what: all is at the servers" evict_all
}

# A round of the holder is a phase: what it reads comes back.
round_start() {
	rounds_done=$((rounds_done + 1))
	filecheck_go_on holder
}

holder_held() {
	is_gone "${filecheck_pids[holder]}" ||
		filecheck_holds holder $(($1 + 1))
}

round_is_over() {
	holder_held "$rounds_done"
}

fault_errors_came() {
	(($(memfile_get demo .file_counters.fault_errors) > 0))
}

declare -A holder_options=(
	[fault]='--rounds 2 --scattered' [ahead]='--rounds 2'
	[leave]='--rounds 2 --scattered' [fill]='--rounds 2 --scattered'
)

# --- The phases. Each has prepare, start, progress (pages moved so far), is_over, has_failed, ends WANTED and
# again (it succeeds now).

fault_prepare() {
	all_is_remote
	smemv vm set demo budget $budget
}
fault_start() { round_start; }
fault_progress() { memfile_get demo .file_counters.remote_faults; }
fault_is_over() { round_is_over; }
fault_has_failed() { fault_errors_came; }
fault_ends() {
	local lost
	lost=$(filecheck_get holder lost)
	case $failure in
	killed) compare "$lost" -le "$there_at_death" "$what: no more is lost than was there" ;;
	gone)
		compare "$lost" -gt 0 "$what: some pages could not be had in time"
		like "$(dmesg_since)" 'demo: load of page [0-9]+ failed: no server could be reached for' "$what: the log says so"
		;;
	*) is "$lost" 0 "$what: all pages could be read" ;;
	esac
}
fault_again() { :; } # the last round reads all

ahead_prepare() { fault_prepare; }
ahead_start() { fault_start; }
ahead_progress() { memfile_get demo .file_counters.ahead_pages; }
ahead_is_over() { round_is_over; }
ahead_has_failed() { fault_errors_came; }
ahead_ends() { fault_ends "$@"; }
ahead_again() { :; }

evict_prepare() { :; }
evict_start() { op_start smemv vm evict demo "$file_bytes"; }
evict_progress() { memfile_get demo '.where.two // 0'; }
evict_is_over() { command_is_over; }
evict_has_failed() { command_has_failed; }
evict_ends() { command_ends "$@"; }
evict_again() {
	ok "$what: again" smemv vm evict demo "$file_bytes"
	compare "$(memfile_get demo .resident_bytes)" -le $mib "$what: it went"
}

populate_prepare() { all_is_remote; }
populate_start() { op_start smemv vm populate demo; }
populate_progress() { memfile_get demo .counters.load_pages; }
populate_is_over() { command_is_over; }
populate_has_failed() { command_has_failed; }
populate_ends() { command_ends "$@"; }
populate_again() {
	if [[ $failure == killed ]]; then
		fails "$what: again, and what is lost stays away" '[0-9]+ pages could not be' smemv vm populate demo
	else
		ok "$what: again" smemv vm populate demo
		is "$(fincore --bytes --noheadings --output RES "$file")" "$file_bytes" "$what: all is here"
	fi
}

leave_prepare() { drain_prepare two; }
drain_prepare() {
	all_is_remote
	smemv vm set demo budget $budget
	drained=$1
	drained_before=$(drained_pages)
}
leave_start() {
	round_start
	op_start smemv server drain "$drained"
}
drained_pages() { memfile_get demo ".where.$drained // 0"; }
leave_progress() { echo $((drained_before - $(drained_pages))); }
leave_is_over() { command_is_over && round_is_over; }
leave_has_failed() { command_has_failed; }
leave_ends() { command_ends "$@"; }
leave_again() {
	ok "$what: again" smemv server drain "$drained"
	is "$(drained_pages)" 0 "$what: nothing is left there"
	ok "$what: it can be deleted" smemv server del "$drained"
	ok "$what: and added" smemv server add "$drained" "$(memserver_address "$drained")" lanes 2 timeout 2000
}

fill_prepare() { drain_prepare one; }
fill_start() { leave_start; }
fill_progress() { leave_progress; }
fill_is_over() { leave_is_over; }
fill_has_failed() { command_has_failed; }
fill_ends() { command_ends "$@"; }
fill_again() { leave_again; }

# The new host reads what it claimed. Its servers are the same, so it need not be told of failures.
adopt_prepare() {
	local name
	all_is_remote
	for name in one two; do
		ok "$what: the new host has server $name" on_new smemv server add $name "$(memserver_address $name)" lanes 2 timeout 2000
	done
	ok "$what: it adopts the file" on_new smemv vm adopt demo "$map" budget $budget deadline "$deadline"
}
adopt_start() { op_start on_new "$filecheck" --verify --seed 5 /dev/smemv/demo; }
adopt_progress() { new_get demo .counters.load_pages; }
adopt_is_over() { command_is_over; }
adopt_has_failed() { command_has_failed; }
adopt_ends() { command_ends "$@"; }
# Who lost his claim with a server asks the old host for it again.
adopt_again() {
	local allow=()
	ok "$what: both servers are up at the new host" wait_until 60 new_host_sees_both
	if [[ $failure == killed ]]; then
		is "$(new_get demo .owner)" lost "$what: the claim was lost with the server"
		ok "$what: the new host's file goes" on_new smemv vm del demo
		ok "$what: the old host takes it back" smemv vm take-back demo
		evict_all
		ok "$what: the new host adopts it again" on_new smemv vm adopt demo "$map" budget $budget
		allow=(--allow-lost)
	fi
	ok "$what: it is activated" on_new smemv vm activate demo
	ok "$what: every page is right at the new host" on_new "$filecheck" --verify "${allow[@]}" --seed 5 /dev/smemv/demo
	if [[ $failure == killed ]]; then
		compare "$(last_value lost "$caught_output")" -le "$there_at_death" "$what: no more are lost than were there"
	fi
}
new_host_sees_both() {
	new_server_is one up && new_server_is two up
}

# --- The failures. Each has begin, which returns when it had its effect, and end.

# What the module says while the server is stopped is what it has when it dies.
killed_begin() {
	memserver_pause two
	wait_until 30 answers_have_come || bail "server two is stopped, and answers"
	there_at_death=$(memfile_get demo '.where.two // 0')
	memserver_kill two
	pages_here >"$scenario_tmp/here"
	memserver_start two 16M
}
# Those that wait on a slow link come one after another, with time between them.
answers_have_come() {
	local there
	there=$(memfile_get demo .where.two)
	for _ in 1 2; do
		pause 1
		[[ $(memfile_get demo .where.two) == "$there" ]] || return
	done
}
killed_end() { :; }

cut_begin() {
	net_cut two
	ok "$what: the cut is noticed" wait_until 60 memfile_server_is two down
}
cut_end() { net_heal two; }

gone_begin() {
	net_cut one
	net_cut two
	ok "$what: it fails within its deadline" wait_until 120 "${phase}_has_failed"
}
gone_end() {
	net_heal one
	net_heal two
}

slow_begin() {
	slow_since=$("${phase}_progress")
	net_shape two rate 3mbit delay 200ms
	ok "$what: it goes on" wait_until 120 goes_on_slowly
}
goes_on_slowly() {
	(($("${phase}_progress") > slow_since + 8)) || "${phase}_is_over"
}
slow_end() { :; }

# Some pages fit at each server, so the phase begins well.
full_prepare() {
	local filler at
	filler=$(smemv vm create filler size 40M budget 1M overcommit) || bail "no filler was made"
	like "$("$fakes_dir/spaceioctl.py" errors "$filler" $any_server)" 'OK=[0-9]+ ENOSPC=' "$what: another file fills the servers"
	for ((at = 0; at < 20; at++)); do
		fallocate -p -o $((at * 2 * mib)) -l $((32 * 4096)) "$filler"
	done
	ok "$what: but for a little" wait_until 30 both_have_room
}
both_have_room() {
	(($(memserver_stat one smemv_free_pages) > 100 && $(memserver_stat two smemv_free_pages) > 100))
}
full_begin() {
	ok "$what: it ends" wait_until 120 "${phase}_is_over"
}
full_end() {
	ok "$what: room is made" smemv vm del filler
}

# What the phase comes to when the failure met it; '': it succeeds all the same.
declare -A outcome=(
	[evict, gone]='only .* could be evicted: no server (takes the rest: .* is (down|connecting)|took the rest within)'
	[evict, full]='only .* could be evicted: no server takes the rest: .*full'
	[populate, killed]='[0-9]+ pages could not be'
	[populate, cut]='maybe [0-9]+ pages could not be'
	[populate, gone]='[0-9]+ pages could not be'
	[leave, killed]='maybe pages stay there: '
	[leave, cut]='maybe pages stay there: '
	[leave, gone]='pages stay there: '
	[leave, full]='pages stay there: '
	[fill, killed]='maybe pages stay there: '
	[fill, cut]='maybe pages stay there: '
	[fill, gone]='pages stay there: '
	[adopt, killed]='cannot be read'
	[adopt, gone]='cannot be read'
)

# --- One combination.

begin() {
	dmesg_mark
	deadline=60000
	if [[ $failure == gone ]]; then
		deadline=2000
	fi
	file=$(smemv vm create demo size "$file_bytes" deadline "$deadline") || bail "no file was made"
	rounds_done=0
	# shellcheck disable=SC2086 # options
	filecheck_start holder --hold --allow-lost --seed 5 --threads 1 ${holder_options[$phase]:-} "$file"
	require "$what: the file is written" wait_until 120 filecheck_holds holder
	"${phase}_prepare"
	if [[ $failure == full ]]; then
		full_prepare
	fi
}

is_under_way() {
	(($("${phase}_progress") > progress_before + 64))
}

meet() {
	links_are rate 3mbit
	progress_before=$("${phase}_progress")
	"${phase}_start"
	require "$what: it is under way" wait_until 60 is_under_way
	fails "$what: and not over" '' "${phase}_is_over"
	"${failure}_begin"
	"${failure}_end"
	links_are
	ok "$what: it ends" wait_until 120 "${phase}_is_over"
	"${phase}_ends" "${outcome[$phase, $failure]:-}"
	ok "$what: both servers are up" wait_until 60 servers_are_up
}

# All pages are right; those that are lost were at the killed server, and not here.
check_pages() {
	local lost
	round_is_over || bail "the holder is not waiting"
	while ! is_gone "${filecheck_pids[holder]}"; do
		round_start
		wait_until 120 round_is_over || bail "the holder does not end"
	done
	ok "$what: every page is right" filecheck_verdict holder 10
	lost=$(filecheck_get holder lost)
	is "$(memfile_get demo .lost_pages)" "$lost" "$what: the module counts as many lost pages"
	if [[ $failure != killed ]]; then
		is "$lost" 0 "$what: none is lost"
		return
	fi
	check_lost
}

stays_where_it_is() {
	[[ $phase != evict && $phase != fill ]]
}

check_lost() {
	local lost here
	take_map
	pages_of_map '.where == "lost"' >"$scenario_tmp/lost"
	lost=$(wc -l <"$scenario_tmp/lost") here=$(wc -l <"$scenario_tmp/here")
	diag "$lost lost; at its death it had $there_at_death, and $here were here"
	compare "$lost" -gt 0 "$what: some pages are lost"
	compare "$lost" -le "$there_at_death" "$what: no more than were there"
	compare "$lost" -ge $((there_at_death - here)) "$what: all that were not here"
	is "$(comm -12 "$scenario_tmp/lost" "$scenario_tmp/here")" '' "$what: none that was here"
	if stays_where_it_is; then
		is "$(pages_of_map "$at_two and .here and (.newer | not)")" '' "$what: what is only here is told as that"
		is "$(comm -23 "$scenario_tmp/lost" "$scenario_tmp/at-two")" '' "$what: none that was at the other server"
	fi
	compare "$(memfile_get demo .file_counters.fault_errors)" -ge "$lost" "$what: each was a SIGBUS"
	like "$(dmesg_since)" '(page [0-9]+ is|[0-9]+ pages are) lost: server two' "$what: the log names the server"
}

# Of what was adopted the new host is the owner, and has been looked at.
finish() {
	local name
	if [[ $phase == adopt ]]; then
		end_process "${filecheck_pids[holder]}" KILL
		ok "$what: the new host's file goes" on_new smemv vm del demo
		for name in one two; do
			ok "$what: and its server $name" on_new smemv server del $name
		done
	else
		check_pages
		end_process "${filecheck_pids[holder]}" KILL
	fi
	ok "$what: the file goes" smemv vm del demo
	ok "$what: nothing is left at the servers" wait_until 30 servers_hold_nothing
}

combination() {
	phase=$1 failure=$2 what="$1, $2"
	begin
	meet
	"${phase}_again"
	finish
}

if (($#)); then
	while (($#)); do
		combination "$1" "$2"
		shift 2
	done
elif is_long_run; then
	# While server one is the arbiter: a server that is drained and deleted comes back as the last one.
	for phase_now in fault ahead evict populate adopt leave fill; do
		for failure_now in killed cut gone slow full; do
			if [[ $phase_now != fill || $failure_now != full ]]; then
				combination $phase_now $failure_now
			fi
		done
	done
else
	combination fault cut
	combination ahead slow
	combination evict full
	combination populate gone
	combination leave killed
	combination adopt cut
fi

if on_new mountpoint -q /dev/smemv; then
	on_new umount /dev/smemv
fi
leave_no_module
done_testing
