#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A bad client does everything wrong while a good one works and sees nothing."""
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

A, BAD = b"A" * 16, b"X" * 16


class GoodClient(threading.Thread):
    """Stores, loads and invalidates on every loop of the server and checks all of it."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.clients = [Client(server.address, name=b"good") for _ in range(2)]
        for lane, client in enumerate(self.clients):
            equal(client.open(1, A[:15] + bytes([lane])).status, ST_OK)
        self.rounds, self.error = 0, None
        self.stopping = threading.Event()

    def one_round(self, salt):
        for client in self.clients:
            pages = [(i, content(i, salt)) for i in range(40)]
            equal(client.store(1, pages).status, ST_OK)
            equal([p.content for p in client.load(1, [i for i, _ in pages])[1]],
                  [d for _, d in pages])
            equal(client.invalidate(1, [(0, 20)]), (ST_OK, 20))
            equal(client.list(1), [(20, 20, 0)])

    def run(self):
        try:
            while not self.stopping.is_set():
                self.one_round(self.rounds)
                self.rounds += 1
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        rounds = self.rounds
        prototest.wait_for(lambda: self.rounds >= rounds + 2 or self.error)
        self.stopping.set()
        self.join(20 * prototest.SLOW)
        if self.error:
            raise AssertionError(f"the good client noticed: {self.error!r}")
        assert self.rounds >= 2, "the good client did not get on"


def bad_client(server, handle=1):
    c = Client(server.address, name=b"bad\x07one")
    if handle:
        equal(c.open(handle, BAD, 1 << 20).status, ST_OK)
    return c


def expect_bad_request(server, data, tag=77, reply=True, client=None):
    """These bytes are answered BAD_REQUEST with their tag (or nothing), then the end."""
    c = client or bad_client(server)
    c.send(data)
    if reply:
        got = c.recv()
        equal((got.status, got.tag, got.count, got.meta), (ST_BAD_REQUEST, tag, 0, b""))
    assert c.is_closed(), "the server did not close"
    c.close()


def frame_of_each_op():
    page = page_desc(1, content(1))
    return [hello_frame(os.urandom(16), 1), open_frame(2, BAD, 100), store_frame(1, [(1, content(1))]),
            load_frame(1, [1, 2]), invalidate_frame(1, [(1, 2)]), drop_frame(BAD, 1), Frame(OP_STAT),
            list_frame(1), Frame(OP_SPACES, meta=bytes(16)),
            Frame(OP_PUSH, space=1, count=1, meta=bytes(64) + RANGE.pack(1, 1, 0)),
            Frame(OP_CLAIM, meta=bytes(40)), Frame(OP_ACTIVATE, meta=bytes(40)),
            Frame(OP_DRAIN, space=1, meta=bytes(32)), deliver_frame(BAD, bytes(16), 1, 1, [(1, content(1))]),
            Frame(OP_STORE, space=1, count=1, meta=page, data=content(1))]


def test_broken_header_fields(server):
    with GoodClient(server):
        expect_bad_request(server, Frame(OP_STAT, 77).pack(magic=0x12345678), reply=False)
        expect_bad_request(server, Frame(OP_STAT, 77).pack(version=2), reply=False)
        for frame in frame_of_each_op():
            frame.tag = 77
            for wrong in ({"flags": F_REPLY}, {"flags": F_MORE}, {"flags": 8}, {"flags": 0x8000},
                          {"status": 1}, {"status": 999}, {"free_pages": 1}, {"reserved": 1},
                          {"crc": 0x12345678}, {"payload_len": 1}, {"payload_len": 0xffffffff},
                          {"payload_len": (1 << 20) + 8192}, {"count": 257}, {"count": 0xffff}):
                expect_bad_request(server, frame.pack(**wrong))


def test_unknown_opcodes(server):
    with GoodClient(server):
        for op in (0, 15, 16, 100, 255):
            expect_bad_request(server, Frame(OP_STAT, 77).pack(op=op))


def test_force_belongs_to_drop(server):
    with GoodClient(server):
        for frame in frame_of_each_op():
            if frame.op != OP_DROP:
                frame.tag = 77
                expect_bad_request(server, frame.pack(flags=F_FORCE))


def test_counts_and_lengths_that_disagree(server):
    with GoodClient(server):
        meta = page_desc(1, content(1))
        for frame in (Frame(OP_STORE, 77, space=1, count=1, meta=meta, data=content(1) * 2),
                      Frame(OP_STORE, 77, space=1, count=1, meta=meta, data=content(1)[:100]),
                      Frame(OP_STORE, 77, space=1, count=1, meta=meta),
                      Frame(OP_STORE, 77, space=1, count=2, meta=meta, data=content(1)),
                      Frame(OP_STORE, 77, space=1, count=2, meta=meta * 2, data=content(1)),
                      Frame(OP_STORE, 77, space=1, count=1, meta=page_desc(1, ZERO_PAGE), data=content(1)),
                      Frame(OP_LOAD, 77, space=1, count=1, meta=page_desc(1), data=content(1)),
                      Frame(OP_STAT, 77, count=1, meta=bytes(16)),
                      Frame(OP_STAT, 77, meta=bytes(16)),
                      Frame(OP_DROP, 77, space=1, meta=bytes(15)),
                      Frame(OP_OPEN, 77, space=1, meta=bytes(39))):
            expect_bad_request(server, frame.pack())


def test_bad_descriptors(server):
    with GoodClient(server):
        for desc in (PAGE_DESC.pack(1 << 40, 0, 1, 0), PAGE_DESC.pack((1 << 64) - 1, 0, 1, 0),
                     PAGE_DESC.pack(1, 0, 2, 0), PAGE_DESC.pack(1, 0, 0x8001, 0),
                     PAGE_DESC.pack(1, 0, 1, 1), PAGE_DESC.pack(1, 0, 1, 99)):
            expect_bad_request(server, Frame(OP_STORE, 77, space=1, count=1, meta=desc).pack())
        for desc in (PAGE_DESC.pack(1, 0, 1, 0), PAGE_DESC.pack(1, 0, 0, 1)):
            expect_bad_request(server, Frame(OP_LOAD, 77, space=1, count=1, meta=desc).pack())
        for desc in (RANGE.pack(1, 0, 0), RANGE.pack(1 << 40, 1, 0), RANGE.pack((1 << 40) - 1, 2, 0),
                     RANGE.pack((1 << 64) - 1, 0xffffffff, 0), RANGE.pack(1, 1, 1), RANGE.pack(1, 1, 2)):
            expect_bad_request(server, Frame(OP_INVALIDATE, 77, space=1, count=1, meta=desc).pack())


def test_nothing_of_a_malformed_frame_is_applied(server):
    c = bad_client(server)
    pages = [(i, content(i)) for i in range(10)]
    frame = store_frame(1, pages, tag=77)
    frame.meta = frame.meta[:-16] + PAGE_DESC.pack(9, 0, 2, 0)
    expect_bad_request(server, frame.pack(), client=c)
    c = bad_client(server)
    equal([p.status for p in c.load(1, range(10))[1]], [ST_MISSING] * 10)


def test_requests_before_a_malformed_one_stay_applied(server):
    c = bad_client(server)
    c.send(store_frame(1, [(5, content(5))], tag=1).pack() + Frame(OP_STAT, 77).pack(reserved=1) +
           store_frame(1, [(6, content(6))], tag=3).pack())
    equal((c.recv().status, c.recv().status), (ST_OK, ST_BAD_REQUEST))
    assert c.is_closed()
    c = bad_client(server)
    equal([p.status for p in c.load(1, [5, 6])[1]], [ST_OK, ST_MISSING])


def test_out_of_place(server):
    with GoodClient(server):
        expect_bad_request(server, hello_frame(os.urandom(16), 1, tag=77))
        for frame in frame_of_each_op()[1:]:
            frame.tag = 77
            expect_bad_request(server, frame, client=Connection(server.address))
        expect_bad_request(server, hello_frame(os.urandom(16), 1, max_pages=0, tag=77),
                           client=Connection(server.address))
        expect_bad_request(server, open_frame(2, BAD, 100, epoch=0, tag=77))
        expect_bad_request(server, open_frame(2, BAD, 100, flags=2, tag=77))
        expect_bad_request(server, drop_frame(b"other uuid......", 1, tag=77))


def test_lane_out_of_range(server):
    c = Connection(server.address)
    equal(c.ask(hello_frame(os.urandom(16), 1, lane=64)).status, ST_LIMIT)
    equal(c.ask(hello_frame(os.urandom(16), 1, lane=63)).status, ST_OK)


def test_hellos_without_end(server):
    """Who never reads what is answered is asked for no more, also before it has said who it is."""
    c = Connection(server.address, rcvbuf=4096)
    c.sock.settimeout(1)
    hellos = hello_frame(os.urandom(16), 1, lane=64).pack() * 1000
    sent = 0
    try:
        while sent < 64 << 20:
            sent += c.sock.send(hellos[sent % len(hellos):])
    except TimeoutError:
        pass
    assert sent < 32 << 20, f"{sent >> 20} MiB were taken"


def test_not_smemv_at_all(server):
    with GoodClient(server):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10, b"\x16\x03\x01" + os.urandom(200),
                     bytes(100), b"\xff" * 5000):
            expect_bad_request(server, data, reply=False, client=Connection(server.address))
    assert server.logged("not an S-memV frame")


def test_frames_cut_at_every_length(server):
    with GoodClient(server):
        frame = store_frame(1, [(1, content(1)), (2, ZERO_PAGE)]).pack()
        for length in [*range(1, 80), 100, 4000, len(frame) - 1]:
            c = bad_client(server)
            c.send(frame[:length])
            c.close()


def test_frames_in_pieces(server):
    c = bad_client(server)
    with GoodClient(server):
        for size in (1, 7, 39, 41, 1000, 4095, 4097):
            data = store_frame(1, [(1, content(1, size)), (2, ZERO_PAGE), (3, content(3, size))], tag=size).pack()
            data += load_frame(1, [1, 2, 3], tag=size + 1).pack()
            for at in range(0, len(data), size):
                c.send(data[at:at + size])
                if at < 400:
                    time.sleep(0.0005)
            equal(c.recv().status, ST_OK)
            equal([p.content for p in parse_load(c.recv())],
                  [content(1, size), ZERO_PAGE, content(3, size)])


def test_random_bytes_after_hello(server):
    rng = random.Random(1)
    with GoodClient(server):
        for _ in range(100):
            c = bad_client(server)
            try:
                c.send(rng.randbytes(rng.randrange(1, 20000)))
                c.is_closed(0.01)
            except OSError:
                pass
            c.close()


def test_random_damage_to_good_frames(server):
    """Each single damaged byte outside of page data is found."""
    rng = random.Random(2)
    with GoodClient(server):
        for _ in range(300):
            frame = rng.choice(frame_of_each_op()[1:])
            data = bytearray(frame.pack())
            # payload_len apart: the server would wait for the rest, as it should
            at = rng.choice([i for i in range(HEADER.size + len(frame.meta)) if not 24 <= i < 28])
            data[at] ^= 1 << rng.randrange(8)
            c = bad_client(server)
            c.send(bytes(data))
            c.sock.settimeout(3 * prototest.SLOW)
            try:
                equal(c.recv().status, ST_BAD_REQUEST, f"byte {at} of {OPS[frame.op - 1]}")
            except Closed:
                pass
            except TimeoutError:
                # a count that grew: more descriptors are awaited
                assert at in (22, 23), f"byte {at} of {OPS[frame.op - 1]} was accepted"
            c.close()


def test_duplicated_and_out_of_order_frames(server):
    c = bad_client(server)
    with GoodClient(server):
        store = store_frame(1, [(1, content(1))], tag=5).pack()
        c.send(store * 50 + load_frame(1, [1], tag=5).pack() * 50)
        for i in range(100):
            reply = c.recv()
            equal((reply.status, reply.tag, reply.op), (ST_OK, 5, OP_STORE if i < 50 else OP_LOAD))


def test_half_sent_frames_cost_nothing(server):
    idle = []
    with GoodClient(server):
        for i in range(200):
            c = bad_client(server)
            c.send(store_frame(1, [(1, content(1))]).pack()[:20 + i * 20])
            idle.append(c)
        time.sleep(0.5)


def test_client_that_reads_nothing(server):
    """It is paused, its memory bounded, and its replies are right once it reads."""
    c = bad_client(server)
    equal(c.store(1, [(i, content(i)) for i in range(256)]).status, ST_OK)
    request = load_frame(1, range(256)).pack()
    c.sock.settimeout(1)
    sent = 0
    with GoodClient(server):
        before = memory_of(server)
        try:
            for sent in range(10000):
                c.send(request)
            raise AssertionError("the server took 10000 requests without an end")
        except TimeoutError:
            pass
        grown = memory_of(server) - before
        assert grown < 20 << 20, f"the server's memory grew by {grown >> 20} MiB"
        c.sock.settimeout(20)
        for _ in range(sent):
            for page in parse_load(c.recv()):
                equal(page.content, content(page.index))


def memory_of(server):
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * 4096


@with_server("64M", 2, "--max-connections", "20")
def test_connections_above_the_limit(server):
    with GoodClient(server):
        taken = [Client(server.address) for _ in range(18)]
        c = Connection(server.address)
        assert c.is_closed(), "one connection more was accepted"
        taken.pop().close()
        assert prototest.wait_for(lambda: can_connect(server)), "a place became free"
    assert server.logged("--max-connections")


@with_server("64M", 1, "--max-connections", "20")
def test_silent_connections_take_no_place(server):
    """As many as are allowed, on which nobody speaks, keep no client out, and end for it."""
    with GoodClient(server):
        silent = [Connection(server.address) for _ in range(10)]
        time.sleep(1.1)
        silent += [Connection(server.address) for _ in range(10)]
        assert server.logged("no HELLO yet, and there are 20 connections (--max-connections); closed")
        clients = [Client(server.address) for _ in range(10)]
        for n, c in enumerate(clients):
            equal(c.open(1, bytes([n + 1]) * 16).status, ST_OK)
        assert silent[0].is_closed(2), "the oldest is still there"
        assert not silent[-1].is_closed(0.1), "the newest was closed"


def can_connect(server):
    try:
        Client(server.address).close()
        return True
    except (Closed, OSError):
        return False


def test_no_hello_in_time(server):
    """A connection without HELLO ends after 10 s; one in the middle of HELLO too."""
    silent, half = Connection(server.address), Connection(server.address)
    half.send(hello_frame(os.urandom(16), 1).pack()[:60])
    start = time.monotonic()
    with GoodClient(server):
        assert silent.is_closed(15) and half.is_closed(15)
    assert 8 < time.monotonic() - start < 14, "not after 10 s"


def test_versions_and_features_are_explained(server):
    c = Connection(server.address)
    c.send(hello_frame(os.urandom(16), 1, name=b"new").pack(version=9))
    reply = c.recv()
    fields = HELLO_REPLY.unpack(reply.meta)
    equal((reply.status, fields[2], fields[3]), (ST_VERSION, 1, 1))
    assert c.is_closed()
    assert server.logged("speaks protocol version 9, this server 1 to 1")
    c = Client(server.address, required=FEAT_LIST | 1 << 41 | 1 << 40, name=b"needy")
    equal((c.hello.status, c.granted), (ST_FEATURES, FEATURES))
    assert c.is_closed()
    assert server.logged("client needy") and server.logged("requires bit 40, bit 41")


def test_many_spaces_and_handles(server):
    c = Client(server.address)
    with GoodClient(server):
        for handle in range(1, 4096):
            equal(c.open(handle, struct.pack("<IIQ", 9, 9, handle)).status, ST_OK)
        equal(c.open(4096, BAD).status, ST_LIMIT)


if __name__ == "__main__":
    prototest.main(sys.modules[__name__])
