/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The evictor: keeps a file's pages on this host within its budget. What it
 * does to a page, and what can happen meanwhile: docs/architecture.md.
 */
#ifndef SMEMV_EVICT_H
#define SMEMV_EVICT_H

#include <linux/wait.h>

#include "compat/mm.h"
#include "space.h"

#define SMEMV_NO_GOAL		(~0ULL)
#define SMEMV_BUDGET_MIN	(1ULL << 20)

struct smemv_order;
struct smemv_evict_heat;

#define SMEMV_AGED_MAX	32

/**
 * struct smemv_clock - what evict_clock.c remembers
 * @hand: page index from which on the next run is looked for
 * @aged: runs that were unmapped, oldest at @head
 * @head: position of the oldest
 * @nr: of them
 */
struct smemv_clock {
	u64 hand;
	struct {
		u64 run;
		unsigned long when;
	} aged[SMEMV_AGED_MAX];
	u32 head;
	u32 nr;
};

/**
 * struct smemv_evictor - of one file
 * @mapping: the file's pages
 * @space: where they go
 * @stats: the file's counters
 * @wasted: a page that had been fetched ahead went without having been used
 * @untracked: writes are not noticed (struct smemv_file_config.dma)
 * @heat: what is known of @nr pages from page index @first on, and how many intervals
 *	  have passed; -ENODATA: nobody scans now. For each a byte of @history, bit 7:
 *	  accessed in the newest interval, bit 6: in the one before, ... and a bit of @young:
 *	  accessed since. @young may be NULL. Does not wait
 * @forget: @nr pages from page index @first on that were accessed in an interval which is
 *	    remembered count as accessed in the newest one only
 * @pace: intervals of so many milliseconds would suit the evictor, where @heat is known
 * @budget: pages that may be here
 * @goal: pages that shall be here once (smemv vm evict), or SMEMV_NO_GOAL; changed under @lock
 * @peak: most pages that were here, or promised room
 * @goal_until: @taken at which it is given up; protected by @lock
 * @asked: somebody asked for a @goal, and is told how it goes; protected by @lock, as are
 * @asked_goal: which it was,
 * @asked_from: @gone at that time, and
 * @asked_told: jiffies when it was told last
 * @gone: pages that left so far
 * @taken: pages that were dropped, or began to be stored; some are touched before that ends
 * @misses: pages that were asked for and had to be fetched
 * @latest: run of the latest fault
 * @filling: pages that were promised room and are not in @mapping yet
 * @out: pages being stored
 * @room: faults wait here for room
 * @work: does everything; so there is one evictor for a file
 * @shrink_link: on evict_shrink.c's list while it may be started from there
 * @lock: protects what is said so, @idle, @done, @stopped; taken in softirq
 * @idle: struct smemv_batch.link
 * @done: the same: stored, to be settled by @work
 * @stopped: the file is going: nothing more is evicted
 *
 * Only @work uses these:
 * @nr_batches: made so far
 * @order: which pages go first; others may look at it
 * @clock: evict_clock.c's memory
 * @by_heat: evict_heat.c's memory, NULL: not needed yet
 * @busy_run: @run is being worked on, from page index
 * @pos: on
 * @run: page index / 512
 * @laps: times all pages were looked at without finding one to evict
 * @young_huge: a folio of many pages was left because one of them was used
 * @split_young: split such ones, to see which of them are used
 * @paid: of @misses, those for which folios were split, or that was tried
 * @split_hand: where the next one is looked for: a run, modulo their number
 * @force: recently used pages go too
 * @rest_until: jiffies: nothing is tried before, a store failed or all is busy
 */
struct smemv_evictor {
	struct address_space *mapping;
	struct smemv_space *space;
	struct smemv_file_stats __percpu *stats;
	void (*wasted)(struct smemv_evictor *ev, pgoff_t index);
	bool untracked;
	int (*heat)(struct smemv_evictor *ev, u64 first, u32 nr, u8 *history,
		    unsigned long *young);
	void (*forget)(struct smemv_evictor *ev, u64 first, u32 nr);
	void (*pace)(struct smemv_evictor *ev, u32 interval_ms);
	u64 budget;
	u64 goal;
	u64 goal_until;
	bool asked;
	u64 asked_goal;
	u64 asked_from;
	unsigned long asked_told;
	u64 peak;
	u64 gone;
	u64 taken;
	atomic_long_t misses;
	u64 latest;
	atomic_long_t filling;
	atomic_long_t out;
	wait_queue_head_t room;
	struct delayed_work work;
	struct list_head shrink_link;

	spinlock_t lock;
	struct list_head idle;
	struct list_head done;
	bool stopped;

