#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Each operation of the protocol as a well-behaved client uses it."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import prototest
from prototest import equal, with_server
from smemvwire import *  # pylint: disable=wildcard-import,unused-wildcard-import

A, B = b"A" * 16, b"B" * 16


def opened(server, size=1 << 20, **kw):
    c = Client(server.address, **kw)
    equal(c.open(1, A, size).status, ST_OK, "open")
    return c


def test_hello_negotiates(server):
    c = Client(server.address, features=0xff, max_pages=17)
    equal((c.hello.status, c.granted, c.max_pages), (ST_OK, FEATURES, 17))
    equal((c.version_min, c.version_max, c.capacity), (1, 1, 16384))
    assert c.max_inflight > 0 and c.max_spaces > 1
    other = Client(server.address)
    equal(other.server_id, c.server_id, "server_id")


def test_store_then_load(server):
    c = opened(server)
    pages = [(i * 37 % 5000, content(i * 37 % 5000)) for i in range(256)]
    equal(c.store(1, pages).status, ST_OK)
    status, loaded = c.load(1, [i for i, _ in pages])
    equal(status, ST_OK)
    for (index, data), page in zip(pages, loaded):
        equal((page.index, page.content, page.crc), (index, data, crc32c(data)))


def test_overwrite_returns_the_newest(server):
    c = opened(server)
    for salt in range(20):
        equal(c.store(1, [(7, content(7, salt))]).status, ST_OK)
        equal(c.load(1, [7])[1][0].content, content(7, salt))
    equal(c.stat()[1]["used"], 1)


def test_same_index_twice_in_a_frame(server):
    c = opened(server)
    equal(c.store(1, [(7, content(1)), (7, ZERO_PAGE), (7, content(2))]).status, ST_OK)
    equal(c.load(1, [7])[1][0].content, content(2))


def test_zero_pages_are_flags(server):
    c = opened(server)
    equal(c.store(1, [(1, content(1)), (2, ZERO_PAGE), (3, content(3))]).status, ST_OK)
    reply = c.ask(load_frame(1, [1, 2, 3]))
    equal((reply.status, len(reply.data)), (ST_OK, 2 * PAGE))
    equal([p.content for p in parse_load(reply)], [content(1), ZERO_PAGE, content(3)])
    figures = c.stat(1)[1]
    equal((figures["used"], figures["zero"], figures["space_pages"]), (2, 1, 3))


def test_content_and_zero_replace_each_other(server):
    c = opened(server)
    for data in (content(1), ZERO_PAGE, ZERO_PAGE, content(2), ZERO_PAGE, content(3)):
        equal(c.store(1, [(9, data)]).status, ST_OK)
        equal(c.load(1, [9])[1][0].content, data)
    figures = c.stat(1)[1]
    equal((figures["used"], figures["zero"], figures["space_pages"]), (1, 0, 1))


def test_missing_page_is_an_error(server):
    c = opened(server)
    c.store(1, [(1, content(1))])
    status, loaded = c.load(1, [0, 1, 2])
    equal((status, [p.status for p in loaded]), (ST_PARTIAL, [ST_MISSING, ST_OK, ST_MISSING]))
    equal(loaded[1].content, content(1))


def test_load_never_deletes(server):
    c = opened(server)
    c.store(1, [(1, content(1))])
    for _ in range(3):
        equal(c.load(1, [1])[1][0].content, content(1))
    equal(c.stat()[1]["used"], 1)


def test_damaged_page_is_refused_and_the_old_one_kept(server):
    c = opened(server)
    c.store(1, [(1, content(1)), (2, content(2))])
    frame = store_frame(1, [(1, content(1, 9)), (2, content(2, 9)), (3, content(3, 9))])
    frame.data = frame.data[:PAGE] + b"damage" + frame.data[PAGE + 6:]
    reply = c.ask(frame)
    equal((reply.status, parse_statuses(reply)),
          (ST_PARTIAL, [(1, ST_OK), (2, ST_BAD_CRC), (3, ST_OK)]))
    equal([p.content for p in c.load(1, [1, 2, 3])[1]],
          [content(1, 9), content(2), content(3, 9)])


