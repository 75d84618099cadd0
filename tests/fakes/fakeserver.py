#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A memory server that works, except where it is told to misbehave.

usage: fakeserver.py --listen ADDR[:PORT] --control PATH

Takes commands at the socket PATH, from Python, and at the FIFO PATH.in, from a shell to which starting
a Python is dear; each is answered by one line of JSON, the latter's at PATH.out:
  arm OP NAME [TIMES [AFTER]]   misbehave as NAME (see misbehave.py) on the next TIMES requests OP
                        (default 1, -1: until cleared), or those that follow the next AFTER of them;
                        OP is hello, open, store, load, invalidate, drop, stat, list, drain, push,
                        deliver, claim or activate
  clear                 behave again
  room PAGES            say in each reply that so many pages are free
  state                 what was asked and done so far
  indexes               page indexes held, by space
"""
import argparse
import collections
import copy
import json
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "proto"))
sys.dont_write_bytecode = True
import smemvwire as wire  # noqa: E402 (found through the path above)
from fakemoves import Moves, Space  # noqa: E402

CAPACITY = 1 << 17
UNDONE = "undone-"
BY_HANDLE = (wire.OP_STORE, wire.OP_LOAD, wire.OP_INVALIDATE, wire.OP_LIST, wire.OP_PUSH, wire.OP_DRAIN)
NEED_ACTIVE = (wire.OP_STORE, wire.OP_INVALIDATE, wire.OP_PUSH, wire.OP_DRAIN)


class Rule:
    """One armed misbehaviour."""

    def __init__(self, name, action, times, after):
        self.name, self.action, self.left, self.after = name, action, times, after
        # As if the request had not been made, whatever is said.
        self.undone = name.startswith(UNDONE)


class Server:
    """What all connections share; everything is done under one lock."""

    def __init__(self, misbehaviours):
        self.lock = threading.RLock()
        self.server_id = os.urandom(16)
        self.limits = {"max_pages": 256, "max_inflight": 1024, "max_spaces": 1024}
        self.features = wire.FEATURES
        self.spaces, self.lanes, self.rules = {}, {}, {}
        self.misbehaviours = misbehaviours
        self.requests = collections.Counter()
        self.misbehaved = collections.Counter()
        self.connections = 0
        self.room = CAPACITY

    def take_rule(self, op):
        with self.lock:
            rule = self.rules.get(op)
            if not rule or rule.left == 0:
                return None
            if rule.after:
                rule.after -= 1
                return None
            rule.left -= rule.left > 0
            self.misbehaved[rule.name] += 1
            return rule

    def used_pages(self):
        return sum(len(s.pages) for s in self.spaces.values())

    # --- control ---

    def command(self, words):
        name = words[0] if words else ""
        if name == "arm" and len(words) in (3, 4, 5):
            return self.arm(*words[1:])
        if name == "clear":
            with self.lock:
                self.rules.clear()
            return {"ok": True}
        if name == "room" and len(words) == 2:
            self.room = int(words[1])
            return {"ok": True}
        if name == "state":
            return self.state()
        if name == "indexes":
            with self.lock:
                return {u.hex(): sorted(s.pages) for u, s in self.spaces.items()}
        return {"error": f"no such command: {' '.join(words)}"}

    def arm(self, op, name, times="1", after="0"):
        action = self.misbehaviours.get(name.removeprefix(UNDONE))
        if action is None:
            return {"error": f"no such misbehaviour: {name}"}
        number = getattr(wire, "OP_" + op.upper(), None)
        if number is None:
            return {"error": f"no such operation: {op}"}
        with self.lock:
            self.rules[number] = Rule(name, action, int(times), int(after))
        return {"ok": True}

    def state(self):
        with self.lock:
            return {"connections": self.connections,
                    "clients": len({client for client, _ in self.lanes}),
                    "requests": dict(self.requests),
                    "misbehaved": dict(self.misbehaved),
                    "armed": {wire.OPS[op - 1]: rule.left for op, rule in self.rules.items()},
                    "spaces": {u.hex(): {"size": s.size, "epoch": s.epoch, "pages": len(s.pages)}
                               for u, s in self.spaces.items()}}


class Session(Moves, wire.Connection):
    """One connection of a client."""

    def __init__(self, server, sock):  # pylint: disable=super-init-not-called
        self.server, self.sock = server, sock
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.handles, self.fenced, self.held = {}, False, None
        self.last_tag, self.lane_key = 0, None

    def run(self):
        try:
            while not self.fenced:
                self.serve(*self.next_request())
        except (wire.Closed, OSError, AssertionError):
            pass
        finally:
            self.sock.close()

    def next_request(self):
        """The request, and the rule for it, which may act before all of it was read."""
        head = self.recv_exactly(wire.HEADER.size)
        op, tag, space = head[5], *struct.unpack_from("<QI", head, 8)
        rule = self.server.take_rule(op)
        early = rule is not None and rule.name.startswith("early")
        if early:
            rule.action(self, wire.Frame(op, tag, space=space), self.answer_to(op, tag, space))
        request = self.rest_of(head)
        return request, rule, early

    def rest_of(self, head):
        (_, _, op, flags, tag, space, status, count, length, _, _, _) = wire.HEADER.unpack(head)
        payload = self.recv_exactly(length)
        meta_len = wire.body_len(op, status, flags) + count * 16
        return wire.Frame(op, tag, flags, space, status, count, payload[:meta_len],
                          payload[meta_len:])

    def serve(self, request, rule, answered):
        with self.server.lock:
            if self.fenced:
                return
            self.server.requests[wire.OPS[request.op - 1]] += 1
            reply = self.pretend_to(request) if rule and rule.undone else self.apply(request)
            reply.free_pages = self.server.room
        if rule and not answered:
            rule.action(self, request, reply)
        elif not answered:
            self.send(reply)
        self.last_tag = request.tag

    def answer_to(self, op, tag, space=0, **rest):
        return wire.Frame(op, tag, wire.F_REPLY, space, **rest)

    def pretend_to(self, request):
        """The reply to what was not done."""
        spaces, self.pretend = copy.deepcopy(self.server.spaces), True
        reply = self.apply(request)
        self.server.spaces, self.pretend = spaces, False
        return reply

    def apply(self, request):
        handler = getattr(self, "do_" + wire.OPS[request.op - 1].lower(), None)
        reply = self.answer_to(request.op, request.tag, request.space)
        if handler is None:
            reply.status = wire.ST_NOT_SUPPORTED
            return reply
        if request.op in BY_HANDLE:
            uuid, epoch = self.handles.get(request.space, (None, 0))
            space = self.server.spaces.get(uuid)
            if space is None:
                reply.status = wire.ST_NO_SUCH_SPACE
            elif epoch < space.epoch:
                reply.status = wire.ST_STALE_EPOCH
            elif space.claimed and request.op in NEED_ACTIVE:
                reply.status = wire.ST_NOT_ACTIVE
            else:
                handler(request, reply, space)
        else:
            handler(request, reply)
        return reply

    # --- operations ---

    def do_hello(self, request, reply):
        client, generation, _, _, lane, _, _ = wire.HELLO.unpack(request.meta)
        server = self.server
        reply.meta = self.hello_body()
        old = server.lanes.get((client, lane))
        if old and old.generation >= generation:
            reply.status = wire.ST_FENCED
            return
        if old:
            old.fenced = True
            old.abort()
        server.lanes[client, lane] = self
        self.lane_key = client, lane
        self.generation = generation

    def hello_body(self, **other):
        server = self.server
        body = {"server_id": server.server_id, "features": server.features, "version_min": 1,
                "version_max": 1, "capacity": CAPACITY, **server.limits, **other}
        return wire.HELLO_REPLY.pack(body["server_id"], body["features"], body["version_min"],
                                     body["version_max"], body["max_pages"],
                                     body["max_inflight"], body["max_spaces"], 0,
                                     body["capacity"])

    def do_open(self, request, reply):
        uuid, size, epoch, flags, _ = wire.OPEN.unpack(request.meta)
        space, opened, claimed = self.server.spaces.get(uuid), 0, bool(flags & wire.OPEN_CLAIMED)
        if space is None and not flags & wire.OPEN_CREATE:
            reply.status = wire.ST_NO_SUCH_SPACE
            return
        if space is None:
            space, opened = Space(size, epoch, claimed), wire.OPENED_CREATED
            self.server.spaces[uuid] = space
        if epoch > space.epoch:
            space.enter(epoch, claimed)
        opened |= wire.OPENED_CLAIMED if space.claimed else 0
        reply.meta = wire.OPEN_REPLY.pack(space.size, space.epoch, len(space.pages), opened, 0)
        if epoch < space.epoch:
            reply.status = wire.ST_STALE_EPOCH
        else:
            self.handles[request.space] = (uuid, epoch)

    def do_store(self, request, _, space):
        at = 0
        for index, _, flags, _ in wire.PAGE_DESC.iter_unpack(request.meta):
            if flags & wire.PAGE_ZERO:
                space.pages[index] = wire.ZERO_PAGE
            else:
                space.pages[index] = request.data[at:at + wire.PAGE]
                at += wire.PAGE

    def do_load(self, request, reply, space):
        meta, data = [], []
        for index, _, _, _ in wire.PAGE_DESC.iter_unpack(request.meta):
            page = space.pages.get(index)
            if page is None:
                reply.status = wire.ST_PARTIAL
                meta.append(wire.PAGE_DESC.pack(index, 0, 0, wire.ST_MISSING))
                continue
            meta.append(wire.page_desc(index, page))
            if page != wire.ZERO_PAGE:
                data.append(page)
        reply.count, reply.meta, reply.data = request.count, b"".join(meta), b"".join(data)

    def do_invalidate(self, request, reply, space):
        before = len(space.pages)
        for first, count, _ in wire.RANGE.iter_unpack(request.meta):
            for index in range(first, first + count):
                space.pages.pop(index, None)
                if space.drain:
                    space.forgotten.add(index)
        reply.meta = struct.pack("<Q", before - len(space.pages))

    def do_drop(self, request, reply):
        space = self.server.spaces.get(request.meta[:16])
        if space is None or request.space not in self.handles:
            reply.status = wire.ST_NO_SUCH_SPACE
        elif self.handles[request.space][1] < space.epoch:
            reply.status = wire.ST_STALE_EPOCH
        elif space.claimed:
            reply.status = wire.ST_NOT_ACTIVE
        else:
            del self.server.spaces[request.meta[:16]]
            reply.meta = struct.pack("<Q", len(space.pages))

    def do_stat(self, request, reply):
        used = self.server.used_pages()
        space = self.server.spaces.get(self.handles.get(request.space, (None, 0))[0])
        reply.meta = wire.STAT_REPLY.pack(CAPACITY, used, 0, len(self.server.spaces),
                                          len(space.pages) if space else 0,
                                          space.epoch if space else 0)

    def do_list(self, request, reply, space):
        (first,) = struct.unpack("<Q", request.meta)
        indexes = sorted(i for i in space.pages if i >= first)
        shown = indexes[:32]
        reply.flags |= wire.F_MORE if len(shown) < len(indexes) else 0
        reply.count = len(shown)
        reply.meta = b"".join(wire.RANGE.pack(i, 1, 0) for i in shown)

    # --- for misbehaviours ---

    def abort(self):
        """Ends the connection with a reset, also for a thread that waits in it."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def ignore_the_rest(self, seconds=120):
        """Reads and answers nothing more until the client closes."""
        deadline = time.monotonic() + seconds
        self.sock.settimeout(1)
        while time.monotonic() < deadline and not self.fenced:
            try:
                if not self.sock.recv(1 << 16):
                    break
            except socket.timeout:
                continue
        raise wire.Closed


