#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 43-fake-server-moves: a memory server whose answers to PUSH, DRAIN, DELIVER and DROP break the protocol, or lie, is never
# believed: a drain off it, or to it, ends in bounded time and says what came of it, no page is lost or wrong but those
# that it says it lost or moved itself, and afterwards both servers hold exactly what the map says.
#
# check-kernels: 6.12  (about the wire protocol, which hardly depends on the kernel)
# timeout: 900

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

net_subhost fake
net_subhost good
fake_start fake
memserver_start good 64M
smemv_load
dmesg_mark
require "the fake server is added" smemv server add fake "$(memserver_address fake)" lanes 2 timeout 1000
require "the good server is added" smemv server add good "$(memserver_address good)" lanes 2 timeout 4000
disk=$(smemv swap add 16M servers fake,good name demo) || bail "no disk was made"
wait_until 10 test -b "$disk" || bail "there is no $disk"

report_cases "$fakes_dir/hostilemoves.py" "$disk" demo "$(fake_control fake)" fake good "$(memserver_address good)" \
	${TEST_CASES:+"$TEST_CASES"}
is "$(smemv_json '.[0].counters.protocol_errors' server show good)" 0 "the good server is not blamed"
is "$(smemv_json '.[0].counters.disconnects' server show good)" 0 "its connections held"

# A target that never says that its drain is closed keeps it open, and nothing else.
ok "all pages are at the good server" smemv server drain fake to good
ok "the fake may get pages again" smemv server del fake
require "and does" smemv server add fake "$(memserver_address fake)" lanes 2 timeout 1000
fake_tell fake arm drain undone-refuse-limit -1 1 >/dev/null
ok "all pages are drained to a server that does not close the drain" smemv server drain good to fake
fails "another drain waits for that" 'waits for the target of an earlier drain' smemv server drain good to fake
compare "$(milliseconds_of smemv swap del demo)" -le 15000 "the disk goes all the same, and soon"
fake_tell fake clear >/dev/null

# Who says that somebody else owns the space is believed.
disk=$(smemv swap add 16M servers fake name demo) || bail "no disk was made"
wait_until 10 test -b "$disk" || bail "there is no $disk"
dd if=/dev/urandom of="$disk" bs=64k count=4 oflag=direct status=none
fake_tell fake arm push undone-refuse-stale-epoch >/dev/null
ok "a server is added that takes pages" smemv server del good
require "as it is not in use" smemv server add good "$(memserver_address good)" lanes 2 timeout 4000
fails "a drain ends when another owner is claimed" 'another main host owns the space now' smemv server drain fake to good
fails "and reads fail" 'Input/output error' dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct
ok "the disk goes" smemv swap del demo
ok "the module goes" smemv_unload

done_testing
