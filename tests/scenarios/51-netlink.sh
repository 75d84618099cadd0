#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 51-netlink: several processes configure the module at once and send it nonsense. It answers each, stays
# consistent, keeps a disk that is in use intact, and everything can be deleted afterwards.
#
# processors: 2

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

net_subhost one
memserver_start one 128M
smemv_load
require "a server to keep" smemv server add keep "$(memserver_address one)" timeout 20000
disk=$(smemv swap add 16M servers keep name keep) || bail "no disk was made"
wait_until 10 test -b "$disk" || bail "no disk"
head -c 1M /dev/urandom >"$scenario_tmp/data"
dd if="$scenario_tmp/data" of="$disk" bs=128k oflag=direct status=none
exec {held}<"$disk"

report_cases "$fakes_dir/hammer.py" "${TEST_SECONDS:-8}" "$(net_address one)" ${TEST_SEED:+"$TEST_SEED"}

same_data() {
	dd if="$disk" bs=128k count=8 iflag=direct status=none | cmp - "$scenario_tmp/data"
}
ok "the disk that was in use is right" same_data
exec {held}<&-

# A dump in parts, of what becomes less between two of them: who reads it hears of that.
dump_while_removed() {
	PYTHONPATH=$fakes_dir python3 - <<'PYTHON'
import genl

NLM_F_DUMP_INTR = 0x10

class Small(genl.Genl):
    RECV_BYTES = 4096

def names_of(reader, removed=None):
    """Each name that is told, and whether it is said that it is not all."""
    reader.send(genl.NAMES["CMD_SWAP_GET"], b"", genl.NLM_F_DUMP)
    if removed:
        writer.ask(genl.NAMES["CMD_SWAP_DEL"], [genl.attr(genl.NAMES["A_SWAP_NAME"], removed)])
    names, interrupted, parts, done = [], False, 0, False
    while not done:
        data, at = reader.sock.recv(reader.RECV_BYTES), 0
        parts += 1
        while at + 16 <= len(data):
            length, kind, flags, _, _ = genl.HEADER.unpack_from(data, at)
            interrupted |= bool(flags & NLM_F_DUMP_INTR)
            done |= kind == genl.NLMSG_DONE
            if kind == reader.family:
                names += genl.parse(data[at + 20:at + length])[genl.NAMES["A_SWAP_NAME"]]
            at += length + 3 & ~3
    return [name.rstrip(b"\0").decode() for name in names], interrupted, parts

writer, reader = genl.Genl(), Small()
disks = [f"part{i}" for i in range(24)]
for disk in disks:
    writer.ask(genl.NAMES["CMD_SWAP_ADD"], [
        genl.attr(genl.NAMES["A_SWAP_NAME"], disk), genl.attr(genl.NAMES["A_SWAP_SIZE"], genl.u64(1 << 20))])
names, interrupted, parts = names_of(reader)
assert set(disks) <= set(names) and not interrupted and parts > 2, (names, interrupted, parts)
names, interrupted, parts = names_of(reader, disks[0])
assert interrupted, (names, parts)
names, interrupted, parts = names_of(reader)
assert set(disks[1:]) <= set(names) and not interrupted, (names, interrupted)
for disk in disks[1:]:
    writer.ask(genl.NAMES["CMD_SWAP_DEL"], [genl.attr(genl.NAMES["A_SWAP_NAME"], disk)])
PYTHON
}
ok "a list that becomes shorter while it is told is not taken for all" dump_while_removed

# What is shown can be used and deleted.
smemv show --json >"$scenario_out/left" || true
ok "what is left is shown as valid JSON" jq -e . "$scenario_out/left"
names() {
	smemv "$1" show --json | jq -r '.[].name'
}
for name in $(names swap); do
	[[ $name == keep ]] || diag "left: disk $name"
	smemv swap del "$name" || fail "disk $name cannot be deleted"
done
for name in $(names server); do
	[[ $name == keep ]] || diag "left: server $name"
	smemv server del "$name" || fail "server $name cannot be deleted"
done
is "$(names swap)$(names server)" "" "everything can be deleted"
ok "no block device is left" bash -c '! ls /sys/block/smemv* 2>/dev/null | grep .'
is "$(memserver_pages one)" 0 "the server holds no pages"
is "$(memserver_stat one smemv_spaces)" 0 "and no spaces"
ok "it can be used again" smemv server add again "$(memserver_address one)"
ok "the module goes" smemv_unload

done_testing
