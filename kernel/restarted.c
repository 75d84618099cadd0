// SPDX-License-Identifier: GPL-2.0-only
/*
 * A server that was restarted, or where the space was dropped behind its owner's back, has
 * none of the pages that it held, but perhaps some that were stored there since: the map does
 * not tell which. Until it does, no copy there is relied on. To find out, a run at a time: own
 * the pages that the map attributes to the server, so that nothing is stored or loaded
 * meanwhile, and have it LIST what it holds of them, over the lane that their stores take. A
 * page that it does not hold is lost:
 *
 *   the front has it in memory   that is the only copy now, and the entry ABSENT
 *   the front has nothing        LOST
 *   it cannot be told now        next time, as
 *   somebody else owns it        a moment later, or next time: it is stored, loaded, or moved
 *
 * When no page was left for the next time, the map can be believed again, for that
 * run of the server from which all lanes had their HELLO when this began: pages that
 * were stored meanwhile are there. When it was restarted again since, it has yet
 * another server_id, and all of this starts anew.
 */
#include <linux/delay.h>
#include <linux/slab.h>

#include "conn.h"
#include "event.h"
#include "io.h"

#define BUSY_TRIES	20
#define BUSY_WAIT_US	500

/**
 * struct settling - a pass over the map
 * @space: the space
 * @bind: the server
 * @why: of losses
 * @list: scratch
 * @lost: pages so far, that nobody has any more
 * @again: something was left for the next time
 */
struct settling {
	struct smemv_space *space;
	struct smemv_bind *bind;
	const char *why;
	struct smemv_listing *list;
	u64 lost;
	bool again;
};

bool smemv_bind_is_doubted(const struct smemv_bind *bind)
{
	return READ_ONCE(bind->emptied) != READ_ONCE(bind->settled) ||
	       memcmp(bind->server_id, bind->server->server_id,
		      sizeof(bind->server_id));
}

static bool leads_to(const struct smemv_lane *lane, const u8 *server_id)
{
	return smemv_lane_is_up(lane) &&
	       !memcmp(lane->server_id, server_id, sizeof(lane->server_id));
}

static bool all_lead_to(const struct smemv_server *server, const u8 *server_id)
{
	u32 i;

	for (i = 0; i < server->nr_lanes; i++)
		if (!leads_to(server->lane[i], server_id))
			return false;
	return true;
}

/*
 * Those that the map attributes to the server, but for those that are @known. True: somebody else
 * owned one of them.
 */
static bool own_pages(struct settling *s, struct smemv_run *run,
		      const unsigned long *known, unsigned long *pages)
{
	unsigned long flags;
	bool busy = false;
	u32 slot;

	bitmap_zero(pages, SMEMV_RUN_PAGES);
	spin_lock_irqsave(&run->lock, flags);
	for (slot = 0; slot < SMEMV_RUN_PAGES; slot++) {
		if (!smemv_map_names(&s->space->map, smemv_map_where(run, slot),
				     s->bind) ||
		    test_bit(slot, run->given_up) || test_bit(slot, known))
			continue;
		if (test_bit(slot, run->busy)) {
			busy = true;
			continue;
		}
		__set_bit(slot, run->busy);
		__set_bit(slot, pages);
	}
	spin_unlock_irqrestore(&run->lock, flags);
	return busy;
}

/* Takes those that the server holds out of @pages. 0 or an errno. */
static int take_out_held(struct settling *s, const struct smemv_run *run,
			 unsigned long *pages)
{
	struct smemv_lane *lane = smemv_server_lane(s->bind->server, run->nr);
	u64 base = run->nr << SMEMV_RUN_SHIFT, end = base + SMEMV_RUN_PAGES;
	struct smemv_listing *l = s->list;
	u32 i;

	for (l->next = base; l->next < min(end, s->space->size_pages);) {
		int err = smemv_list(s->space, s->bind, lane, l);

		if (err)
			return err;
		for (i = 0; i < l->count; i++) {
			u64 first = le64_to_cpu(l->range[i].first);
			u64 stop = first + le32_to_cpu(l->range[i].count);

			first = max(first, base);
			stop = min(stop, end);
			if (first < stop)
				bitmap_clear(pages, first - base, stop - first);
		}
	}
	return 0;
}

