/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether to spin for a page: as long as enough of the latest spins ended with
 * the page. Where many wait at a time, the pages of others come first and end the
 * spin; there it costs time of the processor and gains nothing. Pure: also built
 * into the unit tests.
 */
#ifndef SMEMV_CORE_SPIN_LUCK_H
#define SMEMV_CORE_SPIN_LUCK_H

#include "shim.h"

#define SMEMV_SPIN_BAD_MAX	16u
#define SMEMV_SPIN_BAD_MANY	8u	/* from here on it is only tried now and then: */
#define SMEMV_SPIN_TRY		16u	/* once in so many waits */
#define SMEMV_SPIN_GOOD		2u	/* one that ends well makes up for so many in vain */

/**
 * struct smemv_spin_luck - of one space; all zeros at first
 * @bad: how bad it was lately, up to SMEMV_SPIN_BAD_MAX
 * @skipped: waits since the last spin
 *
 * Without a lock: what gets lost when several change it at a time does not matter.
 */
struct smemv_spin_luck {
	u8 bad;
	u8 skipped;
};

static inline bool smemv_spin_is_worth_it(struct smemv_spin_luck *luck)
{
	if (luck->bad < SMEMV_SPIN_BAD_MANY ||
	    ++luck->skipped >= SMEMV_SPIN_TRY) {
		luck->skipped = 0;
		return true;
	}
	return false;
}

static inline void smemv_spin_ended(struct smemv_spin_luck *luck, bool in_vain)
{
	u8 bad = luck->bad;

	if (in_vain)
		luck->bad = bad < SMEMV_SPIN_BAD_MAX ? bad + 1 : bad;
	else
		luck->bad = bad > SMEMV_SPIN_GOOD ? bad - SMEMV_SPIN_GOOD : 0;
}

#endif