def test_without_page_crc(server):
    c = opened(server, features=FEAT_LIST)
    equal(c.granted, FEAT_LIST)
    equal(c.store(1, [(1, content(1))]).status, ST_OK)
    page = c.load(1, [1])[1][0]
    equal((page.content, page.crc), (content(1), 0))
    # the server made the CRC itself: a client with CRCs sees it
    page = opened(server).load(1, [1])[1][0]
    equal(page.crc, crc32c(content(1)))


def test_invalidate(server):
    c = opened(server)
    c.store(1, [(i, content(i)) for i in range(200)])
    c.store(1, [(i, ZERO_PAGE) for i in range(1000, 1010)])
    equal(c.invalidate(1, [(0, 50), (100, 10), (1000, 5), (4000, 1000)]), (ST_OK, 65))
    equal(c.invalidate(1, [(0, 50), (100, 10), (1000, 5)]), (ST_OK, 0))
    status, loaded = c.load(1, [49, 50, 99, 100, 109, 110, 1004, 1005])
    equal((status, [p.status for p in loaded]),
          (ST_PARTIAL, [ST_MISSING, ST_OK, ST_OK, ST_MISSING, ST_MISSING, ST_OK, ST_MISSING, ST_OK]))
    equal(c.stat(1)[1]["space_pages"], 145)
    equal(c.invalidate(1, [(0, 1 << 20)]), (ST_OK, 145))
    figures = c.stat(1)[1]
    equal((figures["used"], figures["zero"], figures["free"]), (0, 0, 16384))


def test_invalidate_of_a_huge_empty_range(server):
    c = opened(server, size=1 << 40)
    c.store(1, [((1 << 40) - 1, content(1)), (1 << 39, content(2))])
    ranges = [(i << 32, (1 << 32) - 1) for i in range(255)] + [((1 << 40) - 5, 5)]
    equal(c.invalidate(1, ranges), (ST_OK, 2))


def test_freed_memory_is_zeroed_and_reused(server):
    c = opened(server)
    for turn in range(5):
        for first in range(0, 16384, 256):
            equal(c.store(1, [(i, content(i, turn)) for i in range(first, first + 256)]).status, ST_OK)
        equal(c.stat()[1]["free"], 0)
        equal(c.invalidate(1, [(0, 16384)]), (ST_OK, 16384))
        equal(c.stat()[1]["free"], 16384)


def test_list(server):
    c = opened(server, size=1 << 40)
    equal(c.list(1), [])
    c.store(1, [(i, content(i)) for i in range(500, 530)])
    c.store(1, [(i, ZERO_PAGE) for i in range(530, 600)])
    c.store(1, [(1 << 39, content(1)), ((1 << 40) - 1, ZERO_PAGE)])
    equal(c.list(1), [(500, 30, 0), (530, 70, 1), (1 << 39, 1, 0), ((1 << 40) - 1, 1, 1)])


def test_list_goes_on_with_more(server):
    c = opened(server, max_pages=8)
    held = [i * 3 for i in range(100)]
    for i in held:
        c.store(1, [(i, content(i))])
    equal(c.list(1), [(i, 1, 0) for i in held])


def test_spaces(server):
    c = Client(server.address)
    uuids = [bytes([i]) * 16 for i in range(1, 201)]
    for handle, uuid in enumerate(uuids, 1):
        equal(c.open(handle, uuid, 100 + handle, handle).status, ST_OK)
    c.store(3, [(1, content(1)), (2, ZERO_PAGE)])
    spaces = c.spaces()
    equal(sorted(spaces), uuids)
    equal(spaces[uuids[2]], {"size": 103, "epoch": 3, "pages": 2, "owned": True, "claimed": False,
                            "idle": 0})
    equal(c.stat()[1]["spaces"], 200)


