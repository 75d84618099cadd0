#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""First inputs for the fuzz targets: the test vectors, and conversations that make sense.

usage: seeds.py codec|memserver DIRECTORY
"""
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
SPEC = importlib.util.spec_from_file_location(
    "vectors", os.path.join(HERE, "..", "vectors", "make.py"))
vectors = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(vectors)

# First byte of the memory server's inputs, see memserver_fuzz.c.
READY, REPAIR, TWO = 1, 2, 4
PIECES = 3 << 3
SPACE = 1       # the handle that READY opens


def without_data(raw):
    """The frame's header, body and descriptors; the target makes up the data."""
    try:
        return raw[:40 + vectors.decode(raw)[0]["meta_len"]]
    except vectors.Malformed:
        return raw


def codec_seeds():
    for name, _, raw in vectors.all_frames():
        yield f"{name}-strict", b"\0" + raw
        yield f"{name}-repaired", b"\1" + raw
        yield f"{name}-short", b"\3" + without_data(raw)


def store(indexes, tag=0, zero=False, crc=0):
    pages = [vectors.pack("page", index=i, crc=crc, flags=int(zero)) for i in indexes]
    return vectors.frame("STORE", descs=pages, tag=tag, space=SPACE)


def load(indexes, tag=0):
    return vectors.frame("LOAD", descs=[vectors.page(i) for i in indexes], tag=tag, space=SPACE)


def invalidate(ranges, tag=0):
    spans = [vectors.span(first, count) for first, count in ranges]
    return vectors.frame("INVALIDATE", descs=spans, tag=tag, space=SPACE)


def listed(first=0, tag=0):
    return vectors.frame("LIST", vectors.pack("list", first=first), tag=tag, space=SPACE)


def stat(tag=0, space=0):
    return vectors.frame("STAT", tag=tag, space=space)


def hello(generation, client=1, tag=0, lane=0):
    body = vectors.pack("hello", client_id=bytes([client]) + bytes(15), generation=generation,
                        features=15, lane=lane, max_pages=16, name=b"seed")
    return vectors.frame("HELLO", body, tag=tag)


def opened(epoch, tag=0, handle=SPACE, size=4096, uuid=42, create=1):
    body = vectors.pack("open", uuid=bytes([uuid]) + bytes(15), size_pages=size, epoch=epoch,
                        flags=create)
    return vectors.frame("OPEN", body, tag=tag, space=handle)


def drop(uuid=42, handle=SPACE, tag=0):
    return vectors.frame("DROP", bytes([uuid]) + bytes(15), tag=tag, space=handle,
                         flags=0 if handle else vectors.FORCE)


TOKEN = b"t" * 16


def drain(number, flags=1, tag=0):
    return vectors.frame("DRAIN", vectors.pack("drain", token=TOKEN, drain=number, flags=flags),
                         tag=tag, space=SPACE)


def deliver(indexes, number=1, tag=0):
    body = vectors.pack("deliver", uuid=bytes([42]) + bytes(15), token=TOKEN, drain=number, epoch=1)
    return vectors.frame("DELIVER", body, descs=[vectors.page(i) for i in indexes], tag=tag)


def push(ranges, tag=0):
    body = vectors.pack("push", target_id=b"T" * 16, drain=1, target_port=7371, token=TOKEN)
    return vectors.frame("PUSH", body, descs=[vectors.span(*r) for r in ranges], tag=tag, space=SPACE)


def claim(op, epoch, own=0, flags=0, tag=0):
    body = vectors.pack("claim", uuid=bytes([42]) + bytes(15), epoch=epoch, own=own, flags=flags)
    return vectors.frame(op, body, tag=tag)


