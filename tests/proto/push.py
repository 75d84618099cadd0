#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Drains (rule 5): pages pushed from server to server, and what their owner does meanwhile."""
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import prototest
from prototest import equal, wait_for
from pushpair import *  # pylint: disable=wildcard-import,unused-wildcard-import
from smemvwire import *  # pylint: disable=wildcard-import,unused-wildcard-import


@prototest.without_server
def test_pages_move():
    """Content and zero pages arrive as they were, with their CRC; the source keeps them."""
    with Pair() as p:
        pages = [(i, ZERO_PAGE if i % 7 == 3 else content(i)) for i in range(1000, 1200)]
        pages += [(SIZE - 1, content(5))]
        p.source.store(1, pages)
        equal(p.push([(1000, 200), (SIZE - 1, 1)]), (ST_OK, []))
        for c in (p.target, p.source):
            status, loaded = c.load(1, [i for i, _ in pages])
            equal((status, [x.content for x in loaded]), (ST_OK, [d for _, d in pages]))
            equal([x.crc for x in loaded], [0 if d == ZERO_PAGE else crc32c(d) for _, d in pages])
        equal(p.source.invalidate(1, [(0, SIZE)]), (ST_OK, 201))
        equal(p.source.stat()[1]["used"], 0)
        equal(p.target.drain(1, TOKEN, 1, 0), ST_OK)


@prototest.without_server
def test_each_page_has_its_answer():
    with Pair() as p:
        p.source.store(1, [(i, content(i)) for i in (10, 11, 12, 14)])
        p.target.store(1, [(11, content(11, 9))])
        p.target.invalidate(1, [(12, 1)])
        equal(p.push([(10, 5)]), (ST_PARTIAL, [ST_OK, ST_HELD, ST_HELD, ST_MISSING, ST_OK]))
        equal(contents(p.target, range(10, 15)), [content(10), content(11, 9), None, None, content(14)])
        equal(p.push([(14, 1), (10, 1), (13, 1)]), (ST_PARTIAL, [ST_HELD, ST_HELD, ST_MISSING]))
        # Nothing is sent for these; what is pushed next travels on the same connection.
        for i in range(20, 40):
            equal(p.push([(13, 1)]), (ST_PARTIAL, [ST_MISSING]))
            equal(p.push([]), (ST_OK, []))
            p.source.store(1, [(i, content(i))])
            equal(p.push([(i, 1)]), (ST_OK, []))


@prototest.without_server
def test_what_the_owner_did_at_the_target_stays():
    """Stored, stored and invalidated, invalidated, zeroed: no late copy changes it."""
    with Pair() as p:
        late = [(i, content(i)) for i in range(6)]
        p.source.store(1, late)
        p.target.store(1, [(0, content(0, 1)), (1, content(1, 1)), (3, ZERO_PAGE)])
        p.target.invalidate(1, [(1, 2)])
        for _ in range(2):
            equal(p.deliver(late[:4]), (ST_PARTIAL, [ST_HELD] * 4))
            equal(contents(p.target, range(4)), [content(0, 1), None, None, ZERO_PAGE])
        equal(p.deliver([late[4]]), (ST_OK, []))
        p.target.invalidate(1, [(4, 1)])
        equal(p.deliver(late[4:]), (ST_PARTIAL, [ST_HELD, ST_OK]))
        equal(p.push([(0, 6)]), (ST_PARTIAL, [ST_HELD] * 6))


@prototest.without_server
def test_invalidations_of_every_shape_are_remembered():
    """Single pages, parts of runs, whole runs, and huge ranges; also of pages that nobody had."""
    with Pair() as p:
        ranges = [(5, 1), (700, 30), (1000, 24), (1024, 512), (2000, 1500), (100000, 300000), (399990, 600),
                  (SIZE - 3, 3)]
        p.target.invalidate(1, ranges)
        gone = [f for f, _ in ranges] + [f + n - 1 for f, n in ranges] + [1500, 2048, 131072, 400000, 262144]
        free = [4, 6, 699, 730, 999, 1536, 1999, 3500, 99999, 400590, SIZE - 4]
        reply = p.deliver([(i, content(i)) for i in gone])
        equal(reply, (ST_PARTIAL, [ST_HELD] * len(gone)))
        equal(p.deliver([(i, content(i)) for i in free]), (ST_OK, []))
        equal(sum(n for _, n, _ in p.target.list(1)), len(free))


