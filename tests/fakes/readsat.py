#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: readsat.py DISK REFERENCE FIRST COUNT [STEP]

Reads COUNT single pages of DISK, STEP apart, all in one io_submit(2), so that the block layer may merge neighbours.
Compares each with the page of REFERENCE at its place. For each page one line, when it is there:
PAGE right|wrong|ERRNO MILLISECONDS
"""
import ctypes
import errno
import mmap
import os
import struct
import sys
import time

PAGE = 4096
# x86-64
IO_SETUP, IO_GETEVENTS, IO_SUBMIT = 206, 208, 209
IOCB_CMD_PREAD = 0

libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def verdict(result, data, expected):
    if result < 0:
        return errno.errorcode[-result]
    return "right" if result == PAGE and data == expected else "wrong"


def main():
    disk, reference, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    step = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    pages = range(first, first + count * step, step)
    fd = os.open(disk, os.O_RDONLY | os.O_DIRECT)
    with open(reference, "rb") as file:
        expected = {page: os.pread(file.fileno(), PAGE, page * PAGE) for page in pages}
    memory = mmap.mmap(-1, count * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    # struct iocb: data, key, flags, opcode, priority, descriptor, buffer, bytes, offset, reserved, flags, eventfd
    blocks = [ctypes.create_string_buffer(struct.pack("<QIIHhIQQqQII", i, 0, 0, IOCB_CMD_PREAD, 0, fd, start + i * PAGE,
                                                      PAGE, page * PAGE, 0, 0, 0), 64)
              for i, page in enumerate(pages)]
    pointers = (ctypes.c_void_p * count)(*[ctypes.addressof(block) for block in blocks])
    context = ctypes.c_ulong()
    call(IO_SETUP, ctypes.c_int(count), ctypes.byref(context))
    began = time.monotonic()
    call(IO_SUBMIT, context, ctypes.c_long(count), pointers)
    event = ctypes.create_string_buffer(32)
    for _ in range(count):
        call(IO_GETEVENTS, context, ctypes.c_long(1), ctypes.c_long(1), event, None)
        i, _, result, _ = struct.unpack("<QQqq", event.raw)
        print(pages[i], verdict(result, memory[i * PAGE:(i + 1) * PAGE], expected[pages[i]]),
              int((time.monotonic() - began) * 1000), flush=True)


main()
