#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Write the test vectors of docs/wire.md: one frame in a file, with its meaning.

An implementation of the specification of its own: it shares no line with the C
codec, so that a mistake in one of them shows. What a file says about its frame is
what decode() reads from the bytes, not what was given to make them.

usage: make.py [DIRECTORY]        (default: the directory of this script)
"""
import os
import struct
import sys

PAGE = 4096
MAX_INDEX = 1 << 40
MAX_COUNT = 256
MAX_SPACE_ENTRIES = 64

OPS = ("HELLO", "OPEN", "STORE", "LOAD", "INVALIDATE", "DROP", "STAT", "LIST",
       "SPACES", "PUSH", "CLAIM", "ACTIVATE", "DRAIN", "DELIVER")
OP = {name: number for number, name in enumerate(OPS, 1)}
STATUSES = ("OK", "PARTIAL", "NO_SPACE", "MISSING", "BAD_CRC", "STALE_EPOCH",
            "NO_SUCH_SPACE", "NOT_SUPPORTED", "BAD_REQUEST", "LIMIT", "VERSION",
            "FEATURES", "FENCED", "STOPPING", "BUSY", "SIZE", "HELD", "NO_DRAIN",
            "UNREACHABLE", "UNKNOWN", "NOT_ACTIVE", "ACTIVE")
ST = {name: number for number, name in enumerate(STATUSES)}
REPLY, MORE, FORCE = 1, 2, 4
ZERO = 1

# name -> (field, bytes); more than 8 bytes is a string of bytes
STRUCTS = {
    "hello": (("client_id", 16), ("generation", 8), ("features", 8), ("required", 8),
              ("lane", 4), ("max_pages", 4), ("name", 32)),
    "hello_reply": (("server_id", 16), ("features", 8), ("version_min", 4),
                    ("version_max", 4), ("max_pages", 4), ("max_inflight", 4),
                    ("max_spaces", 4), ("reserved", 4), ("capacity_pages", 8)),
    "open": (("uuid", 16), ("size_pages", 8), ("epoch", 8), ("flags", 4), ("reserved", 4)),
    "open_reply": (("size_pages", 8), ("epoch", 8), ("pages", 8), ("flags", 4),
                   ("reserved", 4)),
    "drop": (("uuid", 16),),
    "pages_reply": (("pages", 8),),
    "stat_reply": (("capacity_pages", 8), ("used_pages", 8), ("zero_pages", 8),
                   ("spaces", 8), ("space_pages", 8), ("space_epoch", 8)),
    "list": (("first", 8),),
    "spaces": (("after", 16),),
    "drain": (("token", 16), ("drain", 8), ("flags", 4), ("reserved", 4)),
    "push": (("target_id", 16), ("target_addr", 16), ("drain", 8), ("target_port", 4),
             ("timeout_ms", 4), ("token", 16)),
    "deliver": (("uuid", 16), ("token", 16), ("drain", 8), ("epoch", 8)),
    "claim": (("uuid", 16), ("epoch", 8), ("own", 8), ("flags", 4), ("reserved", 4)),
    "claim_reply": (("epoch", 8), ("flags", 4), ("reserved", 4)),
    "page": (("index", 8), ("crc", 4), ("flags", 2), ("status", 2)),
    "range": (("first", 8), ("count", 4), ("flags", 4)),
    "space_entry": (("uuid", 16), ("size_pages", 8), ("epoch", 8), ("pages", 8),
                    ("flags", 4), ("idle_s", 4)),
}

# opcode -> (request body, request descriptors, reply body, reply descriptors)
SHAPES = {
    "HELLO": ("hello", None, "hello_reply", None),
    "OPEN": ("open", None, "open_reply", None),
    "STORE": (None, "page", None, "page"),
    "LOAD": (None, "page", None, "page"),
    "INVALIDATE": (None, "range", "pages_reply", None),
    "DROP": ("drop", None, "pages_reply", None),
    "STAT": (None, None, "stat_reply", None),
    "LIST": ("list", None, None, "range"),
    "SPACES": ("spaces", None, None, "space_entry"),
    "PUSH": ("push", "range", None, "page"),
    "CLAIM": ("claim", None, "claim_reply", None),
    "ACTIVATE": ("claim", None, "claim_reply", None),
    "DRAIN": ("drain", None, None, None),
    "DELIVER": ("deliver", "page", None, "page"),
}


class Malformed(Exception):
    """A frame that a receiver must refuse; the text is the reason's name."""


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ crc >> 8
    return crc ^ 0xffffffff


