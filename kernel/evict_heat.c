// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order by heat: core/heat.c says which pages of which run go, by what the
 * scanner saw, and by what the accessed bits say since. What they do not show, the
 * host's accesses, is found out as the clock does it, but only for pages that look cold:
 * they are unmapped some time before they go, and whoever uses one of them meanwhile maps
 * it again.
 */
#include <linux/math64.h>
#include <linux/slab.h>

#include "core/heat.h"
#include "evict_inside.h"

#define AGE_MIN		max(HZ / 50, 1)
#define ALL_YOUNG	max(HZ / 50, 1)
#define AGED_MAX	8
#define REACH		4	/* intervals, in which as many pages go as are here */
#define PACED		16	/* how often that is looked at meanwhile */
#define TRIES		64	/* runs that are looked at in a go */
#define DISCOVER	4	/* runs that are looked for in a go */
#define NEWEST		0x80	/* interval, in a history */
#define INTERVALS_MIN	2	/* before that the scanner does not know much */

/**
 * struct aged - a run whose pages that go were unmapped
 * @run: page index / 512
 * @when: jiffies
 * @go: bitmap of these pages
 * @history: of all of them; the newest interval's bit is also set by what came later
 */
struct aged {
	u32 run;
	unsigned long when;
	u64 go[SMEMV_HEAT_WORDS];
	u8 history[SMEMV_HEAT_RUN];
};

/**
 * struct smemv_evict_heat - of one evictor
 * @heat: the policy
 * @view: of the run that is being looked at
 * @hand: page index from which on runs that have pages here are looked for
 * @told: runs that were told to the evictor since the last lap
 * @gone: pages that had left when the pace was looked at,
 * @gone_at: jiffies
 * @aged: runs that wait, oldest at @head
 * @head: position of the oldest
 * @nr: of them
 * @now: the run that the evictor is working on
 */
struct smemv_evict_heat {
	struct smemv_heat heat;
	struct smemv_heat_view view;
	u64 hand;
	u32 told;
	u64 gone;
	unsigned long gone_at;
	struct aged aged[AGED_MAX];
	u32 head;
	u32 nr;
	struct aged now;
};

#define TRY_GFP	(GFP_NOIO | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN)

void smemv_evict_heat_free(struct smemv_evictor *ev)
{
	struct smemv_evict_heat *by_heat = ev->by_heat;

	if (!by_heat)
		return;
	kvfree(by_heat->heat.next);
	kvfree(by_heat->heat.note);
	kvfree(by_heat);
	ev->by_heat = NULL;
}

static bool make(struct smemv_evictor *ev)
{
	u64 pages = ev->space->size_pages;
	u32 nr_runs = DIV_ROUND_UP_ULL(pages, SMEMV_HEAT_RUN);
	u32 nr_notes = smemv_heat_notes(pages);
	struct smemv_evict_heat *by_heat = kvmalloc(sizeof(*by_heat), TRY_GFP);
	struct smemv_heat_note *note;
	u32 *next;

	BUILD_BUG_ON(SMEMV_HEAT_RUN != SMEMV_RUN_PAGES);
	if (!by_heat)
		return false;
	next = kvmalloc_array(nr_runs, sizeof(*next), TRY_GFP);
	note = kvmalloc_array(nr_notes, sizeof(*note), TRY_GFP);
	smemv_heat_init(&by_heat->heat, next, nr_runs, note, nr_notes);
	by_heat->now.run = U32_MAX;
	by_heat->gone = ev->gone;
	by_heat->gone_at = jiffies;
	ev->by_heat = by_heat;
	if (next && note)
		return true;
	smemv_evict_heat_free(ev);
	return false;
}

/*
 * A history tells hot pages from cold ones when it reaches about as far back as pages stay
 * here: with shorter intervals all are as cold as can be when their turn comes. A guest that
 * has just come is scanned as if its memory turned over in seconds, and each page that goes
 * before that is known is one of many that look alike.
 */
static void pace(struct smemv_evictor *ev)
{
	struct smemv_evict_heat *by_heat = ev->by_heat;
	u64 here = smemv_evict_resident(ev), went = ev->gone - by_heat->gone;
	u64 took_ms = jiffies_to_msecs(jiffies - by_heat->gone_at);

	if (!went || went < here / PACED)
		return;
	ev->pace(ev, min_t(u64, div64_u64(took_ms * here, went * REACH), U32_MAX));
	by_heat->gone = ev->gone;
	by_heat->gone_at = jiffies;
}

