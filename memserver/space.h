/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One space: a radix tree from page index to page entry.
 *
 * A leaf is one frame with the 512 entries of a run, 8 bytes each: frame number
 * and CRC. Inner nodes have 512 slots of 8 bytes: the number of the frame below
 * and, in the slot of a leaf, how many of its entries are in use.
 *
 * Locking: a run's leaf slot and leaf belong to the run's lock (store.h). Inner
 * nodes are only added (compare and swap) while the space lives. epoch and dead are
 * tested by the callers inside a quiescence section (quiesce.h), and nobody walks the
 * tree outside of one: so the nodes of a dead space can be freed after
 * qs_synchronize(), whatever handles there still are.
 */
#ifndef MEMSERVER_SPACE_H
#define MEMSERVER_SPACE_H

#include <stdatomic.h>

#include "../kernel/core/codec.h"
#include "drain.h"
#include "store.h"

struct space {
	u8 uuid[16];
	u64 size_pages;
	u32 seed;			/* spreads the run locks of spaces */
	unsigned int height;		/* levels of inner nodes */
	_Atomic u64 root;		/* a slot */
	_Atomic u64 epoch;
	/* Rule 6: the epoch when it is claimed and not active, else 0. */
	_Atomic u64 claimed;
	atomic_bool dead;		/* dropped: nothing may be applied any more */
	_Atomic u32 refs;
	_Alignas(CACHELINE) _Atomic int64_t pages;	/* held, zero pages included */
	/* under the lock of struct spaces */
	u32 handles;			/* of all connections */
	u64 idle_since_ms;
	u64 last_active;		/* epoch */
	u64 claim_of;			/* the epoch that the last CLAIM named */
	u8 claimant[16];		/* who made it */
	struct drain drain;
};

struct space *space_new(const u8 uuid[16], u64 size_pages, u64 epoch);
void space_get(struct space *sp);
void space_put(struct space *sp);
/* Of a dead space, after qs_synchronize() and after all its pages were forgotten. */
void space_free_nodes(struct store *st, struct store_thread *t, struct space *sp);

/*
 * space_store() - keep a page
 * @data: 4096 bytes already verified against @crc, or NULL for a zero page
 *
 * Returns SMEMV_ST_OK, NO_SPACE or STOPPING; when it fails, the old content stays.
 */
enum smemv_wire_status space_store(struct store *st, struct store_thread *t,
				   struct space *sp, u64 index,
				   const void *data, u32 crc);

/*
 * The same for a page that another server pushes: applied by rule 5 only. Returns
 * HELD and NO_DRAIN too.
 */
enum smemv_wire_status space_deliver(struct store *st, struct store_thread *t,
				     struct space *sp, u64 drain, u64 index,
				     const void *data, u32 crc);

struct loaded_page {
	bool zero;
	u32 crc;
};

/* Copies the page to @data. Returns SMEMV_ST_OK or MISSING. Never deletes (rule 3). */
enum smemv_wire_status space_load(struct store *st, struct space *sp, u64 index,
				  void *data, struct loaded_page *page);

/* The page will be loaded or stored soon. Takes no lock. */
void space_prefetch(struct store *st, struct space *sp, u64 index);

/*
 * space_forget() - a step of forgetting the pages from *cursor to end
 *
 * Works through a bounded number of pages and slots and moves *cursor on; the
 * caller goes on until *cursor == end. Returns how many pages were forgotten.
 */
u64 space_forget(struct store *st, struct store_thread *t, struct space *sp,
		 u64 *cursor, u64 end);

struct page_range {
	u64 first;
	u64 count;
	bool zero;
};

/*
 * space_list() - a step of listing from *cursor on
 * @ranges: has @count entries, room for @max; the last one may be extended
 *
 * Works through a bounded number of pages and slots and moves *cursor on.
 * Returns the new count; stops early when there is no room for another range.
 */
u32 space_list(struct store *st, struct space *sp, u64 *cursor, u64 end,
	       struct page_range *ranges, u32 count, u32 max);

#endif
