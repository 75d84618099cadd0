#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 34-drain: a server is emptied into another one while its pages are stored, loaded and discarded,
# deleted under the running disk, and everything moves on to a server that the disk did not know.
#
# processors: 2

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/diskcheck.sh"

two_servers 64M
make_disk 16M
diskcheck_start "$disk"

# drains SERVER [to NAME]: and nothing is left there.
drains() {
	timeout 120 smemv server drain "$@" || return
	compare_pages "$1"
}

compare_pages() {
	[[ $(swap_pages "$1") == 0 ]] && wait_until 30 servers_are_empty "$1"
}

require "the disk is filled" diskcheck_do 120 fill
compare "$(swap_pages one)" -gt 0 "server one has pages"
diskcheck_tell run write=40 discard=10 max=16 overlap=yes
wait_until 60 counter_passes 200 swap_counter load_pages || bail "nothing is read"
ok "server one is drained under load" drains one
is "$(smemv_json 'first | .state' server show one)" draining "and takes no new pages"
ok "it is deleted while the disk is in use" smemv server del one
ok "no space remains there" wait_until 10 no_spaces_remain one
ok "no request failed, and all that was read was right" diskcheck_end_run 60
ok "every page is right" diskcheck_do 120 verify
ok "which is what was written" holds_what_was_written
like "$(smemv server drain two 2>&1 || true)" 'uses no other server; name one' "alone it cannot be drained"

require "server one is added again" smemv server add one "$(memserver_address one)"
diskcheck_tell run write=40 discard=10 max=16 overlap=yes
ok "everything moves to a server that the disk did not use" drains two to one
ok "no request failed here either" diskcheck_end_run 60
ok "every page is right again" diskcheck_do 120 verify
is "$(swap_lost_pages)" 0 "nothing is lost"
ok "the servers hold what the map says" settles 60 one
ok "which is what was written, again" holds_what_was_written
ok "the other server can go" smemv server del two

leave_nothing_behind
done_testing
