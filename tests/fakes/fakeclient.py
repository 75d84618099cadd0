#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A client that does everything wrong to a real memory server.

usage: fakeclient.py ADDR:PORT UUID [SEED]

UUID is a space that a good client owns; it is what the bad one tries to get at. One line for each case:
"ok" or "not ok", a tab, what was tried, a tab, why it failed. After each case a well-behaved client must
be served.
"""
import os
import random
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "proto"))
sys.dont_write_bytecode = True
import smemvwire as wire  # noqa: E402

MINE = b"fake client's sp"
HEADER_EDITS = {
    "magic": {"magic": 0x12345678}, "version": {"version": 77}, "opcode 0": {"op": 0},
    "opcode 13": {"op": 13}, "opcode 255": {"op": 255}, "reply flag": {"flags": wire.F_REPLY},
    "unknown flag": {"flags": 0x8000}, "MORE": {"flags": wire.F_MORE}, "FORCE": {"flags": wire.F_FORCE},
    "status": {"status": 5}, "reserved": {"reserved": 9}, "free_pages": {"free_pages": 1},
    "header CRC": {"crc": 0xdeadbeef}, "count 0": {"count": 0}, "count 257": {"count": 257},
    "count 65535": {"count": 65535}, "payload 0": {"payload_len": 0},
    "payload -1": {"payload_len": 0xffffffff}, "payload 1 MiB": {"payload_len": 1 << 20},
    "payload above the limit": {"payload_len": 1052801},
}
CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


class Bad:
    """Means for the cases."""

    def __init__(self, address, owned, seed):
        self.address, self.owned = address, owned
        self.random = random.Random(seed)
        self.open_ends = []

    def raw(self):
        connection = wire.Connection(self.address, timeout=30)
        self.open_ends.append(connection)
        return connection

    def client(self, handle=1, **options):
        client = wire.Client(self.address, timeout=30, **options)
        self.open_ends.append(client)
        if handle:
            expect(client.open(handle, MINE, 1 << 20).status, wire.ST_OK)
        return client

    def refused(self, data, connection):
        """The bytes end the connection, at most after BAD_REQUEST."""
        try:
            connection.send(data)
            reply = connection.recv()
            expect(reply.status, wire.ST_BAD_REQUEST)
        except (wire.Closed, BrokenPipeError, ConnectionResetError):
            return
        if not connection.is_closed(20):
            raise AssertionError("the server did not close")

    def pages(self, n=4, first=0):
        return [(first + i, self.random.randbytes(wire.PAGE)) for i in range(n)]

    def requests(self):
        """One good frame of each kind."""
        yield wire.store_frame(1, self.pages(), tag=900)
        yield wire.load_frame(1, [0, 1, 2], tag=901)
        yield wire.invalidate_frame(1, [(0, 1), (5, 3)], tag=902)
        yield wire.list_frame(1, tag=903)
        yield wire.Frame(wire.OP_STAT, 904, space=1)
        yield wire.drop_frame(MINE, 1, tag=905)
        yield wire.open_frame(2, MINE, 1 << 20, tag=906)

    def close_all(self):
        for connection in self.open_ends:
            connection.close()
        self.open_ends.clear()


def expect(got, wanted):
    if got != wanted:
        raise AssertionError(f"got {got}, wanted {wanted}")


@case
def wrong_headers(bad):
    """each header field wrong, in each kind of request"""
    for frame in list(bad.requests()):
        for edit in HEADER_EDITS.values():
            if all(getattr(frame, k, None) == v for k, v in edit.items()):
                continue
            if edit == {"flags": wire.F_FORCE} and frame.op == wire.OP_DROP:
                continue
            # Complete as far as the header says, so that the server is not left waiting for more.
            client = bad.client()
            client.send(frame.pack(**edit))
            client.sock.shutdown(socket.SHUT_WR)
            if not client.is_closed(20):
                raise AssertionError(f"not closed after {edit} in {wire.OPS[frame.op - 1]}")
            client.close()


@case
def wrong_hello(bad):
    """each header field wrong in HELLO"""
    for edit in HEADER_EDITS.values():
        if edit == {"count": 0}:
            continue
        connection = bad.raw()
        connection.send(wire.hello_frame(os.urandom(16), 1).pack(**edit))
        connection.sock.shutdown(socket.SHUT_WR)
        if not connection.is_closed(20):
            raise AssertionError(f"not closed after {edit}")


@case
def before_hello(bad):
    """every other request before HELLO"""
    for frame in bad.requests():
        bad.refused(frame, bad.raw())


@case
def second_hello(bad):
    """a second HELLO"""
    bad.refused(wire.hello_frame(os.urandom(16), 2), bad.client())


@case
def truncated(bad):
    """frames cut anywhere, then the end"""
    for frame in list(bad.requests()):
        whole = frame.pack()
        for cut in {1, 39, 40, 41, len(whole) - 1, bad.random.randrange(1, len(whole))}:
            if cut < len(whole):
                client = bad.client()
                client.send(whole[:cut])
                client.close()


@case
def left_half(bad):
    """half frames on connections that stay open"""
    for frame in list(bad.requests())[:4]:
        client = bad.client()
        client.send(frame.pack()[:-1])
    for _ in range(8):
        bad.raw().send(b"S")
    for _ in range(8):
        bad.raw()


@case
def garbage(bad):
    """random bytes"""
    for size in (1, 40, 100, 5000, 200000):
        connection = bad.raw()
        try:
            connection.send(bad.random.randbytes(size))
        except OSError:
            pass
        connection.close()
    client = bad.client()
    bad.refused(bad.random.randbytes(4096), client)


@case
def flipped_bits(bad):
    """good frames with one bit changed"""
    frames = [f.pack() for f in bad.requests()]
    for _ in range(60):
        frame = bytearray(bad.random.choice(frames))
        frame[bad.random.randrange(min(len(frame), 120))] ^= 1 << bad.random.randrange(8)
        client = bad.client()
        try:
            client.send(bytes(frame))
            client.sock.shutdown(socket.SHUT_WR)
            client.is_closed(20)
        except OSError:
            pass
        client.close()


@case
def damaged_pages(bad):
    """stored pages that do not fit their CRC"""
    client = bad.client()
    frame = wire.store_frame(1, bad.pages(8), tag=7)
    frame.data = frame.data[::-1]
    client.send(frame)
    reply = client.recv()
    expect(reply.status, wire.ST_PARTIAL)
    expect({status for _, status in wire.parse_statuses(reply)}, {wire.ST_BAD_CRC})


@case
def duplicates(bad):
    """the same tag and the same frame many times"""
    client = bad.client()
    frame = wire.store_frame(1, bad.pages(2), tag=5).pack()
    client.send(frame * 50)
    for _ in range(50):
        expect(client.recv().status, wire.ST_OK)


@case
def unopened(bad):
    """handles that are not open, out of range, or opened twice"""
    client = bad.client()
    for handle in (2, 1000, 0xffffffff):
        expect(client.load(handle, [0])[0], wire.ST_NO_SUCH_SPACE)
        expect(client.store(handle, bad.pages(1)).status, wire.ST_NO_SUCH_SPACE)
        expect(client.invalidate(handle, [(0, 1)])[0], wire.ST_NO_SUCH_SPACE)
    expect(client.open(0xffffffff, MINE, 1 << 20).status, wire.ST_LIMIT)
    expect(client.open(1, MINE, 1 << 20).status, wire.ST_OK)


@case
def out_of_range(bad):
    """pages and ranges beyond the space"""
    client = bad.client()
    expect(client.store(1, [((1 << 20), b"x" * wire.PAGE)]).status, wire.ST_LIMIT)
    expect(client.load(1, [(1 << 40) - 1])[0], wire.ST_LIMIT)
    expect(client.invalidate(1, [(0, 0xffffffff)])[0], wire.ST_LIMIT)
    for frame in (wire.load_frame(1, [1 << 40]), wire.load_frame(1, [(1 << 64) - 1]),
                  wire.invalidate_frame(1, [(0, 0)]), wire.invalidate_frame(1, [((1 << 40) - 1, 2)]),
                  wire.invalidate_frame(1, [((1 << 64) - 1, 1)])):
        bad.refused(frame, bad.client())


@case
def others_space(bad):
    """dropping the good client's space"""
    client = bad.client()
    expect(client.drop(bad.owned, 0, wire.F_FORCE)[0], wire.ST_BUSY)
    expect(client.drop(bad.owned)[0], wire.ST_NO_SUCH_SPACE)
    bad.refused(wire.drop_frame(bad.owned, 1, tag=3), client)
    client = bad.client(0)
    expect(client.open(3, bad.owned, 12345, epoch=1).status in (wire.ST_SIZE, wire.ST_STALE_EPOCH), True)


