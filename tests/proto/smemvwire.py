# SPDX-License-Identifier: GPL-2.0-only
"""The S-memV wire protocol for tests: frames, a client, and means to break both.

Written from docs/wire.md, standard library only. CRC32C comes from libisal when
it is installed (it is, where the memory server was built), else from Python.
"""
import ctypes
import os
import socket
import struct

MAGIC = 0x31564d53
VERSION = 1
PAGE = 4096
RUN = 512
HEADER = struct.Struct("<IBBHQIHHIIII")
PAGE_DESC = struct.Struct("<QIHH")
RANGE = struct.Struct("<QII")
HELLO = struct.Struct("<16sQQQII32s")
HELLO_REPLY = struct.Struct("<16sQIIIIIIQ")
OPEN = struct.Struct("<16sQQII")
OPEN_REPLY = struct.Struct("<QQQII")
STAT_REPLY = struct.Struct("<QQQQQQ")
DRAIN = struct.Struct("<16sQII")
PUSH = struct.Struct("<16s16sQII16s")
DELIVER = struct.Struct("<16s16sQQ")
CLAIM = struct.Struct("<16sQQII")
CLAIM_REPLY = struct.Struct("<QII")
SPACE_ENTRY = struct.Struct("<16sQQQII")

OPS = ("HELLO", "OPEN", "STORE", "LOAD", "INVALIDATE", "DROP", "STAT", "LIST", "SPACES",
       "PUSH", "CLAIM", "ACTIVATE", "DRAIN", "DELIVER")
STATUSES = ("OK", "PARTIAL", "NO_SPACE", "MISSING", "BAD_CRC", "STALE_EPOCH", "NO_SUCH_SPACE",
            "NOT_SUPPORTED", "BAD_REQUEST", "LIMIT", "VERSION", "FEATURES", "FENCED", "STOPPING",
            "BUSY", "SIZE", "HELD", "NO_DRAIN", "UNREACHABLE", "UNKNOWN", "NOT_ACTIVE", "ACTIVE")
for number, name in enumerate(OPS, 1):
    globals()["OP_" + name] = number
for number, name in enumerate(STATUSES):
    globals()["ST_" + name] = number

F_REPLY, F_MORE, F_FORCE = 1, 2, 4
PAGE_ZERO = 1
FEAT_PAGE_CRC, FEAT_LIST, FEAT_PUSH, FEAT_CLAIM = 1, 2, 4, 8
FEATURES = FEAT_PAGE_CRC | FEAT_LIST | FEAT_PUSH | FEAT_CLAIM
OPEN_CREATE, OPEN_CLAIMED = 1, 2
OPENED_CREATED, OPENED_CLAIMED = 1, 2
DRAIN_OPEN, CLAIM_TAKE_BACK, CLAIM_ACTIVE = 1, 1, 1
ZERO_PAGE = bytes(PAGE)


def _make_crc32c():
    try:
        crc32_iscsi = ctypes.CDLL("libisal.so.2").crc32_iscsi
        crc32_iscsi.argtypes = (ctypes.c_char_p, ctypes.c_int, ctypes.c_uint)
        crc32_iscsi.restype = ctypes.c_uint
        return lambda data: crc32_iscsi(bytes(data), len(data), 0xffffffff) ^ 0xffffffff
    except OSError:
        pass
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
        table.append(byte)

    def crc32c(data):
        crc = 0xffffffff
        for byte in data:
            crc = table[(crc ^ byte) & 0xff] ^ crc >> 8
        return crc ^ 0xffffffff
    return crc32c


crc32c = _make_crc32c()
assert crc32c(b"123456789") == 0xe3069283


class Closed(Exception):
    """The peer closed the connection."""


