#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Rules 1 to 3 of docs/wire.md and the fencing of old epochs, under provocation.

SMEMV_TEST_REPEAT: how often the provocations are repeated (1000).
"""
import os
import random
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import prototest
from prototest import equal, with_server
from smemvwire import *  # pylint: disable=wildcard-import,unused-wildcard-import

A, B = b"A" * 16, b"B" * 16
REPEAT = int(os.environ.get("SMEMV_TEST_REPEAT", "1000"))


def opened(server, epoch=1, size=1 << 20, **kw):
    c = Client(server.address, **kw)
    equal(c.hello.status, ST_OK, "hello")
    equal(c.open(1, A, size, epoch).status, ST_OK, "open")
    return c


def test_generation_must_rise(server):
    c = opened(server, generation=5)
    for generation in (0, 1, 4, 5):
        other = Client(server.address, c.client_id, generation)
        equal(other.hello.status, ST_FENCED)
        assert other.is_closed()
    equal(c.store(1, [(1, content(1))]).status, ST_OK)
    assert server.logged("generation 5 is not above 5; refused")


def test_generation_is_remembered_after_the_connection(server):
    c = opened(server, generation=7)
    c.close()
    time.sleep(0.2)
    equal(Client(server.address, c.client_id, 7).hello.status, ST_FENCED)
    equal(Client(server.address, c.client_id, 8).hello.status, ST_OK)


def test_lanes_and_clients_are_apart(server):
    c = opened(server, generation=9)
    other = opened(server, client_id=c.client_id, generation=1, lane=1)
    third = opened(server, generation=1)
    for client in (c, other, third):
        equal(client.stat()[0], ST_OK)


def test_newer_connection_ends_the_older(server):
    c = opened(server, generation=1)
    newer = opened(server, client_id=c.client_id, generation=2)
    assert c.is_closed()
    equal(newer.stat()[0], ST_OK)


def fence_buffered_stores(server, rounds, before_hello):
    """A store lies in the stopped server's buffers when the newer HELLO is sent."""
    client_id = os.urandom(16)
    c = opened(server, client_id=client_id, generation=1)
    for turn in range(1, rounds + 1):
        old, new = content(turn, 1), content(turn, 2)
        before_hello(server, c, turn, old)
        newer = Connection(server.address)
        newer.send(hello_frame(client_id, turn + 1))
        server.resume()
        equal(newer.recv().status, ST_OK, "hello")
        # The reply proves that nothing of the older connection comes any more.
        newer.send(open_frame(1, A, 1 << 20).pack() + store_frame(1, [(turn, new)]).pack())
        equal((newer.recv().status, newer.recv().status), (ST_OK, ST_OK))
        for _ in range(2):
            newer.send(load_frame(1, [turn]))
            equal(parse_load(newer.recv())[0].content, new, f"turn {turn}: the old store came late")
        c.close()
        c = newer


def test_store_buffered_on_the_old_connection(server):
    """Fenced while a complete store is in the socket."""
    def provoke(server, c, turn, old):
        server.pause()
        c.send(store_frame(1, [(turn, old)]))
    fence_buffered_stores(server, REPEAT, provoke)


