#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Drains (rule 5): targets that are dead, deaf, slow, or something else."""
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import prototest
from prototest import equal, wait_for
from pushpair import *  # pylint: disable=wildcard-import,unused-wildcard-import
from smemvwire import *  # pylint: disable=wildcard-import,unused-wildcard-import


def refused_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()


@prototest.without_server
def test_target_that_cannot_be_reached():
    """A refused connection, another server, and no memory server at all: nothing was sent."""
    with Pair() as p, socket.create_server(("127.0.0.1", 0)) as other:
        p.source.store(1, [(1, content(1))])

        def talk():
            link, _ = other.accept()
            link.recv(4096)
            link.sendall(b"220 mail.example ESMTP and more than forty bytes of it\r\n")
            link.close()

        threading.Thread(target=talk, daemon=True).start()
        ids = [bytes([n]) * 16 for n in range(3)]
        for target, text in (((ids[0], refused_address()), "cannot connect"),
                             ((ids[1], p.servers[1].address), "another server"),
                             ((ids[2], other.getsockname()), "not an S-memV frame")):
            equal(p.push([(1, 1)], target=target), (ST_PARTIAL, [ST_UNREACHABLE]))
            assert p.servers[0].logged(text), text
        # a failure is remembered for a moment, and is over then
        start = time.monotonic()
        equal(p.push([(1, 1)], target=(ids[0], p.servers[1].address)), (ST_PARTIAL, [ST_UNREACHABLE]))
        assert time.monotonic() - start < 0.5 * prototest.SLOW
        equal(p.push([(1, 1)]), (ST_OK, []), "the right one")


@prototest.without_server
def test_wrong_target_at_the_right_address():
    """Orders for an incarnation that is gone do not disturb those for the one that is there."""
    with Pair(threads=1) as p:
        p.source.store(1, [(i, content(i)) for i in range(256)])
        gone = (os.urandom(16), p.servers[1].address)
        for n in range(40):
            target = gone if n % 4 == 3 else p.target_at
            p.source.send(push_frame(1, [(n * 6, 6)], target, 1, TOKEN, tag=n))
        statuses = {}
        for _ in range(40):
            reply = p.source.recv()
            statuses[reply.tag] = (reply.status, page_statuses(reply))
        for n in range(40):
            want = (ST_PARTIAL, [ST_UNREACHABLE] * 6) if n % 4 == 3 else (ST_OK, [])
            equal(statuses[n], want, f"push {n}")


@prototest.without_server
def test_wrong_address_of_the_right_target():
    """Main hosts may reach a server on different ways; one that is none from here is in nobody's way."""
    with Pair(threads=1) as p:
        p.source.store(1, [(i, content(i)) for i in range(2)])
        nowhere = (p.target_at[0], refused_address())
        p.source.send(push_frame(1, [(0, 1)], p.target_at, 1, TOKEN, tag=1))
        p.source.send(push_frame(1, [(1, 1)], nowhere, 1, TOKEN, tag=2))
        replies = {r.tag: (r.status, page_statuses(r)) for r in (p.source.recv(), p.source.recv())}
        equal(replies, {1: (ST_OK, []), 2: (ST_PARTIAL, [ST_UNREACHABLE])})


@prototest.without_server
def test_target_behind_a_black_hole():
    """A connection that is neither made nor refused costs no more than the time-out."""
    with Pair(threads=1) as p, socket.create_server(("127.0.0.1", 0), backlog=0) as hole:
        p.source.store(1, [(1, content(1))])
        full = [socket.socket() for _ in range(4)]
        for s in full:
            s.setblocking(False)
            s.connect_ex(hole.getsockname())
        time.sleep(0.2)
        target = (os.urandom(16), hole.getsockname())
        start = time.monotonic()
        p.source.send(push_frame(1, [(1, 1)], target, 1, TOKEN, 1000, tag=1))
        p.source.send(push_frame(1, [(1, 1)], p.target_at, 1, TOKEN, 1000, tag=2))
        first, second = p.source.recv(), p.source.recv()
        equal((first.tag, first.status), (2, ST_OK))
        equal((second.tag, page_statuses(second)), (1, [ST_UNREACHABLE]))
        assert 0.8 < time.monotonic() - start < 2.5 * prototest.SLOW
        assert p.servers[0].logged("cannot connect: no answer", 10)
        # and one under way does not keep the server from ending
        equal(p.push([(1, 1)], target=target, timeout_ms=500)[1], [ST_UNREACHABLE])
        time.sleep(1.2)
        p.source.send(push_frame(1, [(1, 1)], target, 1, TOKEN, 20000, tag=3))
        p.source.send(Frame(OP_STAT, 4))
        equal(p.source.recv().tag, 4)
        for s in full:
            s.close()


