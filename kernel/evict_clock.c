// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order where heat is not known: a clock with two hands. The first unmaps a run
 * of pages; who uses a page maps it again, for the price of a minor fault. The
 * second comes some runs later and takes what was not mapped again.
 */
#include "evict_inside.h"

#define AGE_MIN		max(HZ / 50, 1)
#define NOTHING_HERE	max(HZ / 50, 1)

struct uses {
	bool mapped;
	bool mlocked;
};

static void see_use(struct smemv_evictor *ev, struct folio *folio, void *arg)
{
	struct uses *uses = arg;

	uses->mapped |= folio_mapped(folio);
	uses->mlocked |= folio_test_mlocked(folio);
}

/* Unmapping a page would end its being locked in memory. */
static void unmap_unlocked(struct smemv_evictor *ev, struct folio *folio,
			   void *arg)
{
	if (folio_mapped(folio) && !folio_test_mlocked(folio))
		unmap_mapping_pages(ev->mapping, folio->index,
				    folio_nr_pages(folio), false);
}

/* Unmapping set it for what had been used before. */
static void forget_use(struct smemv_evictor *ev, struct folio *folio, void *arg)
{
	folio_clear_referenced(folio);
}

static void age(struct smemv_evictor *ev, u64 run)
{
	struct uses uses = {};

	smemv_each_folio(ev, run, see_use, &uses);
	if (uses.mlocked)
		smemv_each_folio(ev, run, unmap_unlocked, NULL);
	else if (uses.mapped)
		unmap_mapping_pages(ev->mapping, run << SMEMV_RUN_SHIFT,
				    SMEMV_RUN_PAGES, false);
	smemv_each_folio(ev, run, forget_use, NULL);
}

static bool is_aged(const struct smemv_clock *clock, u64 run)
{
	u32 i;

	for (i = 0; i < clock->nr; i++)
		if (clock->aged[(clock->head + i) % SMEMV_AGED_MAX].run == run)
			return true;
	return false;
}

/* Where faults are now, more is being fetched: leave it, if there is anything else. */
static bool is_in_use(struct smemv_evictor *ev, u64 run)
{
	return run == READ_ONCE(ev->latest) && !ev->force &&
	       smemv_evict_resident(ev) > 2 * SMEMV_RUN_PAGES;
}

/* Moves the first hand by a run. False: it has come round to the second. */
static bool advance(struct smemv_evictor *ev)
{
	struct smemv_clock *clock = &ev->clock;
	u32 last;
	u64 run;

	if (!smemv_find_run(ev, clock->hand, &run)) {
		ev->laps++;
		if (!smemv_find_run(ev, 0, &run))
			return false;
		clock->hand = 0;
	}
	if (is_aged(clock, run))
		return false;
	clock->hand = (run + 1) << SMEMV_RUN_SHIFT;
	if (is_in_use(ev, run))
		return true;
	age(ev, run);
	last = (clock->head + clock->nr++) % SMEMV_AGED_MAX;
	clock->aged[last].run = run;
	clock->aged[last].when = jiffies;
	return true;
}

static bool clock_next(struct smemv_evictor *ev, u64 *run, unsigned long *wait)
{
	struct smemv_clock *clock = &ev->clock;
	u32 apart = clamp_t(u64, smemv_evict_resident(ev) / SMEMV_RUN_PAGES / 8,
			    1, SMEMV_AGED_MAX);
	unsigned long ripe;

	while (clock->nr < apart && advance(ev))
		cond_resched();
	if (!clock->nr) {
		*wait = NOTHING_HERE;
		return false;
	}
	/* Time for the users to show that they are, unless somebody waits. */
	ripe = clock->aged[clock->head].when + AGE_MIN;
	if (!wq_has_sleeper(&ev->room) && time_before(jiffies, ripe)) {
		*wait = ripe - jiffies;
		return false;
	}
	*run = clock->aged[clock->head].run;
	clock->head = (clock->head + 1) % SMEMV_AGED_MAX;
	clock->nr--;
	return true;
}

static enum smemv_fate clock_fate(struct smemv_evictor *ev, struct folio *folio)
{
	return !ev->force &&
	       (folio_mapped(folio) || folio_test_referenced(folio)) ?
	       SMEMV_STAYS : SMEMV_GOES;
}

const struct smemv_order smemv_order_clock = {
	.name = "clock",
	.next = clock_next,
	.fate = clock_fate,
};
