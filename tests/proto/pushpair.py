# SPDX-License-Identifier: GPL-2.0-only
"""For the tests of drains: a source and a target, and a target that does what a test wants."""
import os
import socket
import threading

import prototest
from prototest import equal
from smemvwire import *  # pylint: disable=wildcard-import,unused-wildcard-import

A, B = b"A" * 16, b"B" * 16
SIZE = 1 << 20
TOKEN, OTHER_TOKEN = os.urandom(16), os.urandom(16)


class Pair:
    """A source and a target with a space open at both, as handle 1 of their clients."""

    def __init__(self, epoch=3, memory=("64M", "64M"), threads=2):
        self.servers = [prototest.Server(size, threads) for size in memory]
        self.epoch = epoch
        self.source, self.target = (self.client(s) for s in self.servers)
        self.target_at = (self.target.server_id, self.servers[1].address)
        equal(self.target.drain(1, TOKEN, 1), ST_OK, "drain")

    def client(self, server, uuid=A):
        c = Client(server.address, features=FEATURES, timeout=60)
        equal(c.open(1, uuid, SIZE, self.epoch).status, ST_OK)
        return c

    def push(self, ranges, number=1, token=TOKEN, target=None, timeout_ms=5000):
        return self.source.push(1, ranges, target or self.target_at, number, token, timeout_ms)

    def deliver(self, pages, number=1, token=TOKEN, epoch=None, client=None):
        return (client or self.target).deliver(A, token, number, epoch or self.epoch, pages)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for server in self.servers:
            if server.process.poll() is None:
                if kind:
                    server.process.kill()
                else:
                    prototest.check_clean(server, server.stop())


def contents(client, indexes):
    return [p.content for p in client.load(1, indexes)[1]]


class FakeTarget:
    """Says HELLO as a memory server does, then what the test wants."""

    def __init__(self, then, features=FEATURES):
        self.id, self.then, self.features = os.urandom(16), then, features
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.at = (self.id, self.listener.getsockname())
        self.got, self.done = [], threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        link = Connection.__new__(Connection)
        link.sock, link.tag = sock, 0
        try:
            hello = link.recv()
            body = HELLO_REPLY.pack(self.id, self.features, 1, 1, 256, 64, 64, 0, 1000)
            link.send(Frame(OP_HELLO, hello.tag, F_REPLY, meta=body))
            self.then(self, link)
        except (Closed, OSError):
            pass

    def close(self):
        self.done.set()
        self.listener.close()


def answer(link, request, status=ST_OK, statuses=()):
    indexes = [PAGE_DESC.unpack_from(request.meta, DELIVER.size + 16 * i)[0] for i in range(request.count)]
    meta = b"".join(PAGE_DESC.pack(i, 0, 0, s) for i, s in zip(indexes, statuses))
    link.send(Frame(OP_DELIVER, request.tag, F_REPLY, status=status, count=len(statuses), meta=meta))
