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
		    const struct smemv_scan_place *place)
{
	bool gone;

	spin_lock(&mf->lock);
	gone = scan && !mf->inode;
	if (!gone) {
		swap(mf->scan, scan);
		if (place)
			mf->scan_place = *place;
	}
	spin_unlock(&mf->lock);
	if (scan)
		smemv_scan_detach(scan);
	return gone ? -ENOENT : 0;
}

void smemv_memfile_detach(struct smemv_memfile *mf)
{
	set_scan(mf, NULL, NULL);
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
	switch (err) {
	case -EAGAIN:
		return "the process is busy with its memory map; try again";
	case -E2BIG:
		return "the machine has the file mapped in more than eight pieces";
	default:
		return "the machine's memory is not this file";
	}
}

int smemv_memfile_attach(struct smemv_memfile *mf,
			 const struct smemv_scan_config *config,
			 const unsigned long *base, const char **why)
{
	struct smemv_scan_place place = { .nr = 1, .piece[0].pages = U64_MAX };
	struct smemv_scan *scan;
	int err = 0;

	lockdep_assert_held(&mf->ns->lock);
	scan = smemv_scan_attach(mf->ns, config, why);
	if (IS_ERR(scan))
		return PTR_ERR(scan);
	if (base)
		place.piece[0].hva = *base;
	else
		err = smemv_scan_find_file(scan, mapping_of(mf), &place);
	if (err) {
		*why = why_not_found(err);
		smemv_scan_detach(scan);
		return err;
	}
	err = set_scan(mf, scan, &place);
	if (err)
		*why = "the file is being deleted";
	return err;
}

/*
 * Where the guest has page index @first, and in *nr how many from there on are together. What
 * it does not have is nowhere, at 0, where nothing is remembered either.
 */
static unsigned long place_of(const struct smemv_scan_place *place, u64 first, u32 *nr)
{
	const struct smemv_scan_piece *piece;

	for (piece = place->piece; piece < place->piece + place->nr; piece++) {
		if (first < piece->first) {
			*nr = min_t(u64, *nr, piece->first - first);
		} else if (first - piece->first < piece->pages) {
			*nr = min_t(u64, *nr, piece->pages - (first - piece->first));
			return piece->hva + ((first - piece->first) << PAGE_SHIFT);
		}
	}
	return 0;
}

int smemv_memfile_heat(struct smemv_memfile *mf, u64 first, u32 nr,
		       u8 *history)
{
	int err = nr ? 0 : -EINVAL;
	unsigned long hva;
	u32 part;

	for (; nr && !err; nr -= part, first += part, history += part) {
		part = min_t(u32, nr, PAGES_AT_ONCE);
		spin_lock(&mf->lock);
		hva = place_of(&mf->scan_place, first, &part);
		err = mf->scan ? smemv_scan_read(mf->scan, hva, part, history) :
				 -ENODATA;
		spin_unlock(&mf->lock);
	}
	return err;
}

/* With a reference, and where the pages are, as place_of(). */
static struct smemv_scan *get_scan(struct smemv_memfile *mf, u64 first, u32 *nr,
				   unsigned long *hva)
{
	struct smemv_scan *scan;

	spin_lock(&mf->lock);
	scan = mf->scan;
	*hva = place_of(&mf->scan_place, first, nr);
	if (scan)
		smemv_scan_get(scan);
	spin_unlock(&mf->lock);
	return scan;
}

static void peek(struct smemv_scan *scan, unsigned long hva, u32 nr, u32 at,
		 unsigned long *young)
{
	DECLARE_BITMAP(accessed, PAGES_AT_ONCE) = { 0 };
	u32 i;

	smemv_scan_peek(scan, hva, nr, accessed);
	for_each_set_bit(i, accessed, nr)
		__set_bit(at + i, young);
}

/* What was accessed since comes first: a pass may end meanwhile, and clear that. */
int smemv_memfile_evict_heat(struct smemv_evictor *ev, u64 first, u32 nr,
			     u8 *history, unsigned long *young)
{
	struct smemv_memfile *mf = container_of(ev, struct smemv_memfile, ev);
	struct smemv_scan *scan;
	unsigned long hva;
	int err = 0;
	u32 at, part;

	for (at = 0; at < nr && err >= 0; at += part) {
		part = min_t(u32, nr - at, PAGES_AT_ONCE);
		scan = get_scan(mf, first + at, &part, &hva);
		if (!scan)
			return -ENODATA;
		if (young)
			peek(scan, hva, part, at, young);
		err = smemv_scan_read(scan, hva, part, history + at) ?:
		      min_t(u32, smemv_scan_intervals(scan), INT_MAX);
		smemv_scan_put(scan);
	}
	return err;
}

void smemv_memfile_evict_forget(struct smemv_evictor *ev, u64 first, u32 nr)
{
	struct smemv_memfile *mf = container_of(ev, struct smemv_memfile, ev);
	struct smemv_scan *scan;
	unsigned long hva;
	u32 part;

	for (; nr; nr -= part, first += part) {
		part = nr;
		scan = get_scan(mf, first, &part, &hva);
		if (!scan)
			return;
		smemv_scan_forget(scan, hva, part);
		smemv_scan_put(scan);
	}
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
