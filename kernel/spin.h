/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A short wait for a page that spins. To sleep and be woken costs two switches,
 * an interrupt to another processor and the way out of idle: a good part of
 * what a page takes from a memory server that is near. Fastswap (EuroSys '20)
 * waits for its page so; sockets and block devices do when told to poll. Here
 * it is done only where pages came soon lately and before the spin ended
 * (core/spin_luck.h), while the processor has nothing else to do, and not for long.
 */
#ifndef SMEMV_SPIN_H
#define SMEMV_SPIN_H

#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/stat.h>

#include "space.h"

/* Module parameter: the longest spin in microseconds, 0: none. */
extern unsigned int smemv_spin_us;

/* When to stop, on local_clock(); 0: do not begin. */
static inline u64 smemv_spin_begin(struct smemv_space *space)
{
	u64 most = READ_ONCE(smemv_spin_us) * (u64)NSEC_PER_USEC;

	/* A worker waits for somebody else, who does not stand still meanwhile. */
	if (READ_ONCE(space->load_ns) >= most || current->flags & PF_KTHREAD ||
	    !smemv_spin_is_worth_it(&space->spin_luck))
		return 0;
	smemv_space_count(space, SPINS, 1);
	return local_clock() + most;
}

static inline bool smemv_spin_more(u64 end)
{
	cpu_relax();
	return !need_resched() && single_task_running() && local_clock() < end;
}

static inline void smemv_spin_end(struct smemv_space *space, bool in_vain)
{
	smemv_spin_ended(&space->spin_luck, in_vain);
	if (in_vain)
		smemv_space_count(space, SPINS_IN_VAIN, 1);
}

/**
 * smemv_spin_until() - spin until @cond holds, or it is time to sleep
 * @space: from which a load is under way
 * @cond: evaluated again and again; of what it reads nothing may go away
 *
 * May be called where sleeping is not allowed. True if @cond held at last.
 */
#define smemv_spin_until(space, cond)					\
({									\
	bool __held = false;						\
	u64 __end = smemv_spin_begin(space);				\
									\
	if (__end) {							\
		do {							\
			__held = cond;					\
		} while (!__held && smemv_spin_more(__end));		\
		smemv_spin_end(space, !__held);				\
	}								\
	__held;								\
})

#endif