def size_of(name):
    return sum(size for _, size in STRUCTS[name]) if name else 0


def pack(kind, **values):
    out = b""
    for field, size in STRUCTS[kind]:
        value = values.pop(field, 0)
        if isinstance(value, bytes):
            out += value.ljust(size, b"\0")
        else:
            out += value.to_bytes(size, "little")
    if values:
        raise KeyError(f"{kind} has no {sorted(values)}")
    return out


def unpack(kind, data):
    values, at = {}, 0
    for field, size in STRUCTS[kind]:
        piece = data[at:at + size]
        values[field] = piece if size > 8 else int.from_bytes(piece, "little")
        at += size
    return values


def header(op, flags=0, tag=0, space=0, status=0, count=0, payload_len=0, free_pages=0,
           crc=0, magic=b"SMV1", version=1, reserved=0):
    return struct.pack("<4sBBHQIHHIIII", magic, version, op, flags, tag, space, status,
                       count, payload_len, free_pages, crc, reserved)


def frame(op, body=b"", descs=(), data=b"", **fields):
    """A sealed frame. fields override what would be derived, to make a bad one."""
    bad_crc = fields.pop("bad_crc", 0)
    descs = list(descs)
    meta = body + b"".join(descs)
    fields.setdefault("count", len(descs))
    fields.setdefault("payload_len", len(meta) + len(data))
    number = OP.get(op, op)
    crc = crc32c(header(number, **fields) + meta) ^ bad_crc
    return header(number, crc=crc, **fields) + meta + data


def reply(op, status="OK", flags=0, **fields):
    return frame(op, flags=REPLY | flags, status=ST[status], **fields)


def page(index, content=None, flags=0, status=0):
    crc = crc32c(content) if content else 0
    return pack("page", index=index, crc=crc, flags=flags, status=status)


def span(first, count, flags=0):
    return pack("range", first=first, count=count, flags=flags)


# ---------------------------------------------------------------- decoding

def shape_of(h):
    op = OPS[h["opcode"] - 1]
    req_body, req_desc, rep_body, rep_desc = SHAPES[op]
    if not h["flags"] & REPLY:
        return req_body, req_desc
    status = STATUSES[h["status"]]
    refused = status not in ("OK", "PARTIAL")
    lost = ("STALE_EPOCH", "NOT_ACTIVE", "ACTIVE")
    keeps = {"HELLO": ("VERSION", "FEATURES", "FENCED"), "OPEN": ("STALE_EPOCH", "SIZE"),
             "CLAIM": lost, "ACTIVATE": lost}
    if refused:
        return (rep_body if status in keeps.get(op, ()) else None), None
    if op in ("STORE", "PUSH", "DELIVER") and status == "OK":
        return None, None
    return rep_body, rep_desc


def check_header(h):
    if h["magic"] != 0x31564d53:
        raise Malformed("MAGIC")
    if h["version"] != 1:
        raise Malformed("VERSION")
    if not 1 <= h["opcode"] <= len(OPS):
        raise Malformed("OPCODE")
    if h["reserved"]:
        raise Malformed("RESERVED")
    op = OPS[h["opcode"] - 1]
    is_reply = h["flags"] & REPLY
    allowed = REPLY if is_reply else 0
    if is_reply and op in ("LIST", "SPACES"):
        allowed |= MORE
    if not is_reply and op == "DROP":
        allowed |= FORCE
    if h["flags"] & ~allowed:
        raise Malformed("FLAGS")
    if h["status"] >= len(STATUSES) or h["status"] and not is_reply:
        raise Malformed("STATUS")
    if h["status"] == ST["PARTIAL"] and op not in ("STORE", "LOAD", "PUSH", "DELIVER"):
        raise Malformed("STATUS")
    if h["free_pages"] and not is_reply:
        raise Malformed("RESERVED")


def carries_data(h):
    return OPS[h["opcode"] - 1] in (("LOAD",) if h["flags"] & REPLY else ("STORE", "DELIVER"))


