// SPDX-License-Identifier: GPL-2.0-only
/*
 * Splitting folios of many pages. No kernel lets a module do that, but
 * truncating does it for a range that ends within a folio, also for an empty
 * range. Two things must not happen then:
 *
 *  - that the range ends at -1: that means all of the file. So it begins one
 *    page or more after the folio's first.
 *  - that the folio is clean: when it cannot be split because somebody uses it
 *    (O_DIRECT, say), truncating drops it as a whole, and what he writes is
 *    lost. So it is made dirty before. That is also what its pages inherit; those
 *    that are zeros and not known to a server are dropped nevertheless.
 */
#include <linux/sched/mm.h>

#include "evict_inside.h"

static void truncate_nothing_at(struct address_space *mapping, pgoff_t index)
{
	loff_t from = (loff_t)index << PAGE_SHIFT;
	unsigned int noreclaim = memalloc_noreclaim_save();

	truncate_inode_pages_range(mapping, from, from - 1);
	memalloc_noreclaim_restore(noreclaim);
}

static bool is_smaller(struct address_space *mapping, pgoff_t index, long than)
{
	struct folio *folio = smemv_compat_get_folio(mapping, index);
	bool smaller = folio && folio_nr_pages(folio) < than;

	if (folio)
		folio_put(folio);
	return smaller;
}

/* Takes over lock and reference. */
static bool split_at(struct smemv_evictor *ev, struct folio *folio,
		     pgoff_t index)
{
	long pages = folio_nr_pages(folio);

	folio_mark_dirty(folio);
	folio_unlock(folio);
	folio_put(folio);
	truncate_nothing_at(ev->mapping, index);
	if (!is_smaller(ev->mapping, index, pages))
		return false;
	smemv_file_count(ev, HUGE_SPLITS, 1);
	return true;
}

/*
 * Some kernels only make a page on its own of the one where it is split, and parts of the rest:
 * so that is done at a page whose memory failed, or behind it when it is the first.
 */
static pgoff_t where_to_split(struct folio *folio)
{
	long i, nr = folio_nr_pages(folio);

	for (i = 0; folio_test_has_hwpoisoned(folio) && i < nr; i++)
		if (PageHWPoison(folio_page(folio, i)))
			return folio->index + max(i, 1L);
	return folio->index + nr / 2;
}

/* Under the invalidate lock nobody can truncate the folio's pages meanwhile. */
bool smemv_split_folio(struct smemv_evictor *ev, struct folio *folio)
{
	bool split;

	if (!filemap_invalidate_trylock_shared(ev->mapping)) {
		folio_unlock(folio);
		folio_put(folio);
		return false;
	}
	split = split_at(ev, folio, where_to_split(folio));
	filemap_invalidate_unlock_shared(ev->mapping);
	return split;
}

/* The folio of a page, with a reference, which keeps it whole, if it has more pages. */
static struct folio *get_large(struct address_space *mapping, pgoff_t index)
{
	struct folio *folio = smemv_compat_get_folio(mapping, index);

	if (folio && !folio_test_large(folio)) {
		folio_put(folio);
		return NULL;
	}
	return folio;
}

/* The same, locked. One that was never filled goes. */
static struct folio *lock_large(struct address_space *mapping, pgoff_t index)
{
	struct folio *folio = get_large(mapping, index);

	if (!folio)
		return NULL;
	folio_lock(folio);
	if (folio->mapping == mapping && folio_contains(folio, index)) {
		if (folio_test_uptodate(folio))
			return folio;
		smemv_compat_remove_folio(mapping, folio);
	}
	folio_unlock(folio);
	folio_put(folio);
	return NULL;
}

static bool any_crosses(struct address_space *mapping, pgoff_t index)
{
	struct folio *folio = get_large(mapping, index);
	bool crosses = folio && folio->index < index;

	if (folio)
		folio_put(folio);
	return crosses;
}