class Frame:
    """A received or to be sent frame; meta is body and descriptors, data the pages."""

    def __init__(self, op, tag=0, flags=0, space=0, status=0, count=0, meta=b"", data=b"",
                 free_pages=0):
        self.op, self.tag, self.flags, self.space = op, tag, flags, space
        self.status, self.count, self.meta, self.data = status, count, meta, data
        self.free_pages = free_pages

    def pack(self, **wrong):
        """The bytes; keywords overwrite header fields, to make broken frames."""
        field = {"magic": MAGIC, "version": VERSION, "op": self.op, "flags": self.flags,
                 "tag": self.tag, "space": self.space, "status": self.status,
                 "count": self.count, "payload_len": len(self.meta) + len(self.data),
                 "free_pages": self.free_pages, "crc": None, "reserved": 0}
        field.update(wrong)
        order = ("magic", "version", "op", "flags", "tag", "space", "status", "count",
                 "payload_len", "free_pages", "crc", "reserved")
        if field["crc"] is None:
            field["crc"] = 0
            field["crc"] = crc32c(HEADER.pack(*(field[k] for k in order)) + self.meta)
        return HEADER.pack(*(field[k] for k in order)) + self.meta + self.data

    def status_name(self):
        return STATUSES[self.status]


def page_desc(index, data=None, crc=True):
    """data None: no data (LOAD); a zero page becomes a flag."""
    if data is None:
        return PAGE_DESC.pack(index, 0, 0, 0)
    if data == ZERO_PAGE:
        return PAGE_DESC.pack(index, 0, PAGE_ZERO, 0)
    return PAGE_DESC.pack(index, crc32c(data) if crc else 0, 0, 0)


def hello_frame(client_id, generation, lane=0, features=FEAT_PAGE_CRC | FEAT_LIST, required=0,
                max_pages=256, name=b"test", tag=1):
    return Frame(OP_HELLO, tag, meta=HELLO.pack(client_id, generation, features, required, lane,
                                                max_pages, name))


def open_frame(handle, uuid, size, epoch=1, flags=OPEN_CREATE, tag=1):
    return Frame(OP_OPEN, tag, space=handle, meta=OPEN.pack(uuid, size, epoch, flags, 0))


def store_frame(handle, pages, tag=1, crc=True):
    """pages: a list of (index, 4096 bytes)."""
    meta = b"".join(page_desc(i, d, crc) for i, d in pages)
    data = b"".join(d for _, d in pages if d != ZERO_PAGE)
    return Frame(OP_STORE, tag, space=handle, count=len(pages), meta=meta, data=data)


def load_frame(handle, indexes, tag=1):
    return Frame(OP_LOAD, tag, space=handle, count=len(indexes),
                 meta=b"".join(page_desc(i) for i in indexes))


def invalidate_frame(handle, ranges, tag=1):
    return Frame(OP_INVALIDATE, tag, space=handle, count=len(ranges),
                 meta=b"".join(RANGE.pack(f, n, 0) for f, n in ranges))


def list_frame(handle, first=0, tag=1):
    return Frame(OP_LIST, tag, space=handle, meta=struct.pack("<Q", first))


def drop_frame(uuid, handle=0, flags=0, tag=1):
    return Frame(OP_DROP, tag, flags=flags, space=handle, meta=uuid)


def drain_frame(handle, token, number, flags=DRAIN_OPEN, tag=1):
    return Frame(OP_DRAIN, tag, space=handle, meta=DRAIN.pack(token, number, flags, 0))


def mapped_address(host):
    """16 bytes: IPv6, or IPv4-mapped."""
    if ":" in host:
        return socket.inet_pton(socket.AF_INET6, host)
    return bytes(10) + b"\xff\xff" + socket.inet_aton(host)


def push_frame(handle, ranges, target, number, token, timeout_ms=0, tag=1):
    """target: (server_id, (host, port))."""
    target_id, (host, port) = target
    body = PUSH.pack(target_id, mapped_address(host), number, port, timeout_ms, token)
    return Frame(OP_PUSH, tag, space=handle, count=len(ranges),
                 meta=body + b"".join(RANGE.pack(f, n, 0) for f, n in ranges))


def deliver_frame(uuid, token, number, epoch, pages, tag=1):
    """pages: a list of (index, 4096 bytes)."""
    meta = DELIVER.pack(uuid, token, number, epoch)
    meta += b"".join(page_desc(i, d) for i, d in pages)
    data = b"".join(d for _, d in pages if d != ZERO_PAGE)
    return Frame(OP_DELIVER, tag, count=len(pages), meta=meta, data=data)


def claim_frame(op, uuid, epoch, own=0, flags=0, tag=1):
    return Frame(op, tag, meta=CLAIM.pack(uuid, epoch, own, flags, 0))