def check_lengths(h):
    body, desc = shape_of(h)
    most = {None: 0, "space_entry": MAX_SPACE_ENTRIES}.get(desc, MAX_COUNT)
    if h["count"] > most:
        raise Malformed("COUNT")
    meta_len = size_of(body) + h["count"] * size_of(desc)
    data_len = h["payload_len"] - meta_len
    with_data = carries_data(h)
    if data_len < 0 or data_len % PAGE or data_len > h["count"] * PAGE:
        raise Malformed("LENGTH")
    if data_len and not with_data:
        raise Malformed("LENGTH")
    return body, desc, meta_len, data_len


def check_page(h, entry):
    op, is_reply = OPS[h["opcode"] - 1], h["flags"] & REPLY
    if entry["index"] >= MAX_INDEX:
        raise Malformed("INDEX")
    if entry["flags"] & ~ZERO or entry["flags"] and op == "LOAD" and not is_reply:
        raise Malformed("PAGE_FLAGS")
    if entry["status"] >= len(STATUSES):
        raise Malformed("STATUS")
    if entry["status"] and STATUSES[h["status"]] != "PARTIAL":
        raise Malformed("STATUS")
    return PAGE if carries_data(h) and not entry["flags"] and not entry["status"] else 0


def check_range(h, entry):
    listed = OPS[h["opcode"] - 1] == "LIST" and h["flags"] & REPLY
    if entry["flags"] & ~(ZERO if listed else 0):
        raise Malformed("PAGE_FLAGS")
    if not entry["count"] or entry["first"] + entry["count"] > MAX_INDEX:
        raise Malformed("RANGE")
    return 0


def decode(raw):
    """(header fields, body kind and values or None, descriptor kind, descriptors)"""
    names = ("magic", "version", "opcode", "flags", "tag", "space", "status", "count",
             "payload_len", "free_pages", "crc", "reserved")
    h = dict(zip(names, struct.unpack("<IBBHQIHHIIII", raw[:40])))
    check_header(h)
    body, desc, meta_len, data_len = check_lengths(h)
    meta = raw[40:40 + meta_len]
    if crc32c(raw[:32] + bytes(4) + raw[36:40] + meta) != h["crc"]:
        raise Malformed("HDR_CRC")
    at, step, announced, entries = size_of(body), size_of(desc), 0, []
    for _ in range(h["count"]):
        entry = unpack(desc, meta[at:at + step])
        if desc == "page":
            announced += check_page(h, entry)
        elif desc == "range":
            announced += check_range(h, entry)
        entries.append(entry)
        at += step
    if announced != data_len:
        raise Malformed("DATA_LEN")
    h.update(body_len=size_of(body), meta_len=meta_len, data_len=data_len)
    values = unpack(body, meta[:size_of(body)]) if body else None
    return h, body, values, desc, entries


# ---------------------------------------------------------------- the frames

CONTENT = bytes(range(64)) + b"\xa5" * (PAGE - 64)
OTHER = b"\x5a" * PAGE
UUID = bytes(range(16, 32))
SERVER = bytes.fromhex("0f1e2d3c4b5a69788796a5b4c3d2e1f0")
TOKEN = bytes.fromhex("70f3a1b25c6d4e8f9091a2b3c4d5e6f7")
CLIENT = bytes.fromhex("c11e0000000000000000000000001d00")
HELLO = dict(client_id=CLIENT, generation=0x1122334455667788, features=3, required=1,
             lane=2, max_pages=256, name=b"main-1")
HELLO_REPLY = dict(server_id=SERVER, features=3, version_min=1, version_max=1,
                   max_pages=128, max_inflight=64, max_spaces=4096,
                   capacity_pages=1 << 33)
OPENED = dict(size_pages=1 << 30, epoch=9, pages=77)
STAT = dict(capacity_pages=262144, used_pages=1000, zero_pages=24, spaces=3)


def hello_frames():
    body = pack("hello", **HELLO)
    answer = pack("hello_reply", **HELLO_REPLY)
    yield "hello-request", "the first frame of a connection", frame("HELLO", body, tag=1)
    yield ("hello-reply", "granted, with lower limits",
           reply("HELLO", body=answer, tag=1, free_pages=0xffffffff))
    yield ("hello-reply-version", "no common version: the body says what would do",
           reply("HELLO", "VERSION", body=pack("hello_reply", server_id=SERVER,
                                               version_min=1, version_max=1), tag=1))
    yield ("hello-reply-features", "a required feature is missing: all features listed",
           reply("HELLO", "FEATURES", body=answer, tag=1))
    yield ("hello-reply-fenced", "generation not higher",
           reply("HELLO", "FENCED", body=answer, tag=1))
    yield ("hello-reply-bad-request", "a refusal without body",
           reply("HELLO", "BAD_REQUEST", tag=1))
    yield ("hello-name-32", "a name of 32 bytes has no terminator",
           frame("HELLO", pack("hello", **dict(HELLO, name=b"n" * 32)), tag=2))