@prototest.without_server
def test_many_targets():
    """More than a server keeps links to; the good one is reached all the time."""
    with Pair(threads=1) as p:
        p.source.store(1, [(i, content(i)) for i in range(100)])
        nobody = refused_address()
        for n in range(100):
            gone = (struct.pack("<QQ", n, 1), nobody)
            equal(p.push([(n, 1)], target=gone), (ST_PARTIAL, [ST_UNREACHABLE]))
            equal(p.push([(n, 1)]), (ST_OK, []))


@prototest.without_server
def test_target_that_does_not_answer():
    """The push ends in time as unknown, what waits behind as not sent; others are served meanwhile."""
    def deaf(fake, link):
        while True:
            fake.got.append(link.recv())

    fake = FakeTarget(deaf)
    with Pair(threads=1) as p:
        for first in range(0, 2048, 256):
            p.source.store(1, [(i, content(i)) for i in range(first, first + 256)])
        start = time.monotonic()
        for n in range(8):
            p.source.send(push_frame(1, [(n * 256, 256)], fake.at, 1, TOKEN, 1500, tag=100 + n))
        other, rounds = p.client(p.servers[0]), 0
        while time.monotonic() < start + 1:
            equal(contents(other, [77, 2000]), [content(77), content(2000)])
            rounds += 1
        assert rounds > 20, rounds
        seen = {}
        for _ in range(8):
            reply = p.source.recv()
            seen[reply.tag - 100] = set(page_statuses(reply))
        took = time.monotonic() - start
        equal([seen[n] for n in range(8)], [{ST_UNKNOWN}] * 4 + [{ST_UNREACHABLE}] * 4)
        equal(len(fake.got), 4, "frames in flight")
        assert 1.3 < took < 5 * prototest.SLOW, took
        assert p.servers[0].logged("does not answer pushes in time")
    fake.close()


@prototest.without_server
def test_answer_in_time():
    """The reply comes within twice the time-out, also when nothing else happens at the source."""
    fake = FakeTarget(lambda fake, link: fake.done.wait(30))
    with Pair(threads=1) as p:
        p.source.store(1, [(i, content(i)) for i in range(5)])
        best = [9, 9]
        for _ in range(4):
            start = time.monotonic()
            for n in range(5):
                p.source.send(push_frame(1, [(n, 1)], fake.at, 1, TOKEN, 100, tag=n))
            for _ in range(5):
                reply = p.source.recv()
                last = reply.tag == 4
                equal(page_statuses(reply), [ST_UNREACHABLE if last else ST_UNKNOWN])
                best[last] = min(best[last], time.monotonic() - start)
            time.sleep(1.1)
        assert max(best) < 0.2 * prototest.SLOW, best
    fake.close()


@prototest.without_server
def test_push_behind_much_output():
    """An order that waited in the input until the replies before it were taken is carried out at once."""
    with Pair(threads=1) as p:
        p.source.store(1, [(i, content(i)) for i in range(160)])
        best = 9
        for _ in range(10):
            start = time.monotonic()
            p.source.send(load_frame(1, range(160), tag=1).pack() +
                          push_frame(1, [(0, 1)], p.target_at, 1, TOKEN, tag=2).pack())
            equal([p.source.recv().tag for _ in range(2)], [1, 2])
            best = min(best, time.monotonic() - start)
        assert best < 0.2 * prototest.SLOW, best


