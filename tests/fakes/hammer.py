#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: hammer.py SECONDS ADDR [SEED]

Several processes at once add, change, show and delete servers (on the memory server at ADDR) and disks with
random names, and send the module messages that are wrong in every way. Whatever the module answers is
fine as long as it answers, in bounded time and with what was asked. One line for each process.
"""
import os
import random
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import genl  # noqa: E402
from genl import NAMES, attr, sockaddr, u32, u64  # noqa: E402

SERVERS = [f"s{i}" for i in range(5)]
DISKS = [f"d{i}" for i in range(5)]
COMMANDS = [v for k, v in NAMES.items() if k.startswith("CMD_")]
MIB = 1 << 20


class Worker:
    def __init__(self, address, seed):
        self.address, self.random = address, random.Random(seed)
        self.module = genl.Genl()
        self.done = self.refused = 0

    def ask(self, command, attrs=(), flags=genl.NLM_F_ACK):
        self.done += 1
        try:
            return self.module.ask(NAMES["CMD_" + command], attrs, flags)
        except genl.NetlinkError as error:
            self.refused += 1
            if not error.text and error.errno not in (12, 16):
                raise AssertionError(f"{command} failed without a text: {error}") from None
            return None

    def servers(self):
        name = attr(NAMES["A_SERVER_NAME"], self.random.choice(SERVERS))
        kind = self.random.randrange(10)
        if kind < 4:
            port = 7371 if self.random.random() < 0.8 else 1
            self.ask("SERVER_ADD", [name, attr(NAMES["A_SERVER_ADDR"], sockaddr(self.address, port)),
                                    attr(NAMES["A_SERVER_LANES"], u32(self.random.randint(1, 3))),
                                    attr(NAMES["A_SERVER_TIMEOUT"], u32(self.random.randint(2000, 9000)))])
        elif kind < 8:
            self.ask("SERVER_DEL", [name])
        else:
            got = self.ask("SERVER_GET", [name])
            assert not got or got[0][NAMES["A_SERVER_NAME"]][0] == name[4:4 + 3], "another server was shown"

    def disks(self):
        name = attr(NAMES["A_SWAP_NAME"], self.random.choice(DISKS))
        kind = self.random.randrange(10)
        if kind < 3:
            some = [attr(NAMES["A_SERVER_NAME"], s) for s in self.random.sample(SERVERS, 2)]
            attrs = [name, attr(NAMES["A_SWAP_SIZE"], u64(self.random.choice((MIB, 64 * MIB, 1 << 40))))]
            if self.random.random() < 0.5:
                attrs.append(attr(NAMES["A_SWAP_SERVERS"], some))
            self.ask("SWAP_ADD", attrs)
        elif kind < 6:
            self.ask("SWAP_DEL", [name])
        elif kind < 8:
            self.ask("SWAP_SET", [name, attr(NAMES["A_SWAP_POLICY"], u32(self.random.randrange(2))),
                                  attr(NAMES["A_SWAP_DEADLINE"], u32(self.random.randint(1000, 5000)))])
        else:
            got = self.ask("SWAP_GET", [name])
            assert not got or got[0][NAMES["A_SWAP_NAME"]][0] == name[4:4 + 3], "another disk was shown"

    def dumps(self):
        kind = self.random.choice(("SERVER_GET", "SWAP_GET"))
        if self.random.random() < 0.2:
            # Asked for and never read.
            other = genl.Genl()
            other.send(NAMES["CMD_" + kind], b"", genl.NLM_F_DUMP)
            other.close()
            return
        for one in self.ask(kind, (), genl.NLM_F_DUMP) or ():
            which = NAMES["A_SERVER_NAME"] if kind == "SERVER_GET" else NAMES["A_SWAP_NAME"]
            assert which in one, "a dump has an entry without a name"

    # --- wrong messages ---

    def malformed(self):
        self.done += 1
        try:
            self.module.send(*self.wrong_message())
            self.module.replies()
        except genl.NetlinkError:
            self.refused += 1

    def wrong_message(self):
        """Command, payload, flags. Names are never those in use."""
        command = self.random.choice(COMMANDS)
        flags = self.random.choice((genl.NLM_F_ACK, genl.NLM_F_ACK, genl.NLM_F_ACK, genl.NLM_F_DUMP | 4))
        return command, b"".join(self.wrong_attr() for _ in range(self.random.randint(1, 4))), flags

    def wrong_attr(self):
        number = self.random.randrange(24)
        kind = self.random.randrange(9)
        if kind == 0:	# shorter than it says
            return struct.pack("=HH", self.random.randrange(5, 65536), number) + b"\1\2\3\4"
        if kind == 1:	# shorter than its own header
            return struct.pack("=HH", self.random.randrange(4), number)
        if kind == 2:	# nothing in it
            return attr(number, b"")
        if kind == 3:	# a string without an end, short and long
            return attr(number, b"x" * self.random.choice((1, 31, 32, 33, 4000, 30000)))
        if kind == 4:	# nests of nests of rubbish
            nest = [attr(self.random.randrange(24), self.random.randbytes(self.random.randrange(12)))]
            for _ in range(self.random.randrange(12)):
                nest = [attr(self.random.randrange(24), nest)]
            return attr(number, nest)
        if kind == 5:	# numbers at their ends, in every width
            value = self.random.choice((0, 1, 2 ** 31 - 1, 2 ** 32 - 1, 2 ** 63, 2 ** 64 - 1))
            return attr(number, value.to_bytes(8, "little")[:self.random.choice((1, 2, 4, 8))])
        if kind == 6:	# an address of another family or length
            return attr(NAMES["A_SERVER_ADDR"], self.random.randbytes(self.random.choice((2, 15, 16, 28, 128))))
        if kind == 7:	# names that are none
            return attr(NAMES["A_SERVER_NAME"], self.random.choice(("", " ", "a/b", "\x7f", "..", "%s%n", "z" * 31)))
        return self.random.randbytes(self.random.randrange(64))

    def raw(self):
        """Not even a message: the kernel's netlink has to cope, and the module must not see it."""
        self.done += 1
        size = self.random.randrange(0, 64)
        header = genl.HEADER.pack(self.random.choice((0, 8, 16, 20, size, 0xffffffff)), self.module.family,
                                  self.random.randrange(1 << 16), 0, 0)
        other = genl.Genl()
        try:
            other.sock.send(header + self.random.randbytes(size))
        except OSError:
            self.refused += 1
        other.close()

    def run(self, what, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            getattr(self, what)()
        return f"{self.done} asked, {self.refused} refused"


def work(what, seconds, address, seed):
    try:
        said = Worker(address, seed).run(what, seconds)
        print(f"ok\t{what}: answered each time ({said})\t", flush=True)
    except Exception as error:  # pylint: disable=broad-except
        print(f"not ok\t{what}: answered each time\t{type(error).__name__}: {error}, seed {seed}", flush=True)


def main():
    seconds, address = float(sys.argv[1]), sys.argv[2]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    children = []
    for number, what in enumerate(("servers", "servers", "disks", "disks", "dumps", "malformed", "malformed", "raw")):
        pid = os.fork()
        if not pid:
            work(what, seconds, address, seed + number)
            os._exit(0)
        children.append(pid)
    for pid in children:
        status = os.waitpid(pid, 0)[1]
        if status:
            print(f"not ok\ta child ends by itself\twait status {status:#x}", flush=True)
    print("done", flush=True)


main()