	u32 nr_batches;
	const struct smemv_order *order;
	struct smemv_clock clock;
	struct smemv_evict_heat *by_heat;
	bool busy_run;
	pgoff_t pos;
	u64 run;
	u32 laps;
	bool young_huge;
	bool split_young;
	u64 paid;
	u64 split_hand;
	bool force;
	unsigned long rest_until;
};

int smemv_evict_init(struct smemv_evictor *ev, struct address_space *mapping,
		     struct smemv_space *space,
		     struct smemv_file_stats __percpu *stats, u64 budget);

/* From here on nothing more is stored; what is under way ends by its deadline. */
void smemv_evict_stop(struct smemv_evictor *ev);
/* After stop, when no page is in the mapping any more. */
void smemv_evict_uninit(struct smemv_evictor *ev);

/*
 * Room for pages that are about to be added to the mapping: false, there is
 * none now. smemv_evict_release() when they are there, or will not be.
 */
bool smemv_evict_reserve(struct smemv_evictor *ev, long pages);
/* The same, but only of room that need not be kept free for faults. */
bool smemv_evict_reserve_spare(struct smemv_evictor *ev, long pages);
void smemv_evict_release(struct smemv_evictor *ev, long pages);

/*
 * Waits until there may be room for a page. 0, -EINTR: killed, -ETIME: the
 * space's deadline passed and its policy is not to wait.
 */
int smemv_evict_wait(struct smemv_evictor *ev);

/* How pages to evict are chosen at present: a word for people. */
const char *smemv_evict_order(const struct smemv_evictor *ev);

/* A page was asked for that was not here. */
void smemv_evict_note_fault(struct smemv_evictor *ev, pgoff_t index);
/* It has to be fetched. */
static inline void smemv_evict_note_miss(struct smemv_evictor *ev)
{
	atomic_long_inc(&ev->misses);
}

/* Pages for which there is room that need not be kept free for faults. */
u64 smemv_evict_spare(struct smemv_evictor *ev);
/* There is such room, or none is kept free. */
bool smemv_evict_has_spare(struct smemv_evictor *ev);

/* Under the protection that keeps the file's inode; any context. */
void smemv_evict_set_budget(struct smemv_evictor *ev, u64 pages);
/* Given up when twice the pages were taken, see evict.c; SMEMV_NO_GOAL: there is none any more. */
void smemv_evict_set_goal(struct smemv_evictor *ev, u64 pages);

/*
 * The space takes no stores now: waits until none is under way. False: some still were
 * after a time that is longer than servers have to answer.
 */
bool smemv_evict_settle(struct smemv_evictor *ev);
/* It takes them again. */
void smemv_evict_resume(struct smemv_evictor *ev);
/* So many pages shall leave the host, to make room for others. Any context. */
void smemv_evict_some(struct smemv_evictor *ev, u64 pages);

/*
 * There is no memory for a page: has some leave and waits until one did. 0,
 * -EINTR: killed, -ETIME: none can for now.
 */
int smemv_evict_squeeze(struct smemv_evictor *ev);

/* evict_shrink.c: evicts when the host has little memory left. */
int smemv_shrink_module_init(void);
void smemv_shrink_module_exit(void);

/* Whether all of a locked folio can be had again: it is clean, or zeros. */
bool smemv_evict_has_copy(struct smemv_evictor *ev, struct folio *folio);

/*
 * Splits the folio that has pages on both sides of an index, if there is one and
 * it can be; else it is dirty, so that truncating does not drop it as a whole, and
 * false is returned. Under the invalidate lock, exclusive.
 */
bool smemv_evict_split_at(struct smemv_evictor *ev, pgoff_t index);
/* Splits all folios of many pages in a run. False: one cannot be. The same lock. */
bool smemv_evict_split_all_of(struct smemv_evictor *ev, u64 run);
/* Splits the folio of a page, if it is larger and can be. Takes the lock, shared. */
void smemv_evict_try_split(struct smemv_evictor *ev, pgoff_t index);

/* Pages left the mapping by another way. */
void smemv_evict_wake(struct smemv_evictor *ev);

/*
 * A page that was fetched ahead and is not used yet. Not PG_readahead, which is PG_reclaim too:
 * reclaim sets that on dirty pages, and making a page dirty clears it.
 */
static inline void smemv_set_ahead(struct folio *folio)
{
	folio_set_checked(folio);
}

static inline bool smemv_is_ahead(struct folio *folio)
{
	return folio_test_checked(folio);
}

/* Of several users at once one is told true. */
static inline bool smemv_clear_ahead(struct folio *folio)
{
	return smemv_is_ahead(folio) &&
	       test_and_clear_bit(PG_checked, folio_flags(folio, 0));
}

#endif