@prototest.without_server
def test_impatient_client():
    """Whose time-out is too short for a target fails alone; others push there meanwhile."""
    def slow(fake, link):
        while True:
            request = link.recv()
            time.sleep(0.5)
            answer(link, request)

    fake = FakeTarget(slow)
    with Pair(threads=1) as p:
        p.source.store(1, [(i, content(i)) for i in range(4)])
        other = p.client(p.servers[0])
        for n in range(3):
            other.send(push_frame(1, [(n, 1)], fake.at, 1, TOKEN, 20000, tag=n))
            equal(p.push([(3, 1)], target=fake.at, timeout_ms=100)[1],
                  [ST_UNKNOWN if not n else ST_UNREACHABLE])
        for _ in range(3):
            equal(other.recv().status, ST_OK)
    fake.close()


@prototest.without_server
def test_client_with_many_pushes():
    """Another one's single push to the same target does not wait behind them."""
    turn = threading.Event()

    def busy_for_the_first(fake, link):
        fake.got.append(link)
        while True:
            request = link.recv()
            if link is fake.got[0]:
                turn.wait(20)
            answer(link, request)

    fake = FakeTarget(busy_for_the_first)
    with Pair(threads=1) as p:
        p.source.store(1, [(i, content(i)) for i in range(256)])
        greedy = p.client(p.servers[0])
        for n in range(40):
            greedy.send(push_frame(1, [(0, 256)], fake.at, 1, TOKEN, 20000, tag=n))
        assert wait_for(lambda: fake.got)
        equal(p.push([(7, 1)], target=fake.at, timeout_ms=20000), (ST_OK, []))
        turn.set()
        equal({greedy.recv().status for _ in range(40)}, {ST_OK})
    fake.close()


@prototest.without_server
def test_client_with_many_dead_targets():
    """It gets no more than its share of the links."""
    with Pair(threads=1) as p, socket.create_server(("127.0.0.1", 0), backlog=512) as deaf:
        p.source.store(1, [(1, content(1))])
        lanes = [p.client(p.servers[0]) for _ in range(2)]
        lanes[1] = Client(p.servers[0].address, client_id=lanes[0].client_id, lane=1, features=FEATURES)
        equal(lanes[1].open(1, A, SIZE, 3).status, ST_OK)
        for n in range(128):
            target = (struct.pack("<QQ", n, 1), deaf.getsockname())
            lanes[n % 2].send(push_frame(1, [(1, 1)], target, 1, TOKEN, 3000, tag=n))
        refused = 0
        for lane in lanes:
            lane.send(Frame(OP_STAT, 1000))
            while lane.recv().op != OP_STAT:
                refused += 1
        equal(refused, 64)
        equal(p.push([(1, 1)]), (ST_OK, []))


@prototest.without_server
def test_target_that_takes_nothing():
    """Its socket is full; the pushes end in time, and the source goes on."""
    fake = FakeTarget(lambda fake, link: fake.done.wait(30))
    with Pair(threads=1) as p:
        p.source.store(1, [(i, content(i)) for i in range(256)])
        for n in range(64):
            p.source.send(push_frame(1, [(0, 256)], fake.at, 1, TOKEN, 1000, tag=n))
        p.source.send(push_frame(1, [(0, 256)], fake.at, 1, TOKEN, 1000, tag=64))
        p.source.send(load_frame(1, [5], tag=65))
        replies = [p.source.recv() for _ in range(2)]
        equal([(r.tag, r.status) for r in replies], [(64, ST_LIMIT), (65, ST_OK)])
        statuses = {p.source.recv().tag for _ in range(64)}
        equal(statuses, set(range(64)))
        equal(p.push([(5, 1)]), (ST_OK, []))
    fake.close()


