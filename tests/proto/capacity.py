#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A full server: exact capacity, no harm to others, nothing lost."""
import os
import resource
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import prototest
from prototest import equal, with_server
from smemvwire import *  # pylint: disable=wildcard-import,unused-wildcard-import

A, B = b"A" * 16, b"B" * 16
CAPACITY = 1024
SMALL = ("4M", 2)


def opened(server, uuid=A, size=1 << 40):
    c = Client(server.address)
    equal(c.open(1, uuid, size).status, ST_OK)
    return c


def fill(c, first=0, pages=CAPACITY):
    for at in range(first, first + pages, 64):
        equal(c.store(1, [(i, content(i)) for i in range(at, at + 64)]).status, ST_OK)


@with_server(*SMALL)
def test_capacity_is_exact(server):
    c = opened(server)
    equal(c.capacity, CAPACITY)
    fill(c)
    figures = c.stat()[1]
    equal((figures["used"], figures["free"]), (CAPACITY, 0))
    equal(c.store(1, [(5000, content(1))]).status, ST_NO_SPACE)
    equal(c.store(1, [(5000, content(1)), (5001, content(1))]).status, ST_NO_SPACE)
    equal(c.load(1, [5000])[1][0].status, ST_MISSING)


@with_server(*SMALL)
def test_capacity_is_exact_over_threads(server):
    clients = [opened(server, bytes([65 + i]) * 16) for i in range(4)]
    for c in clients:
        fill(c, pages=CAPACITY // 4)
    for c in clients:
        equal(c.store(1, [(5000, content(1))]).status, ST_NO_SPACE)
    equal(clients[0].invalidate(1, [(0, 1)]), (ST_OK, 1))
    # the page that one thread freed is found by another
    equal(clients[1].store(1, [(5000, content(1))]).status, ST_OK)
    equal(clients[2].store(1, [(5000, content(1))]).status, ST_NO_SPACE)
    for c in clients:
        equal([p.content for p in c.load(1, range(1, 200))[1]], [content(i) for i in range(1, 200)])


@with_server(*SMALL)
def test_some_pages_of_a_frame_fit(server):
    c = opened(server)
    fill(c, pages=CAPACITY - 64)
    fill(c, CAPACITY - 64, 64)
    c.invalidate(1, [(10, 2)])
    pages = [(i, content(i)) for i in (5000, 20, 5001, 5002, 5003)]
    reply = c.store(1, pages[:1] + [(21, content(21, 9))] + pages[2:])
    equal((reply.status, parse_statuses(reply)),
          (ST_PARTIAL, [(5000, ST_OK), (21, ST_OK), (5001, ST_OK), (5002, ST_NO_SPACE), (5003, ST_NO_SPACE)]))
    equal([p.content for p in c.load(1, [5000, 21, 5001])[1]],
          [content(5000), content(21, 9), content(5001)])


@with_server(*SMALL)
def test_overwriting_never_lacks_room(server):
    c = opened(server)
    fill(c)
    for salt in range(3):
        for at in range(0, CAPACITY, 256):
            equal(c.store(1, [(i, content(i, salt)) for i in range(at, at + 256)]).status, ST_OK)
    equal(c.load(1, [77])[1][0].content, content(77, 2))


@with_server(*SMALL)
def test_zero_pages_need_no_room(server):
    c = opened(server)
    fill(c)
    equal(c.store(1, [(i, ZERO_PAGE) for i in range(CAPACITY, CAPACITY + 256)]).status, ST_OK)
    equal(c.store(1, [(5, ZERO_PAGE)]).status, ST_OK)
    equal(c.stat()[1]["free"], 1)
    equal(c.store(1, [(6, content(6, 1)), (CAPACITY, content(1))]).status, ST_OK)
    # content for a zero page does need room; the zero page stays
    equal(c.store(1, [(CAPACITY + 1, content(1))]).status, ST_NO_SPACE)
    equal(c.load(1, [CAPACITY + 1])[1][0].content, ZERO_PAGE)


@with_server(*SMALL)
def test_damaged_page_of_a_full_server(server):
    c = opened(server)
    fill(c)
    frame = store_frame(1, [(1, content(1, 5)), (9999, content(2))])
    frame.data = b"x" + frame.data[1:PAGE] + b"x" + frame.data[PAGE + 1:]
    reply = c.ask(frame)
    equal((reply.status, [s for _, s in parse_statuses(reply)]), (ST_PARTIAL, [ST_BAD_CRC, ST_BAD_CRC]))
    equal(c.load(1, [1])[1][0].content, content(1))


@with_server(*SMALL)
def test_pages_far_apart_use_up_room_not_memory(server):
    """Each needs a leaf of its own: the server is full earlier, and says so."""
    c = opened(server)
    kept = []
    for i in range(CAPACITY):
        status = c.store(1, [(i << 28, content(i))]).status
        if status == ST_NO_SPACE:
            break
        equal(status, ST_OK)
        kept.append(i)
    assert CAPACITY // 5 < len(kept) < CAPACITY, len(kept)
    equal(c.stat()[1]["free"], 0)
    for i in kept:
        equal(c.load(1, [i << 28])[1][0].content, content(i))
    # all of it comes back, with the nodes of the tree once the space is gone
    equal(c.invalidate(1, [(i << 32, (1 << 32) - 1) for i in range(256)]), (ST_OK, len(kept)))
    equal(c.drop(A, 1), (ST_OK, 0))
    d = opened(server, B)
    fill(d)
    equal(d.stat()[1]["used"], CAPACITY)


@with_server(*SMALL)
def test_metadata_of_dense_pages(server):
    c = opened(server)
    fill(c)
    # one leaf for 512 pages, and the inner nodes above
    equal(c.store(1, [(0, content(0, 1))]).status, ST_OK)
    equal(c.stat()[1]["used"], CAPACITY)


@with_server(*SMALL)
def test_full_for_one_is_no_harm_to_the_other(server):
    c, d = opened(server), opened(server, B)
    equal(d.store(1, [(i, content(i, 7)) for i in range(64)]).status, ST_OK)
    fill(c, pages=CAPACITY - 64)
    for _ in range(50):
        equal(c.store(1, [(9999, content(1))]).status, ST_NO_SPACE)
        equal([p.content for p in d.load(1, range(64))[1]], [content(i, 7) for i in range(64)])
        equal(d.store(1, [(3, content(3, 7))]).status, ST_OK)


@with_server(*SMALL)
def test_filled_and_emptied_again_and_again(server):
    c = opened(server)
    for turn in range(20):
        fill(c, turn * 1000)
        equal(c.store(1, [(1 << 30, content(1))]).status, ST_NO_SPACE)
        equal(c.invalidate(1, [(turn * 1000, CAPACITY)]), (ST_OK, CAPACITY))
    equal(c.stat()[1]["free"], CAPACITY)


def forbid_more_memory(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
        data = next(int(line.split()[1]) << 10 for line in f if line.startswith("VmData:"))
    resource.prlimit(server.process.pid, resource.RLIMIT_DATA, (data, data))


@with_server("4M", 1)
def test_no_memory_for_another_client(server):
    """Who is refused as the server's own memory is short is told so, and so is its log."""
    if "san/" in prototest.PROGRAM:
        raise prototest.Skip("a sanitizer ends the program instead")
    waiting = [Connection(server.address) for _ in range(600)]
    c = opened(server)
    c.store(1, [(1, content(1))])
    forbid_more_memory(server)
    for n in range(1 << 16):
        status = c.open(2, struct.pack("<QQ", n, n)).status
        if status:
            break
    equal(status, ST_NO_SPACE)
    assert server.logged("no memory for another space beside")
    for w in waiting:
        status = w.ask(hello_frame(os.urandom(16), 1, name=b"late")).status
        if status:
            break
    equal(status, ST_NO_SPACE)
    assert server.logged("client late (127.0.0.1:"), server.log
    assert server.logged(" lane 0: no memory for another client; refused"), server.log
    equal(c.load(1, [1])[1][0].content, content(1))


def test_lane_above_the_highest(server):
    c = Client(server.address, lane=64, name=b"many lanes")
    equal(c.hello.status, ST_LIMIT)
    assert server.logged("lane 64 is above the highest, 63; refused")


if __name__ == "__main__":
    prototest.main(sys.modules[__name__])
