// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults: one road for pages that are here, remote, or hold nothing yet. What
 * is not in the page cache is put there, locked, within the budget, and its
 * filling is started; the rest is what happens to any file.
 */
#include <linux/file.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

#include "memfile.h"

#define NO_ROOM_KEPT	(2 * HZ)

static bool must_not_wait(const struct vm_fault *vmf)
{
	return vmf->flags & FAULT_FLAG_ALLOW_RETRY &&
	       vmf->flags & FAULT_FLAG_RETRY_NOWAIT;
}

/* The wait is told from the fault that follows it by a note in the file. */
static int wait_for_room(struct smemv_memfile *mf)
{
	int err = smemv_evict_wait(&mf->ev);

	WRITE_ONCE(mf->no_room, err == -ETIME ? jiffies | 1 : 0);
	return err;
}

static bool just_found_no_room(struct smemv_memfile *mf)
{
	unsigned long when = READ_ONCE(mf->no_room);

	return when && time_before(jiffies, when + NO_ROOM_KEPT);
}

/* 0: try again at once. Does not keep the memory map locked while it waits. */
static vm_fault_t no_room(struct smemv_memfile *mf, struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	int err;

	if (just_found_no_room(mf))
		return VM_FAULT_SIGBUS;
	if (must_not_wait(vmf))
		return VM_FAULT_RETRY;
	if (vmf->flags & FAULT_FLAG_ALLOW_RETRY) {
		get_file(file);
		mmap_read_unlock(vmf->vma->vm_mm);
		wait_for_room(mf);
		fput(file);
		return VM_FAULT_RETRY;
	}
	err = wait_for_room(mf);
	return err ? VM_FAULT_SIGBUS : 0;
}

static bool lock_mapping(struct vm_fault *vmf, struct address_space *mapping)
{
	if (must_not_wait(vmf))
		return filemap_invalidate_trylock_shared(mapping);
	filemap_invalidate_lock_shared(mapping);
	return true;
}

static bool beyond_end(const struct smemv_memfile *mf,
		       const struct vm_fault *vmf)
{
	return vmf->pgoff >= i_size_read(mf->ev.mapping->host) >> PAGE_SHIFT;
}

static vm_fault_t make_charged_page(struct smemv_memfile *mf,
				    struct vm_fault *vmf, struct folio **made)
{
	struct smemv_filling filling = { .mf = mf };
	struct folio *folio = smemv_memfile_new_folio(mf, vmf->pgoff,
						      mapping_gfp_mask(mf->ev.mapping));

	if (PTR_ERR_OR_ZERO(folio) == -EEXIST)
		return 0;
	if (IS_ERR(folio))
		return VM_FAULT_OOM;
	*made = folio;
	if (smemv_fill_add(&filling, folio, false))
		return VM_FAULT_OOM;
	if (filling.load)
		smemv_fetch_ahead(&filling, vmf->pgoff, false);
	smemv_fill_end(&filling);
	return 0;
}

/*
 * The missing page is put into the page cache and its filling begun, or found
 * there after all (*made NULL). The lock keeps holes from being punched between
 * the look at the location map and the folio's being there.
 */
static vm_fault_t make_page(struct smemv_memfile *mf, struct vm_fault *vmf,
			    struct folio **made)
{
	struct address_space *mapping = mf->ev.mapping;
	struct mem_cgroup *memcg, *old;
	vm_fault_t ret;

	if (!lock_mapping(vmf, mapping))
		return VM_FAULT_RETRY;
	if (beyond_end(mf, vmf)) {
		filemap_invalidate_unlock_shared(mapping);
		return VM_FAULT_SIGBUS;
	}
	/* Charged to whose memory it becomes, whoever touches it (KVM's worker). */
	memcg = get_mem_cgroup_from_mm(vmf->vma->vm_mm);
	old = set_active_memcg(memcg);
	ret = make_charged_page(mf, vmf, made);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	filemap_invalidate_unlock_shared(mapping);
	return ret;
}

static vm_fault_t fault_missing(struct smemv_memfile *mf, struct vm_fault *vmf,
				struct folio **made)
{
	vm_fault_t ret = 0;

	while (!smemv_evict_reserve(&mf->ev, 1)) {
		ret = no_room(mf, vmf);
		if (ret)
			return ret;
	}
	smemv_evict_note_fault(&mf->ev, vmf->pgoff);
	ret = make_page(mf, vmf, made);
	smemv_evict_release(&mf->ev, 1);
	return ret;
}

static bool has_failed(struct folio *folio)
{
	return !folio_test_uptodate(folio) && !folio_test_locked(folio) &&
	       smemv_fill_just_failed(folio);
}

/* A page that was fetched ahead is used: time to think of the next ones. */
static void note_hit(struct smemv_memfile *mf, struct vm_fault *vmf,
		     struct folio *folio)
{
	struct address_space *mapping = mf->ev.mapping;
	struct smemv_filling filling = { .mf = mf };
	struct mem_cgroup *memcg, *old;

	if (!folio_test_clear_readahead(folio))
		return;
	smemv_file_count(mf, AHEAD_HITS, 1);
	smemv_evict_note_fault(&mf->ev, vmf->pgoff);
	if (!filemap_invalidate_trylock_shared(mapping))
		return;
	memcg = get_mem_cgroup_from_mm(vmf->vma->vm_mm);
	old = set_active_memcg(memcg);
	smemv_fetch_ahead(&filling, vmf->pgoff, true);
	smemv_fill_end(&filling);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	filemap_invalidate_unlock_shared(mapping);
}

/* The reference keeps the evictor off the page until it is mapped. */
static vm_fault_t memfile_fault(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct smemv_memfile *mf = smemv_memfile_of(inode);
	struct folio *folio;
	vm_fault_t ret = 0;

	if (vmf->pgoff >= i_size_read(inode) >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	folio = smemv_compat_get_folio(inode->i_mapping, vmf->pgoff);
	if (folio)
		note_hit(mf, vmf, folio);
	if (!folio)
		ret = fault_missing(mf, vmf, &folio);
	else if (has_failed(folio))
		ret = VM_FAULT_SIGBUS;
	if (!ret)
		ret = filemap_fault(vmf);
	if (ret & VM_FAULT_SIGBUS)
		smemv_file_count(mf, FAULT_ERRORS, 1);
	if (folio)
		folio_put(folio);
	return ret;
}

/*
 * KVM's worker for asynchronous page faults asks for write access, whatever the
 * guest wanted, and so would make every page dirty that comes back. All it has
 * to do is to wait until the page is here, which is over now; it looks at no
 * result, and the guest's processor comes by itself for what it wants.
 */
static bool only_waits(const struct vm_fault *vmf)
{
	/* A worker without memory of its own: vmf->flags does not tell it here. */
	return current->flags & PF_WQ_WORKER && !current->mm &&
	       !folio_test_dirty(page_folio(vmf->page));
}

static vm_fault_t memfile_mkwrite(struct vm_fault *vmf)
{
	return only_waits(vmf) ? VM_FAULT_SIGBUS : filemap_page_mkwrite(vmf);
}

/*
 * Without map_pages: a page that nobody touched is not mapped, so that mapped
 * means used (evict_clock.c).
 */
const struct vm_operations_struct smemv_memfile_vm_ops = {
	.fault = memfile_fault,
	.page_mkwrite = memfile_mkwrite,
};

/* For long-term pins, which page_mkwrite forbids: read pages count as written. */
const struct vm_operations_struct smemv_memfile_dma_vm_ops = {
	.fault = memfile_fault,
};
