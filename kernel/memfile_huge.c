// SPDX-License-Identifier: GPL-2.0-only
/*
 * 2 MiB at once: where nothing was written yet, a fault gets a folio of 512
 * pages if there is room and memory for it. KVM maps it as one page then. The
 * evictor splits it (evict_split.c), remote pages come back as 4 KiB ones.
 */
#include "memfile.h"

/* Whether the mapping can have the 2 MiB around the address as one page. */
static bool covers(const struct vm_fault *vmf)
{
	const struct vm_area_struct *vma = vmf->vma;
	unsigned long start = vmf->address & PMD_MASK;

	return !(vma->vm_flags & VM_NOHUGEPAGE) &&
	       start >= vma->vm_start && start + PMD_SIZE <= vma->vm_end &&
	       IS_ALIGNED((vma->vm_start >> PAGE_SHIFT) - vma->vm_pgoff,
			  SMEMV_RUN_PAGES);
}

bool smemv_huge_breaks_lock(const struct vm_fault *vmf,
			    const struct folio *folio)
{
	return vmf->vma->vm_flags & VM_LOCKED && folio_test_large((struct folio *)folio) &&
	       !covers(vmf);
}

static bool all_absent(struct smemv_memfile *mf, pgoff_t first)
{
	u32 i;

	for (i = 0; i < SMEMV_RUN_PAGES; i++)
		if (smemv_space_copy(mf->space, first + i) != SMEMV_COPY_ZERO)
			return false;
	return true;
}

bool smemv_huge_fits(struct smemv_memfile *mf, const struct vm_fault *vmf)
{
	struct address_space *mapping = mf->ev.mapping;
	pgoff_t first = round_down(vmf->pgoff, SMEMV_RUN_PAGES);
	loff_t from = (loff_t)first << PAGE_SHIFT, end = from + PMD_SIZE;

	return mapping_large_folio_support(mapping) && covers(vmf) &&
	       end <= i_size_read(mapping->host) &&
	       smemv_space_copy(mf->space, vmf->pgoff) == SMEMV_COPY_ZERO &&
	       !filemap_range_has_page(mapping, from, end - 1);
}

/*
 * It is looked at the location map when the folio is in the page cache, because
 * before a page of the range may have come, been written and been evicted.
 */
struct folio *smemv_huge_make(struct smemv_memfile *mf, pgoff_t index)
{
	gfp_t gfp = mapping_gfp_mask(mf->ev.mapping) | __GFP_ZERO |
		    __GFP_NORETRY | __GFP_NOWARN;
	pgoff_t first = round_down(index, SMEMV_RUN_PAGES);
	struct folio *folio;

	if (!all_absent(mf, first) ||
	    !smemv_evict_reserve_spare(&mf->ev, SMEMV_RUN_PAGES))
		return NULL;
	folio = smemv_memfile_new_folio(mf, first, SMEMV_RUN_SHIFT, gfp);
	/* At once, so that these are not counted twice for long. */
	smemv_evict_release(&mf->ev, SMEMV_RUN_PAGES);
	if (PTR_ERR_OR_ZERO(folio) == -ENOMEM)
		WRITE_ONCE(mf->no_huge_memory, jiffies | 1);
	if (IS_ERR(folio))
		return NULL;
	if (!all_absent(mf, first)) {
		smemv_compat_remove_folio(mf->ev.mapping, folio);
		folio_unlock(folio);
		folio_put(folio);
		return NULL;
	}
	folio_mark_uptodate(folio);
	folio_unlock(folio);
	smemv_file_count(mf, ZERO_FAULTS, 1);
	smemv_file_count(mf, HUGE_FAULTS, 1);
	return folio;
}
