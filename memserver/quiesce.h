/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quiescence sections: how a thread makes sure that nobody applies anything
 * under an old truth any more (rules 2 and 4).
 *
 * A loop thread applies requests only inside a section, and inside it first
 * looks at the flags that forbid it (session fenced, space dead, epoch raised).
 * Who sets such a flag then calls qs_synchronize(): it returns when each section
 * that began before has ended. Sections are short (one receive buffer, one step
 * of a long walk).
 */
#ifndef MEMSERVER_QUIESCE_H
#define MEMSERVER_QUIESCE_H

#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "util.h"

struct qs_slot {
	_Alignas(CACHELINE) _Atomic u64 seq;	/* odd inside a section */
};

struct quiesce {
	unsigned int n;
	struct qs_slot *slot;
};

static inline void qs_enter(struct quiesce *q, unsigned int self)
{
	atomic_fetch_add_explicit(&q->slot[self].seq, 1, memory_order_seq_cst);
}

static inline void qs_exit(struct quiesce *q, unsigned int self)
{
	atomic_fetch_add_explicit(&q->slot[self].seq, 1, memory_order_release);
}

/* Called outside of a section, or two threads would wait for each other. */
static inline void qs_synchronize(struct quiesce *q)
{
	unsigned int i, tries = 0;

	for (i = 0; i < q->n; i++) {
		u64 seq = atomic_load_explicit(&q->slot[i].seq, memory_order_seq_cst);

		if (!(seq & 1))
			continue;
		while (atomic_load_explicit(&q->slot[i].seq, memory_order_acquire) == seq) {
			if (++tries < 100) {
				sched_yield();
			} else {
				struct timespec ts = { .tv_nsec = 50000 };

				nanosleep(&ts, NULL);
			}
		}
	}
}

#endif
