#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 98-migrate-fake: smemv migrate plans a split with the module's servers, and makes and removes the space
# under construction, whether the migration succeeds, fails or is cancelled. The QEMUs are fakes.
#
# check-kernels: 6.1  (its QEMUs are fakes: about QMP, which hardly depends on the kernel)
# timeout: 300

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

readonly spaceioctl=$fakes_dir/spaceioctl.py
qmp=$scenario_tmp/qmp
fake_pid=''

end_fake() {
	if [[ -n $fake_pid ]]; then
		kill "$fake_pid" 2>/dev/null || true
	fi
}
at_exit end_fake

qmp_is_there() {
	[[ -S $qmp/source && -S $qmp/destination ]]
}

# fake OPTION...: the destination is on a memory file of another host.
fake() {
	end_fake
	rm -rf "$qmp"
	"$LAB_TREE/tests/fakes/fakeqmp.py" "$qmp" --destination-mem-path /dev/smemv/elsewhere "$@" </dev/null >"$scenario_out/fakeqmp" 2>&1 &
	fake_pid=$!
	wait_until 30 qmp_is_there || bail "the fake QEMUs did not start"
}

migrate() {
	smemv migrate from "$qmp/source" to "$qmp/destination" via 127.0.0.1:4444 patience 5 "$@"
}

migrates_as_json() {
	migrate "$@" --json >"$scenario_tmp/report" 2>"$scenario_tmp/progress"
}

# report_says JQ-CONDITION
report_says() {
	jq -e "$1" "$scenario_tmp/report"
}

nothing_is_left() {
	[[ $(smemv_json length vm show) == 0 && ! -e /dev/smemv/web1.out ]] && servers_hold_nothing
}

was_told() {
	grep -q "^$1" "$qmp/log" || {
		cat "$qmp/log"
		return 1
	}
}

ends_with() {
	local want=$1 status=0
	shift
	"$@" || status=$?
	((status == want)) || {
		echo "status $status"
		return 1
	}
}

memfile_servers 64M
fake
fails "the budget of a memory file elsewhere must be told" 'say budget SIZE' migrate
fails "servers must be there" 'there is no server three here' migrate budget 16M servers one,three
ok "a check tells the plan" migrates_as_json budget 16M check
ok "with both servers" report_says '.plan.mode == "split" and [.plan.servers[].server] == ["one", "two"] and .plan.budget_bytes == 16777216'
ok "and makes no space" nothing_is_left

# A full server. One that has not room enough: 96.
file=$(smemv vm create filler size 80M servers two) || bail "no file was made"
like "$("$spaceioctl" errors "$file" 0)" 'OK=16[0-9]{3} ENOSPC=' "server two is filled"
fails "a full one is refused" 'server two is full.*nothing was begun' migrate budget 16M servers one,two
ok "as JSON" ends_with 1 migrates_as_json budget 16M servers one,two
ok "with the reason" report_says '.result == "refused" and .guest_is_at == "source" and .problems == ["server two is full"]'
ok "and makes no space" test ! -e /dev/smemv/web1.out
ok "where none is named the other one is chosen" migrates_as_json budget 16M check
ok "alone" report_says '[.plan.servers[].server] == ["one"]'
ok "what filled it goes" smemv vm del filler
ok "it has room again" wait_until 30 memfile_server_is two up
ok "nothing was begun" wait_until 20 nothing_is_left

ok "a split migration" migrates_as_json budget 16M heat dirty warmup 0.5
ok "tells what went to each server" report_says '.result == "migrated" and .heat_source == "dirty" and ([.targets[].server] == ["one", "two"]) and .targets[0].pages > 100'
# the file's evictor keeps 1/32 of its budget free
ok "QEMU was told the split" was_told 'source migrate-set-parameters {"smemv-space": "/dev/smemv/web1.out", "smemv-main-budget": 16252928, "smemv-servers": \["one", "two"\], "smemv-heat": "dirty", "smemv-bandwidth": 0, "smemv-warmup": 500}'
ok "both ends have the capability set" was_told 'destination migrate-set-capabilities .*"smemv", "state": true'
ok "the space is gone" wait_until 20 nothing_is_left

fake --fails-at 0.5
ok "one that fails" ends_with 1 migrates_as_json budget 16M servers two
ok "says so" report_says '.result == "failed" and .guest_is_at == "source"'
ok "it was to watch the guest for a while, as nothing else was said" was_told \
	'source migrate-set-parameters .*"smemv-heat": "auto".*"smemv-warmup": 5000'
ok "leaves no space" wait_until 20 nothing_is_left
ok "and no capability" was_told 'source migrate-set-capabilities .*"smemv", "state": false'

fake --never-ends
ok "one that is cancelled" ends_with 3 migrates_as_json budget 0 timeout 2
ok "leaves no space either" wait_until 20 nothing_is_left
# Cancelled when the destination is the owner, which does not run the guest.
fake --never-ends --decided --destination-after prelaunch
ok "too late, where the destination waits to be told to run it" ends_with 0 migrates_as_json budget 0 timeout 2
ok "it is told" was_told 'destination cont'
ok "and so is who asked" report_says '.result == "migrated" and .guest_is_at == "destination"'
fake --never-ends --decided --source-state paused --destination-after paused
ok "too late, where the guest is paused" ends_with 0 migrates_as_json budget 0 timeout 2
ok "who asked is told where it is" report_says '.result == "migrated" and .guest_is_at == "destination"'
ok "both leave no space" wait_until 20 nothing_is_left
fake --refuses-parameters
ok "nor does one that is refused" ends_with 1 migrates_as_json budget 16M
ok "at the end" wait_until 20 nothing_is_left

fake
ok "a file in the way" smemv vm create web1.out size 64M
fails "is told of, not taken" 'smemv vm del web1.out' migrate budget 16M
ok "and stays" smemv vm del web1.out
leave_no_module

done_testing
