# SPDX-License-Identifier: GPL-2.0-only
"""Generic netlink by hand: enough to ask the module, and to ask it in every wrong way.

Attribute and command numbers are those of kernel/uapi/smemv.h and smemv_counters.h, read from there.
"""
import os
import re
import socket
import struct

NETLINK_GENERIC = 16
GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
SOL_NETLINK, NETLINK_EXT_ACK = 270, 11
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLA_F_NESTED, NLA_TYPE_MASK = 0x8000, 0x3fff
NLMSGERR_ATTR_MSG = 1
HEADER = struct.Struct("=IHHII")
_UAPI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "kernel", "uapi")


def _read_uapi():
    text = ""
    for name in ("smemv.h", "smemv_counters.h"):
        with open(os.path.join(_UAPI, name), encoding="utf-8") as header:
            text += header.read()
    names = {}
    for body in re.findall(r"enum smemv_(?:cmd|server_attr|swap_attr|vm_attr|scan_attr|event_attr) \{(.*?)\};", text, re.S):
        body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
        for number, name in enumerate(n.strip() for n in body.split(",") if n.strip()):
            names[name.replace("SMEMV_", "", 1)] = number
    counters = {}
    for which in ("SERVER", "SPACE"):
        block = re.search(rf"#define SMEMV_{which}_COUNTERS\(X\)(.*?)\n\n", text, re.S).group(1)
        counters[which] = re.findall(r'X\(\w+, "(\w+)"', block)
    return names, counters


NAMES, COUNTERS = _read_uapi()
globals().update(NAMES)


class NetlinkError(Exception):
    def __init__(self, errno, text):
        super().__init__(f"{os.strerror(errno)}: {text}")
        self.errno, self.text = errno, text


def attr(number, payload):
    """An attribute; its payload may be bytes, a string (0-terminated) or a list of attributes."""
    if isinstance(payload, list):
        payload, number = b"".join(payload), number | NLA_F_NESTED
    elif isinstance(payload, str):
        payload = payload.encode() + b"\0"
    return struct.pack("=HH", 4 + len(payload), number) + payload + bytes(-len(payload) % 4)


def u32(value):
    return struct.pack("=I", value)


def u64(value):
    return struct.pack("=Q", value)


def sockaddr(address, port=7371):
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + \
        socket.inet_aton(address) + bytes(8)


def parse(data):
    """Attributes by number: the payloads."""
    attrs, at = {}, 0
    while at + 4 <= len(data):
        length, number = struct.unpack_from("=HH", data, at)
        attrs.setdefault(number & NLA_TYPE_MASK, []).append(data[at + 4:at + length])
        at += max(length + 3 & ~3, 4)
    return attrs


class Genl:
    """A socket to one family."""

    RECV_BYTES = 1 << 17        # the kernel makes parts of dumps as large as the largest asked for

    def __init__(self, name="smemv", timeout=60):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.settimeout(timeout)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind((0, 0))
        self.seq = 0
        self.family = GENL_ID_CTRL
        reply = self.ask(CTRL_CMD_GETFAMILY, [attr(CTRL_ATTR_FAMILY_NAME, name)])[0]
        (self.family,) = struct.unpack("=H", reply[CTRL_ATTR_FAMILY_ID][0])

    def send(self, command, payload, flags=NLM_F_ACK, version=1, family=None):
        self.seq += 1
        body = struct.pack("=BBH", command, version, 0) + payload
        self.sock.send(HEADER.pack(16 + len(body), self.family if family is None else family,
                                   flags | NLM_F_REQUEST, self.seq, 0) + body)

    def replies(self):
        """All answers to the last message; raises what the kernel reports."""
        found = []
        while True:
            data, at = self.sock.recv(self.RECV_BYTES), 0
            while at + 16 <= len(data):
                length, kind, flags, seq, _ = HEADER.unpack_from(data, at)
                body = data[at + 16:at + length]
                at += length + 3 & ~3
                if seq != self.seq:
                    continue
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    self.finish(kind, flags, body)
                    return found
                found.append(parse(body[4:]))

    @staticmethod
    def finish(kind, flags, body):
        error = struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
        if not error:
            return
        text, skip = "", 4
        if kind == NLMSG_ERROR:
            skip = 20
            if not flags & NLM_F_CAPPED:
                skip += (struct.unpack_from("=I", body, 4)[0] - 16) + 3 & ~3
        if flags & NLM_F_ACK_TLVS:
            text = parse(body[skip:]).get(NLMSGERR_ATTR_MSG, [b""])[0].rstrip(b"\0").decode()
        raise NetlinkError(-error, text)

    def ask(self, command, attrs=(), flags=NLM_F_ACK):
        self.send(command, b"".join(attrs), flags)
        return self.replies()

    def counters(self, server):
        """What "smemv server show" calls counters, and lanes, lanes_up, drains and pages."""
        got = self.ask(NAMES["CMD_SERVER_GET"], [attr(NAMES["A_SERVER_NAME"], server)])[0]
        values = got[NAMES["A_SERVER_COUNTERS"]][0]
        shown = dict(zip(COUNTERS["SERVER"], struct.unpack(f"={len(values) // 8}Q", values)))
        for name in ("LANES", "LANES_UP", "DRAINS"):
            (shown[name.lower()],) = struct.unpack("=I", got[NAMES["A_SERVER_" + name]][0])
        (shown["pages"],) = struct.unpack("=Q", got[NAMES["A_SERVER_PAGES"]][0])
        return shown

    def close(self):
        self.sock.close()
