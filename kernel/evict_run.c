// SPDX-License-Identifier: GPL-2.0-only
/* What is here of a file, by runs: what both orders look at. */
#include "evict_inside.h"

void smemv_each_folio(struct smemv_evictor *ev, u64 run, smemv_folio_fn fn,
		      void *arg)
{
	pgoff_t pos = run << SMEMV_RUN_SHIFT;
	pgoff_t end = ((run + 1) << SMEMV_RUN_SHIFT) - 1;
	struct folio_batch found;
	unsigned int i;

	folio_batch_init(&found);
	while (filemap_get_folios(ev->mapping, &pos, end, &found)) {
		for (i = 0; i < folio_batch_count(&found); i++)
			fn(ev, found.folios[i], arg);
		folio_batch_release(&found);
	}
}

bool smemv_find_run(struct smemv_evictor *ev, pgoff_t from, u64 *run)
{
	pgoff_t end = ev->space->size_pages - 1;
	struct folio_batch found;

	folio_batch_init(&found);
	if (from > end || !filemap_get_folios(ev->mapping, &from, end, &found))
		return false;
	*run = found.folios[0]->index >> SMEMV_RUN_SHIFT;
	folio_batch_release(&found);
	return true;
}
