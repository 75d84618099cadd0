#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 96-migrate-steps: a split migration step by step, of a machine that runs no program: what is in its memory, and when, is
# said from outside. A guest on a memory file whose pages are written to and evicted while it migrates has them right at
# the destination, also those that came back, or became zeros; and the migration brings none of them back. There is no
# postcopy. A destination whose memory file somebody else has open empties it for nobody. What a server that is restarted
# has lost is sent again while the guest runs. A guest that does not write stands still for less than it might.
#
# qemu: patched
# check-kernels: 6.12  (long, as all migrations: each of their scenarios runs on one kernel)
# timeout: 900

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/migrate.sh"

readonly ram=32M
declare -A orders=() answers=()

# machine SIDE NAME FILE [QEMU-OPTION...]: on ordinary memory without a FILE.
machine() {
	local side=$1 name=$2 pipe=$scenario_tmp/memory-$2 prefix=() guest_append guest_control on_file input output

	if [[ $side == dst ]]; then
		prefix=(nsenter --target "$dst_holder" --mount --net)
	fi
	guest_takes_orders "$name"
	make_pipe "$pipe"
	exec {input}<>"$pipe.in" {output}<>"$pipe.out"
	orders[$name]=$input answers[$name]=$output
	mapfile -t on_file < <(memory_of "$3")
	setsid "${prefix[@]}" "$guest_qemu" -name "$name" -nodefaults -no-user-config -display none -machine pc \
		-accel qtest -qtest "pipe:$pipe" -qtest-log none -m $ram "${guest_control[@]}" "${on_file[@]}" "${@:4}" \
		>"$scenario_out/guest-$name.qemu" 2>&1 </dev/null &
	# shellcheck disable=SC2004,SC2034 # the library has it, by name
	guest_pids[$name]=$!
	at_exit "guest_stop $name"
	wait_until 30 qmp "$name" query-status || bail "QEMU of $name does not answer: $(tail -n 3 "$scenario_out/guest-$name.qemu")"
	migrate_split "$name" true
}

memory_of() {
	if [[ -n $1 ]]; then
		memfile_ram "/dev/smemv/$1" $ram
	else
		printf '%s\n' -object "memory-backend-ram,id=pc.ram,size=$ram" -machine memory-backend=pc.ram
	fi
}

# memory NAME COMMAND: prints the answer.
memory() {
	local answer=''

	echo "$2" >&"${orders[$1]}"
	read -r -t 60 -u "${answers[$1]}" answer || true
	[[ $answer == OK* ]] || bail "the memory of $1 says '$answer'"
	echo "${answer#OK}"
}

# fill NAME PAGE PAGES BYTE: its memory.
fill() {
	memory "$1" "memset $(($2 * 4096)) $(($3 * 4096)) $4" >/dev/null
}

# holds NAME PAGE PAGES BYTE: each begins with it.
holds() {
	local page answer want
	printf -v want ' 0x%016x' $(($4 * 0x01010101010101))
	printf -v want ' 0x%02x%s' "$4" "${want: -14}"
	for ((page = $2; page < $2 + $3; page++)); do
		answer=$(memory "$1" "readq $((page * 4096))")
		[[ $answer == "$want" ]] || {
			echo "page $page:$answer instead of$want"
			return 1
		}
	done
}

# begin PARAMETERS: of the source.
begin() {
	qmp source migrate-set-parameters "$1" >/dev/null
	qmp source migrate "{\"uri\": \"tcp:$(net_address dst):$migrate_port\"}" >/dev/null
}

# incoming NAME
incoming() {
	qmp "$1" migrate-incoming "{\"uri\": \"tcp:$(net_address dst):$migrate_port\"}" >/dev/null
}

status_is() {
	[[ $(migrate_get source .status) == "$1" ]]
}

has_sent_pages() {
	(($(migrate_get source '.smemv["main-pages"] // 0') >= $1))
}

