#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: hostuse.py FILE FIRST COUNT

Uses pages of a guest's memory as the host's devices and vhost do: through the file, so that no accessed
bit of the guest's page tables shows it. Reads each every 10 ms until its input ends; then prints how often
it found one of them not here.
"""
import ctypes
import mmap
import os
import select
import sys

PAGE = mmap.PAGESIZE


def main():
    path, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    libc = ctypes.CDLL(None, use_errno=True)
    file = os.open(path, os.O_RDWR)
    memory = mmap.mmap(file, count * PAGE, offset=first * PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    here = (ctypes.c_ubyte * count)()
    absent = 0
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(count * PAGE), here):
            sys.exit(os.strerror(ctypes.get_errno()))
        absent += sum(not byte & 1 for byte in here)
        for page in range(count):
            _ = memory[page * PAGE]
    print(absent)


main()
