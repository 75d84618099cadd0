// SPDX-License-Identifier: GPL-2.0-only
/*
 * One page. It may go when nobody uses it but the page cache and the evictor:
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

static bool may_go(struct folio *folio)
{
	return unused(folio) && !folio_maybe_dma_pinned(folio) &&
	       !folio_test_mlocked(folio) && !folio_test_hwpoison(folio);
}

bool smemv_evict_remove(struct smemv_evictor *ev, struct folio *folio)
{
	VM_WARN_ON_ONCE_FOLIO(!folio_test_locked(folio), folio);
	if (folio_test_dirty(folio) || !may_go(folio))
		return false;
	return !smemv_compat_remove_folio(ev->mapping, folio);
}

static void add(struct smemv_evictor *ev, struct smemv_batch *batch,
		struct folio *folio)
{
	u32 i = batch->io.nr++;

	copy_highpage(batch->copy[i], folio_page(folio, 0));
	batch->folio[i] = folio;
	atomic_long_inc(&ev->out);
	/* Writeback keeps everybody from dropping it now that it looks clean. */
	folio_clear_dirty_for_io(folio);
	folio_start_writeback(folio);
}

static bool drop_clean(struct smemv_evictor *ev, struct folio *folio)
{
	bool wasted = folio_test_readahead(folio);

	if (!smemv_evict_remove(ev, folio))
		return false;
	if (wasted && ev->wasted)
		ev->wasted(ev, folio->index);
	smemv_file_count(ev, OUT_CLEAN, 1);
	return true;
}

/* What a clean page holds can be had again, unless no server keeps it any more. */
static bool has_copy(struct smemv_evictor *ev, struct folio *folio)
{
	return !folio_test_dirty(folio) &&
	       smemv_space_copy(ev->space, folio->index) != SMEMV_COPY_NONE;
}

enum verdict { BUSY, GONE, STORED };

static enum verdict evict_locked(struct smemv_evictor *ev,
				 struct smemv_batch *batch, struct folio *folio)
{
	if (folio->mapping != ev->mapping || folio_test_writeback(folio) ||
	    folio_test_mlocked(folio) || folio_maybe_dma_pinned(folio))
		return BUSY;
	if (folio_mapped(folio))
		unmap_mapping_pages(ev->mapping, folio->index,
				    folio_nr_pages(folio), false);
	if (!may_go(folio))
		return BUSY;
	/* Its load failed: there is nothing in it. */
	if (!folio_test_uptodate(folio) || has_copy(ev, folio))
		return drop_clean(ev, folio) ? GONE : BUSY;
	/* It is refused for sure; the page is dirty and stays so. */
	if (!smemv_space_is_active(ev->space))
		return BUSY;
	add(ev, batch, folio);
	return STORED;
}

bool smemv_evict_folio(struct smemv_evictor *ev, struct smemv_batch *batch,
		       struct folio *folio)
{
	enum verdict verdict = BUSY;

	if (folio_test_writeback(folio))
		goto put;
	if (!ev->force && ev->order->spare(ev, folio)) {
		smemv_file_count(ev, OUT_YOUNG, 1);
		goto put;
	}
	if (folio_trylock(folio)) {
		verdict = evict_locked(ev, batch, folio);
		folio_unlock(folio);
	}
	if (verdict == BUSY)
		smemv_file_count(ev, OUT_BUSY, 1);
put:
	if (verdict != STORED)
		folio_put(folio);
	return verdict != BUSY;
}
