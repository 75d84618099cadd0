#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Start and end, signals, orphans, metrics, systemd, and the operator's commands."""
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import prototest
from prototest import PROGRAM, Skip, equal, wait_for, with_server, without_server
from smemvwire import *  # pylint: disable=wildcard-import,unused-wildcard-import

A, B = b"A" * 16, b"B" * 16
A_TEXT = "41414141-4141-4141-4141-414141414141"


def opened(server, uuid=A, **kw):
    c = Client(server.address, **kw)
    equal(c.open(1, uuid).status, ST_OK)
    return c


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(*args):
    done = subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=30 * prototest.SLOW,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def test_sigterm_of_an_empty_server(server):
    server.signal(signal.SIGTERM)
    equal(server.wait(), 0)


def test_sigterm_takes_no_new_pages(server):
    c = opened(server)
    c.store(1, [(1, content(1)), (2, ZERO_PAGE)])
    server.signal(signal.SIGTERM)
    assert server.logged("holding 1 pages and 1 zero pages of 1 spaces")
    equal(c.store(1, [(3, content(3))]).status, ST_STOPPING)
    equal(c.store(1, [(4, ZERO_PAGE)]).status, ST_STOPPING)
    reply = c.store(1, [(1, content(1, 2)), (3, content(3))])
    equal((reply.status, [s for _, s in parse_statuses(reply)]), (ST_PARTIAL, [ST_OK, ST_STOPPING]))
    equal([p.content for p in c.load(1, [1, 2])[1]], [content(1, 2), ZERO_PAGE])
    equal(c.open(2, B).status, ST_STOPPING)
    late = Client(server.address)
    equal((late.open(1, A, flags=0).status, late.load(1, [1])[0]), (ST_OK, ST_OK))
    equal(c.invalidate(1, [(1, 2)]), (ST_OK, 2))
    equal(server.wait(), 0)


def test_second_sigterm_ends_it(server):
    opened(server).store(1, [(1, content(1))])
    server.signal(signal.SIGTERM)
    assert server.logged("a second SIGTERM ends it now")
    server.signal(signal.SIGTERM)
    equal(server.wait(), 0)
    assert server.logged("these pages are lost")


def test_sigint_ends_at_once(server):
    opened(server).store(1, [(1, content(1))])
    server.signal(signal.SIGINT)
    equal(server.wait(), 0)


def test_closed_terminal_loses_nothing(server):
    c = opened(server)
    c.store(1, [(1, content(1))])
    server.signal(signal.SIGHUP)
    equal(c.load(1, [1])[1][0].content, content(1))


def test_sigint_while_spaces_are_dropped(server):
    """What nobody came to drop any more is let go, too."""
    c = opened(server)
    uuids = [bytes([n]) * 16 for n in range(1, 40)]
    for handle, uuid in enumerate(uuids, 2):
        c.open(handle, uuid)
        c.store(handle, [(i << 20, content(1)) for i in range(16)])
    for handle, uuid in enumerate(uuids, 2):
        c.send(drop_frame(uuid, handle))
    server.signal(signal.SIGINT)
    equal(server.wait(), 0)


@with_server("4M", 1, "--drain-timeout", "1")
def test_drain_timeout(server):
    opened(server).store(1, [(1, content(1))])
    start = time.monotonic()
    server.signal(signal.SIGTERM)
    equal(server.wait(), 0)
    assert 0.9 < time.monotonic() - start < 5 * prototest.SLOW


@with_server("4M", 2, "--orphan-timeout", "4")
def test_orphan_timeout(server):
    c, gone = opened(server), opened(server, B)
    c.store(1, [(1, content(1))])
    gone.store(1, [(1, content(1)), (2, content(2))])
    start = time.monotonic()
    gone.close()
    # A machine that stands still for a while may not show it in between.
    assert wait_for(lambda: not c.spaces().get(B, {"owned": False})["owned"])
    assert wait_for(lambda: B not in c.spaces(), 30)
    assert time.monotonic() - start > 3.5
    assert wait_for(lambda: server.logged("no owner for 4 s (--orphan-timeout); dropping its 2 pages"))
    assert wait_for(lambda: c.stat()[1]["used"] == 1)
    equal(sorted(c.spaces()), [A])
    equal(c.load(1, [1])[1][0].content, content(1))


