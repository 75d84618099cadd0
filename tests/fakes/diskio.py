# SPDX-License-Identifier: GPL-2.0-only
"""Pages of a block device, without the page cache, in bounded time."""
import errno
import fcntl
import mmap
import os
import struct
import threading

PAGE = 4096
BLKDISCARD = 0x1277


class Stuck(Exception):
    """An operation did not end in its time."""


def content(index, salt):
    """A page whose every 16 bytes say what it is."""
    word = struct.pack("<QQ", index * 0x9e3779b97f4a7c15 + 1 & (1 << 64) - 1, salt)
    return word * (PAGE // len(word))


class Disk:
    def __init__(self, path, limit_s):
        self.fd = os.open(path, os.O_RDWR | os.O_DIRECT)
        self.limit_s = limit_s

    def _bounded(self, what, operation):
        """None or the errno with which it failed; the thread of a stuck one is left behind."""
        result = []

        def run():
            try:
                operation()
                result.append(None)
            except OSError as error:
                result.append(error.errno)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(self.limit_s)
        if not result:
            raise Stuck(f"{what} did not end within {self.limit_s} s")
        return result[0]

    def write(self, first, pages):
        """None or an errno."""
        with mmap.mmap(-1, len(pages) * PAGE) as buffer:
            buffer.write(b"".join(pages))
            return self._bounded(f"writing page {first}",
                                 lambda: self._all(os.pwritev, buffer, first))

    def read(self, first, count):
        """The pages, or an errno."""
        buffer = mmap.mmap(-1, count * PAGE)
        error = self._bounded(f"reading page {first}", lambda: self._all(os.preadv, buffer, first))
        if error:
            return error
        return [buffer[i * PAGE:(i + 1) * PAGE] for i in range(count)]

    def _all(self, call, buffer, first):
        done = call(self.fd, [buffer], first * PAGE)
        # A request that fails half way is reported as a short one.
        if done != len(buffer):
            raise OSError(errno.EIO, "short")

    def discard(self, first, count):
        fcntl.ioctl(self.fd, BLKDISCARD, struct.pack("QQ", first * PAGE, count * PAGE))

    def close(self):
        os.close(self.fd)
