/* SPDX-License-Identifier: GPL-2.0-only */
/* All spaces of the server, sorted by UUID, and the sweeping of dropped ones. */
#ifndef MEMSERVER_SPACES_H
#define MEMSERVER_SPACES_H

#include <pthread.h>

#include "space.h"

#define SPACES_MAX	65536u

/* A dropped space whose frames are yet to be zeroed and freed. */
struct sweep {
	struct sweep *next;
	struct space *space;	/* with a reference */
	u64 cursor;
	u64 pages;		/* that it held when it was dropped */
	/* Called by the sweeping thread at the end; owns the sweep from then on. */
	void (*done)(struct sweep *sw);
};

struct spaces {
	struct store *store;
	struct store_thread *sweeper_thread;
	/* protects the array, and handles and idle_since_ms of each space */
	pthread_mutex_t lock;
	struct space **sorted;
	u32 count;
	u32 room;
	/* protects the list of sweeps */
	pthread_mutex_t sweep_lock;
	pthread_cond_t sweep_cond;
	struct sweep *sweeps, **sweeps_tail;
	atomic_bool sweep_stop;
	pthread_t sweeper;
};

int spaces_init(struct spaces *s, struct store *st, struct store_thread *sweeper_thread);
/* End the sweeping thread; what it has not done is left undone. */
void spaces_stop(struct spaces *s);
void spaces_free(struct spaces *s);

struct space_open {
	u8 uuid[16];
	u64 size_pages;
	u64 epoch;
	bool create;
	bool claimed;	/* rule 6: a raised epoch is not active yet */
};

struct space_opened {
	struct space *space;	/* with a reference and a handle counted, or NULL */
	u64 size_pages;
	u64 epoch;
	u64 pages;
	bool created;
	bool is_claim;
};

/*
 * Bind a handle. After OK the caller runs qs_synchronize() before it answers: the
 * epoch may have been raised, and nothing of an older one may be applied later.
 */
enum smemv_wire_status spaces_open(struct spaces *s, const struct space_open *req,
				   struct space_opened *res);
/* With a reference, no handle; or NULL. */
struct space *spaces_get(struct spaces *s, const u8 uuid[16]);

struct space_claim {
	u8 uuid[16];
	u64 epoch;
	u64 own;
	bool take_back;
	const u8 *claimant;	/* client_id */
};

struct space_claimed {
	u64 epoch;
	bool active;
};

/* Rule 6. After OK of a claim the caller runs qs_synchronize() before it answers. */
enum smemv_wire_status spaces_claim(struct spaces *s, const struct space_claim *req,
				    struct space_claimed *res);
enum smemv_wire_status spaces_activate(struct spaces *s, const u8 uuid[16], u64 epoch,
				       struct space_claimed *res);

/* A handle goes: with its rebinding or its connection. */
void spaces_close(struct spaces *s, struct space *sp);

/*
 * Take a space out, and mark it dead. The caller runs qs_synchronize(), then
 * spaces_sweep(). With @epoch the space's must be equal, with @unowned_only no
 * connection may have it open.
 */
enum smemv_wire_status spaces_drop(struct spaces *s, const u8 uuid[16], const u64 *epoch,
				   bool unowned_only, struct space **dropped);
/* Hand a dead space over to the sweeping thread. */
void spaces_sweep(struct spaces *s, struct sweep *sw);

struct space_info {
	u8 uuid[16];
	u64 size_pages;
	u64 epoch;
	u64 pages;
	bool owned;
	bool claimed;
	u32 idle_s;
};

u32 spaces_list(struct spaces *s, const u8 after[16], struct space_info *info, u32 max,
		bool *more);
u32 spaces_count(struct spaces *s);
/* Held for all of them, zero pages too. While no new ones are taken it only falls. */
u64 spaces_pages(struct spaces *s);

/* One space without an owner for at least timeout_ms, taken out and dead; or NULL. */
struct space *spaces_take_orphan(struct spaces *s, u64 timeout_ms, u64 *idle_ms);

#endif
