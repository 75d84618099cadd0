#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Forwards a unix socket over TCP, as `ssh -L LOCAL:REMOTE` does, with both of ssh's ends in one process.

usage: forward.py LOCAL REMOTE PORT-FILE

LOCAL is made, REMOTE is connected to for each client. Over the loopback address bytes go through TCP in
between; its port, which takes clients too, is written to PORT-FILE. Who kills this breaks the forward.
"""
import os
import socket
import sys
import threading


def copy(source, to):
    """Until one side ends, which ends the other; nobody needs half of a QMP connection."""
    try:
        while data := source.recv(65536):
            to.sendall(data)
    except OSError:
        pass
    for sock in (source, to):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass    # the other direction ended it


def connect(family, address):
    sock = socket.socket(family)
    sock.connect(address)
    return sock


def serve(listener, family, address):
    while True:
        client, _ = listener.accept()
        try:
            target = connect(family, address)
        except OSError:
            client.close()      # as ssh does: who connects here learns of it by the end
            continue
        for pair in ((client, target), (target, client)):
            threading.Thread(target=copy, args=pair, daemon=True).start()


def main():
    local, remote, port_file = sys.argv[1:]
    middle = socket.create_server(("127.0.0.1", 0))
    near = socket.socket(socket.AF_UNIX)
    near.bind(local)
    near.listen()
    threading.Thread(target=serve, args=(near, socket.AF_INET, middle.getsockname()), daemon=True).start()
    with open(f"{port_file}.new", "w", encoding="ascii") as text:
        text.write(f"{middle.getsockname()[1]}\n")
    os.rename(f"{port_file}.new", port_file)
    serve(middle, socket.AF_UNIX, remote)


if __name__ == "__main__":
    main()
