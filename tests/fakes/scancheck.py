#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: scancheck.py [--interval MS] [--coarse] KVMTOUCH-COMMAND -- STEP...

Scans a machine of kvmtouch and compares what the scan reports with what was touched. Steps:
  FIRST+COUNT[*STEP]   touch these, and nothing else may be reported
  idle                 touch nothing, and nothing may be reported
  =FIRST+COUNT,...     the report must be this, of what the next step touches
  memory LEAST MOST    within a few scans the history takes so many bytes
  anything else        a command for kvmtouch, such as "log on"
With --coarse (a fallback that looks at 2 MiB as a whole first) all that was touched must be reported,
and more may be. One line for each step: ok or "not ok", and what. The last is the scan's method.
"""
import argparse
import errno
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import genl  # noqa: E402

N = genl.NAMES
METHODS = ("none-yet", "tdp-walk", "clear-young")


class Machine:
    def __init__(self, command):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.base = self.answer("ready")
        options = dict(zip(command, command[1:]))
        self.pages = int(options.get("--size", 64 << 20)) // 4096

    def answer(self, word):
        line = self.process.stdout.readline().split()
        if len(line) != 2 or line[0] != word:
            sys.exit(f"not ok\tkvmtouch said: {' '.join(line)}")
        return int(line[1], 16)

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        self.answer("done")


class Scan:
    def __init__(self, machine, interval):
        self.machine = machine
        self.pid = machine.process.pid
        self.module = genl.Genl()
        self.interval = interval
        self.start()

    def start(self):
        subprocess.run(["smemv", "scan", "start", "pid", str(self.pid), "interval", str(self.interval)],
                       check=True)

    def stop(self):
        subprocess.run(["smemv", "scan", "stop", "pid", str(self.pid)], check=True)

    def slow_down(self):
        self.stop()
        self.interval *= 2
        self.start()

    def get(self):
        return self.module.ask(N["CMD_SCAN_GET"], [genl.attr(N["A_SCAN_PID"], genl.u32(self.pid))])[0]

    def scans(self):
        return struct.unpack("=Q", self.get()[N["A_SCAN_SCANS"]][0])[0]

    def memory(self):
        return struct.unpack("=Q", self.get()[N["A_SCAN_MEMORY"]][0])[0]

    def method(self):
        return METHODS[struct.unpack("=I", self.get()[N["A_SCAN_METHOD"]][0])[0]]

    def wait(self, scans):
        """Until so many more began and ended."""
        end, limit = self.scans() + scans + 1, time.monotonic() + 60
        while self.scans() < end:
            if time.monotonic() > limit:
                sys.exit("not ok\tno scan ended for a minute")
            time.sleep(0.02)

    def cold(self, cold_ms):
        """(first page, pages) of what was not accessed for so long."""
        request = [genl.attr(N["A_SCAN_PID"], genl.u32(self.pid)),
                   genl.attr(N["A_SCAN_COLD"], genl.u32(cold_ms))]
        for message in self.module.ask(N["CMD_SCAN_RANGES"], request, genl.NLM_F_DUMP):
            for ranges in message.get(N["A_SCAN_RANGES"], []):
                for address, pages in struct.iter_unpack("=QQ", ranges):
                    yield (address - self.machine.base) // 4096, pages

    def accessed_since(self, moment):
        """Page numbers."""
        pages = set(range(self.machine.pages))
        for first, count in self.cold(int((time.monotonic() - moment) * 1000) + 1):
            if 0 <= first < self.machine.pages:
                pages.difference_update(range(first, first + count))
        return pages


def parse_pages(text):
    pages = set()
    for part in text.split(","):
        bounds, _, step = part.partition("*")
        first, count = bounds.split("+")
        pages |= set(range(int(first), int(first) + int(count) * int(step or 1), int(step or 1)))
    return pages


def describe(pages):
    pages = sorted(pages)
    return f"{len(pages)} pages {' '.join(map(str, pages[:10]))}{'...' if len(pages) > 10 else ''}"


def look(machine, scan, step):
    """What was reported after the step. Again, slower, when all that took longer than is remembered."""
    for _ in range(5):
        try:
            return look_once(machine, scan, step)
        except genl.NetlinkError as error:
            if error.errno != errno.ERANGE:
                raise
            scan.slow_down()
    sys.exit("not ok\tthis machine is too slow to tell")


def look_once(machine, scan, step):
    scan.wait(1)
    moment = time.monotonic()
    if step != "idle":
        bounds, _, by = step.partition("*")
        machine.tell(f"touch {bounds.replace('+', ' ')} {by or 1}")
    scan.wait(1)
    return scan.accessed_since(moment)


def judge(step, wanted, got, coarse):
    good = wanted <= got if coarse and wanted else got == wanted
    print("ok" if good else "not ok", step, sep="\t")
    if not good:
        print(f"# missing: {describe(wanted - got)}; too many: {describe(got - wanted)}")
    sys.stdout.flush()


def judge_memory(scan, least, most):
    for _ in range(10):
        scan.wait(1)
        taken = scan.memory()
        if least <= taken <= most:
            break
    judged = "ok" if least <= taken <= most else "not ok"
    print(f"{judged}\tthe history takes {least} to {most} bytes")
    if judged != "ok":
        print(f"# it takes {taken}")
    sys.stdout.flush()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--interval", type=int, default=300)
    options.add_argument("--coarse", action="store_true")
    options.add_argument("words", nargs=argparse.REMAINDER)
    options = options.parse_args()
    at = options.words.index("--")
    machine = Machine(options.words[:at])
    scan = Scan(machine, options.interval)
    wanted = None
    for step in options.words[at + 1:]:
        if step.startswith("="):
            wanted = parse_pages(step[1:])
        elif step == "idle" or step[0].isdigit():
            if wanted is None:
                wanted = set() if step == "idle" else parse_pages(step)
            judge(step, wanted, look(machine, scan, step), options.coarse)
            wanted = None
        elif step.startswith("memory "):
            judge_memory(scan, *map(int, step.split()[1:]))
        else:
            machine.tell(step)
    print(f"method\t{scan.method()}")
    scan.stop()
    machine.process.stdin.close()
    machine.process.wait()


main()