def test_spaces_without_owner_are_kept(server):
    c = opened(server)
    c.store(1, [(1, content(1))])
    c.close()
    other = Client(server.address)
    prototest.wait_for(lambda: not other.spaces()[A]["owned"])
    equal(other.spaces()[A]["owned"], False)
    reply = other.open(1, A, flags=0)
    equal((reply.status, reply.pages, reply.opened), (ST_OK, 1, 0))
    equal(other.load(1, [1])[1][0].content, content(1))


def test_open(server):
    c = Client(server.address)
    equal(c.open(1, A, flags=0).status, ST_NO_SUCH_SPACE)
    reply = c.open(1, A, 1000, 5)
    equal((reply.status, reply.size, reply.epoch, reply.pages, reply.opened), (ST_OK, 1000, 5, 0, 1))
    reply = c.open(2, A, 1000, 5)
    equal((reply.status, reply.opened), (ST_OK, 0))
    reply = c.open(3, A, 1001, 5)
    equal((reply.status, reply.size), (ST_SIZE, 1000))
    reply = c.open(3, A, 1000, 4)
    equal((reply.status, reply.epoch), (ST_STALE_EPOCH, 5))
    equal(c.open(0, A).status, ST_LIMIT)
    equal(c.open(c.max_spaces, A).status, ST_LIMIT)
    equal(c.open(c.max_spaces - 1, A, 1000, 5).status, ST_OK)
    equal(c.open(4, B, 0).status, ST_LIMIT)
    equal(c.open(4, B, (1 << 40) + 1).status, ST_LIMIT)


def test_handle_can_be_bound_anew(server):
    c = opened(server)
    c.store(1, [(1, content(1))])
    equal(c.open(1, B).status, ST_OK)
    equal(c.load(1, [1])[1][0].status, ST_MISSING)
    equal(c.open(1, A).status, ST_OK)
    equal(c.load(1, [1])[1][0].content, content(1))


def test_limits_of_requests(server):
    c = opened(server, size=1000, max_pages=4)
    equal(c.ask(load_frame(1, [1, 2, 3, 4, 5])).status, ST_LIMIT)
    equal(c.ask(store_frame(1, [(i, content(i)) for i in range(5)])).status, ST_LIMIT)
    equal(c.ask(load_frame(1, [1000])).status, ST_LIMIT)
    equal(c.store(1, [(1, content(1)), (1000, content(1))]).status, ST_LIMIT)
    equal(c.invalidate(1, [(999, 2)])[0], ST_LIMIT)
    equal(c.load(1, [1])[1][0].status, ST_MISSING)
    equal(c.store(1, [(999, content(999))]).status, ST_OK)


def test_unknown_handles(server):
    c = Client(server.address)
    for handle in (0, 1, 4095, 4096, 0xffffffff):
        equal(c.ask(load_frame(handle, [1])).status, ST_NO_SUCH_SPACE)
        equal(c.store(handle, [(1, content(1)), (2, content(2))]).status, ST_NO_SUCH_SPACE)
        equal(c.invalidate(handle, [(1, 1)])[0], ST_NO_SUCH_SPACE)
        equal(c.ask(list_frame(handle)).status, ST_NO_SUCH_SPACE)
    equal(c.stat(9)[0], ST_NO_SUCH_SPACE)
    equal(c.stat()[0], ST_OK)


def test_drop_by_owner(server):
    c, d = opened(server), Client(server.address)
    equal(d.open(5, A).status, ST_OK)
    c.store(1, [(i, content(i)) for i in range(100)])
    equal(c.drop(A, 1), (ST_OK, 100))
    for client, handle in ((c, 1), (d, 5)):
        equal(client.ask(load_frame(handle, [1])).status, ST_NO_SUCH_SPACE)
        equal(client.store(handle, [(1, content(1))]).status, ST_NO_SUCH_SPACE)
    figures = c.stat()[1]
    equal((figures["used"], figures["free"], figures["spaces"]), (0, 16384, 0))
    reply = c.open(1, A)
    equal((reply.status, reply.opened, reply.pages), (ST_OK, 1, 0))
    equal(d.ask(load_frame(5, [1])).status, ST_NO_SUCH_SPACE)