def body_len(op, status, flags):
    if not flags & F_REPLY:
        return {OP_HELLO: 80, OP_OPEN: 40, OP_DROP: 16, OP_LIST: 8, OP_SPACES: 16,
                OP_PUSH: 64, OP_CLAIM: 40, OP_ACTIVATE: 40, OP_DRAIN: 32,
                OP_DELIVER: 48}.get(op, 0)
    refused = status not in (ST_OK, ST_PARTIAL)
    if op == OP_HELLO and (not refused or status in (ST_VERSION, ST_FEATURES, ST_FENCED)):
        return 56
    if op == OP_OPEN and (not refused or status in (ST_STALE_EPOCH, ST_SIZE)):
        return 32
    if op in (OP_CLAIM, OP_ACTIVATE) and status in (ST_OK, ST_STALE_EPOCH, ST_NOT_ACTIVE, ST_ACTIVE):
        return 16
    if refused:
        return 0
    return {OP_INVALIDATE: 8, OP_DROP: 8, OP_STAT: 48}.get(op, 0)


class Connection:
    """A socket that carries frames."""

    def __init__(self, address, timeout=20, rcvbuf=None):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.connect(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tag = 0

    def next_tag(self):
        self.tag += 1
        return self.tag

    def send(self, frame):
        self.sock.sendall(frame.pack() if isinstance(frame, Frame) else frame)

    def recv_exactly(self, n):
        parts = []
        while n:
            try:
                part = self.sock.recv(min(n, 1 << 20))
            except ConnectionResetError:
                raise Closed("reset") from None
            if not part:
                raise Closed("closed")
            parts.append(part)
            n -= len(part)
        return b"".join(parts)

    def recv(self):
        """The next frame, checked as docs/wire.md says."""
        head = self.recv_exactly(HEADER.size)
        (magic, version, op, flags, tag, space, status, count, length, free_pages, crc,
         reserved) = HEADER.unpack(head)
        assert magic == MAGIC and version == VERSION and reserved == 0, head.hex()
        payload = self.recv_exactly(length)
        descs = count * (SPACE_ENTRY.size if op == OP_SPACES and flags & F_REPLY else 16)
        meta_len = body_len(op, status, flags) + descs
        meta, data = payload[:meta_len], payload[meta_len:]
        assert len(meta) == meta_len, "payload shorter than its meta"
        assert crc32c(head[:32] + bytes(4) + head[36:] + meta) == crc, "bad header crc"
        return Frame(op, tag, flags, space, status, count, meta, data, free_pages)

    def ask(self, frame):
        frame.tag = self.next_tag()
        self.send(frame)
        reply = self.recv()
        assert reply.tag == frame.tag, f"tag {reply.tag} instead of {frame.tag}"
        assert reply.op == frame.op and reply.flags & F_REPLY and reply.space == frame.space
        return reply

    def is_closed(self, timeout=5):
        """Whether the server closes within that time (what it still sends is skipped)."""
        self.sock.settimeout(timeout)
        try:
            while self.sock.recv(1 << 16):
                pass
            return True
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    def close(self):
        self.sock.close()


class Loaded:
    """One page of a LOAD reply: status, content (None when it has none), crc."""

    def __init__(self, index, status, content, crc):
        self.index, self.status, self.content, self.crc = index, status, content, crc


class Client(Connection):
    """A well-behaved client on one lane."""

    def __init__(self, address, client_id=None, generation=1, lane=0, features=3, required=0,
                 max_pages=256, name=b"test", **kw):
        super().__init__(address, **kw)
        self.client_id = client_id or os.urandom(16)
        self.generation, self.lane = generation, lane
        self.features = features
        self.hello = self.ask(hello_frame(self.client_id, generation, lane, features, required,
                                          max_pages, name))
        if self.hello.meta:
            (self.server_id, self.granted, self.version_min, self.version_max, self.max_pages,
             self.max_inflight, self.max_spaces, _,
             self.capacity) = HELLO_REPLY.unpack(self.hello.meta)

    def open(self, handle, uuid, size=1 << 20, epoch=1, flags=OPEN_CREATE):
        reply = self.ask(open_frame(handle, uuid, size, epoch, flags))
        if reply.meta:
            reply.size, reply.epoch, reply.pages, reply.opened, _ = OPEN_REPLY.unpack(reply.meta)
        return reply

    def store(self, handle, pages):
        return self.ask(store_frame(handle, pages, crc=self.features & FEAT_PAGE_CRC))

    def load(self, handle, indexes):
        """The status of the whole and a list of Loaded."""
        reply = self.ask(load_frame(handle, indexes))
        return reply.status, parse_load(reply)

    def invalidate(self, handle, ranges):
        reply = self.ask(invalidate_frame(handle, ranges))
        return reply.status, struct.unpack("<Q", reply.meta)[0] if reply.meta else None

    def drop(self, uuid, handle=0, flags=0):
        reply = self.ask(drop_frame(uuid, handle, flags))
        return reply.status, struct.unpack("<Q", reply.meta)[0] if reply.meta else None

    def stat(self, handle=0):
        reply = self.ask(Frame(OP_STAT, space=handle))
        if reply.status:
            return reply.status, None
        names = ("capacity", "used", "zero", "spaces", "space_pages", "space_epoch")
        figures = dict(zip(names, STAT_REPLY.unpack(reply.meta)))
        figures["free"] = reply.free_pages
        return reply.status, figures

    def drain(self, handle, token, number, flags=DRAIN_OPEN):
        return self.ask(drain_frame(handle, token, number, flags)).status

    def push(self, handle, ranges, target, number, token, timeout_ms=0):
        """The status of the whole and a list of page statuses."""
        reply = self.ask(push_frame(handle, ranges, target, number, token, timeout_ms))
        return reply.status, page_statuses(reply)

    def deliver(self, uuid, token, number, epoch, pages):
        reply = self.ask(deliver_frame(uuid, token, number, epoch, pages))
        return reply.status, page_statuses(reply)

    def claim(self, uuid, epoch, own=0, flags=0):
        """(status, epoch of the space, whether it is active)."""
        return parse_claim(self.ask(claim_frame(OP_CLAIM, uuid, epoch, own, flags)))

    def activate(self, uuid, epoch):
        return parse_claim(self.ask(claim_frame(OP_ACTIVATE, uuid, epoch)))

    def list(self, handle):
        """All ranges as (first, count, zero)."""
        ranges, first = [], 0
        while True:
            reply = self.ask(list_frame(handle, first))
            assert reply.status == ST_OK, reply.status_name()
            got = list(RANGE.iter_unpack(reply.meta))
            ranges += got
            if not reply.flags & F_MORE:
                return ranges
            assert got, "MORE without a range"
            first = got[-1][0] + got[-1][1]

    def spaces(self):
        """All spaces: uuid -> dict."""
        spaces, after = {}, bytes(16)
        while True:
            reply = self.ask(Frame(OP_SPACES, meta=after))
            assert reply.status == ST_OK, reply.status_name()
            for uuid, size, epoch, pages, flags, idle in SPACE_ENTRY.iter_unpack(reply.meta):
                assert uuid > after
                spaces[uuid] = {"size": size, "epoch": epoch, "pages": pages,
                                "owned": bool(flags & 1), "claimed": bool(flags & 2),
                                "idle": idle}
                after = uuid
            if not reply.flags & F_MORE:
                return spaces


def parse_load(reply):
    pages, at = [], 0
    if reply.status not in (ST_OK, ST_PARTIAL):
        return pages
    for index, crc, flags, status in PAGE_DESC.iter_unpack(reply.meta):
        content = None
        if status == ST_OK:
            if flags & PAGE_ZERO:
                content = ZERO_PAGE
            else:
                content = reply.data[at:at + PAGE]
                at += PAGE
        pages.append(Loaded(index, status, content, crc))
    assert at == len(reply.data)
    return pages


def parse_statuses(reply):
    """The page statuses of a STORE reply with PARTIAL."""
    return [(index, status) for index, _, _, status in PAGE_DESC.iter_unpack(reply.meta)]


def page_statuses(reply):
    return [status for _, status in parse_statuses(reply)]


def parse_claim(reply):
    if not reply.meta:
        return reply.status, None, None
    epoch, flags, _ = CLAIM_REPLY.unpack(reply.meta)
    return reply.status, epoch, bool(flags & CLAIM_ACTIVE)


def content(index, salt=0):
    """A page whose every byte depends on index and salt."""
    word = struct.pack("<QQ", index * 0x9e3779b97f4a7c15 + 1 & (1 << 64) - 1, salt)
    return word * (PAGE // len(word))
