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
#include "spin.h"

#define NOTE_KEPT	(2 * HZ)

static bool must_not_wait(const struct vm_fault *vmf)
{
	return vmf->flags & FAULT_FLAG_ALLOW_RETRY &&
	       vmf->flags & FAULT_FLAG_RETRY_NOWAIT;
}

/*
 * Waits that must not keep the memory map locked are told from the fault that
 * follows them by a note in the file: that it was in vain.
 */
static bool is_noted(const unsigned long *note)
{
	unsigned long when = READ_ONCE(*note);

	return when && time_before(jiffies, when + NOTE_KEPT);
}

typedef int (*wait_fn)(struct smemv_evictor *ev);

static int wait_and_note(struct smemv_memfile *mf, wait_fn wait,
			 unsigned long *note)
{
	int err = wait(&mf->ev);

	if (note)
		WRITE_ONCE(*note, err == -ETIME ? jiffies | 1 : 0);
	return err;
}

/*
 * 0: try again at once. @note: of one that ends in vain, or NULL. After VM_FAULT_RETRY @mf may be
 * gone.
 */
static vm_fault_t wait_unlocked(struct smemv_memfile *mf, struct vm_fault *vmf,
				wait_fn wait, unsigned long *note)
{
	struct file *file = vmf->vma->vm_file;
	int err;

	if (must_not_wait(vmf))
		return VM_FAULT_RETRY;
	if (vmf->flags & FAULT_FLAG_ALLOW_RETRY) {
		get_file(file);
		mmap_read_unlock(vmf->vma->vm_mm);
		wait_and_note(mf, wait, note);
		fput(file);
		return VM_FAULT_RETRY;
	}
	err = wait_and_note(mf, wait, note);
	return err && err != -ETIME ? VM_FAULT_SIGBUS : 0;
}

/* The budget is used up. */
static vm_fault_t no_room(struct smemv_memfile *mf, struct vm_fault *vmf)
{
	if (is_noted(&mf->no_room))
		return VM_FAULT_SIGBUS;
	return wait_unlocked(mf, vmf, smemv_evict_wait, &mf->no_room);
}

static int wait_for_mapping(struct smemv_evictor *ev)
{
	struct rw_semaphore *lock = &ev->mapping->invalidate_lock;
	int err = down_read_killable(lock);

	if (!err)
		up_read(lock);
	return err;
}

/*
 * Waits with mmap_lock only when it has waited without it before: who takes the lock again and
 * again would be there first each time.
 */
static bool lock_mapping(const struct vm_fault *vmf, struct address_space *mapping)
{
	if (filemap_invalidate_trylock_shared(mapping))
		return true;
	return !must_not_wait(vmf) && !fault_flag_allow_retry_first(vmf->flags) &&
	       !down_read_killable(&mapping->invalidate_lock);
}

/* A hole is being punched, or the file changes its owner, for which servers are asked. */
static vm_fault_t mapping_locked(struct smemv_memfile *mf, struct vm_fault *vmf)
{
	return wait_unlocked(mf, vmf, wait_for_mapping, NULL);
}

static bool beyond_end(const struct smemv_memfile *mf,
		       const struct vm_fault *vmf)
{
	return vmf->pgoff >= i_size_read(mf->ev.mapping->host) >> PAGE_SHIFT;
}

static vm_fault_t make_small(struct smemv_memfile *mf, struct vm_fault *vmf,
			     struct folio **made)
{
	struct smemv_filling filling = { .mf = mf };
	gfp_t gfp = mapping_gfp_mask(mf->ev.mapping);
	bool last_try = is_noted(&mf->no_memory);
	struct folio *folio;

	/* Evicting helps where reclaim cannot; so it comes before the OOM killer. */
	if (!last_try)
		gfp |= __GFP_NORETRY | __GFP_NOWARN;
	folio = smemv_memfile_new_folio(mf, vmf->pgoff, 0, gfp);
	if (PTR_ERR_OR_ZERO(folio) == -EEXIST)
		return 0;
	if (IS_ERR(folio))
		return last_try ? VM_FAULT_OOM : VM_FAULT_FALLBACK;
	*made = folio;
	/* For the orders of eviction: until it was looked at once it is in use. */
	folio_set_referenced(folio);
	if (smemv_fill_add(&filling, folio, false))
		return VM_FAULT_OOM;
	if (filling.load)
		smemv_fetch_ahead(&filling, vmf->pgoff, false);
	smemv_fill_end(&filling);
	return 0;
}

