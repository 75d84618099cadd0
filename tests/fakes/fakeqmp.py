#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Two QEMUs as their QMP monitors show them: a guest at one, and one that waits for a migration.

They speak QMP on DIR/source and DIR/destination and know what `smemv migrate` asks. What they were
told is written to DIR/log, a line each ("source migrate {...}"). Options make an end lack something
or misbehave; the migration itself is a clock.
"""
import argparse
import json
import os
import socket
import threading
import time

PAGE = 4096


class Guest:
    """The migration that both ends take part in."""

    def __init__(self, args):
        self.args = args
        self.lock = threading.Lock()
        self.started = self.arrival = None
        self.status = None
        self.error = None
        self.source = args.source_state
        self.destination = args.destination_state
        self.budget = self.ram = args.ram << 20
        self.servers = []
        self.split = self.pauses = False

    def start(self):
        self.started, self.status = time.monotonic(), "active"

    def set_parameters(self, arguments):
        self.budget = arguments.get("smemv-main-budget", self.budget)
        self.servers = arguments.get("smemv-servers", self.servers)

    def set_capabilities(self, capabilities):
        self.split = capabilities.get("smemv", False)
        self.pauses = capabilities["pause-before-switchover"]

    def share(self):
        return min(1, (time.monotonic() - self.started) / self.args.seconds)

    def cancel(self):
        if self.args.hangs_on_cancel:
            self.status = "cancelling"
        elif self.args.decided:
            self.status, self.source, self.destination = "cancelled", "postmigrate", self.args.destination_after
        elif self.status in ("active", "pre-switchover"):
            self.status = "cancelled"
            if self.source == "finish-migrate":
                self.source = "running"

    def turn(self):
        """Somebody pauses the guest in the middle, or continues it."""
        if self.args.turns_at is not None and self.share() >= self.args.turns_at:
            self.source = "paused" if self.source == "running" else "running"
            self.args.turns_at = None

    def advance(self):
        if self.status != "active":
            return
        self.turn()
        if self.args.fails_at is not None and self.share() >= self.args.fails_at:
            self.status, self.error = "failed", "Unable to write to socket: Broken pipe"
            if self.args.stays_stopped:
                self.source = "finish-migrate"
        elif self.share() >= 1 and self.pauses:
            self.status, self.source = "pre-switchover", "finish-migrate"
        elif self.share() >= 1 and not self.args.never_ends:
            self.status, self.source = "completed", "postmigrate"
            self.arrival = time.monotonic() + self.args.arrives_late

    def arrive(self):
        if self.arrival and time.monotonic() >= self.arrival and not self.args.destination_fails:
            self.destination, self.arrival = self.args.destination_after, None

    def query(self):
        self.advance()
        if not self.status:
            return {"blocked-reasons": [self.args.blocked]} if self.args.blocked else {}
        done = int(self.ram * self.share() * 0.9) // PAGE * PAGE
        answer = {"status": self.status}
        if self.status not in ("failed", "cancelled"):
            answer |= {"total-time": 1000, "setup-time": 5, "expected-downtime": 300,
                       "ram": {"total": self.ram, "remaining": self.ram - done, "transferred": done,
                               "normal": done // PAGE, "duplicate": 7, "dirty-pages-rate": 100,
                               "dirty-sync-count": 2}}
        if self.status == "completed":
            answer["downtime"] = 42
            answer["ram"]["remaining"] = 0
        if self.error:
            answer["error-desc"] = self.error
        if self.split:
            answer["smemv"] = self.query_split(done)
        return answer

    def query_split(self, done):
        pages = done // PAGE // (len(self.servers) + 1)
        targets = [{"server": name, "pages": pages, "bytes": pages * PAGE, "zero": 3, "resent": 1,
                    "backlog": 0, "state": "active"} for name in self.servers]
        return {"main-pages": pages, "main-bytes": pages * PAGE, "heat-source": "dirty",
                "state": "moved" if self.args.decided and self.status == "cancelled" else "active",
                "targets": targets}


class End:
    """One QEMU's monitor. Answers come from answer_COMMAND."""

    def __init__(self, name, args, guest, log):
        self.name, self.args, self.guest, self.log = name, args, guest, log
        self.is_source = name == "source"
        self.capabilities = dict.fromkeys(("events", "return-path", "auto-converge", "pause-before-switchover"), False)
        if not self.option("old"):
            self.capabilities["smemv"] = False
        for capability in self.option("on") or ():
            self.capabilities[capability] = True

    def option(self, key):
        return getattr(self.args, f"{self.name}_{key}")

    def answer_query_status(self, _):
        self.guest.arrive()
        state = self.guest.source if self.is_source else self.guest.destination
        return {"status": state, "running": state == "running"}

    def answer_query_name(self, _):
        return {"name": self.args.name}

    def answer_query_memory_size_summary(self, _):
        return {"base-memory": self.option("ram") or self.args.ram << 20, "plugged-memory": 0}

    def answer_query_cpus_fast(self, _):
        return [{"cpu-index": 0}]

    def answer_query_migrate_capabilities(self, _):
        return [{"capability": name, "state": state} for name, state in self.capabilities.items()]

    def answer_query_migrate(self, _):
        if self.is_source:
            return self.guest.query()
        if self.guest.error:
            return {"status": "failed", "error-desc": "it has no server one"}
        if self.guest.arrival and self.args.destination_fails:
            return {"status": "failed", "error-desc": self.args.destination_fails}
        return {}

    def answer_qom_get(self, arguments):
        values = {("/machine", "memory-backend"): "/objects/pc.ram",
                  ("/machine", "type"): self.option("machine")}
        if self.option("mem_path"):
            values["/objects/pc.ram", "mem-path"] = self.option("mem_path")
            values["/objects/pc.ram", "share"] = True
        key = (arguments["path"], arguments["property"])
        if key not in values:
            raise ValueError(f"Property '{key[0]}.{key[1]}' not found")
        return values[key]

    def answer_migrate_set_capabilities(self, arguments):
        if self.args.refuses_capabilities == self.name:
            raise ValueError("Capability 'smemv' is not compatible with 'x-colo'")
        for entry in arguments["capabilities"]:
            self.capabilities[entry["capability"]] = entry["state"]
        if self.is_source:
            self.guest.set_capabilities(self.capabilities)
        return {}

    def answer_query_yank(self, _):
        return [{"type": "chardev", "id": "serial0"}] + [{"type": "migration"}] * self.option("connects")

    def answer_query_migrate_parameters(self, _):
        return {"max-bandwidth": 134217728, "downtime-limit": 300, "smemv-bandwidth": 0, "announce-max": 550}

    def answer_migrate_set_parameters(self, arguments):
        if self.args.refuses_parameters:
            raise ValueError("Parameter 'smemv-servers' expects servers that exist")
        self.guest.set_parameters(arguments)
        return {}

    def answer_migrate_incoming(self, _):
        if self.args.refuses_incoming:
            raise ValueError(self.args.refuses_incoming)
        return {}

    def answer_migrate(self, _):
        self.guest.start()
        return {}

    def answer_migrate_cancel(self, _):
        self.guest.cancel()
        return {}

    def answer_cont(self, _):
        if self.args.refuses_cont:
            raise ValueError(self.args.refuses_cont)
        if self.is_source:
            self.guest.source = "running"
        else:
            self.guest.destination = "running"
        return {}

    def answer_quit(self, _):
        return {}

    def reply(self, message):
        command, request = message["execute"], {"id": message.get("id")}
        arguments = message.get("arguments", {})
        with self.guest.lock:
            self.log.write(f"{self.name} {command} {json.dumps(arguments)}\n")
            self.log.flush()
            if command == "qmp_capabilities":
                return request | {"return": {}}
            handler = getattr(self, "answer_" + command.replace("-", "_"), None)
            if not handler:
                return request | {"error": {"class": "CommandNotFound",
                                            "desc": f"The command {command} has not been found"}}
            try:
                return request | {"return": handler(arguments)}
            except ValueError as error:
                return request | {"error": {"class": "GenericError", "desc": str(error)}}

    def misbehaves(self, command):
        """A word of the test's, or None: "hang", "garbage", "close", "flood"."""
        for rule in self.option("at") or ():
            wanted, what = rule.split("=")
            if wanted == command:
                return what
        return None

    def greet(self, client):
        what = self.misbehaves("greeting")
        if what == "hang":
            time.sleep(3600)
        if what == "garbage":
            client.sendall(b"(qemu) help\n")
        version = {"qemu": {"major": 10, "minor": 0, "micro": 13}, "package": ""}
        client.sendall(json.dumps({"QMP": {"version": version, "capabilities": ["oob"]}}).encode() + b"\r\n")

    def serve(self, client):
        self.greet(client)
        for line in client.makefile():
            message = json.loads(line)
            what = self.misbehaves(message["execute"])
            if what == "hang":
                continue
            if what == "garbage":
                client.sendall(b"{\"return\": }\r\n")
                continue
            if what == "close":
                return
            if what == "flood":
                while True:
                    client.sendall(b'{"event": "NIC_RX_FILTER_CHANGED", "data": {}}\r\n' * 100)
            self.send(client, self.reply(message))
            if message["execute"] == "quit":
                if self.misbehaves("end") != "hang":
                    return

    def send(self, client, reply):
        """With an event before it, and in two pieces, or byte by byte."""
        event = {"event": "MIGRATION_PASS", "data": {"pass": 1}, "timestamp": {"seconds": 1, "microseconds": 2}}
        text = json.dumps(event) + "\r\n" + json.dumps(reply) + "\r\n"
        step = 1 if self.args.trickles else len(text) // 2 + 1
        for start in range(0, len(text), step):
            client.sendall(text[start:start + step].encode())
            if self.args.trickles:
                time.sleep(0.0001)

    def run(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{self.args.directory}/{self.name}")
        listener.listen(1)
        while True:
            client, _ = listener.accept()
            try:
                with client:
                    self.serve(client)
            except (BrokenPipeError, ConnectionResetError):
                pass


def add_end_options(parser, name):
    parser.add_argument(f"--{name}-old", action="store_true", help="a QEMU without the glue")
    parser.add_argument(f"--{name}-on", action="append", metavar="CAPABILITY", help="it is on before")
    parser.add_argument(f"--{name}-connects", action="store_true", help="still, for a migration that was cancelled")
    parser.add_argument(f"--{name}-ram", type=int, help="bytes of memory, unlike --ram")
    parser.add_argument(f"--{name}-machine", default="pc-i440fx-10.0-machine")
    parser.add_argument(f"--{name}-mem-path", help="file of its memory (default: ordinary memory)")
    parser.add_argument(f"--{name}-at", action="append", metavar="COMMAND=hang|garbage|close|flood",
                        help="misbehave when asked this; COMMAND may be greeting, or end (after quit)")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    parser.add_argument("--name", default="web1")
    parser.add_argument("--ram", type=int, default=64, metavar="MIB")
    parser.add_argument("--seconds", type=float, default=0.5, help="what a migration takes")
    parser.add_argument("--source-state", default="running")
    parser.add_argument("--destination-state", default="inmigrate")
    parser.add_argument("--destination-after", default="running", help="its state after the migration")
    parser.add_argument("--destination-fails", metavar="REASON", help="when all of the guest was sent")
    parser.add_argument("--arrives-late", type=float, default=0, metavar="SECONDS", help="after the source is done")
    parser.add_argument("--turns-at", type=float, metavar="SHARE", help="it is paused, or continued, at the source")
    parser.add_argument("--fails-at", type=float, metavar="SHARE")
    parser.add_argument("--stays-stopped", action="store_true", help="the source, after a failure")
    parser.add_argument("--never-ends", action="store_true")
    parser.add_argument("--hangs-on-cancel", action="store_true")
    parser.add_argument("--decided", action="store_true", help="it is too late to cancel: the guest moved")
    parser.add_argument("--refuses-parameters", action="store_true")
    parser.add_argument("--refuses-capabilities", choices=["source", "destination"])
    parser.add_argument("--refuses-incoming", metavar="REASON")
    parser.add_argument("--refuses-cont", metavar="REASON")
    parser.add_argument("--trickles", action="store_true", help="both ends speak byte by byte")
    parser.add_argument("--blocked", metavar="REASON")
    add_end_options(parser, "source")
    add_end_options(parser, "destination")
    args = parser.parse_args()

    os.makedirs(args.directory, exist_ok=True)
    guest = Guest(args)
    with open(f"{args.directory}/log", "w", encoding="ascii") as log:
        ends = [End(name, args, guest, log) for name in ("source", "destination")]
        threads = [threading.Thread(target=end.run, daemon=True) for end in ends]
        for thread in threads:
            thread.start()
        # Whoever started it ends it, or goes.
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(1)


if __name__ == "__main__":
    main()
