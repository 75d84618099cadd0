#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Ownership (rule 6): claims, their activation, taking back, and what losers try."""
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import prototest
from prototest import equal, with_server
from smemvwire import *  # pylint: disable=wildcard-import,unused-wildcard-import

A, B = b"A" * 16, b"B" * 16
SIZE = 1 << 20


def host(server, epoch=None, flags=OPEN_CREATE, name=b"host"):
    """A client, with the space open as handle 1 when it has an epoch."""
    c = Client(server.address, features=FEATURES, name=name)
    if epoch:
        equal(c.open(1, A, SIZE, epoch, flags).status, ST_OK, "open")
    return c


def old_and_new(server):
    """An owner of epoch 7 with two pages, and a claimant."""
    old = host(server, 7)
    equal(old.store(1, [(1, content(1)), (2, content(2))]).status, ST_OK)
    return old, host(server)


def claimed(server):
    old, new = old_and_new(server)
    equal(new.claim(A, 7), (ST_OK, 8, False))
    reply = new.open(1, A, SIZE, 8, OPEN_CLAIMED)
    equal((reply.status, reply.opened), (ST_OK, OPENED_CLAIMED))
    return old, new


def may_change_nothing(c, status):
    """Each request of handle 1 that changes something is answered with this status."""
    equal(c.store(1, [(1, content(9)), (3, ZERO_PAGE)]).status, status)
    equal(c.invalidate(1, [(0, SIZE)])[0], status)
    equal(c.drop(A, 1)[0], status)
    equal(c.drain(1, b"t" * 16, 1), status)
    equal(c.push(1, [(1, 1)], (b"i" * 16, ("127.0.0.1", 1)), 1, b"t" * 16)[0], status)


def test_handover(server):
    """The new owner claims, looks, activates, and owns."""
    old, new = claimed(server)
    equal([p.content for p in new.load(1, [1, 2])[1]], [content(1), content(2)])
    equal(new.list(1), [(1, 2, 0)])
    equal(new.stat(1)[1]["space_epoch"], 8)
    equal(new.spaces()[A]["claimed"], True)
    equal(new.activate(A, 8), (ST_OK, 8, True))
    equal(new.spaces()[A]["claimed"], False)
    equal(new.store(1, [(1, content(1, 8))]).status, ST_OK)
    equal(new.invalidate(1, [(2, 1)]), (ST_OK, 1))
    may_change_nothing(old, ST_STALE_EPOCH)
    equal(old.load(1, [1])[0], ST_STALE_EPOCH)
    equal(new.load(1, [1])[1][0].content, content(1, 8))


def test_claimant_changes_nothing(server):
    """Before it is active it loads, and neither stores nor invalidates."""
    old, new = claimed(server)
    may_change_nothing(new, ST_NOT_ACTIVE)
    may_change_nothing(old, ST_STALE_EPOCH)
    equal([p.content for p in new.load(1, [1, 2])[1]], [content(1), content(2)])


def test_taking_back_loses_nothing(server):
    old, new = claimed(server)
    may_change_nothing(new, ST_NOT_ACTIVE)
    equal(old.claim(A, 8, 7, CLAIM_TAKE_BACK), (ST_OK, 9, False))
    equal(old.activate(A, 9), (ST_OK, 9, True))
    equal(old.open(1, A, SIZE, 9, 0).opened, 0)
    equal([p.content for p in old.load(1, [1, 2])[1]], [content(1), content(2)])
    equal(old.store(1, [(1, content(1, 9))]).status, ST_OK)
    # the loser's attempts
    equal(new.activate(A, 8), (ST_STALE_EPOCH, 9, True))
    equal(new.claim(A, 7), (ST_STALE_EPOCH, 9, True))
    equal(new.claim(A, 8), (ST_STALE_EPOCH, 9, True))
    equal(new.claim(A, 8, 8, CLAIM_TAKE_BACK), (ST_STALE_EPOCH, 9, True))
    equal(new.claim(A, 9, 8, CLAIM_TAKE_BACK), (ST_ACTIVE, 9, True))
    may_change_nothing(new, ST_STALE_EPOCH)
    equal(new.load(1, [1])[0], ST_STALE_EPOCH)
    equal(new.open(1, A, SIZE, 8, OPEN_CLAIMED).status, ST_STALE_EPOCH)


