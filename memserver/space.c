// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "pagecopy.h"
#include "space.h"

#define FANOUT_SHIFT	9
#define FANOUT		(1u << FANOUT_SHIFT)
#define RUN_PAGES	SMEMV_WIRE_RUN_PAGES

#define ENTRY_ABSENT	0u
#define ENTRY_ZERO	0xffffffffu

/* How much one step of a long walk may do before others get their turn. */
#define STEP_PAGES	1024u
#define STEP_SLOTS	8192u

struct entry {
	u32 frame;	/* or ENTRY_ABSENT, ENTRY_ZERO; written by set_entry() only */
	u32 crc;
};

_Static_assert(sizeof(struct entry) * RUN_PAGES == SLAB_FRAME_SIZE, "a leaf is one frame");
_Static_assert(FANOUT * sizeof(u64) == SLAB_FRAME_SIZE, "a node is one frame");

static u32 slot_frame(u64 slot)
{
	return (u32)slot;
}

static u32 slot_used(u64 slot)
{
	return (u32)(slot >> 32);
}

static u64 make_slot(u32 frame, u32 used)
{
	return (u64)used << 32 | frame;
}

static unsigned int height_for(u64 size_pages)
{
	u64 runs = (size_pages + RUN_PAGES - 1) / RUN_PAGES;
	unsigned int height = 0;

	while (runs > 1) {
		runs = (runs + FANOUT - 1) / FANOUT;
		height++;
	}
	return height;
}

struct space *space_new(const u8 uuid[16], u64 size_pages, u64 epoch)
{
	static _Atomic u32 next_seed;
	struct space *sp = aligned_alloc(CACHELINE, sizeof(*sp));

	if (!sp)
		return NULL;
	memset(sp, 0, sizeof(*sp));
	memcpy(sp->uuid, uuid, 16);
	sp->size_pages = size_pages;
	sp->height = height_for(size_pages);
	sp->seed = atomic_fetch_add(&next_seed, 1) * 0x9e3779b1u;
	sp->epoch = epoch;
	sp->refs = 1;
	drain_init(&sp->drain);
	return sp;
}

void space_get(struct space *sp)
{
	atomic_fetch_add(&sp->refs, 1);
}

static void put_node(struct store *st, struct store_thread *t, u32 frame)
{
	store_count(&t->nodes, -1);
	slab_put(&st->slab, &t->cache, frame);
}

/* The leaves are gone: space_forget() was called for all pages. */
static void free_nodes(struct store *st, struct store_thread *t, u32 frame,
		       unsigned int level)
{
	u64 *slot = slab_frame(&st->slab, frame);
	unsigned int i;

	for (i = 0; level > 1 && i < FANOUT; i++)
		if (slot_frame(slot[i]))
			free_nodes(st, t, slot_frame(slot[i]), level - 1);
	put_node(st, t, frame);
}

void space_free_nodes(struct store *st, struct store_thread *t, struct space *sp)
{
	u32 root = slot_frame(atomic_exchange(&sp->root, 0));

	if (sp->height && root)
		free_nodes(st, t, root, sp->height);
}

void space_put(struct space *sp)
{
	if (atomic_fetch_sub(&sp->refs, 1) != 1)
		return;
	drain_destroy(&sp->drain);
	free(sp);
}

static pthread_mutex_t *lock_of(struct store *st, const struct space *sp, u64 run)
{
	u64 hash = (run + sp->seed) * 0x9e3779b97f4a7c15ull;

	return &st->run_lock[hash >> 32 & (STORE_RUN_LOCKS - 1)].mutex;
}

static u32 add_node(struct store *st, struct store_thread *t, _Atomic u64 *slot)
{
	u32 frame = slab_get(&st->slab, &t->cache);
	u64 seen = 0;

	if (!frame)
		return SLAB_FRAME_NONE;
	if (!atomic_compare_exchange_strong(slot, &seen, frame)) {
		slab_put_zeroed(&st->slab, &t->cache, frame);
		return slot_frame(seen);
	}
	store_count(&t->nodes, 1);
	return frame;
}

/*
 * The slot of a run's leaf; with t, inner nodes are added on the way. NULL when
 * there is none; then *skip runs, from this one on, have none either.
 */
static _Atomic u64 *leaf_slot(struct store *st, struct store_thread *t,
			      struct space *sp, u64 run, u64 *skip)
{
	_Atomic u64 *slot = &sp->root;
	unsigned int level;

