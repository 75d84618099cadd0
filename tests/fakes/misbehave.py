# SPDX-License-Identifier: GPL-2.0-only
"""What the fake memory server does wrong, by name.

A misbehaviour is called with the session, the request and the correct reply (which was applied) and sends
what it likes instead. Those whose name starts with "early" are called when only the request's header
was read. Before each name "undone-" can stand: then nothing was applied, and the reply says that it was.
"""
import os
import struct
import threading
import time

from fakemoves import page_indexes
import smemvwire as wire

MISBEHAVIOURS = {}
LATE_S = 3


def misbehaviour(name):
    def register(function):
        MISBEHAVIOURS[name] = function
        return function
    return register


# --- the header is wrong (its CRC fits, unless that is what is wrong) ---

HEADER_EDITS = {
    "bad-magic": lambda r: {"magic": 0x31564d54},
    "bad-version": lambda r: {"version": 9},
    "opcode-0": lambda r: {"op": 0},
    "opcode-unknown": lambda r: {"op": 200},
    "flags-unknown": lambda r: {"flags": wire.F_REPLY | 0x80},
    "flags-more": lambda r: {"flags": wire.F_REPLY | wire.F_MORE},
    "not-a-reply": lambda r: {"flags": 0},
    "bad-reserved": lambda r: {"reserved": 1},
    "bad-header-crc": lambda r: {"crc": 0x12345678},
    "status-unknown": lambda r: {"status": 99},
    "status-high": lambda r: {"status": 0xffff},
    "length-huge": lambda r: {"payload_len": 0xffffffff},
    "length-max": lambda r: {"payload_len": 1052800},
    "length-plus-1": lambda r: {"payload_len": len(r.meta) + len(r.data) + 1},
    "length-0": lambda r: {"payload_len": 0, "count": 1},
    "count-0": lambda r: {"count": 0},
    "count-plus-1": lambda r: {"count": r.count + 1},
    "count-max": lambda r: {"count": 0xffff},
    "tag-unknown": lambda r: {"tag": r.tag ^ 0xabcdef0000},
    "tag-neighbour": lambda r: {"tag": r.tag ^ 1},
    "tag-0": lambda r: {"tag": 0},
    "tag-high-slot": lambda r: {"tag": r.tag | 0xffff},
    "other-space": lambda r: {"space": r.space + 1},
    "space-0": lambda r: {"space": 0},
}


def header_edit(edit):
    return lambda session, request, reply: session.send(reply.pack(**edit(reply)))


for _name, _edit in HEADER_EDITS.items():
    MISBEHAVIOURS[_name] = header_edit(_edit)


# --- the whole request is refused ---

def forget_new_space(session, request):
    """What was refused was not done."""
    space = session.server.spaces.get(request.meta[:16])
    if request.op == wire.OP_OPEN and space and not space.pages:
        del session.server.spaces[request.meta[:16]]


def refuse(status):
    def act(session, request, reply):
        forget_new_space(session, request)
        session.send(session.answer_to(request.op, request.tag, request.space, status=status,
                                       free_pages=reply.free_pages))
    return act


for _number, _status in enumerate(wire.STATUSES):
    MISBEHAVIOURS["refuse-" + _status.lower().replace("_", "-")] = refuse(_number)


@misbehaviour("right")
def _right(session, request, reply):
    """Not wrong, unless it was not done."""
    session.send(reply)


# --- the stream ---

@misbehaviour("silence")
def _silence(session, request, reply):
    session.ignore_the_rest()


@misbehaviour("no-reply")
def _no_reply(session, request, reply):
    """To this one; all others are answered."""


def send_late(choose_session, reply):
    """When the client has given the connection up, for certain."""
    def send():
        try:
            choose_session().send(reply)
        except OSError:
            pass
    timer = threading.Timer(LATE_S, send)
    timer.daemon = True
    timer.start()


