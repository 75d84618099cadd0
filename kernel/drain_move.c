// SPDX-License-Identifier: GPL-2.0-only
/*
 * How pages move from one server (the source) to others (targets), server to
 * server, while they are in use: rule 5.
 *
 * A batch of pages of one run at a time: own them (nobody else sends anything
 * about them, and loads wait for the batch), PUSH them at the source, and then
 * for each that the target applied: the map says target, the source forgets it.
 * What each failure does:
 *
 *   target full, stopping    the page stays; another target, or the next pass
 *   target unreachable       the page stays; the push tells
 *   source unreachable       the page stays; what was sent may arrive at the
 *                            target until the drain is closed there
 *   outcome unknown          the same; after the close the target is reconciled,
 *                            which removes copies that the map does not know
 *   source lacks the page    LOST, as when it is loaded
 *   target restarted         told by its server_id: nothing is believed
 *   source not invalidated   the map says target; the source is reconciled
 *
 * An owned page has no other request open, so a copy that arrives late at the
 * target finds either nothing (and is removed after the close), or what a later
 * store put there (and is refused).
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/random.h>
#include <net/ipv6.h>

#include "compat/net.h"
#include "conn.h"
#include "core/place.h"
#include "drain_inside.h"
#include "event.h"

#define MAX_PUSH_PAGES	((SMEMV_REQ_META - sizeof(struct smemv_wire_push)) / \
			 sizeof(struct smemv_wire_range))

/* Or it made the space anew, as somebody had dropped it there. */
static bool restarted(const struct smemv_drain *d, u32 to)
{
	const struct smemv_bind *bind = &d->space->bind[to];

	return d->target[to].created != READ_ONCE(bind->created) ||
	       d->target[to].emptied != READ_ONCE(bind->emptied) ||
	       memcmp(d->target[to].server_id, bind->server->server_id,
		      sizeof(d->target[to].server_id));
}

/* DRAIN at a target, open or close. False: no answer, else it is in d->req.status. */
static bool order_drain(struct smemv_drain *d, u32 to, u32 flags)
{
	struct smemv_wire_drain *body = (void *)d->req.frame.body;
	struct smemv_drain_target *t = &d->target[to];
	struct smemv_bind *bind = &d->space->bind[to];

	memset(body, 0, sizeof(*body));
	memcpy(body->token, t->token, sizeof(body->token));
	body->drain = cpu_to_le64(t->number);
	body->flags = cpu_to_le32(flags);
	d->req.opcode = SMEMV_OP_DRAIN;
	d->req.handle = bind->handle;
	d->req.nr = 0;
	d->req.reply_size = 0;
	return !smemv_lane_call(bind->server->lane[0], &d->req);
}

/* Why pages do not go to a target, in the operator's words; NULL: it has no reason to say that. */
static const char *target_says(unsigned int status)
{
	switch (status) {
	case SMEMV_ST_NO_SPACE:
		return "a server that is to get its pages is full";
	case SMEMV_ST_STOPPING:
		return "a server that is to get its pages is being stopped";
	case SMEMV_ST_NO_DRAIN:
		return "a server that is to get its pages ended the drain";
	default:
		return NULL;
	}
}

static bool open_drain(struct smemv_drain *d, u32 to)
{
	struct smemv_drain_target *t = &d->target[to];
	bool answered;

	if (t->opened)
		return true;
	t->number = ++d->space->drain_number;
	get_random_bytes(t->token, sizeof(t->token));
	memcpy(t->server_id, d->space->bind[to].server->server_id,
	       sizeof(t->server_id));
	t->created = READ_ONCE(d->space->bind[to].created);
	t->emptied = READ_ONCE(d->space->bind[to].emptied);
	answered = order_drain(d, to, SMEMV_DRAIN_F_OPEN);
	t->opened = answered && d->req.status == SMEMV_ST_OK;
	if (t->opened)
		return true;
	d->why = answered ? target_says(d->req.status) ?: "a server refuses to be drained to" :
			    "a server that is to get its pages cannot be reached";
	t->unusable = true;
	return false;
}