bool smemv_evict_heat_is_known(struct smemv_evictor *ev)
{
	int intervals;
	u8 any;

	intervals = ev->heat(ev, 0, 1, &any, NULL);
	if (intervals < INTERVALS_MIN || (!ev->by_heat && !make(ev)))
		return false;
	smemv_heat_tick(&ev->by_heat->heat, intervals);
	pace(ev);
	return true;
}

/* Runs of which pages came here since they were forgotten, or ever. */
static void discover(struct smemv_evictor *ev)
{
	struct smemv_evict_heat *by_heat = ev->by_heat;
	u32 i, nr = by_heat->heat.nr_queued ? DISCOVER : TRIES;
	u64 run;

	for (i = 0; i < nr; i++) {
		if (!smemv_find_run(ev, by_heat->hand, &run)) {
			by_heat->hand = 0;
			return;
		}
		smemv_heat_add(&by_heat->heat, run);
		by_heat->hand = (run + 1) << SMEMV_RUN_SHIFT;
	}
}

/* Its pages in the run that is being looked at, which it may begin before, or end behind. */
static void pages_of(struct folio *folio, u32 *first, u32 *nr)
{
	*first = folio->index % SMEMV_HEAT_RUN;
	*nr = min_t(u32, folio_nr_pages(folio), SMEMV_HEAT_RUN - *first);
}

static bool guest_used(const struct smemv_heat_view *view, u32 first, u32 nr)
{
	u32 i;

	for (i = first; i < first + nr; i++)
		if (smemv_heat_test(view->young, i) || view->history[i] & NEWEST)
			return true;
	return false;
}

/* Could it go if it were cold? */
static void see_folio(struct smemv_evictor *ev, struct folio *folio, void *arg)
{
	struct smemv_evict_heat *by_heat = ev->by_heat;
	struct smemv_heat_view *view = &by_heat->view;
	u32 i, first, nr;

	/* Else it would be found coldest again and again, and nothing else would go. */
	if (folio_test_writeback(folio) || !smemv_evict_could_go(folio))
		return;
	pages_of(folio, &first, &nr);
	/* Used by a system call or a device of the host, or it has just come for somebody. */
	if (folio_test_referenced(folio)) {
		folio_clear_referenced(folio);
		if (!guest_used(view, first, nr))
			smemv_heat_came(&by_heat->heat, folio->index);
	}
	for (i = first; i < first + nr; i++)
		smemv_heat_set(view->here, i);
}

static bool see(struct smemv_evictor *ev, u32 run)
{
	struct smemv_heat_view *view = &ev->by_heat->view;
	u64 first = (u64)run << SMEMV_RUN_SHIFT;
	u32 nr = min_t(u64, SMEMV_RUN_PAGES, ev->space->size_pages - first);

	memset(view, 0, sizeof(*view));
	if (ev->heat(ev, first, nr, view->history,
		     (unsigned long *)view->young) < 0)
		return false;
	smemv_each_folio(ev, run, see_folio, NULL);
	return true;
}

/* The next run with pages that go; false: none was found, or the scan has ended. */
static bool find_cold(struct smemv_evictor *ev, bool forced, struct aged *aged)
{
	struct smemv_heat *heat = &ev->by_heat->heat;
	u32 tries;

	for (tries = 0; tries < TRIES; tries++) {
		if (!smemv_heat_take(heat, forced, &aged->run))
			return false;
		if (!see(ev, aged->run)) {
			smemv_heat_add(heat, aged->run);
			return false;
		}
		if (smemv_heat_judge(heat, aged->run, &ev->by_heat->view,
				     forced, aged->go))
			return true;
	}
	return false;
}

static void unmap_going(struct smemv_evictor *ev, const struct aged *aged)
{
	u64 first = (u64)aged->run << SMEMV_RUN_SHIFT;
	u32 i, end;

	for (i = 0; i < SMEMV_HEAT_RUN; i = end + 1) {
		for (end = i; end < SMEMV_HEAT_RUN &&
			      smemv_heat_test(aged->go, end); end++)
			;
		if (end > i)
			unmap_mapping_pages(ev->mapping, first + i, end - i,
					    false);
	}
}