@prototest.without_server
def test_many_scattered_invalidations_are_remembered():
    with Pair() as p:
        for first in range(0, 2000, 250):
            p.target.invalidate(1, [(i * 512 + 3, 2) for i in range(first, first + 250)])
        for first in range(0, 2000, 128):
            runs = range(first, min(first + 128, 2000))
            reply = p.deliver([(i * 512 + 4, content(i)) for i in runs])
            equal(reply, (ST_PARTIAL, [ST_HELD] * len(runs)))
            equal(p.deliver([(i * 512 + 5, ZERO_PAGE) for i in runs]), (ST_OK, []))


@prototest.without_server
def test_drain_ends_when_it_cannot_remember():
    """Too many far ranges: pushes are refused, and another drain can be opened."""
    with Pair() as p:
        c = p.target
        equal(c.open(2, B, 1 << 40, 1).status, ST_OK)
        equal(c.drain(2, TOKEN, 1), ST_OK)
        for first in range(0, 512, 128):
            c.invalidate(2, [(i << 20, 100 * 512) for i in range(first, first + 128)])
        equal(c.deliver(B, TOKEN, 1, 1, [(1 << 39, content(1))]), (ST_NO_DRAIN, []))
        equal(c.drain(2, TOKEN, 1), ST_NO_DRAIN)
        equal(c.drain(2, OTHER_TOKEN, 2), ST_OK)
        equal(c.deliver(B, OTHER_TOKEN, 2, 1, [(1 << 39, content(1))]), (ST_OK, []))
        equal(p.deliver([(1, content(1))]), (ST_OK, []))


@prototest.without_server
def test_only_while_the_drain_is_open():
    """Before it, after it, with a wrong token or number, and under a later drain: refused."""
    with Pair() as p:
        page = [(1, content(1))]
        p.source.store(1, page)
        for number, token in ((2, TOKEN), (0, TOKEN), (1, OTHER_TOKEN), (1, bytes(16))):
            equal(p.deliver(page, number, token), (ST_NO_DRAIN, []))
            equal(p.push([(1, 1)], number, token), (ST_PARTIAL, [ST_NO_DRAIN]))
        equal(p.target.drain(1, TOKEN, 1, 0), ST_OK)
        equal(p.deliver(page), (ST_NO_DRAIN, []))
        equal(p.target.drain(1, OTHER_TOKEN, 2), ST_OK)
        equal(p.deliver(page), (ST_NO_DRAIN, []))
        equal(p.deliver(page, 2, TOKEN), (ST_NO_DRAIN, []))
        equal(p.target.list(1), [])
        equal(p.deliver(page, 2, OTHER_TOKEN), (ST_OK, []))


@prototest.without_server
def test_numbers_of_drains():
    with Pair() as p:
        c = p.target
        equal(c.drain(1, TOKEN, 1), ST_OK, "the same again")
        equal(c.drain(1, OTHER_TOKEN, 1), ST_NO_DRAIN, "the number with another token")
        equal(c.drain(1, OTHER_TOKEN, 5), ST_OK, "a later one ends the first")
        equal(p.deliver([(1, content(1))]), (ST_NO_DRAIN, []))
        equal(c.drain(1, TOKEN, 1, 0), ST_OK, "closing an earlier one")
        equal(p.deliver([(1, content(1))], 5, OTHER_TOKEN), (ST_OK, []))
        equal(c.drain(1, TOKEN, 9, 0), ST_OK, "closing all up to one that never was")
        equal(p.deliver([(2, content(1))], 5, OTHER_TOKEN), (ST_NO_DRAIN, []))
        for number in (1, 5, 9):
            equal(c.drain(1, TOKEN, number), ST_NO_DRAIN)
        equal(c.drain(1, TOKEN, 10), ST_OK)
        equal(c.drain(7, TOKEN, 11), ST_NO_SUCH_SPACE)