def test_long_pipeline_buffered_on_the_old_connection(server):
    """Fenced while a hundred stores are in the socket."""
    def provoke(server, c, turn, old):
        server.pause()
        c.send(store_frame(1, [(turn, old)]).pack() * 30)
    fence_buffered_stores(server, REPEAT // 5, provoke)


def test_half_a_store_before_the_fence(server):
    """Fenced while half a store was read and the rest is in the socket."""
    def provoke(server, c, turn, old):
        data = store_frame(1, [(turn, old), (turn, old), (turn, old)]).pack()
        cut = 1 + turn * 61 % (len(data) - 2)
        c.send(data[:cut])
        if turn % 2:
            time.sleep(0.001)
        server.pause()
        c.send(data[cut:])
    fence_buffered_stores(server, REPEAT // 2, provoke)


def test_running_server_is_fenced_just_as_well(server):
    """The same without stopping it: both connections are served at once."""
    def provoke(_server, c, turn, old):
        c.send(store_frame(1, [(turn, old)]).pack() * 8)
    fence_buffered_stores(server, REPEAT, provoke)


def test_fence_during_a_long_invalidation(server):
    """What a fenced invalidation has not done yet is not done later."""
    client_id, size = os.urandom(16), 1 << 40
    c = opened(server, client_id=client_id, generation=1, size=size)
    ranges = [(i << 32, (1 << 32) - 1) for i in range(256)]
    for turn in range(1, 1 + min(REPEAT, 50)):
        # pages far apart make many inner nodes to walk through
        c.store(1, [(i << 32, content(i)) for i in range(256)])
        for _ in range(4):
            c.send(invalidate_frame(1, ranges))
        newer = Client(server.address, client_id, turn + 1)
        equal((newer.hello.status, newer.open(1, A, size).status), (ST_OK, ST_OK))
        pages = [((i << 32) + 5, content(i, turn)) for i in range(256)]
        equal(newer.store(1, pages).status, ST_OK)
        time.sleep(0.005)
        equal([p.content for p in newer.load(1, [i for i, _ in pages])[1]], [d for _, d in pages])
        c.close()
        c = newer


def test_many_generations_at_once(server):
    """Of connections that race for a lane only the highest generation survives."""
    for turn in range(1 + REPEAT // 20):
        client_id = os.urandom(16)
        links = [Connection(server.address) for _ in range(8)]
        order = list(range(8))
        random.Random(turn).shuffle(order)
        for i in order:
            links[i].send(hello_frame(client_id, i + 1))
        statuses = []
        for link in links:
            try:
                statuses.append(link.recv().status)
            except Closed:
                statuses.append(ST_FENCED)
        equal(statuses[7], ST_OK)
        links[7].send(Frame(OP_STAT, 5))
        equal(links[7].recv().status, ST_OK)
        for link in links[:7]:
            assert link.is_closed()
        for link in links:
            link.close()


def test_old_epoch_is_refused(server):
    old, new = opened(server, epoch=1), opened(server, epoch=2)
    equal(new.store(1, [(1, content(1, 2))]).status, ST_OK)
    equal(old.store(1, [(1, content(1, 1)), (2, content(2, 1))]).status, ST_STALE_EPOCH)
    equal(old.ask(load_frame(1, [1])).status, ST_STALE_EPOCH)
    equal(old.invalidate(1, [(1, 1)])[0], ST_STALE_EPOCH)
    equal(old.drop(A, 1)[0], ST_STALE_EPOCH)
    equal(old.ask(list_frame(1)).status, ST_STALE_EPOCH)
    equal(old.stat(1)[0], ST_STALE_EPOCH)
    equal(old.open(2, A, epoch=1).status, ST_STALE_EPOCH)
    equal([p.content for p in new.load(1, [1])[1]], [content(1, 2)])
    equal(old.open(1, A, epoch=2).status, ST_OK)
    equal(old.load(1, [1])[1][0].content, content(1, 2))


def test_no_store_of_an_old_epoch_after_the_new_owner_was_answered(server):
    """An old owner stores all the time while new ones take the space, on another thread."""
    old = opened(server, epoch=1)
    for turn in range(1, 1 + REPEAT // 4):
        # many stores under way: some are applied before, some after the epoch rises
        old.send(b"".join(store_frame(1, [(i, content(i, 2 * turn))], tag=i).pack() for i in range(20)))
        new = Client(server.address)
        equal(new.open(1, A, epoch=turn + 1).status, ST_OK)
        equal(new.store(1, [(i, content(i, 2 * turn + 1)) for i in range(20)]).status, ST_OK)
        replies = [old.recv() for _ in range(20)]
        stale = [r.status for r in replies]
        assert set(stale) <= {ST_OK, ST_STALE_EPOCH}, stale
        equal(stale, sorted(stale), "a store was applied after a stale one")
        equal([p.content for p in new.load(1, range(20))[1]],
              [content(i, 2 * turn + 1) for i in range(20)])
        old.close()
        old = new


def test_epoch_rises_in_the_middle_of_a_frame(server):
    """Pages that arrive after the new owner was answered are refused."""
    old = opened(server, epoch=1)
    data = store_frame(1, [(i, content(i, 1)) for i in range(4)]).pack()
    cut = len(data) - 2 * PAGE - 100
    old.send(data[:cut])
    time.sleep(0.1)
    new = opened(server, epoch=2)
    equal(new.store(1, [(i, content(i, 2)) for i in range(4)]).status, ST_OK)
    old.send(data[cut:])
    reply = old.recv()
    equal((reply.status, [s for _, s in parse_statuses(reply)]),
          (ST_PARTIAL, [ST_OK, ST_NO_SPACE, ST_NO_SPACE, ST_NO_SPACE]))
    equal(old.store(1, [(0, content(0, 3))]).status, ST_STALE_EPOCH)
    equal([p.content for p in new.load(1, range(4))[1]], [content(i, 2) for i in range(4)])


def test_space_dropped_in_the_middle_of_a_frame(server):
    c, other = opened(server), opened(server)
    data = store_frame(1, [(i, content(i)) for i in range(4)]).pack()
    c.send(data[:2000])
    time.sleep(0.1)
    equal(other.drop(A, 1)[0], ST_OK)
    c.send(data[2000:])
    equal(c.recv().status, ST_NO_SUCH_SPACE)
    equal(c.stat()[1]["used"], 0)


def test_order_of_one_page(server):
    """Rule 1: stores, zeros and invalidations of one page take effect as sent."""
    c = opened(server)
    rng = random.Random(3)
    for _ in range(1 + REPEAT // 10):
        expect, frames, wanted = {}, [], []
        for tag in range(60):
            index = rng.randrange(3)
            kind = rng.randrange(4)
            if kind == 0:
                expect[index] = content(index, rng.randrange(1 << 30))
                frames.append(store_frame(1, [(index, expect[index])], tag=tag))
            elif kind == 1:
                expect[index] = ZERO_PAGE
                frames.append(store_frame(1, [(index, ZERO_PAGE)], tag=tag))
            elif kind == 2:
                expect.pop(index, None)
                frames.append(invalidate_frame(1, [(index, 1)], tag=tag))
            else:
                wanted.append((tag, expect.get(index)))
                frames.append(load_frame(1, [index], tag=tag))
        c.send(b"".join(f.pack() for f in frames))
        replies = {r.tag: r for r in (c.recv() for _ in frames)}
        for tag, data in wanted:
            equal(parse_load(replies[tag])[0].content, data)
        c.invalidate(1, [(0, 3)])


def test_two_threads_in_one_space(server):
    """Lanes of a client work on the same runs, each on its own pages."""
    client_id, errors = os.urandom(16), []
    lanes = [opened(server, client_id=client_id, lane=i) for i in range(4)]

    def work(c):
        try:
            for turn in range(1 + REPEAT // 8):
                pages = [(i * 4 + c.lane, content(i, turn) if i % 3 else ZERO_PAGE) for i in range(64)]
                equal(c.store(1, pages).status, ST_OK)
                equal([p.content for p in c.load(1, [i for i, _ in pages])[1]], [d for _, d in pages])
                equal(c.invalidate(1, [(i, 1) for i, _ in pages]), (ST_OK, 64))
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=work, args=(c,)) for c in lanes]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(errors, [])
    figures = lanes[0].stat(1)[1]
    equal((figures["used"], figures["zero"], figures["space_pages"], figures["free"]), (0, 0, 0, 16384))


def test_drop_while_others_work(server):
    """A space is dropped and made anew under the eyes of another connection."""
    c, other = opened(server), Client(server.address)
    for turn in range(1 + REPEAT // 10):
        other.open(1, A)
        other.send(b"".join(store_frame(1, [(i, content(i))], tag=i).pack() for i in range(30)))
        equal(c.drop(A, 1)[0], ST_OK)
        statuses = [other.recv().status for _ in range(30)]
        assert set(statuses) <= {ST_OK, ST_NO_SUCH_SPACE}, statuses
        equal(c.open(1, A).status, ST_OK)
        equal(c.stat(1)[1]["space_pages"], 0, f"turn {turn}")
    c.drop(A, 1)
    equal((c.stat()[1]["used"], c.stat()[1]["free"]), (0, 16384))


@with_server("64M", 1)
def test_fencing_on_one_thread(server):
    def provoke(server, c, turn, old):
        server.pause()
        c.send(store_frame(1, [(turn, old)]).pack() * 3)
    fence_buffered_stores(server, REPEAT // 5, provoke)


if __name__ == "__main__":
    prototest.main(sys.modules[__name__])
