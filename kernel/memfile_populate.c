// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bringing pages home in the background, in the order of the file, until the
 * budget has no room to spare. Faults go first: the next pages are asked for when
 * few requests are open.
 */
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

#include "memfile.h"

#define OPEN_MAX	8

static struct mem_cgroup *user_memcg(struct smemv_memfile *mf)
{
	struct mem_cgroup *memcg;

	spin_lock(&mf->lock);
	memcg = mf->memcg;
	smemv_compat_get_memcg(memcg);
	spin_unlock(&mf->lock);
	return memcg;
}

/* Goes over a run, or to its end. False: there is no room any more. */
static bool populate_run(struct smemv_memfile *mf, u64 end)
{
	struct smemv_filling filling = { .mf = mf };
	bool room = true;

	while (room && mf->populate_pos < end &&
	       atomic_read(&mf->loads) < OPEN_MAX) {
		room = smemv_evict_has_spare(&mf->ev) &&
		       smemv_fetch_page(&filling, mf->populate_pos);
		mf->populate_pos += room;
	}
	smemv_fill_end(&filling);
	return room;
}

static bool populate_charged(struct smemv_memfile *mf, u64 end)
{
	struct address_space *mapping = mf->ev.mapping;
	struct mem_cgroup *memcg = user_memcg(mf);
	struct mem_cgroup *old = set_active_memcg(memcg);
	bool room;

	filemap_invalidate_lock_shared(mapping);
	room = populate_run(mf, end);
	filemap_invalidate_unlock_shared(mapping);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return room;
}

/* Moves on to a run that was stored to; false: there is none. */
static bool find_run(struct smemv_memfile *mf, u64 *end)
{
	u64 run = mf->populate_pos >> SMEMV_RUN_SHIFT, first = run;

	if (!smemv_map_next(&mf->space->map, &run))
		return false;
	if (run > first)
		mf->populate_pos = run << SMEMV_RUN_SHIFT;
	*end = (run + 1) << SMEMV_RUN_SHIFT;
	return true;
}

static void populate_work(struct work_struct *work)
{
	struct smemv_memfile *mf = container_of(to_delayed_work(work),
						struct smemv_memfile, populate);
	u64 end;

	while (READ_ONCE(mf->populating)) {
		if (atomic_read(&mf->loads) >= OPEN_MAX) {
			queue_delayed_work(smemv_wq, &mf->populate, 1);
			return;
		}
		if (!find_run(mf, &end) || !populate_charged(mf, end))
			WRITE_ONCE(mf->populating, false);
		cond_resched();
	}
}

void smemv_memfile_populate(struct smemv_memfile *mf)
{
	spin_lock(&mf->lock);
	if (mf->inode && mf->space && !mf->populating) {
		mf->populate_pos = 0;
		WRITE_ONCE(mf->populating, true);
		queue_delayed_work(smemv_wq, &mf->populate, 0);
	}
	spin_unlock(&mf->lock);
}

void smemv_populate_init(struct smemv_memfile *mf)
{
	INIT_DELAYED_WORK(&mf->populate, populate_work);
}

void smemv_populate_stop(struct smemv_memfile *mf)
{
	WRITE_ONCE(mf->populating, false);
	cancel_delayed_work_sync(&mf->populate);
}