	for (level = sp->height; level > 0; level--) {
		unsigned int shift = FANOUT_SHIFT * (level - 1);
		u32 frame = slot_frame(atomic_load_explicit(slot, memory_order_acquire));

		if (!frame && t)
			frame = add_node(st, t, slot);
		if (!frame) {
			u64 below = 1ull << (shift + FANOUT_SHIFT);

			if (skip)
				*skip = below - (run & (below - 1));
			return NULL;
		}
		slot = (_Atomic u64 *)slab_frame(&st->slab, frame) +
		       (run >> shift & (FANOUT - 1));
	}
	return slot;
}

static u64 slot_read(_Atomic u64 *slot)
{
	return atomic_load_explicit(slot, memory_order_relaxed);
}

static void slot_write(_Atomic u64 *slot, u64 value)
{
	atomic_store_explicit(slot, value, memory_order_release);
}

static struct entry *leaf_of(struct store *st, u64 slot)
{
	return slab_frame(&st->slab, slot_frame(slot));
}

/* Called with the run's lock: a leaf for the run, made if need be. */
static struct entry *leaf_for_store(struct store *st, struct store_thread *t,
				    struct space *sp, u64 run, _Atomic u64 **slot)
{
	u32 frame;

	*slot = leaf_slot(st, t, sp, run, NULL);
	if (!*slot)
		return NULL;
	if (slot_frame(slot_read(*slot)))
		return leaf_of(st, slot_read(*slot));
	frame = slab_get(&st->slab, &t->cache);
	if (!frame)
		return NULL;
	store_count(&t->nodes, 1);
	slot_write(*slot, make_slot(frame, 0));
	return leaf_of(st, slot_read(*slot));
}

/* Called with the run's lock: the leaf is zero again when its last entry went. */
static void drop_empty_leaf(struct store *st, struct store_thread *t, _Atomic u64 *slot)
{
	u64 value = slot_read(slot);

	if (!slot_frame(value) || slot_used(value))
		return;
	slot_write(slot, 0);
	store_count(&t->nodes, -1);
	slab_put_zeroed(&st->slab, &t->cache, slot_frame(value));
}

/* Called with the run's lock; but space_prefetch() reads without. */
static void set_entry(struct entry *e, u32 frame, u32 crc)
{
	__atomic_store_n(&e->frame, frame, __ATOMIC_RELAXED);
	e->crc = crc;
}

static bool entry_has_frame(const struct entry *e)
{
	return e->frame != ENTRY_ABSENT && e->frame != ENTRY_ZERO;
}

static u32 take_frame(struct store *st, struct store_thread *t)
{
	u32 frame;

	if (!store_take_credit(st, t))
		return SLAB_FRAME_NONE;
	frame = slab_get(&st->slab, &t->cache);
	if (!frame)
		store_return_credit(st, t);
	return frame;
}

static void release_frame(struct store *st, struct store_thread *t, u32 frame)
{
	slab_put(&st->slab, &t->cache, frame);
	store_return_credit(st, t);
	store_count(&t->used, -1);
}

/* Called with the run's lock. An old frame is written over: that never lacks room. */
static bool set_content(struct store *st, struct store_thread *t, struct entry *e,
			const void *data, u32 crc)
{
	if (!entry_has_frame(e)) {
		u32 frame = take_frame(st, t);

		if (!frame)
			return false;
		if (e->frame == ENTRY_ZERO)
			store_count(&t->zero, -1);
		store_count(&t->used, 1);
		set_entry(e, frame, crc);
	}
	page_copy_in(slab_frame(&st->slab, e->frame), data);
	e->crc = crc;
	return true;
}

static void set_zero(struct store *st, struct store_thread *t, struct entry *e)
{
	if (e->frame == ENTRY_ZERO)
		return;
	if (entry_has_frame(e))
		release_frame(st, t, e->frame);
	store_count(&t->zero, 1);
	set_entry(e, ENTRY_ZERO, 0);
}