@prototest.without_server
def test_epoch_ends_a_drain():
    """At the target pushes are refused then, at the source orders are."""
    with Pair(epoch=3) as p:
        p.source.store(1, [(1, content(1)), (2, content(2))])
        new = Client(p.servers[1].address, features=FEATURES)
        equal(new.open(1, A, SIZE, 4).status, ST_OK)
        equal(p.push([(1, 1)]), (ST_PARTIAL, [ST_NO_DRAIN]))
        equal(p.deliver([(1, content(1))]), (ST_STALE_EPOCH, []))
        equal(p.deliver([(1, content(1))], epoch=4), (ST_NO_DRAIN, []))
        equal(p.target.drain(1, TOKEN, 2), ST_STALE_EPOCH)
        equal(new.drain(1, OTHER_TOKEN, 1), ST_OK, "numbers start anew")
        equal(new.list(1), [])
        new_at_source = Client(p.servers[0].address, features=FEATURES)
        equal(new_at_source.open(1, A, SIZE, 4).status, ST_OK)
        equal(p.push([(1, 1)]), (ST_STALE_EPOCH, []))
        equal(new_at_source.push(1, [(1, 2)], p.target_at, 1, OTHER_TOKEN), (ST_OK, []))
        equal(contents(new, [1, 2]), [content(1), content(2)])


@prototest.without_server
def test_dropped_space_takes_no_pushes():
    with Pair() as p:
        p.source.store(1, [(1, content(1))])
        equal(p.target.drop(A, 1)[0], ST_OK)
        equal(p.push([(1, 1)]), (ST_PARTIAL, [ST_NO_DRAIN]))
        equal(p.deliver([(1, content(1))]), (ST_NO_SUCH_SPACE, []))
        equal(p.target.open(1, A, SIZE, 3).opened, OPENED_CREATED)
        equal(p.push([(1, 1)]), (ST_PARTIAL, [ST_NO_DRAIN]))
        equal(p.target.list(1), [])


@prototest.without_server
def test_full_target():
    """What fits is applied, the rest stays at the source."""
    with Pair(memory=("16M", "4M")) as p:
        for first in range(0, 1024, 256):
            p.source.store(1, [(i, content(i)) for i in range(first, first + 256)])
        p.target.store(1, [(i, content(i)) for i in range(5000, 5200)])
        results = [p.push([(first, 256)]) for first in range(0, 1024, 256)]
        equal(results[:3], [(ST_OK, [])] * 3)
        equal(results[3], (ST_PARTIAL, [ST_OK] * 56 + [ST_NO_SPACE] * 200))
        equal(p.push([(824, 200)]), (ST_PARTIAL, [ST_NO_SPACE] * 200))
        p.target.invalidate(1, [(5000, 1)])
        equal(p.push([(824, 2)]), (ST_PARTIAL, [ST_OK, ST_NO_SPACE]))
        equal(contents(p.target, [0, 824, 825]), [content(0), content(824), None])
        equal(p.source.stat()[1]["used"], 1024)


@prototest.without_server
def test_stopping_servers():
    """A target that stops takes nothing; a source that stops can be emptied."""
    with Pair() as p:
        p.source.store(1, [(1, content(1)), (2, content(2))])
        p.servers[0].signal(signal.SIGTERM)
        assert p.servers[0].logged("no new pages are taken")
        equal(p.push([(1, 1)]), (ST_OK, []))
        p.servers[1].signal(signal.SIGTERM)
        assert p.servers[1].logged("no new pages are taken")
        equal(p.push([(2, 1)]), (ST_PARTIAL, [ST_STOPPING]))
        equal(p.source.invalidate(1, [(0, 10)]), (ST_OK, 2))
        equal(p.servers[0].wait(), 0)


@prototest.without_server
def test_damage_at_the_source_shows():
    """A page whose CRC is wrong on arrival is not applied."""
    with Pair() as p:
        frame = deliver_frame(A, TOKEN, 1, 3, [(1, content(1)), (2, content(2))])
        frame.data = frame.data[:PAGE] + b"damage" + frame.data[PAGE + 6:]
        equal(page_statuses(p.target.ask(frame)), [ST_OK, ST_BAD_CRC])
        equal(contents(p.target, [1, 2]), [content(1), None])


