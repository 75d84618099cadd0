// SPDX-License-Identifier: GPL-2.0-only
/* What a scan knows about pages. */
#include "core/ages.h"
#include "scan_inside.h"

int smemv_scan_read(struct smemv_scan *scan, unsigned long hva, u32 nr,
		    u8 *history)
{
	if (smemv_scan_has_ended(scan))
		return -ENODATA;
	smemv_history_read(&scan->history, hva, nr, history);
	return 0;
}

void smemv_scan_forget(struct smemv_scan *scan, unsigned long hva, u32 nr)
{
	smemv_history_forget(&scan->history, hva, nr);
}

void smemv_scan_peek(struct smemv_scan *scan, unsigned long hva, u32 nr,
		     unsigned long *accessed)
{
	if (READ_ONCE(scan->state.method) != SMEMV_SCAN_TDP_WALK ||
	    !mutex_trylock(&scan->vm_lock))
		return;
	if (scan->vm.kvm)
		smemv_vm_peek(&scan->vm, hva, nr, accessed);
	mutex_unlock(&scan->vm_lock);
}

/*
 * Why nothing is known of what was before @since, or 0. A scan that just began knows nothing of
 * before either, but may later, unless its intervals are too short for that.
 */
static int check_memory(const struct smemv_scan *scan, u64 since, u32 cold_ms)
{
	u64 remembered_ms = (SMEMV_SCAN_ENDS - 1) * (u64)scan->state.interval_now_ms;

	lockdep_assert_held(&scan->lock);
	if (scan->ends_ns[SMEMV_SCAN_ENDS - 1] > since)
		return -ERANGE;
	if (since < scan->began_ns && cold_ms > remembered_ms)
		return -ERANGE;
	return since < scan->began_ns || !scan->state.scans ? -EAGAIN : 0;
}

/*
 * The bits of the intervals that reach into the last @cold_ms, the newest in any case. What was
 * before the first is remembered too: each page had the bit of its first use. While a pass is
 * under way some pages have aged already, so their bits are one further down.
 */
static int bits_within(struct smemv_scan *scan, u32 cold_ms, u8 *bits)
{
	u64 since, now = ktime_get_ns();
	unsigned int i;
	int err;

	*bits = SMEMV_AGE_NEWEST;
	spin_lock(&scan->lock);
	since = now - min_t(u64, now, (u64)cold_ms * NSEC_PER_MSEC);
	err = check_memory(scan, since, cold_ms);
	for (i = 1; i < SMEMV_SCAN_ENDS - 1 && scan->ends_ns[i] > since; i++)
		*bits |= SMEMV_AGE_NEWEST >> i;
	spin_unlock(&scan->lock);
	*bits |= *bits >> 1;
	return err;
}

/* All intervals that can be remembered must have been. */
static int all_bits(struct smemv_scan *scan, u8 *bits)
{
	*bits = U8_MAX;
	return smemv_scan_intervals(scan) < SMEMV_SCAN_ENDS ? -EAGAIN : 0;
}

/* Joins what follows. False: there is no room for it. */
static bool add_page(struct smemv_scan_range *ranges, u32 *used, u32 nr,
		     unsigned long hva)
{
	struct smemv_scan_range *last = *used ? &ranges[*used - 1] : NULL;

	if (last && last->address + (last->pages << PAGE_SHIFT) == hva) {
		last->pages++;
		return true;
	}
	if (*used == nr)
		return false;
	ranges[*used].address = hva;
	ranges[(*used)++].pages = 1;
	return true;
}

/*
 * A pass notes what was accessed before it. What was since, the first use of a page as well, is
 * looked at first: a pass that comes between has noted it when the history is read. KVM, where it
 * has to be asked, would be asked for each page, so there such a page is taken for cold.
 */
static void find_cold(struct smemv_scan *scan, u8 bits, unsigned long hva, u32 pages,
		      unsigned long *cold)
{
	DECLARE_BITMAP(accessed, SMEMV_SCAN_BLOCK) = { 0 };
	u8 history[SMEMV_SCAN_BLOCK];
	u32 i;

	if (READ_ONCE(scan->state.method) == SMEMV_SCAN_TDP_WALK)
		smemv_vm_peek(&scan->vm, hva, pages, accessed);
	smemv_history_read(&scan->history, hva, pages, history);
	for (i = 0; i < pages; i++)
		if (!(history[i] & bits) && !test_bit(i, accessed))
			__set_bit(i, cold);
}

/* Returns where to go on: behind the pages, or at the first that had no room. */
static u32 add_cold(struct smemv_scan *scan, u8 bits, unsigned long hva,
		    u32 pages, struct smemv_scan_range *ranges, u32 *used, u32 nr)
{
	DECLARE_BITMAP(cold, SMEMV_SCAN_BLOCK) = { 0 };
	u32 i;

	find_cold(scan, bits, hva, pages, cold);
	for_each_set_bit(i, cold, pages)
		if (!add_page(ranges, used, nr, hva + ((unsigned long)i << PAGE_SHIFT)))
			return i;
	return pages;
}

/* Blocks that are looked at while others wait for the machine, and for ns->lock: 512 MiB. */
#define BLOCKS_AT_ONCE	256

/* Under vm_lock. Returns how many ranges were found. */
static u32 look_for_cold(struct smemv_scan *scan, u8 bits, u64 *pos,
			 struct smemv_scan_range *ranges, u32 nr)
{
	u32 i, pages, seen, used = 0;
	unsigned long hva;
	u64 gfn = *pos;

	for (i = 0; i < BLOCKS_AT_ONCE; i++) {
		if (!smemv_vm_next_range(&scan->vm, &gfn, SMEMV_SCAN_BLOCK, &hva, &pages)) {
			*pos = SMEMV_SCAN_END;
			break;
		}
		seen = add_cold(scan, bits, hva, pages, ranges, &used, nr);
		*pos = gfn - pages + seen;
		if (seen < pages)
			break;
		cond_resched();
	}
	return used;
}

int smemv_scan_cold(struct smemv_scan *scan, s64 cold_ms, u64 *pos,
		    struct smemv_scan_range *ranges, u32 nr)
{
	u8 bits;
	int err;

	if (cold_ms == SMEMV_SCAN_EVER)
		err = all_bits(scan, &bits);
	else
		err = bits_within(scan, cold_ms, &bits);
	if (err)
		return err;
	mutex_lock(&scan->vm_lock);
	err = scan->vm.kvm ? look_for_cold(scan, bits, pos, ranges, nr) : -ENODATA;
	mutex_unlock(&scan->vm_lock);
	return err;
}