def test_active_is_never_taken_back(server):
    old, new = claimed(server)
    equal(new.activate(A, 8), (ST_OK, 8, True))
    equal(old.claim(A, 8, 7, CLAIM_TAKE_BACK), (ST_ACTIVE, 8, True))
    equal(old.claim(A, 7, 7, CLAIM_TAKE_BACK), (ST_STALE_EPOCH, 8, True))
    equal(old.claim(A, 7), (ST_STALE_EPOCH, 8, True))
    equal(old.activate(A, 7), (ST_STALE_EPOCH, 8, True))
    equal(old.open(1, A, SIZE, 7, 0).status, ST_STALE_EPOCH)
    may_change_nothing(old, ST_STALE_EPOCH)
    equal(new.store(1, [(5, content(5))]).status, ST_OK)


def test_lost_answers_are_asked_again(server):
    """CLAIM, TAKE_BACK and ACTIVATE again give the same answer, to the same client only."""
    old, new = old_and_new(server)
    for _ in range(3):
        equal(new.claim(A, 7), (ST_OK, 8, False))
    again = Client(server.address, client_id=new.client_id, generation=2, features=FEATURES)
    equal(again.claim(A, 7), (ST_OK, 8, False))
    other = host(server)
    equal(other.claim(A, 7), (ST_STALE_EPOCH, 8, False))
    equal(other.claim(A, 8), (ST_NOT_ACTIVE, 8, False))
    for _ in range(3):
        equal(old.claim(A, 8, 7, CLAIM_TAKE_BACK), (ST_OK, 9, False))
    for _ in range(3):
        equal(old.activate(A, 9), (ST_OK, 9, True))
    equal(again.claim(A, 7), (ST_STALE_EPOCH, 9, True))


def test_only_the_last_active_owner_takes_back(server):
    _, new = claimed(server)
    other = host(server)
    for own in (0, 6, 8, 9):
        equal(other.claim(A, 8, own, CLAIM_TAKE_BACK), (ST_STALE_EPOCH, 8, False))
    equal(new.activate(A, 8), (ST_OK, 8, True))


def test_old_owner_died_and_takes_back_anew(server):
    """What counts is the epoch in which it was active, over several attempts."""
    old, new = claimed(server)
    old.close()
    old = host(server)
    equal(old.claim(A, 8, 7, CLAIM_TAKE_BACK), (ST_OK, 9, False))
    old.close()
    old = host(server)
    equal(old.claim(A, 9, 7, CLAIM_TAKE_BACK), (ST_OK, 10, False))
    equal(new.activate(A, 8), (ST_STALE_EPOCH, 10, False))
    equal(old.activate(A, 10), (ST_OK, 10, True))


def test_two_handovers(server):
    """From host to host to host; each that lost is out."""
    first, second = claimed(server)
    equal(second.activate(A, 8), (ST_OK, 8, True))
    third = host(server)
    equal(third.claim(A, 8), (ST_OK, 9, False))
    equal(first.claim(A, 9, 7, CLAIM_TAKE_BACK), (ST_STALE_EPOCH, 9, False))
    equal(second.claim(A, 9, 8, CLAIM_TAKE_BACK), (ST_OK, 10, False))
    equal(second.activate(A, 10), (ST_OK, 10, True))
    equal(third.activate(A, 9), (ST_STALE_EPOCH, 10, True))
    equal(third.claim(A, 10), (ST_OK, 11, False))
    equal(third.activate(A, 11), (ST_OK, 11, True))


