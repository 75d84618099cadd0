// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "map.h"

static struct kmem_cache *run_cache;

int smemv_map_module_init(void)
{
	run_cache = kmem_cache_create("smemv_run", sizeof(struct smemv_run), 0,
				      0, NULL);
	return run_cache ? 0 : -ENOMEM;
}

void smemv_map_module_exit(void)
{
	kmem_cache_destroy(run_cache);
}

void smemv_map_init(struct smemv_map *map)
{
	xa_init(&map->runs);
	atomic64_set(&map->remote, 0);
	atomic64_set(&map->lost, 0);
}

void smemv_map_uninit(struct smemv_map *map)
{
	struct smemv_run *run;
	unsigned long nr;
	unsigned int slot;

	xa_for_each(&map->runs, nr, run) {
		for (slot = 0; slot < SMEMV_RUN_PAGES; slot++)
			smemv_map_set(map, run, slot, SMEMV_WHERE_ABSENT);
		kmem_cache_free(run_cache, run);
		cond_resched();
	}
	xa_destroy(&map->runs);
}

struct smemv_run *smemv_map_run(struct smemv_map *map, u64 nr)
{
	return xa_load(&map->runs, nr);
}

static struct smemv_run *new_run(u64 nr)
{
	struct smemv_run *run = kmem_cache_zalloc(run_cache,
						  GFP_NOIO | __GFP_NOWARN);

	if (!run)
		return NULL;
	spin_lock_init(&run->lock);
	INIT_LIST_HEAD(&run->waiters);
	run->nr = nr;
	return run;
}

struct smemv_run *smemv_map_make_run(struct smemv_map *map, u64 nr)
{
	struct smemv_run *run = xa_load(&map->runs, nr), *old;
	unsigned int noreclaim;

	if (run)
		return run;
	noreclaim = memalloc_noreclaim_save();
	run = new_run(nr);
	if (run) {
		old = xa_cmpxchg(&map->runs, nr, NULL, run,
				 GFP_NOIO | __GFP_NOWARN);
		if (old) {
			kmem_cache_free(run_cache, run);
			run = xa_is_err(old) ? NULL : old;
		}
	}
	memalloc_noreclaim_restore(noreclaim);
	return run;
}

static void count_set(const struct smemv_set *set, s64 by)
{
	u32 i;

	for (i = 0; i < set->n; i++) {
		atomic64_add(by, &set->member[i]->pages);
		atomic64_add(by, &set->member[i]->server->pages);
	}
}

void smemv_map_set(struct smemv_map *map, struct smemv_run *run,
		   unsigned int slot, u16 where)
{
	u16 old = run->where[slot];

	if (old == where)
		return;
	if (old == SMEMV_WHERE_LOST)
		atomic64_dec(&map->lost);
	if (where == SMEMV_WHERE_LOST)
		atomic64_inc(&map->lost);
	if (old >= SMEMV_WHERE_SET) {
		atomic64_dec(&map->remote);
		count_set(smemv_map_set_of(map, old), -1);
	}
	if (where >= SMEMV_WHERE_SET) {
		atomic64_inc(&map->remote);
		count_set(smemv_map_set_of(map, where), 1);
	}
	WRITE_ONCE(run->where[slot], where);
}

bool smemv_map_names(struct smemv_map *map, u16 where,
		     const struct smemv_bind *bind)
{
	const struct smemv_set *set = smemv_map_set_of(map, where);
	u32 i;

	for (i = 0; set && i < set->n; i++)
		if (set->member[i] == bind)
			return true;
	return false;
}