/* Rule 5: whoever raises the epoch, or drops the space, ends the drain too. */
static bool is_closed(unsigned int status)
{
	return status == SMEMV_ST_OK || status == SMEMV_ST_STALE_EPOCH ||
	       status == SMEMV_ST_NOT_ACTIVE ||
	       status == SMEMV_ST_NO_SUCH_SPACE;
}

/*
 * Only after its close nothing that was pushed can be applied any more. False:
 * the target cannot be reached, try again. A drain that nothing was pushed under
 * may stay open: nobody knows its token, and the next one closes it.
 */
static bool close_drain(struct smemv_drain *d, u32 to)
{
	struct smemv_drain_target *t = &d->target[to];

	t->opened = false;
	t->unusable = false;
	if (t->used && !restarted(d, to) &&
	    !(order_drain(d, to, 0) && is_closed(d->req.status)))
		return false;
	t->used = false;
	if (t->unsettled)
		smemv_reconcile(d->space, to);
	t->unsettled = false;
	return true;
}

bool smemv_drain_close_all(struct smemv_drain *d)
{
	bool closed = true;
	u32 i;

	for (i = 0; i < d->space->nr_binds; i++)
		if (d->target[i].wanted && !close_drain(d, i))
			closed = false;
	return closed;
}

/* Owns the next pages of the run that are at the source, from *slot on. */
static bool take_batch(struct smemv_drain *d, struct smemv_run *run, u32 *slot)
{
	u32 max = min_t(u32, MAX_PUSH_PAGES, smemv_drain_source(d)->server->max_pages);
	u16 at = SMEMV_WHERE_SET + d->from;
	unsigned long flags;
	u32 n = 0;

	bitmap_zero(d->pages, SMEMV_RUN_PAGES);
	spin_lock_irqsave(&run->lock, flags);
	for (; *slot < SMEMV_RUN_PAGES && n < max; (*slot)++) {
		if (smemv_map_where(run, *slot) != at ||
		    test_bit(*slot, run->busy))
			continue;
		__set_bit(*slot, run->busy);
		__set_bit(*slot, d->pages);
		n++;
	}
	spin_unlock_irqrestore(&run->lock, flags);
	return n;
}

static int choose_target(const struct smemv_drain *d, u64 run_nr)
{
	u64 room[SMEMV_MAX_SETS] = {};
	u32 random[2], i;

	for (i = 0; i < d->space->nr_binds; i++) {
		struct smemv_server *server = d->space->bind[i].server;

		if (d->target[i].wanted && !d->target[i].unusable &&
		    server && smemv_lane_is_up(smemv_server_lane(server, run_nr)))
			room[i] = smemv_server_room(server);
	}
	random[0] = smemv_compat_random_below(U32_MAX);
	random[1] = smemv_compat_random_below(U32_MAX);
	i = smemv_place(room, d->space->nr_binds, random);
	return i == SMEMV_PLACE_NONE ? -ENOSPC : (int)i;
}

static void put_address(struct smemv_wire_push *body,
			const struct smemv_server *server)
{
	const struct sockaddr_in6 *addr6 = (const void *)&server->addr;
	const struct sockaddr_in *addr = (const void *)&server->addr;
	struct in6_addr mapped;

	if (server->addr.ss_family == AF_INET) {
		ipv6_addr_set_v4mapped(addr->sin_addr.s_addr, &mapped);
		memcpy(body->target_addr, &mapped, sizeof(mapped));
		body->target_port = cpu_to_le32(ntohs(addr->sin_port));
	} else {
		memcpy(body->target_addr, &addr6->sin6_addr, sizeof(mapped));
		body->target_port = cpu_to_le32(ntohs(addr6->sin6_port));
	}
}

static u32 put_ranges(struct smemv_wire_range *range, const struct smemv_drain *d,
		      const struct smemv_run *run)
{
	u32 first, end = 0, n = 0;

	for (;;) {
		first = find_next_bit(d->pages, SMEMV_RUN_PAGES, end);
		if (first >= SMEMV_RUN_PAGES)
			return n;
		end = find_next_zero_bit(d->pages, SMEMV_RUN_PAGES, first);
		range[n].first = cpu_to_le64((run->nr << SMEMV_RUN_SHIFT) + first);
		range[n].count = cpu_to_le32(end - first);
		range[n++].flags = 0;
	}
}

