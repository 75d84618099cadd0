#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Drives a swap disk over a fake and a good memory server through those misbehaviours of the fake that meet these
operations.

usage: hostile.py DISK NAME CONTROL FAKE OPERATION,... [PATTERN]

One line for each case: "ok" or "not ok", a tab, what was tried, a tab, why it failed. After every
case the disk must work again, and nothing that it returned may ever have been wrong: right data or
an error. The module must have noticed (the named counter of the server FAKE rose).
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from diskio import PAGE, Disk, Stuck, content  # noqa: E402
from genl import Genl  # noqa: E402
from fakeserver import tell  # noqa: E402

RUN = 512
RUNS = 96
GOOD_RUNS = 16
PAGES = 4
LIMIT_S = 60
DEADLINE_MS = 30000
ZERO = bytes(PAGE)

# What must be noticed: a server counter that rises, or None where nothing is wrong with the reply.
PROTOCOL, TIMEOUT, DOWN = "protocol_errors", "timeouts", "disconnects"

HEADERS = """bad-magic bad-version opcode-0 opcode-unknown flags-unknown flags-more not-a-reply
bad-reserved bad-header-crc status-unknown status-high length-huge length-max length-plus-1 length-0
count-plus-1 count-max tag-unknown tag-neighbour tag-0 tag-high-slot other-space space-0 garbage
truncated-garbage duplicate replay unasked-reply unasked-hello server-asks other-opcode""".split()

DESCRIPTORS = """count-0 many-descriptors other-index index-too-high swapped-pages page-missing-in-data
page-too-many-in-data data-not-whole-pages page-flags-unknown page-status-unknown page-status-in-ok
partial-empty""".split()


def cases():
    """(operation, misbehaviour, times, counter that rises, outcome of the I/O)."""
    for name in HEADERS:
        yield "load", name, 1, PROTOCOL, "right"
    for name in DESCRIPTORS:
        yield "load", name, 1, PROTOCOL, "right"
    for name in ("swapped-contents", "page-crc", "page-crc-0", "bit-flipped", "all-garbage"):
        yield "load", name, 1, "bad_crc", "right"
    yield "load", "bit-flipped", -1, "bad_crc", "error"
    for name in ("bad-magic", "bad-header-crc", "tag-unknown", "duplicate", "other-space", "count-max",
                 "length-huge", "ok-with-descriptors", "partial-empty", "reply-with-data",
                 "page-status-unknown", "unasked-reply"):
        yield "store", name, 1, PROTOCOL, "right"
    for op in ("load", "store"):
        yield op, "silence", 1, TIMEOUT, "right"
        yield op, "close", 1, DOWN, "right"
        yield op, "reset", 1, DOWN, "right"
        yield op, "truncated-silence", 1, TIMEOUT, "right"
        yield op, "truncated-header", 1, TIMEOUT, "right"
        yield op, "truncated-close", 1, DOWN, "right"
        yield op, "early", 1, PROTOCOL if op == "load" else None, "right"
        yield op, "early-close", 1, DOWN, "right"
        yield op, "slow", 1, None, "right"
        yield op, "reorder", 1, None, "right"
        yield op, "partial-all-ok", 1, None, "right"
        yield op, "flood", 1, PROTOCOL, "right"
        yield op, "refuse-no-such-space", 1, DOWN, "right"
        yield op, "refuse-no-such-space", -1, DOWN, "any"
        for name in ("bad-request", "limit", "not-supported", "busy", "partial"):
            yield op, "refuse-" + name, 1, PROTOCOL if name == "partial" else None, "right"
        for name in ("bad-request", "version", "size"):
            yield op, "refuse-" + name, -1, None, "error"
        yield op, "pages-bad-crc", 1, "bad_crc", "right"
        yield op, "pages-bad-crc", -1, "bad_crc", "error"
        yield op, "silence", -1, TIMEOUT, "any"
        yield op, "trickle", -1, TIMEOUT, "any"
        yield op, "pages-partial", -1, None, "error"
    for name in ("refuse-no-space", "pages-no-space", "refuse-stopping", "pages-stopping"):
        yield "store", name, 1, "no_space", "right"
        yield "load", name, -1, None, "error"
    yield "store", "pages-missing", -1, None, "error"
    yield "load", "pages-missing", 1, "missing", "error"
    yield "load", "refuse-missing", 1, "missing", "error"
    yield from lifecycle_cases()