/* Unmapping set it for what had been used before. */
static void forget_use(struct smemv_evictor *ev, struct folio *folio, void *arg)
{
	const struct aged *aged = arg;

	if (smemv_heat_test(aged->go, folio->index % SMEMV_HEAT_RUN))
		folio_clear_referenced(folio);
}

static void remember_view(struct aged *aged, const struct smemv_heat_view *view)
{
	u32 i;

	for (i = 0; i < SMEMV_HEAT_RUN; i++)
		aged->history[i] = view->history[i] |
				   (smemv_heat_test(view->young, i) ? NEWEST : 0);
}

static bool age(struct smemv_evictor *ev, bool forced)
{
	struct smemv_evict_heat *by_heat = ev->by_heat;
	struct aged *aged = &by_heat->aged[(by_heat->head + by_heat->nr) %
					   AGED_MAX];

	if (!find_cold(ev, forced, aged))
		return false;
	unmap_going(ev, aged);
	smemv_each_folio(ev, aged->run, forget_use, aged);
	remember_view(aged, &by_heat->view);
	aged->when = jiffies;
	by_heat->nr++;
	return true;
}

static void fill(struct smemv_evictor *ev, bool forced)
{
	u32 apart = clamp_t(u64, smemv_evict_resident(ev) / SMEMV_RUN_PAGES / 8,
			    1, AGED_MAX);

	while (ev->by_heat->nr < apart && age(ev, forced))
		cond_resched();
}

/* All runs were told and the evictor still asks: it finds nothing that can go. */
static void note_lap(struct smemv_evictor *ev)
{
	struct smemv_evict_heat *by_heat = ev->by_heat;

	if (++by_heat->told <= by_heat->heat.nr_queued)
		return;
	by_heat->told = 0;
	ev->laps++;
}

static bool heat_next(struct smemv_evictor *ev, u64 *run, unsigned long *wait)
{
	struct smemv_evict_heat *by_heat = ev->by_heat;
	bool waited_for = wq_has_sleeper(&ev->room);
	unsigned long ripe;

	discover(ev);
	fill(ev, false);
	if (!by_heat->nr && (ev->force || waited_for))
		fill(ev, true);
	if (!by_heat->nr) {
		ev->laps++;
		*wait = ALL_YOUNG;
		return false;
	}
	/* Time for the users to show that they are, unless somebody waits. */
	ripe = by_heat->aged[by_heat->head].when + AGE_MIN;
	if (!waited_for && time_before(jiffies, ripe)) {
		*wait = ripe - jiffies;
		return false;
	}
	by_heat->now = by_heat->aged[by_heat->head];
	by_heat->head = (by_heat->head + 1) % AGED_MAX;
	by_heat->nr--;
	note_lap(ev);
	*run = by_heat->now.run;
	return true;
}

/*
 * One that was used, but must go: which of its pages were cannot be told as long as it
 * is whole, so that its parts are left for this time.
 */
static enum smemv_fate split_young(struct smemv_evict_heat *by_heat, u32 first,
				   u32 nr)
{
	u32 i;

	for (i = first; i < first + nr; i++)
		smemv_heat_clear(by_heat->now.go, i);
	return SMEMV_FALLS_APART;
}

static bool is_used_now(struct smemv_evictor *ev, struct folio *folio)
{
	return !ev->force && (folio_mapped(folio) || folio_test_referenced(folio));
}

static enum smemv_fate heat_fate(struct smemv_evictor *ev, struct folio *folio)
{
	struct smemv_evict_heat *by_heat = ev->by_heat;
	enum smemv_heat_fate fate;
	u32 first, nr;

	pages_of(folio, &first, &nr);
	fate = smemv_heat_fate(by_heat->now.go, first, nr);
	if (fate == SMEMV_HEAT_STAY)
		return SMEMV_STAYS;
	if (is_used_now(ev, folio)) {
		smemv_heat_in_use(&by_heat->heat, folio->index);
		return SMEMV_STAYS;
	}
	if (fate == SMEMV_HEAT_SPLIT)
		return SMEMV_FALLS_APART;
	if (nr > 1 && by_heat->now.history[first] & NEWEST)
		return split_young(by_heat, first, nr);
	smemv_heat_going(&by_heat->heat, folio->index,
			 by_heat->now.history[first]);
	return SMEMV_GOES;
}

const struct smemv_order smemv_order_heat = {
	.name = "heat",
	.next = heat_next,
	.fate = heat_fate,
};