def open_frames():
    body = pack("open", uuid=UUID, size_pages=1 << 30, epoch=9, flags=1)
    yield "open-request", "handle 7, CREATE", frame("OPEN", body, tag=3, space=7)
    yield ("open-request-largest", "2^40 pages, the highest epoch",
           frame("OPEN", pack("open", uuid=UUID, size_pages=MAX_INDEX,
                              epoch=(1 << 64) - 1), tag=4, space=65535))
    yield ("open-reply", "it existed and holds 77 pages",
           reply("OPEN", body=pack("open_reply", **OPENED), tag=3, space=7,
                 free_pages=5000))
    yield ("open-reply-created", "it did not exist",
           reply("OPEN", body=pack("open_reply", size_pages=1 << 30, epoch=9, flags=1),
                 tag=3, space=7))
    yield ("open-reply-stale", "the body names the newer epoch",
           reply("OPEN", "STALE_EPOCH", body=pack("open_reply", **dict(OPENED, epoch=10)),
                 tag=3, space=7))
    yield ("open-reply-size", "the body names the space's size",
           reply("OPEN", "SIZE", body=pack("open_reply", **OPENED), tag=3, space=7))
    yield ("open-reply-unknown", "no CREATE and no such space: no body",
           reply("OPEN", "NO_SUCH_SPACE", tag=3, space=7))


def store_frames():
    yield ("store-request", "a page with data, a zero page, another with data",
           frame("STORE", descs=(page(5, CONTENT), page(6, flags=ZERO), page(512, OTHER)),
                 data=CONTENT + OTHER, tag=10, space=7))
    yield ("store-request-zero", "only zero pages: no data at all",
           frame("STORE", descs=[page(i, flags=ZERO) for i in range(3)], tag=11, space=7))
    yield ("store-request-no-crc", "PAGE_CRC not granted: crc is 0",
           frame("STORE", descs=(page(5),), data=OTHER, tag=12, space=7))
    yield ("store-request-empty", "no pages", frame("STORE", tag=13, space=7))
    yield ("store-reply", "every page kept", reply("STORE", tag=10, space=7, free_pages=42))
    yield ("store-reply-partial", "the third page found no room",
           reply("STORE", "PARTIAL",
                 descs=(page(5), page(6), page(512, status=ST["NO_SPACE"])),
                 tag=10, space=7))
    yield ("store-reply-full", "no page kept",
           reply("STORE", "NO_SPACE", tag=10, space=7))


def load_frames():
    yield ("load-request", "three pages, any order",
           frame("LOAD", descs=(page(9), page(5), page(MAX_INDEX - 1)), tag=20, space=7))
    yield ("load-request-256", "as many as a frame may carry",
           frame("LOAD", descs=[page(i) for i in range(256)], tag=21, space=7))
    yield ("load-reply", "a zero page and one with data",
           reply("LOAD", descs=(page(9, flags=ZERO), page(5, CONTENT)), data=CONTENT,
                 tag=20, space=7))
    yield ("load-reply-partial", "missing, there, kept damaged",
           reply("LOAD", "PARTIAL", descs=(page(9, status=ST["MISSING"]), page(5, OTHER),
                                           page(6, status=ST["BAD_CRC"])),
                 data=OTHER, tag=20, space=7))
    yield ("load-reply-stale", "the handle's epoch is old: no descriptors",
           reply("LOAD", "STALE_EPOCH", tag=20, space=7))


