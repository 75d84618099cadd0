// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that the front gave up: a bit each in the run, and workers that invalidate what has
 * gathered. A page given up while an operation owns it, or while a store waits for it, is
 * taken up when that ends; one that is stored again is not given up any more (smemv_io_own).
 */
#include <linux/slab.h>

#include "io.h"

#define FORGET_WORKERS	4

/**
 * struct smemv_forget - one worker; runs are spread over them
 * @space: whose
 * @lock: protects @runs
 * @runs: struct smemv_run.forget_node
 * @work: empties it
 * @req: scratch
 */
struct smemv_forget {
	struct smemv_space *space;
	spinlock_t lock;
	struct list_head runs;
	struct work_struct work;
	struct smemv_req req;
};

void smemv_forget_run(struct smemv_space *space, struct smemv_run *run)
{
	struct smemv_forget *f = &space->forget[run->nr % FORGET_WORKERS];
	unsigned long flags;

	if (test_and_set_bit(0, &run->forget_queued))
		return;
	spin_lock_irqsave(&f->lock, flags);
	list_add_tail(&run->forget_node, &f->runs);
	spin_unlock_irqrestore(&f->lock, flags);
	queue_work(smemv_wq, &f->work);
}

/* Pages that stores which came before wait for. */
static void mark_waiting(const struct smemv_run *run, unsigned long *pages)
{
	const struct smemv_io *io;

	lockdep_assert_held(&run->lock);
	list_for_each_entry(io, &run->waiters, link)
		if (io->op == SMEMV_OP_STORE)
			smemv_io_mark(io, pages);
}

static void give_up_slots(struct smemv_space *space, struct smemv_run *run,
			  u32 from, u32 end)
{
	DECLARE_BITMAP(stored, SMEMV_RUN_PAGES);
	unsigned long flags;
	u32 slot, n = 0;

	spin_lock_irqsave(&run->lock, flags);
	bitmap_copy(stored, run->busy, SMEMV_RUN_PAGES);
	mark_waiting(run, stored);
	for (slot = from; slot < end; slot++) {
		if (smemv_map_where(run, slot) == SMEMV_WHERE_ABSENT &&
		    !test_bit(slot, stored))
			continue;
		__set_bit(slot, run->given_up);
		n++;
	}
	spin_unlock_irqrestore(&run->lock, flags);
	if (!n)
		return;
	smemv_space_count(space, INVALIDATE_PAGES, n);
	smemv_forget_run(space, run);
}

void smemv_space_invalidate(struct smemv_space *space, u64 first, u64 nr)
{
	u64 end = first + nr;
	struct smemv_run *run;
	unsigned long i;

	smemv_map_give_up_unmade(&space->map, first, nr);
	xa_for_each_range(&space->map.runs, i, run, first >> SMEMV_RUN_SHIFT,
			  (end - 1) >> SMEMV_RUN_SHIFT) {
		u64 base = (u64)i << SMEMV_RUN_SHIFT;

		give_up_slots(space, run, max(first, base) - base,
			      min(end - base, (u64)SMEMV_RUN_PAGES));
	}
}

/*
 * Owns the given-up pages that are at one replica set, returned as map entry;
 * those that are nowhere are done at once. 0: nothing (more) to do.
 */
static u16 take_pages(struct smemv_space *space, struct smemv_run *run,
		      unsigned long *pages)
{
	DECLARE_BITMAP(stored, SMEMV_RUN_PAGES);
	unsigned long flags;
	u16 set = 0;
	u32 slot;

	bitmap_zero(pages, SMEMV_RUN_PAGES);
	spin_lock_irqsave(&run->lock, flags);
	bitmap_copy(stored, run->busy, SMEMV_RUN_PAGES);
	mark_waiting(run, stored);
	for_each_set_bit(slot, run->given_up, SMEMV_RUN_PAGES) {
		u16 where = smemv_map_where(run, slot);

		if (test_bit(slot, stored))
			continue;
		if (where < SMEMV_WHERE_SET) {
			smemv_map_set(&space->map, run, slot, SMEMV_WHERE_ABSENT);
			__clear_bit(slot, run->given_up);
			continue;
		}
		if (!set)
			set = where;
		if (where != set)
			continue;
		__clear_bit(slot, run->given_up);
		__set_bit(slot, run->busy);
		__set_bit(slot, pages);
	}
	spin_unlock_irqrestore(&run->lock, flags);
	return set;
}

