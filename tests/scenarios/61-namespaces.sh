#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 61-namespaces: two network namespaces do not see each other's servers and disks, and nobody reaches another one's
# memory file by a path where its filesystem happens to be mounted. A namespace that is deleted takes its idle disk with it; one whose disk is in use lives until the disk is let go.

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

# The filesystem of left is mounted where right looks for files, that of right elsewhere.
readonly elsewhere=$scenario_tmp/right-files
at_exit 'umount /dev/smemv 2>/dev/null'
at_exit "umount $elsewhere 2>/dev/null"
mkdir "$elsewhere"
nsenter --net=/run/netns/right mount -t smemv smemv "$elsewhere"
ok "left makes a memory file" nsenter --net=/run/netns/left smemv vm create web1 size 8M budget 2M
ok "right makes one of the same name" truncate -s 4M "$elsewhere/web1"
touch /dev/smemv/empty "$elsewhere/empty" /dev/smemv/mine
truncate -s 4M /dev/smemv/mine
uuid_of() {
	"$1" smemv vm show web1 --json | jq -r 'first | .uuid'
}
uuid=$(uuid_of left)
right_uuid=$(uuid_of right)
unlike "$right_uuid" "$uuid" "they are two"
left smemv vm map web1 --json >"$scenario_tmp/map"
is "$(jq -r .uuid "$scenario_tmp/map")" "$uuid" "left's map is that of its own"
at_right_place() {
	nsenter --net=/run/netns/right unshare --mount bash -c 'mount -t smemv smemv /dev/smemv && "$@"' - "$@"
}
is "$(at_right_place smemv vm map web1 --json | jq -r .uuid)" "$right_uuid" "right's, where its filesystem is mounted"
for name in web1 mine; do
	for verb in map activate take-back "take-back force" heat del; do
		# shellcheck disable=SC2086 # words
		set -- $verb
		fails "right does not $verb $name, which left has there" 'not a file of this network namespace' \
			right smemv vm "$1" $name "${@:2}"
	done
done
fails "nor adopt into it" 'not a file of this network namespace' right smemv vm adopt web1 "$scenario_tmp/map"
fails "nor make one there" 'mounted from another network namespace' right smemv vm create new size 4M
ok "which leaves nothing" test ! -e /dev/smemv/new
fails "what has no size is not told from another before it is deleted" 'it is of another network namespace; remove the file' \
	right smemv vm del empty
ok "and left's stays" test -e /dev/smemv/empty
ok "as the others do" test -e /dev/smemv/web1 -a -e /dev/smemv/mine
is "$(uuid_of left) $(uuid_of right)" "$uuid $right_uuid" "nobody lost a file"
ok "left owns its own" [ "$(left smemv vm show web1 --json | jq -r 'first | .owner')" == active ]
ok "right deletes its own where it is" at_right_place smemv vm del web1
rm "$elsewhere/empty"
for name in web1 mine empty; do
	ok "left deletes $name" left smemv vm del $name
done
umount "$elsewhere" /dev/smemv

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
