// SPDX-License-Identifier: GPL-2.0-only
/* Which order says what goes first: heat, where it is known, else the clock. */
#include <linux/moduleparam.h>

#include "evict_inside.h"

enum { AUTO, CLOCK, RANDOM };

static const char *const names[] = {
	[AUTO] = "auto", [CLOCK] = "clock", [RANDOM] = "random",
};

static int wanted = AUTO;

static int set_wanted(const char *text, const struct kernel_param *param)
{
	int found = sysfs_match_string(names, text);

	if (found < 0)
		return found;
	WRITE_ONCE(wanted, found);
	return 0;
}

static int get_wanted(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%s\n", names[READ_ONCE(wanted)]);
}

static const struct kernel_param_ops ops = {
	.set = set_wanted,
	.get = get_wanted,
};

module_param_cb(evict_order, &ops, NULL, 0644);
MODULE_PARM_DESC(evict_order, "what leaves memory files first: auto: what is cold, or a clock where no scan tells; clock; random: to compare");

static const struct smemv_order *choose(struct smemv_evictor *ev)
{
	switch (READ_ONCE(wanted)) {
	case CLOCK:
		return &smemv_order_clock;
	case RANDOM:
		return &smemv_order_random;
	}
	return smemv_evict_heat_is_known(ev) ? &smemv_order_heat :
					       &smemv_order_clock;
}

void smemv_evict_choose_order(struct smemv_evictor *ev)
{
	WRITE_ONCE(ev->order, choose(ev));
}

const char *smemv_evict_order(const struct smemv_evictor *ev)
{
	return READ_ONCE(ev->order)->name;
}
