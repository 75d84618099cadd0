// SPDX-License-Identifier: GPL-2.0-only
/*
 * 2 MiB at once: where nothing was written yet, a fault gets a folio of 512
 * pages if there is room and memory for it. KVM maps it as one page then. The
 * evictor splits it (evict_split.c), and remote pages come back as 4 KiB ones, but
 * when all of the file is brought home and may stay.
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

/* Not what may just be stored by ioctl: see memfile_fill.c. */
static bool all_absent(struct smemv_memfile *mf, pgoff_t first)
{
	u32 i;

	if (atomic_read_acquire(&mf->stores))
		return false;
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

/* Locked and in the page cache, or NULL: there is no room or memory for it, or a page is there. */
static struct folio *add_folio(struct smemv_memfile *mf, pgoff_t first, gfp_t more)
{
	gfp_t gfp = mapping_gfp_mask(mf->ev.mapping) | __GFP_NORETRY |
		    __GFP_NOWARN | more;
	struct folio *folio;

	if (!smemv_evict_reserve_spare(&mf->ev, SMEMV_RUN_PAGES))
		return NULL;
	folio = smemv_memfile_new_folio(mf, first, SMEMV_RUN_SHIFT, gfp);
	/* At once, so that these are not counted twice for long. */
	smemv_evict_release(&mf->ev, SMEMV_RUN_PAGES);
	if (PTR_ERR_OR_ZERO(folio) == -ENOMEM)
		WRITE_ONCE(mf->no_huge_memory, jiffies | 1);
	return IS_ERR(folio) ? NULL : folio;
}

static void remove_folio(struct folio *folio)
{
	smemv_compat_remove_folio(folio->mapping, folio);
	folio_unlock(folio);
}

/*
 * It is looked at the location map when the folio is in the page cache, because
 * before a page of the range may have come, been written and been evicted.
 */
struct folio *smemv_huge_make(struct smemv_memfile *mf, pgoff_t index)
{
	pgoff_t first = round_down(index, SMEMV_RUN_PAGES);
	loff_t end = (loff_t)(first + SMEMV_RUN_PAGES) << PAGE_SHIFT;
	struct folio *folio;

	/* The size was looked at without the invalidate lock. */
	if (end > i_size_read(mf->inode) || !all_absent(mf, first))
		return NULL;
	folio = add_folio(mf, first, __GFP_ZERO);
	if (!folio)
		return NULL;
	if (!all_absent(mf, first)) {
		remove_folio(folio);
		folio_put(folio);
		return NULL;
	}
	folio_mark_uptodate(folio);
	/*
	 * Without page_mkwrite only the page table tells of writes, and early releases of the
	 * kernels that are supported lose that when they unmap 2 MiB at once.
	 */
	if (mf->dma)
		folio_mark_dirty(folio);
	folio_unlock(folio);
	smemv_file_count(mf, ZERO_FAULTS, 1);
	smemv_file_count(mf, HUGE_FAULTS, 1);
	return folio;
}

/* What a server has that does not answer now is not begun. */
static bool can_be_loaded(struct smemv_memfile *mf, pgoff_t first)
{
	bool some = false;
	u32 i;

	for (i = 0; i < SMEMV_RUN_PAGES; i++) {
		switch (smemv_space_copy(mf->space, first + i)) {
		case SMEMV_COPY_NONE:
			return false;
		case SMEMV_COPY_VALID:
			some = true;
			break;
		default:
			break;
		}
	}
	return some;
}

static bool all_may_stay(const struct smemv_memfile *mf)
{
	return READ_ONCE(mf->ev.budget) >=
	       i_size_read(mf->ev.mapping->host) >> PAGE_SHIFT;
}

bool smemv_huge_fetch(struct smemv_filling *filling, pgoff_t first)
{
	struct smemv_memfile *mf = filling->mf;
	struct address_space *mapping = mf->ev.mapping;
	loff_t from = (loff_t)first << PAGE_SHIFT, end = from + PMD_SIZE;
	struct folio *folio;
	bool begun;

	/*
	 * A store by ioctl may wait for a server as long as the policy says. With dma it would have
	 * to be dirty from the start, see smemv_huge_make().
	 */
	if (!mapping_large_folio_support(mapping) || !all_may_stay(mf) || mf->dma ||
	    atomic_read_acquire(&mf->stores) ||
	    end > i_size_read(mapping->host) ||
	    filemap_range_has_page(mapping, from, end - 1) ||
	    !can_be_loaded(mf, first))
		return false;
	folio = add_folio(mf, first, 0);
	if (!folio)
		return false;
	begun = can_be_loaded(mf, first) && !smemv_fill_whole(filling, folio);
	if (begun)
		smemv_file_count(mf, HUGE_LOADS, 1);
	else
		remove_folio(folio);
	folio_put(folio);
	return begun;
}

bool smemv_huge_give_up(struct folio *folio)
{
	if (!folio_test_large(folio) || folio_test_uptodate(folio))
		return false;
	remove_folio(folio);
	return true;
}
