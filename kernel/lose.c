// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages whose content nobody has any more: how that is told, and how the front says it of a
 * page that only was in memory of this host, which failed. Older content may still be at
 * a server. The map attributes it to none from then on, so that no load finds it, and the
 * server is reconciled.
 */
#include "event.h"
#include "io.h"

void smemv_tell_lost(struct smemv_space *space, u64 index,
		     const struct smemv_server *server, const char *why)
{
	if (server)
		pr_err_ratelimited("%s: page %llu is lost: server %s %s\n",
				   space->name, index, server->name, why);
	else
		pr_err_ratelimited("%s: page %llu is lost: %s\n", space->name,
				   index, why);
	smemv_event_send(space->ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_PAGE_LOST,
		.server = server ? server->name : NULL,
		.space = space->name, .page = index, .text = why,
	});
}

/* What it was before, or an errno. Not while an operation owns it: its outcome comes first. */
static int set_lost(struct smemv_space *space, struct smemv_run *run, u32 slot)
{
	unsigned long flags;
	int was = -EBUSY;

	spin_lock_irqsave(&run->lock, flags);
	if (!test_bit(slot, run->busy)) {
		was = smemv_map_where(run, slot);
		smemv_map_set(&space->map, run, slot, SMEMV_WHERE_LOST);
		__clear_bit(slot, run->given_up);
	}
	spin_unlock_irqrestore(&run->lock, flags);
	return was;
}

static void reconcile_members(struct smemv_space *space, u16 where)
{
	const struct smemv_set *set;
	u32 i;

	rcu_read_lock();	/* see smemv_space_remove_server() */
	set = smemv_map_set_of(&space->map, where);
	for (i = 0; set && i < set->n; i++)
		smemv_reconcile(space, set->member[i] - space->bind);
	rcu_read_unlock();
}

int smemv_space_lose(struct smemv_space *space, u64 index, const char *why)
{
	struct smemv_run *run;
	int was;

	if (!smemv_space_is_active(space))
		return -EBUSY;
	run = smemv_map_make_run(&space->map, index >> SMEMV_RUN_SHIFT);
	if (!run)
		return -ENOMEM;
	was = set_lost(space, run, index % SMEMV_RUN_PAGES);
	if (was < 0)
		return was;
	reconcile_members(space, was);
	smemv_tell_lost(space, index, NULL, why);
	return 0;
}