@prototest.without_server
def test_target_that_dies_in_between():
    """What was sent is unknown; a new connection is made for later pushes."""
    def one_then_die(fake, link):
        fake.got.append(link.recv())
        if len(fake.got) == 1:
            link.sock.close()
            return
        while True:
            answer(link, fake.got[-1])
            fake.got.append(link.recv())

    fake = FakeTarget(one_then_die)
    with Pair(threads=1) as p:
        p.source.store(1, [(1, content(1)), (2, content(2))])
        equal(p.push([(1, 2)], target=fake.at), (ST_PARTIAL, [ST_UNKNOWN, ST_UNKNOWN]))
        assert wait_for(lambda: p.push([(1, 2)], target=fake.at) == (ST_OK, []))
    fake.close()


@prototest.without_server
def test_target_that_breaks_the_protocol():
    """Answers for other pages, to no question, with impossible statuses: unknown, and closed."""
    def wrong(make):
        def then(fake, link):
            request = link.recv()
            fake.got.append(request)
            link.send(make(request))
            fake.got.append(link.is_closed(10))
        return then

    def reply(r, **kw):
        kw = {"op": OP_DELIVER, "tag": r.tag, "flags": F_REPLY, **kw}
        return Frame(**kw)

    desc = PAGE_DESC.pack
    cases = [lambda r: reply(r, tag=r.tag + 1), lambda r: reply(r, op=OP_STORE), lambda r: reply(r, flags=0, meta=bytes(48)),
             lambda r: reply(r, status=ST_PARTIAL, count=1, meta=desc(1, 0, 0, 0)),
             lambda r: reply(r, status=ST_PARTIAL, count=2, meta=desc(1, 0, 0, 0) + desc(3, 0, 0, 0)),
             lambda r: reply(r, status=ST_PARTIAL, count=2, meta=desc(1, 0, 0, 0) + desc(2, 0, 0, ST_SIZE)),
             lambda r: reply(r).pack(crc=1), lambda r: reply(r).pack(status=99)]
    with Pair(threads=1) as p:
        p.source.store(1, [(1, content(1)), (2, content(2))])
        for number, make in enumerate(cases):
            fake = FakeTarget(wrong(make))
            equal(p.push([(1, 2)], target=fake.at), (ST_PARTIAL, [ST_UNKNOWN, ST_UNKNOWN]), f"case {number}")
            assert wait_for(lambda f=fake: len(f.got) == 2) and fake.got[1], f"case {number}: not closed"
            fake.close()
        for status, want in ((ST_BAD_REQUEST, ST_UNKNOWN), (ST_STALE_EPOCH, ST_NO_DRAIN), (ST_NO_SPACE, ST_NO_SPACE),
                             (ST_NO_SUCH_SPACE, ST_NO_DRAIN)):
            fake = FakeTarget(lambda fake, link, s=status: answer(link, link.recv(), s) or fake.done.wait(5))
            equal(p.push([(1, 2)], target=fake.at), (ST_PARTIAL, [want, want]))
            fake.close()


@prototest.without_server
def test_target_without_the_feature():
    fake = FakeTarget(lambda fake, link: fake.got.append(link.is_closed(10)), features=FEAT_PAGE_CRC | FEAT_LIST)
    with Pair() as p:
        p.source.store(1, [(1, content(1))])
        equal(p.push([(1, 1)], target=fake.at), (ST_PARTIAL, [ST_UNREACHABLE]))
        assert wait_for(lambda: fake.got == [True])
    fake.close()


@prototest.without_server
def test_restarted_target():
    """It is another server then; what was not answered is unknown, the rest was not sent."""
    with Pair() as p:
        p.source.store(1, [(1, content(1)), (2, content(2))])
        equal(p.push([(1, 1)]), (ST_OK, []))
        p.servers[1].process.kill()
        p.servers[1].process.wait()
        host, port = p.servers[1].address
        assert wait_for(lambda: p.push([(2, 1)])[1] == [ST_UNREACHABLE])
        p.servers[1] = prototest.Server("64M", 2, "--listen", f"{host}:{port}")
        time.sleep(1.2)
        equal(p.push([(2, 1)]), (ST_PARTIAL, [ST_UNREACHABLE]))
        target = Client((host, port), features=FEATURES)
        equal(target.open(1, A, SIZE, 3).opened, OPENED_CREATED)
        equal(target.drain(1, TOKEN, 1), ST_OK)
        equal(p.push([(1, 2)], target=(target.server_id, (host, port))), (ST_OK, []))