static void lose_page(struct settling *s, struct smemv_run *run, u32 slot)
{
	struct smemv_space *space = s->space;
	u64 index = (run->nr << SMEMV_RUN_SHIFT) + slot;
	enum smemv_kept kept = SMEMV_KEPT_NOTHING;

	if (space->keep)
		kept = space->keep(space->front, index);
	switch (kept) {
	case SMEMV_KEPT_NOTHING:
		/* First: who sees that no page is left there is to see why. */
		smemv_server_count(s->bind->server, MISSING, 1);
		smemv_map_set(&space->map, run, slot, SMEMV_WHERE_LOST);
		s->lost++;
		break;
	case SMEMV_KEPT_CONTENT:
		smemv_map_set(&space->map, run, slot, SMEMV_WHERE_ABSENT);
		break;
	case SMEMV_KEPT_UNKNOWN:
		s->again = true;
		break;
	}
}

static int settle_owned(struct settling *s, struct smemv_run *run,
			const unsigned long *owned)
{
	DECLARE_BITMAP(gone, SMEMV_RUN_PAGES);
	u32 slot;
	int err;

	if (bitmap_empty(owned, SMEMV_RUN_PAGES))
		return 0;
	bitmap_copy(gone, owned, SMEMV_RUN_PAGES);
	err = take_out_held(s, run, gone);
	if (!err)
		for_each_set_bit(slot, gone, SMEMV_RUN_PAGES)
			lose_page(s, run, slot);
	smemv_run_disown(s->space, run, owned);
	return err;
}

/* Where pages always come and go a pass that met no busy one would hardly ever come. */
static int settle_run(struct settling *s, struct smemv_run *run)
{
	DECLARE_BITMAP(known, SMEMV_RUN_PAGES) = {};
	DECLARE_BITMAP(owned, SMEMV_RUN_PAGES);
	u32 tries;
	bool busy;
	int err;

	for (tries = 0; tries < BUSY_TRIES; tries++) {
		busy = own_pages(s, run, known, owned);
		err = settle_owned(s, run, owned);
		if (err || !busy)
			return err;
		bitmap_or(known, known, owned, SMEMV_RUN_PAGES);
		usleep_range(BUSY_WAIT_US, 2 * BUSY_WAIT_US);
	}
	s->again = true;
	return 0;
}

static int settle_all(struct settling *s)
{
	struct smemv_run *run;
	unsigned long nr;
	int err = 0;

	xa_for_each(&s->space->map.runs, nr, run) {
		if (READ_ONCE(s->space->closing) ||
		    !smemv_space_is_active(s->space))
			return -EINTR;
		err = settle_run(s, run);
		if (err)
			break;
		cond_resched();
	}
	return err;
}

static void report(const struct settling *s)
{
	struct smemv_server *server = s->bind->server;

	if (!s->lost)
		return;
	pr_err("%s: %llu pages are lost: server %s %s\n", s->space->name,
	       s->lost, server->name, s->why);
	smemv_event_send(s->space->ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_PAGE_LOST, .server = server->name,
		.space = s->space->name, .page = SMEMV_NO_PAGE,
		.count = s->lost, .text = s->why,
	});
}

bool smemv_restarted_settle(struct smemv_space *space, struct smemv_bind *bind,
			    struct smemv_listing *l)
{
	struct settling s = { .space = space, .bind = bind, .list = l };
	u8 server_id[sizeof(bind->server_id)];
	u32 emptied = READ_ONCE(bind->emptied);
	int err;

	memcpy(server_id, bind->server->server_id, sizeof(server_id));
	if (!all_lead_to(bind->server, server_id))
		return false;
	s.why = memcmp(bind->server_id, server_id, sizeof(server_id)) ?
		"was restarted without them" :
		"had dropped the space";
	err = settle_all(&s);
	report(&s);
	if (err || s.again)
		return false;
	memcpy(bind->server_id, server_id, sizeof(bind->server_id));
	WRITE_ONCE(bind->settled, emptied);
	return true;
}