/* 0 when a reply came; the lane's deadline is above twice the push's timeout. */
static int push(struct smemv_drain *d, struct smemv_run *run, u32 to)
{
	struct smemv_wire_push *body = (void *)d->req.frame.body;
	struct smemv_drain_target *t = &d->target[to];
	struct smemv_server *from = smemv_drain_source(d)->server;

	memset(body, 0, sizeof(*body));
	memcpy(body->target_id, t->server_id, sizeof(body->target_id));
	memcpy(body->token, t->token, sizeof(body->token));
	body->drain = cpu_to_le64(t->number);
	body->timeout_ms = cpu_to_le32(clamp(from->timeout_ms / 3, 1u,
					     SMEMV_WIRE_PUSH_MAX_MS));
	put_address(body, d->space->bind[to].server);
	d->req.opcode = SMEMV_OP_PUSH;
	d->req.handle = smemv_drain_source(d)->handle;
	d->req.nr = put_ranges((void *)(body + 1), d, run);
	d->req.reply = d->result;
	d->req.reply_size = sizeof(d->result);
	return smemv_lane_call(smemv_server_lane(from, run->nr), &d->req);
}

/* The source has it no more; the front may have all of it, see struct smemv_space.keep. */
static const char *lose_page(struct smemv_drain *d, struct smemv_run *run, u32 slot)
{
	struct smemv_server *server = smemv_drain_source(d)->server;
	u64 index = (run->nr << SMEMV_RUN_SHIFT) + slot;
	enum smemv_kept kept = SMEMV_KEPT_NOTHING;

	if (d->space->keep)
		kept = d->space->keep(d->space->front, index);
	if (kept == SMEMV_KEPT_CONTENT)
		smemv_map_set(&d->space->map, run, slot, SMEMV_WHERE_ABSENT);
	if (kept != SMEMV_KEPT_NOTHING)
		return "it was restarted, and pages that this host has as well are in use";
	smemv_server_count(server, MISSING, 1);
	smemv_map_set(&d->space->map, run, slot, SMEMV_WHERE_LOST);
	smemv_tell_lost(d->space, index, server, "does not have it any more");
	return smemv_status_name(SMEMV_ST_MISSING);
}

/* Of a page that was not pushed, or of all. */
static const char *push_says(unsigned int status)
{
	switch (status) {
	case SMEMV_ST_BAD_CRC:
		return "pages are damaged there";
	case SMEMV_ST_HELD:
		return "a server that is to get its pages has other copies of them yet";
	case SMEMV_ST_UNREACHABLE:
		return "it cannot reach a server that is to get its pages";
	case SMEMV_ST_UNKNOWN:
		return "a server that is to get its pages did not answer, and may have them";
	default:
		return target_says(status);
	}
}

/* A page's status; true: the target has it, by this push. */
static bool pushed(struct smemv_drain *d, struct smemv_run *run, u32 slot,
		   u32 to, unsigned int status)
{
	struct smemv_drain_target *t = &d->target[to];

	switch (status) {
	case SMEMV_ST_OK:
		return true;
	case SMEMV_ST_MISSING:
		d->why = lose_page(d, run, slot);
		return false;
	case SMEMV_ST_HELD:
	case SMEMV_ST_UNKNOWN:
		t->unsettled = true;
		break;
	case SMEMV_ST_NO_SPACE:
	case SMEMV_ST_STOPPING:
	case SMEMV_ST_NO_DRAIN:
	case SMEMV_ST_UNREACHABLE:
		t->unusable = true;
		break;
	}
	d->why = push_says(status) ?: "it refuses to push its pages";
	return false;
}

/* Leaves in d->pages those that the target has. */
static void read_results(struct smemv_drain *d, struct smemv_run *run, u32 to)
{
	unsigned int status = d->req.status;
	u32 slot, i = 0;

	for_each_set_bit(slot, d->pages, SMEMV_RUN_PAGES) {
		if (d->req.status == SMEMV_ST_PARTIAL)
			status = le16_to_cpu(d->result[i++].status);
		if (!pushed(d, run, slot, to, status))
			__clear_bit(slot, d->pages);
	}
}