def other_frames():
    yield ("invalidate-request", "a page, a run, and the last page of the largest space",
           frame("INVALIDATE", descs=(span(5, 1), span(512, 512), span(MAX_INDEX - 1, 1)),
                 tag=30, space=7))
    yield ("invalidate-request-long", "the longest range",
           frame("INVALIDATE", descs=(span(0, 0xffffffff),), tag=31, space=7))
    yield ("invalidate-reply", "513 of them were held",
           reply("INVALIDATE", body=pack("pages_reply", pages=513), tag=30, space=7))
    yield "drop-request", "by handle", frame("DROP", UUID, tag=32, space=7)
    yield ("drop-request-force", "by UUID, epoch unknown",
           frame("DROP", UUID, tag=33, flags=FORCE))
    yield ("drop-reply", "all pages forgotten",
           reply("DROP", body=pack("pages_reply", pages=1 << 32), tag=32, space=7))
    yield "drop-reply-busy", "an owner is connected", reply("DROP", "BUSY", tag=33)
    yield "stat-request", "keepalive", frame("STAT", tag=34)
    yield "stat-reply", "of the server", reply("STAT", body=pack("stat_reply", **STAT), tag=34)
    yield ("stat-reply-space", "with a space",
           reply("STAT", body=pack("stat_reply", space_pages=500, space_epoch=9, **STAT),
                 tag=35, space=7))
    yield ("list-request", "from page 4096 on",
           frame("LIST", pack("list", first=4096), tag=36, space=7))
    yield ("list-reply", "and there is more",
           reply("LIST", flags=MORE, descs=(span(4096, 10), span(5000, 512, ZERO)), tag=36,
                 space=7))
    yield "list-reply-empty", "nothing held", reply("LIST", tag=36, space=7)
    yield "spaces-request", "from the start", frame("SPACES", bytes(16), tag=37)
    yield ("spaces-reply", "one owned, one orphan",
           reply("SPACES", descs=(
               pack("space_entry", uuid=UUID, size_pages=1 << 30, epoch=9, pages=77, flags=1),
               pack("space_entry", uuid=b"\xff" * 16, size_pages=8, epoch=1, pages=8,
                    idle_s=3600)), tag=37))
    yield ("spaces-reply-64", "as many as a reply may carry",
           reply("SPACES", flags=MORE, descs=[
               pack("space_entry", uuid=bytes([i]) * 16, size_pages=1, epoch=1)
               for i in range(64)], tag=38))
    yield ("push-request", "a range to 192.0.2.9",
           frame("PUSH", pack("push", target_id=SERVER, drain=3, target_port=7371,
                              target_addr=bytes(10) + b"\xff\xff\xc0\x00\x02\x09",
                              timeout_ms=2000, token=TOKEN),
                 descs=(span(0, 200), span(512, 56)), tag=40, space=7))
    yield ("push-reply-not-supported", "the feature was not granted",
           reply("PUSH", "NOT_SUPPORTED", tag=40, space=7))
    yield "push-reply", "every page was applied", reply("PUSH", tag=40, space=7)
    yield ("push-reply-partial", "applied, held by the target, missing at the source, unknown",
           reply("PUSH", "PARTIAL",
                 descs=(page(0), page(1, status=ST["HELD"]), page(2, status=ST["MISSING"]),
                        page(512, status=ST["UNKNOWN"])), tag=40, space=7))
    yield ("drain-request-open", "drain 3",
           frame("DRAIN", pack("drain", token=TOKEN, drain=3, flags=1), tag=43, space=7))
    yield ("drain-request-close", "the same one, closed",
           frame("DRAIN", pack("drain", token=TOKEN, drain=3), tag=44, space=7))
    yield "drain-reply", "it is open, or closed", reply("DRAIN", tag=43, space=7)
    yield ("drain-reply-refused", "its number is not above the last",
           reply("DRAIN", "NO_DRAIN", tag=43, space=7))
    body = pack("deliver", uuid=UUID, token=TOKEN, drain=3, epoch=9)
    yield ("deliver-request", "a page with data, a zero page",
           frame("DELIVER", body, descs=(page(5, CONTENT), page(6, flags=ZERO)), data=CONTENT,
                 tag=45))
    yield "deliver-reply", "both applied", reply("DELIVER", tag=45)
    yield ("deliver-reply-partial", "the second is held already",
           reply("DELIVER", "PARTIAL", descs=(page(5), page(6, status=ST["HELD"])), tag=45))
    yield "deliver-reply-late", "the drain was closed", reply("DELIVER", "NO_DRAIN", tag=45)


