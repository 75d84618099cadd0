#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Drains servers of a swap disk into each other, a fake and a good one, while the fake answers PUSH, DRAIN and DELIVER
in every wrong way; then has disks dropped whose DROP it answers so.

usage: hostilemoves.py DISK NAME CONTROL FAKE GOOD GOOD-ADDRESS:PORT [PATTERN]

One line for each case, as hostile.py. A drain ends in bounded time, and says what came of it; every page is right
afterwards, but for those that the fake says it moved or lost, which read as errors; and both servers hold
exactly what the map says.
"""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from diskio import PAGE, Disk, content  # noqa: E402
from fakeserver import tell  # noqa: E402
from genl import NAMES, Genl, NetlinkError, attr  # noqa: E402
from hostile import DOWN, PROTOCOL, TIMEOUT, Failed, report, run_bounded, wait_until  # noqa: E402
import smemvwire as wire  # noqa: E402

RUN = 512
RUNS = 5
PAGES = 4           # of each run; the last one is zeros
LIMIT_S = 60
COMMAND_S = 40
COUNT_S = 8
ZERO = bytes(PAGE)

# What comes of a drain: all pages go, none is lost; some stay; some are lost; either of the first two.
MOVED, STAYS, LOST, ANY = "moved", "stays", "lost", "any"

# Until it is connected again, if that takes longer than a drain tries.
AWAY = "cannot be reached"
NONSENSE = "it answers a push with nonsense"
REFUSES = "it refuses to push its pages"
# Of those that hostile.py tries; who reads the header knows little of what it is about.
HEADERS = "status-unknown count-plus-1 bad-header-crc tag-unknown other-space duplicate other-opcode".split()
STREAM = (("silence", TIMEOUT), ("no-reply", TIMEOUT), ("late-elsewhere", PROTOCOL), ("close", DOWN), ("slow", None))
PARTIALS = """partial-other-index partial-swapped partial-one-twice partial-one-less partial-one-more partial-256
page-status-unknown ok-with-descriptors refuse-partial""".split()
# What the operator is told when a page always has that status.
PUSH_SAYS = {"bad-crc": "damaged", "no-space": "is full", "held": "other copies of them",
             "no-drain": "ended the drain", "unreachable": "cannot reach", "unknown": "may have them",
             "busy": REFUSES}


def push_cases():
    """(operation, misbehaviour, times, after so many, counter that rises, outcome, what the command says)

    A page that was pushed, as the target has it and the source did not say so, may have to be removed there first, and
    stay until it is asked for again."""
    for name in HEADERS + PARTIALS:
        yield "push", name, 1, 1, PROTOCOL, ANY, "other copies of them|may have|" + AWAY
    for name, counter in STREAM:
        yield "push", name, 1, 1, counter, ANY, "other copies of them|may have|" + AWAY
    for name in ("bad-header-crc", "late"):
        yield "push", "undone-" + name, 1, 1, None, ANY, AWAY
    yield "push", "partial-all-ok", -1, 0, None, MOVED, ""
    yield "push", "undone-close", -1, 0, DOWN, STAYS, AWAY
    yield "push", "undone-partial-other-index", -1, 0, PROTOCOL, STAYS, NONSENSE + "|" + AWAY
    for name, says in PUSH_SAYS.items():
        yield "push", "undone-pages-" + name, -1, 0, None, STAYS, says
    for name in ("held", "unknown"):
        yield "push", "pages-" + name, 1, 1, None, ANY, "other copies of them"
    yield "push", "undone-refuse-not-active", 1, 1, None, MOVED, ""
    yield "push", "undone-refuse-missing", 1, 1, None, LOST, ""
    yield "push", "undone-refuse-limit", -1, 0, None, STAYS, REFUSES
    # It lies about a page, and so it is lost; but nobody gets anything else for it.
    yield "push", "undone-right", 1, 1, None, LOST, ""
    yield "push", "undone-pages-missing", 1, 1, "missing", LOST, "are lost"


def drain_cases():
    for name in HEADERS[2:] + ["reply-with-data", "refuse-partial"]:
        yield "drain", name, 1, 0, PROTOCOL, ANY, AWAY
    for name, counter in STREAM:
        yield "drain", name, 1, 0, counter, ANY, AWAY
    for name, counter in (("other-space", PROTOCOL), ("no-reply", TIMEOUT), ("undone-close", DOWN)):
        yield "drain", name, 1, 1, counter, ANY, AWAY
    for name in ("undone-right", "undone-refuse-limit"):
        yield "drain", name, 1, 1, None, MOVED, ""
    for name in ("no-drain", "stale-epoch"):
        yield "drain", "undone-refuse-" + name, 1, 0, None, MOVED, ""
    yield "drain", "undone-close", -1, 0, DOWN, STAYS, AWAY
    yield "drain", "undone-refuse-no-space", -1, 0, None, STAYS, "is full"
    yield "drain", "undone-refuse-not-supported", -1, 0, None, STAYS, "refuses to be drained to"
    yield "drain", "undone-right", 1, 0, None, ANY, ""
    yield "drain", "undone-right", -1, 0, None, STAYS, "ended the drain"
    for name in ("close", "no-reply", "pages-held"):
        yield "deliver", name, 1, 1, None, ANY, ""
    yield "deliver", "undone-right", 1, 1, None, LOST, ""


def drop_cases():
    """(misbehaviour, times, what the log says); "+": as the first while no connection can be made, and then as the second"""
    for name in ("bad-header-crc", "other-opcode", "length-plus-1", "silence", "no-reply", "close"):
        yield name, 1, ""
    yield "undone-close", 2, "cannot be told now to drop space"
    yield "undone-refuse-limit", 1, "refused to drop space"
    for name in ("stale-epoch", "no-such-space"):
        yield "undone-refuse-" + name, 1, "was left alone"
    yield "undone-close+undone-refuse-limit", 1, "refused to drop space"


class Log:
    """What the kernel says from here on."""

    def __init__(self):
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)
        self.text = ""

    def has(self, text):
        while True:
            try:
                self.text += os.read(self.fd, 8192).decode(errors="replace")
            except BlockingIOError:
                return text in self.text
            except BrokenPipeError:
                continue


def command(*words):
    """(status, what it said)"""
    try:
        done = subprocess.run(["smemv", *words], capture_output=True, text=True, timeout=COMMAND_S, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"smemv {' '.join(words)} did not end within {COMMAND_S} s") from None
    return done.returncode, (done.stdout + done.stderr).strip()


class Fake:
    def __init__(self, control, name, module):
        self.control, self.name, self.module = control, name, module

    def tell(self, what):
        answer = tell(self.control, what)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def used(self, name):
        return self.tell("state")["misbehaved"].get(name, 0)

    def is_up(self):
        counters = self.module.counters(self.name)
        return counters["lanes_up"] == counters["lanes"]

    def behave(self):
        self.tell("clear")
        wait_until(LIMIT_S, "all connections are up again", self.is_up)

    def held(self, uuid):
        return self.tell("indexes").get(uuid, [])


class Drive:
    def __init__(self, disk, name, control, fake, good, address):  # pylint: disable=too-many-arguments
        self.disk, self.module = Disk(disk, LIMIT_S), Genl()
        self.fake, self.good = Fake(control, fake, self.module), good
        self.other = {fake: good, good: fake}
        host, _, port = address.rpartition(":")
        self.honest = wire.Client((host, int(port)))
        self.salt, self.salts = 0, {}
        (shown,) = json.loads(command("swap", "show", name, "--json")[1])
        self.uuid = shown["uuid"].replace("-", "")

    # --- pages ---

    def page(self, index):
        return ZERO if index % RUN == PAGES - 1 else content(index, self.salts[index // RUN])

    def write(self, run):
        self.salt += 1
        self.salts[run] = self.salt
        if self.disk.write(run * RUN, [self.page(run * RUN + i) for i in range(PAGES)]):
            raise Failed(f"run {run} cannot be written")

    def lost_runs(self):
        """Those that cannot be read; wrong data fails the case."""
        lost = []
        for run in range(RUNS):
            got = self.disk.read(run * RUN, PAGES)
            if isinstance(got, int):
                lost.append(run)
                continue
            for i, page in enumerate(got):
                if page != self.page(run * RUN + i):
                    raise Failed(f"page {run * RUN + i}: WRONG DATA, {'zeros' if page == ZERO else page[:16].hex()}")
        return lost

    # --- where they are ---

    def pages(self, server):
        return self.module.counters(server)["pages"]

    def held_by_good(self):
        space = self.honest.spaces().get(bytes.fromhex(self.uuid))
        return space["pages"] if space else 0

    def is_settled(self):
        return len(self.fake.held(self.uuid)) == self.pages(self.fake.name) and self.held_by_good() == self.pages(self.good)

    def ask_drain(self, server, *attrs):
        self.module.ask(NAMES["CMD_SERVER_DRAIN"], [attr(NAMES["A_SERVER_NAME"], server), *attrs])

    def take_pages_again(self, server):
        """Else it is one that is being drained."""
        self.ask_drain(server, attr(NAMES["A_SERVER_STOP"], b""))

    def may_drain(self, server):
        """An earlier drain may have to be closed yet."""
        try:
            self.ask_drain(server)
            return True
        except NetlinkError:
            return False

    def gather(self, server):
        """All pages, honestly."""
        source = self.other[server]
        for _ in range(3):
            if not self.pages(source):
                break
            wait_until(LIMIT_S, f"{source} may be drained", lambda: self.may_drain(source))
            wait_until(LIMIT_S, f"{source} is drained", lambda: not self.module.counters(source)["drains"])
        self.take_pages_again(source)
        if self.pages(source):
            raise Failed(f"{source} cannot be drained any more")

    # --- a case ---

    def drain(self, source):
        """One that ended may have to be closed at its target yet."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            status, said = command("server", "drain", source, "to", self.other[source])
            if not status or "target of an earlier drain" not in said or time.monotonic() > deadline:
                return status, said
            time.sleep(0.1)

    def run(self, op, name, times, after, counter, outcome, says):  # pylint: disable=too-many-arguments
        source = self.fake.name if op == "push" else self.good
        self.gather(source)
        before, met = self.module.counters(self.fake.name), self.fake.used(name)
        self.fake.tell(f"arm {op} {name} {times} {after}")
        status, said = self.drain(source)
        if counter:
            wait_until(COUNT_S, f"{counter} rose", lambda: self.module.counters(self.fake.name)[counter] > before[counter])
        if self.fake.used(name) == met:
            raise Failed("the misbehaviour was not met")
        left = self.pages(source)
        self.fake.behave()
        self.take_pages_again(source)
        lost = self.lost_runs()
        self.judge(outcome, says, status, said, left, lost)

    @staticmethod
    def judge(outcome, says, status, said, left, lost):  # pylint: disable=too-many-arguments
        if bool(left) != (status != 0) and outcome != LOST:
            raise Failed(f"{left} pages stayed and the command returned {status}: {said}")
        if outcome in (MOVED, STAYS) and bool(left) != (outcome == STAYS):
            raise Failed(f"{left} pages stayed: {said}")
        if len(lost) != (outcome == LOST):
            raise Failed(f"{len(lost)} runs are lost: {said}")
        if (status or outcome != ANY) and not re.search(says, said):
            raise Failed(f"the command said: {said}")

    def recover(self):
        self.fake.behave()
        for run in self.lost_runs():
            self.write(run)
        if self.lost_runs():
            raise Failed("what was written cannot be read")
        wait_until(LIMIT_S, "both servers hold exactly what the map says", self.is_settled)

    # --- dropping ---

    def spaces_at_fake(self):
        return set(self.fake.tell("state")["spaces"]) - {self.uuid}

    def drop(self, name, times, says):
        """A disk of its own."""
        log, old = Log(), self.spaces_at_fake()
        status, said = command("swap", "add", "1M", "servers", f"{self.good},{self.fake.name}", "name", "extra")
        if status:
            raise Failed(f"no disk can be made: {said}")
        then = ""
        if "+" in name:
            name, then = name.split("+")
            self.fake.tell("arm hello close -1")
        self.fake.tell(f"arm drop {name} {times}")
        status, said = command("swap", "del", "extra")
        if status:
            raise Failed(f"the disk cannot be deleted: {said}")
        if then:
            self.fake.tell(f"arm drop {then} 1")
            self.fake.tell("arm hello right 1")
        if not says or "told" in says:
            wait_until(LIMIT_S, "the fake has dropped it", lambda: self.spaces_at_fake() == old)
        if not self.fake.used(name):
            raise Failed("the misbehaviour was not met")
        wait_until(LIMIT_S, f"the log says: {says}", lambda: log.has(says))


