#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 40-fake-server: a memory server whose answers to loads and stores break the protocol in every way is
# never believed. While a swap disk over it and a good server is in use, each read gives the right data or
# an error, each wait ends, the module counts what it saw, connects anew and goes on.
#
# timeout: 900

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

hostile_setup
hostile_cases load,store

# Every page of a space that somebody else owns now fails, and the disk can still be deleted.
fake_tell fake arm load pages-stale-epoch -1 >/dev/null
ok "a server claims another owner: reads fail" bash -c "! dd if=$disk of=/dev/null bs=128k iflag=direct"
like "$(dmesg_since)" 'another main host owns this space now' "the log says so"
ok "the disk goes" smemv swap del demo
ok "the module goes" smemv_unload

done_testing
