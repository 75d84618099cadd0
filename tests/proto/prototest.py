# SPDX-License-Identifier: GPL-2.0-only
"""A memory server to test, and TAP. A test file defines functions test_*(server)."""
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("SMEMV_MEMSERVER", os.path.join(ROOT, "build", "smemv-memserver"))
OPTIONS = os.environ.get("SMEMV_MEMSERVER_OPTIONS", "").split()
# Sanitizers make everything slower; deadlines grow with them.
SLOW = float(os.environ.get("SMEMV_TEST_SLOW", "1"))


class Skip(Exception):
    """The test cannot run here."""


class Server:
    """A running memory server on a free port of loopback."""

    def __init__(self, memory="64M", threads=2, *options):
        self.log = []
        command = [PROGRAM, "--memory", memory, "--threads", str(threads),
                   "--listen", "127.0.0.1:0", *OPTIONS, *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.address = None
        ready = threading.Event()

        def reader():
            for line in self.process.stderr:
                self.log.append(line.rstrip("\n"))
                if " serves on " in line:
                    host, _, port = line.split(" serves on ")[1].split()[0].rpartition(":")
                    self.address = (host.strip("[]"), int(port))
                    ready.set()
            ready.set()

        self.reader = threading.Thread(target=reader, daemon=True)
        self.reader.start()
        ready.wait(30 * SLOW)
        if not self.address:
            self.process.kill()
            raise RuntimeError("the server did not start: " + "\n".join(self.log))

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=10):
        """The exit status, once it has ended and its log was read."""
        status = self.process.wait(timeout * SLOW)
        self.reader.join(5)
        return status

    def pause(self):
        self.signal(signal.SIGSTOP)
        # Stopped is asynchronous: its threads may run for a moment longer.
        while self.state() != "T":
            time.sleep(0.0001)

    def resume(self):
        self.signal(signal.SIGCONT)

    def state(self):
        tasks = f"/proc/{self.process.pid}/task"
        states = set()
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/stat", encoding="ascii", errors="replace") as f:
                states.add(f.read().rpartition(")")[2].split()[0])
        return "T" if states == {"T"} else "".join(sorted(states))

    def logged(self, text, timeout=5):
        return wait_for(lambda: any(text in line for line in self.log), timeout)

    def stop(self):
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGINT)
        return self.wait()


def wait_for(condition, timeout=5):
    end = time.monotonic() + timeout * SLOW
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def metrics(address):
    text = urllib.request.urlopen(f"http://{address}/metrics", timeout=5).read().decode()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in text.splitlines() if line and line[0] != "#"}


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what}: got {got!r:.200}, not {want!r:.200}")


def check_clean(server, status):
    """The server ended well, and no sanitizer complained."""
    equal(status, 0, "exit status of the server")
    for line in server.log:
        for bad in ("ERROR: AddressSanitizer", "runtime error", "WARNING: ThreadSanitizer",
                    "LeakSanitizer"):
            if bad in line:
                raise AssertionError("sanitizer: " + "\n".join(server.log[-60:]))


def run_one(test):
    server = None
    needs = getattr(test, "server", {})
    try:
        if needs is not None:
            server = Server(*needs.get("args", ()))
            test(server)
            if server.process.poll() is None:
                check_clean(server, server.stop())
        else:
            test()
    finally:
        if server and server.process.poll() is None:
            server.process.kill()


def with_server(*args):
    """Decorator: the arguments of the Server that the test gets."""
    def mark(test):
        test.server = {"args": args}
        return test
    return mark


def without_server(test):
    test.server = None
    return test


def main(module):
    """Run all test_* of a module; arguments choose some by a part of their name."""
    tests = [(name, value) for name, value in vars(module).items()
             if name.startswith("test_") and callable(value)]
    chosen = sys.argv[1:]
    if chosen:
        tests = [t for t in tests if any(c in t[0] for c in chosen)]
    print(f"1..{len(tests)}")
    failed = 0
    for number, (name, test) in enumerate(tests, 1):
        title = (test.__doc__ or name[5:].replace("_", " ")).strip().split("\n")[0].rstrip(".")
        try:
            run_one(test)
            print(f"ok {number} - {title}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {title} # SKIP {reason}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {title}", flush=True)
            for line in traceback.format_exc().splitlines():
                print("# " + line, flush=True)
    sys.exit(1 if failed else 0)