def test_drop_by_operator(server):
    c, operator = opened(server), Client(server.address)
    c.store(1, [(i, content(i)) for i in range(100)])
    equal(operator.drop(A, flags=F_FORCE), (ST_BUSY, None))
    equal(operator.drop(A), (ST_NO_SUCH_SPACE, None))
    equal(operator.drop(B, flags=F_FORCE), (ST_NO_SUCH_SPACE, None))
    c.close()
    prototest.wait_for(lambda: not operator.spaces()[A]["owned"])
    equal(operator.drop(A, flags=F_FORCE), (ST_OK, 100))
    equal(operator.spaces(), {})


def test_what_was_not_granted_is_not_supported(server):
    plain = Client(server.address, features=FEAT_PAGE_CRC)
    plain.open(1, A)
    pages = [(1, content(1)), (2, ZERO_PAGE)]
    for frame in (list_frame(1), Frame(OP_SPACES, meta=bytes(16)),
                  push_frame(1, [(1, 1)], (bytes(16), ("127.0.0.1", 1)), 1, bytes(16)),
                  drain_frame(1, bytes(16), 1), deliver_frame(A, bytes(16), 1, 1, pages),
                  claim_frame(OP_CLAIM, A, 1), claim_frame(OP_ACTIVATE, A, 1)):
        equal(plain.ask(frame).status, ST_NOT_SUPPORTED)
    equal(plain.store(1, pages).status, ST_OK)
    plain.send(open_frame(2, A, 1 << 20, 2, OPEN_CLAIMED))
    equal(plain.recv().status, ST_BAD_REQUEST)


def test_pipelined_requests(server):
    c = opened(server)
    frames = []
    for i in range(300):
        frames.append(store_frame(1, [(i, content(i)), (i + 1, content(i, 1))], tag=3 * i).pack())
        frames.append(load_frame(1, [i, i + 1], tag=3 * i + 1).pack())
        frames.append(invalidate_frame(1, [(i + 1, 1)], tag=3 * i + 2).pack())
    c.send(b"".join(frames))
    replies = {}
    for _ in frames:
        reply = c.recv()
        replies[reply.tag] = reply
    for i in range(300):
        equal(replies[3 * i].status, ST_OK)
        equal([p.content for p in parse_load(replies[3 * i + 1])], [content(i), content(i, 1)])
        equal(replies[3 * i + 2].meta, struct.pack("<Q", 1))


def test_largest_frames(server):
    c = opened(server)
    for first in range(0, 4096, 256):
        equal(c.store(1, [(i, content(i)) for i in range(first, first + 256)]).status, ST_OK)
    frames = [load_frame(1, range(first, first + 256), tag=first) for first in range(0, 4096, 256)]
    c.send(b"".join(f.pack() for f in frames))
    for _ in frames:
        for page in parse_load(c.recv()):
            equal(page.content, content(page.index))


def test_empty_frames(server):
    c = opened(server)
    equal(c.store(1, []).status, ST_OK)
    equal(c.load(1, []), (ST_OK, []))
    equal(c.invalidate(1, []), (ST_OK, 0))


@with_server("1M", 1)
def test_space_of_one_page(server):
    c = opened(server, size=1)
    equal(c.store(1, [(0, content(0))]).status, ST_OK)
    equal(c.list(1), [(0, 1, 0)])
    equal(c.store(1, [(1, content(0))]).status, ST_LIMIT)


if __name__ == "__main__":
    prototest.main(sys.modules[__name__])
