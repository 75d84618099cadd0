#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source-path=SCRIPTDIR
#
# smemv migrate against fake QEMUs: what it checks, does, prints, and where it says the guest is. All of
# the guest goes to one host here; splitting needs the module, see tests/scenarios/98-migrate-fake.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/.tap.sh"

qmp=$work/qmp
destination=$qmp/destination
fake_pid='' forward_pid=''

stop_fake() {
	local pid

	for pid in $fake_pid $forward_pid; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	fake_pid='' forward_pid=''
}
trap 'stop_fake; rm -rf "$work"' EXIT

# fake OPTION...: two fresh QEMUs.
fake() {
	local tries

	stop_fake
	rm -rf "$qmp"
	"$tree/tests/fakes/fakeqmp.py" "$qmp" "$@" </dev/null >/dev/null 2>&1 &
	fake_pid=$!
	for ((tries = 0; tries < 600; tries++)); do
		[[ -S $qmp/source && -S $qmp/destination ]] && return
		sleep 0.05
	done
	echo "Bail out! the fake QEMUs did not start"
	exit 1
}

# forwarded OPTION...: two fresh QEMUs, of which the destination is reached over TCP, by $forward or $port.
forward=$work/forward
forwarded() {
	local tries

	fake "$@"
	rm -f "$forward" "$work/port"
	"$tree/tests/fakes/forward.py" "$forward" "$qmp/destination" "$work/port" </dev/null >/dev/null 2>&1 &
	forward_pid=$!
	for ((tries = 0; tries < 600; tries++)); do
		[[ -s $work/port ]] && break
		sleep 0.05
	done
	[[ -s $work/port ]] || {
		echo "Bail out! the forward did not start"
		exit 1
	}
	port=$(<"$work/port")
}

told() {
	grep -q "^$1" "$qmp/log" || {
		echo "not told: $1"
		cat "$qmp/log"
		return 1
	}
}