# capability NAME CAPABILITY
capability() {
	qmp "$1" migrate-set-capabilities "{\"capabilities\": [{\"capability\": \"$2\", \"state\": true}]}" >/dev/null
}

is_evicted() {
	smemv vm evict here $ram || true
	memfile_fits here 0
}

open_file_stays() {
	require "the destination makes a memory file" dst smemv vm create used size $ram
	machine dst owner used
	fill owner 1024 16 0x55
	machine dst second used -incoming defer
	incoming second
	begin '{}'
	ok "open elsewhere: the migration fails" wait_until 30 status_is failed
	like "$(<"$scenario_out/guest-second.qemu")" 'is open elsewhere' "open elsewhere: the destination says why"
	ok "open elsewhere: nothing of it is emptied" holds owner 1024 16 0x55
	ok "open elsewhere: the guest goes on at the source" guest_runs source
	migrate_quit owner
	migrate_quit second
	ok "open elsewhere: the file goes" dst smemv vm del used
}

# Whose it is could not be decided.
arbiter_is_lost() {
	require "the destination makes another memory file" dst smemv vm create lost size $ram
	machine dst lost lost -incoming defer
	capability source pause-before-switchover
	incoming lost
	begin '{}'
	require "all is sent that is to be" wait_until 60 status_is pre-switchover
	memserver_kill one
	require "without an arbiter: it is down" wait_until 30 memfile_server_is one down
	qmp source migrate-continue '{"state": "pre-switchover"}' >/dev/null
	ok "without an arbiter: the migration fails" wait_until 30 status_is failed
	like "$(migrate_get source '.["error-desc"]')" 'decides who owns .* cannot be reached' "without an arbiter: it says why"
	ok "without an arbiter: the guest goes on at the source" guest_runs source
	migrate_quit lost
	memserver_start one 64M
	require "without an arbiter: it is back" wait_until 60 memfile_server_is one up
	ok "without an arbiter: the file goes" dst smemv vm del lost
}

# In the file's order: what was there before, zeros or not, is done with when so much of the rest was sent.
stop_in_first_round() {
	require "the destination makes a memory file" dst smemv vm create there size $ram
	machine dst there there -incoming defer
	for name in source there; do
		capability $name dirty-bitmaps
	done
	capability source pause-before-switchover
	incoming there
	# 10 KiB may be left when the guest is stopped.
	begin '{"max-bandwidth": 1048576, "avail-switchover-bandwidth": 1048576, "downtime-limit": 10}'
	require "its first pages are sent" wait_until 60 has_sent_pages 768
	fails "there is no postcopy, of dirty bitmaps neither" 'split migration has no postcopy' qmp source migrate-start-postcopy
	fill source 1024 16 0x22
	fill source 1280 512 0x22
	fill source 1920 16 0
	ok "it is in its first round still" status_is active
	is "$(migrate_get source '.ram["dirty-sync-count"]')" 1 "so what is written now is not known yet"
	kill -STOP "$(guest_pid source)"
	at_exit "kill -CONT $(guest_pid source) 2>/dev/null"
}

evicted_meanwhile() {
	stop_in_first_round
	ok "all of its memory is evicted" wait_until 60 is_evicted
	kill -CONT "$(guest_pid source)"
	require "all is sent that is to be" wait_until 60 status_is pre-switchover
	compare "$(migrate_get source '.ram["dirty-sync-count"]')" -ge 2 "also what was written meanwhile"
	# Of those that it had for the stream already when they went it may.
	compare "$(memfile_get here .counters.load_pages)" -lt 256 "the migration did not bring back what was written to"
	ok "the guest's pages come back to be read" holds source 1024 8 0x22
	ok "also those that the destination has, as they were" holds source 1280 8 0x22
	fill source 1284 4 0
	qmp source migrate-continue '{"state": "pre-switchover"}' >/dev/null
	require "it migrates" wait_until 60 status_is completed
	ok "it runs at the destination" wait_until 30 guest_runs there
	ok "zeros that were written to, evicted and read: are right" holds there 1024 8 0x22
	ok "and evicted only" holds there 1032 8 0x22
	ok "what was sent, written to, evicted and read" holds there 1280 4 0x22
	ok "and became zeros after that" holds there 1284 4 0
	ok "and evicted only" holds there 1288 8 0x22
	ok "what was sent, became zeros and was evicted" holds there 1920 16 0
	ok "and what was never written to" holds there 4096 16 0x77
}

