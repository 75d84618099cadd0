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

/* Under the invalidate lock nobody can truncate the folio's pages meanwhile. */
bool smemv_split_folio(struct smemv_evictor *ev, struct folio *folio)
{
	bool split;

	if (!filemap_invalidate_trylock_shared(ev->mapping)) {
		folio_unlock(folio);
		folio_put(folio);
		return false;
	}
	split = split_at(ev, folio, folio->index + folio_nr_pages(folio) / 2);
	filemap_invalidate_unlock_shared(ev->mapping);
	return split;
}

/*
 * The folio of a page, locked, with a reference, if it has more pages. One that was never
 * filled goes.
 */
static struct folio *lock_large(struct address_space *mapping, pgoff_t index)
{
	struct folio *folio = smemv_compat_get_folio(mapping, index);

	if (!folio)
		return NULL;
	if (folio_test_large(folio)) {
		folio_lock(folio);
		if (folio->mapping == mapping && folio_test_large(folio) &&
		    folio_contains(folio, index)) {
			if (folio_test_uptodate(folio))
				return folio;
			smemv_compat_remove_folio(mapping, folio);
		}
		folio_unlock(folio);
	}
	folio_put(folio);
	return NULL;
}

void smemv_evict_split_at(struct smemv_evictor *ev, pgoff_t index)
{
	struct folio *folio = lock_large(ev->mapping, index);

	if (folio && folio->index < index) {
		split_at(ev, folio, index);
	} else if (folio) {
		folio_unlock(folio);
		folio_put(folio);
	}
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

/* The next folio of many pages from an index on. */
static bool find_large(struct address_space *mapping, pgoff_t *index)
{
	struct folio_batch found;
	bool large = false;
	unsigned int i;

	folio_batch_init(&found);
	while (!large &&
	       filemap_get_folios(mapping, index, ULONG_MAX, &found)) {
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

bool smemv_evict_split_all(struct smemv_evictor *ev)
{
	struct folio *folio;
	pgoff_t index = 0;

	while (find_large(ev->mapping, &index)) {
		folio = lock_large(ev->mapping, index);
		if (folio && !split_at(ev, folio, folio->index +
				       folio_nr_pages(folio) / 2))
			return false;
	}
	return true;
}