static void forget_set(struct smemv_forget *f, struct smemv_run *run, u16 where,
		       const unsigned long *pages)
{
	struct smemv_space *space = f->space;
	struct smemv_set *set = smemv_map_set_of(&space->map, where);
	u32 i, slot, nr = bitmap_weight(pages, SMEMV_RUN_PAGES);

	for (i = 0; i < set->n; i++)
		atomic64_add(nr, &set->member[i]->taking);
	for (i = 0; i < set->n; i++)
		if (smemv_invalidate_owned(set->member[i], run, pages, &f->req))
			smemv_reconcile(space, set->member[i] - space->bind);
	for_each_set_bit(slot, pages, SMEMV_RUN_PAGES)
		smemv_map_set(&space->map, run, slot, SMEMV_WHERE_ABSENT);
	/* Pairs with smemv_handshake_had(). */
	smp_mb__before_atomic();
	for (i = 0; i < set->n; i++)
		atomic64_add(nr, &set->member[i]->taken);
	smemv_run_disown(space, run, pages);
}

static struct smemv_run *next_run(struct smemv_forget *f)
{
	struct smemv_run *run;
	unsigned long flags;

	spin_lock_irqsave(&f->lock, flags);
	run = list_first_entry_or_null(&f->runs, struct smemv_run, forget_node);
	if (run) {
		list_del(&run->forget_node);
		clear_bit(0, &run->forget_queued);
	}
	spin_unlock_irqrestore(&f->lock, flags);
	return run;
}

/* With the space its pages go all at once. */
static bool is_wanted(const struct smemv_forget *f)
{
	return smemv_space_is_active(f->space) && !READ_ONCE(f->space->closing);
}

static void forget_work(struct work_struct *work)
{
	struct smemv_forget *f = container_of(work, struct smemv_forget, work);
	DECLARE_BITMAP(pages, SMEMV_RUN_PAGES);
	struct smemv_run *run;
	u16 where;

	/* What is remembered here goes on with smemv_forget_resume(). */
	while (is_wanted(f) && (run = next_run(f))) {
		/* It is on no list now: what is not done of it is never done. */
		while (!READ_ONCE(f->space->closing) &&
		       (where = take_pages(f->space, run, pages)))
			forget_set(f, run, where, pages);
		cond_resched();
	}
}

void smemv_forget_resume(struct smemv_space *space)
{
	u32 i;

	for (i = 0; i < FORGET_WORKERS; i++)
		queue_work(smemv_wq, &space->forget[i].work);
}

void smemv_forget_flush(struct smemv_space *space)
{
	u32 i;

	for (i = 0; i < FORGET_WORKERS; i++)
		flush_work(&space->forget[i].work);
}

int smemv_forget_init(struct smemv_space *space)
{
	u32 i;

	space->forget = kcalloc(FORGET_WORKERS, sizeof(*space->forget),
				GFP_KERNEL);
	if (!space->forget)
		return -ENOMEM;
	for (i = 0; i < FORGET_WORKERS; i++) {
		space->forget[i].space = space;
		spin_lock_init(&space->forget[i].lock);
		INIT_LIST_HEAD(&space->forget[i].runs);
		INIT_WORK(&space->forget[i].work, forget_work);
	}
	return 0;
}

void smemv_forget_uninit(struct smemv_space *space)
{
	if (space->forget)
		smemv_forget_flush(space);
	kfree(space->forget);
}