@without_server
def test_metrics():
    """The text endpoint counts what was done."""
    port = free_port()
    server = prototest.Server("4M", 2, "--stats", f"127.0.0.1:{port}")
    try:
        c = opened(server)
        c.store(1, [(1, content(1)), (2, ZERO_PAGE)])
        c.load(1, [1, 2, 3])
        c.invalidate(1, [(1, 1)])
        try:
            Connection(server.address).send(b"nonsense" * 20)
        except OSError:
            pass
        m = prototest.metrics(f"127.0.0.1:{port}")
        for name, value in (("capacity_pages", 1024), ("used_pages", 0), ("zero_pages", 1), ("spaces", 1),
                            ("free_pages", 1024), ("pages_stored_total", 2), ("pages_loaded_total", 2),
                            ("pages_invalidated_total", 1), ('requests_total{op="store"}', 1),
                            ('requests_total{op="load"}', 1), ('replies_total{status="partial"}', 1),
                            ('page_errors_total{status="missing"}', 1)):
            equal(m["smemv_" + name], value, name)
        assert m["smemv_service_seconds_count"] >= 5 and m["smemv_received_bytes_total"] > 4096
        assert wait_for(lambda: prototest.metrics(f"127.0.0.1:{port}")
                        ['smemv_malformed_total{kind="not_an_s_memv_frame__wrong_magic_"}'] == 1)
        # asked without end, it disturbs nobody
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            prototest.metrics(f"127.0.0.1:{port}")
            equal(c.load(1, [2])[1][0].content, ZERO_PAGE)
        prototest.check_clean(server, server.stop())
    finally:
        server.process.kill()


@without_server
def test_log_that_nobody_reads():
    """The server goes on, and says later how much it left out."""
    with subprocess.Popen([PROGRAM, "--memory", "4M", "--threads", "1", "--listen", "127.0.0.1:0", "--log-level", "debug",
                           *prototest.OPTIONS], stderr=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stderr if " serves on " in line)
            host, _, port = line.split(" serves on ")[1].split()[0].rpartition(":")
            for _ in range(2000):
                Client((host, int(port))).close()

            def is_told():
                Client((host, int(port))).close()
                return "lines were left out, as nobody took them" in os.read(process.stderr.fileno(), 1 << 20).decode()

            assert wait_for(is_told)
        finally:
            process.kill()


@without_server
def test_ipv6():
    """It listens on [::1] and on several addresses."""
    if not os.path.exists("/proc/net/if_inet6"):
        raise Skip("no IPv6 here")
    port = free_port()
    server = prototest.Server("4M", 1, "--listen", f"[::1]:{port}")
    try:
        for address in (server.address, ("::1", port)):
            c = Client(address)
            equal(c.hello.status, ST_OK)
        equal(run("stat", "--server", f"[::1]:{port}")[0], 0)
        prototest.check_clean(server, server.stop())
    finally:
        server.process.kill()


def test_operator_commands(server):
    at = f"127.0.0.1:{server.address[1]}"
    equal(run("spaces", "--server", at), (0, "no spaces\n", ""))
    c = opened(server)
    c.store(1, [(i, content(i)) for i in range(10)])
    status, out, _ = run("spaces", "--server", at, "--json")
    equal((status, json.loads(out)),
          (0, [{"uuid": A_TEXT, "size_pages": 1 << 20, "epoch": 1, "pages": 10, "owned": True,
                "claimed": False, "idle_seconds": 0}]))
    status, out, _ = run("spaces", "--server", at)
    assert status == 0 and A_TEXT in out and "connected" in out, out
    status, out, _ = run("stat", "--json", "--server", at)
    figures = json.loads(out)
    equal((status, figures["used_pages"], figures["free_pages"], figures["spaces"]), (0, 10, 16374, 1))
    assert "40.0 KiB" in run("stat", "--server", at)[1]
    status, _, err = run("drop", A_TEXT, "--server", at)
    assert status == 1 and A_TEXT in err and "has it open" in err, err
    c.close()
    assert wait_for(lambda: run("drop", A_TEXT, "--server", at)[:2] == (0, f"dropped {A_TEXT}: 10 pages\n"))
    status, _, err = run("drop", A_TEXT, "--server", at)
    assert status == 1 and "no such space" in err, err


