// SPDX-License-Identifier: GPL-2.0-only
/*
 * The history of a scan. One work item changes it; readers see each 2 MiB as it
 * was before or after.
 *
 * Memory that is mapped as 2 MiB, or used as a whole, has the same byte for all of its
 * pages. So there is a chunk of each byte that all such memory of all machines
 * shares and nobody writes to; only where pages differ they have one of their own.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "core/ages.h"
#include "scan_inside.h"

#define BLOCK_ORDER	(PAGE_SHIFT + SMEMV_SCAN_BLOCK_SHIFT)

static u8 shared[U8_MAX + 1][SMEMV_SCAN_BLOCK] __aligned(8) __ro_after_init;

void __init smemv_history_module_init(void)
{
	unsigned int byte;

	for (byte = 0; byte <= U8_MAX; byte++)
		memset(shared[byte], byte, SMEMV_SCAN_BLOCK);
}

static bool is_shared(const u8 *chunk)
{
	return chunk >= shared[0] && chunk < shared[0] + sizeof(shared);
}

void smemv_history_init(struct smemv_history *history)
{
	xa_init(&history->chunks);
	spin_lock_init(&history->lock);
}

static u8 *chunk_at(struct smemv_history *history, unsigned long index)
{
	void *entry = xa_load(&history->chunks, index);

	lockdep_assert_held(&history->lock);
	return entry ? xa_untag_pointer(entry) : NULL;
}

/* @chunk: NULL: there is none any more. An entry that is there is changed without memory. */
static void replace(struct smemv_history *history, unsigned long index,
		    u8 *chunk)
{
	u8 *old = chunk_at(history, index);

	xa_store(&history->chunks, index,
		 chunk ? xa_tag_pointer(chunk, history->parity) : NULL, GFP_NOWAIT);
	if (is_shared(old))
		return;
	history->nr_chunks--;
	kfree(old);
}

void smemv_history_free(struct smemv_history *history)
{
	unsigned long index;
	void *entry;

	xa_for_each(&history->chunks, index, entry) {
		spin_lock(&history->lock);
		replace(history, index, NULL);
		spin_unlock(&history->lock);
		cond_resched();
	}
	xa_destroy(&history->chunks);
}

void smemv_history_begin(struct smemv_history *history)
{
	history->parity ^= 1;
}

/* Returns the chunk as it is in this pass. */
static u8 *age(struct smemv_history *history, unsigned long index, void *entry)
{
	u8 *chunk = xa_untag_pointer(entry);

	if (xa_pointer_tag(entry) == history->parity)
		return chunk;
	if (is_shared(chunk))
		chunk = shared[*chunk >> 1];
	else
		smemv_ages_shift(chunk, SMEMV_SCAN_BLOCK);
	xa_store(&history->chunks, index,
		 xa_tag_pointer(chunk, history->parity), GFP_NOWAIT);
	return chunk;
}

