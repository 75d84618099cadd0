#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 84-memfile-life: the filesystem of memory files: sizes, names, modes, mount options, files made by
# applications, clear errors; a thousand files made and deleted leave nothing behind.
#
# timeout: 600

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

smemv_load
at_exit memfile_unmount
fails "no file without a server" 'there is no memory server that takes pages; add one first' smemv vm create demo size 16M
ok "which leaves no file" test ! -e /dev/smemv/demo
fails "nor one made by an application" 'truncate' truncate -s 16M /dev/smemv/own
like "$(dmesg)" 'own: the file cannot have a size: there is no memory server' "the kernel's log says why"
rm /dev/smemv/own
smemv_unload_expected() {
	umount /dev/smemv && smemv_unload
}
ok "unmounted, the module goes" smemv_unload_expected
memfile_servers 64M

# The mount's own folder, and memory for devices that write past the processor.
mkdir -p /dev/smemv
ok "the folder is another's" mount -t smemv -o mode=1710,uid=12,gid=34,dma smemv /dev/smemv
is "$(stat -c '%a %u %g' /dev/smemv)" "1710 12 34" "as the options say"
like "$(grep ' /dev/smemv ' /proc/mounts)" 'dma' "dma is told"
truncate -s 1M /dev/smemv/own
is "$(memfile_get own .dirty)" dma "and what a file made there has"
rm /dev/smemv/own
umount /dev/smemv

# Sizes and budgets.
fails "too small" 'the size must be between 1 MiB and 4 PiB' smemv vm create demo size 64K
fails "not a multiple of a page" 'the size must be a multiple of 4096' smemv vm create demo size 1048577
fails "too large" 'the size must be between 1 MiB and 4 PiB' smemv vm create demo size 5000T
fails "a budget that is too small" 'the budget must be between 1 MiB and 4 PiB' smemv vm create demo size 16M budget 64K
fails "an unknown server" 'there is no server of this name' smemv vm create demo size 16M servers three
for verb in map heat activate take-back; do
	fails "vm $verb of no file" "^smemv: vm $verb none: there is no memory file of this name" smemv vm "$verb" none
done
ok "no failure leaves a file" test ! -e /dev/smemv/demo
fails "larger than its servers together, whatever they hold now" 'more than its servers can hold: add servers' \
	smemv vm create demo size 130M budget 1M
fails "nor by an application" 'No space left' sh -c 'mount -o remount,budget=1M /dev/smemv && truncate -s 130M /dev/smemv/own'
rm /dev/smemv/own
like "$(dmesg)" 'own: the file cannot have a size: what is beyond its budget is more than its servers can hold' "the kernel's log says why"
ok "who wants it all the same says so" smemv vm create demo size 130M budget 1M overcommit
ok "it goes" smemv vm del demo
ok "so do applications" sh -c 'mount -o remount,budget=1M,overcommit /dev/smemv && truncate -s 130M /dev/smemv/own'
like "$(grep ' /dev/smemv ' /proc/mounts)" 'budget=1024K,overcommit' "the mount tells"
rm /dev/smemv/own
ok "what just fits is made" smemv vm create demo size 129M budget 1M
ok "and goes" smemv vm del demo
mount -o remount smemv /dev/smemv
ok "as much as one likes to have here is no matter of the servers" smemv vm create demo size 4T budget 4T
is "$(stat -c %s /dev/smemv/demo)" $((4 << 40)) "it is sparse"
fails "a name is used once" 'exists already' smemv vm create demo size 16M
fails "and cannot grow" 'File too large' truncate -s 5T /dev/smemv/demo
ok "but shrink" truncate -s 1T /dev/smemv/demo
fails "to whole pages" 'Invalid argument' truncate -s 1000001 /dev/smemv/demo
is "$(smemv vm create web1 size 16M budget 4M --json | jq -r 'first | .budget_bytes')" $((4 << 20)) "--json tells what was made"
fails "the budget of no file" 'there is no memory file of this name' smemv vm set web2 budget 4M
fails "nothing changes to nothing" 'must be between' smemv vm set web1 budget 0
fails "nor has it no time" 'out of range.*deadline|deadline.*out of range' smemv vm set web1 deadline 1
fails "nor does a file begin with nothing" 'budget' smemv vm create none size 16M budget 0
fails "nor without time" 'out of range.*deadline|deadline.*out of range' smemv vm create none size 16M deadline 0
fails "a server with files stays" 'memory file uses it; drain it first' smemv server del one