static enum smemv_wire_status store_locked(struct store *st, struct store_thread *t,
					   struct space *sp, u64 index,
					   const void *data, u32 crc)
{
	_Atomic u64 *slot;
	struct entry *leaf, *e;
	bool is_new;

	leaf = leaf_for_store(st, t, sp, index / RUN_PAGES, &slot);
	if (!leaf)
		return SMEMV_ST_NO_SPACE;
	e = &leaf[index % RUN_PAGES];
	is_new = e->frame == ENTRY_ABSENT;
	if (is_new && atomic_load_explicit(&st->stopping, memory_order_relaxed)) {
		drop_empty_leaf(st, t, slot);
		return SMEMV_ST_STOPPING;
	}
	if (!data) {
		set_zero(st, t, e);
	} else if (!set_content(st, t, e, data, crc)) {
		drop_empty_leaf(st, t, slot);
		return SMEMV_ST_NO_SPACE;
	}
	if (is_new) {
		u64 value = slot_read(slot);

		slot_write(slot, make_slot(slot_frame(value), slot_used(value) + 1));
		atomic_fetch_add_explicit(&sp->pages, 1, memory_order_relaxed);
	}
	return SMEMV_ST_OK;
}

enum smemv_wire_status space_store(struct store *st, struct store_thread *t,
				   struct space *sp, u64 index,
				   const void *data, u32 crc)
{
	pthread_mutex_t *lock = lock_of(st, sp, index / RUN_PAGES);
	enum smemv_wire_status status;

	pthread_mutex_lock(lock);
	status = store_locked(st, t, sp, index, data, crc);
	pthread_mutex_unlock(lock);
	return status;
}

/* Called with the run's lock. */
static struct entry find_entry(struct store *st, struct space *sp, u64 index)
{
	_Atomic u64 *slot = leaf_slot(st, NULL, sp, index / RUN_PAGES, NULL);

	if (!slot || !slot_frame(slot_read(slot)))
		return (struct entry){ .frame = ENTRY_ABSENT };
	return leaf_of(st, slot_read(slot))[index % RUN_PAGES];
}

/* Under one lock, so that nothing slips in between looking and keeping. */
enum smemv_wire_status space_deliver(struct store *st, struct store_thread *t,
				     struct space *sp, u64 drain, u64 index,
				     const void *data, u32 crc)
{
	pthread_mutex_t *lock = lock_of(st, sp, index / RUN_PAGES);
	enum smemv_wire_status status;

	pthread_mutex_lock(lock);
	status = drain_admits(&sp->drain, drain, index);
	if (!status && find_entry(st, sp, index).frame != ENTRY_ABSENT)
		status = SMEMV_ST_HELD;
	if (!status)
		status = store_locked(st, t, sp, index, data, crc);
	pthread_mutex_unlock(lock);
	return status;
}

enum smemv_wire_status space_load(struct store *st, struct space *sp, u64 index,
				  void *data, struct loaded_page *page)
{
	pthread_mutex_t *lock = lock_of(st, sp, index / RUN_PAGES);
	enum smemv_wire_status status = SMEMV_ST_MISSING;
	struct entry e;

	pthread_mutex_lock(lock);
	e = find_entry(st, sp, index);
	if (e.frame != ENTRY_ABSENT)
		status = SMEMV_ST_OK;
	if (entry_has_frame(&e))
		page_copy_out(data, slab_frame(&st->slab, e.frame));
	pthread_mutex_unlock(lock);
	page->zero = e.frame == ENTRY_ZERO;
	page->crc = e.crc;
	return status;
}

/*
 * Only a hint: what is read may be outdated at once, so it is checked, and no more is
 * done with it than asking for memory that is always mapped.
 */
void space_prefetch(struct store *st, struct space *sp, u64 index)
{
	_Atomic u64 *slot;
	u32 leaf, frame;

	if (index >= sp->size_pages || atomic_load(&sp->dead))
		return;
	slot = leaf_slot(st, NULL, sp, index / RUN_PAGES, NULL);
	leaf = slot ? slot_frame(atomic_load_explicit(slot, memory_order_acquire)) : 0;
	if (!leaf)
		return;
	frame = __atomic_load_n(&((struct entry *)slab_frame(&st->slab, leaf) +
				  index % RUN_PAGES)->frame, __ATOMIC_RELAXED);
	if (frame != ENTRY_ABSENT && frame < st->slab.frames)
		page_prefetch(slab_frame(&st->slab, frame));
}

