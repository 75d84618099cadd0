/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of evict: what its files share. */
#ifndef SMEMV_EVICT_INSIDE_H
#define SMEMV_EVICT_INSIDE_H

#include "evict.h"

enum smemv_fate {
	SMEMV_STAYS,		/* unless it is large and nothing else is left: then it is split */
	SMEMV_GOES,
	SMEMV_FALLS_APART,	/* it is large, and is to be split only */
};

/**
 * struct smemv_order - which pages go first; a policy can be replaced as a whole
 * @name: for people
 * @next: the next run whose pages may go. False: none now, *wait jiffies
 * @fate: what is to become of a folio of the run
 *
 * Both are called by the evictor's work only. They may unmap pages and clear
 * their referenced flags, nothing else.
 */
struct smemv_order {
	const char *name;
	bool (*next)(struct smemv_evictor *ev, u64 *run, unsigned long *wait);
	enum smemv_fate (*fate)(struct smemv_evictor *ev, struct folio *folio);
};

extern const struct smemv_order smemv_order_clock;
extern const struct smemv_order smemv_order_heat;
extern const struct smemv_order smemv_order_random;

/* evict_order.c: by the evictor's work, when it is about to ask for a run. */
void smemv_evict_choose_order(struct smemv_evictor *ev);

/*
 * evict_heat.c: whether heat is known now, and there is memory to make an order of
 * it. By the evictor's work, when it is about to ask for a run.
 */
bool smemv_evict_heat_is_known(struct smemv_evictor *ev);
void smemv_evict_heat_free(struct smemv_evictor *ev);

/* evict_run.c: calls @fn for each folio of a run that is here. */
typedef void (*smemv_folio_fn)(struct smemv_evictor *ev, struct folio *folio,
			       void *arg);
void smemv_each_folio(struct smemv_evictor *ev, u64 run, smemv_folio_fn fn,
		      void *arg);
/* The first run with pages from an index on. False: there is none. */
bool smemv_find_run(struct smemv_evictor *ev, pgoff_t from, u64 *run);

/**
 * struct smemv_batch - pages of a run that are stored by one request
 * @link: on ev->idle or ev->done, on none while it is filled and stored
 * @ev: whose
 * @io: its pages are the copies
 * @folio: the folio of each page, under writeback and with one reference; the
 *	   pages of a larger folio follow each other
 * @copy: what they held: a page that is touched meanwhile can change, what is
 *	  sent cannot
 */
struct smemv_batch {
	struct list_head link;
	struct smemv_evictor *ev;
	struct smemv_io io;
	struct folio *folio[SMEMV_IO_PAGES];
	struct page *copy[SMEMV_IO_PAGES];
};

/* An idle batch, or NULL: all are in use, the end of one starts the work. */
struct smemv_batch *smemv_batch_get(struct smemv_evictor *ev, gfp_t gfp);
/* Stores what is in it; puts it back when there is nothing. */
void smemv_batch_submit(struct smemv_batch *batch);
/* Settles the pages of all batches that were stored. */
void smemv_batches_reap(struct smemv_evictor *ev);
void smemv_batches_free(struct smemv_evictor *ev);

enum smemv_evicted {
	SMEMV_KEPT,
	SMEMV_GONE,		/* dropped, or added to the batch */
	SMEMV_SPLIT,		/* there are smaller ones in its place now */
	SMEMV_NO_ROOM,		/* in the batch */
};

/*
 * Evicts a folio if that can be done now: drops it, or adds it to the batch, or
 * splits it. Takes over the reference.
 */
enum smemv_evicted smemv_evict_folio(struct smemv_evictor *ev,
				     struct smemv_batch *batch,
				     struct folio *folio);

/* As far as can be seen while it may be mapped. The caller has one reference. */
bool smemv_evict_could_go(struct folio *folio);

/* Splits a folio of many pages if that can be done now, used or not. Takes over the reference. */
bool smemv_evict_split(struct smemv_evictor *ev, struct folio *folio);

/*
 * evict_split.c: splits a locked folio that nobody else uses. Takes over lock and
 * reference. False: it is as it was, but dirty.
 */
bool smemv_split_folio(struct smemv_evictor *ev, struct folio *folio);

/* Splits a folio though it is in use, if so many pages had to be fetched that it is time to. */
void smemv_evict_split_used(struct smemv_evictor *ev);

/* Removes a clean folio that nobody uses. Locked; the caller has a reference. */
bool smemv_evict_remove(struct smemv_evictor *ev, struct folio *folio);

/* evict.c: what was wanted once is not any more. */
void smemv_evict_end_goal(struct smemv_evictor *ev);

/* evict_shrink.c */
void smemv_shrink_add(struct smemv_evictor *ev);
void smemv_shrink_del(struct smemv_evictor *ev);

static inline u64 smemv_evict_resident(const struct smemv_evictor *ev)
{
	return READ_ONCE(ev->mapping->nrpages);
}

#endif
