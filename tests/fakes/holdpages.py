#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: holdpages.py FILE FIRST COUNT

Has pages of a file in a pipe (vmsplice), as who sends them without a copy: each has one more reference, and is not
pinned. Says "held"; when its input ends it verifies that the pipe and the file still have the same content.
"""
import ctypes
import fcntl
import mmap
import os
import sys

PAGE = mmap.PAGESIZE


class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def hold(pipe, address, size):
    libc = ctypes.CDLL(None, use_errno=True)
    piece = Piece(address, size)
    if libc.vmsplice(pipe, ctypes.byref(piece), ctypes.c_ulong(1), 0) != size:
        sys.exit("vmsplice: " + os.strerror(ctypes.get_errno()))


def main():
    path, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    file = os.open(path, os.O_RDWR)
    memory = mmap.mmap(file, count * PAGE, offset=first * PAGE)
    outlet, inlet = os.pipe()
    fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, count * PAGE)
    hold(inlet, ctypes.addressof(ctypes.c_char.from_buffer(memory)), len(memory))
    print("held", flush=True)
    sys.stdin.read()
    for at in range(0, len(memory), PAGE):
        if os.read(outlet, PAGE) != memory[at:at + PAGE]:
            sys.exit(f"page {first + at // PAGE}: the pipe has another content")
    print("right")


main()
