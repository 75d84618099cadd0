#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Stands before a memory server that works, and loses or keeps back what a rule says.

usage: relay.py ADDR:PORT SERVER-ADDR:PORT RULE-FILE

RULE-FILE has a rule on each line, or none, and is read again for each frame:
  before OP    the connection ends when a request OP comes, which the server never sees
  after OP     it ends in place of the answer to OP, which the server carried out
  hold OP      answers to OP, and all behind them, wait as long as the file says so
An end is one only: its line is taken out.
"""
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "proto"))
sys.dont_write_bytecode = True
import smemvwire as wire  # noqa: E402 (found through the path above)

LOOK_AGAIN_S = 0.02


def address_of(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def read_exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise ConnectionError("closed")
        data += part
    return data


def read_frame(sock):
    """(name of its operation, bytes)"""
    head = read_exactly(sock, wire.HEADER.size)
    _, _, op, _, _, _, _, _, length, *_ = wire.HEADER.unpack(head)
    return wire.OPS[op - 1].lower(), head + read_exactly(sock, length)


def end(*socks):
    """By a reset: nothing that is under way is delivered."""
    for sock in socks:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass    # the other direction ended it
        sock.close()


class Rule:
    def __init__(self, path):
        self.path, self.lock = path, threading.Lock()

    def rules(self):
        with open(self.path, encoding="ascii") as text:
            return text.read().splitlines()

    def says(self, when, operation):
        return f"{when} {operation}" in self.rules()

    def takes(self, when, operation):
        with self.lock:
            rules = self.rules()
            if f"{when} {operation}" not in rules:
                return False
            rules.remove(f"{when} {operation}")
            with open(self.path + ".less", "w", encoding="ascii") as text:
                text.write("\n".join(rules))
            os.replace(self.path + ".less", self.path)
            return True


def pump(source, to, rule, is_reply):
    try:
        while True:
            operation, frame = read_frame(source)
            if rule.takes("after" if is_reply else "before", operation):
                break
            while is_reply and rule.says("hold", operation):
                time.sleep(LOOK_AGAIN_S)
            to.sendall(frame)
    except OSError:
        pass
    end(source, to)


def main():
    at, server, path = address_of(sys.argv[1]), address_of(sys.argv[2]), sys.argv[3]
    rule = Rule(path)
    with socket.create_server(at) as listener:
        print("relays", flush=True)
        while True:
            client, _ = listener.accept()
            try:
                target = socket.create_connection(server)
            except OSError:
                end(client)
                continue
            for sock in (client, target):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for pair in ((client, target, rule, False), (target, client, rule, True)):
                threading.Thread(target=pump, args=pair, daemon=True).start()


if __name__ == "__main__":
    main()
