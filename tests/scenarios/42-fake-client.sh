#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 42-fake-client: a client that breaks the protocol in every way harms nobody but itself. A swap disk on
# the same memory server loses no byte, no connection and no time.
#
# check-kernels: 6.12  (about the wire protocol, which hardly depends on the kernel)
# processors: 2

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

net_subhost one
memserver_start one 128M
smemv_load
require "the server is added" smemv server add one "$(memserver_address one)" timeout 20000
make_disk 16M servers one
wait_until 10 test -b "$disk" || bail "no disk"
pid=$(memserver_pid one)

diskcheck_start "$disk"
require "the disk is filled" diskcheck_do 120 fill
# All the time, and not all of the processors.
diskcheck_tell run write=50 rest=200000
report_cases in_subhost one "$fakes_dir/fakeclient.py" "$(memserver_address one)" \
	"$(smemv_json 'first | .uuid' swap show demo)" ${TEST_SEED:+"$TEST_SEED"}
ok "the good client worked all the time" diskcheck_end_run 60
diag "$(diskcheck_answer)"
compare "$(diskcheck_get pages_out)" -gt 100 "it wrote"
compare "$(diskcheck_get pages_in)" -gt 100 "and read"
ok "and every byte is right" diskcheck_do 120 verify

for counter in disconnects timeouts protocol_errors resent no_space missing bad_crc stale_epoch; do
	is "$(server_counter one $counter)" 0 "it saw no $counter"
done
is "$(memserver_pid one)" "$pid" "the server is the same"
ok "and runs" kill -0 "$pid"
ok "what the fake stored is gone" wait_until 20 all_is_settled one
leave_nothing_behind_on_one() {
	blkdiscard "$disk" && wait_until 30 servers_are_empty one
}
diskcheck_stop
ok "a discard empties the server" leave_nothing_behind_on_one
ok "the disk goes" smemv swap del demo
ok "the module goes" smemv_unload
is "$(memserver_stop one; echo $?)" 0 "the server ends cleanly"

done_testing