def test_another_server_is_told(server):
    """A server that is not the arbiter learns of a claim by OPEN, of its activation by ACTIVATE."""
    old, new = old_and_new(server)
    equal(new.activate(A, 8), (ST_NOT_ACTIVE, 7, True))
    equal(new.open(1, A, SIZE, 8, OPEN_CLAIMED).opened, OPENED_CLAIMED)
    may_change_nothing(old, ST_STALE_EPOCH)
    may_change_nothing(new, ST_NOT_ACTIVE)
    lane = Client(server.address, client_id=new.client_id, lane=1, features=FEATURES)
    equal(lane.open(1, A, SIZE, 8, 0).opened, OPENED_CLAIMED)
    may_change_nothing(lane, ST_NOT_ACTIVE)
    equal(new.activate(A, 8), (ST_OK, 8, True))
    for c in (new, lane):
        equal(c.store(1, [(4, content(4))]).status, ST_OK)
    # an OPEN that comes late does not make it a claim again
    equal(lane.open(2, A, SIZE, 8, OPEN_CLAIMED).opened, 0)
    equal(lane.store(2, [(4, content(4))]).status, ST_OK)


def test_opened_as_a_claim_where_nothing_was(server):
    """Such a server decides nothing: nobody was active there."""
    c = host(server)
    reply = c.open(1, A, SIZE, 8, OPEN_CREATE | OPEN_CLAIMED)
    equal((reply.status, reply.opened), (ST_OK, OPENED_CREATED | OPENED_CLAIMED))
    may_change_nothing(c, ST_NOT_ACTIVE)
    equal(c.claim(A, 8, 7, CLAIM_TAKE_BACK), (ST_STALE_EPOCH, 8, False))
    equal(c.activate(A, 8), (ST_OK, 8, True))


def test_bad_claims(server):
    c = host(server)
    equal(c.claim(B, 1), (ST_NO_SUCH_SPACE, None, None))
    equal(c.activate(B, 1), (ST_NO_SUCH_SPACE, None, None))
    equal(c.claim(A, (1 << 64) - 1), (ST_LIMIT, None, None))
    for op, epoch, flags in ((OP_CLAIM, 0, 0), (OP_ACTIVATE, 0, 0), (OP_CLAIM, 1, 2), (OP_ACTIVATE, 1, 1)):
        bad = host(server)
        bad.send(claim_frame(op, A, epoch, flags=flags, tag=5))
        reply = bad.recv()
        equal((reply.status, reply.tag), (ST_BAD_REQUEST, 5))
        assert bad.is_closed()


@with_server("16M", 4)
def test_race_of_claimants(server):
    """Of many that claim one epoch at once exactly one wins, each time."""
    host(server, 1)
    hosts = [host(server) for _ in range(8)]
    for epoch in range(1, 60, 2):
        results, barrier = {}, threading.Barrier(len(hosts))

        def claim(n, epoch=epoch, results=results, barrier=barrier):
            barrier.wait()
            results[n] = hosts[n].claim(A, epoch)[0]

        threads = [threading.Thread(target=claim, args=(n,)) for n in range(len(hosts))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        winners = [n for n, status in results.items() if status == ST_OK]
        equal(len(winners), 1, f"winners of epoch {epoch}")
        hosts[winners[0]].activate(A, epoch + 1)
        equal(hosts[0].claim(A, epoch + 1)[:2], (ST_OK, epoch + 2))
        equal(hosts[0].activate(A, epoch + 2)[0], ST_OK)


@with_server("16M", 4)
def test_race_of_activation_and_taking_back(server):
    """Either the claim becomes active or it is taken back, never both."""
    old, new = host(server, 1), host(server)
    epoch, outcomes = 1, set()
    for turn in range(200):
        equal(new.claim(A, epoch)[0], ST_OK)
        a = claim_frame(OP_ACTIVATE, A, epoch + 1, tag=1)
        b = claim_frame(OP_CLAIM, A, epoch + 1, epoch, CLAIM_TAKE_BACK, tag=1)
        for c, frame in ((new, a), (old, b))[:: 1 if turn % 2 else -1]:
            c.send(frame)
        activated, taken = new.recv().status, old.recv().status
        outcomes.add((activated, taken))
        if activated == ST_OK:
            equal(taken, ST_ACTIVE)
            epoch += 1
        else:
            equal((activated, taken), (ST_STALE_EPOCH, ST_OK))
            equal(old.activate(A, epoch + 2)[0], ST_OK)
            epoch += 2


if __name__ == "__main__":
    prototest.main(sys.modules[__name__])