def ownership_frames():
    yield ("claim-request", "of the active epoch 9",
           frame("CLAIM", pack("claim", uuid=UUID, epoch=9), tag=41))
    yield ("claim-request-take-back", "of the claim 10, by the owner of epoch 9",
           frame("CLAIM", pack("claim", uuid=UUID, epoch=10, own=9, flags=1), tag=41))
    yield ("claim-reply", "the claim is epoch 10",
           reply("CLAIM", body=pack("claim_reply", epoch=10), tag=41))
    yield ("claim-reply-active", "taking back came too late",
           reply("CLAIM", "ACTIVE", body=pack("claim_reply", epoch=10, flags=1), tag=41))
    yield ("claim-reply-stale", "somebody else was first",
           reply("CLAIM", "STALE_EPOCH", body=pack("claim_reply", epoch=12), tag=41))
    yield ("activate-request", "of epoch 10",
           frame("ACTIVATE", pack("claim", uuid=UUID, epoch=10), tag=42))
    yield ("activate-reply", "active from here on",
           reply("ACTIVATE", body=pack("claim_reply", epoch=10, flags=1), tag=42))
    yield ("activate-reply-unclaimed", "this server knows nothing of the claim",
           reply("ACTIVATE", "NOT_ACTIVE", body=pack("claim_reply", epoch=9, flags=1), tag=42))
    yield ("store-reply-not-active", "a claimant may not store", reply("STORE", "NOT_ACTIVE", tag=10, space=7))
    yield ("open-request-claimed", "of a claim",
           frame("OPEN", pack("open", uuid=UUID, size_pages=1 << 30, epoch=10, flags=2), tag=3,
                 space=7))


def bad_headers():
    stat = dict(tag=50)
    yield "bad-magic", "another protocol", frame("STAT", magic=b"HTTP", **stat)
    yield "bad-version", "version 2", frame("STAT", version=2, **stat)
    yield "bad-opcode-0", "opcode 0", frame(0, **stat)
    yield "bad-opcode-15", "the first unused opcode", frame(15, **stat)
    yield "bad-flags", "an undefined flag", frame("STAT", flags=8, **stat)
    yield "bad-flags-more", "MORE in a request", frame("LIST", bytes(8), flags=MORE, **stat)
    yield "bad-flags-force", "FORCE in a reply", reply("DROP", flags=FORCE, body=bytes(8), tag=50)
    yield ("bad-flags-more-load", "MORE in another reply",
           reply("LOAD", flags=MORE, tag=50))
    yield "bad-status-request", "a status in a request", frame("STAT", status=2, **stat)
    yield "bad-status-unknown", "an undefined status", frame("STAT", flags=REPLY, status=22, **stat)
    yield ("bad-status-partial", "PARTIAL where nothing is a part",
           reply("STAT", "PARTIAL", body=bytes(48), tag=50))
    yield "bad-reserved", "the header's reserved field", frame("STAT", reserved=1, **stat)
    yield "bad-free-pages", "free_pages in a request", frame("STAT", free_pages=1, **stat)
    yield ("bad-count", "257 descriptors",
           frame("LOAD", descs=[page(i) for i in range(257)], **stat))
    yield "bad-count-stat", "descriptors where none are", frame("STAT", count=1, **stat)
    yield ("bad-count-store-reply", "a full success has no descriptors",
           reply("STORE", descs=(page(5),), tag=50))
    yield ("bad-count-refused", "a refusal has no descriptors",
           reply("LOAD", "STALE_EPOCH", descs=(page(5, status=5),), tag=50))
    yield ("bad-count-spaces", "65 spaces",
           reply("SPACES", descs=[pack("space_entry")] * 65, tag=50))


def bad_lengths():
    stat = dict(tag=51)
    yield "bad-length-short", "the body is cut", frame("HELLO", bytes(79), **stat)
    yield "bad-length-long", "bytes behind the body", frame("OPEN", bytes(41), **stat)
    yield ("bad-length-odd-data", "data is no multiple of a page",
           frame("STORE", descs=(page(5),), data=bytes(4095), **stat))
    yield ("bad-length-more-data", "more data than descriptors",
           frame("STORE", descs=(page(5),), data=bytes(8192), **stat))
    yield ("bad-length-deliver-reply", "data in a DELIVER reply",
           reply("DELIVER", "PARTIAL", descs=(page(5),), data=bytes(4096), tag=51))
    yield ("bad-length-no-data-op", "data in a LOAD request",
           frame("LOAD", descs=(page(5),), data=bytes(4096), **stat))
    yield "bad-length-huge", "the largest length", frame("STORE", payload_len=0xffffffff, **stat)
    yield ("bad-length-refused-body", "a refusal with a body",
           reply("STAT", "BUSY", body=bytes(48), tag=51))


