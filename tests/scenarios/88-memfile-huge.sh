#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 88-memfile-huge: where nothing was written yet a touch gets 2 MiB at once, which processor and KVM map as
# one page. Evictions, holes, locked and pinned pages split it, and no byte of the rest is lost. What is brought home
# to stay comes in 2 MiB again, or page by page when a server fails meanwhile.
#
# timeout: 500

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

readonly mib=$((1 << 20)) spaceioctl=$fakes_dir/spaceioctl.py
memfile_servers 128M
modprobe brd rd_nr=1 rd_size=32768

file_counter() {
	memfile_get demo ".file_counters.$1"
}

# on_pages WHAT FILE [PAGE]:
#   write   one page in each of its 2 MiB
#   check   that all but these are zeros
#   read    all of it, and print how many kB of that were mapped as large pages
#   look    at page PAGE: what it begins with
on_pages() {
	"$scenario_tmp/on_pages" "$@"
}

cat >"$scenario_tmp/on_pages" <<'PYTHON'
#!/usr/bin/python3
import mmap, re, sys

def write(pages):
    for at in range(5 << 12, len(pages), 2 << 20):
        pages[at:at + 4] = b"here"

def check(pages):
    for at in range(0, len(pages), 4096):
        want = b"here" if at % (2 << 20) == 5 << 12 else bytes(4)
        assert pages[at:at + 4096] == want + bytes(4092), hex(at)

def read(pages):
    for at in range(0, len(pages), 4096):
        pages[at]
    with open("/proc/self/smaps") as maps:
        print(sum(int(kb) for kb in re.findall(r"^FilePmdMapped: *([0-9]+)", maps.read(), re.M)))

def look(pages):
    print(chr(pages[int(sys.argv[3]) * 4096]))

with open(sys.argv[2], "r+b", buffering=0) as file, mmap.mmap(file.fileno(), 0) as pages:
    {"write": write, "check": check, "read": read, "look": look}[sys.argv[1]](pages)
PYTHON
chmod +x "$scenario_tmp/on_pages"

file=$(smemv vm create demo size 32M) || bail "no file was made"
filecheck_start holder --hold "$file"
require "the file is written" wait_until 120 filecheck_holds holder
is "$(file_counter zero_faults)" 16 "one fault brings 2 MiB"
is "$(file_counter huge_faults)" 16 "each of them"
# Where two of its threads meet in one, the second may have brought a page table.
compare "$(huge_mapped_kb "${filecheck_pids[holder]}")" -ge $((14 * 2048)) "which are mapped as one page each"
is "$(memfile_get demo .resident_bytes)" $((32 * mib)) "and counted in full"
ok "some is evicted" smemv vm evict demo 20M
compare "$(memfile_get demo .resident_bytes)" -le $((12 * mib)) "it is not here any more"
compare "$(file_counter huge_splits)" -ge 10 "large pages were split for it"
ok "it is brought home" smemv vm populate demo
filecheck_go_on holder
ok "every byte is right" filecheck_verdict holder 120
leave_no_file demo

# All of it may stay.
file=$(smemv vm create demo size 16M deadline 3000) || bail "no file was made"
filecheck_start home --hold --seed 6 "$file"
require "a file is written" wait_until 120 filecheck_holds home
ok "all of it is evicted" smemv vm evict demo 16M
is "$(memfile_get demo .resident_bytes)" 0 "nothing is here"
ok "and brought home" smemv vm populate demo
is "$(memfile_get demo .resident_bytes)" $((16 * mib)) "all of it is here"
is "$(file_counter huge_loads)" 8 "2 MiB at a time"
compare "$(on_pages read "$file")" -ge $((6 * 2048)) "which are mapped as one page each"
stored=$(memfile_get demo .counters.store_pages)
ok "it is evicted again" smemv vm evict demo 16M
is "$(memfile_get demo .counters.store_pages)" "$stored" "without being sent once more"

# A server stands still while it is brought home.
memserver_pause two
fails "not all can be brought" 'could not be brought' smemv vm populate demo
compare "$(file_counter huge_loads)" -gt 8 "large pages were begun"
memserver_resume two
ok "the server goes on" wait_until 60 memfile_server_is two up
filecheck_go_on home
ok "every byte is right, page by page" filecheck_verdict home 120
ok "the rest is brought home" smemv vm populate demo
is "$(memfile_get demo .resident_bytes)" $((16 * mib)) "all of it is here again"
ok "and right" "$filecheck" --verify --seed 6 "$file"
leave_no_file demo