@prototest.without_server
def test_limits_of_pushes():
    with Pair() as p:
        p.source.store(1, [(1, content(1))])
        equal(p.push([(0, 257)]), (ST_LIMIT, []))
        equal(p.push([(0, 200), (1000, 57)]), (ST_LIMIT, []))
        equal(p.push([(0, 1), (0, 0xffffffff)]), (ST_LIMIT, []))
        equal(p.push([(SIZE - 1, 2)]), (ST_LIMIT, []))
        equal(p.push([(1, 1)], timeout_ms=30001), (ST_LIMIT, []))
        equal(p.source.push(9, [(1, 1)], p.target_at, 1, TOKEN), (ST_NO_SUCH_SPACE, []))
        equal(p.deliver([(SIZE, content(1))]), (ST_LIMIT, []))
        for bad in (push_frame(1, [(1, 1)], (p.target.server_id, ("127.0.0.1", 0)), 1, TOKEN, tag=9),
                    push_frame(1, [(1, 1)], (p.target.server_id, ("127.0.0.1", 65536)), 1, TOKEN, tag=9),
                    drain_frame(1, TOKEN, 0, tag=9), drain_frame(1, TOKEN, 1, 2, tag=9)):
            c = p.client(p.servers[0])
            c.send(bad)
            equal(c.recv().status, ST_BAD_REQUEST)
            assert c.is_closed()


# Races and order

@prototest.without_server
def test_half_a_delivery_and_the_close():
    """Pages of a frame that is half read are not applied after the close was answered."""
    with Pair() as p:
        frame = deliver_frame(A, TOKEN, 1, 3, [(i, content(i)) for i in range(8)], tag=5).pack()
        pusher = Client(p.servers[1].address, features=FEATURES)
        pusher.send(frame[:-3 * PAGE - 100])
        assert wait_for(lambda: p.target.stat(1)[1]["space_pages"] == 4)
        equal(p.target.drain(1, TOKEN, 1, 0), ST_OK)
        pusher.send(frame[-3 * PAGE - 100:])
        equal(page_statuses(pusher.recv()), [ST_OK] * 4 + [ST_NO_DRAIN] * 4)
        equal(p.target.list(1), [(0, 4, 0)])
        # and those of one whose space goes away, or whose sender does
        equal(p.target.drain(1, TOKEN, 2), ST_OK)
        gone = Client(p.servers[1].address, features=FEATURES)
        frames = {c: deliver_frame(A, TOKEN, 2, 3, [(i, content(i)) for i in range(first, first + 8)]).pack()
                  for c, first in ((pusher, 10), (gone, 20))}
        for c, frame in frames.items():
            c.send(frame[:20000])
        # both are half read when the space goes: each has brought its own four pages
        assert wait_for(lambda: p.target.stat(1)[1]["space_pages"] == 12)
        equal(p.target.drop(A, 1), (ST_OK, 12))
        gone.close()
        pusher.send(frames[pusher][20000:])
        equal(page_statuses(pusher.recv())[4:], [ST_NO_DRAIN] * 4)
        assert wait_for(lambda: p.target.stat()[1]["used"] == 0)


@prototest.without_server
def test_invalidations_race_with_deliveries():
    """After each INVALIDATE was answered its page is gone and stays gone."""
    repeat = int(os.environ.get("SMEMV_TEST_REPEAT", "300"))
    with Pair(threads=2) as p:
        pusher = Client(p.servers[1].address, features=FEATURES)
        for turn in range(repeat):
            first = turn * 16
            pages = [(i, content(i)) for i in range(first, first + 16)]
            pusher.send(deliver_frame(A, TOKEN, 1, 3, pages, tag=turn))
            for i in range(first, first + 16, 3):
                equal(p.target.invalidate(1, [(i, 1)])[0], ST_OK)
            statuses = page_statuses(pusher.recv())
            held = [f for f, n, _ in p.target.list(1) for f in range(f, f + n) if f >= first]
            equal(held, [i for i in range(first, first + 16) if (i - first) % 3])
            assert not statuses or set(statuses) <= {ST_OK, ST_HELD}