# Names, modes, directories, as on any filesystem.
ok "a file is renamed" mv /dev/smemv/web1 /dev/smemv/web9
is "$(memfile_get web9 .name)" web9 "and has its new name"
ok "it has a mode" chmod 640 /dev/smemv/web9
ok "and an owner" chown 1234:5678 /dev/smemv/web9
is "$(stat -c '%a %u %g' /dev/smemv/web9)" "640 1234 5678" "which are kept"
# libvirt calls the memory of all domains alike.
ok "there are directories" mkdir -p /dev/smemv/libvirt/qemu/{1-web1,2-web2}
ok "a file in one, made by an application" truncate -s 8M /dev/smemv/libvirt/qemu/1-web1/pc.ram
ok "another of this name elsewhere" truncate -s 12M /dev/smemv/libvirt/qemu/2-web2/pc.ram
is "$(memfile_get libvirt/qemu/1-web1/pc.ram .size_bytes)" $((8 << 20)) "the one is known by its path"
is "$(memfile_get libvirt/qemu/2-web2/pc.ram .size_bytes)" $((12 << 20)) "and the other"
ok "the other's budget changes" smemv vm set libvirt/qemu/2-web2/pc.ram budget 4M
is "$(smemv_json '[.[] | select(.budget_bytes == 4194304) | .name] | sort | join(" ")' vm show)" "libvirt/qemu/2-web2/pc.ram web9" "and no other one's"
is "$(smemv_json '.size_bytes' vm map libvirt/qemu/2-web2/pc.ram)" $((12 << 20)) "the map is that of the path, too"
fails "the name alone is none" 'there is no memory file of this name' smemv vm set pc.ram budget 4M
fails "nor does one lead out" 'is not a file.s name' smemv vm create ../pc.ram size 8M
ok "a directory is renamed" mv /dev/smemv/libvirt/qemu/1-web1 /dev/smemv/libvirt/qemu/a-domain-with-a-long-name
is "$(memfile_get libvirt/qemu/a-domain-with-a-long-name/pc.ram .size_bytes)" $((8 << 20)) "and so is what is in it"
fails "reads are for mappings" 'Invalid argument' cat /dev/smemv/web9
fails "an unaligned hole" 'Invalid argument' fallocate -p -o 100 -l 4096 /dev/smemv/web9
ok "room can be asked for" fallocate -l 8M /dev/smemv/fresh
is "$(stat -c %s /dev/smemv/fresh) $(memfile_get fresh .resident_bytes)" "$((8 << 20)) 0" "which gives a size, and takes nothing"
ok "once more" fallocate -n -l 64M /dev/smemv/fresh
is "$(stat -c %s /dev/smemv/fresh)" $((8 << 20)) "and within that nothing changes"
fails "it does not grow beyond its space" 'File too large' fallocate -l 64M /dev/smemv/fresh
rm /dev/smemv/fresh
compare "$(stat -f -c %b /dev/smemv)" -ge $((2 * 64 * 256)) "statfs tells what the servers have"
is "$(stat -f -c %S /dev/smemv)" 4096 "in pages"
rm -r /dev/smemv/libvirt

# Mount options are for files that applications make.
ok "a remount sets defaults" mount -o remount,budget=2M,policy=suspend,deadline=5000,servers=two /dev/smemv
like "$(grep ' /dev/smemv ' /proc/mounts)" 'budget=2048K,policy=suspend,deadline=5000,servers=two' "which can be seen"
truncate -s 8M /dev/smemv/own
is "$(memfile_get own '"\(.budget_bytes) \(.policy) \(.deadline_ms) \(.servers[0]) \(.servers|length)"')" \
	"2097152 suspend 5000 two 1" "a file has them"
for bad in budget=many deadline=5 policy=maybe unknown=1; do
	fails "mount option $bad" 'mount' mount -t smemv -o "$bad" smemv /mnt
done
mount -o remount smemv /dev/smemv
rm /dev/smemv/own
ok "deleting" smemv vm del web9
fails "deleting again" 'there is no memory file of this name' smemv vm del web9
ok "and the large one" smemv vm del demo
ok "the servers hold nothing" wait_until 20 servers_hold_nothing

make_and_delete() {
	python3 - "$1" <<'PYTHON'
import mmap, os, sys
for n in range(int(sys.argv[1])):
    path = f"/dev/smemv/file{n}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    os.ftruncate(fd, 1 << 20)
    with mmap.mmap(fd, 1 << 20) as pages:
        pages[0:4096] = b"x" * 4096
    os.close(fd)
    os.unlink(path)
PYTHON
}

unreclaimable() {
	awk '/^(SUnreclaim|Percpu|Shmem):/ { sum += $2 } END { print sum }' /proc/meminfo
}

# Objects in the module's caches, but for those that processors keep for the next one who wants some.
module_objects() {
	local cache
	for cache in /sys/kernel/slab/smemv*; do
		echo 1 >"$cache/shrink"
	done
	awk '/^smemv/ { sum += $2 } END { print sum + 0 }' /proc/slabinfo
}

ok "files are made and deleted" make_and_delete 50
ok "nothing of them is left" wait_until 30 servers_hold_nothing
before=$(unreclaimable) objects=$(module_objects)
threads=$(smemv_threads)
compare "$threads" -gt 0 "the module has threads"
ok "a thousand files" make_and_delete 1000
ok "none is left" wait_until 60 servers_hold_nothing
is "$(smemv vm show --json)" "[]" "nor known"
is "$(smemv_threads)" "$threads" "the module has no more threads than before"
echo 3 >/proc/sys/vm/drop_caches
diag "kB that cannot be reclaimed: $before, then $(unreclaimable); objects: $objects, then $(module_objects)"
compare $(($(module_objects) - objects)) -le 100 "no object of the module's is left with them"
compare $(($(unreclaimable) - before)) -le 1024 "no memory is left with them"

ok "a server is drained" smemv server drain one
truncate -s 8M /dev/smemv/own
is "$(memfile_get own '.servers | join(" ")')" two "no new file uses it"
rm /dev/smemv/own

leave_no_module
done_testing