# 2 MiB that are at two servers, one of which stands still: by policy its pages wait for it, but those alone.
file=$(smemv vm create demo size 2M policy suspend deadline 2000) || bail "no file was made"
is "$("$spaceioctl" errors "$file" 0)" OK=512 "a file is at server one"
is "$("$spaceioctl" errors "$file" 1 256)" OK=256 "and half of it at server two"
memserver_pause two
smemv vm populate demo >"$scenario_tmp/populate" 2>&1 &
populate=$!
ok "they are begun as one" wait_until 20 memfile_passes demo .file_counters.huge_loads 0
is "$(timeout 30 "$scenario_tmp/on_pages" look "$file" 300)" x "a page of server one comes nevertheless"
timeout 60 "$scenario_tmp/on_pages" look "$file" 5 >"$scenario_tmp/looked" &
look=$!
sleep 3
ok "one of server two waits" kill -0 "$look"
memserver_resume two
ok "for the server" wait "$look"
is "$(<"$scenario_tmp/looked")" x "and is right"
wait "$populate" || true
ok "the rest is brought home" smemv vm populate demo
is "$(memfile_get demo .resident_bytes)" $((2 * mib)) "all of it is here"
leave_no_file demo

# shrink_through FILE PINNED: to a half of its first 2 MiB, one page of which somebody uses meanwhile, then to a quarter.
shrink_through() {
	timeout 60 python3 - "$@" <<-'PYTHON'
		import ctypes, errno, mmap, os, sys
		LARGE, SHARED_FIXED = 2 << 20, mmap.MAP_SHARED | 0x10
		libc = ctypes.CDLL(None, use_errno=True)
		libc.mmap.restype = ctypes.c_void_p
		libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]

		class Vec(ctypes.Structure):
		    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]

		fd = os.open(sys.argv[1], os.O_RDWR)
		size = os.fstat(fd).st_size
		space = mmap.mmap(-1, size + LARGE)
		at = (ctypes.addressof(ctypes.c_char.from_buffer(space)) + LARGE - 1) & -LARGE
		assert libc.mmap(at, size, mmap.PROT_READ | mmap.PROT_WRITE, SHARED_FIXED, fd, 0) == at
		for page in range(size // 4096):
		    ctypes.memset(at + page * 4096, page % 255 + 1, 4096)
		reader, writer = os.pipe()
		vec = Vec(at + int(sys.argv[2]) * 4096, 4096)
		assert libc.vmsplice(writer, ctypes.byref(vec), ctypes.c_ulong(1), 0) == 4096
		try:
		    os.ftruncate(fd, LARGE // 2)
		    print("taken")
		except OSError as error:
		    print(errno.errorcode[error.errno])
		print(os.fstat(fd).st_size)
		assert os.read(reader, 4096) == bytes([int(sys.argv[2]) % 255 + 1]) * 4096
		os.ftruncate(fd, LARGE // 4)
		os.ftruncate(fd, size)
		for page in range(size // 4096):
		    want = page % 255 + 1 if page < LARGE // 16384 else 0
		    if ctypes.string_at(at + page * 4096, 4096) != bytes([want]) * 4096:
		        sys.exit(f"page {page} is wrong")
		print("right")
	PYTHON
}

# A page that must not go keeps the 2 MiB whole of which a part would have to.
file=$(smemv vm create demo size 4M) || bail "no file was made"
is "$(shrink_through "$file" 5 2>&1 | paste -sd ' ')" "EBUSY 4194304 right" "a large page that is in use is not cut"
compare "$(file_counter huge_faults)" -ge 2 "it was one"
ok "what is left is evicted" smemv vm evict demo 4M
is "$(memfile_get demo .pages)" 128 "that is the first quarter of it"
leave_no_file demo

# Devices write to a file with dma: none of what they read first is dropped as if it were zeros still.
file=$(smemv vm create demo size 8M dma) || bail "no file was made"
is "$("$scenario_tmp/on_pages" look "$file" 300 | tr -d '\0')" "" "a file for devices is read first"
is "$(file_counter huge_faults)" 1 "which brings 2 MiB"
ok "all of it is written" "$filecheck" --hold --seed 7 "$file" </dev/null
ok "and evicted" smemv vm evict demo 8M
is "$(memfile_get demo .resident_bytes)" 0 "nothing is here"
ok "every byte is right" "$filecheck" --verify --seed 7 "$file"
leave_no_file demo

# What a guest never wrote to is not known to a server because its neighbour is.
file=$(smemv vm create demo size 32M) || bail "no file was made"
ok "a page in each 2 MiB is written" on_pages write "$file"
is "$(file_counter huge_faults)" 16 "which brings 2 MiB each"
ok "nearly all is evicted" smemv vm evict demo 31M
compare "$(memfile_get demo .resident_bytes)" -le $((2 * mib)) "little is left"
compare "$(memfile_get demo .pages)" -le 16 "only what was written is at the servers"
ok "the rest is zeros" on_pages check "$file"
leave_no_file demo

file=$(smemv vm create demo size 32M budget 12M) || bail "no file was made"
ok "direct I/O and holes" "$filecheck" --passes 1 --direct /dev/ram0 --punch 5 --seed 2 "$file"
compare "$(file_counter huge_faults)" -gt 0 "with large pages among them"
ok "a part of a large page that is locked stays" "$filecheck" --passes 1 --mlock 100 --punch 2 --seed 3 "$file"
compare "$(memfile_get demo .peak_bytes)" -le $((12 * mib)) "the budget was kept"
is "$(file_counter fault_errors)" 0 "no fault failed"
diag "$(memfile_get demo .file_counters | tr -d '\n')"
leave_no_file demo

# uses_a_little_of_much FILE ROUNDS: writes 12 times 2 MiB, and 20 MiB of single pages behind them. Then it lowers the budget, and uses a page of
# each 2 MiB all the time, and all the single ones, in another order each round. When a round brings nothing from a server any more, it verifies
# all; else it says how many pages the last one brought.
uses_a_little_of_much() {
	python3 - "$1" "$2" <<'PYTHON'
import mmap, os, random, resource, subprocess, sys
fd = os.open(sys.argv[1], os.O_RDWR)
always = [run * 512 + 5 for run in range(12)]
single = list(range(12 * 512, 22 * 512))
def content(page, size=4096):
    return page.to_bytes(8, "little") * (size // 8)
def verify(page, size=4096):
    assert pages[page << 12:(page << 12) + size] == content(page, size), hex(page)
def major_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt
with mmap.mmap(fd, os.fstat(fd).st_size) as pages:
    pages.madvise(mmap.MADV_NOHUGEPAGE, 24 << 20, 20 << 20)
    for page in range(22 * 512):
        pages[page << 12:(page + 1) << 12] = content(page)
    lowering = subprocess.Popen(["smemv", "vm", "set", "demo", "budget", "36M"])
    for _ in range(int(sys.argv[2])):
        random.shuffle(single)
        lowered = lowering.poll() is not None
        before = major_faults()
        for page in single:
            verify(page)
            for other in always:
                verify(other, 8)
        fetched = major_faults() - before
        if lowered and not fetched:
            break
    for page in range(22 * 512):
        verify(page)
    sys.exit(f"{fetched} pages were fetched" if fetched else 0)
PYTHON
}

# All that is used would fit, but for what is in the same 2 MiB.
file=$(smemv vm create demo size 64M) || bail "no file was made"
ok "2 MiB of which little is used make room for what is used" uses_a_little_of_much "$file" 40
is "$(file_counter huge_faults)" 12 "they had come as one page each"
compare "$(memfile_get demo .counters.load_pages)" -gt 0 "pages were fetched before"
leave_no_file demo

# All fits: large pages are split by holes alone.
file=$(smemv vm create demo size 32M) || bail "no file was made"
ok "holes in large pages, and pinned ones" "$filecheck" --passes 1 --direct /dev/ram0 --punch 1 --threads 4 --seed 4 "$file"
compare "$(file_counter huge_splits)" -gt 0 "split them"
compare "$(file_counter out_stored)" -le 64 "without evicting more than a request's worth"
leave_no_file demo

huge_pages_of_kvm() {
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
	cat /sys/kernel/debug/kvm/pages_2m
}

file=$(smemv vm create demo size 128M) || bail "no file was made"
guest_takes_orders web1
guest_on_file web1 "$file" 128M --size 40M --passes 1000000 --progress 2 -- "${guest_control[@]}"
require "a guest fills its memory" guest_fills web1 200
huge_of_kvm=$(huge_pages_of_kvm)
diag "2 MiB pages: $(file_counter huge_faults) faults, KVM has $huge_of_kvm, QEMU $(huge_mapped_kb "$(guest_pid web1)") kB"
compare "$huge_of_kvm" -ge 16 "KVM maps 2 MiB at a time"
ok "its memory is split under it" smemv vm set demo budget 100M
guest_end web1
ok "every byte is right" guest_wait web1 300
compare "$(file_counter huge_splits)" -gt 0 "some had been split"
leave_no_file demo
leave_no_module

done_testing