def lifecycle_cases():
    for name in ("silence", "garbage", "http", "close", "hello-version", "hello-features",
                 "hello-fenced", "no-features", "bad-magic", "tag-unknown", "refuse-limit", "refuse-ok",
                 "refuse-stopping", "truncated-close", "truncated-silence"):
        yield "hello", name, 2, DOWN, "right"
    for name in ("max-pages-0", "max-pages-1", "max-pages-huge", "max-inflight-0", "max-inflight-1",
                 "max-inflight-huge", "max-spaces-0", "max-spaces-1", "max-spaces-huge", "capacity-0",
                 "no-page-crc", "unknown-features", "new-server-id"):
        yield "hello", name, 1, DOWN, "right"
    for name in ("silence", "garbage", "close", "open-size", "refuse-limit", "refuse-no-space",
                 "refuse-stopping", "bad-header-crc", "other-opcode", "other-space"):
        yield "open", name, 2, DOWN, "right"
    for name in ("bad-magic", "other-space", "count-max", "length-plus-1"):
        yield "stat", name, 1, PROTOCOL, "right"
    yield "stat", "silence", 1, TIMEOUT, "right"
    yield "stat", "refuse-not-supported", 1, None, "right"
    for name in ("bad-magic", "other-opcode", "duplicate"):
        yield "invalidate", name, 1, PROTOCOL, "right"
    yield "invalidate", "silence", 1, TIMEOUT, "right"
    yield "invalidate", "close", 1, DOWN, "right"
    for name in ("no-space", "not-supported", "partial", "bad-request"):
        yield "invalidate", "refuse-" + name, 1, PROTOCOL if name == "partial" else None, "right"
    for name in ("list-wraps", "list-empty-range", "list-huge-index", "list-flags", "list-too-many",
                 "bad-header-crc"):
        yield "list", name, 1, PROTOCOL, "right"
    for name in ("list-stands-still", "list-goes-back", "list-more-of-nothing", "list-beyond-size",
                 "list-everything", "refuse-not-supported"):
        yield "list", name, 1, None, "right"


class Failed(Exception):
    """The case failed for this reason."""