@misbehaviour("late")
def _late(session, request, reply):
    send_late(lambda: session, reply)


@misbehaviour("late-elsewhere")
def _late_elsewhere(session, request, reply):
    """On the connection that was made instead of this one."""
    send_late(lambda: session.server.lanes.get(session.lane_key, session), reply)


@misbehaviour("close")
def _close(session, request, reply):
    raise wire.Closed


@misbehaviour("reset")
def _reset(session, request, reply):
    session.abort()
    raise wire.Closed


@misbehaviour("garbage")
def _garbage(session, request, reply):
    session.send(os.urandom(4096))


@misbehaviour("flood")
def _flood(session, request, reply):
    """Correct replies, each to a request that nobody made, as fast as they are taken."""
    for number in range(20000):
        session.send(reply.pack(tag=reply.tag + (number + 1 << 16)))


@misbehaviour("truncated-silence")
def _truncated_silence(session, request, reply):
    session.send(reply.pack()[:-7])
    session.ignore_the_rest()


@misbehaviour("truncated-close")
def _truncated_close(session, request, reply):
    session.send(reply.pack()[:-7])
    raise wire.Closed


@misbehaviour("truncated-header")
def _truncated_header(session, request, reply):
    session.send(reply.pack()[:17])
    session.ignore_the_rest()


