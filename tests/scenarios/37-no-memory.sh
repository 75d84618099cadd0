#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 37-no-memory: of what the module allocates, or the kernel for it, a part fails, wherever it asks. Pages go, come and
# are punched, links are cut, and commands are given meanwhile: a command may fail and say why, a page may
# not. Afterwards all works, and nothing is left.
#
# kernels: debug  (where failures can be injected)
# timeout: 900

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

fault_available || skip_all "this kernel injects no failures"

# allocations_fail PERCENT
allocations_fail() {
	fault_in_module failslab "$1" ignore-gfp-wait=N
	fault_in_module fail_page_alloc "$1" ignore-gfp-wait=N ignore-gfp-highmem=N min-order=0
}

allocations_succeed() {
	fault_off failslab
	fault_off fail_page_alloc
}


# try COMMAND...: fails where there was no memory for it, or pages are in use. Anything else that keeps it from its work is noted.
tried=0 refused=0 wrong=''
try() {
	local status=0

	tried=$((tried + 1))
	"$@" >"$scenario_tmp/tried" 2>&1 || status=$?
	((status)) || return 0
	refused=$((refused + 1))
	grep -qiE 'memory|buffer space|connection could not be made|in use, or came back' "$scenario_tmp/tried" || wrong+="$* returned $status: $(<"$scenario_tmp/tried")"$'\n'
	return "$status"
}

# Until the N-th attempt, for what must be undone.
try_often() {
	local i
	for ((i = 0; i < 20; i++)); do
		try "$@" && return
	done
	wrong+="$* never had memory"$'\n'
}

commands_for() {
	local began=$SECONDS

	while ((SECONDS - began < $1)); do
		if try smemv swap add 4M servers one,two name more; then
			try smemv swap set more deadline 5000 || true
			try_often smemv swap del more
		fi
		if try smemv vm create other size 4M budget 1M servers one,two; then
			try smemv vm set other budget 2M || true
			try_often smemv vm del other
		fi
		if try smemv server add three "$(memserver_address three)" lanes 2; then
			try_often smemv server del three
		fi
		try smemv show || true
		try smemv vm populate demo || true
		try smemv vm evict demo 1M || true
		try smemv vm map demo || true
	done
	echo "$wrong"
	[[ -z $wrong ]]
}

memfile_servers 64M
net_subhost three
memserver_start three 16M
make_disk 8M
diskcheck_start "$disk"

allocations_fail 5
ok "the disk is filled" diskcheck_do 120 fill
ok "pages go and come" diskcheck_do 120 run write=50 seconds=10 depth=16
diskcheck_tell run write=50 seconds=12 depth=16
net_cut one
pause 6
net_heal one
ok "a link is cut for a while" diskcheck_wait 120
ok "it is connected again" wait_until 60 server_state_is one up
ok "every byte is right" diskcheck_do 120 verify
allocations_succeed
is "$(swap_lost_pages)" 0 "nothing is lost"
ok "the servers hold what the map says" settles 60 one two

file=$(smemv vm create demo size 16M budget 6M) || bail "no file was made"
allocations_fail 2
filecheck_start busy --duration 600 --punch 10 "$file"
ok "commands do as told or say that there is no memory" commands_for 60
net_cut two
pause 6
net_heal two
ok "it is connected again" wait_until 60 server_state_is two up
ok "every byte of the file is right" filecheck_end busy 200
ok "a server is drained" try_often smemv server drain one
is "$wrong" "" "in time"
allocations_succeed
is "$(memserver_pages one)" 0 "server one is empty"
diag "$tried commands, $refused refused"
diag "$(memfile_get demo .file_counters | tr -d '\n')"
is "$(memfile_get demo .file_counters.fault_errors)" 0 "no fault failed"
compare "$(memfile_get demo .peak_bytes)" -le $((6 << 20)) "no more than the budget was here at any time"
is "$(smemv_json 'map(.name) | join(" ")' swap show) $(smemv_json 'map(.name) | join(" ")' vm show)" "demo demo" \
	"nothing else is left of what they made"

ok "the file goes" smemv vm del demo
leave_nothing_behind
leave_no_module
done_testing
