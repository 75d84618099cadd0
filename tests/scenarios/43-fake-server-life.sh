#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 43-fake-server-life: as 40-fake-server, with wrong answers around a connection's life: when it comes back,
# opens its spaces, is kept alive, and when the server is told to forget pages or asked what it holds.
#
# check-kernels: 6.1  (about the wire protocol, which hardly depends on the kernel)
# timeout: 900

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

hostile_setup
hostile_cases hello,open,stat,invalidate,list
ok "the disk goes" smemv swap del demo
ok "the module goes" smemv_unload

done_testing
