// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order that knows nothing: some pages of any run, used or not. What the others are worth
 * is seen beside it (tests/bench/memfile-vs).
 */
#include "compat/net.h"
#include "evict_inside.h"

#define NOTHING_HERE	max(HZ / 50, 1)
#define ONE_IN		16

static bool random_next(struct smemv_evictor *ev, u64 *run, unsigned long *wait)
{
	u32 runs = DIV_ROUND_UP_ULL(ev->space->size_pages, SMEMV_RUN_PAGES);
	pgoff_t from = (pgoff_t)smemv_compat_random_below(runs) << SMEMV_RUN_SHIFT;

	/* As many runs as there are, about. */
	if (!smemv_compat_random_below(runs))
		ev->laps++;
	if (smemv_find_run(ev, from, run) || smemv_find_run(ev, 0, run))
		return true;
	*wait = NOTHING_HERE;
	return false;
}

static enum smemv_fate random_fate(struct smemv_evictor *ev, struct folio *folio)
{
	return !ev->force && smemv_compat_random_below(ONE_IN) ? SMEMV_STAYS :
								 SMEMV_GOES;
}

const struct smemv_order smemv_order_random = {
	.name = "random",
	.next = random_next,
	.fate = random_fate,
};
