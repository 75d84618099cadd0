// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the host has little memory. Reclaim drops clean pages of memory files as
 * those of any file, but can do nothing about dirty ones: so it has the evictors
 * make some leave, a few at a time, from each file in turn. It does not wait for
 * them; a store is on its way then, and needs no memory.
 */
#include "evict_inside.h"

#define BATCH_PAGES	256
/* Bringing a page back is dear. */
#define SEEKS		(2 * DEFAULT_SEEKS)

static DEFINE_SPINLOCK(files_lock);
static LIST_HEAD(files);	/* struct smemv_evictor.shrink_link */
static struct shrinker *shrinker;

void smemv_shrink_add(struct smemv_evictor *ev)
{
	spin_lock(&files_lock);
	list_add_tail(&ev->shrink_link, &files);
	spin_unlock(&files_lock);
}

void smemv_shrink_del(struct smemv_evictor *ev)
{
	spin_lock(&files_lock);
	list_del_init(&ev->shrink_link);
	spin_unlock(&files_lock);
}

/* The least budget that a file can have is left to it. */
static u64 may_leave(const struct smemv_evictor *ev)
{
	u64 here = smemv_evict_resident(ev);
	u64 least = SMEMV_BUDGET_MIN >> PAGE_SHIFT;

	return here > least ? here - least : 0;
}

static unsigned long count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct smemv_evictor *ev;
	unsigned long pages = 0;

	spin_lock(&files_lock);
	list_for_each_entry(ev, &files, shrink_link)
		pages += may_leave(ev);
	spin_unlock(&files_lock);
	return pages ?: SHRINK_EMPTY;
}

/* Nothing is free when this returns, so nothing is said to be. */
static unsigned long scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct smemv_evictor *ev;

	spin_lock(&files_lock);
	list_for_each_entry(ev, &files, shrink_link) {
		if (!may_leave(ev))
			continue;
		smemv_evict_some(ev, min_t(u64, may_leave(ev), sc->nr_to_scan));
		smemv_file_count(ev, SHRINKS, 1);
		list_move_tail(&ev->shrink_link, &files);
		break;
	}
	spin_unlock(&files_lock);
	return 0;
}

int smemv_shrink_module_init(void)
{
	shrinker = smemv_compat_shrinker_alloc("smemv");
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->batch = BATCH_PAGES;
	shrinker->seeks = SEEKS;
	return smemv_compat_shrinker_register(shrinker, "smemv");
}

void smemv_shrink_module_exit(void)
{
	smemv_compat_shrinker_free(shrinker);
}
