#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 70-trace: the tracepoints exist and tell each step of a store and a load, in order, and what a scan found.
# Pages of zeros are counted apart.

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/scan.sh"

readonly tracing=/sys/kernel/tracing events=/sys/kernel/tracing/events/smemv

net_subhost one
memserver_start one 64M
smemv_load
for event in smemv_io_start smemv_io_park smemv_io_done smemv_send smemv_reply smemv_lane smemv_scan; do
	ok "tracepoint $event" test -e "$events/$event/enable"
	ok "$event has a format" grep -q 'print fmt' "$events/$event/format"
done

trace() {
	grep -oE 'smemv_[a-z_]+: .*' "$tracing/trace"
}

trace_start() {
	echo 0 >"$tracing/tracing_on"
	: >"$tracing/trace"
	echo 1 >"$events/enable"
	echo 1 >"$tracing/tracing_on"
}

trace_stop() {
	echo 0 >"$tracing/tracing_on"
	echo 0 >"$events/enable"
}

scan_is_traced() {
	[[ $(trace) =~ smemv_scan:\ pid=$machine_pid\ [^$'\n']*\ accessed=[1-9] ]]
}

# steps OP FIRST: the names of the steps of the operation on these pages, on one line.
steps() {
	trace | awk -v op="op=$1" -v first="first=$2" '
		/^smemv_io_(start|done|park):/ && index($0, op " ") && index($0, first " ") { printf "%s ", $1 }
		/^smemv_(send|reply):/ && index($0, op " ") { printf "%s ", $1 }'
}

trace_start
require "the server is added" smemv server add one "$(memserver_address one)" lanes 1
trace_stop
like "$(trace)" 'smemv_lane: server=one lane=0 generation=1 up' "a connection comes up"

disk=$(smemv swap add 16M servers one name demo) || bail "no disk"
wait_until 10 test -b "$disk" || bail "no disk"
trace_start
dd if=/dev/urandom of="$disk" bs=16k count=1 seek=3 oflag=direct status=none
dd if="$disk" of=/dev/null bs=16k count=1 skip=3 iflag=direct status=none
trace_stop
diag "$(trace)"
is "$(steps 3 12)" "smemv_io_start: smemv_send: smemv_reply: smemv_io_done: " "a store, step by step"
is "$(steps 4 12)" "smemv_io_start: smemv_send: smemv_reply: smemv_io_done: " "a load, step by step"
like "$(trace)" 'smemv_io_start: space=demo op=3 first=12 nr=4 todo=f' "it says which pages"
like "$(trace)" 'smemv_io_done: space=demo op=3 first=12 nr=4 todo=0' "and that all were done"
like "$(trace)" 'smemv_reply: server=one lane=0 tag=[0-9a-f]+ op=4 space=1 nr=4 status=0' "and what the server said"

# A reply names the request that it answers.
tags() {
	trace | sed -n "s/^smemv_$1:.* tag=\([0-9a-f]*\) .*/\1/p" | sort
}
is "$(tags reply)" "$(tags send)" "each request has its reply"

# Pages of zeros are counted among the others, and by themselves.
counted() {
	smemv_json 'first.counters | "\(.store_pages) \(.store_zero) \(.load_pages) \(.load_zero)"' server show one
}
is "$(counted)" "4 0 4 0" "so far none was zeros"
dd if=/dev/zero of="$disk" bs=1M count=1 seek=1 oflag=direct status=none
is "$(counted)" "260 256 4 0" "zeros that are stored are counted"
dd if="$disk" of=/dev/null bs=1M count=1 skip=1 iflag=direct status=none
is "$(counted)" "260 256 260 256" "and those that are loaded"

# Of a scan it tells what it found.
kvm_start
machine_start --size $((1 << 20))
trace_start
ok "a machine is scanned" smemv scan start pid "$machine_pid" interval 50
machine_tell touch 0 256
ok "what it touches is traced" wait_until 30 scan_is_traced
trace_stop
like "$(trace)" "smemv_scan: pid=$machine_pid method=[12] scans=[0-9]+ accessed=[0-9]+ idle=[0-9]+ ns=[0-9]+" "it says whose it is, and what was found"
ok "the scan ends" smemv scan stop pid "$machine_pid"
end_process "$machine_pid" KILL

# Without a server it waits.
trace_start
smemv swap set demo deadline 1000
memserver_kill one
dd if="$disk" of=/dev/null bs=4k count=1 skip=12 iflag=direct status=none 2>/dev/null || true
trace_stop
like "$(trace)" 'smemv_lane: server=one lane=0 generation=[0-9]+ down' "a connection ends"
like "$(trace)" 'smemv_io_park: space=demo op=4 first=12' "a load waits"
ok "the disk goes" smemv swap del demo
ok "the module goes" smemv_unload
ok "and its tracepoints" test ! -e "$events"

done_testing
