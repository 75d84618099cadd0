/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a scan remembers of a page is a byte, a bit for each interval in which it
 * was accessed, the newest on top. Here eight pages are changed at a time. Pure:
 * also built into the unit tests.
 */
#ifndef SMEMV_CORE_AGES_H
#define SMEMV_CORE_AGES_H

#include "shim.h"
#include "../uapi/smemv.h"

#define SMEMV_AGE_NEWEST	0x80u

/* Intervals since a page was accessed, 8: in none that is remembered. */
static inline u32 smemv_age(u8 history)
{
	return history ? __builtin_clz(history) - 24 : SMEMV_SCAN_AGES - 1;
}

/* An interval has ended. @nr: of pages, a multiple of eight; @bytes: aligned to as many */
void smemv_ages_shift(u8 *bytes, u32 nr);

/**
 * smemv_ages_merge - add what was seen in the newest interval
 * @bytes: of the pages
 * @nr: of pages
 * @accessed: bitmap of the pages, those that were accessed in it
 * @present: bitmap, those that are mapped; all that were accessed are
 * @ages: histogram, SMEMV_SCAN_AGES counters: the pages that are mapped are added
 */
void smemv_ages_merge(u8 *bytes, u32 nr, const unsigned long *accessed,
		      const unsigned long *present, u64 *ages);

#endif
