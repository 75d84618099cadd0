#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 00-smoke: a swap disk over one server keeps every byte.
#
# These lines are read by tests/run; leave out what is the default.
# smoke: yes
# memory: 3G
# processors: 1
# timeout: 300

. "$(dirname "$0")/../lib/scenario.sh"

# What it needs. All of this is undone when the scenario ends, whatever happens.
net_subhost one
net_shape one rate 400mbit delay 200us
memserver_start one 256M
smemv_load
require "the server is added" smemv server add one "$(memserver_address one)"
disk=$(smemv swap add 128M servers one name demo) || bail "no disk was made"

# What it does. Require what the rest depends on; ok, is, like, compare and fails are for the rest,
# so that one failure does not hide the next.
swap_on "$disk"

# A process that needs twice what it may keep; the verdict covers every byte.
pager_cgroup pager 4M
ok "no byte is lost" cgroup_run pager "$memcheck" --size 8M --passes 1

# Wait for conditions, never for a time: wait_until has a bound, sleep has none that fits.
# Figures are compared with what the system counts elsewhere, not with what was seen once.
compare "$(counter_of /proc/vmstat pswpout)" -gt 1024 "most of it went out"

# Kernel messages that are provoked on purpose are announced, each by a narrow pattern:
#	lab-expect '^smemv: server one: connection lost'

require "swapoff brings everything home" swap_off "$disk"
ok "the disk goes" smemv swap del demo
ok "the module goes" smemv_unload
is "$(memserver_pages one)" 0 "the server holds nothing any more"
ok "the server ends cleanly" memserver_stop one

done_testing