def bad_meta():
    stat = dict(tag=52, space=7)
    yield "bad-crc", "one bit of the crc", frame("STAT", bad_crc=1, **stat)
    good = bytearray(frame("LOAD", descs=(page(5),), **stat))
    good[40] ^= 1
    yield "bad-crc-meta", "one bit of a descriptor", bytes(good)
    yield "bad-index", "index 2^40", frame("LOAD", descs=(page(MAX_INDEX),), **stat)
    yield "bad-range-empty", "no pages", frame("INVALIDATE", descs=(span(5, 0),), **stat)
    yield ("bad-range-end", "one page beyond the end",
           frame("INVALIDATE", descs=(span(MAX_INDEX - 1, 2),), **stat))
    yield ("bad-range-first", "begins beyond the end",
           frame("INVALIDATE", descs=(span(MAX_INDEX, 1),), **stat))
    yield ("bad-range-wrap", "first + count wraps",
           frame("INVALIDATE", descs=(span((1 << 64) - 1, 2),), **stat))
    yield ("bad-range-flags", "an undefined range flag",
           reply("LIST", descs=(span(5, 1, 2),), **stat))
    yield ("bad-range-zero", "ZERO belongs to LIST replies",
           frame("INVALIDATE", descs=(span(5, 1, ZERO),), **stat))
    yield "bad-page-flags", "an undefined flag", frame("STORE", descs=(page(5, flags=2),), **stat)
    yield "bad-page-flags-load", "ZERO in a request", frame("LOAD", descs=(page(5, flags=ZERO),), **stat)
    yield ("bad-page-status", "a page status in a full success",
           reply("LOAD", descs=(page(5, status=3),), **stat))
    yield ("bad-page-status-unknown", "an undefined page status",
           reply("LOAD", "PARTIAL", descs=(page(5, status=22),), **stat))
    yield ("bad-data-missing", "a page is announced and not there",
           frame("STORE", descs=(page(5, OTHER), page(6, OTHER)), data=OTHER, **stat))
    yield ("bad-data-unannounced", "data for a zero page",
           frame("STORE", descs=(page(5, flags=ZERO),), data=OTHER, **stat))


def all_frames():
    for source in (hello_frames, open_frames, store_frames, load_frames, other_frames,
                   ownership_frames, bad_headers, bad_lengths, bad_meta):
        yield from source()


# ---------------------------------------------------------------- the files

def hex_lines(raw):
    """32 bytes in a line; BB*N stands for N times the byte BB."""
    at, line = 0, []
    while at < len(raw):
        run = len(raw[at:]) - len(raw[at:].lstrip(raw[at:at + 1]))
        if run >= 64:
            if line:
                yield " ".join(line)
            yield f"{raw[at]:02x}*{run}"
            line, at = [], at + run
            continue
        line.append(f"{raw[at]:02x}")
        at += 1
        if len(line) == 32:
            yield " ".join(line)
            line = []
    if line:
        yield " ".join(line)


def value_lines(prefix, values):
    for field, value in values.items():
        text = value.hex() if isinstance(value, bytes) else f"{value:#x}"
        yield f"{prefix}.{field} {text}"


def meaning_lines(raw):
    try:
        h, body, values, desc, entries = decode(raw)
    except Malformed as reason:
        yield f"expect {reason}"
        return
    yield "expect OK"
    yield from value_lines("hdr", {k: v for k, v in h.items() if k not in ("magic", "reserved")})
    if body:
        yield from value_lines(body, values)
    for number, entry in enumerate(entries):
        yield from value_lines(f"{desc}[{number}]", entry)


def text_of(name, note, raw):
    lines = [f"# {name}: {note}", "# written by make.py", *meaning_lines(raw), "hex",
             *hex_lines(raw)]
    return "\n".join(lines) + "\n"


def main():
    where = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    if crc32c(b"123456789") != 0xe3069283:
        sys.exit("make.py: the CRC32C here is wrong, see docs/wire.md section 2")
    for name, note, raw in all_frames():
        with open(os.path.join(where, name + ".hex"), "w", encoding="ascii") as out:
            out.write(text_of(name, note, raw))


if __name__ == "__main__":
    main()