@prototest.without_server
def test_order_of_a_client_that_left():
    """Its pushes do no harm, and a lane that was fenced orders nothing more."""
    fake = FakeTarget(lambda fake, link: [fake.got.append(link.recv()) for _ in range(99)])
    with Pair(threads=1) as p:
        p.source.store(1, [(i, content(i)) for i in range(256)])
        lane = Client(p.servers[0].address, features=FEATURES)
        lane.open(1, A, SIZE, 3)
        for n in range(20):
            lane.send(push_frame(1, [(n, 1)], fake.at, 1, TOKEN, 1000, tag=n))
        assert wait_for(lambda: len(fake.got) == 4)
        again = Client(p.servers[0].address, client_id=lane.client_id, generation=2, features=FEATURES)
        equal(again.open(1, A, SIZE, 3).status, ST_OK)
        equal(again.push(1, [(0, 8)], p.target_at, 1, TOKEN), (ST_OK, []))
        time.sleep(1.5)
        equal(len(fake.got), 4)
        equal(p.source.drop(A, 1)[0], ST_OK)
        equal(p.source.stat()[1]["used"], 0)
    fake.close()


def stats_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return "127.0.0.1:%u" % s.getsockname()[1]


@prototest.without_server
def test_targets_are_no_slow_clients():
    """In log and counters: one that takes no pages, and one that does not answer HELLO."""
    stats = stats_address()
    server = prototest.Server("64M", 1, "--stats", stats, "--stall-timeout", "1")
    fake = FakeTarget(lambda fake, link: fake.done.wait(30))
    try:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            c = Client(server.address, features=FEATURES)
            c.open(1, A, SIZE, 3)
            for n in range(4):
                c.store(1, [(i, content(i)) for i in range(n * 256, n * 256 + 256)])
            nobody = (os.urandom(16), deaf.getsockname())
            c.send(push_frame(1, [(0, 1)], nobody, 1, TOKEN, 20000, tag=9))
            for n in range(4):
                for _ in range(4):
                    c.send(push_frame(1, [(n * 256, 256)], fake.at, 1, TOKEN, 20000, tag=n))
            assert server.logged("push target at %s:%u: took none of its pages for 1 s; closed" % fake.at[1], 10)
            assert server.logged("push target at %s:%u: no answer to HELLO within 10 s; closed" % nobody[1], 20)
            equal(prototest.metrics(stats)["smemv_connections_slow_total"], 0)
            equal(prototest.metrics(stats)["smemv_hello_timeouts_total"], 0)
        prototest.check_clean(server, server.stop())
    finally:
        server.process.kill()
        fake.close()


@prototest.without_server
def test_pages_pushed_for_a_client_that_left_are_counted():
    went = threading.Event()

    def late(fake, link):
        request = link.recv()
        fake.got.append(request)
        went.wait(20)
        answer(link, request, ST_PARTIAL, [ST_OK, ST_HELD])

    stats = stats_address()
    server, fake = prototest.Server("64M", 1, "--stats", stats), FakeTarget(late)
    try:
        c = Client(server.address, features=FEATURES)
        c.open(1, A, SIZE, 3)
        c.store(1, [(i, content(i)) for i in range(2)])
        c.send(push_frame(1, [(0, 2)], fake.at, 1, TOKEN, 20000))
        assert wait_for(lambda: fake.got)
        c.close()
        assert wait_for(lambda: prototest.metrics(stats)["smemv_connections"] == 0)
        went.set()
        assert wait_for(lambda: prototest.metrics(stats)["smemv_pages_pushed_total"] == 1)
        prototest.check_clean(server, server.stop())
    finally:
        server.process.kill()
        fake.close()


if __name__ == "__main__":
    prototest.main(sys.modules[__name__])
