/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A space: a location map, the servers it lives on, and the verbs that change
 * the map. frontswap's operations: store, load, invalidate.
 */
#ifndef SMEMV_SPACE_H
#define SMEMV_SPACE_H

#include "core/spin_luck.h"
#include "map.h"

#define SMEMV_IO_PAGES	SMEMV_REQ_DESCS

#define SMEMV_DEADLINE_MIN_MS		1000
#define SMEMV_DEADLINE_MAX_MS		600000
#define SMEMV_DEADLINE_DEFAULT_MS	30000

struct smemv_space;

/* What an operation waits for. */
enum smemv_awaited {
	SMEMV_AWAITED_SERVER,	/* none that it could use can be reached */
	SMEMV_AWAITED_ROOM,	/* all are full */
	SMEMV_AWAITED_MEMORY,	/* here, for the location map */
};

/**
 * struct smemv_wait - what an operation that is taken back and submitted again has behind it
 * @start: jiffies when it was submitted first
 * @suspended: it passed its deadline and waits by policy, which was told
 * @retries: damaged transfers so far
 */
struct smemv_wait {
	unsigned long start;
	bool suspended;
	u8 retries;
};

/**
 * struct smemv_io - one store or load of pages of one run
 * @space: set by the caller, as are
 * @op: SMEMV_OP_STORE or SMEMV_OP_LOAD
 * @run_nr: page index / 512
 * @nr: pages, 1..SMEMV_IO_PAGES
 * @slot: page index % 512; each at most once
 * @page: sources or destinations; stable until done()
 * @done: called once, any context but hard interrupt, without locks
 * @give_back: of a load, or NULL: called when it would have to wait for a server, in any context
 *	       but hard interrupt, without locks. True: the io is the caller's again, without
 *	       done(), as it called smemv_io_let_go(). False: it waits on the space, untouched
 * @err: by page, valid in done(): 0 or an errno
 * @link: on run->waiters or space->parked
 * @run: the run
 * @todo: pages not finished
 * @batch: pages in the request under way, and
 * @batch_page: which page each of its descriptors is
 * @target: map entry that the request goes to
 * @booked: pages for which room is booked at its server and not used up (smemv_server_book())
 * @fixed: of a store: the only one that it may go to, set by the caller, or 0
 * @unasked: nobody waits for it, so that it is never suspended: it fails at its deadline, and
 *	     at once where no server has room; set by the caller
 * @open_sets: replica sets with a store of unknown outcome
 * @refused: replica sets that had no room
 * @found_full: it found all servers full, which was counted
 * @awaited: enum smemv_awaited, of the last time that it had to wait
 * @wait: since when, and how often it was tried
 * @req: the request
 */
struct smemv_io {
	struct smemv_space *space;
	u8 op;
	u8 nr;
	u64 run_nr;
	u16 slot[SMEMV_IO_PAGES];
	struct page *page[SMEMV_IO_PAGES];
	void (*done)(struct smemv_io *io);
	bool (*give_back)(struct smemv_io *io);
	s16 err[SMEMV_IO_PAGES];

	struct list_head link;
	struct smemv_run *run;
	u32 todo;
	u32 batch;
	u8 batch_page[SMEMV_IO_PAGES];
	u16 target;
	u8 booked;
	u16 fixed;
	bool unasked;
	u64 open_sets;
	u64 refused;
	bool found_full;
	u8 awaited;
	struct smemv_wait wait;
	struct smemv_req req;
};

/* What the front has of a page that no server has any more. */
enum smemv_kept {
	SMEMV_KEPT_NOTHING,
	SMEMV_KEPT_CONTENT,	/* it is the only copy, and cannot be dropped */
	SMEMV_KEPT_UNKNOWN,	/* not known now: ask again */
};

/**
 * struct smemv_space - one remote address space of 4 KiB pages
 * @ns: whose
 * @name: for people: of the swap disk or memory file
 * @uuid: random
 * @size_pages: page indexes are below this
 * @epoch: counts owners
 * @active_epoch: in which this host was the active owner last, 0: never
 * @asked_epoch: of which the arbiter was last asked to activate it
 * @claimed: not (yet) its owner: may load, and change nothing at servers (rule 6)
 * @policy: enum smemv_policy, may change at any time
 * @deadline_ms: after this the policy decides, may change at any time
 * @fenced: another main host owns it: everything fails with EIO
 * @closing: being destroyed: nothing is suspended any more
 * @arbiter: the server, by number, that decides about ownership; under ns->lock
 * @told: who the space is was told, so another may have claimed it, from
 * @arbiter_id: this run of the arbiter
 * @lost_told: lost pages in the map that was adopted
 * @announce: tells servers that it became active
 * @map: where each page is
 * @nr_binds: servers; grows under ns->lock, never shrinks
 * @bind: room for SMEMV_MAX_SETS of them
 * @park_lock: protects @parked
 * @parked: struct smemv_io.link: wait for a server, for room or their turn
 * @nr_parked: of them, and of those that the front keeps (@retry)
 * @park_work: tries them again
 * @forget: workers that invalidate given-up pages
 * @reconcile: by server, see reconcile.c
 * @drain: pages are being moved off a server, or NULL; under ns->lock
 * @drain_number: of the last drain that was opened at a server
 * @load_ns: how long loads took lately, on average; not exact, see spin.h
 * @spin_luck: how spinning for pages went lately
 * @keep: a page has no copy at a server any more: have the front keep what it has of it
 *	  in memory, and store it again. NULL: it has nothing. May not sleep
 * @retry: tries again what was given back (smemv_io.give_back), called by @park_work. NULL:
 *	   nothing ever is
 * @front: for @keep and @retry
 * @stats: counters
 */