def answer(server, line):
    return json.dumps(server.command(line.split())) + "\n"


def answer_socket(server, listener):
    while True:
        peer, _ = listener.accept()
        with peer, peer.makefile("rw") as lines:
            lines.write(answer(server, lines.readline()))


def answer_fifo(server, commands, answers):
    for line in commands:
        answers.write(answer(server, line.decode()).encode())


def make_fifo(path):
    """Open for both, it neither waits for a shell nor ends with one."""
    os.mkfifo(path)
    return open(path, "r+b", buffering=0)


def take_commands(server, path):
    """All control files are there when PATH.out is, the last one, and keep what is written to them."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)
    fifos = make_fifo(path + ".in"), make_fifo(path + ".out")
    threading.Thread(target=answer_socket, args=(server, listener), daemon=True).start()
    threading.Thread(target=answer_fifo, args=(server, *fifos), daemon=True).start()


def tell(path, command):
    """Sends a command to the fake server whose control socket is path."""
    with socket.socket(socket.AF_UNIX) as peer, peer.makefile("rw") as lines:
        peer.settimeout(30)
        peer.connect(path)
        lines.write(command + "\n")
        lines.flush()
        return json.loads(lines.readline())


def listen(address):
    host, _, port = address.rpartition(":") if ":" in address else (address, "", "")
    listener = socket.create_server((host, int(port or 7371)), backlog=64)
    return listener


def main():
    from misbehave import MISBEHAVIOURS
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1")
    parser.add_argument("--control")
    options = parser.parse_args()
    server = Server(MISBEHAVIOURS)
    with listen(options.listen) as listener:
        # Whoever sees the control files knows that it listens.
        if options.control:
            take_commands(server, options.control)
        while True:
            sock, _ = listener.accept()
            server.connections += 1
            threading.Thread(target=Session(server, sock).run, daemon=True).start()


if __name__ == "__main__":
    main()