@without_server
def test_usage_errors():
    """Wrong usage exits 2 and says what is wrong; --help exits 0."""
    equal(run("--help")[0], 0)
    assert "--memory SIZE" in run("--help")[1]
    equal(run("--version")[0], 0)
    for args, text in (((), "--memory SIZE is missing"), (("--memory", "12Q"), "12Q"), (("--memory", "1"), "page"),
                       (("--memory", "1M", "--listen", "nowhere"), "nowhere"),
                       (("--memory", "1M", "--listen", "1.2.3.4:99999"), "port"),
                       (("--memory", "1M", "--threads", "0"), "threads"), (("--nonsense",), "nonsense"),
                       (("--memory", "1M", "--stats", "127.0.0.1"), "no port"), (("--memory", "1M", "what"), "what"),
                       (("--memory", "1M", "--log-level", "loud"), "loud"), (("drop",), "UUID"),
                       (("drop", "12"), "12"), (("spaces", "more"), "more"), (("stat", "--server", "x"), "x")):
        status, _, err = run(*args)
        assert status == 2 and text in err, (args, status, err)


@without_server
def test_errors_at_start():
    """What cannot work exits 1 and says why and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, err = run("--memory", "1M", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
        assert status == 1 and "Address already in use" in err and "another port" in err, err
        status, _, err = run("--memory", "1M", "--listen", "127.0.0.1:0", "--stats",
                             f"127.0.0.1:{taken.getsockname()[1]}")
        assert status == 1 and "metrics" in err, err
    status, _, err = run("--memory", "1M", "--listen", "192.0.2.1:1")
    assert status == 1 and "address of this host" in err, err
    status, _, err = run("--memory", "14T", "--listen", "127.0.0.1:0")
    assert status == 1 and "smaller --memory" in err, err
    status, _, err = run("--memory", "100T", "--listen", "127.0.0.1:0")
    assert status == 1 and "limit of 15 TiB" in err, err
    status, _, err = run("stat", "--server", f"127.0.0.1:{free_port()}")
    assert status == 1 and "is a memory server running there" in err, err


@without_server
def test_operator_meets_another_protocol():
    """A command that reaches something else says so."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        command = subprocess.Popen([PROGRAM, "stat", "--server", f"127.0.0.1:{other.getsockname()[1]}"],
                                   stderr=subprocess.PIPE, text=True)
        link, _ = other.accept()
        link.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2 and more of it\r\n")
        _, err = command.communicate(timeout=20)
        link.close()
        assert command.returncode == 1 and "not in the S-memV protocol" in err, err


@without_server
def test_systemd():
    """READY and STOPPING are told, sockets are taken over from systemd."""
    directory = tempfile.mkdtemp()
    try:
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(directory + "/notify")
        notify.settimeout(20)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = listener.getsockname()
        fd = listener.fileno()
        script = f'exec 3<&{fd}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --memory 4M --threads 1 "$@"'
        process = subprocess.Popen(["/bin/sh", "-c", script, PROGRAM, *prototest.OPTIONS], pass_fds=(fd,), stderr=subprocess.PIPE,
                                   env={**os.environ, "NOTIFY_SOCKET": directory + "/notify"})
        listener.close()
        wait_message(notify, "READY=1")
        equal(Client(address).hello.status, ST_OK)
        process.send_signal(signal.SIGTERM)
        wait_message(notify, "STOPPING=1")
        process.communicate(timeout=20)
        equal(process.returncode, 0)
    finally:
        shutil.rmtree(directory)


def wait_message(notify, text):
    while text not in notify.recv(4096).decode().splitlines():
        pass


@without_server
def test_server_id_is_new_at_each_start():
    """A restarted server is another one: its pages are gone."""
    ids = set()
    for _ in range(3):
        server = prototest.Server("1M", 1)
        ids.add(Client(server.address).server_id)
        server.stop()
    equal(len(ids), 3)


def ask_without_listening(c, frames):
    """Sends requests until the server takes no more of them."""
    c.sock.settimeout(0.3)
    try:
        for _ in range(frames):
            c.send(load_frame(1, range(256)))
    except socket.timeout:
        pass


