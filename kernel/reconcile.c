// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the outcome of a store or an invalidation at a server was never learned
 * and the page went elsewhere, the server may hold a copy that the map does not
 * attribute to it. The map is right; the copy is garbage. After the fence
 * (rule 2: no old frame can be applied any more) the server LISTs what it
 * holds of the space, and what the map does not attribute to it is invalidated,
 * each page owned meanwhile so that no new store can be hit.
 *
 * A server that was restarted is looked at first for what it lost (restarted.c).
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
 * @list: scratch
 */
struct smemv_reconcile {
	struct smemv_space *space;
	struct smemv_bind *bind;
	unsigned long wanted;
	struct delayed_work work;
	struct smemv_listing list;
};

void smemv_reconcile(struct smemv_space *space, u32 bind)
{
	struct smemv_reconcile *r = space->reconcile[bind];

	test_and_set_bit(0, &r->wanted);	/* after the reason for it: see reconcile_work() */
	if (!READ_ONCE(space->closing) && smemv_space_is_active(space))
		queue_delayed_work(smemv_wq, &r->work, 0);
}

void smemv_reconcile_lane_up(struct smemv_space *space, u32 bind)
{
	if (test_bit(0, &space->reconcile[bind]->wanted) ||
	    smemv_bind_is_doubted(&space->bind[bind]))
		smemv_reconcile(space, bind);
}

void smemv_reconcile_flush(struct smemv_space *space, u32 bind)
{
	flush_delayed_work(&space->reconcile[bind]->work);
}

/*
 * Whatever the name: if two of them have come to lead to one server, it is one copy. The identities
 * may just be learned anew, which must not make a server differ from itself.
 */
static bool is_placed_there(const struct smemv_reconcile *r, u16 where)
{
	const struct smemv_set *set = smemv_map_set_of(&r->space->map, where);
	const struct smemv_server *server = r->bind->server;
	u32 i;

	if (smemv_map_names(&r->space->map, where, r->bind))
		return true;
	for (i = 0; set && i < set->n; i++)
		if (!memcmp(set->member[i]->server->server_id,
			    server->server_id, sizeof(server->server_id)))
			return true;
	return false;
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
		/* Also a page that is on its way elsewhere: who leaves a copy asks for a look. */
		if (is_placed_there(r, smemv_map_where(run, slot)))
			continue;
		if (test_bit(slot, run->busy)) {
			set_bit(0, &r->wanted);	/* look again later */
			continue;
		}
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
	err = smemv_invalidate_owned(r->bind, run, pages, &r->list.req);
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

int smemv_list(struct smemv_space *space, struct smemv_bind *bind,
	       struct smemv_lane *lane, struct smemv_listing *l)
{
	struct smemv_wire_list *body = (void *)l->req.frame.body;
	const struct smemv_wire_range *last;
	u64 end;
	int err;

	l->req.opcode = SMEMV_OP_LIST;
	l->req.handle = bind->handle;
	l->req.reply = l->range;
	l->req.reply_size = sizeof(l->range);
	body->first = cpu_to_le64(l->next);
	err = smemv_lane_call(lane, &l->req);
	if (err)
		return err;
	if (l->req.status != SMEMV_ST_OK)
		return -EREMOTEIO;
	l->count = l->req.reply_len / sizeof(l->range[0]);
	if (!(l->req.reply_flags & SMEMV_WIRE_F_MORE)) {
		l->next = space->size_pages;
		return 0;
	}
	if (!l->count)
		return -EPROTO;	/* more, but from where? */
	last = &l->range[l->count - 1];
	end = le64_to_cpu(last->first) + le32_to_cpu(last->count);
	if (end <= l->next)
		return -EPROTO;	/* a list that does not advance has no end */
	l->next = end;
	return 0;
}

static bool may_go_on(const struct smemv_reconcile *r)
{
	return !READ_ONCE(r->space->closing) && smemv_space_is_active(r->space);
}

static int reconcile(struct smemv_reconcile *r)
{
	struct smemv_listing *l = &r->list;
	int err = 0;
	u32 i;

	l->next = 0;
	while (l->next < r->space->size_pages && !err && may_go_on(r)) {
		err = smemv_list(r->space, r->bind, r->bind->server->lane[0], l);
		for (i = 0; !err && i < l->count; i++)
			err = clean_range(r, le64_to_cpu(l->range[i].first),
					  le32_to_cpu(l->range[i].count));
	}
	return err;
}

/* A lane that is not up may still have old frames in flight: wait for it. */
static bool all_lanes_up(const struct smemv_server *server)
{
	return atomic_read(&server->up) == server->nr_lanes;
}

static bool compare(struct smemv_reconcile *r)
{
	if (smemv_bind_is_doubted(r->bind) &&
	    !smemv_restarted_settle(r->space, r->bind, &r->list))
		return false;
	return !reconcile(r) && may_go_on(r);
}

static void reconcile_work(struct work_struct *work)
{
	struct smemv_reconcile *r = container_of(to_delayed_work(work),
						 struct smemv_reconcile, work);

	/*
	 * Before the look at the lanes and at the map: what makes it wanted meanwhile, as a lane
	 * that breaks, would be forgotten otherwise. Ordered, as smemv_reconcile() is.
	 */
	test_and_clear_bit(0, &r->wanted);
	if (!may_go_on(r) || !all_lanes_up(r->bind->server) || !compare(r))
		set_bit(0, &r->wanted);
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