/* Something is to be noted of memory of which nothing was: the scan's work only. */
static void make_entry(struct smemv_history *history, unsigned long index)
{
	if (!xa_load(&history->chunks, index))
		xa_store(&history->chunks, index,
			 xa_tag_pointer(shared[0], history->parity),
			 GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
}

/* Pages are going to differ. Without memory they do not. */
static void make_own(struct smemv_history *history, unsigned long index,
		     gfp_t gfp)
{
	void *entry = xa_load(&history->chunks, index);
	u8 *chunk;

	if (!entry || !is_shared(xa_untag_pointer(entry)))
		return;
	chunk = kmalloc(SMEMV_SCAN_BLOCK, gfp | __GFP_NORETRY | __GFP_NOWARN);
	if (!chunk)
		return;
	spin_lock(&history->lock);
	entry = xa_load(&history->chunks, index);
	if (entry && is_shared(xa_untag_pointer(entry))) {
		memcpy(chunk, xa_untag_pointer(entry), SMEMV_SCAN_BLOCK);
		xa_store(&history->chunks, index,
			 xa_tag_pointer(chunk, xa_pointer_tag(entry)), GFP_NOWAIT);
		history->nr_chunks++;
		chunk = NULL;
	}
	spin_unlock(&history->lock);
	kfree(chunk);
}

/* Pages @from to @from + @nr of the block are those of a chunk from @bytes on. */
static void merge(u8 *bytes, const struct smemv_block *block, u32 from, u32 nr,
		  u64 *ages)
{
	DECLARE_BITMAP(accessed, SMEMV_SCAN_BLOCK);
	DECLARE_BITMAP(present, SMEMV_SCAN_BLOCK);

	bitmap_shift_right(accessed, block->accessed, from, SMEMV_SCAN_BLOCK);
	bitmap_shift_right(present, block->present, from, SMEMV_SCAN_BLOCK);
	smemv_ages_merge(bytes, nr, accessed, present, ages);
}

static u32 weight(const unsigned long *bitmap, u32 from, u32 nr)
{
	return bitmap_weight(bitmap, from + nr) - bitmap_weight(bitmap, from);
}

/* Under the lock. @accessed: pages of the part, which are all of a shared chunk if any is. */
static void note_in(struct smemv_history *history, unsigned long hva,
		    const struct smemv_block *block, u32 from, u32 nr,
		    u32 accessed, u64 *ages)
{
	unsigned long index = hva >> BLOCK_ORDER;
	void *entry = xa_load(&history->chunks, index);
	u8 *chunk = entry ? age(history, index, entry) : shared[0];

	if (!is_shared(chunk)) {
		merge(chunk + (hva >> PAGE_SHIFT) % SMEMV_SCAN_BLOCK, block,
		      from, nr, ages);
		return;
	}
	if (entry && accessed) {
		chunk = shared[*chunk | SMEMV_AGE_NEWEST];
		replace(history, index, chunk);
	}
	ages[smemv_age(*chunk)] += weight(block->present, from, nr);
}

/*
 * Where nothing is remembered pages are as old as can be: most guests have much of such memory,
 * and what cannot be remembered for want of memory counts as well. Where pages should differ
 * and cannot, all are taken for accessed.
 */
static void note_part(struct smemv_history *history,
		      const struct smemv_block *block, u32 from, u32 nr,
		      u64 *ages)
{
	unsigned long hva = block->hva + ((unsigned long)from << PAGE_SHIFT);
	u32 accessed = weight(block->accessed, from, nr);

	if (accessed)
		make_entry(history, hva >> BLOCK_ORDER);
	if (accessed && accessed < SMEMV_SCAN_BLOCK)
		make_own(history, hva >> BLOCK_ORDER, GFP_KERNEL);
	spin_lock(&history->lock);
	note_in(history, hva, block, from, nr, accessed, ages);
	spin_unlock(&history->lock);
}

/* Guest memory need not be aligned on the host: a block may be in two chunks. */
void smemv_history_note(struct smemv_history *history,
			const struct smemv_block *block, u64 *ages)
{
	u32 first = min_t(u32, block->nr, SMEMV_SCAN_BLOCK -
			  (block->hva >> PAGE_SHIFT) % SMEMV_SCAN_BLOCK);

	if (bitmap_empty(block->present, block->nr))
		return;
	note_part(history, block, 0, first, ages);
	if (first < block->nr)
		note_part(history, block, first, block->nr - first, ages);
}

/* Of the same bytes again, or nothing is remembered any more. */
static void share_again(struct smemv_history *history, unsigned long index,
			u8 *chunk)
{
	if (!is_shared(chunk) && memchr_inv(chunk, *chunk, SMEMV_SCAN_BLOCK))
		return;
	if (!*chunk)
		replace(history, index, NULL);
	else if (!is_shared(chunk))
		replace(history, index, shared[*chunk]);
}

void smemv_history_end(struct smemv_history *history)
{
	unsigned long index;
	void *entry;

	xa_for_each(&history->chunks, index, entry) {
		spin_lock(&history->lock);
		entry = xa_load(&history->chunks, index);
		share_again(history, index, age(history, index, entry));
		spin_unlock(&history->lock);
		cond_resched();
	}
}

/* @bytes: of @nr pages; NULL: they have no chunk. False: that is enough. */
typedef bool (*part_fn)(u8 *bytes, u32 nr, void *arg);

/* What lies in one chunk is one part, seen as it was before or after a scan. */
static void each_part(struct smemv_history *history, unsigned long hva, u32 nr,
		      part_fn do_part, void *arg)
{
	unsigned long at = hva >> PAGE_SHIFT;
	bool go_on = true;
	u32 part, offset;
	u8 *chunk;

	for (; nr && go_on; nr -= part, at += part) {
		offset = at % SMEMV_SCAN_BLOCK;
		part = min_t(u32, nr, SMEMV_SCAN_BLOCK - offset);
		spin_lock(&history->lock);
		chunk = chunk_at(history, at >> SMEMV_SCAN_BLOCK_SHIFT);
		go_on = do_part(chunk ? chunk + offset : NULL, part, arg);
		spin_unlock(&history->lock);
	}
}

static bool read_part(u8 *bytes, u32 nr, void *arg)
{
	u8 **to = arg;

	if (bytes)
		memcpy(*to, bytes, nr);
	else
		memset(*to, 0, nr);
	*to += nr;
	return true;
}

void smemv_history_read(struct smemv_history *history, unsigned long hva,
			u32 nr, u8 *bytes)
{
	each_part(history, hva, nr, read_part, &bytes);
}

static bool forget_part(u8 *bytes, u32 nr, void *arg)
{
	u32 i;

	for (i = 0; bytes && !is_shared(bytes) && i < nr; i++)
		if (bytes[i])
			bytes[i] = SMEMV_AGE_NEWEST;
	return true;
}

void smemv_history_forget(struct smemv_history *history, unsigned long hva,
			  u32 nr)
{
	unsigned long index = hva >> BLOCK_ORDER;
	unsigned long last = (hva >> PAGE_SHIFT) + nr - 1;

	for (; index <= last >> SMEMV_SCAN_BLOCK_SHIFT; index++)
		make_own(history, index, GFP_NOWAIT);
	each_part(history, hva, nr, forget_part, NULL);
}

static bool warm_part(u8 *bytes, u32 nr, void *arg)
{
	bool *warm = arg;

	*warm = bytes && memchr_inv(bytes, 0, nr);
	return !*warm;
}

bool smemv_history_is_warm(struct smemv_history *history, unsigned long hva,
			   u32 nr)
{
	bool warm = false;

	each_part(history, hva, nr, warm_part, &warm);
	return warm;
}