struct smemv_space {
	struct smemv_ns *ns;
	char name[SMEMV_NAME_LEN];
	u8 uuid[16];
	u64 size_pages;
	u64 epoch;
	u64 active_epoch;
	u64 asked_epoch;
	bool claimed;
	enum smemv_policy policy;
	u32 deadline_ms;
	bool fenced;
	bool closing;
	u32 arbiter;
	bool told;
	u8 arbiter_id[16];
	u64 lost_told;
	struct work_struct announce;
	struct smemv_map map;
	u32 nr_binds;
	struct smemv_bind *bind;

	spinlock_t park_lock;
	struct list_head parked;
	atomic_t nr_parked;
	struct delayed_work park_work;

	struct smemv_forget *forget;
	struct smemv_reconcile *reconcile[SMEMV_MAX_SETS];
	struct smemv_drain *drain;
	u64 drain_number;
	u64 load_ns;
	struct smemv_spin_luck spin_luck;
	enum smemv_kept (*keep)(void *front, u64 index);
	void (*retry)(void *front);
	void *front;
	struct smemv_space_stats __percpu *stats;
};

/* Bytes */
#define SMEMV_SPACE_SIZE_MIN	(1ULL << 20)
#define SMEMV_SPACE_SIZE_MAX	(SMEMV_WIRE_MAX_INDEX << PAGE_SHIFT)

struct smemv_space_config {
	const char *name;
	u64 size_pages;
	enum smemv_policy policy;
	u32 deadline_ms;
	struct smemv_server **server;
	u32 nr_servers;		/* 1..SMEMV_MAX_SETS */
};

/*
 * space_config.c: one more server, or all that take pages, where config->server has room for
 * SMEMV_MAX_SETS. Under ns->lock. 0, or an errno and *why.
 */
int smemv_space_config_add(struct smemv_space_config *config,
			   struct smemv_server *server, const char **why);
int smemv_space_config_add_all(struct smemv_space_config *config,
			       struct smemv_ns *ns, const char **why);
/* Whether so many pages fit on its servers, were nothing else there. Under ns->lock. */
bool smemv_space_config_holds(const struct smemv_space_config *config,
			      u64 pages);

/* Under ns->lock; *why is a static text for people. */
struct smemv_space *smemv_space_create(struct smemv_ns *ns,
				       const struct smemv_space_config *config,
				       const char **why);

/*
 * Have the space use one more server. Under ns->lock. Its number among the
 * space's servers, also when it used the server before; or an errno and *why.
 */
int smemv_space_add_server(struct smemv_space *space,
			   struct smemv_server *server, const char **why);

/*
 * Have it use a server no more that has none of its pages and gets none (it is
 * draining). Under ns->lock; waits for requests that began before. 0, or an
 * errno and *why.
 */
int smemv_space_remove_server(struct smemv_space *space, u32 bind,
			      const char **why);

/* Nothing may be under way or come any more. Servers are told to drop it. */
void smemv_space_destroy(struct smemv_space *space);

/*
 * Starts an operation; io->done() ends it, perhaps before this returns. May
 * sleep for memory, never for a server. Page contents and io stay the caller's.
 */
void smemv_space_submit(struct smemv_io *io);
/* The same, with its deadline passed: it does not wait for a server that cannot be reached. */
void smemv_space_submit_late(struct smemv_io *io);
/*
 * The same for a load that waited before, as its io.wait said when it was given back. False:
 * nothing was begun, as another operation is under way with a page of it.
 */
bool smemv_space_submit_again(struct smemv_io *io, const struct smemv_wait *wait);

/*
 * For smemv_io.give_back: it lets go of its pages. Those in io.todo are not loaded, of the others
 * io.err tells.
 */
void smemv_io_let_go(struct smemv_io *io);
/* And: the front keeps one that waits, or one no more. space->retry() is called every 200 ms. */
void smemv_space_keeps_waiting(struct smemv_space *space);
void smemv_space_waits_no_more(struct smemv_space *space);

/*
 * The front gave these pages up: reads give zeros from now on, servers forget
 * them soon. Any context but hard interrupt; takes innermost locks only.
 */
void smemv_space_invalidate(struct smemv_space *space, u64 first, u64 nr);

/*
 * The front had the only content of a page, or the newest, and it is gone: reads fail from now on,
 * until the page is given up or stored again. For a page that the caller keeps anybody from
 * storing or invalidating (its folio is locked, and not under writeback); may sleep for
 * memory. 0, or an errno, and nothing changed: -EBUSY: an operation is under way with it, or
 * the space is not this host's now; -ENOMEM.
 */
int smemv_space_lose(struct smemv_space *space, u64 index, const char *why);

enum smemv_copy {
	SMEMV_COPY_ZERO,	/* none: a load gives zeros */
	SMEMV_COPY_VALID,	/* a server that can be reached keeps what it was sent */
	SMEMV_COPY_NONE,	/* none that can be relied on now */
};

/*
 * What a load would find. For a page that the caller keeps anybody from storing
 * or invalidating (its folio is locked); any context.
 */
enum smemv_copy smemv_space_copy(struct smemv_space *space, u64 index);

/*
 * Whether a page that the map places at @where (any entry of it) may be gone there: its
 * server was restarted, and what it lost is not known yet. A hint; any context.
 */
bool smemv_space_was_restarted(struct smemv_space *space, u16 where);

/* Its end is near: nothing is suspended or tried for long any more. */
void smemv_space_close(struct smemv_space *space);

/* Whether servers take stores and invalidations of this host, as far as it knows. */
static inline bool smemv_space_is_active(const struct smemv_space *space)
{
	return !READ_ONCE(space->claimed) && !READ_ONCE(space->fenced);
}

/* Policy or deadline changed: let waiting operations see it. */
void smemv_space_kick(struct smemv_space *space);

#endif
