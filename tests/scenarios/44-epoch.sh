#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 44-epoch: a space has one owner. A main host whose space was taken over by a newer epoch cannot write,
# read or delete there any more and says so; an older epoch cannot take over; other spaces go on.

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

net_subhost one
memserver_start one 64M
smemv_load
require "the server is added" smemv server add one "$(memserver_address one)" timeout 2000
for name in taken cut other; do
	declare "$name=$(smemv swap add 4M servers one name $name deadline 20000)"
	wait_until 10 test -b "${!name}" || bail "no disk $name"
done
head -c 256K /dev/urandom >"$scenario_tmp/data"

uuid_of() {
	smemv_json '.[0].uuid' swap show "$1"
}

write_disk() {
	dd if="$scenario_tmp/data" of="$1" bs=64k oflag=direct status=none
}

disk_is_right() {
	dd if="$1" bs=64k count=4 iflag=direct status=none | cmp - "$scenario_tmp/data"
}

# owner COMMAND...: another client of the server.
owner() {
	in_subhost one "$fakes_dir/wiretalk.py" "$(memserver_address one)" "$@"
}

for name in taken cut other; do
	ok "disk $name is written" write_disk "${!name}"
done
smemv monitor --json >"$scenario_out/events" &
monitor=$!
at_exit "end_process $monitor TERM 5"
wait_until 20 bash -c "awk '\$2 == 16 && \$4 != \"00000000\" { found = 1 } END { exit !found }' /proc/net/netlink"
dmesg_mark

# Who comes with no newer epoch gets nothing, and the owner sees nothing.
uuid=$(uuid_of taken)
like "$(owner "open $uuid 1024 0" 2>&1)" '^open: (STALE_EPOCH|BAD_REQUEST)' "epoch 0 is refused"
like "$(owner "open $uuid 2048 1")" 'open: (SIZE|STALE_EPOCH)' "another size is refused"
ok "the owner reads on" disk_is_right "$taken"
ok "and writes on" write_disk "$taken"

# A new owner while the old one is connected.
like "$(owner "open $uuid 1024 2" "store 0 4 77" "check 0 4 77")" 'open: OK epoch=2 pages=64.*store: OK.*check: OK' \
	"a newer epoch opens the space and stores"
fails "the old owner's read fails" 'Input/output error' dd if="$taken" of=/dev/null bs=4k count=1 iflag=direct
fails "its write fails" 'Input/output error' dd if=/dev/zero of="$taken" bs=4k count=1 oflag=direct
fails "also elsewhere" 'Input/output error' dd if="$taken" of=/dev/null bs=4k count=1 skip=32 iflag=direct
blkdiscard "$taken" 2>/dev/null || true
fails "and is no more after a discard" 'Input/output error' dd if=/dev/zero of="$taken" bs=4k count=1 oflag=direct
like "$(dmesg_since)" 'smemv: taken: server one says that another main host owns this space now' "the log says why"
is "$(dmesg_since | grep -c 'owns this space now')" 1 "once"
ok "there is an event" wait_until 10 jq -es 'any(.event == "fenced-out" and .space == "taken" and .server == "one")' \
	"$scenario_out/events"
compare "$(smemv_json '.[0].counters.stale_epoch' server show one)" -ge 1 "it is counted"
ok "another disk on this server reads on" disk_is_right "$other"
ok "and writes on" write_disk "$other"
is "$(owner "open $uuid 1024 2" "check 0 4 77" | tail -n 1)" "check: OK" "the new owner's pages are untouched"

# A new owner while the link is cut: the old one learns it when it comes back.
uuid_cut=$(uuid_of cut)
net_cut one
is "$(owner "open $uuid_cut 1024 7" "store 0 4 78" | tail -n 1)" "store: OK" "a newer epoch takes over behind a cut link"
dd if=/dev/zero of="$cut" bs=4k count=1 oflag=direct status=none 2>"$scenario_tmp/late" &
writer=$!
ok "the connection is given up" wait_until 30 bash -c 'smemv server show one --json | jq -e ".[0].lanes_up == 0"'
net_heal one
ok "the write ends" wait_until 60 is_gone $writer
like "$(<"$scenario_tmp/late")" 'Input/output error' "with an error"
ok "another disk comes back" disk_is_right "$other"
like "$(dmesg_since)" 'smemv: cut: server one says that another main host owns' "the log says why"
is "$(owner "open $uuid_cut 1024 7" "check 0 4 78" | tail -n 1)" "check: OK" "the new owner's pages are untouched"

# The other way round: the old owner's epoch opens nothing any more.
like "$(owner "open $uuid 1024 1")" 'open: STALE_EPOCH epoch=2' "an old epoch is told the new one"

# The disks can be deleted, and take nothing of the new owner's with them.
for name in taken cut other; do
	ok "disk $name goes" smemv swap del $name
done
for left in "$uuid" "$uuid_cut"; do
	like "$(dmesg_since)" "space $left is not this host's any more and was left alone" "space $left stays there, says the log"
done
is "$(owner "open $uuid 1024 2" "check 0 4 77" drop | tail -n 2 | tr '\n' ' ')" "check: OK drop: OK " \
	"with its new owner's pages"
owner "open $uuid_cut 1024 7" drop >/dev/null
is "$(memserver_pages one)" 0 "nothing else is left"
ok "the module goes" smemv_unload

done_testing