bool smemv_evict_split_at(struct smemv_evictor *ev, pgoff_t index)
{
	struct folio *folio;

	/* One that begins there may be locked for long, as it is being filled. */
	if (!any_crosses(ev->mapping, index))
		return true;
	folio = lock_large(ev->mapping, index);
	if (folio && folio->index < index) {
		split_at(ev, folio, index);
	} else if (folio) {
		folio_unlock(folio);
		folio_put(folio);
	}
	return !any_crosses(ev->mapping, index);
}

void smemv_evict_try_split(struct smemv_evictor *ev, pgoff_t index)
{
	struct folio *folio;

	filemap_invalidate_lock_shared(ev->mapping);
	folio = lock_large(ev->mapping, index);
	if (folio)
		split_at(ev, folio, max(index, folio->index + 1));
	filemap_invalidate_unlock_shared(ev->mapping);
}

/* The next folio of many pages from an index on, up to @last. */
static bool find_large(struct address_space *mapping, pgoff_t *index,
		       pgoff_t last)
{
	struct folio_batch found;
	bool large = false;
	unsigned int i;

	folio_batch_init(&found);
	while (!large &&
	       filemap_get_folios(mapping, index, last, &found)) {
		for (i = 0; i < folio_batch_count(&found) && !large; i++) {
			large = folio_test_large(found.folios[i]);
			if (large)
				*index = found.folios[i]->index;
		}
		folio_batch_release(&found);
		cond_resched();
	}
	return large;
}

bool smemv_evict_split_all_of(struct smemv_evictor *ev, u64 run)
{
	pgoff_t index = run << SMEMV_RUN_SHIFT;
	pgoff_t last = index + SMEMV_RUN_PAGES - 1;
	struct folio *folio;

	while (find_large(ev->mapping, &index, last)) {
		folio = lock_large(ev->mapping, index);
		if (folio && !split_at(ev, folio, folio->index +
				       folio_nr_pages(folio) / 2))
			return false;
	}
	return true;
}

/*
 * Which pages of a folio are used cannot be told as long as it is whole: a few that are keep all
 * of them here. So when pages have to be fetched, folios are split in turn, also those that are
 * used: one for so many misses as it may cost, in faults on its pages. Thermostat (ASPLOS '17)
 * splits a sample of huge pages, to see what is used of them.
 */
#define MISSES_PER_SPLIT	64
#define MISSES_SAVED		(8 * MISSES_PER_SPLIT)
#define RUNS_AT_ONCE		256

/* Again and again, as some kernels halve a folio only. */
static void split_run(struct smemv_evictor *ev, u64 run)
{
	pgoff_t first = run << SMEMV_RUN_SHIFT, index = first;

	while (index < first + SMEMV_RUN_PAGES) {
		struct folio *folio = get_large(ev->mapping, index);
		pgoff_t next = folio ? folio_next_index(folio) : index + 1;

		if (!folio || !smemv_evict_split(ev, folio))
			index = next;
	}
	ev->forget(ev, first, SMEMV_RUN_PAGES);
}

/* One that is not used goes as a whole in its turn, or is split then. */
static bool has_used_large(struct address_space *mapping, u64 run)
{
	struct folio *folio = get_large(mapping, run << SMEMV_RUN_SHIFT);
	bool used = folio && folio_mapped(folio);

	if (folio)
		folio_put(folio);
	return used;
}

void smemv_evict_split_used(struct smemv_evictor *ev)
{
	u64 runs = DIV_ROUND_UP_ULL(ev->space->size_pages, SMEMV_RUN_PAGES);
	u64 misses = atomic_long_read(&ev->misses);
	u32 tries = min_t(u64, runs, RUNS_AT_ONCE);

	if (misses - ev->paid > MISSES_SAVED)
		ev->paid = misses - MISSES_SAVED;
	while (misses - ev->paid >= MISSES_PER_SPLIT && tries--) {
		u64 run = ev->split_hand++ % runs;

		if (!has_used_large(ev->mapping, run))
			continue;
		split_run(ev, run);
		ev->paid += MISSES_PER_SPLIT;
	}
}