@case
def no_reader(bad):
    """many loads whose replies nobody reads"""
    client = bad.client(rcvbuf=4096)
    client.store(1, bad.pages(64))
    frame = wire.load_frame(1, list(range(64)), tag=1).pack()
    client.sock.settimeout(2)
    try:
        for _ in range(400):
            client.send(frame)
    except socket.timeout:
        pass


@case
def flood(bad):
    """as many requests as it takes, and then the end without a word"""
    client = bad.client()
    stats = b"".join(wire.Frame(wire.OP_STAT, t).pack() for t in range(5000))
    client.send(stats)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@case
def many_connections(bad):
    """a hundred connections at once, half of them silent"""
    for number in range(100):
        connection = bad.raw()
        if number % 2:
            connection.send(wire.hello_frame(os.urandom(16), 1))


@case
def many_generations(bad):
    """one lane over and over, forwards and backwards"""
    me = os.urandom(16)
    for generation in range(1, 30):
        bad.client(client_id=me, generation=generation)
    expect(bad.client(0, client_id=me, generation=3).hello.status, wire.ST_FENCED)
    for lane in (64, 0xffffffff):
        expect(bad.client(0, client_id=me, generation=99, lane=lane).hello.status, wire.ST_LIMIT)


@case
def impossible_hello(bad):
    """versions, features and limits that nobody has"""
    expect(bad.client(0, required=1 << 60).hello.status, wire.ST_FEATURES)
    connection = bad.raw()
    connection.send(wire.hello_frame(os.urandom(16), 1, max_pages=0))
    reply = connection.recv()
    expect(reply.status, wire.ST_BAD_REQUEST)
    connection = bad.raw()
    connection.send(wire.hello_frame(os.urandom(16), 1).pack(version=9))
    expect(connection.recv().status, wire.ST_VERSION)


