#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The ioctls of a memory file as a migration, a careless program or a hostile one uses them.

usage: spaceioctl.py bad FILE                  everything that must be refused; TAP-less, exit 1 when not
       spaceioctl.py adopt FILE                bad maps for a fresh file, with the space of FILE
       spaceioctl.py large FILE SEED <>OLD     FILE has large pages when it adopts OLD, which places parts of one elsewhere
       spaceioctl.py adopted FILE SEED         reads what that left
       spaceioctl.py over FILE <>OLD           FILE, which has a space of its own already, adopts OLD
       spaceioctl.py store FILE SEED [SERVER]  stores pages from four threads, some while they change
       spaceioctl.py mixed FILE SEED           stores even pages to the first server, odd ones to the second
       spaceioctl.py verify FILE SEED          reads what "store" with this seed left
       spaceioctl.py touch FILE SEED           stores pages while they are touched; what was refused is not seen later
       spaceioctl.py killed FILE SEED          the same by a process that is killed; what was seen meanwhile stays
       spaceioctl.py given FILE SEED           gives pages up while stores of them wait for others; zeros is what they are then
       spaceioctl.py heat FILE                 prints which 2 MiB have a page that was accessed in an interval remembered
       spaceioctl.py errors FILE SERVER [COUNT [STEP]]  stores each page, or each STEPth, to one server; prints each
                                               errno and how often
