/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters of one loop thread. Only its owner writes, anybody may read. */
#ifndef MEMSERVER_STATS_H
#define MEMSERVER_STATS_H

#include <stdatomic.h>

#include "../kernel/core/codec.h"
#include "util.h"

/* Bucket i of the service time: below 2^i microseconds; the last one: all others. */
#define STATS_BUCKETS	18u

typedef _Atomic u64 counter;

struct loop_stats {
	_Alignas(CACHELINE) counter requests[SMEMV_OP__END];
	counter status[SMEMV_ST__END];		/* of replies, by header */
	counter page_status[SMEMV_ST__END];	/* of single pages that failed */
	counter pages_stored, pages_loaded, pages_forgotten;
	counter pages_pushed, pages_delivered;	/* to and from other servers */
	counter bytes_in, bytes_out;
	counter malformed[SMEMV_CODEC__END];
	counter connections, accepted, refused;
	counter fenced;				/* connections ended by a newer one */
	counter slow_closed;			/* did not take their replies */
	counter hello_timeouts;
	counter service_ns;
	counter service[STATS_BUCKETS];
};

static inline void stats_add(counter *c, u64 n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline u64 stats_read(counter *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static inline unsigned int stats_bucket(u64 ns)
{
	u64 us = ns / 1000;
	unsigned int i = us ? 64 - (unsigned int)__builtin_clzll(us) : 0;

	return i < STATS_BUCKETS - 1 ? i : STATS_BUCKETS - 1;
}

#endif
