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
	xa_init_flags(&map->runs, XA_FLAGS_LOCK_IRQ);
	spin_lock_init(&map->make_lock);
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

bool smemv_map_next(struct smemv_map *map, u64 *nr)
{
	unsigned long index = *nr;

	if (!xa_find(&map->runs, &index, ULONG_MAX, XA_PRESENT))
		return false;
	*nr = index;
	return true;
}

struct smemv_run *smemv_map_new_run(u64 nr, gfp_t gfp)
{
	struct smemv_run *run = kmem_cache_zalloc(run_cache, gfp);

	if (!run)
		return NULL;
	spin_lock_init(&run->lock);
	INIT_LIST_HEAD(&run->waiters);
	run->nr = nr;
	return run;
}

static struct smemv_unmade *find_unmade(struct smemv_map *map, u64 nr)
{
	u32 i;

	lockdep_assert_held(&map->make_lock);
	for (i = 0; i < min(map->nr_unmade, SMEMV_MAX_UNMADE + 0u); i++)
		if (map->unmade[i].nr == nr)
			return &map->unmade[i];
	return NULL;
}

static bool unmade_overflowed(const struct smemv_map *map)
{
	return READ_ONCE(map->nr_unmade) > SMEMV_MAX_UNMADE;
}

/* Before anybody can see the run. */
static void take_over_unmade(struct smemv_map *map, struct smemv_run *run)
{
	struct smemv_unmade *unmade = find_unmade(map, run->nr);
	u32 slot;

	for (slot = 0; slot < SMEMV_RUN_PAGES; slot++)
		if (unmade_overflowed(map) ||
		    (unmade && test_bit(slot, unmade->failed)))
			run->where[slot] = SMEMV_WHERE_FAILED;
}

static void forget_unmade(struct smemv_map *map, u64 nr)
{
	struct smemv_unmade *unmade = find_unmade(map, nr);

	if (unmade && !unmade_overflowed(map))
		*unmade = map->unmade[--map->nr_unmade];
}

/* Where another run of this number is, that one stays. */
static struct smemv_run *add_run(struct smemv_map *map, struct smemv_run *run)
{
	struct smemv_run *there;
	unsigned long flags;

	spin_lock_irqsave(&map->make_lock, flags);
	there = xa_load(&map->runs, run->nr);
	if (!there) {
		take_over_unmade(map, run);
		/* Its place is reserved: this allocates nothing. */
		xa_lock(&map->runs);
		__xa_store(&map->runs, run->nr, run, GFP_NOWAIT);
		xa_unlock(&map->runs);
		forget_unmade(map, run->nr);
	}
	spin_unlock_irqrestore(&map->make_lock, flags);
	if (there)
		kmem_cache_free(run_cache, run);
	return there ?: run;
}

struct smemv_run *smemv_map_make_run(struct smemv_map *map, u64 nr)
{
	struct smemv_run *run = xa_load(&map->runs, nr);
	unsigned int noreclaim;

	if (run)
		return run;
	noreclaim = memalloc_noreclaim_save();
	if (!xa_reserve_irq(&map->runs, nr, GFP_NOIO | __GFP_NOWARN))
		run = smemv_map_new_run(nr, GFP_NOIO | __GFP_NOWARN);
	memalloc_noreclaim_restore(noreclaim);
	return run ? add_run(map, run) : NULL;
}

void smemv_map_free_run(struct smemv_run *run)
{
	kmem_cache_free(run_cache, run);
}

