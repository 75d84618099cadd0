// SPDX-License-Identifier: GPL-2.0-only
/*
 * One folio: a page, or some. It may go when nobody uses it but the page cache and the evictor:
 * it is unmapped first, and nobody can map it while it is locked. A reference
 * that is taken over a mapping is seen here, or its taker sees that the mapping
 * is gone and lets go (as get_user_pages_fast() does).
 */
#include <linux/highmem.h>

#include "evict_inside.h"

/* Referenced by the page cache and the evictor only. */
static bool unused(struct folio *folio)
{
	return !folio_mapped(folio) &&
	       folio_ref_count(folio) == folio_nr_pages(folio) + 1;
}

/* The memory of a page of it failed, which nobody may read: it is marked as a whole then. */
static bool has_failed_page(struct folio *folio)
{
	return folio_test_large(folio) && folio_test_has_hwpoisoned(folio);
}

static bool has_failed(struct folio *folio)
{
	return !folio_test_large(folio) && folio_test_hwpoison(folio);
}

static bool may_leave(struct folio *folio)
{
	return !folio_maybe_dma_pinned(folio) && !folio_test_mlocked(folio) &&
	       !has_failed(folio);
}

static bool may_go(struct folio *folio)
{
	return unused(folio) && may_leave(folio);
}

bool smemv_evict_could_go(struct folio *folio)
{
	return (folio_mapped(folio) || unused(folio)) && may_leave(folio);
}

bool smemv_evict_remove(struct smemv_evictor *ev, struct folio *folio)
{
	u32 nr = folio_nr_pages(folio);

	VM_WARN_ON_ONCE_FOLIO(!folio_test_locked(folio), folio);
	if (!may_go(folio) || has_failed_page(folio))
		return false;
	/*
	 * Only now: who unmaps it tells then that it was written to, where that is not known
	 * before, and lets go of it after that. Nobody maps it again while it is locked.
	 */
	smp_rmb();
	if (folio_test_dirty(folio) ||
	    smemv_compat_remove_folio(ev->mapping, folio))
		return false;
	WRITE_ONCE(ev->gone, ev->gone + nr);
	return true;
}

static bool drop_clean(struct smemv_evictor *ev, struct folio *folio)
{
	bool wasted = smemv_is_ahead(folio);
	u32 nr = folio_nr_pages(folio);

	if (!smemv_evict_remove(ev, folio))
		return false;
	if (wasted && ev->wasted)
		ev->wasted(ev, folio->index);
	smemv_file_count(ev, OUT_CLEAN, nr);
	return true;
}

/* What a clean page holds can be had again, unless no server keeps it any more. */
bool smemv_evict_has_copy(struct smemv_evictor *ev, struct folio *folio)
{
	long i;

	if (folio_test_dirty(folio))
		return false;
	for (i = 0; i < folio_nr_pages(folio); i++)
		if (smemv_space_copy(ev->space, folio->index + i) ==
		    SMEMV_COPY_NONE)
			return false;
	return true;
}

static bool is_zero(struct page *page)
{
	void *content = kmap_local_page(page);
	bool zero = !memchr_inv(content, 0, PAGE_SIZE);

	kunmap_local(content);
	return zero;
}

/* Zeros of which no server knows are what a load would give, written or not. */
static bool is_as_absent(struct smemv_evictor *ev, struct folio *folio, long i)
{
	return smemv_space_copy(ev->space, folio->index + i) ==
		       SMEMV_COPY_ZERO &&
	       is_zero(folio_page(folio, i));
}

static bool all_as_absent(struct smemv_evictor *ev, struct folio *folio)
{
	long i;

	for (i = 0; i < folio_nr_pages(folio); i++)
		if (!is_as_absent(ev, folio, i))
			return false;
	return true;
}

/* Nobody can write to it: it is locked, unmapped and has no other user. */
static bool can_be_had_again(struct smemv_evictor *ev, struct folio *folio)
{
	if (smemv_evict_has_copy(ev, folio))
		return true;
	if (!all_as_absent(ev, folio))
		return false;
	folio_clear_dirty_for_io(folio);
	return true;
}

static void add_page(struct smemv_batch *batch, struct folio *folio, u32 nr)
{
	struct smemv_io *io = &batch->io;
	pgoff_t index = folio->index + nr;
	u32 i = io->nr++;

	copy_highpage(batch->copy[i], folio_page(folio, nr));
	batch->folio[i] = folio;
	io->run_nr = index >> SMEMV_RUN_SHIFT;
	io->slot[i] = index % SMEMV_RUN_PAGES;
}

/* False: by now none of its pages has to be stored. */
static bool add(struct smemv_evictor *ev, struct smemv_batch *batch,
		struct folio *folio)
{
	u32 i, had = batch->io.nr;

	for (i = 0; i < folio_nr_pages(folio); i++)
		if (!folio_test_large(folio) || !is_as_absent(ev, folio, i))
			add_page(batch, folio, i);
	if (batch->io.nr == had)
		return false;
	atomic_long_add(batch->io.nr - had, &ev->out);
	/* Writeback keeps everybody from dropping it now that it looks clean. */
	folio_clear_dirty_for_io(folio);
	folio_start_writeback(folio);
	return true;
}

/*
 * So many pages of a folio are stored as one. Where writes are not noticed a
 * folio of some pages stays dirty as long as it is whole: see evict_split.c.
 */
static u32 pages_max(const struct smemv_evictor *ev)
{
	return ev->untracked ? 1 : SMEMV_IO_PAGES;
}

