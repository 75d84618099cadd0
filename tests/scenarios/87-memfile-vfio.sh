#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 87-memfile-vfio: a guest that has a disk of the main host's by VFIO, for which all its memory is pinned: it needs a
# file with dma whose budget is all of it, else QEMU is refused and nothing is harmed. Pinned pages stay here, whatever
# is asked for or the budget becomes; what the disk wrote to them leaves and comes back as the rest when the guest ended.
#
# spare-device: yes
# check-kernels: 6.12
# kernels: 6.12 7.2  (before 6.5 the kernel pins pages of any file)

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

readonly mib=$((1 << 20)) device=/sys/bus/pci/devices/$LAB_SPARE

give_device_to_vfio() {
	# This machine's IOMMU does not remap interrupts.
	modprobe vfio_iommu_type1 allow_unsafe_interrupts=1
	modprobe vfio-pci
	echo vfio-pci >"$device/driver_override"
	if [[ -e $device/driver ]]; then
		echo "$LAB_SPARE" >"$device/driver/unbind"
	fi
	echo "$LAB_SPARE" >/sys/bus/pci/drivers_probe
}

# start NAME FILE: a guest with that disk.
start() {
	local guest_append guest_control
	guest_takes_orders "$1"
	guest_append+=' devices'
	guest_on_file "$1" "$2" 112M --passes 1000000 --progress 2 --size 12M -- "${guest_control[@]}" \
		-device "vfio-pci,host=$LAB_SPARE,rombar=0"
}

# is_refused NAME: QEMU, for its memory cannot be pinned.
is_refused() {
	ok "$1: QEMU does not start" wait_until 60 is_gone "$(guest_pid "$1")"
	like "$(<"$scenario_out/guest-$1.qemu")" 'VFIO_MAP_DMA failed: Bad address' "$1: as its memory cannot be pinned"
	leave_no_file "$1"
}

# Of copies: OpenSSL reads beyond the last byte in the lab's emulation.
content_of() {
	python3 -c 'import hashlib, mmap, sys
content = hashlib.sha256()
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
    for at in range(0, len(memory), 1 << 20):
        content.update(memory[at:at + (1 << 20)])
print(content.hexdigest())' "$1"
}

give_device_to_vfio || bail "the spare device cannot be had by VFIO"
memfile_servers 256M

file=$(smemv vm create tracked size 112M) || bail "no file was made"
start tracked "$file"
is_refused tracked
file=$(smemv vm create tight size 112M budget 80M dma deadline 5000) || bail "no file was made"
dmesg_mark
start tight "$file"
is_refused tight
like "$(dmesg_since)" 'tight: no page could be evicted within 5000 ms, and the budget is used up' "tight: the kernel's log says why"

file=$(smemv vm create whole size 112M dma) || bail "no file was made"
start whole "$file"
require "with dma, and all of it here, it runs" guest_fills whole 200
ok "it uses the disk" wait_until 60 guest_devices_pass whole rounds 3
is "$(memfile_get whole .resident_bytes)" $((112 * mib)) "all its memory is here"
fails "none of it is evicted" 'only 0 of 112M could be evicted: the rest is locked or pinned' smemv vm evict whole 112M
ok "its budget is lowered" smemv vm set whole budget 80M
rounds=$(guest_devices whole rounds)
ok "the disk goes on" wait_until 60 guest_devices_pass whole rounds $((rounds + 3))
is "$(memfile_get whole .resident_bytes)" $((112 * mib)) "and all is here still"
is "$(guest_devices whole wrong)" 0 "what was read from the disk is what was written to it"
guest_end whole
ok "every byte is right" guest_wait whole 120
budget_is_kept() {
	(($(memfile_get whole .resident_bytes) <= 80 * mib))
}
ok "then the budget is kept" wait_until 60 budget_is_kept
before=$(content_of "$file")
ok "all is evicted" smemv vm evict whole 112M
compare "$(memfile_get whole .pages)" -gt 4096 "to the servers"
is "$(content_of "$file")" "$before" "and comes back as it was"
is "$(memfile_get whole .lost_pages)" 0 "no page is lost"
leave_no_file whole
leave_no_module

done_testing