def wait_until(seconds, what, condition):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Drive:
    def __init__(self, disk, name, control, fake):
        self.disk, self.name = Disk(disk, LIMIT_S), name
        self.control, self.fake = control, fake
        self.module = Genl()
        self.salt = 0
        self.salts = {}		# by first page; None: its last write failed, 0: discarded
        self.suspects = set()	# could not be read when last tried
        self.turn = 0

    # --- what others say ---

    def tell(self, command):
        answer = tell(self.control, command)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def set_deadline(self, ms):
        subprocess.run(["smemv", "swap", "set", self.name, "deadline", str(ms)], check=True)

    def counters(self):
        return self.module.counters(self.fake)

    def is_up(self):
        counters = self.counters()
        return counters["lanes_up"] == counters["lanes"]

    def is_settled(self):
        """The fake holds as many pages as the map says: what was left behind there is gone."""
        return len(self.held()) == self.counters()["pages"]

    def held(self):
        return {i for indexes in self.tell("indexes").values() for i in indexes}

    def used(self, name):
        return self.tell("state")["misbehaved"].get(name, 0)

    # --- pages ---

    def write(self, first):
        """None, or the errno; what may be there afterwards is remembered."""
        self.salt += 1
        error = self.disk.write(first, [content(first + i, self.salt) for i in range(PAGES)])
        self.salts[first] = None if error else self.salt
        return error

    def check(self, first):
        """True: right, False: an error; wrong data fails the case."""
        got = self.disk.read(first, PAGES)
        if isinstance(got, int):
            self.suspects.add(first)
            return False
        salt = self.salts[first]
        for i, page in enumerate(got):
            right = ZERO if salt == 0 else content(first + i, salt or 0)
            if salt is None:
                raise Failed(f"page {first + i}: its write failed and its read succeeded")
            if page != right:
                kind = "zeros" if page == ZERO else page[:16].hex()
                raise Failed(f"page {first + i}: WRONG DATA ({kind}), wanted salt {salt}")
        return True

    def fill(self):
        """Most runs go to the fake, then it says that it is full, and the rest go to the other."""
        for run in range(RUNS):
            if run == RUNS - GOOD_RUNS:
                self.tell("room 0")
                self.write(0)
            if self.write(run * RUN):
                raise Failed(f"run {run} cannot be written at first")
        self.tell("room 131072")
        self.write(0)

    def next_run(self, on_fake):
        held = self.held()
        for _ in range(RUNS):
            self.turn = (self.turn + 1) % RUNS
            first = self.turn * RUN
            if (first in held) == on_fake and self.salts.get(first):
                return first
        raise Failed("no run is left " + ("on the fake server" if on_fake else "elsewhere"))

    # --- one case ---

    def io(self, op, name, times, first):
        """Whether the I/O that meets the misbehaviour succeeded."""
        return getattr(self, "io_" + op)(name, times, first)

    def io_load(self, name, times, first):
        self.tell(f"arm load {name} {times}")
        return self.check(first)

    def io_store(self, name, times, first):
        self.tell(f"arm store {name} {times}")
        return self.write(first) is None

    def io_hello(self, name, times, first, op="hello"):
        self.tell(f"arm {op} {name} {times}")
        self.tell("arm load close 1")
        return self.check(first)

    def io_open(self, name, times, first):
        return self.io_hello(name, times, first, "open")

    def io_stat(self, name, times, first):
        self.tell(f"arm stat {name} {times}")
        return True

    def io_invalidate(self, name, times, first):
        self.tell(f"arm invalidate {name} {times}")
        self.disk.discard(first, PAGES)
        self.salts[first] = 0
        return self.check(first)

    def io_list(self, name, times, first):
        """The page goes to the other server, and the fake is compared with the map."""
        self.tell(f"arm list {name} {times}")
        self.tell("arm store refuse-no-space 1")
        return self.write(first) is None

    def forgotten(self, first):
        return not self.held() & set(range(first, first + PAGES))

    def run(self, op, name, times, counter, outcome):
        first, other = self.next_run(True), self.next_run(False)
        before, met = self.counters(), self.used(name)
        for_ever = times < 0 and counter == TIMEOUT
        if for_ever:
            self.set_deadline(2000)
        worked = self.io(op, name, times, first)
        if for_ever:
            self.set_deadline(DEADLINE_MS)
        wait_until(LIMIT_S, "the misbehaviour was met", lambda: self.used(name) > met)
        if outcome != "any" and worked != (outcome == "right"):
            raise Failed("the I/O " + ("succeeded" if worked else "failed"))
        if counter:
            wait_until(LIMIT_S, f"{counter} rose", lambda:
                       self.counters()[counter] > before[counter])
        if outcome == "right" and not self.check(first):
            raise Failed("what was written cannot be read")
        if not self.check(other):
            raise Failed("a page on the good server cannot be read")
        self.tell("clear")
        if op in ("list", "invalidate"):
            wait_until(LIMIT_S, "the fake was told to forget", lambda: self.forgotten(first))

    def recover(self, everything=False):
        """Whatever happened, the disk works again and every page is right."""
        self.tell("clear")
        wait_until(LIMIT_S, "all connections are up again", self.is_up)
        lost, self.suspects = self.suspects, set()
        for first, salt in self.salts.items():
            if first in lost or not salt:
                if self.write(first):
                    raise Failed(f"page {first} cannot be written any more")
            elif not everything:
                continue
            if not self.check(first):
                raise Failed(f"page {first} cannot be read any more")
        wait_until(LIMIT_S, "the fake holds exactly what the map says", self.is_settled)


def report(what, problem, seconds):
    print(f"{'not ok' if problem else 'ok'}\t{what} ({seconds:.1f} s)\t{problem}", flush=True)


def attempt(drive, case):
    op, name, times, _, outcome = case
    problem, start = "", time.monotonic()
    try:
        drive.run(*case)
    except Failed as failure:
        problem = str(failure)
    try:
        drive.recover()
    except Failed as failure:
        problem = (problem + "; afterwards: " if problem else "") + str(failure)
    report(f"{op}: {name}" + (" for ever" if times < 0 else "") + f": {outcome}", problem,
           time.monotonic() - start)


def check_everything(drive):
    """Nothing was lost on the way."""
    start, problem = time.monotonic(), ""
    try:
        drive.recover(everything=True)
    except Failed as failure:
        problem = str(failure)
    report("every page is right at the end", problem, time.monotonic() - start)


def main():
    drive = Drive(*sys.argv[1:5])
    operations = sys.argv[5].split(",")
    pattern = sys.argv[6] if len(sys.argv) > 6 else ""
    drive.set_deadline(DEADLINE_MS)
    drive.fill()
    for case in cases():
        if case[0] in operations and pattern in case[1]:
            attempt(drive, case)
    check_everything(drive)
    drive.disk.close()
    print("done", flush=True)


def run_bounded(function):
    try:
        function()
    except (Stuck, Failed) as failure:
        print(f"not ok\tall works and nothing is stuck\t{failure}", flush=True)
        # A thread that is stuck in the kernel cannot be waited for.
        os._exit(1)


if __name__ == "__main__":
    run_bounded(main)