/* SMEMV_SPLIT: it is to be split. */
static enum smemv_evicted evict_locked(struct smemv_evictor *ev,
				       struct smemv_batch *batch,
				       struct folio *folio,
				       enum smemv_fate fate)
{
	u32 nr = folio_nr_pages(folio);

	if (folio->mapping != ev->mapping || folio_test_writeback(folio) ||
	    folio_test_mlocked(folio) || folio_maybe_dma_pinned(folio))
		return SMEMV_KEPT;
	if (folio_mapped(folio))
		unmap_mapping_pages(ev->mapping, folio->index, nr, false);
	if (!may_go(folio))
		return SMEMV_KEPT;
	/* Its load failed: there is nothing in it. */
	if (!folio_test_uptodate(folio))
		return drop_clean(ev, folio) ? SMEMV_GONE : SMEMV_KEPT;
	if (fate == SMEMV_FALLS_APART || has_failed_page(folio))
		return SMEMV_SPLIT;
	if (can_be_had_again(ev, folio))
		return drop_clean(ev, folio) ? SMEMV_GONE : SMEMV_KEPT;
	/* It is refused for sure; the page is dirty and stays so. */
	if (!smemv_space_is_active(ev->space))
		return SMEMV_KEPT;
	if (nr > pages_max(ev))
		return SMEMV_SPLIT;
	if (nr > SMEMV_IO_PAGES - batch->io.nr)
		return SMEMV_NO_ROOM;
	if (add(ev, batch, folio))
		return SMEMV_GONE;
	/* What was given up of it became absent since it was looked at above. */
	folio_clear_dirty_for_io(folio);
	return drop_clean(ev, folio) ? SMEMV_GONE : SMEMV_KEPT;
}

static enum smemv_fate fate_of(struct smemv_evictor *ev, struct folio *folio)
{
	enum smemv_fate fate = ev->order->fate(ev, folio);

	if (fate != SMEMV_STAYS || !folio_test_large(folio))
		return fate;
	ev->young_huge = true;
	return ev->split_young ? SMEMV_FALLS_APART : SMEMV_STAYS;
}

/* True: others had failed with it, and it was split once more. */
static bool drop_failed_at(struct smemv_evictor *ev, pgoff_t index)
{
	struct folio *folio = smemv_compat_get_folio(ev->mapping, index);

	if (!folio)
		return false;
	if ((has_failed(folio) || has_failed_page(folio)) && folio_trylock(folio)) {
		if (folio->mapping == ev->mapping && folio_test_large(folio))
			return smemv_split_folio(ev, folio);
		if (folio->mapping == ev->mapping && unused(folio)) {
			folio_clear_dirty_for_io(folio);
			smemv_compat_remove_folio(ev->mapping, folio);
		}
		folio_unlock(folio);
	}
	folio_put(folio);
	return false;
}

/*
 * The folio was split, and is dirty since. Of a page whose memory failed servers have the content
 * if it was clean: nobody wrote to it since, as such pages are not mapped. So it may be had again.
 */
static void drop_failed(struct smemv_evictor *ev, pgoff_t index, pgoff_t end)
{
	while (index < end)
		if (!drop_failed_at(ev, index))
			index++;
}

static enum smemv_evicted split(struct smemv_evictor *ev, struct folio *folio)
{
	bool had_again = has_failed_page(folio) && smemv_evict_has_copy(ev, folio);
	u32 nr = folio_nr_pages(folio);
	pgoff_t index = folio->index;

	if (!smemv_split_folio(ev, folio))
		return SMEMV_KEPT;
	if (had_again)
		drop_failed(ev, index, index + nr);
	return SMEMV_SPLIT;
}

static enum smemv_evicted meet_fate(struct smemv_evictor *ev,
				    struct smemv_batch *batch,
				    struct folio *folio, enum smemv_fate fate)
{
	u32 nr = folio_nr_pages(folio), had = batch ? batch->io.nr : 0;
	enum smemv_evicted evicted;

	if (!folio_trylock(folio)) {
		smemv_file_count(ev, OUT_BUSY, nr);
		folio_put(folio);
		return SMEMV_KEPT;
	}
	evicted = evict_locked(ev, batch, folio, fate);
	if (evicted == SMEMV_SPLIT)
		return split(ev, folio);
	folio_unlock(folio);
	if (evicted == SMEMV_KEPT)
		smemv_file_count(ev, OUT_BUSY, nr);
	else if (evicted == SMEMV_GONE)
		WRITE_ONCE(ev->taken, ev->taken + nr);
	if (!batch || batch->io.nr == had)
		folio_put(folio);
	return evicted;
}

enum smemv_evicted smemv_evict_folio(struct smemv_evictor *ev,
				     struct smemv_batch *batch,
				     struct folio *folio)
{
	enum smemv_fate fate;

	if (folio_test_writeback(folio)) {
		folio_put(folio);
		return SMEMV_KEPT;
	}
	fate = fate_of(ev, folio);
	if (fate == SMEMV_STAYS) {
		smemv_file_count(ev, OUT_YOUNG, folio_nr_pages(folio));
		folio_put(folio);
		return SMEMV_KEPT;
	}
	return meet_fate(ev, batch, folio, fate);
}

bool smemv_evict_split(struct smemv_evictor *ev, struct folio *folio)
{
	return meet_fate(ev, NULL, folio, SMEMV_FALLS_APART) == SMEMV_SPLIT;
}
