# SPDX-License-Identifier: GPL-2.0-only
"""What a fake memory server does, rightly, about pages that move from server to server (DRAIN, PUSH, DELIVER; rule 5 of
docs/wire.md) and about the owners of spaces (CLAIM, ACTIVATE; rule 6)."""
import socket

import smemvwire as wire


class Space:
    def __init__(self, size, epoch, claimed):
        self.size, self.pages = size, {}
        self.active_epoch, self.claim_of, self.claimant = 0, 0, None
        self.enter(epoch, claimed)

    def enter(self, epoch, claimed):
        """An epoch, which ends the drain of the one before it."""
        self.epoch, self.claimed = epoch, claimed
        self.drain, self.last_drain, self.forgotten = None, 0, set()
        if not claimed:
            self.active_epoch = epoch

    def may_claim(self, epoch, own, flags):
        """The status of a CLAIM by a client that has not claimed the same already."""
        if epoch != self.epoch:
            return wire.ST_STALE_EPOCH
        if not flags & wire.CLAIM_TAKE_BACK:
            return wire.ST_NOT_ACTIVE if self.claimed else wire.ST_OK
        if not self.claimed:
            return wire.ST_ACTIVE
        return wire.ST_OK if own == self.active_epoch else wire.ST_STALE_EPOCH


def page_indexes(request):
    """Of the pages that a request asks for."""
    if request.op == wire.OP_PUSH:
        ranges = wire.RANGE.iter_unpack(request.meta[wire.PUSH.size:])
        return [first + i for first, count, _ in ranges for i in range(count)]
    skip = wire.body_len(request.op, 0, 0)
    return [index for index, _, _, _ in wire.PAGE_DESC.iter_unpack(request.meta[skip:])]


def answer_by_page(reply, indexes, statuses):
    if any(statuses):
        reply.status, reply.count = wire.ST_PARTIAL, len(indexes)
        reply.meta = b"".join(wire.PAGE_DESC.pack(index, 0, 0, status)
                              for index, status in zip(indexes, statuses))


class Moves:
    """A part of fakeserver.Session."""

    pretend = False     # to say that it was done is all

    def do_drain(self, request, reply, space):
        token, number, flags, _ = wire.DRAIN.unpack(request.meta)
        if not flags & wire.DRAIN_OPEN:
            space.last_drain = max(space.last_drain, number)
            if space.drain and space.drain[0] <= number:
                space.drain = None
        elif number > space.last_drain:
            space.drain, space.last_drain, space.forgotten = (number, token), number, set()
        elif space.drain != (number, token):
            reply.status = wire.ST_NO_DRAIN

    def do_push(self, request, reply, space):
        if self.pretend:
            return
        indexes = page_indexes(request)
        held = [i for i in indexes if i in space.pages]
        told = dict(zip(held, self.deliver(request, space, held))) if held else {}
        answer_by_page(reply, indexes, [told.get(i, wire.ST_MISSING) for i in indexes])

    def deliver(self, request, space, indexes):
        """What the target says of each page."""
        target_id, address, number, port, _, token = wire.PUSH.unpack(request.meta[:wire.PUSH.size])
        uuid, epoch = self.handles[request.space]
        try:
            target = wire.Client((socket.inet_ntoa(address[12:]), port), features=wire.FEATURES, name=b"fake", timeout=5)
        except (OSError, wire.Closed):
            return [wire.ST_UNREACHABLE] * len(indexes)
        try:
            if target.server_id != target_id:
                return [wire.ST_UNREACHABLE] * len(indexes)
            status, told = target.deliver(uuid, token, number, epoch, [(i, space.pages[i]) for i in indexes])
            return told or [wire.ST_NO_DRAIN if status else wire.ST_OK] * len(indexes)
        except (OSError, wire.Closed):
            return [wire.ST_UNKNOWN] * len(indexes)
        finally:
            target.close()

    def do_deliver(self, request, reply):
        uuid, token, number, epoch = wire.DELIVER.unpack(request.meta[:wire.DELIVER.size])
        space = self.server.spaces.get(uuid)
        if space is None:
            reply.status = wire.ST_NO_SUCH_SPACE
        elif space.epoch != epoch:
            reply.status = wire.ST_STALE_EPOCH
        elif space.drain != (number, token):
            reply.status = wire.ST_NO_DRAIN
        else:
            self.take_delivered(request, reply, space)

    @staticmethod
    def take_delivered(request, reply, space):
        statuses, at = [], 0
        for index, _, flags, _ in wire.PAGE_DESC.iter_unpack(request.meta[wire.DELIVER.size:]):
            page = wire.ZERO_PAGE
            if not flags & wire.PAGE_ZERO:
                page, at = request.data[at:at + wire.PAGE], at + wire.PAGE
            is_held = index in space.pages or index in space.forgotten
            statuses.append(wire.ST_HELD if is_held else wire.ST_OK)
            if not is_held:
                space.pages[index] = page
        answer_by_page(reply, page_indexes(request), statuses)

    def do_claim(self, request, reply):
        uuid, epoch, own, flags, _ = wire.CLAIM.unpack(request.meta)
        space = self.server.spaces.get(uuid)
        if space is None:
            reply.status = wire.ST_NO_SUCH_SPACE
            return
        client = self.lane_key[0]
        again = space.claimed and space.epoch == epoch + 1 and (space.claim_of, space.claimant) == (epoch, client)
        if not again:
            reply.status = space.may_claim(epoch, own, flags)
            if reply.status == wire.ST_OK:
                space.enter(epoch + 1, True)
                space.claim_of, space.claimant = epoch, client
        self.tell_owner(reply, space)

    def do_activate(self, request, reply):
        uuid, epoch, _, _, _ = wire.CLAIM.unpack(request.meta)
        space = self.server.spaces.get(uuid)
        if space is None:
            reply.status = wire.ST_NO_SUCH_SPACE
            return
        if space.epoch != epoch:
            reply.status = wire.ST_STALE_EPOCH if space.epoch > epoch else wire.ST_NOT_ACTIVE
        else:
            space.claimed, space.active_epoch = False, epoch
        self.tell_owner(reply, space)

    @staticmethod
    def tell_owner(reply, space):
        reply.meta = wire.CLAIM_REPLY.pack(space.epoch, 0 if space.claimed else wire.CLAIM_ACTIVE, 0)
