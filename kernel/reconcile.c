// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the outcome of a store or an invalidation at a server was never learned
 * and the page went elsewhere, the server may hold a copy that the map does not
 * attribute to it. The map is right; the copy is garbage. After the fence
 * (rule 2: no old frame can be applied any more) the server LISTs what it
 * holds of the space, and what the map does not attribute to it is invalidated,
 * each page owned meanwhile so that no new store can be hit.
 */
#include <linux/slab.h>

#include "conn.h"
#include "io.h"

#define AGAIN	msecs_to_jiffies(1000)

/**
 * struct smemv_reconcile - one server of a space
 * @space: the space
 * @bind: the server
 * @wanted: bit 0: the server may differ from the map
 * @work: compares
 * @req: scratch, and
 * @reply: for the list
 */
struct smemv_reconcile {
	struct smemv_space *space;
	struct smemv_bind *bind;
	unsigned long wanted;
	struct delayed_work work;
	struct smemv_req req;
	struct smemv_wire_range reply[SMEMV_REQ_DESCS];
};

void smemv_reconcile(struct smemv_space *space, u32 bind)
{
	struct smemv_reconcile *r = space->reconcile[bind];

	set_bit(0, &r->wanted);
	if (!READ_ONCE(space->closing) && smemv_space_is_active(space))
		queue_delayed_work(smemv_wq, &r->work, 0);
}

void smemv_reconcile_lane_up(struct smemv_space *space, u32 bind)
{
	if (test_bit(0, &space->reconcile[bind]->wanted))
		smemv_reconcile(space, bind);
}

void smemv_reconcile_flush(struct smemv_space *space, u32 bind)
{
	flush_delayed_work(&space->reconcile[bind]->work);
}

/* Owns those of the listed pages that the map does not attribute to r->bind. */
static bool take_garbage(struct smemv_reconcile *r, struct smemv_run *run,
			 u32 from, u32 end, unsigned long *pages)
{
	bool any = false;
	unsigned long flags;
	u32 slot;

	bitmap_zero(pages, SMEMV_RUN_PAGES);
	spin_lock_irqsave(&run->lock, flags);
	for (slot = from; slot < end; slot++) {
		if (test_bit(slot, run->busy)) {
			set_bit(0, &r->wanted);	/* look again later */
			continue;
		}
		if (smemv_map_names(&r->space->map, smemv_map_where(run, slot),
				    r->bind))
			continue;
		__set_bit(slot, run->busy);
		__set_bit(slot, pages);
		any = true;
	}
	spin_unlock_irqrestore(&run->lock, flags);
	return any;
}

static int clean_run(struct smemv_reconcile *r, u64 nr, u32 from, u32 end)
{
	DECLARE_BITMAP(pages, SMEMV_RUN_PAGES);
	struct smemv_run *run = smemv_map_make_run(&r->space->map, nr);
	int err;

	if (!run)
		return -ENOMEM;
	if (!take_garbage(r, run, from, end, pages))
		return 0;
	err = smemv_invalidate_owned(r->bind, run, pages, &r->req);
	smemv_run_disown(r->space, run, pages);
	if (!err)
		smemv_server_count(r->bind->server, RECONCILED,
				   bitmap_weight(pages, SMEMV_RUN_PAGES));
	return err;
}

static int clean_range(struct smemv_reconcile *r, u64 first, u64 count)
{
	u64 end = first + count;
	int err = 0;

	if (end > r->space->size_pages)
		return -EPROTO;
	while (first < end && !err) {
		u64 nr = first >> SMEMV_RUN_SHIFT;
		u64 base = nr << SMEMV_RUN_SHIFT;
		u64 stop = min(end, base + SMEMV_RUN_PAGES);

		err = clean_run(r, nr, first - base, stop - base);
		first = stop;
		cond_resched();
	}
	return err;
}

/* Fetches one page of the list from *next on; advances it, or ends it at size. */
static int list_some(struct smemv_reconcile *r, u64 *next, u32 *count)
{
	struct smemv_wire_list *body = (void *)r->req.frame.body;
	const struct smemv_wire_range *last;
	int err;

	r->req.opcode = SMEMV_OP_LIST;
	r->req.handle = r->bind->handle;
	r->req.reply = r->reply;
	r->req.reply_size = sizeof(r->reply);
	body->first = cpu_to_le64(*next);
	err = smemv_lane_call(r->bind->server->lane[0], &r->req);
	if (err)
		return err;
	if (r->req.status != SMEMV_ST_OK)
		return -EREMOTEIO;
	*count = r->req.reply_len / sizeof(r->reply[0]);
	if (!(r->req.reply_flags & SMEMV_WIRE_F_MORE)) {
		*next = r->space->size_pages;
		return 0;
	}
	if (!*count)
		return -EPROTO;	/* more, but from where? */
	last = &r->reply[*count - 1];
	if (le64_to_cpu(last->first) + le32_to_cpu(last->count) <= *next)
		return -EPROTO;	/* a list that does not advance has no end */
	*next = le64_to_cpu(last->first) + le32_to_cpu(last->count);
	return 0;
}

static bool may_go_on(const struct smemv_reconcile *r)
{
	return !READ_ONCE(r->space->closing) && smemv_space_is_active(r->space);
}

static int reconcile(struct smemv_reconcile *r)
{
	u64 next = 0;
	u32 i, count;
	int err = 0;

	while (next < r->space->size_pages && !err && may_go_on(r)) {
		err = list_some(r, &next, &count);
		for (i = 0; !err && i < count; i++)
			err = clean_range(r, le64_to_cpu(r->reply[i].first),
					  le32_to_cpu(r->reply[i].count));
	}
	return err;
}

static bool all_lanes_up(const struct smemv_server *server)
{
	return atomic_read(&server->up) == server->nr_lanes;
}

/* A lane that is not up may still have old frames in flight: wait for it. */
static void reconcile_work(struct work_struct *work)
{
	struct smemv_reconcile *r = container_of(to_delayed_work(work),
						 struct smemv_reconcile, work);

	if (may_go_on(r) && all_lanes_up(r->bind->server)) {
		clear_bit(0, &r->wanted);
		if (reconcile(r) || !may_go_on(r))
			set_bit(0, &r->wanted);
	}
	if (test_bit(0, &r->wanted) && may_go_on(r))
		queue_delayed_work(smemv_wq, &r->work, AGAIN);
}

struct smemv_reconcile *smemv_reconcile_new(struct smemv_space *space,
					    struct smemv_bind *bind)
{
	struct smemv_reconcile *r = kzalloc(sizeof(*r), GFP_KERNEL);

	if (!r)
		return NULL;
	r->space = space;
	r->bind = bind;
	INIT_DELAYED_WORK(&r->work, reconcile_work);
	return r;
}

void smemv_reconcile_free(struct smemv_reconcile **r)
{
	if (!*r)
		return;
	cancel_delayed_work_sync(&(*r)->work);
	kfree(*r);
	*r = NULL;
}