def attempt(drive, what, function, *args):
    problem, start = "", time.monotonic()
    try:
        function(*args)
    except Failed as failure:
        problem = str(failure)
    try:
        drive.recover()
    except Failed as failure:
        problem = (problem + "; afterwards: " if problem else "") + str(failure)
    report(what, problem, time.monotonic() - start)


def two_ways(one, other):
    """A drain that ends well leaves the pages where the next one takes them from."""
    one, other = list(one), list(other)
    for i in range(max(len(one), len(other))):
        yield from one[i:i + 1]
        yield from other[i:i + 1]


def main():
    drive = Drive(*sys.argv[1:7])
    pattern = sys.argv[7] if len(sys.argv) > 7 else ""
    for run in range(RUNS):
        drive.write(run)
    for case in two_ways(push_cases(), drain_cases()):
        op, name, times, after, _, outcome, _ = case
        if pattern in f"{op} {name}":
            when = " for ever" if times < 0 else f" after {after}" if after else ""
            attempt(drive, f"{op}: {name}{when}: {outcome}", drive.run, *case)
    for name, times, says in drop_cases():
        if pattern in f"drop {name}":
            attempt(drive, f"drop: {name}", drive.drop, name, times, says)
    drive.disk.close()
    print("done", flush=True)


if __name__ == "__main__":
    run_bounded(main)
