/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The location map: for each page index of a space, where its content is. The
 * one truth that all verbs change (docs/architecture.md). It is made of runs of
 * 512 pages (2 MiB), allocated when a run is first stored to: 2 bytes a page.
 */
#ifndef SMEMV_MAP_H
#define SMEMV_MAP_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "pool.h"

#define SMEMV_RUN_PAGES		SMEMV_WIRE_RUN_PAGES
#define SMEMV_RUN_SHIFT		SMEMV_WIRE_RUN_SHIFT

#define SMEMV_MAX_REPLICAS	3
#define SMEMV_MAX_SETS		64

/* Values of a map entry; SMEMV_WHERE_SET + n: remote at replica set n. */
enum smemv_where {
	SMEMV_WHERE_ABSENT,	/* never written, or given up: reads as zeros */
	SMEMV_WHERE_LOST,	/* no server has it any more: reads fail */
	SMEMV_WHERE_FAILED,	/* the last write failed: reads fail */
	SMEMV_WHERE_SET,
};

/**
 * struct smemv_set - a replica set: the servers that hold a page
 * @n: members
 * @member: each has the page
 */
struct smemv_set {
	u32 n;
	struct smemv_bind *member[SMEMV_MAX_REPLICAS];
};

/**
 * struct smemv_run - 512 entries of the map
 * @lock: protects @busy, @waiters, @home, @where; innermost; any context
 * @nr: page index / 512
 * @busy: pages that an operation owns. An operation changes a page's entry or
 *	  sends anything about it only while it owns the page (rule 4)
 * @given_up: pages to be invalidated, see forget.c
 * @forget_node: on a forget worker's list while
 * @forget_queued: bit 0 is set
 * @waiters: struct smemv_io.link: operations that wait for pages, oldest first
 * @home: set to place new pages at, as a map entry; 0: none yet
 * @where: the entries
 */
struct smemv_run {
	spinlock_t lock;
	u64 nr;
	DECLARE_BITMAP(busy, SMEMV_RUN_PAGES);
	DECLARE_BITMAP(given_up, SMEMV_RUN_PAGES);
	struct list_head forget_node;
	unsigned long forget_queued;
	struct list_head waiters;
	u16 home;
	u16 where[SMEMV_RUN_PAGES];
};

/* Runs with failed stores that the map remembers without having them. */
#define SMEMV_MAX_UNMADE	32

/**
 * struct smemv_unmade - a run that there was no memory for
 * @nr: page index / 512
 * @failed: its pages whose store failed, so that reads of them must fail
 */
struct smemv_unmade {
	u64 nr;
	DECLARE_BITMAP(failed, SMEMV_RUN_PAGES);
};

/**
 * struct smemv_map - the location map of a space
 * @runs: struct smemv_run by number; entries are only ever added, so that a
 *	  look-up needs no reference
 * @make_lock: adding to @runs, @unmade; innermost; any context
 * @unmade: runs that failed to be made, and
 * @nr_unmade: how many; above SMEMV_MAX_UNMADE they are not known any more, and
 *	       reads of any run that is not there fail
 * @set: replica sets
 * @nr_sets: of them
 * @remote: pages that are remote
 * @lost: pages that are lost
 */
struct smemv_map {
	struct xarray runs;
	spinlock_t make_lock;
	struct smemv_unmade unmade[SMEMV_MAX_UNMADE];
	u32 nr_unmade;
	struct smemv_set set[SMEMV_MAX_SETS];
	u32 nr_sets;
	atomic64_t remote;
	atomic64_t lost;
};

int smemv_map_module_init(void);
void smemv_map_module_exit(void);

void smemv_map_init(struct smemv_map *map);
void smemv_map_uninit(struct smemv_map *map);

/* Any context. NULL: no page of the run was ever stored. */
struct smemv_run *smemv_map_run(struct smemv_map *map, u64 nr);

/* Makes the run when it is not there; NULL: no memory. May sleep, no reclaim. */
struct smemv_run *smemv_map_make_run(struct smemv_map *map, u64 nr);

/*
 * Stores of these pages (a bit each) failed because the run could not be made:
 * they read as failed until they are stored again or given up. -EEXIST: the
 * run is there by now.
 */
int smemv_map_fail_unmade(struct smemv_map *map, u64 nr,
			  const unsigned long *failed);

/* Whether a page of a run that is not there must not be read as zeros. */
bool smemv_map_unmade_failed(struct smemv_map *map, u64 nr, unsigned int slot);

/* These pages (by index) were given up: where no run is, they are zeros again. */
void smemv_map_give_up_unmade(struct smemv_map *map, u64 first, u64 nr);

/*
 * All entries at once, from runs that were made elsewhere (smemv_map_new_run), and
 * empties @runs. The map names no server and no page of it is owned, nor can be.
 * Room was made by smemv_map_reserve(), so this cannot fail. Counts of the servers
 * are the caller's.
 */
void smemv_map_take_over(struct smemv_map *map, struct xarray *runs);
int smemv_map_reserve(struct smemv_map *map, struct xarray *runs);
/* NULL: no memory. */
struct smemv_run *smemv_map_new_run(u64 nr, gfp_t gfp);
void smemv_map_free_run(struct smemv_run *run);
/* Frees what smemv_map_take_over() did not take. */
void smemv_map_free_runs(struct xarray *runs);

/* The first run from *nr on that was stored to; false: there is none. */
bool smemv_map_next(struct smemv_map *map, u64 *nr);

/*
 * What reads of a run's pages find now, given-up ones as absent. False: an operation
 * owns one of them, so it may change at any moment.
 */
bool smemv_map_look(struct smemv_run *run, u16 *where);

/* Changes an entry and all counts. The caller owns the page or holds run->lock. */
void smemv_map_set(struct smemv_map *map, struct smemv_run *run,
		   unsigned int slot, u16 where);

/*
 * The same for a page that is new at the one server of a set, with the room that was booked for
 * it there (smemv_server_book()): this uses it up.
 */
void smemv_map_set_booked(struct smemv_map *map, struct smemv_run *run,
			  unsigned int slot, u16 where);

static inline u16 smemv_map_where(const struct smemv_run *run,
				  unsigned int slot)
{
	return READ_ONCE(run->where[slot]);
}

/* The replica set of a remote entry, or NULL. */
static inline struct smemv_set *smemv_map_set_of(struct smemv_map *map,
						 u16 where)
{
	return where < SMEMV_WHERE_SET ? NULL :
					 &map->set[where - SMEMV_WHERE_SET];
}

/* Whether the entry names a set that this server is a member of. */
bool smemv_map_names(struct smemv_map *map, u16 where,
		     const struct smemv_bind *bind);

#endif
