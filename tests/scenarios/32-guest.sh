#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 32-guest: a KVM guest with stock QEMU and Debian's kernel, whose memory is swapped to two memory servers
# behind shaped links, is told nothing of it and finds every byte of its memory right.
#
# timeout: 600

. "$(dirname "$0")/../lib/scenario.sh"

readonly kept_mib=56 workload_mib=48

two_servers 192M
net_shape one,two rate 400mbit delay 200us
make_disk 320M policy error
swap_on "$disk"
cgroup_make guest memory.max=${kept_mib}M memory.swap.max=max
dmesg_mark
guest_start guest guest 128M --size ${workload_mib}M --duration 5 --progress 2
require "the guest boots and fills its memory" guest_fills guest 240
compare "$(swap_pages)" -gt $((workload_mib * 256 / 4)) "much of it is on the servers"
diag "one: $(swap_pages one) pages, two: $(swap_pages two) pages, here: $(cgroup_get guest memory.current) bytes"
compare "$(cgroup_get guest memory.current)" -le $((kept_mib << 20)) "no more than allowed is here"
in=$(counter_of /proc/vmstat pswpin)
ok "the guest found every byte right" guest_wait guest 300
diag "$caught_output"
compare $(($(counter_of /proc/vmstat pswpin) - in)) -gt $((workload_mib * 256 / 4)) "its pages came back"
for counter in store_errors load_errors lost_reads deadlines no_space; do
	is "$(swap_counter $counter)" 0 "the disk counted no $counter"
done
for server in one two; do
	is "$(server_counter "$server" disconnects)" 0 "the connection to $server held"
done
unlike "$(dmesg_since)" "smemv: $in_line(ended|lost|failed)" "the kernel's log tells of no trouble"
require "swapoff works" swap_off "$disk"
ok "the disk goes" smemv swap del demo
ok "nothing stays behind" wait_until 30 servers_are_empty one two
ok "the module goes" smemv_unload

done_testing
