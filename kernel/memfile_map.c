// SPDX-License-Identifier: GPL-2.0-only
/*
 * Telling the location map of a file. A page's flags in the page cache are read before its
 * entry in the map: a page that is evicted meanwhile is then told as here and at
 * a server, never as nowhere.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "memfile.h"

#define RUNS_AT_ONCE	4096u
#define LOOK_AGAIN	max(HZ / 500, 1)

/**
 * struct telling - a piece of a map
 * @mf: whose
 * @run: what is told, and
 * @nr: how many, of
 * @room: that fit
 * @here: pages of the run of pages at hand that are in the page cache
 * @newer: that are newer there
 * @where: the map's entries of it
 */
struct telling {
	struct smemv_memfile *mf;
	struct smemv_map_run *run;
	u32 nr;
	u32 room;
	DECLARE_BITMAP(here, SMEMV_RUN_PAGES);
	DECLARE_BITMAP(newer, SMEMV_RUN_PAGES);
	u16 where[SMEMV_RUN_PAGES];
};

/* Without dirty tracking whatever is here may have been written. */
static void note_folio(struct telling *t, struct folio *folio, u64 base)
{
	bool newer = t->mf->dma || folio_test_dirty(folio) ||
		     folio_test_writeback(folio);
	u64 first = max_t(u64, folio->index, base);
	u64 end = min_t(u64, folio->index + folio_nr_pages(folio),
			base + SMEMV_RUN_PAGES);

	if (!folio_test_uptodate(folio) || first >= end)
		return;
	bitmap_set(t->here, first - base, end - first);
	if (newer)
		bitmap_set(t->newer, first - base, end - first);
}

static void look_here(struct telling *t, u64 run_nr)
{
	u64 base = run_nr << SMEMV_RUN_SHIFT;
	pgoff_t pos = base;
	struct folio_batch found;
	unsigned int i;

	bitmap_zero(t->here, SMEMV_RUN_PAGES);
	bitmap_zero(t->newer, SMEMV_RUN_PAGES);
	folio_batch_init(&found);
	while (filemap_get_folios(t->mf->ev.mapping, &pos,
				  base + SMEMV_RUN_PAGES - 1, &found)) {
		for (i = 0; i < folio_batch_count(&found); i++)
			note_folio(t, found.folios[i], base);
		folio_batch_release(&found);
	}
}

/* Waits until nothing of the run is under way. */
static int look_there(struct telling *t, u64 run_nr)
{
	struct smemv_space *space = t->mf->space;
	struct smemv_run *run = smemv_map_run(&space->map, run_nr);
	unsigned long deadline = jiffies +
				 msecs_to_jiffies(READ_ONCE(space->deadline_ms));

	memset(t->where, 0, sizeof(t->where));
	while (run && !smemv_map_look(run, t->where)) {
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
		if (schedule_timeout_killable(LOOK_AGAIN) &&
		    fatal_signal_pending(current))
			return -EINTR;
		look_here(t, run_nr);
	}
	return 0;
}

/* It was clean, but its server was restarted and may not have it any more. */
static bool is_only_here(const struct telling *t, u32 slot)
{
	return test_bit(slot, t->here) &&
	       smemv_space_was_restarted(t->mf->space, t->where[slot]);
}

static struct smemv_map_run describe(const struct telling *t, u64 run_nr,
				     u32 slot)
{
	struct smemv_map_run page = {
		.first = (run_nr << SMEMV_RUN_SHIFT) + slot, .count = 1,
	};
	u16 where = t->where[slot];

	if (test_bit(slot, t->here))
		page.flags |= SMEMV_MAP_F_HERE;
	if (test_bit(slot, t->newer) || is_only_here(t, slot))
		page.flags |= SMEMV_MAP_F_NEWER;
	if (where >= SMEMV_WHERE_SET)
		page.where = SMEMV_MAP_SERVER + where - SMEMV_WHERE_SET;
	else if (where != SMEMV_WHERE_ABSENT && !test_bit(slot, t->newer))
		page.where = SMEMV_MAP_LOST;
	return page;
}

/* False: there is no room for it. */
static bool tell(struct telling *t, const struct smemv_map_run *page)
{
	struct smemv_map_run *last = t->nr ? &t->run[t->nr - 1] : NULL;

	if (page->where == SMEMV_MAP_ABSENT && !page->flags)
		return true;
	if (last && last->first + last->count == page->first &&
	    last->where == page->where && last->flags == page->flags &&
	    last->count < U32_MAX) {
		last->count++;
		return true;
	}
	if (t->nr == t->room)
		return false;
	t->run[t->nr++] = *page;
	return true;
}

/* The first run of pages from one on that is here or somewhere else. */
static bool next_run(struct telling *t, u64 *run_nr)
{
	pgoff_t pos = *run_nr << SMEMV_RUN_SHIFT;
	u64 there = *run_nr;
	struct folio_batch found;
	bool any = smemv_map_next(&t->mf->space->map, &there);

	folio_batch_init(&found);
	if (filemap_get_folios(t->mf->ev.mapping, &pos, ULONG_MAX, &found)) {
		u64 here = max_t(u64, found.folios[0]->index >> SMEMV_RUN_SHIFT,
				 *run_nr);

		there = any ? min(there, here) : here;
		any = true;
		folio_batch_release(&found);
	}
	*run_nr = there;
	return any;
}

/* From *pos on; moves it. */
static int tell_from(struct telling *t, u64 *pos)
{
	u64 size = t->mf->space->size_pages, run_nr, base, end;
	struct smemv_map_run page;
	int err;

	while (*pos < size) {
		run_nr = *pos >> SMEMV_RUN_SHIFT;
		if (!next_run(t, &run_nr)) {
			*pos = size;
			break;
		}
		base = run_nr << SMEMV_RUN_SHIFT;
		end = min(size, base + SMEMV_RUN_PAGES);
		look_here(t, run_nr);
		err = look_there(t, run_nr);
		if (err)
			return err;
		for (*pos = max(*pos, base); *pos < end; (*pos)++) {
			page = describe(t, run_nr, *pos - base);
			if (!tell(t, &page))
				return 0;
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int tell_piece(struct telling *t, struct smemv_ioc_map *map,
		      void __user *arg)
{
	int err;

	if (down_read_killable(&t->mf->owner_lock))
		return -EINTR;
	/* Pages whose store failed for lack of memory would be told as zeros. */
	err = READ_ONCE(t->mf->space->map.nr_unmade) ? -ENOMEM :
	      tell_from(t, &map->first);
	up_read(&t->mf->owner_lock);
	if (err)
		return err;
	map->nr_runs = t->nr;
	if (copy_to_user(u64_to_user_ptr(map->runs), t->run,
			 t->nr * sizeof(*t->run)) ||
	    copy_to_user(arg, map, sizeof(*map)))
		return -EFAULT;
	return 0;
}

int smemv_memfile_tell_map(struct smemv_memfile *mf, void __user *arg)
{
	struct smemv_ioc_map map;
	struct telling *t;
	int err = -ENOMEM;

	if (copy_from_user(&map, arg, sizeof(map)))
		return -EFAULT;
	if (!map.nr_runs || map.reserved || map.first > mf->space->size_pages)
		return -EINVAL;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	t->mf = mf;
	t->room = min(map.nr_runs, RUNS_AT_ONCE);
	t->run = kvcalloc(t->room, sizeof(*t->run), GFP_KERNEL);
	if (t->run)
		err = tell_piece(t, &map, arg);
	kvfree(t->run);
	kfree(t);
	return err;
}