has_failed_over() {
	[[ $(migrate_get source '.smemv.targets[] | select(.server == "two") | .state') == failed ]]
}

# begin_to_servers WHAT NAME LIMIT: 12 MiB go to both servers, a page in 4 ms to each; the guest may stand still for LIMIT
# milliseconds. No limit but the links' own counts when it does.
begin_to_servers() {
	require "$1: there is a space under construction" smemv vm create source.out size $ram deadline 60000
	require "$1: the destination makes a memory file" dst smemv vm create "$2" size $ram budget 8M
	machine src source ''
	fill source 1024 3072 0x33
	machine dst "$2" "$2" -incoming defer
	incoming "$2"
	net_shape one,two rate 8mbit
	begin "{\"smemv-space\": \"/dev/smemv/source.out\", \"smemv-servers\": [\"one\", \"two\"], \"smemv-main-budget\": 0,
		\"smemv-heat\": \"address\", \"downtime-limit\": $3}"
}

# migrates_to_servers WHAT
migrates_to_servers() {
	require "$1: it migrates" wait_until 120 status_is completed
	net_shape one,two
}

# is_right_there WHAT NAME
is_right_there() {
	local name

	ok "$1: it runs at the destination" wait_until 30 guest_runs "$2"
	ok "$1: every page is right" holds "$2" 1024 3072 0x33
	is "$(dst smemv vm show "$2" --json | jq 'first | .lost_pages')" 0 "$1: none is lost"
	for name in source "$2"; do
		migrate_quit "$name"
	done
	smemv vm del source.out 2>/dev/null || true
	ok "$1: the file goes" dst smemv vm del "$2"
}

# It is back before its connections are missed, and empty.
restarted_meanwhile() {
	local had

	begin_to_servers restarted again 300
	require "restarted: half of it is stored" wait_until 60 migrate_has_stored source 1536
	had=$(memserver_pages two)
	compare "$had" -gt 512 "restarted: much of it at server two"
	memserver_kill two
	memserver_start two 64M
	migrates_to_servers restarted
	fails "restarted: nothing went to the other server instead" '' has_failed_over
	compare "$(migrate_get source '.smemv.targets[] | select(.server == "two") | .resent')" -ge $((had - 512)) \
		"restarted: what the server had was sent again"
	compare "$(migrate_get source .downtime)" -le 1200 "restarted: before the guest was stopped for it"
	is_right_there restarted again
}

# It has to be sent in any case: the guest does not stand still for all that it might.
sent_before_it_stops() {
	begin_to_servers idle brief 3000
	migrates_to_servers idle
	compare "$(migrate_get source .downtime)" -le 1200 "idle: the guest does not stand still for what can be sent before"
	is_right_there idle brief
}

migrate_hosts 64M
require "the source makes a memory file" smemv vm create here size $ram
machine src source here
fill source 1024 16 0
fill source 1280 512 0x11
fill source 1920 16 0x11
fill source 2048 3072 0x77
open_file_stays
arbiter_is_lost
evicted_meanwhile
for name in source there; do
	migrate_quit $name
done
ok "the source's file goes" smemv vm del here
ok "the destination's file goes" dst smemv vm del there
restarted_meanwhile
sent_before_it_stops
ok "the servers hold nothing any more" wait_until 30 servers_hold_nothing

done_testing