@prototest.without_server
def test_stores_race_with_deliveries():
    """The owner's content is there, whichever came first."""
    repeat = int(os.environ.get("SMEMV_TEST_REPEAT", "300"))
    with Pair(threads=2) as p:
        pusher = Client(p.servers[1].address, features=FEATURES)
        for turn in range(repeat):
            old = [(i, content(i)) for i in range(turn * 4, turn * 4 + 4)]
            new = [(i, content(i, 1)) for i, _ in old]
            pusher.send(deliver_frame(A, TOKEN, 1, 3, old, tag=turn))
            p.target.send(store_frame(1, new, tag=turn))
            equal(p.target.recv().status, ST_OK)
            pusher.recv()
            equal(contents(p.target, [i for i, _ in old]), [d for _, d in new])


@prototest.without_server
def test_drain_under_load():
    """A source is emptied while its pages are loaded, stored at the target and given back."""
    with Pair(memory=("64M", "64M")) as p:
        pages = 4096
        for first in range(0, pages, 256):
            p.source.store(1, [(i, content(i)) for i in range(first, first + 256)])
        stored, gone = range(0, pages, 10), range(5, pages, 10)
        owner = p.client(p.servers[1])
        for n, first in enumerate(range(0, pages, 256)):
            p.source.send(push_frame(1, [(first, 256)], p.target_at, 1, TOKEN, tag=n))
        for i in stored:
            equal(owner.store(1, [(i, content(i, 1))]).status, ST_OK)
        for i in gone:
            equal(owner.invalidate(1, [(i, 1)])[0], ST_OK)
        for _ in range(pages // 256):
            reply = p.source.recv()
            assert set(page_statuses(reply)) <= {ST_OK, ST_HELD}, page_statuses(reply)
        equal(owner.drain(1, TOKEN, 1, 0), ST_OK)
        equal(p.source.invalidate(1, [(0, pages)]), (ST_OK, pages))
        equal(p.source.stat()[1]["space_pages"], 0)
        for first in range(0, pages, 256):
            for page in owner.load(1, range(first, first + 256))[1]:
                want = content(page.index, 1) if page.index in stored else content(page.index)
                equal(page.content, None if page.index in gone else want)


@prototest.without_server
def test_source_dies_in_the_middle():
    """The target keeps whole pages only, and goes on with another source."""
    with Pair() as p:
        half = Client(p.servers[1].address, features=FEATURES)
        half.send(deliver_frame(A, TOKEN, 1, 3, [(i, content(i)) for i in range(4)]).pack()[:-PAGE - 10])
        assert wait_for(lambda: p.target.stat(1)[1]["space_pages"] == 2)
        half.close()
        p.source.store(1, [(i, content(i)) for i in range(4)])
        equal(p.push([(0, 4)]), (ST_PARTIAL, [ST_HELD, ST_HELD, ST_OK, ST_OK]))
        equal(contents(p.target, range(4)), [content(i) for i in range(4)])


@prototest.without_server
def test_ipv6_target():
    if not os.path.exists("/proc/net/if_inet6"):
        raise prototest.Skip("no IPv6 here")
    with socket.socket(socket.AF_INET6) as s:
        s.bind(("::1", 0))
        port = s.getsockname()[1]
    with Pair() as p:
        target = prototest.Server("4M", 1, "--listen", f"[::1]:{port}")
        try:
            c = Client(("::1", port), features=FEATURES)
            c.open(1, A, SIZE, 3)
            c.drain(1, TOKEN, 1)
            p.source.store(1, [(1, content(1))])
            equal(p.push([(1, 1)], target=(c.server_id, ("::1", port))), (ST_OK, []))
            equal(contents(c, [1]), [content(1)])
            prototest.check_clean(target, target.stop())
        finally:
            target.process.kill()


if __name__ == "__main__":
    prototest.main(sys.modules[__name__])
