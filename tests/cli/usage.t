#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source-path=SCRIPTDIR
#
# What cannot be meant is told from what cannot be done: exit 2, the words that are wrong, a hint.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/.tap.sh"

refuses() {
	local want=$1 object=$2
	shift 2

	run "$@"
	same "$status" 2 && same "$out" "" && same "$err" "smemv: $want
Try 'smemv help${object:+ }$object'."
}

# refused WANTED-TEXT OBJECT ARGUMENT...
refused() {
	ok "smemv ${*:3}" refuses "$@"
}

refused 'there is no object "foo"' '' foo
refused 'there is no object "--jsn"' '' --jsn show
refused 'there is no object "foo"' '' help foo
refused 'server: the action is missing' server server
refused 'server: there is no action "ad"' server server ad s1
refused 'server add: NAME is missing' server server add
refused 'server add s1: ADDR[:PORT] is missing' server server add s1
refused 'server add: "a/b" is not a name (1 to 31 of A-Z a-z 0-9 . _ -)' server server add a/b 10.0.0.1
refused 'server add s1: "" is not a port (1 to 65535)' server server add s1 10.0.0.1:
refused 'server add s1: "70000" is not a port (1 to 65535)' server server add s1 10.0.0.1:70000
refused 'server add s1: "[::1" is not an address (ADDR, ADDR:PORT or [IPV6]:PORT)' server server add s1 '[::1'
refused 'server add s1: limit: "5X" is not a size (bytes, or a number with K, M, G or T)' server server add s1 10.0.0.1 limit 5X
refused 'server add s1: limit: "99999999T" is too large for a size' server server add s1 10.0.0.1 limit 99999999T
refused 'server add s1: limit SIZE: the value is missing' server server add s1 10.0.0.1 limit
refused 'server add s1: "limit" is given twice' server server add s1 10.0.0.1 limit 1G limit 2G
refused 'server add s1: "size" is not expected here' server server add s1 10.0.0.1 size 1G
refused 'server add s1: lanes: "four" is not a number' server server add s1 10.0.0.1 lanes four
refused 'server show s1: "s2" is not expected here' server server show s1 s2
refused 'server del: NAME is missing' server server del
refused 'server del s1: "s2" is not expected here' server server del s1 s2
refused 'server drain s1: to: "s2" is named twice' server server drain s1 to s2,s2
refused 'swap add: SIZE is missing' swap swap add
refused 'swap add: "-1" is not a size (bytes, or a number with K, M, G or T)' swap swap add -1
refused 'swap add: servers: "" is not a name (1 to 31 of A-Z a-z 0-9 . _ -)' swap swap add 1G servers a,
refused 'swap add: policy: "retry" is not a policy (error or suspend)' swap swap add 1G policy retry
refused 'swap add: queues: "5000000000" is too large a number' swap swap add 1G queues 5000000000
refused 'swap set: NAME is missing' swap swap set
refused 'swap set d: policy or deadline is missing' swap swap set d
refused 'swap set d: "queues" is not expected here' swap swap set d queues 4
refused 'vm: the action is missing' vm vm
refused 'vm: there is no action "add"' vm vm add web1
refused 'vm create: NAME is missing' vm vm create
refused 'vm create web1: size SIZE is missing' vm vm create web1
refused 'vm create web1: size SIZE: the value is missing' vm vm create web1 size
refused 'vm create web1: budget: "much" is not a size (bytes, or a number with K, M, G or T)' vm vm create web1 size 1G budget much
refused 'vm create web1: "dma" is given twice' vm vm create web1 size 1G dma dma
refused 'vm create web1: "yes" is not expected here' vm vm create web1 size 1G dma yes
refused 'vm set web1: budget, policy or deadline is missing' vm vm set web1
refused 'vm set web1: "size" is not expected here' vm vm set web1 size 2G
refused 'vm evict web1: SIZE is missing' vm vm evict web1
refused 'vm heat: NAME is missing' vm vm heat
refused 'vm heat web1: "--jpg" is not expected here' vm vm heat web1 --jpg x
refused 'vm evict web1: "all" is not a size (bytes, or a number with K, M, G or T)' vm vm evict web1 all
refused 'vm del: NAME is missing' vm vm del
refused 'vm attach web1: pid PID is missing' vm vm attach web1
refused 'scan: the action is missing' scan scan
refused 'scan start: pid PID is missing' scan scan start
refused 'scan start: the interval must be 10 to 600000 ms' scan scan start pid 1 interval 0
refused 'scan show: "abc" is not a number' scan scan show abc
refused 'scan show: "1s" is not a number' scan scan show 1s
refused 'scan show: "99999999999" is too large a number' scan scan show 99999999999
refused 'scan show 1: "2" is not expected here' scan scan show 1 2
refused 'scan stop: "interval" is not expected here' scan scan stop pid 1 interval 100
refused 'vm show web1: "web2" is not expected here' vm vm show web1 web2
refused 'show: "all" is not expected here' show show all
refused 'show: --watch: "0" is not a number of seconds (0.1 to 86400)' show show --watch 0
refused 'show: --watch: "" is not a number of seconds (0.1 to 86400)' show show --watch=
refused 'show: count needs --watch' show show count 3
refused 'show: --metrics goes with neither --watch nor --json nor pid' show show --metrics --watch 1
refused 'show: --metrics goes with neither --watch nor --json nor pid' show --json show --metrics
refused 'show: pid: "1,x" is not a list of at most 64 process numbers' show show pid 1,x
refused 'reclaim: pid PID is missing' reclaim reclaim
refused 'reclaim: "now" is not expected here' reclaim reclaim now
refused 'reclaim: cold: "0" is not a number of seconds (0.1 to 86400)' reclaim reclaim pid 1 cold 0
refused 'reclaim: --daemon needs target SIZE' reclaim reclaim pid 1 --daemon
refused 'reclaim: target needs --daemon' reclaim reclaim pid 1 target 1G
refused 'reclaim: rate: "fast" is not a size (bytes, or a number with K, M, G or T)' reclaim reclaim pid 1 rate fast
refused 'reclaim: a rate of 0 never ends' reclaim reclaim pid 1 rate 0
refused 'migrate: from QMP is missing' migrate migrate
refused 'migrate: to QMP is missing' migrate migrate from /run/a
refused 'migrate: via ADDR:PORT (or uri URI) is missing: where the destination is to listen' migrate migrate from /run/a to /run/b
refused 'migrate: either uri or via, not both' migrate migrate from /run/a to /run/b via h:1 uri unix:/run/c
refused 'migrate: from: "a" is not a QMP socket (a path with a "/", or HOST:PORT)' migrate migrate from a to /run/b
refused 'migrate: via: "h" has no port (ADDR:PORT)' migrate migrate from /run/a to /run/b via h
refused 'migrate: heat: "sun" is not a source of heat (auto, scanner, dirty or address)' migrate migrate heat sun
refused 'migrate: uri: it is empty' migrate migrate uri ''
refused 'monitor: "all" is not expected here' monitor monitor all

done_testing
