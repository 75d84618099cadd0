#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 61-namespaces: two network namespaces do not see each other's servers and disks. A namespace that is
# deleted takes its idle disk with it; one whose disk is in use lives until the disk is let go.

. "$(dirname "$0")/../lib/scenario.sh"

# Two main hosts, each with a sub-host of its own.
for main in left right; do
	ip netns add $main
	at_exit "ip netns del $main 2>/dev/null"
	ip -n $main link set lo up
done
net_subhost one left
net_subhost two right
# So that they can be asked when their link has gone with the main host's namespace.
ip -n one addr add "$(net_address one)/32" dev lo
ip -n two addr add "$(net_address two)/32" dev lo
memserver_start one 128M
memserver_start two 128M
smemv_load

left() {
	ip netns exec left "$@"
}

right() {
	ip netns exec right "$@"
}

holds_nothing() {
	[[ $(memserver_pages "$1") == 0 && $(memserver_stat "$1" smemv_spaces) == 0 ]]
}

swap_holds() {
	(($(swap_used_pages "$right_disk") >= $1))
}

paged_in_since() {
	(($(counter_of /proc/vmstat pswpin) > $1 + 500))
}

ok "left adds a server" left smemv server add s "$(memserver_address one)"
is "$(left smemv server show --json | jq length)" 1 "left sees it"
is "$(right smemv server show --json | jq length)" 0 "right does not"
is "$(smemv server show --json | jq length)" 0 "the initial namespace does not"
like "$(left smemv show --metrics)" '^# TYPE smemv_server_state gauge' "left's figures are told to Prometheus"
is "$(smemv show --metrics)" "" "the initial namespace has none"
fails "right cannot delete it" 'there is no server of this name' right smemv server del s
ok "right adds another of the same name" right smemv server add s "$(memserver_address two)"

left_disk=$(left smemv swap add 64M name demo) || bail "left has no disk"
fails "right cannot delete left's disk" 'there is no swap disk of this name' right smemv swap del demo
fails "nor change it" 'there is no swap disk of this name' right smemv swap set demo policy suspend
right_disk=$(right smemv swap add 32M name demo) || bail "right has no disk"
unlike "$left_disk" "^$right_disk\$" "their disks of the same name are two"
is "$(left smemv swap show --json | jq -r '.[0].size_bytes')" $((64 << 20)) "left sees its own"
is "$(right smemv swap show --json | jq -r '.[0].size_bytes')" $((32 << 20)) "right sees its own"
is "$(smemv swap show --json | jq length)" 0 "the initial namespace sees none"
fails "a disk needs servers of its own namespace" 'there is no memory server' smemv swap add 16M

# What they store does not mix.
head -c 1M /dev/urandom >"$scenario_tmp/left"
head -c 1M /dev/urandom >"$scenario_tmp/right"
ok "left writes" dd if="$scenario_tmp/left" of="$left_disk" bs=64k oflag=direct status=none
ok "right writes" dd if="$scenario_tmp/right" of="$right_disk" bs=64k oflag=direct status=none
same_as() {
	dd if="$2" bs=64k count=16 iflag=direct status=none | cmp - "$scenario_tmp/$1"
}
ok "left reads its own" same_as left "$left_disk"
ok "right reads its own" same_as right "$right_disk"
is "$(memserver_pages one)" 256 "left's pages are on its server"
is "$(memserver_pages two)" 256 "right's pages are on its server"

# A namespace that goes with an idle disk.
ok "left is deleted" ip netns del left
ok "its disk goes" wait_until 30 test ! -e "$left_disk"
ok "its server was told to forget" wait_until 10 holds_nothing one
ok "right still works" same_as right "$right_disk"

# A namespace that goes while its disk is in use.
ok "right's disk is swapped to" swap_on "$right_disk"
pager_cgroup pager 4M
pager_start all-the-time pager --size 8M --duration 3600 --rest 5000
ok "pages go out" wait_until 60 swap_holds 500
ok "right is deleted" ip netns del right
before=$(counter_of /proc/vmstat pswpin)
ok "and still pages" wait_until 60 paged_in_since "$before"
ok "its disk is there" test -b "$right_disk"
ok "a process that pages now loses no byte" cgroup_run pager "$memcheck" --size 6M --passes 1
ok "one that paged all the time lost none" pager_finish all-the-time 120
ok "swapoff ends" timeout 60 swapoff "$right_disk"
ok "then the disk goes" wait_until 30 test ! -e "$right_disk"
ok "and its server was told to forget" wait_until 10 holds_nothing two
ok "the module goes" smemv_unload

done_testing
