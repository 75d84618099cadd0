#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 43-fake-server-owner: a memory server whose answers to CLAIM and ACTIVATE, and to OPEN and STAT on the way, break the
# protocol, or lie. Adopting a memory file, becoming its owner, and taking it back end in bounded time and say what came of
# it; there are never two owners, an honest answer makes one, and every page is right then.
#
# check-kernels: 6.1  (about the wire protocol, which hardly depends on the kernel)
# timeout: 900

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

net_subhost fake
net_subhost good
fake_start fake
memserver_start good 64M
smemv_load
at_exit memfile_unmount
require "the fake server is added" smemv server add fake "$(memserver_address fake)" lanes 2 timeout 1000
require "the good server is added" smemv server add good "$(memserver_address good)" lanes 2 timeout 4000

report_cases "$fakes_dir/hostileowner.py" "$(fake_control fake)" fake good ${TEST_CASES:+"$TEST_CASES"}
is "$(smemv_json '.[0].counters.protocol_errors' server show good)" 0 "the good server is not blamed"
is "$(smemv_json '.[0].counters.disconnects' server show good)" 0 "its connections held"
is "$(memserver_stat good smemv_spaces)" 0 "nothing is left there"
umount /dev/smemv
for name in fake good; do
	ok "server $name goes" smemv server del $name
done
ok "the module goes" smemv_unload

done_testing
