/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Room for pages and the counting of it, shared by all spaces and threads.
 *
 * A *credit* is the right to keep one more page with content. Threads hold some
 * so that they need not share a cache line for each page; a thread that has none
 * left takes those of others before it says that the server is full. So the
 * capacity is exact.
 */
#ifndef MEMSERVER_STORE_H
#define MEMSERVER_STORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "slab.h"

#define STORE_RUN_LOCKS		2048u
#define STORE_CREDIT_BATCH	64

/* What one thread needs to work on the store. Only its owner writes, but for credit. */
struct store_thread {
	_Alignas(CACHELINE) _Atomic int64_t credit;	/* may be taken by others */
	_Alignas(CACHELINE) _Atomic int64_t used;	/* pages with content */
	_Atomic int64_t zero;				/* zero pages */
	_Atomic int64_t nodes;				/* frames of trees */
	struct slab_cache cache;
};

struct run_lock {
	_Alignas(CACHELINE) pthread_mutex_t mutex;
};

struct store {
	struct slab slab;
	u64 capacity;
	unsigned int threads;
	struct store_thread *thread;
	/* Set by SIGTERM: pages that are not held yet are refused. */
	atomic_bool stopping;
	_Alignas(CACHELINE) _Atomic int64_t credit;	/* in no thread's hands */
	/*
	 * Each protects the leaf slots and leaves of the runs that hash to it.
	 * No other lock but the slab's and a drain's is taken inside.
	 */
	struct run_lock *run_lock;
};

struct store_figures {
	u64 used;
	u64 zero;
	u64 nodes;
	u64 free;	/* pages with content that still fit */
};

int store_create(struct store *st, const struct slab_options *opt, char *err, size_t err_len);
void store_destroy(struct store *st);
struct store_figures store_figures(struct store *st);

bool store_take_credit(struct store *st, struct store_thread *t);
void store_return_credit(struct store *st, struct store_thread *t);

static inline void store_count(_Atomic int64_t *counter, int64_t delta)
{
	/* Only the owner writes: no locked instruction needed. */
	atomic_store_explicit(counter,
			      atomic_load_explicit(counter, memory_order_relaxed) + delta,
			      memory_order_relaxed);
}

#endif