def good_client_is_served(bad):
    client = wire.Client(bad.address, timeout=60)
    try:
        expect(client.open(1, b"a good client's ", 1 << 10).status, wire.ST_OK)
        pages = bad.pages(4)
        expect(client.store(1, pages).status, wire.ST_OK)
        status, loaded = client.load(1, [index for index, _ in pages])
        expect((status, [p.content for p in loaded]), (wire.ST_OK, [data for _, data in pages]))
    finally:
        client.close()


def attempt(bad, what, function):
    problem = ""
    try:
        try:
            function(bad)
        finally:
            # While what it left is still open.
            good_client_is_served(bad)
    except (AssertionError, wire.Closed, OSError) as error:
        problem = f"{type(error).__name__}: {error}"
    bad.close_all()
    print(f"{'not ok' if problem else 'ok'}\t{what}\t{problem}", flush=True)


def main():
    host, _, port = sys.argv[1].rpartition(":")
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    print(f"seed {seed}")
    bad = Bad((host, int(port)), bytes.fromhex(sys.argv[2].replace("-", "")), seed)
    for what, function in CASES:
        attempt(bad, what, function)
    good = wire.Client(bad.address)
    for uuid in (MINE, b"a good client's "):
        good.drop(uuid, 0, wire.F_FORCE)
    print("done", flush=True)


main()