@with_server("4M", 1, "--stall-timeout", "3")
def test_client_that_takes_nothing_is_closed(server):
    """A client that takes no replies is closed; one that takes them slowly is not."""
    good, bad, slow = (opened(server, rcvbuf=1 << 16) for _ in range(3))
    good.store(1, [(i, content(i)) for i in range(256)])
    ask_without_listening(bad, 40)
    for _ in range(8):
        slow.send(load_frame(1, range(256)))
    for _ in range(8):
        equal(len(parse_load(slow.recv())), 256)
        time.sleep(0.3)
        equal(good.load(1, [5])[1][0].content, content(5))
    assert server.logged("took none of its replies for 3 s")
    assert bad.is_closed(10)
    equal(slow.load(1, [5])[1][0].content, content(5))


def flood(connections, data, end):
    """Each has always more to say than the server has read."""
    selector, sent = selectors.DefaultSelector(), dict.fromkeys(connections, 0)
    sink = bytearray(1 << 20)
    for c in connections:
        c.sock.setblocking(False)
        selector.register(c.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, c)
    while not end.is_set():
        for key, events in selector.select(0.1):
            c = key.data
            if events & selectors.EVENT_READ:
                c.sock.recv_into(sink)
            if events & selectors.EVENT_WRITE:
                sent[c] = (sent[c] + c.sock.send(memoryview(data)[sent[c]:])) % len(data)


@with_server("64M", 1)
def test_many_that_never_pause_keep_nobody_out(server):
    """More connections with input all the time than a loop has buffers for it; another one is served all the same."""
    good = opened(server, B)
    frame = store_frame(1, [(i, ZERO_PAGE) for i in range(256)]).pack()
    greedy = [opened(server) for _ in range(100)]
    end = threading.Event()
    thread = threading.Thread(target=flood, args=(greedy, frame * 256, end))
    thread.start()
    try:
        good.sock.settimeout(3 * prototest.SLOW)
        time.sleep(1)
        for n in range(5):
            equal(good.store(1, [(n, content(n))]).status, ST_OK)
    finally:
        end.set()
        thread.join()


@without_server
def test_loads_of_all_take_turns():
    """Who has asked for many pages gets few of them before another one's single request."""
    stats = f"127.0.0.1:{free_port()}"
    server = prototest.Server("4M", 1, "--stats", stats)
    end = threading.Event()
    thread = None
    try:
        good = opened(server)
        good.store(1, [(i, content(i)) for i in range(256)])
        greedy = [opened(server) for _ in range(16)]
        thread = threading.Thread(target=flood, args=(greedy, load_frame(1, range(256)).pack() * 64, end))
        thread.start()
        time.sleep(0.5)
        loaded = prototest.metrics(stats)["smemv_pages_loaded_total"]
        for n in range(10):
            equal(good.load(1, [n])[1][0].content, content(n))
        loaded = (prototest.metrics(stats)["smemv_pages_loaded_total"] - loaded) / 256 / len(greedy) / 10
        assert loaded < 5, f"each of the others had {loaded} requests answered for one of this"
    finally:
        end.set()
        if thread:
            thread.join()
        server.process.kill()


@without_server
def test_memory_for_slow_clients_is_bounded():
    """With many that take nothing the slowest are closed, and nobody else suffers."""
    port = free_port()
    server = prototest.Server("4M", 1, "--stall-timeout", "60", "--output-limit", "4M",
                              "--stats", f"127.0.0.1:{port}")
    try:
        good = opened(server)
        good.store(1, [(i, content(i)) for i in range(256)])
        bad = [opened(server, rcvbuf=1 << 14) for _ in range(24)]
        for c in bad:
            c.sock.settimeout(0.05)
            ask_without_listening(c, 60)
            equal(good.load(1, [7])[1][0].content, content(7))
        assert server.logged("too many replies wait for slow clients", 10)
        closed = 'smemv_connections_slow_total'
        assert wait_for(lambda: prototest.metrics(f"127.0.0.1:{port}")[closed] >= 4)
        for _ in range(20):
            equal(good.load(1, [7])[1][0].content, content(7))
        left = prototest.metrics(f"127.0.0.1:{port}")
        assert left[closed] + left["smemv_connections"] == 25 and left[closed] < 24, left
        prototest.check_clean(server, server.stop())
    finally:
        server.process.kill()


if __name__ == "__main__":
    prototest.main(sys.modules[__name__])
