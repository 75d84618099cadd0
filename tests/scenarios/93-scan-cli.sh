#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 93-scan-cli: what goes wrong with a scan is told clearly, and a machine that ends, is killed, or
# whose module is unloaded meanwhile leaves nothing behind.
#
# check-kernels: 6.1 7.2  (about the command; what it starts runs on 6.12 in others)

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/scan.sh"

memfile_servers 64M
file=$(smemv vm create demo size 8M budget 8M) || bail "no file was made"

scan_passes() {
	(($(scan_get "$1") > $2))
}


fails "a process that is none" 'there is no process 999999' smemv scan start pid 999999
fails "a process without a machine" 'has no virtual machine of KVM' smemv scan start pid $$
fails "a process that is not scanned" 'is not scanned' smemv scan show $$
fails "nor can that be stopped" 'is not scanned' smemv scan stop pid $$

# KVM is loaded after the module: it does not need it.
kvm_start
machine_start --file "$file" --size $((8 << 20))
fails "an interval that is too long" 'out of range.*interval|interval.*out of range' smemv scan start pid "$machine_pid" interval 700000
fails "who may not look into the process" 'needs root|CAP_SYS' \
	setpriv --reuid 65534 --regid 65534 --clear-groups smemv scan start pid "$machine_pid"
ok "a machine is scanned" smemv scan start pid "$machine_pid" interval 100
fails "not twice" 'scanned already' smemv scan start pid "$machine_pid"
fails "nor by a second main host" 'scanned from another network namespace' \
	ip netns exec one smemv scan start pid "$machine_pid"
is "$(ip netns exec one smemv scan show --json)" '[]' "which does not see the first one's scan"
ok "it touches its memory" machine_tell touch 0 2048
ok "that is seen" wait_until 30 scan_passes .mapped_bytes $(((8 << 20) - 1))
is "$(scan_get .method)" tdp-walk "by the walk"
# The program and its two page tables are memory of the guest, too.
is "$(scan_get '.pages_by_age | add')" $((2048 + 3)) "each page has an age"
ok "which grows" wait_until 30 scan_passes .idle_bytes $(((8 << 20) - 1))
compare "$(scan_get .memory_bytes)" -le $((4 * 512 * 2)) "a page needs a byte"

fails "a file of another machine is not attached" "memory is not this file" sh -c "
	smemv vm create other size 1M >/dev/null && smemv vm attach other pid $machine_pid"
ok "that file goes" smemv vm del other
fails "of a file that is not attached there is no heat" 'attach it first: smemv vm attach demo pid PID' smemv vm heat demo
for what in null machine; do
	like "$(python3 "$LAB_TREE/tests/fakes/attachfd.py" demo "$machine_pid" $what)" 'not the virtual machine of this process' \
		"nor to a scan whose machine the descriptor is not of: $what"
done
ok "the file is attached" smemv vm attach demo pid "$machine_pid"
is "$(memfile_get demo .scanned_pid)" "$machine_pid" "and says to whom"
is "$(scan_get .files)" 1 "and so does the scan"
fails "a scan that a file needs is not stopped" 'memory file is attached' smemv scan stop pid "$machine_pid"

# heat_pages FIRST-AGE LAST-AGE: pages of these ages, 0: accessed in the newest interval.
heat_pages() {
	smemv --json vm heat demo | jq "[.[$1:$(($2 + 1))][].pages] | add"
}
# What is touched is hot, in whole large pages, and nothing else. Eight intervals later it is cold again.
heat_shows_touches() {
	local hot
	machine_tell touch 100 300 || return
	hot=$(heat_pages 0 7)
	((hot >= 300 && hot <= 512))
}
is "$(heat_pages 0 8)" 2048 "the heat tells of each page"
ok "what is touched is hot, and others are not" wait_until 60 heat_shows_touches
like "$(smemv vm heat demo)" 'longer +[0-9]' "it is shown as a table and a picture"
ok "and drawn as a PNG" smemv vm heat demo --png "$scenario_out/heat.png"
is "$(head -c 4 "$scenario_out/heat.png" | tail -c 3)" PNG "which it is"
fails "not where that cannot be written" 'No such file' smemv vm heat demo --png /nowhere/heat.png

ok "the machine attaches itself" machine_tell attach
is "$(scan_get .files)" 1 "in place of that"
end_process "$machine_pid" KILL
ok "a killed machine's scan ends" wait_until 20 no_scan_is_left
is "$(memfile_get demo .scanned_pid)" null "and no process is named any more"

machine_start --file "$file" --size $((8 << 20))
ok "another attaches itself before it is scanned" machine_tell attach
ok "so it is" wait_until 30 scan_passes .scans 2
is "$(scan_get .interval_asked_ms)" 100 "in the interval that it wants"
ok "it is asked for as well" smemv scan start pid "$machine_pid" interval 150
is "$(scan_get .interval_asked_ms)" 150 "in an interval that counts from then on"
fails "but not twice" 'scanned already' smemv scan start pid "$machine_pid"
end_process "$machine_pid" KILL
ok "its file can go" smemv vm del demo
ok "and so does the scan" wait_until 20 no_scan_is_left

# As where a VMM has its memory in two parts, below and above its devices: here the upper half comes first.
file=$(smemv vm create halves size 8M budget 8M) || bail "no file was made"
machine_start --file "$file" --size $((8 << 20)) --swapped
ok "a machine with its file in two pieces is scanned" smemv scan start pid "$machine_pid" interval 1000
ok "and attached" smemv vm attach halves pid "$machine_pid"
# Of the guest's four 2 MiB the second and the third, which are the file's fourth and first.
hot_parts() {
	hot=none
	machine_tell touch 600 50 && machine_tell touch 1100 50 || return
	hot=$(python3 "$LAB_TREE/tests/fakes/spaceioctl.py" heat "$file")
	[[ $hot == "$1" ]]
}
ok "what it touches is hot where it is in the file" wait_until 30 hot_parts "0 3"
diag "hot: $hot"
end_process "$machine_pid" KILL
ok "that file goes, too" smemv vm del halves

# As often as is asked it would take more of a processor than the hundredth that a scan may have.
machine_start --size $((32 << 20))
for part in 0 2048 4096 6144; do
	machine_tell touch "$part" 2048
done
ok "a larger machine is to be scanned all the time" smemv scan start pid "$machine_pid" interval 10
ok "it is" wait_until 60 scans_are 8
compare "$(scan_get .interval_ms)" -gt 10 "as often as a hundredth of a processor allows"
is_within_budget() {
	(($(scan_get .cpu_share_ppm) <= 15000))
}
ok "and takes no more" wait_until 60 is_within_budget
end_process "$machine_pid" KILL

machine_start --size $((8 << 20))
ok "another machine is scanned" smemv scan start pid "$machine_pid" interval 50
ok "and stopped" smemv scan stop pid "$machine_pid"
ok "and scanned again" smemv scan start pid "$machine_pid" interval 50
machine_tell touch 0 2048
ok "and seen" wait_until 30 scan_passes .scans 2
umount /dev/smemv
for name in one two; do
	ok "server $name is not needed any more" smemv server del "$name"
done
ok "the module goes while it scans" smemv_unload
ok "the machine does not mind" machine_tell touch 0 2048

done_testing