static vm_fault_t make_huge(struct smemv_memfile *mf, struct vm_fault *vmf,
			    struct folio **made)
{
	*made = smemv_huge_make(mf, vmf->pgoff);
	return *made ? 0 : VM_FAULT_FALLBACK;
}

typedef vm_fault_t (*make_fn)(struct smemv_memfile *mf, struct vm_fault *vmf,
			      struct folio **made);

/*
 * The missing page is put into the page cache and its filling begun, or found
 * there after all (*made NULL). The lock keeps holes from being punched between
 * the look at the location map and the folio's being there. VM_FAULT_NOPAGE: it
 * cannot be had now, see mapping_locked().
 */
static vm_fault_t make_page(struct smemv_memfile *mf, struct vm_fault *vmf,
			    make_fn make, struct folio **made)
{
	struct address_space *mapping = mf->ev.mapping;
	struct mem_cgroup *memcg, *old;
	vm_fault_t ret;

	if (!lock_mapping(vmf, mapping))
		return VM_FAULT_NOPAGE;
	if (beyond_end(mf, vmf)) {
		filemap_invalidate_unlock_shared(mapping);
		return VM_FAULT_SIGBUS;
	}
	/* Charged to whose memory it becomes, whoever touches it (KVM's worker). */
	memcg = get_mem_cgroup_from_mm(vmf->vma->vm_mm);
	old = set_active_memcg(memcg);
	ret = make(mf, vmf, made);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	filemap_invalidate_unlock_shared(mapping);
	return ret;
}

/* 2 MiB of zeros at once, where that is easily had; else VM_FAULT_FALLBACK. */
static vm_fault_t fault_huge(struct smemv_memfile *mf, struct vm_fault *vmf,
			     struct folio **made)
{
	if (is_noted(&mf->no_huge_memory) || !smemv_huge_fits(mf, vmf))
		return VM_FAULT_FALLBACK;
	return make_page(mf, vmf, make_huge, made);
}

static vm_fault_t fault_missing(struct smemv_memfile *mf, struct vm_fault *vmf,
				struct folio **made)
{
	vm_fault_t ret = fault_huge(mf, vmf, made);

	if (ret == VM_FAULT_NOPAGE)
		return mapping_locked(mf, vmf);
	if (ret != VM_FAULT_FALLBACK)
		return ret;
	while (!smemv_evict_reserve(&mf->ev, 1)) {
		ret = no_room(mf, vmf);
		if (ret)
			return ret;
	}
	/* Who comes now need not be told of those who waited in vain before. */
	if (READ_ONCE(mf->no_room))
		WRITE_ONCE(mf->no_room, 0);
	smemv_evict_note_fault(&mf->ev, vmf->pgoff);
	ret = make_page(mf, vmf, make_small, made);
	smemv_evict_release(&mf->ev, 1);
	if (ret == VM_FAULT_NOPAGE)
		return mapping_locked(mf, vmf);
	if (ret == VM_FAULT_FALLBACK)
		return wait_unlocked(mf, vmf, smemv_evict_squeeze, &mf->no_memory);
	return ret;
}

/* A page that was fetched ahead is used: time to think of the next ones. */
static void note_hit(struct smemv_memfile *mf, struct vm_fault *vmf,
		     struct folio *folio)
{
	struct address_space *mapping = mf->ev.mapping;
	struct smemv_filling filling = { .mf = mf };
	struct mem_cgroup *memcg, *old;

	if (!smemv_clear_ahead(folio))
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

/*
 * A page that comes soon is waited for even by who must not sleep (KVM, which
 * would tell the guest to do something else meanwhile).
 */
static bool locked_soon(struct smemv_memfile *mf, struct folio *folio)
{
	return !folio_test_uptodate(folio) &&
	       smemv_spin_until(mf->space, !folio_test_locked(folio) &&
					   folio_trylock(folio));
}

/* 0: it is locked. The memory map is not kept locked while this sleeps. */
static vm_fault_t lock_folio(struct smemv_memfile *mf, struct vm_fault *vmf,
			     struct folio *folio)
{
	struct file *file = vmf->vma->vm_file;

	if (folio_trylock(folio) || locked_soon(mf, folio))
		return 0;
	if (must_not_wait(vmf))
		return VM_FAULT_RETRY;
	if (vmf->flags & FAULT_FLAG_ALLOW_RETRY) {
		get_file(file);
		mmap_read_unlock(vmf->vma->vm_mm);
		folio_wait_locked_killable(folio);
		fput(file);
		return VM_FAULT_RETRY;
	}
	return folio_lock_killable(folio) ? VM_FAULT_SIGBUS : 0;
}

/* Filling it failed some time ago. No load begins while the mapping is locked. */
static vm_fault_t fill_again(struct smemv_memfile *mf, struct vm_fault *vmf,
			     struct folio *folio)
{
	struct smemv_filling filling = { .mf = mf };
	int err;

