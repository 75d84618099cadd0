// SPDX-License-Identifier: GPL-2.0-only
/*
 * The history of a scan. One work item changes it; readers see each 2 MiB as it
 * was before or after.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "core/ages.h"
#include "scan_inside.h"

#define BLOCK_ORDER	(PAGE_SHIFT + SMEMV_SCAN_BLOCK_SHIFT)

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

static void drop(struct smemv_history *history, unsigned long index)
{
	u8 *chunk;

	spin_lock(&history->lock);
	chunk = chunk_at(history, index);
	xa_erase(&history->chunks, index);
	history->nr_chunks--;
	spin_unlock(&history->lock);
	kfree(chunk);
}

void smemv_history_free(struct smemv_history *history)
{
	unsigned long index;
	void *entry;

	xa_for_each(&history->chunks, index, entry) {
		drop(history, index);
		cond_resched();
	}
	xa_destroy(&history->chunks);
}

void smemv_history_begin(struct smemv_history *history)
{
	history->parity ^= 1;
}

/* Entries that are there already are changed without memory. */
static void age(struct smemv_history *history, unsigned long index,
		void *entry)
{
	u8 *chunk = xa_untag_pointer(entry);

	if (xa_pointer_tag(entry) == history->parity)
		return;
	smemv_ages_shift(chunk, SMEMV_SCAN_BLOCK);
	xa_store(&history->chunks, index,
		 xa_tag_pointer(chunk, history->parity), GFP_NOWAIT);
}

/* Pages whose chunk cannot be made count as never accessed. */
static void make(struct smemv_history *history, unsigned long index)
{
	u8 *chunk;

	if (xa_load(&history->chunks, index))
		return;
	chunk = kzalloc(SMEMV_SCAN_BLOCK, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
	if (!chunk)
		return;
	if (xa_err(xa_store(&history->chunks, index,
			    xa_tag_pointer(chunk, history->parity),
			    GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)))
		kfree(chunk);
	else
		history->nr_chunks++;
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

/* Without a chunk, pages are as old as can be: most guests have many of them. */
static void note_part(struct smemv_history *history,
		      const struct smemv_block *block, u32 from, u32 nr,
		      u64 *ages)
{
	unsigned long hva = block->hva + ((unsigned long)from << PAGE_SHIFT);
	unsigned long index = hva >> BLOCK_ORDER;
	void *entry;

	if (weight(block->accessed, from, nr))
		make(history, index);
	spin_lock(&history->lock);
	entry = xa_load(&history->chunks, index);
	if (entry) {
		age(history, index, entry);
		merge((u8 *)xa_untag_pointer(entry) +
		      (hva >> PAGE_SHIFT) % SMEMV_SCAN_BLOCK,
		      block, from, nr, ages);
	} else {
		ages[SMEMV_SCAN_AGES - 1] += weight(block->present, from, nr);
	}
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

void smemv_history_end(struct smemv_history *history)
{
	unsigned long index;
	void *entry;

	xa_for_each(&history->chunks, index, entry) {
		spin_lock(&history->lock);
		age(history, index, entry);
		spin_unlock(&history->lock);
		if (!memchr_inv(xa_untag_pointer(entry), 0, SMEMV_SCAN_BLOCK))
			drop(history, index);
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

	for (i = 0; bytes && i < nr; i++)
		if (bytes[i])
			bytes[i] = SMEMV_AGE_NEWEST;
	return true;
}

void smemv_history_forget(struct smemv_history *history, unsigned long hva,
			  u32 nr)
{
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