int smemv_map_reserve(struct smemv_map *map, struct xarray *runs)
{
	struct smemv_run *run;
	unsigned long nr;
	int err;

	xa_for_each(runs, nr, run) {
		err = xa_reserve_irq(&map->runs, nr, GFP_KERNEL);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static void empty_run(struct smemv_run *run)
{
	unsigned long flags;

	spin_lock_irqsave(&run->lock, flags);
	memset(run->where, 0, sizeof(run->where));
	bitmap_zero(run->given_up, SMEMV_RUN_PAGES);
	run->home = 0;
	spin_unlock_irqrestore(&run->lock, flags);
}

/* Where there is a run of this number it stays: others may know it. */
static void put_run(struct smemv_map *map, struct smemv_run *run)
{
	struct smemv_run *there = xa_load(&map->runs, run->nr);

	if (!there) {
		xa_lock_irq(&map->runs);
		__xa_store(&map->runs, run->nr, run, GFP_NOWAIT);
		xa_unlock_irq(&map->runs);
		return;
	}
	spin_lock_irq(&there->lock);
	memcpy(there->where, run->where, sizeof(there->where));
	there->home = run->home;
	spin_unlock_irq(&there->lock);
	kmem_cache_free(run_cache, run);
}

void smemv_map_take_over(struct smemv_map *map, struct xarray *runs)
{
	struct smemv_run *run;
	unsigned long nr;

	xa_for_each(&map->runs, nr, run)
		empty_run(run);
	spin_lock_irq(&map->make_lock);
	map->nr_unmade = 0;
	spin_unlock_irq(&map->make_lock);
	xa_for_each(runs, nr, run) {
		xa_erase(runs, nr);
		put_run(map, run);
		cond_resched();
	}
}

void smemv_map_free_runs(struct xarray *runs)
{
	struct smemv_run *run;
	unsigned long nr;

	xa_for_each(runs, nr, run)
		kmem_cache_free(run_cache, run);
	xa_destroy(runs);
}

/* Where it is noted; NULL: no room is left. */
static struct smemv_unmade *note_unmade(struct smemv_map *map, u64 nr)
{
	struct smemv_unmade *unmade = find_unmade(map, nr);

	if (unmade)
		return unmade;
	if (map->nr_unmade >= SMEMV_MAX_UNMADE) {
		WRITE_ONCE(map->nr_unmade, SMEMV_MAX_UNMADE + 1);
		return NULL;
	}
	unmade = &map->unmade[map->nr_unmade];
	unmade->nr = nr;
	bitmap_zero(unmade->failed, SMEMV_RUN_PAGES);
	WRITE_ONCE(map->nr_unmade, map->nr_unmade + 1);
	return unmade;
}

int smemv_map_fail_unmade(struct smemv_map *map, u64 nr,
			  const unsigned long *failed)
{
	struct smemv_unmade *unmade;
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&map->make_lock, flags);
	if (xa_load(&map->runs, nr)) {
		err = -EEXIST;
	} else {
		unmade = note_unmade(map, nr);
		if (unmade)
			bitmap_or(unmade->failed, unmade->failed, failed,
				  SMEMV_RUN_PAGES);
	}
	spin_unlock_irqrestore(&map->make_lock, flags);
	return err;
}

bool smemv_map_unmade_failed(struct smemv_map *map, u64 nr, unsigned int slot)
{
	struct smemv_unmade *unmade;
	unsigned long flags;
	bool failed;

	if (!READ_ONCE(map->nr_unmade))
		return false;
	spin_lock_irqsave(&map->make_lock, flags);
	unmade = find_unmade(map, nr);
	failed = unmade_overflowed(map) ||
		 (unmade && test_bit(slot, unmade->failed));
	spin_unlock_irqrestore(&map->make_lock, flags);
	return failed;
}

void smemv_map_give_up_unmade(struct smemv_map *map, u64 first, u64 nr)
{
	u64 end = first + nr, base, index;
	unsigned long flags;
	u32 i;

	if (!READ_ONCE(map->nr_unmade))
		return;
	spin_lock_irqsave(&map->make_lock, flags);
	/* From the end: another one takes the place of one that goes. */
	for (i = min(map->nr_unmade, SMEMV_MAX_UNMADE + 0u); i-- > 0;) {
		base = map->unmade[i].nr << SMEMV_RUN_SHIFT;
		for (index = max(first, base);
		     index < min(end, base + SMEMV_RUN_PAGES); index++)
			clear_bit(index - base, map->unmade[i].failed);
		if (bitmap_empty(map->unmade[i].failed, SMEMV_RUN_PAGES))
			forget_unmade(map, map->unmade[i].nr);
	}
	spin_unlock_irqrestore(&map->make_lock, flags);
}

/* What is booked is never less than what is there. */
static void count_in(const struct smemv_set *set, bool is_booked)
{
	u32 i;

	for (i = 0; i < set->n; i++) {
		if (!is_booked)
			atomic64_inc(&set->member[i]->server->booked);
		atomic64_inc(&set->member[i]->pages);
		atomic64_inc(&set->member[i]->server->pages);
	}
}

static void count_out(const struct smemv_set *set)
{
	u32 i;

	for (i = 0; i < set->n; i++) {
		atomic64_dec(&set->member[i]->pages);
		atomic64_dec(&set->member[i]->server->pages);
		atomic64_dec(&set->member[i]->server->booked);
	}
}

static void change(struct smemv_map *map, struct smemv_run *run,
		   unsigned int slot, u16 where, bool is_booked)
{
	u16 old = run->where[slot];

	if (old == SMEMV_WHERE_LOST)
		atomic64_dec(&map->lost);
	if (where == SMEMV_WHERE_LOST)
		atomic64_inc(&map->lost);
	if (old >= SMEMV_WHERE_SET) {
		atomic64_dec(&map->remote);
		count_out(smemv_map_set_of(map, old));
	}
	if (where >= SMEMV_WHERE_SET) {
		atomic64_inc(&map->remote);
		count_in(smemv_map_set_of(map, where), is_booked);
	}
	WRITE_ONCE(run->where[slot], where);
}

void smemv_map_set(struct smemv_map *map, struct smemv_run *run,
		   unsigned int slot, u16 where)
{
	if (run->where[slot] != where)
		change(map, run, slot, where, false);
}

void smemv_map_set_booked(struct smemv_map *map, struct smemv_run *run,
			  unsigned int slot, u16 where)
{
	change(map, run, slot, where, true);
}

bool smemv_map_look(struct smemv_run *run, u16 *where)
{
	unsigned long flags;
	bool settled;
	u32 slot;

	spin_lock_irqsave(&run->lock, flags);
	settled = bitmap_empty(run->busy, SMEMV_RUN_PAGES);
	memcpy(where, run->where, sizeof(run->where));
	spin_unlock_irqrestore(&run->lock, flags);
	for_each_set_bit(slot, run->given_up, SMEMV_RUN_PAGES)
		where[slot] = SMEMV_WHERE_ABSENT;
	return settled;
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