@misbehaviour("truncated-garbage")
def _truncated_garbage(session, request, reply):
    """The rest of the frame is missing, and the next ones are taken for it."""
    frame = reply.pack()
    session.send(frame[:len(frame) // 2])
    session.send(os.urandom(8192))


@misbehaviour("trickle")
def _trickle(session, request, reply):
    for byte in reply.pack():
        session.send(bytes((byte,)))
        time.sleep(1)


@misbehaviour("slow")
def _slow(session, request, reply):
    """Not wrong: the frame comes in pieces that end anywhere."""
    frame, at = reply.pack(), 0
    for size in (1, 38, 2, 3, 13, 4093, 5, 8191):
        session.send(frame[at:at + size])
        at += size
        time.sleep(0.01)
    session.send(frame[at:])


@misbehaviour("duplicate")
def _duplicate(session, request, reply):
    session.send(reply.pack() + reply.pack())


@misbehaviour("replay")
def _replay(session, request, reply):
    """The reply, and once more the one before it."""
    session.send(reply.pack() + reply.pack(tag=session.last_tag))


@misbehaviour("reorder")
def _reorder(session, request, reply):
    """Not wrong: the reply comes after that to the next request, if one comes at once."""
    session.sock.settimeout(0.3)
    try:
        following = session.next_request()
    except OSError:
        following = None
    finally:
        session.sock.settimeout(None)
    if following:
        session.serve(*following)
    session.send(reply)


@misbehaviour("early")
def _early(session, request, reply):
    """Answered before it was received."""
    session.send(reply)


@misbehaviour("early-close")
def _early_close(session, request, reply):
    raise wire.Closed


@misbehaviour("unasked-reply")
def _unasked_reply(session, request, reply):
    session.send(session.answer_to(wire.OP_STAT, 1 << 40, meta=bytes(48)))
    session.send(reply)


@misbehaviour("unasked-hello")
def _unasked_hello(session, request, reply):
    session.send(session.answer_to(wire.OP_HELLO, 1, meta=session.hello_body()))
    session.send(reply)


@misbehaviour("server-asks")
def _server_asks(session, request, reply):
    session.send(wire.load_frame(request.space, [0], tag=request.tag))
    session.send(reply)


# --- another reply than the request's ---

@misbehaviour("other-opcode")
def _other_opcode(session, request, reply):
    session.send(session.answer_to(wire.OP_STAT, request.tag, request.space, meta=bytes(48)))


@misbehaviour("many-descriptors")
def _many_descriptors(session, request, reply):
    """A frame within the protocol's limits that is larger than what was agreed."""
    meta = b"".join(wire.page_desc(i, wire.ZERO_PAGE) for i in range(256))
    session.send(session.answer_to(wire.OP_LOAD, request.tag, request.space, count=256, meta=meta))


# --- descriptors and data ---

def descriptors(reply, request=None):
    """Those of the reply, or, when it needs none, of the request."""
    if reply.meta or request is None:
        return [list(d) for d in wire.PAGE_DESC.iter_unpack(reply.meta)]
    return [[index, 0, 0, wire.ST_OK] for index in page_indexes(request)]


def with_descriptors(reply, descs, data=None, status=None):
    reply.meta = b"".join(wire.PAGE_DESC.pack(*d) for d in descs)
    reply.count = len(descs)
    reply.data = reply.data if data is None else data
    reply.status = reply.status if status is None else status
    return reply


INDEX, CRC, FLAGS, STATUS = range(4)


@misbehaviour("other-index")
def _other_index(session, request, reply):
    descs = descriptors(reply)
    descs[0][INDEX] += 1 << 20
    session.send(with_descriptors(reply, descs))


@misbehaviour("index-too-high")
def _index_too_high(session, request, reply):
    descs = descriptors(reply)
    descs[0][INDEX] = 1 << 40
    session.send(with_descriptors(reply, descs))


@misbehaviour("swapped-pages")
def _swapped_pages(session, request, reply):
    """All pages, each with its content, but not in the request's order."""
    session.send(with_descriptors(reply, descriptors(reply)[::-1], b"".join(
        reply.data[i:i + wire.PAGE] for i in range(len(reply.data) - wire.PAGE, -1, -wire.PAGE))))


@misbehaviour("swapped-contents")
def _swapped_contents(session, request, reply):
    """The descriptors of the request, the contents in another order."""
    reply.data = reply.data[wire.PAGE:] + reply.data[:wire.PAGE]
    session.send(reply)


@misbehaviour("page-missing-in-data")
def _page_missing(session, request, reply):
    reply.data = reply.data[wire.PAGE:]
    session.send(reply)


@misbehaviour("page-too-many-in-data")
def _page_too_many(session, request, reply):
    descs = descriptors(reply)
    descs[-1][FLAGS] = wire.PAGE_ZERO
    session.send(with_descriptors(reply, descs))


@misbehaviour("data-not-whole-pages")
def _data_not_whole(session, request, reply):
    reply.data = reply.data[:-100]
    session.send(reply)


@misbehaviour("page-crc")
def _page_crc(session, request, reply):
    descs = descriptors(reply)
    for desc in descs:
        desc[CRC] ^= 0x80000001
    session.send(with_descriptors(reply, descs))


@misbehaviour("page-crc-0")
def _page_crc_0(session, request, reply):
    descs = descriptors(reply)
    descs[0][CRC] = 0
    session.send(with_descriptors(reply, descs))


@misbehaviour("bit-flipped")
def _bit_flipped(session, request, reply):
    data = bytearray(reply.data)
    data[len(data) // 2] ^= 4
    reply.data = bytes(data)
    session.send(reply)


@misbehaviour("all-garbage")
def _all_garbage(session, request, reply):
    reply.data = os.urandom(len(reply.data))
    session.send(reply)


@misbehaviour("page-flags-unknown")
def _page_flags(session, request, reply):
    descs = descriptors(reply)
    descs[0][FLAGS] = 0x40
    session.send(with_descriptors(reply, descs))


@misbehaviour("page-status-unknown")
def _page_status(session, request, reply):
    descs = descriptors(reply, request)
    descs[0][CRC], descs[0][STATUS] = 0, 77
    session.send(with_descriptors(reply, descs, reply.data[wire.PAGE:], wire.ST_PARTIAL))


@misbehaviour("page-status-in-ok")
def _page_status_in_ok(session, request, reply):
    descs = descriptors(reply)
    descs[0][STATUS] = wire.ST_MISSING
    session.send(with_descriptors(reply, descs, reply.data[wire.PAGE:]))


def pages_say(status):
    """PARTIAL, and every page has this status (a page of a reply to LOAD then has no content)."""
    def act(session, request, reply):
        descs = [[index, 0, 0, status] for index in page_indexes(request)]
        session.send(with_descriptors(reply, descs, b"", wire.ST_PARTIAL))
    return act


for _number, _status in enumerate(wire.STATUSES):
    if _number != wire.ST_OK:
        MISBEHAVIOURS["pages-" + _status.lower().replace("_", "-")] = pages_say(_number)


@misbehaviour("partial-all-ok")
def _partial_all_ok(session, request, reply):
    """Not wrong, only long-winded."""
    session.send(with_descriptors(reply, descriptors(reply, request), status=wire.ST_PARTIAL))


@misbehaviour("partial-empty")
def _partial_empty(session, request, reply):
    session.send(with_descriptors(reply, [], b"", wire.ST_PARTIAL))


@misbehaviour("ok-with-descriptors")
def _ok_with_descriptors(session, request, reply):
    session.send(with_descriptors(reply, descriptors(reply, request)))


def partial(edit):
    """PARTIAL, and descriptors that differ from what was asked for."""
    def act(session, request, reply):
        descs = [[index, 0, 0, wire.ST_OK] for index in page_indexes(request)]
        session.send(with_descriptors(reply, edit(descs), b"", wire.ST_PARTIAL))
    return act


MISBEHAVIOURS.update({
    "partial-other-index": partial(lambda descs: [[descs[0][INDEX] + (1 << 20), 0, 0, 0]] + descs[1:]),
    "partial-swapped": partial(lambda descs: descs[::-1]),
    "partial-one-twice": partial(lambda descs: descs[:1] + descs[:-1]),
    "partial-one-less": partial(lambda descs: descs[:-1]),
    "partial-one-more": partial(lambda descs: descs + [[descs[-1][INDEX] + 1, 0, 0, 0]]),
    "partial-256": partial(lambda descs: [[descs[0][INDEX] + i, 0, 0, 0] for i in range(256)]),
})


@misbehaviour("reply-with-data")
def _reply_with_data(session, request, reply):
    reply.data = bytes(wire.PAGE)
    session.send(reply)


# --- HELLO ---

def hello_says(**body):
    def act(session, request, reply):
        reply.meta = session.hello_body(**body)
        session.send(reply)
    return act


for _limit in ("max_pages", "max_inflight", "max_spaces"):
    for _value in (0, 1, 0xffffffff):
        MISBEHAVIOURS[f"{_limit.replace('_', '-')}-{_value if _value < 2 else 'huge'}"] = \
            hello_says(**{_limit: _value})
MISBEHAVIOURS["no-features"] = hello_says(features=0)
MISBEHAVIOURS["no-page-crc"] = hello_says(features=wire.FEAT_LIST)
MISBEHAVIOURS["unknown-features"] = hello_says(features=(1 << 64) - 1)
MISBEHAVIOURS["capacity-0"] = hello_says(capacity=0)


def hello_refused(status, **body):
    def act(session, request, reply):
        reply.status, reply.meta = status, session.hello_body(**body)
        session.send(reply)
        raise wire.Closed
    return act


MISBEHAVIOURS["hello-version"] = hello_refused(wire.ST_VERSION, version_min=2, version_max=3)
MISBEHAVIOURS["hello-features"] = hello_refused(wire.ST_FEATURES, features=0)
MISBEHAVIOURS["hello-fenced"] = hello_refused(wire.ST_FENCED)


@misbehaviour("new-server-id")
def _new_server_id(session, request, reply):
    """Every connection hears another name of the server."""
    hello_says(server_id=os.urandom(16))(session, request, reply)


@misbehaviour("http")
def _http(session, request, reply):
    session.send(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n" + b" " * 64)
    raise wire.Closed


# --- OPEN ---

def open_refused(status, **body):
    def act(session, request, reply):
        forget_new_space(session, request)
        size, epoch, pages, _, _ = wire.OPEN_REPLY.unpack(reply.meta)
        reply.status = status
        reply.meta = wire.OPEN_REPLY.pack(body.get("size", size), body.get("epoch", epoch),
                                          pages, 0, 0)
        session.send(reply)
    return act


MISBEHAVIOURS["open-stale-epoch"] = open_refused(wire.ST_STALE_EPOCH, epoch=99)
MISBEHAVIOURS["open-size"] = open_refused(wire.ST_SIZE, size=12345)


# --- LIST ---

def list_says(ranges, more):
    def act(session, request, reply):
        (first,) = struct.unpack("<Q", request.meta)
        got = ranges(first)
        reply.count = len(got)
        reply.meta = b"".join(wire.RANGE.pack(*r) for r in got)
        reply.flags = wire.F_REPLY | (wire.F_MORE if more else 0)
        session.send(reply)
    return act


MISBEHAVIOURS.update({
    "list-stands-still": list_says(lambda first: [(0, 1, 0)], True),
    "list-goes-back": list_says(lambda first: [(first + 9, 1, 0), (first, 0 + 1, 0)], True),
    "list-more-of-nothing": list_says(lambda first: [], True),
    "list-beyond-size": list_says(lambda first: [((1 << 40) - 1, 1, 0)], False),
    "list-everything": list_says(lambda first: [(0, 1 << 31, 0)], False),
    "list-wraps": list_says(lambda first: [((1 << 40) - 1, 0xffffffff, 0)], False),
    "list-empty-range": list_says(lambda first: [(0, 0, 0)], False),
    "list-huge-index": list_says(lambda first: [((1 << 64) - 1, 1, 0)], False),
    "list-flags": list_says(lambda first: [(0, 1, 0xff)], False),
    "list-too-many": list_says(lambda first: [(first + 2 * i, 1, 0) for i in range(256)], False),
    "list-nothing": list_says(lambda first: [], False),
})


# --- CLAIM and ACTIVATE ---

def owner_says(status=None, epoch=lambda epoch: epoch, turned=False):
    """The right reply, but for this."""
    def act(session, request, reply):
        now, flags, _ = wire.CLAIM_REPLY.unpack(reply.meta)
        reply.status = reply.status if status is None else status
        reply.meta = wire.CLAIM_REPLY.pack(epoch(now), flags ^ turned, 0)
        session.send(reply)
    return act


MISBEHAVIOURS.update({
    "owner-epoch-before": owner_says(epoch=lambda epoch: epoch - 1),
    "owner-epoch-next": owner_says(epoch=lambda epoch: epoch + 1),
    "owner-epoch-0": owner_says(epoch=lambda epoch: 0),
    "owner-epoch-max": owner_says(epoch=lambda epoch: (1 << 64) - 1),
    "owner-turned": owner_says(turned=True),
    "owner-stale": owner_says(wire.ST_STALE_EPOCH),
    "owner-stale-0": owner_says(wire.ST_STALE_EPOCH, lambda epoch: 0),
    "owner-stale-max": owner_says(wire.ST_STALE_EPOCH, lambda epoch: (1 << 64) - 1),
    "owner-stale-active": owner_says(wire.ST_STALE_EPOCH, lambda epoch: epoch + 7, True),
    "owner-not-active": owner_says(wire.ST_NOT_ACTIVE),
    "owner-active": owner_says(wire.ST_ACTIVE),
})


# --- STAT ---

@misbehaviour("stat-fewer-pages")
def _stat_fewer(session, request, reply):
    *figures, pages, epoch = wire.STAT_REPLY.unpack(reply.meta)
    reply.meta = wire.STAT_REPLY.pack(*figures, max(pages - 1, 0), epoch)
    session.send(reply)
