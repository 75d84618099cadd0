#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Speaks the wire protocol to a memory server, for scenarios.

usage: wiretalk.py ADDR:PORT COMMAND...

Each COMMAND is one argument; what the server says to it is one line on standard output:
  open UUID PAGES EPOCH     the space that the other commands are about
  store FIRST COUNT SALT    pages whose content follows from index and salt
  check FIRST COUNT SALT    load them and compare
  drop                      the space
  hello version=N | required=N | generation=N | lane=N | name=TEXT
                            instead of the ordinary HELLO; must come first
  wait                      until standard input ends
"""
import os
import sys
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "proto"))
sys.dont_write_bytecode = True
import smemvwire as wire  # noqa: E402
from diskio import content  # noqa: E402


class Talk:
    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.address, self.client, self.uuid = (host, int(port)), None, None
        self.id = os.urandom(16)

    def connect(self):
        if self.client is None:
            self.client = wire.Client(self.address, client_id=self.id)
        return self.client

    def do_hello(self, *settings):
        values = {"version": wire.VERSION, "required": 0, "generation": 1, "lane": 0, "name": "wiretalk"}
        for setting in settings:
            key, _, value = setting.partition("=")
            values[key] = value if key == "name" else int(value, 0)
        connection = wire.Connection(self.address)
        version = values.pop("version")
        values["name"] = values["name"].encode()
        connection.send(wire.hello_frame(self.id, **values).pack(version=version))
        reply = connection.recv()
        text = reply.status_name()
        if reply.meta:
            _, features, low, high, _, _, _, _, _ = wire.HELLO_REPLY.unpack(reply.meta)
            text += f" features={features:#x} versions={low}-{high}"
        return text + (" closed" if reply.status and connection.is_closed(20) else "")

    def do_open(self, name, pages, epoch):
        self.uuid = uuid.UUID(name).bytes
        reply = self.connect().open(1, self.uuid, int(pages), int(epoch))
        return reply.status_name() + (f" epoch={reply.epoch} pages={reply.pages}" if reply.meta else "")

    def do_store(self, first, count, salt):
        pages = [(i, content(i, int(salt))) for i in range(int(first), int(first) + int(count))]
        return self.connect().store(1, pages).status_name()

    def do_check(self, first, count, salt):
        indexes = range(int(first), int(first) + int(count))
        status, pages = self.connect().load(1, list(indexes))
        wrong = [p.index for p in pages if p.content != content(p.index, int(salt))]
        return wire.STATUSES[status] + (f" wrong={wrong}" if wrong else "")

    def do_drop(self):
        return wire.STATUSES[self.connect().drop(self.uuid, 1)[0]]

    @staticmethod
    def do_wait():
        sys.stdin.read()
        return "waited"


def main():
    talk = Talk(sys.argv[1])
    for command in sys.argv[2:]:
        words = command.split()
        print(f"{words[0]}: {getattr(talk, 'do_' + words[0])(*words[1:])}", flush=True)


main()