/* Called with the run's lock. Frames are only collected: zeroing takes long. */
static u32 forget_entries(struct store_thread *t, struct entry *e, u32 n,
			  u32 *frames, u32 *n_frames)
{
	u32 i, forgotten = 0;

	for (i = 0; i < n; i++) {
		if (e[i].frame == ENTRY_ABSENT)
			continue;
		if (entry_has_frame(&e[i]))
			frames[(*n_frames)++] = e[i].frame;
		else
			store_count(&t->zero, -1);
		set_entry(&e[i], ENTRY_ABSENT, 0);
		forgotten++;
	}
	return forgotten;
}

static u32 forget_in_run(struct store *st, struct store_thread *t, struct space *sp,
			 u64 first, u32 n, u64 *skip_runs)
{
	u64 run = first / RUN_PAGES;
	pthread_mutex_t *lock = lock_of(st, sp, run);
	u32 frames[RUN_PAGES], n_frames = 0, forgotten = 0, i;
	_Atomic u64 *slot;

	*skip_runs = 1;
	pthread_mutex_lock(lock);
	slot = leaf_slot(st, NULL, sp, run, skip_runs);
	if (slot && slot_frame(slot_read(slot))) {
		u64 value = slot_read(slot);

		forgotten = forget_entries(t, leaf_of(st, value) + first % RUN_PAGES, n,
					   frames, &n_frames);
		slot_write(slot, make_slot(slot_frame(value), slot_used(value) - forgotten));
		drop_empty_leaf(st, t, slot);
	}
	pthread_mutex_unlock(lock);
	for (i = 0; i < n_frames; i++)
		release_frame(st, t, frames[i]);
	if (forgotten)
		atomic_fetch_sub_explicit(&sp->pages, forgotten, memory_order_relaxed);
	return forgotten;
}

/* The first page of the run that lies @runs after the one of @index. */
static u64 runs_on(u64 index, u64 runs)
{
	return (index / RUN_PAGES + runs) * RUN_PAGES;
}

u64 space_forget(struct store *st, struct store_thread *t, struct space *sp,
		 u64 *cursor, u64 end)
{
	u64 forgotten = 0;
	u32 slots = 0;

	while (*cursor < end && forgotten < STEP_PAGES && slots++ < STEP_SLOTS) {
		u64 stop = min_u64(end, runs_on(*cursor, 1));
		u64 skip;

		forgotten += forget_in_run(st, t, sp, *cursor, (u32)(stop - *cursor), &skip);
		*cursor = min_u64(end, runs_on(*cursor, skip));
	}
	return forgotten;
}

static bool extends(const struct page_range *last, u64 index, bool zero)
{
	return last->zero == zero && last->first + last->count == index &&
	       last->count < UINT32_MAX;
}

/* Called with the run's lock. Returns the index at which it stopped. */
static u64 list_entries(const struct entry *leaf, u64 index, u64 stop,
			struct page_range *ranges, u32 *count, u32 max)
{
	for (; index < stop; index++) {
		const struct entry *e = &leaf[index % RUN_PAGES];
		bool zero = e->frame == ENTRY_ZERO;

		if (e->frame == ENTRY_ABSENT)
			continue;
		if (*count && extends(&ranges[*count - 1], index, zero)) {
			ranges[*count - 1].count++;
			continue;
		}
		if (*count == max)
			break;
		ranges[(*count)++] = (struct page_range){ index, 1, zero };
	}
	return index;
}

u32 space_list(struct store *st, struct space *sp, u64 *cursor, u64 end,
	       struct page_range *ranges, u32 count, u32 max)
{
	u32 slots = 0, runs = 0;

	while (*cursor < end && runs < STEP_PAGES / 8 && slots++ < STEP_SLOTS) {
		u64 run = *cursor / RUN_PAGES, stop = min_u64(end, runs_on(*cursor, 1));
		u64 skip = 1, at;
		pthread_mutex_t *lock = lock_of(st, sp, run);
		_Atomic u64 *slot;

		pthread_mutex_lock(lock);
		slot = leaf_slot(st, NULL, sp, run, &skip);
		if (slot && slot_frame(slot_read(slot))) {
			at = list_entries(leaf_of(st, slot_read(slot)), *cursor, stop,
					  ranges, &count, max);
			runs++;
		} else {
			at = min_u64(end, runs_on(*cursor, skip));
		}
		pthread_mutex_unlock(lock);
		*cursor = at;
		if (at < stop)
			break;
	}
	return count;
}
