// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fetching pages before they are asked for: what core/ahead.c expects, as far as
 * it is remote, there is room in the budget, and memory is easily had.
 */
#include "memfile.h"

static struct smemv_ahead_plan plan(struct smemv_memfile *mf, u64 index,
				    bool hit)
{
	struct smemv_ahead_plan plan;

	spin_lock(&mf->ahead_lock);
	plan = smemv_ahead_fault(&mf->ahead, index, hit);
	spin_unlock(&mf->ahead_lock);
	return plan;
}

static bool is_remote(struct smemv_memfile *mf, u64 index)
{
	struct address_space *mapping = mf->ev.mapping;
	void *entry;

	if (index >= i_size_read(mapping->host) >> PAGE_SHIFT ||
	    smemv_space_copy(mf->space, index) != SMEMV_COPY_VALID)
		return false;
	entry = xa_load(&mapping->i_pages, index);
	/* Reclaim leaves a value where a page was. */
	return !entry || xa_is_value(entry);
}

bool smemv_fetch_page(struct smemv_filling *filling, u64 index)
{
	struct smemv_memfile *mf = filling->mf;
	gfp_t gfp = mapping_gfp_mask(mf->ev.mapping) | __GFP_NORETRY |
		    __GFP_NOWARN;
	struct folio *folio;
	int err;

	if (!is_remote(mf, index))
		return true;
	if (!smemv_evict_reserve(&mf->ev, 1))
		return false;
	folio = smemv_memfile_new_folio(mf, index, 0, gfp);
	err = PTR_ERR_OR_ZERO(folio);
	if (!err) {
		smemv_set_ahead(folio);
		/* Until it was aged once it is not taken for unused. */
		folio_set_referenced(folio);
		err = smemv_fill_add(filling, folio, true);
		folio_put(folio);
	}
	smemv_evict_release(&mf->ev, 1);
	return !err || err == -EEXIST;
}

void smemv_ahead_waste(struct smemv_evictor *ev, pgoff_t index)
{
	struct smemv_memfile *mf = container_of(ev, struct smemv_memfile, ev);

	smemv_file_count(mf, AHEAD_WASTE, 1);
	spin_lock(&mf->ahead_lock);
	smemv_ahead_wasted(&mf->ahead, index);
	spin_unlock(&mf->ahead_lock);
}

void smemv_fetch_ahead(struct smemv_filling *filling, u64 index, bool hit)
{
	struct smemv_ahead_plan next = plan(filling->mf, index, hit);
	u32 i;

	for (i = 0; i < next.nr; i++, next.first += next.step)
		if (!smemv_fetch_page(filling, next.first))
			break;
}