def conversations():
    """(name, first byte, frames)"""
    mixed = [1, 600, 1200, 4095]
    scattered = [run * 512 + at for run in range(8) for at in (0, 3)]
    ready = READY | REPAIR
    yield "life", ready, [store(mixed), load(mixed), listed(), store(mixed), stat(space=SPACE),
                          invalidate([(0, 4096)]), load(mixed), listed(), stat()]
    yield "zeros", ready, [store(mixed, zero=True), load(mixed), listed(), store(mixed),
                           store(mixed, zero=True), invalidate([(600, 1), (1000, 900)]), listed()]
    yield "full", ready, [store(range(40)), store(range(30, 80)), load(range(80)), listed(),
                          invalidate([(0, 20)]), store(range(80, 100)), stat()]
    yield "scattered", ready, [store(scattered), listed(), listed(700), load(scattered),
                               invalidate([(512, 512), (0, 4096)])]
    yield "damaged", ready, [store(mixed, crc=0xbc), load(mixed), store(mixed)]
    yield "outside", ready, [store([5000]), load([5000]), invalidate([(4000, 200)]), listed(9999)]
    yield "again", ready, [store([7, 7, 7]), load([7, 7]), invalidate([(7, 1), (7, 1)])]
    yield "dropped", ready, [store(mixed), drop(), load(mixed), opened(1), load(mixed), listed(),
                             drop(handle=0), opened(1, uuid=9, handle=3), drop(9, 3)]
    yield "rebound", ready, [store(mixed), opened(1, uuid=9), load(mixed), opened(2, size=5),
                             opened(0), stat()]
    yield "spaces", ready, [opened(1, uuid=n, handle=n + 2, create=1) for n in range(70)] + [
        vectors.frame("SPACES", bytes(16)), vectors.frame("SPACES", bytes([9]) + bytes(15))]
    yield "drained", ready, [drain(1), deliver(mixed), load(mixed), deliver(mixed), invalidate([(600, 1)]),
                             deliver([600, 601]), store([602]), deliver([602, 603]), drain(1, 0),
                             deliver([700]), drain(2), deliver([700]), listed()]
    yield "emptied", ready, [drain(1), invalidate([(0, 4096)]), deliver(mixed), drain(2), deliver(mixed, 2),
                             invalidate([(1, 3), (1024, 512)]), deliver(range(8), 2), drop()]
    yield "pushed", ready, [store(mixed), push([(0, 5), (600, 1)]), push([(0, 300)]), push([(4095, 2)])]
    yield "claimed", ready, [store(mixed), claim("CLAIM", 1), opened(2, create=2), store(mixed), load(mixed),
                             drain(1), push([(1, 1)]), drop(), claim("ACTIVATE", 2), store(mixed)]
    yield "taken-back", ready, [claim("CLAIM", 1), claim("CLAIM", 2, 1, 1), claim("ACTIVATE", 2),
                                claim("ACTIVATE", 3), claim("CLAIM", 3, 1, 1), opened(3), load(mixed)]
    yield "two-delivering", ready | TWO, [drain(1, tag=2), deliver([1, 2, 3], tag=1), invalidate([(2, 1)], 4),
                                          deliver([2, 3, 4], tag=3), opened(2, 6), deliver([5], tag=5)]
    yield "stale", ready | TWO, [store(mixed, 2), opened(2, 1), store(mixed, 4), load(mixed, 6),
                                 listed(0, 3), stat(8, SPACE), opened(1, 10), drop(tag=12)]
    yield "busy", ready | TWO, [store(mixed, 2), drop(handle=0, tag=1), drop(tag=4), load(mixed, 1)]
    yield "fenced", REPAIR | TWO, [hello(1, tag=2), opened(1, 4), store(mixed, 6),
                                   hello(2, tag=1), opened(1, 3), load(mixed, 5),
                                   store(mixed, 8), listed(0, 7)]
    yield "old-generation", REPAIR | TWO, [hello(5, tag=2), hello(5, tag=1), stat(4)]
    yield "other-lane", REPAIR | TWO, [hello(1, tag=2), hello(1, tag=1, lane=63), opened(1, 4),
                                       opened(1, 3), store(mixed, 6), load(mixed, 5)]
    yield "few-pages", REPAIR, [hello(1), opened(1), store(range(17)), load(range(17)),
                                store(range(16)), listed()]
    yield "bad-lane", REPAIR, [hello(1, lane=64), hello(1), opened(1), stat()]
    yield "early", REPAIR, [stat(), hello(1)]
    yield "twice", REPAIR, [hello(1), hello(2)]


def memserver_seeds():
    for name, first, frames in conversations():
        together = b"".join(without_data(raw) for raw in frames)
        yield name, bytes([first]) + together
        yield f"{name}-pieces", bytes([first | PIECES]) + together
    for name, _, raw in vectors.all_frames():
        yield f"vector-{name}", bytes([READY | REPAIR]) + without_data(raw)
    whole = [vectors.frame("HELLO", vectors.pack("hello", **vectors.HELLO)), opened(1)]
    content = vectors.OTHER
    whole.append(vectors.frame("STORE", descs=[vectors.page(5, content)], data=content, space=SPACE))
    whole.append(load([5]))
    yield "strict", b"\0" + b"".join(whole)
    yield "strict-pieces", bytes([PIECES]) + b"".join(whole)


def main():
    target, directory = sys.argv[1:]
    seeds = {"codec": codec_seeds, "memserver": memserver_seeds}[target]
    for name, raw in seeds():
        with open(os.path.join(directory, name), "wb") as out:
            out.write(raw)


if __name__ == "__main__":
    main()
