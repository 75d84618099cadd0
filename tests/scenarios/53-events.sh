#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 53-events: "smemv monitor" tells what happens, in order, in words and in JSON.
#
# check-kernels: 6.12  (about messages, which hardly depend on the kernel)

. "$(dirname "$0")/../lib/scenario.sh"

net_subhost one
memserver_start one 64M
smemv_load
fails "the monitor's arguments are checked" 'nonsense' smemv monitor nonsense

# monitor_start NAME [OPTION...]
monitor_start() {
	smemv monitor "${@:2}" >"$scenario_out/$1" 2>"$scenario_out/$1.err" &
	monitors+=($!)
	at_exit "end_process $! TERM 5"
}

# The kernel shows who listens to groups of generic netlink.
listening() {
	(($(awk '$2 == 16 && $4 != "00000000" { n++ } END { print n + 0 }' /proc/net/netlink) >= $1))
}

# heard EVENT [JQ-CONDITION]: some line of the JSON monitor is this event.
heard() {
	jq -es "any(.event == \"$1\" and (${2:-true}))" <(jq -c . "$scenario_out/json") >/dev/null
}

# expect EVENT [JQ-CONDITION]
expect() {
	ok "event: $1${2:+, $2}" wait_until 30 heard "$@"
}

monitors=()
monitor_start json --json
monitor_start text
require "two monitors listen" wait_until 20 listening 2

smemv server add one "$(memserver_address one)" timeout 1000 || bail "no server"
expect "server-added" '.server == "one"'
expect "server-up" '.server == "one"'
disk=$(smemv swap add 32M servers one name demo deadline 2000) || bail "no disk"
wait_until 10 test -b "$disk" || bail "no disk"
expect "swap-added" '.space == "demo"'
dd if=/dev/urandom of="$disk" bs=64k count=32 oflag=direct status=none

memserver_kill one
expect "server-down" '.server == "one" and (.reason | length > 0)'
fails "with nobody there a read fails" 'error' dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct
expect deadline '.space == "demo" and .count == 1'

memserver_start one 64M
expect "server-restarted" '.server == "one" and .count == 512'
ok "it is connected again" wait_until 30 server_state_is one up
expect "page-lost" '.space == "demo" and .count == 512 and .server == "one"'
fails "its pages are lost" 'error' dd if="$disk" of=/dev/null bs=4k count=1 skip=7 iflag=direct

smemv swap set demo policy suspend
memserver_pause one
dd if=/dev/zero of="$disk" bs=4k count=1 oflag=direct status=none &
writer=$!
expect suspended '.space == "demo"'
memserver_resume one
expect resumed '.space == "demo"'
ok "the write that waited succeeded" wait $writer

smemv swap del demo
expect "swap-deleted" '.space == "demo" and .swap == "demo"'
smemv vm create guest size 2M >/dev/null
expect "vm-added" '.space == "guest"'
smemv vm del guest
expect "vm-deleted" '.space == "guest"'
umount /dev/smemv
smemv server del one
expect "server-deleted" '.server == "one"'

# The whole is in order, valid, and the same in words.
in_order() {
	local wanted=("server-added" "swap-added" "server-down" deadline "server-restarted"
		"page-lost" suspended resumed "swap-deleted" "vm-added" "vm-deleted" "server-deleted")
	jq -r .event "$scenario_out/json" | awk -v wanted="$(IFS=,; echo "${wanted[*]}")" '
		BEGIN { n = split(wanted, want, ","); at = 1 }
		$0 == want[at] { at++ }
		END { if (at <= n) { print "not in order: " want[at]; exit 1 } }'
}
ok "they came in order" in_order
ok "each line is valid JSON with time and event" jq -es 'all((.time | test("^20..-..-..T")) and .event)' "$scenario_out/json"
as_many_in_words() {
	[[ $(wc -l <"$scenario_out/text") == "$(wc -l <"$scenario_out/json")" ]]
}
ok "both monitors heard the same number" wait_until 10 as_many_in_words
like "$(<"$scenario_out/text")" "server-restarted${in_line}one${in_line}restarted without its pages" "in words they say what happened"

# A monitor that counts ends by itself; one that listens ends when told to, and when the module goes.
smemv monitor count 1 >"$scenario_out/one-event" &
counting=$!
wait_until 20 listening 3
smemv server add one "$(memserver_address one)"
ok "a monitor that counts to one ends" wait_until 10 is_gone $counting
is "$(wc -l <"$scenario_out/one-event")" 1 "after one event"
ok "one that listens ends on SIGTERM" end_process "${monitors[0]}" TERM 10
ok "the module goes while somebody listens" smemv_unload
ok "which ends the listener" wait_until 10 is_gone "${monitors[1]}"
like "$(<"$scenario_out/text.err")" 'module was unloaded' "with the reason"

done_testing