/* It tells of each page, in the order in which they were named. */
static bool tells_of_pages(const struct smemv_drain *d, const struct smemv_run *run)
{
	u64 base = run->nr << SMEMV_RUN_SHIFT;
	u32 slot, i = 0;

	if (d->req.reply_count != bitmap_weight(d->pages, SMEMV_RUN_PAGES))
		return false;
	for_each_set_bit(slot, d->pages, SMEMV_RUN_PAGES)
		if (le64_to_cpu(d->result[i++].index) != base + slot)
			return false;
	return true;
}

/* Whether the reply says something about the pages. */
static bool reply_counts(struct smemv_drain *d, const struct smemv_run *run, u32 to)
{
	struct smemv_lane *lane;

	if (restarted(d, to)) {
		d->target[to].unsettled = true;
		d->why = "a server that is to get its pages was restarted";
		return false;
	}
	if (d->req.status == SMEMV_ST_PARTIAL && !tells_of_pages(d, run)) {
		lane = smemv_server_lane(smemv_drain_source(d)->server, run->nr);
		smemv_lane_blame(lane, "reply to a push tells of other pages");
		d->target[to].unsettled = true;
		d->why = "it answers a push with nonsense";
		return false;
	}
	if (d->req.status == SMEMV_ST_STALE_EPOCH)
		smemv_drain_source(d)->fenced_out(smemv_drain_source(d));
	return true;
}

/* As many of the pages as the target's limit allows; the others stay where they are. */
static u32 book(struct smemv_drain *d, u32 to)
{
	u32 n = bitmap_weight(d->pages, SMEMV_RUN_PAGES);
	u32 booked = smemv_server_book(d->space->bind[to].server, n);

	for (; n > booked; n--)
		__clear_bit(find_last_bit(d->pages, SMEMV_RUN_PAGES), d->pages);
	return booked;
}

/* Leaves in d->pages those that are at the target now, by the map, too. How many. */
static u32 move_to(struct smemv_drain *d, struct smemv_run *run, u32 to)
{
	u32 slot, moved = 0;

	d->target[to].used = true;
	if (push(d, run, to)) {
		d->target[to].unsettled |= d->req.on_wire;
		d->why = "it cannot be reached";
		return 0;
	}
	if (!reply_counts(d, run, to))
		return 0;
	read_results(d, run, to);
	for_each_set_bit(slot, d->pages, SMEMV_RUN_PAGES) {
		smemv_map_set_booked(&d->space->map, run, slot, SMEMV_WHERE_SET + to);
		moved++;
	}
	return moved;
}

/* The owned pages go to one target. */
static void move_batch(struct smemv_drain *d, struct smemv_run *run)
{
	int to = choose_target(d, run->nr);
	u32 booked, moved;

	if (to >= 0 && !open_drain(d, to))
		return;
	booked = to < 0 ? 0 : book(d, to);
	if (!booked) {
		d->why = d->why ?: "no other server that it may go to has room and can be reached";
		return;
	}
	moved = move_to(d, run, to);
	smemv_server_unbook(d->space->bind[to].server, booked - moved);
	if (!moved)
		return;
	d->moved += moved;
	smemv_server_count(smemv_drain_source(d)->server, DRAINED, moved);
	if (READ_ONCE(run->home) == SMEMV_WHERE_SET + d->from)
		WRITE_ONCE(run->home, SMEMV_WHERE_SET + to);
	if (smemv_invalidate_owned(smemv_drain_source(d), run, d->pages, &d->req))
		smemv_reconcile(d->space, d->from);
}

void smemv_drain_run(struct smemv_drain *d, struct smemv_run *run)
{
	DECLARE_BITMAP(owned, SMEMV_RUN_PAGES);
	u32 slot = 0;

	while (!smemv_drain_stopped(d) && take_batch(d, run, &slot)) {
		bitmap_copy(owned, d->pages, SMEMV_RUN_PAGES);
		move_batch(d, run);
		smemv_run_disown(d->space, run, owned);
		cond_resched();
	}
}