	if (smemv_fill_just_failed(mf, folio)) {
		folio_unlock(folio);
		return VM_FAULT_SIGBUS;
	}
	if (!filemap_invalidate_trylock_shared(mf->ev.mapping)) {
		folio_unlock(folio);
		return mapping_locked(mf, vmf);
	}
	err = smemv_fill_add(&filling, folio, false);
	smemv_fill_end(&filling);
	filemap_invalidate_unlock_shared(mf->ev.mapping);
	return err ? VM_FAULT_OOM : 0;
}

/*
 * The page is given to the fault, locked, when it is filled; 0: look again. As
 * filemap_fault() does it, but for its readahead, which takes pages past the budget.
 */
static vm_fault_t give_page(struct smemv_memfile *mf, struct vm_fault *vmf,
			    struct folio *folio)
{
	vm_fault_t ret = lock_folio(mf, vmf, folio);

	if (ret)
		return ret;
	if (folio->mapping != mf->ev.mapping) {
		folio_unlock(folio);
		return 0;
	}
	if (beyond_end(mf, vmf)) {
		folio_unlock(folio);
		return VM_FAULT_SIGBUS;
	}
	if (smemv_huge_give_up(folio))
		return 0;
	if (!folio_test_uptodate(folio))
		return fill_again(mf, vmf, folio);
	folio_get(folio);
	vmf->page = folio_file_page(folio, vmf->pgoff);
	return VM_FAULT_LOCKED;
}

static struct folio *find(struct smemv_memfile *mf, const struct vm_fault *vmf)
{
	struct address_space *mapping = mf->ev.mapping;
	struct folio *folio = smemv_compat_get_folio(mapping, vmf->pgoff);

	if (!folio || must_not_wait(vmf) || !folio_test_uptodate(folio) ||
	    !smemv_huge_breaks_lock(vmf, folio))
		return folio;
	folio_put(folio);
	smemv_evict_try_split(&mf->ev, vmf->pgoff);
	return smemv_compat_get_folio(mapping, vmf->pgoff);
}

/*
 * 0: look again. The reference keeps the evictor off the page meanwhile. A fault
 * that is tried again counts as major by itself, one that spun has to say so.
 */
static vm_fault_t find_or_make(struct smemv_memfile *mf, struct vm_fault *vmf)
{
	struct folio *folio = find(mf, vmf);
	bool fetches = false;
	vm_fault_t ret = 0;

	if (folio) {
		note_hit(mf, vmf, folio);
	} else {
		ret = fault_missing(mf, vmf, &folio);
		fetches = folio && !folio_test_uptodate(folio);
	}
	if (!folio)
		return ret;
	if (fetches)
		count_vm_event(PGMAJFAULT);
	if (!ret)
		ret = give_page(mf, vmf, folio);
	folio_put(folio);
	return fetches && ret == VM_FAULT_LOCKED ? ret | VM_FAULT_MAJOR : ret;
}

static vm_fault_t memfile_fault(struct vm_fault *vmf)
{
	struct smemv_memfile *mf = smemv_memfile_of(file_inode(vmf->vma->vm_file));
	vm_fault_t ret;

	if (!mf->space || beyond_end(mf, vmf))
		return VM_FAULT_SIGBUS;
	do {
		ret = find_or_make(mf, vmf);
		cond_resched();
	} while (!ret);
	if (ret & VM_FAULT_SIGBUS)
		smemv_file_count(mf, FAULT_ERRORS, 1);
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

/*
 * Memory has no time of its last write, as on hugetlbfs, and is not frozen: so
 * this is less than filemap_page_mkwrite(), which is for files on disks.
 */
static vm_fault_t memfile_mkwrite(struct vm_fault *vmf)
{
	struct folio *folio = page_folio(vmf->page);

	if (only_waits(vmf))
		return VM_FAULT_SIGBUS;
	if (folio_lock_killable(folio))
		return VM_FAULT_SIGBUS;
	if (folio->mapping != vmf->vma->vm_file->f_mapping) {
		folio_unlock(folio);
		return VM_FAULT_NOPAGE;
	}
	folio_mark_dirty(folio);
	return VM_FAULT_LOCKED;
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
