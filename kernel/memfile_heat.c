// SPDX-License-Identifier: GPL-2.0-only
/* How hot a memory file's pages are, from the scan of the machine that has it mapped. */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "memfile.h"

/* Pages that are read while others wait for mf->lock. */
#define PAGES_AT_ONCE	512

/* Takes the reference on @scan, which may be NULL, over. */
static int set_scan(struct smemv_memfile *mf, struct smemv_scan *scan,
		    unsigned long base)
{
	bool gone;

	spin_lock(&mf->lock);
	gone = scan && !mf->inode;
	if (!gone) {
		swap(mf->scan, scan);
		mf->scan_base = base;
	}
	spin_unlock(&mf->lock);
	if (scan)
		smemv_scan_detach(scan);
	return gone ? -ENOENT : 0;
}

void smemv_memfile_detach(struct smemv_memfile *mf)
{
	set_scan(mf, NULL, 0);
}

/* Only to be compared: the inode may go. */
static const struct address_space *mapping_of(struct smemv_memfile *mf)
{
	const struct address_space *mapping;

	spin_lock(&mf->lock);
	mapping = mf->inode ? mf->inode->i_mapping : NULL;
	spin_unlock(&mf->lock);
	return mapping;
}

static const char *why_not_found(int err)
{
	return err == -EAGAIN ? "the process is busy with its memory map; try again" :
	       "the machine's memory is not this file";
}

int smemv_memfile_attach(struct smemv_memfile *mf,
			 const struct smemv_scan_config *config,
			 const unsigned long *base, const char **why)
{
	struct smemv_scan *scan;
	unsigned long found = 0;
	int err = 0;

	lockdep_assert_held(&mf->ns->lock);
	scan = smemv_scan_attach(mf->ns, config, why);
	if (IS_ERR(scan))
		return PTR_ERR(scan);
	if (base)
		found = *base;
	else
		err = smemv_scan_find_file(scan, mapping_of(mf), &found);
	if (err) {
		*why = why_not_found(err);
		smemv_scan_detach(scan);
		return err;
	}
	err = set_scan(mf, scan, found);
	if (err)
		*why = "the file is being deleted";
	return err;
}

int smemv_memfile_heat(struct smemv_memfile *mf, u64 first, u32 nr,
		       u8 *history)
{
	int err = nr ? 0 : -EINVAL;
	u32 part;

	for (; nr && !err; nr -= part, first += part, history += part) {
		part = min_t(u32, nr, PAGES_AT_ONCE);
		spin_lock(&mf->lock);
		err = mf->scan ?
		      smemv_scan_read(mf->scan, mf->scan_base +
				      (first << PAGE_SHIFT), part, history) :
		      -ENODATA;
		spin_unlock(&mf->lock);
	}
	return err;
}

static struct smemv_scan *get_scan(struct smemv_memfile *mf, unsigned long *base)
{
	struct smemv_scan *scan;

	spin_lock(&mf->lock);
	scan = mf->scan;
	*base = mf->scan_base;
	if (scan)
		smemv_scan_get(scan);
	spin_unlock(&mf->lock);
	return scan;
}

/* What was accessed since comes first: a pass may end meanwhile, and clear that. */
int smemv_memfile_evict_heat(struct smemv_evictor *ev, u64 first, u32 nr,
			     u8 *history, unsigned long *young)
{
	struct smemv_memfile *mf = container_of(ev, struct smemv_memfile, ev);
	unsigned long base;
	struct smemv_scan *scan = get_scan(mf, &base);
	int err;

	if (!scan)
		return -ENODATA;
	base += first << PAGE_SHIFT;
	if (young)
		smemv_scan_peek(scan, base, nr, young);
	err = smemv_scan_read(scan, base, nr, history) ?:
	      min_t(u32, smemv_scan_intervals(scan), INT_MAX);
	smemv_scan_put(scan);
	return err;
}

void smemv_memfile_evict_forget(struct smemv_evictor *ev, u64 first, u32 nr)
{
	struct smemv_memfile *mf = container_of(ev, struct smemv_memfile, ev);
	unsigned long base;
	struct smemv_scan *scan = get_scan(mf, &base);

	if (!scan)
		return;
	smemv_scan_forget(scan, base + (first << PAGE_SHIFT), nr);
	smemv_scan_put(scan);
}

void smemv_memfile_evict_pace(struct smemv_evictor *ev, u32 interval_ms)
{
	struct smemv_memfile *mf = container_of(ev, struct smemv_memfile, ev);

	spin_lock(&mf->lock);
	if (mf->scan)
		smemv_scan_pace(mf->scan, interval_ms);
	spin_unlock(&mf->lock);
}

static int tell_heat_to(struct smemv_memfile *mf, struct smemv_ioc_heat *to,
			u8 *history)
{
	u8 __user *user = u64_to_user_ptr(to->history);
	u64 first = to->first;
	u32 part, left;
	int err;

	for (left = to->nr; left; left -= part, first += part, user += part) {
		part = min_t(u32, left, PAGE_SIZE);
		err = smemv_memfile_heat(mf, first, part, history);
		if (err)
			return err;
		if (copy_to_user(user, history, part))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

int smemv_memfile_tell_heat(struct smemv_memfile *mf, void __user *arg)
{
	u64 size_pages = mf->space->size_pages;
	struct smemv_ioc_heat to;
	u8 *history;
	int err;

	if (copy_from_user(&to, arg, sizeof(to)))
		return -EFAULT;
	if (!to.nr || to.nr > SMEMV_HEAT_MAX || to.first >= size_pages ||
	    to.nr > size_pages - to.first || to.intervals)
		return -EINVAL;
	history = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!history)
		return -ENOMEM;
	err = tell_heat_to(mf, &to, history);
	kfree(history);
	to.intervals = smemv_memfile_heat_intervals(mf);
	if (!err && copy_to_user(arg, &to, sizeof(to)))
		err = -EFAULT;
	return err;
}

u32 smemv_memfile_heat_intervals(struct smemv_memfile *mf)
{
	u32 intervals = 0;

	spin_lock(&mf->lock);
	if (mf->scan)
		intervals = smemv_scan_intervals(mf->scan);
	spin_unlock(&mf->lock);
	return intervals;
}

u32 smemv_memfile_scanned_pid(struct smemv_memfile *mf)
{
	u32 pid = 0;

	spin_lock(&mf->lock);
	if (mf->scan)
		pid = smemv_scan_pid(mf->scan);
	spin_unlock(&mf->lock);
	return pid;
}