"""
import errno
import fcntl
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
import ctypes

PAGE = 4096
ANY = 0xffffffff


def ioc(direction, nr, size):
    return direction << 30 | size << 16 | 0xB6 << 8 | nr


SPACE, MAP = ioc(3, 0, 56), ioc(3, 1, 24)
STORE, ADOPT = ioc(3, 2, 16), ioc(3, 3, 64)
ACTIVATE, TAKE_BACK = ioc(0, 4, 0), ioc(0, 5, 0)
LEAVE = ioc(1, 9, 4)
HEAT = ioc(3, 7, 24)
SYSCALL_IOCTL = 16
HAND_OVER = 2

SPACE_FORM, MAP_FORM, STORE_FORM = "=16sQQQIIII", "=QQII", "=QII"
PAGE_FORM, RUN_FORM, ADOPT_FORM = "=QQIi", "=QIHH", "=16sQQQQQII"


class File:
    """An open memory file; each call returns 0 or an errno."""

    def __init__(self, path, flags=os.O_RDWR):
        self.fd = os.open(path, flags)
        self.path = path

    def call(self, request, data=b""):
        """(errno or 0, the structure afterwards)"""
        buffer = bytearray(data)
        try:
            fcntl.ioctl(self.fd, request, buffer if data else 0)
            return 0, bytes(buffer)
        except OSError as error:
            return error.errno, bytes(buffer)

    def space(self, room=64):
        servers = ctypes.create_string_buffer(80 * 64)
        err, out = self.call(SPACE, struct.pack(SPACE_FORM, b"", 0, 0, ctypes.addressof(servers), room, 0, 0, HAND_OVER))
        assert not err, os.strerror(err)
        return struct.unpack(SPACE_FORM, out), servers

    def store(self, pages, server=ANY):
        """pages: (index, address). (errno, [(flags, errno) of each])"""
        array = ctypes.create_string_buffer(
            b"".join(struct.pack(PAGE_FORM, index, address, 0, 0) for index, address in pages))
        err, _ = self.call(STORE, struct.pack(STORE_FORM, ctypes.addressof(array), len(pages), server))
        out = [struct.unpack_from(PAGE_FORM, array, 24 * i) for i in range(len(pages))]
        return err, [(page[2], -page[3]) for page in out]

    def map(self, first=0, room=4096):
        runs = ctypes.create_string_buffer(16 * room)
        err, out = self.call(MAP, struct.pack(MAP_FORM, first, ctypes.addressof(runs), room, 0))
        assert not err, os.strerror(err)
        following, _, count, _ = struct.unpack(MAP_FORM, out)
        return following, [struct.unpack_from(RUN_FORM, runs, 16 * i) for i in range(count)]

    def adopt(self, space, table, told, **changes):
        uuid, epoch, size = space[:3]
        array = ctypes.create_string_buffer(b"".join(struct.pack(RUN_FORM, *run) for run in told) + b"\0")
        values = {"epoch": epoch, "size": size, "servers": ctypes.addressof(table),
                  "runs": ctypes.addressof(array), "nr_runs": len(told),
                  "nr_servers": space[4], "arbiter": space[5]}
        values.update(changes)
        return self.call(ADOPT, struct.pack(ADOPT_FORM, uuid, *values.values()))[0]


failures = 0


def expect(what, got, want):
    global failures  # pylint: disable=global-statement
    if got != want:
        failures += 1
        print(f"{what}: {errno.errorcode.get(got, got)}, expected {errno.errorcode.get(want, want)}")


def bad(path):
    file, reader = File(path), File(path, os.O_RDONLY)
    good = struct.pack(SPACE_FORM, b"", 0, 0, 0, 0, 0, 0, 0)
    expect("read-only", reader.call(SPACE, good)[0], errno.EBADF)
    for number in (0, 3, 8, 200):
        expect(f"unknown {number}", file.call(ioc(3, number, 40), bytes(40))[0], errno.ENOTTY)
    expect("another type", file.call(0x5401)[0], errno.ENOTTY)
    for request in (SPACE, MAP, STORE, ADOPT, LEAVE):
        try:
            fcntl.ioctl(file.fd, request, 1)
            expect("a bad address", 0, errno.EFAULT)
        except OSError as error:
            expect("a bad address", error.errno, errno.EFAULT)
    expect("reserved of SPACE", file.call(SPACE, good[:-4] + b"\1\0\0\0")[0], errno.EINVAL)
    expect("servers of SPACE nowhere", file.call(SPACE, struct.pack(SPACE_FORM, b"", 0, 0, 4096, 64, 0, 0, 0))[0],
           errno.EFAULT)
    size = file.space()[0][2] // PAGE
    expect("no room for runs", file.call(MAP, struct.pack(MAP_FORM, 0, 0, 0, 0))[0], errno.EINVAL)
    expect("reserved of MAP", file.call(MAP, struct.pack(MAP_FORM, 0, 0, 1, 1))[0], errno.EINVAL)
    expect("a map beyond the end", file.call(MAP, struct.pack(MAP_FORM, size + 1, 0, 1, 0))[0], errno.EINVAL)
    expect("a map of nothing", file.map(size)[0], size)
    expect("runs nowhere", file.call(MAP, struct.pack(MAP_FORM, 0, 4096, 0xffffffff, 0))[0], errno.EFAULT)
    for count in (0, 513, 0xffffffff):
        expect(f"{count} pages", file.call(STORE, struct.pack(STORE_FORM, 4096, count, ANY))[0], errno.EINVAL)
    expect("pages nowhere", file.call(STORE, struct.pack(STORE_FORM, 4096, 1, ANY))[0], errno.EFAULT)
    expect("no such server", file.store([(0, 0)], 17)[0], errno.EINVAL)
    for index in (size, 1 << 52, (1 << 64) - 1):
        expect(f"page {index}", file.store([(index, 0)])[0], errno.EINVAL)
    arbiter = file.space()[0][5]
    for server, want in ((arbiter, errno.EINVAL), (1 - arbiter, errno.EBUSY), (2, errno.EINVAL), (ANY, errno.EINVAL)):
        for _ in range(20):     # the log is not to be flooded by that
            expect(f"leave {server}", file.call(LEAVE, struct.pack("=I", server))[0], want)
    adopt = (b"", 1, size * PAGE, 0, 2, 0)
    for change in ({"nr_servers": 0}, {"nr_servers": 65}, {"nr_servers": 0xffffffff}, {"arbiter": 2},
                   {"size": size * PAGE + PAGE}, {"size": 0}, {"epoch": 0}, {"epoch": (1 << 64) - 1}):
        expect(f"adopt {change}", file.adopt(adopt, ctypes.create_string_buffer(160), [], **change), errno.EINVAL)
    expect("servers nowhere", file.adopt(adopt, ctypes.create_string_buffer(160), [], servers=4096), errno.EFAULT)
    expect("servers all zero", file.adopt(adopt, ctypes.create_string_buffer(160), []), errno.EINVAL)


def adopt_badly(path):
    """All of these fail before anything is claimed."""
    file = File(path)
    space, servers = file.space()
    size = space[2] // PAGE
    server = 2
    bad_runs = {
        "overlap": [(0, 10, server, 0), (9, 1, server, 0)], "descend": [(10, 1, server, 0), (0, 1, server, 0)],
        "end": [(size - 1, 2, server, 0)], "beyond": [(size, 1, server, 0)], "wrap": [((1 << 64) - 1, 2, server, 0)],
        "empty": [(0, 0, server, 0)], "no server": [(0, 1, server + space[4], 0)], "huge server": [(0, 1, 0xffff, 0)],
        "flags": [(0, 1, server, 4)], "late": [(0, 1, server, 0)] * 2000}
    for name, runs in bad_runs.items():
        expect(f"runs that {name}", file.adopt(space, servers, runs), errno.EINVAL)
    expect("runs nowhere", file.adopt(space, servers, [], runs=4096, nr_runs=5), errno.EFAULT)
    expect("more runs than memory", file.adopt(space, servers, [(0, 1, server, 0)], nr_runs=1 << 60), errno.EINVAL)
    twice = ctypes.create_string_buffer(servers.raw[:80] * 2)
    expect("a server twice", file.adopt(space, twice, [], nr_servers=2), errno.EINVAL)


def adopt_over(path):
    old, file = File("/dev/stdin"), File(path)
    space, servers = old.space()
    expect("adopt", file.adopt(space, servers, [run for run in old.map()[1] if run[2] >= 2]), 0)


LARGE = 512     # pages
ELSEWHERE = range(100, 300)


def adopted_page(seed, index, large):
    """What was stored is not what is here of the same page."""
    return struct.pack("=QQ", seed << 1 | (index in ELSEWHERE and not large), index) * (PAGE // 16)


def adopted(path, seed):
    file = File(path)
    for index, page in enumerate(all_pages(file, 2 * LARGE)):
        if page != adopted_page(seed, index, False):
            expect(f"page {index}", "wrong", "right")


def large_mapped_kb():
    with open("/proc/self/smaps", encoding="ascii") as maps:
        return sum(int(line.split()[1]) for line in maps if line.startswith("FilePmdMapped:"))


def adopt_over_large(path, seed):
    """Of the first 2 MiB the map places some pages elsewhere, of the second none."""
    old, file = File("/dev/stdin"), File(path)
    memory = mmap.mmap(-1, len(ELSEWHERE) * PAGE)
    for at, index in enumerate(ELSEWHERE):
        memory[at * PAGE:(at + 1) * PAGE] = adopted_page(seed, index, False)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    err, told = old.store([(index, address + at * PAGE) for at, index in enumerate(ELSEWHERE)])
    expect("store", err or max(page[1] for page in told), 0)
    mine = mmap.mmap(file.fd, 2 * LARGE * PAGE)
    for index in range(2 * LARGE):
        mine[index * PAGE:(index + 1) * PAGE] = adopted_page(seed, index, True)
    expect("kB mapped in large pages", large_mapped_kb(), 2 * LARGE * 4)
    space, servers = old.space()
    expect("adopt", file.adopt(space, servers, [run for run in old.map()[1] if run[2] >= 2]), 0)
    adopted(path, seed)
    for index in range(2 * LARGE):
        if mine[index * PAGE:(index + 1) * PAGE] != adopted_page(seed, index, False):
            expect(f"page {index} as it was mapped before", "wrong", "right")
    expect("kB mapped in large pages afterwards", large_mapped_kb(), LARGE * 4)


def content(seed, index):
    """Every 16th page is zeros, every 16th is given up."""
    return bytes(PAGE) if index % 16 in (3, 7) else random.Random(seed * 1000003 + index).randbytes(64) * (PAGE // 64)


def store_from(file, memory, indexes, server, wrong):
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for at in range(0, len(indexes), 300):
        part = indexes[at:at + 300]
        err, results = file.store([(i, 0 if i % 16 == 7 else base + i * PAGE) for i in part], server)
        if err or any(error for _, error in results):
            wrong.append((err, [r for r in results if r[1]][:3]))
        for index, (flags, _) in zip(part, results):
            if (index % 16 == 3) != bool(flags & 1):
                wrong.append(("zero flag", index, flags))


def store(path, seed, server):
    """First while the memory changes, then what shall stay."""
    file = File(path)
    count = file.space()[0][2] // PAGE
    memory, wrong = mmap.mmap(-1, count * PAGE), []
    for index in range(count):
        memory[index * PAGE:(index + 1) * PAGE] = content(seed, index)
    stop = threading.Event()

    def scribble():
        while not stop.is_set():
            index = random.randrange(count)
            if index % 16 not in (3, 7):
                memory[index * PAGE:index * PAGE + 8] = random.randbytes(8)

    scribbler = threading.Thread(target=scribble)
    scribbler.start()
    for final in (False, True):
        if final:
            stop.set()
            scribbler.join()
            for index in range(count):
                memory[index * PAGE:(index + 1) * PAGE] = content(seed, index)
        threads = [threading.Thread(target=store_from,
                                    args=(file, memory, list(range(count))[n::4], server, wrong)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for problem in wrong[:5]:
        expect("store", problem, None)


def mixed(path, seed):
    file = File(path)
    count = file.space()[0][2] // PAGE
    memory, base = memory_of(seed, count)
    for at in range(0, count, 512):
        for server in (0, 1):
            pages = [(i, base + i * PAGE) for i in range(at + server, min(at + 512, count), 2)]
            expect("store", file.store(pages, server)[0], 0)
    del memory


def verify(path, seed):
    file = File(path)
    count = file.space()[0][2] // PAGE
    memory = mmap.mmap(file.fd, count * PAGE, mmap.MAP_SHARED, mmap.PROT_READ)
    for index in range(count):
        if memory[index * PAGE:(index + 1) * PAGE] != content(seed, index):
            expect(f"page {index}", "wrong", "right")


def memory_of(seed, count):
    memory = mmap.mmap(-1, count * PAGE)
    for index in range(count):
        memory[index * PAGE:(index + 1) * PAGE] = content(seed, index)
    return memory, ctypes.addressof(ctypes.c_char.from_buffer(memory))


def all_pages(file, count):
    """What each page reads as; this touches it."""
    seen = mmap.mmap(file.fd, count * PAGE)
    return [seen[index * PAGE:(index + 1) * PAGE] for index in range(count)]


def evict(path, count):
    subprocess.run(["smemv", "vm", "evict", os.path.basename(path), str(count * PAGE)], check=True)


def until_it_waits(pid, thread):
    """Until that thread waits in an ioctl."""
    for _ in range(500):
        with open(f"/proc/{pid}/task/{thread}/syscall", encoding="ascii") as call:
            if call.read().split()[0] == str(SYSCALL_IOCTL):
                return
        time.sleep(0.02)
    raise SystemExit("no store is under way")


def touch(path, seed):
    """A page that was touched before is refused, and stays zeros; later touches find what was stored."""
    file = File(path)
    count, results = 256, []
    memory, base = memory_of(seed, count)
    before = mmap.mmap(file.fd, count * PAGE)
    for index in range(0, count, 8):
        before[index * PAGE]  # pylint: disable=pointless-statement
    del before
    storing = threading.Thread(
        target=lambda: results.append(file.store([(index, base + index * PAGE) for index in range(count)])))
    storing.start()
    until_it_waits(os.getpid(), storing.native_id)
    meanwhile = all_pages(file, count)
    storing.join()
    del memory
    (err, pages), = results
    expect("store", err, 0)
    evict(path, count)
    later = all_pages(file, count)
    for index, (_, error) in enumerate(pages):
        expect(f"page {index}", error, 0 if index % 8 else errno.EBUSY)
        for what, seen in (("meanwhile", meanwhile), ("later", later)):
            if seen[index] != (content(seed, index) if index % 8 else bytes(PAGE)):
                expect(f"page {index} {what}", "wrong", "right")


def killed(path, seed):
    """What nobody stored yet when the caller is killed may stay zeros; but what was seen as zeros does."""
    file = File(path)
    count = 256
    memory, base = memory_of(seed, count)
    child = os.fork()
    if not child:
        file.store([(index, base + index * PAGE) for index in range(count)])
        os._exit(0)
    until_it_waits(child, child)
    os.kill(child, signal.SIGKILL)
    expect("it was killed in time", os.WIFSIGNALED(os.waitpid(child, 0)[1]), True)
    del memory
    meanwhile = all_pages(file, count)
    time.sleep(4)   # by then all of it is stored
    evict(path, count)
    for index, (seen, then) in enumerate(zip(all_pages(file, count), meanwhile)):
        if seen != then:
            expect(f"page {index} was {'zeros' if then == bytes(PAGE) else 'something'} and", "changed", "the same")
    print(f"stored={sum(1 for page in meanwhile if page != bytes(PAGE))}")


def given(path, seed):
    """Pages that are given up while a store of them waits, by its other pages, for the one before it."""
    file, count = File(path), 3
    memory, base = memory_of(seed, 4 * count)
    first, then = range(0, 2 * count, 2), range(1, 2 * count, 2)
    other = 2 * count * PAGE   # another content, of the same page of the second half
    waits = [(i, base + other + i * PAGE) for i in range(2 * count)]
    for what, known in (("nowhere", False), ("stored", True)):
        if known:
            expect("store", file.store([(i, base + i * PAGE) for i in then])[0], 0)
        err, results = file.store([(i, base + i * PAGE) for i in first] + waits + [(i, 0) for i in then])
        expect("store", err or max(error for _, error in results), 0)
        time.sleep(1)
        for i, seen in enumerate(all_pages(file, 2 * count)):
            if seen != (bytes(PAGE) if i % 2 else content(seed, 2 * count + i)):
                expect(f"page {i}, {what} before", "wrong", "right")
        evict(path, 2 * count)
    del memory


def heat(path):
    file = File(path)
    count = os.fstat(file.fd).st_size // PAGE
    history = ctypes.create_string_buffer(count)
    err, _ = file.call(HEAT, struct.pack("=QQII", 0, ctypes.addressof(history), count, 0))
    assert not err, os.strerror(err)
    print(*(run for run in range((count + 511) // 512) if any(history.raw[512 * run:min(512 * run + 512, count)])))


def errors(path, server, count=1 << 30, step=1):
    file = File(path)
    memory = mmap.mmap(-1, PAGE)
    memory[:] = b"x" * PAGE
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    counts = {}
    size = min(file.space()[0][2] // PAGE, count)
    for first in range(0, size, 512 * step):
        err, results = file.store([(i, address) for i in range(first, min(first + 512 * step, size), step)], server)
        for error in [err] if err else [result[1] for result in results]:
            counts[error] = counts.get(error, 0) + 1
    print(" ".join(f"{errno.errorcode.get(error, 'OK')}={count}" for error, count in sorted(counts.items())))


def main():
    what, path, *rest = sys.argv[1:]
    numbers = [int(number) for number in rest]
    if what == "bad":
        bad(path)
    elif what == "adopt":
        adopt_badly(path)
    elif what == "large":
        adopt_over_large(path, numbers[0])
    elif what == "over":
        adopt_over(path)
    elif what == "adopted":
        adopted(path, numbers[0])
    elif what == "store":
        store(path, numbers[0], numbers[1] if numbers[1:] else ANY)
    elif what == "mixed":
        mixed(path, numbers[0])
    elif what == "verify":
        verify(path, numbers[0])
    elif what == "touch":
        touch(path, numbers[0])
    elif what == "killed":
        killed(path, numbers[0])
    elif what == "given":
        given(path, numbers[0])
    elif what == "heat":
        heat(path)
    else:
        errors(path, *numbers)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