# was_set END [CAPABILITY STATE]...: to this, in this order, and last.
was_set() {
	local end=$1 list='' last
	shift

	while (($#)); do
		list+="${list:+, }{\"capability\": \"$1\", \"state\": $2}"
		shift 2
	done
	last=$(grep "^$end migrate-set-capabilities" "$qmp/log" | tail -n 1)
	same "$last" "$end migrate-set-capabilities {\"capabilities\": [$list]}"
}

not_told() {
	! grep "^$1" "$qmp/log"
}

patience=1

migrate() {
	run migrate from "$qmp/source" to "$destination" via 127.0.0.1:4444 patience "$patience" "$@"
}

# ends STATUS ERROR-PATTERN OPTION...
ends() {
	local want=$1 pattern=$2
	shift 2

	migrate "$@"
	# shellcheck disable=SC2053 # a pattern
	same "$status" "$want" && { [[ $err == $pattern ]] || same "$err" "$pattern"; }
}

json_says() {
	jq -e "$1" "$work/out" >"$work/jq" || {
		cat "$work/out"
		return 1
	}
}

fake --destination-after paused
ok "a migration succeeds" ends 0 '*'
ok "the report says where the guest is" grep -q "^web1 runs at $qmp/destination: 1.0 s, of which it stood still for 42 ms" "$work/out"
ok "the plan was shown" grep -q '^Guest web1, 64.0M of memory, running' "$work/out"
ok "without a terminal progress is lines" grep -qE '^active: main host .*, the guest writes 400K/s, downtime about 300 ms' "$work/err"
ok "the destination is told where to listen" told 'destination migrate-incoming {"uri": "tcp:127.0.0.1:4444", "exit-on-error": false}'
ok "and the source where to send" told 'source migrate {"uri": "tcp:127.0.0.1:4444"}'
ok "a destination that waits is started" told 'destination cont'
ok "the source ends, so that it never runs again" told 'source quit'

fake
ok "the source stays when that is wanted" ends 0 '*' keep-source
ok "it is not told to end" not_told 'source quit'

fake --source-state paused --destination-after paused
ok "a paused guest migrates" ends 0 '*'
ok "and stays paused" not_told 'destination cont'
ok "a source without a return path is done before the destination has all" was_set source \
	events true return-path false smemv false auto-converge false pause-before-switchover false
for state in running paused; do
	fake --source-state $state --destination-after $state --arrives-late 0.7
	ok "one that is $state and arrives late is waited for" ends 0 '*'
	fake --source-state $state --destination-fails "Unknown savevm section"
	ok "a destination that cannot use it, $state" ends 1 \
		"*QEMU at $qmp/destination cannot use what it got (the destination: Unknown savevm section); the guest goes on at $qmp/source"
	ok "it ends" told 'destination quit'
	ok "the source does not" not_told 'source quit'
	ok "and is set as before" was_set source \
		events false return-path false smemv false auto-converge false pause-before-switchover false
done
ok "who was paused is not started" not_told 'source cont'
fake --turns-at 0.3 --seconds 1.5 --destination-after paused
ok "a guest that is paused while it migrates" ends 0 '*'
ok "stays paused" not_told 'destination cont'
fake --source-state paused --turns-at 0.3 --seconds 1.5 --destination-after paused
ok "one that is continued meanwhile" ends 0 '*'
ok "runs" told 'destination cont'
fake --turns-at 0.3 --seconds 1.5 --never-ends
ok "of one that was paused meanwhile a cancelled migration" ends 3 "*; the guest goes on at $qmp/source" timeout 1
ok "has it at the source" not_told 'source cont'
fake --turns-at 0.3 --seconds 1.5 --destination-fails "Unknown savevm section"
ok "so has one that fails" ends 1 "*; the guest goes on at $qmp/source"
ok "and it stays paused" not_told 'source cont'
fake --arrives-late 9
ok "what does not arrive in time may still arrive" ends 4 \
	"*QEMU at $qmp/destination was sent the whole guest, but is in state inmigrate; where the guest is cannot be told from here: look at both ends before one is continued"
ok "so that the source stays" not_told 'source quit'
fake --source-on postcopy-ram --destination-on switchover-ack
ok "what needs a return path is not used" ends 0 '*'
ok "at the source" was_set source \
	events true return-path false postcopy-ram false smemv false auto-converge false pause-before-switchover false
ok "nor at the destination" was_set destination events true return-path false switchover-ack false smemv false

fake
ok "the source is set as asked" ends 0 '*' downtime 50 bandwidth 10M auto-converge
ok "limits are passed on" told 'source migrate-set-parameters {"downtime-limit": 50, "max-bandwidth": 10485760}'
ok "auto-converge is passed on" told 'source migrate-set-capabilities .*"auto-converge", "state": true'

fake --source-on pause-before-switchover
ok "a source that is to pause before the switchover does not" ends 0 '*' timeout 5
ok "its capabilities are not touched any more when the guest has left" was_set source \
	events true return-path false smemv false auto-converge false pause-before-switchover false
fake --source-on pause-before-switchover --source-on auto-converge --source-on smemv --fails-at 0.5
ok "when it fails" ends 1 '*'
ok "the source's capabilities are as before" was_set source \
	events false return-path false smemv true auto-converge true pause-before-switchover true
fake --refuses-capabilities source
ok "refused capabilities" ends 1 "*$qmp/source: migrate-set-capabilities: Capability 'smemv' is not compatible*"
ok "the destination's are as before" was_set destination events false return-path false smemv false
ok "and it waits on" not_told 'destination quit'
fake --refuses-capabilities destination
ok "the same at the destination" ends 1 "*$qmp/destination: migrate-set-capabilities: Capability 'smemv' is not compatible*"
ok "of which the source hears nothing" not_told 'source migrate-set'
fake --refuses-incoming "address resolution failed for 127.0.0.1:4444"
ok "an address that the destination refuses" ends 1 "*$qmp/destination: migrate-incoming: address resolution failed*"
ok "does not end it" not_told 'destination quit'
ok "nobody began" not_told 'source migrate {'

fake
ok "a check begins nothing" ends 0 '' check
ok "and nobody is told to migrate" not_told '.* migrate'
ok "the check as JSON" ends 0 '' check --json
ok "says that it is possible" json_says '.result == "checked" and .plan.mode == "whole" and .plan.ram_bytes == 67108864'

fake
ok "a migration with JSON" ends 0 '*' --json
ok "tells the figures" json_says '.result == "migrated" and .guest_is_at == "destination" and .downtime_ms == 42 and .main.pages > 1000 and .problems == []'

unwritten() {
	local want=$1
	shift
	status=0
	"$cli" migrate from "$qmp/source" to "$qmp/destination" via 127.0.0.1:1 "$@" >/dev/full 2>"$work/err" </dev/null || status=$?
	same "$status" "$want" && grep -q '^smemv: migrate: cannot write the output$' "$work/err"
}
for format in '' --json; do
	fake
	ok "a report that cannot be written is no failure to migrate $format" unwritten 4 $format
	ok "the source ends all the same" told 'source quit'
done
fake --fails-at 0.5
ok "one that failed says so" unwritten 1 --json
fake
ok "a check whose plan cannot be written fails" unwritten 1 check

problem() {
	local name=$1 pattern=$2
	shift 2
	fake "$@"
	ok "$name" ends 1 "*$pattern*nothing was begun; the guest is at $qmp/source as before"
	ok "$name: nothing was begun" not_told '.* migrate-'
}

problem "different sizes" "the guest has 64.0M of memory (67108864 bytes), the destination 32.0M (33554432): start it with the same -m" --destination-ram $((32 << 20))
problem "different machines" "the guest's machine is pc-i440fx-10.0-machine, the destination's q35: start it with the same -machine" --destination-machine q35
problem "a destination that does not wait" "start it with -incoming defer" --destination-state running
problem "a guest that does not run" "is in state shutdown: only one that runs or is paused" --source-state shutdown
problem "a guest that cannot be migrated" "QEMU at $qmp/source does not migrate: it has a vfio device" --blocked "it has a vfio device"
problem "a source that still connects" "QEMU at $qmp/source still tries to connect for its last migration: wait until it gives up" --source-connects
fake --source-old --destination-old --destination-ram 4096
ok "a split needs the glue, memory of the right kind, and the module: all at once" ends 1 \
	"*destination 4.0K*QEMU 10.0.13 at $qmp/source has no capability smemv*at $qmp/destination has no capability*is ordinary memory, not a memory file*" budget 32M
ok "problems as JSON" ends 1 '*' budget 32M --json
ok "are a list" json_says '.result == "refused" and .guest_is_at == "source" and (.problems | length) >= 4'
fake --destination-mem-path /dev/smemv/web1
ok "the budget of a destination elsewhere must be told" ends 1 '*say budget SIZE*'

fake --trickles
ok "answers that come byte by byte are understood" ends 0 '*'
fake --fails-at 0.5 --seconds 1
ok "a failure in the middle" ends 1 "*Unable to write to socket: Broken pipe (the destination: it has no server one); the guest goes on at $qmp/source" bandwidth 10M
ok "the destination, which takes no second migration, ends" told 'destination quit'
ok "the source is set as it was" told 'source migrate-set-parameters {"max-bandwidth": 134217728}'
fake --fails-at 0.5 --seconds 1
ok "as JSON" ends 1 '*' --json
ok "with the place" json_says '.result == "failed" and .guest_is_at == "source" and (.reason | test("Broken pipe"))'
fake --fails-at 0.5 --stays-stopped
ok "a guest that is not given back" ends 4 "*the guest is STOPPED, and complete at $qmp/source: unless it runs at *"
fake --refuses-parameters
ok "refused parameters" ends 1 "*$qmp/source: migrate-set-parameters: Parameter 'smemv-servers' expects*the guest goes on at $qmp/source" downtime 10
ok "nobody began" not_told 'source migrate {'
ok "and the destination waits on" not_told 'destination quit'

fake --never-ends
ok "what does not converge ends in time" ends 3 "*not finished within 1 s (6.4M left)*the guest goes on at $qmp/source" timeout 1
ok "QEMU was told" told 'source migrate_cancel'

# interrupted FD: what it says goes there
interrupted() {
	local pid waited

	"$cli" migrate from "$qmp/source" to "$qmp/destination" via 127.0.0.1:1 >&"$1" 2>&1 </dev/null &
	pid=$!
	for ((waited = 0; waited < 300; waited++)); do
		if grep -q '^source migrate {' "$qmp/log"; then
			break
		fi
		sleep 0.05
	done
	kill -INT "$pid"
	status=0
	wait "$pid" || status=$?
	same "$status" 3
}
fake --never-ends
exec {errors}>"$work/err"
ok "an interrupt cancels" interrupted "$errors"
exec {errors}>&-
ok "and says so" grep -q "cancelled; the guest goes on at $qmp/source" "$work/err"
ok "and QEMU was told so" told 'source migrate_cancel'
fake --never-ends
# As with "2>&1 | tee" on a terminal, where the interrupt ends the reader, too.
mkfifo "$work/unread"
exec {reader}<>"$work/unread"
exec {unread}>"$work/unread"
exec {reader}<&-
ok "also when nobody reads what is said" interrupted "$unread"
exec {unread}>&-
ok "QEMU is set as before" was_set source \
	events false return-path false smemv false auto-converge false pause-before-switchover false
fake --never-ends --decided
ok "one that comes too late does not undo it" ends 0 '*' timeout 1 --json
ok "says the report" json_says '.result == "migrated" and .guest_is_at == "destination" and .reason == ""'
ok "the source ends" told 'source quit'
fake --never-ends --hangs-on-cancel
ok "a cancellation that does not end is not waited for forever" ends 1 "*does not end the migration that was cancelled; the guest goes on at *" timeout 0.5

for end in source destination; do
	fake --$end-at greeting=hang
	ok "the $end does not greet" ends 1 "*$qmp/$end: QEMU does not greet*"
	fake --$end-at greeting=garbage
	ok "the $end is no QMP" ends 1 "*$qmp/$end: what it says is not QMP*"
	fake --$end-at query-cpus-fast=hang
	ok "the $end hangs" ends 1 "*$qmp/$end: QEMU does not answer query-cpus-fast within 1.0 s"
	fake --$end-at query-name=garbage
	ok "the $end answers nonsense" ends 1 "*$qmp/$end: what it says is not QMP (*near '}')*"
	fake --$end-at qom-get=close
	ok "the $end goes away" ends 1 "*$qmp/$end: the connection ended: QEMU, or what forwards its socket, is gone*"
done
fake --source-at query-migrate=hang
ok "the source hangs before" ends 1 '*QEMU does not answer query-migrate*'
fake --source-at migrate=hang
ok "the source hangs as it begins" ends 1 "*QEMU does not answer migrate within 1.0 s; the guest goes on at $qmp/source"
ok "it is told to give up, as it may have begun" told 'source migrate_cancel'
fake --source-at query-migrate=flood
ok "the source only talks of something else" ends 1 '*QEMU does not answer query-migrate within 1.0 s*'
fake --source-at quit=flood
ok "also in the end" ends 4 "*QEMU at $qmp/source does not end: end it, its guest must not run again"
fake --source-at migrate=close
ok "the source dies as it begins" ends 4 "*$qmp/source: the connection ended: *where the guest is cannot be told*"
fake --destination-at cont=close --destination-after paused
ok "the destination dies in the end" ends 4 '*where the guest is cannot be told*'
fake --destination-after paused --refuses-cont 'Failed to get "write" lock'
ok "what keeps the destination from running the guest is told" ends 4 \
	"*QEMU at $qmp/destination has the whole guest, but does not run it: cont: Failed to get \"write\" lock; the guest is STOPPED, and complete at $qmp/destination: 'cont' there lets it go on, once nothing keeps it any more"
ok "and the source, which cannot run it either, stays for a look" not_told 'source quit'
fake --source-at quit=hang
ok "a source that does not end is told of" ends 4 "*QEMU at $qmp/source does not end: end it, its guest must not run again"

# A destination elsewhere, whose QMP socket comes here through a forward. What is migrated does not.
forwarded --destination-after paused
destination=$forward
ok "a forwarded destination" ends 0 '*'
ok "the report says where the guest is, as it was called" grep -q "^web1 runs at $forward: 1.0 s" "$work/out"
ok "it was told where to listen" told 'destination migrate-incoming'
ok "and to run the guest" told 'destination cont'
ok "the source ends" told 'source quit'
forwarded
destination=127.0.0.1:$port
ok "one that is forwarded to a port" ends 0 '*'
ok "the report says so" grep -q "^web1 runs at 127.0.0.1:$port: 1.0 s" "$work/out"
forwarded --destination-fails "Unknown savevm section"
destination=$forward
ok "one that cannot use what it got" ends 1 \
	"*QEMU at $forward cannot use what it got (the destination: Unknown savevm section); the guest goes on at $qmp/source"
ok "ends" told 'destination quit'

# breaks WHEN TIMES: the forward does when the log has so many lines that begin so, after those of the checks.
breaks() {
	local pattern=$1 times=$2 waited

	for ((waited = 0; waited < 1200; waited++)); do
		(($(sed -n '/^source migrate {/,$p' "$qmp/log" | grep -c "^$pattern") >= times)) && break
		sleep 0.05
	done
	kill -KILL "$forward_pid"
}

# breaking STATUS ERROR-PATTERN WHEN TIMES OPTION...: as ends, while the forward breaks.
breaking() {
	local result=0 breaker

	breaks "$3" "$4" &
	breaker=$!
	ends "$1" "$2" "${@:5}" || result=1
	# It still waits when the command ended too early.
	kill "$breaker" 2>/dev/null || true
	wait "$breaker" || true
	return "$result"
}

ended="$forward: the connection ended: QEMU, or what forwards its socket, is gone"
left="smemv: migrate: QEMU at $forward could not be told to end: if it is still there end it, it takes no second migration"
forwarded --never-ends
ok "a forward that breaks in the middle" breaking 1 "*smemv: migrate: $ended; the guest goes on at $qmp/source"$'\n'"$left" \
	'source query-migrate ' 3 bandwidth 10M
ok "QEMU was told to cancel" told 'source migrate_cancel'
ok "the source does not end" not_told 'source quit'
ok "it is set as it was" told 'source migrate-set-parameters {"max-bandwidth": 134217728}'
ok "its capabilities, too" was_set source \
	events false return-path false smemv false auto-converge false pause-before-switchover false
forwarded --never-ends
ok "as JSON" breaking 1 '*' 'source query-migrate ' 3 --json
ok "with the place" json_says '.result == "failed" and .guest_is_at == "source" and (.reason | test("the connection ended")) and (.warning | test("end it"))'
forwarded --source-state paused --never-ends
ok "of a guest that is paused" breaking 1 "*$ended; the guest goes on at $qmp/source"$'\n'"$left" 'source query-migrate ' 3
ok "it stays so" not_told 'source cont'
forwarded --never-ends --decided
ok "too late to cancel" breaking 4 \
	"*$ended; the guest is STOPPED, and complete at $qmp/source: unless it runs at $forward, 'cont' there lets it go on" \
	'source query-migrate ' 3
ok "so that the source stays" not_told 'source quit'
ok "and is not started: the guest may run elsewhere" not_told 'source cont'
forwarded --arrives-late 9
ok "when all was sent" breaking 4 \
	"*$ended; where the guest is cannot be told from here: look at both ends before one is continued" \
	'destination query-status' 1
ok "also then the source stays" not_told 'source quit'
ok "nor is it started" not_told 'source cont'
forwarded --arrives-late 9
ok "the same as JSON" breaking 4 '*' 'destination query-status' 1 --json
ok "tells that nobody can know" json_says '.result == "failed" and .guest_is_at == "unknown" and (.reason | test("the connection ended"))'
ok "a forward that is gone before" ends 1 "*cannot connect to $forward: Connection refused*"
forwarded
rm "$qmp/destination"
ok "one that leads nowhere" ends 1 "*$ended"
destination=$qmp/destination

fake
stop_fake
hint="start QEMU with -qmp unix:$qmp/source,server=on,wait=off"
ok "nobody there" ends 1 "*cannot connect to $qmp/source: Connection refused; $hint"
rm "$qmp/source"
ok "no socket there" ends 1 "*cannot connect to $qmp/source: No such file or directory; $hint"

done_testing
