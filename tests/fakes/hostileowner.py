#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Memory files that change their owner while a fake memory server, which decides about that, or only has pages, answers
CLAIM, ACTIVATE, OPEN and STAT in every wrong way.

usage: hostileowner.py CONTROL FAKE GOOD [PATTERN]

One line for each case, as hostile.py. Each command ends in bounded time, and says what came of it; there are never two
owners; asked again, an honest server makes one; and who is the owner, or may be it, has every page right.
"""
import ctypes
import errno
import mmap
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from diskio import PAGE, content  # noqa: E402
from genl import NAMES, Genl, attr, u64  # noqa: E402
from hostile import DOWN, LIMIT_S, PROTOCOL, Failed, report, run_bounded, wait_until  # noqa: E402
from hostilemoves import COUNT_S, HEADERS, STREAM, ZERO, Fake, Log, command  # noqa: E402
from spaceioctl import File  # noqa: E402

PAGES = 16      # of the file, even ones at its first server, odd ones at the second; the last two are zeros
READ_S = 30
OK, FAILS = "succeeds", "fails"
# The log takes ten messages of a kind in five seconds; what fails may say two.
FAILS_AT_LEAST_S = 1.1

NO_ANSWER = "the arbiter does not answer"
EPOCHS = ("owner-epoch-before", "owner-epoch-next", "owner-epoch-0", "owner-epoch-max", "owner-turned")


def take_back_cases():
    """(operation, misbehaviour, times, counter that rises, outcome, what the command says, and the log)"""
    for op in ("claim", "activate"):
        for name in HEADERS[2:] + list(EPOCHS) + ["reply-with-data", "refuse-not-active"]:
            yield op, name, 1, PROTOCOL, OK, "", ""
        for name, counter in STREAM:
            yield op, name, 1, counter, OK, "", ""
        for name in ("owner-epoch-before", "owner-turned"):
            yield op, name, -1, PROTOCOL, FAILS, NO_ANSWER, ""
        yield op, "undone-close", -1, DOWN, FAILS, NO_ANSWER, ""
        yield op, "undone-right", 1, None, OK, "", ""
        for name in ("limit", "busy"):
            yield op, "undone-refuse-" + name, -1, None, FAILS, "", "cannot take the space back: " + name.split("-", maxsplit=1)[0]
        yield op, "owner-not-active", 1, None, OK if op == "claim" else FAILS, "", ""
        yield op, "owner-active", 1, None, OK if op == "claim" else FAILS, "", ""
    yield "claim", "undone-refuse-no-such-space", 1, None, FAILS, "nobody can know", "does not know any more"
    for name in ("owner-stale", "owner-stale-0", "owner-stale-max"):
        yield "claim", name, 1, None, OK, "", ""
    yield "claim", "owner-stale-max", -1, None, FAILS, "", "others claim it all the time"
    yield "claim", "undone-owner-stale-active", 1, None, FAILS, "the new owner is active", ""
    yield "activate", "undone-owner-stale", 1, None, FAILS, "claimed it", ""
    yield "activate", "undone-owner-stale-active", 1, None, FAILS, "claimed it", ""


def adopt_cases():
    for name in ("bad-header-crc", "undone-close", "owner-epoch-before"):
        yield "claim", name, 1, None, OK, "", ""
    yield "claim", "close", -1, DOWN, FAILS, NO_ANSWER, ""
    for name in ("owner-epoch-before", "owner-epoch-max"):
        yield "claim", name, -1, PROTOCOL, FAILS, NO_ANSWER, ""
    yield "claim", "undone-refuse-limit", -1, None, FAILS, "refused", "cannot adopt: limit"
    yield "claim", "undone-refuse-no-such-space", 1, None, FAILS, "does not know the space", ""
    yield "claim", "undone-owner-not-active", 1, None, FAILS, "somebody else claimed", ""
    yield "claim", "undone-owner-stale", 1, None, FAILS, "somebody else claimed", ""
    yield "claim", "undone-owner-active", 1, None, FAILS, "refused", "cannot adopt: active"
    yield "claim", "undone-right", 1, None, OK, "", ""
    yield "open", "bad-header-crc", 1, PROTOCOL, OK, "", ""
    yield "open", "close", 1, DOWN, OK, "", ""
    yield "open", "undone-refuse-limit", -1, None, FAILS, "", "cannot adopt: the server has as many spaces as it allows"
    yield "open", "open-stale-epoch", 1, None, FAILS, "somebody else claimed", ""


def activate_cases():
    for name in ("undone-other-space", "close", "owner-epoch-before"):
        yield "activate", name, 1, None, OK, "", ""
    yield "activate", "close", -1, DOWN, FAILS, NO_ANSWER, ""
    yield "activate", "owner-epoch-next", -1, PROTOCOL, FAILS, NO_ANSWER, ""
    yield "activate", "undone-owner-turned", -1, PROTOCOL, FAILS, NO_ANSWER, ""
    yield "activate", "undone-owner-not-active", 1, None, FAILS, "", "cannot become the owner: not active"
    yield "activate", "undone-refuse-limit", -1, None, FAILS, "", "cannot become the owner: limit"
    yield "activate", "undone-owner-stale", 1, None, FAILS, "the old owner took it back", ""
    yield "stat", "stat-fewer-pages", -1, None, FAILS, "has not all pages", "has not all of the"
    yield "stat", "refuse-limit", -1, None, OK, "", ""
    yield "stat", "other-space", 1, PROTOCOL, OK, "", ""


def second_cases():
    """The fake only has pages, and hears of the owner afterwards."""
    for name in ("bad-header-crc", "no-reply", "undone-right", "undone-refuse-limit", "undone-owner-not-active", "owner-turned"):
        yield "activate", name, 1, None, OK, "", ""
    yield "activate", "undone-close", 3, DOWN, OK, "", ""


class Drive:
    def __init__(self, control, fake, good):
        self.module = Genl()
        self.fake, self.good = Fake(control, fake, self.module), good
        self.owner, self.other = "a", "b"
        self.salt, self.map = 0, control + ".map"
        self.doubtful = False   # whether what failed was done
        self.asked = False      # the other one to become the owner
        self.servers = ()

    # --- files ---

    def make(self, servers):
        self.servers = servers
        status, said = command("vm", "create", self.owner, "size", "1M", "servers", ",".join(servers), "deadline", "8000")
        if status:
            raise Failed(said)
        self.store()

    def delete(self, name):
        status, said = command("vm", "del", name)
        if status:
            raise Failed(f"the file cannot be deleted: {said}")

    def get(self, name, attribute):
        return self.module.ask(NAMES["CMD_VM_GET"], [attr(NAMES["A_VM_NAME"], name)])[0][NAMES[attribute]][0]

    def state(self, name):
        return ("active", "claimed", "lost")[int.from_bytes(self.get(name, "A_VM_OWNER"), "little")]

    def page(self, index):
        return ZERO if index >= PAGES - 2 else content(index, self.salt)

    def store(self):
        """New content of each page, at its server."""
        self.salt += 1
        errors = self.store_as(self.owner)
        if errors != {0}:
            raise Failed(f"pages cannot be stored: {errors}")

    def store_as(self, name):
        """The errors, 0 for what was stored."""
        memory = mmap.mmap(-1, PAGES * PAGE)
        memory[:] = b"".join(self.page(i) for i in range(PAGES))
        base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        file, errors = File("/dev/smemv/" + name), set()
        for server in (0, 1):
            err, pages = file.store([(i, base + i * PAGE) for i in range(server, PAGES, 2)], server)
            errors |= {err} if err else {error for _, error in pages}
        os.close(file.fd)
        return errors

    def verify(self, name):
        """Every page, from the servers."""
        got = []
        reader = threading.Thread(target=lambda: got.append(read_all("/dev/smemv/" + name)), daemon=True)
        reader.start()
        reader.join(READ_S)
        if not got:
            raise Failed(f"{name} cannot be read in {READ_S} s")
        for i, page in enumerate(got[0]):
            if page != self.page(i):
                raise Failed(f"{name}, page {i}: " + (f"error {page}" if isinstance(page, int) else "WRONG DATA"))
        self.module.ask(NAMES["CMD_VM_EVICT"], [attr(NAMES["A_VM_NAME"], name), attr(NAMES["A_VM_SIZE"], u64(1 << 20))])
        wait_until(LIMIT_S, f"{name} is evicted", lambda: not any(self.get(name, "A_VM_RESIDENT")))

    # --- owners ---

    def adopt(self):
        status, told = command("vm", "map", self.owner, "--json")
        if status:
            raise Failed(told)
        with open(self.map, "w", encoding="utf-8") as file:
            file.write(told)
        return command("vm", "adopt", self.other, self.map, "deadline", "8000")

    def take_back(self):
        return command("vm", "take-back", self.owner)

    def activate(self):
        return command("vm", "activate", self.other)

    def expect(self, what, result, says=""):
        status, said = result
        if status if not says else not status or says not in said:
            raise Failed(f"{what}: {status}, {said}")

    def has_other(self):
        return os.path.exists("/dev/smemv/" + self.other)

    def change_over(self):
        """The other one is the owner now, and the only one."""
        self.expect("the old owner takes it back", self.take_back(), "the new owner is active")
        if self.store_as(self.owner) != {errno.ESTALE}:
            raise Failed("the old owner can store")
        self.delete(self.owner)
        self.owner, self.other = self.other, self.owner

    def recover(self):
        """Whatever happened, an honest server has one owner with every page."""
        self.fake.behave()
        # What failed may have been done: asked again it says so.
        if self.asked and not self.activate()[0]:
            self.change_over()
        self.asked = False
        if self.doubtful or self.has_other() or self.state(self.owner) != "active":
            self.expect("asked again the owner takes it back", self.take_back())
        if self.has_other():
            self.expect("the other is too late", self.activate(), "took it back")
            self.delete(self.other)
        if self.state(self.owner) != "active":
            raise Failed("nobody is the owner")
        self.doubtful = False
        self.verify(self.owner)
        self.store()    # what the next case is to find

    def begin_anew(self):
        """After a failure that the next case is not to suffer from."""
        for name in (self.owner, self.other):
            command("vm", "del", name)
        self.make(self.servers)

    # --- a case ---

    def meets(self, do, op, name, times, counter, outcome, says, logged):  # pylint: disable=too-many-arguments
        """The command that meets the misbehaviour."""
        log, before, met = Log(), self.module.counters(self.fake.name), self.fake.used(name)
        # The file that adopts is made first, and opened on each lane.
        after = before["lanes"] if op == "open" else 0
        self.fake.tell(f"arm {op} {name} {times} {after}")
        status, said = do()
        self.doubtful = bool(status)
        if counter:
            wait_until(COUNT_S, f"{counter} rose", lambda: self.module.counters(self.fake.name)[counter] > before[counter])
        wait_until(LIMIT_S, "the misbehaviour was met", lambda: self.fake.used(name) > met)
        self.fake.behave()
        if bool(status) != (outcome == FAILS) or not re.search(says, said):
            raise Failed(f"the command returned {status}: {said}")
        if logged and not log.has(logged):
            raise Failed(f"the log does not say: {logged}")

    def run_take_back(self, *case):
        self.meets(self.take_back, *case)

    def run_adopt(self, *case):
        self.meets(self.adopt, *case)
        if case[4] == OK:
            self.verify(self.other)

    def run_activate(self, *case):
        self.expect("adopting", self.adopt())
        self.asked = True
        self.meets(self.activate, *case)
        if case[4] == OK:
            self.verify(self.other)

    def run_second(self, *case):
        self.meets(self.take_back, *case)
        self.store()
        self.verify(self.owner)


def read_all(path):
    """The pages, or errno for what cannot be read; that way no signal comes of it."""
    fd, pages = os.open(path, os.O_RDWR), []
    memory = mmap.mmap(fd, PAGES * PAGE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    own = os.open("/proc/self/mem", os.O_RDONLY)
    for i in range(PAGES):
        try:
            pages.append(os.pread(own, PAGE, base + i * PAGE))
        except OSError as error:
            pages.append(error.errno)
    os.close(own)
    os.close(fd)
    return pages


def attempt(drive, what, function, case):
    problem, start = "", time.monotonic()
    try:
        function(*case)
    except Failed as failure:
        problem = str(failure)
    try:
        drive.recover()
    except Failed as failure:
        problem = (problem + "; afterwards: " if problem else "") + str(failure)
        drive.begin_anew()
    op, name, times, _, outcome, _, _ = case
    if outcome == FAILS:
        time.sleep(max(0, start + FAILS_AT_LEAST_S - time.monotonic()))
    report(f"{what}: {op}: {name}{' for ever' if times < 0 else ''}: {outcome}", problem, time.monotonic() - start)


def main():
    drive = Drive(*sys.argv[1:4])
    pattern = sys.argv[4] if len(sys.argv) > 4 else ""
    fake, good = drive.fake.name, drive.good
    for what, cases, function, servers in (
            ("take back", take_back_cases(), drive.run_take_back, (fake, good)),
            ("adopt", adopt_cases(), drive.run_adopt, (fake, good)),
            ("activate", activate_cases(), drive.run_activate, (fake, good)),
            ("second", second_cases(), drive.run_second, (good, fake))):
        drive.make(servers)
        for case in cases:
            if pattern in f"{what} {case[0]} {case[1]}":
                attempt(drive, what, function, case)
        drive.delete(drive.owner)
    print("done", flush=True)


if __name__ == "__main__":
    run_bounded(main)
