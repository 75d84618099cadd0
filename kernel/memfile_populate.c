// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bringing pages home in the background, until the budget has no room to spare:
 * where a scan tells (memfile_heat.c) first what was used lately, and in the order
 * of the file. Faults go first: the next pages are asked for when few requests are
 * open.
 */
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

#include "event.h"
#include "memfile.h"

#define OPEN_MAX	8

/* What each pass over the file brings: pages accessed in one of these intervals; 0: all. */
static const u8 pass_intervals[] = { 0xc0, 0xff, 0 };
#define LAST_PASS	(ARRAY_SIZE(pass_intervals) - 1)

static struct mem_cgroup *user_memcg(struct smemv_memfile *mf)
{
	struct mem_cgroup *memcg;

	spin_lock(&mf->lock);
	memcg = mf->memcg;
	smemv_compat_get_memcg(memcg);
	spin_unlock(&mf->lock);
	return memcg;
}

void smemv_populate_note(struct smemv_memfile *mf, u32 brought, u32 missed)
{
	atomic_long_add(brought, &mf->populate_brought);
	atomic_long_add(missed, &mf->populate_missed);
	atomic_dec(&mf->populate_open);
}

/*
 * What no server can be asked for now is not waited for: each page would cost a
 * deadline. True: it is counted.
 */
static bool misses(struct smemv_memfile *mf, u64 index)
{
	if (smemv_space_copy(mf->space, index) != SMEMV_COPY_NONE)
		return false;
	atomic_long_inc(&mf->populate_missed);
	return true;
}

/* One that is here and empty: filling it failed some time ago. False: it made way. */
static bool fill_again(struct smemv_filling *filling, struct folio *folio)
{
	if (folio_test_uptodate(folio) || !folio_trylock(folio))
		return true;
	if (folio->mapping != filling->mf->ev.mapping ||
	    folio_test_uptodate(folio)) {
		folio_unlock(folio);
		return true;
	}
	if (smemv_huge_give_up(folio))
		return false;
	if (misses(filling->mf, folio->index))
		folio_unlock(folio);
	else
		smemv_fill_add(filling, folio, true);
	return true;
}

/* False: there is no room any more. */
static bool bring(struct smemv_filling *filling, u64 index)
{
	struct smemv_memfile *mf = filling->mf;
	struct folio *folio = smemv_compat_get_folio(mf->ev.mapping, index);
	bool done = folio && fill_again(filling, folio);

	if (folio)
		folio_put(folio);
	return done || misses(mf, index) || smemv_fetch_page(filling, index);
}

/* Of a run, those pages whose turn it is in this pass. */
static void choose(struct smemv_memfile *mf, u64 run_nr, unsigned long *chosen)
{
	u8 history[SMEMV_RUN_PAGES], intervals = pass_intervals[mf->populate_pass];
	u32 slot;

	bitmap_fill(chosen, SMEMV_RUN_PAGES);
	if (!intervals ||
	    smemv_memfile_heat(mf, run_nr << SMEMV_RUN_SHIFT, SMEMV_RUN_PAGES, history))
		return;
	for (slot = 0; slot < SMEMV_RUN_PAGES; slot++)
		if (!(history[slot] & intervals))
			__clear_bit(slot, chosen);
}

/* As much as can be brought at once from the position on. False: there is no room any more. */
static bool bring_next(struct smemv_filling *filling, const unsigned long *chosen)
{
	struct smemv_memfile *mf = filling->mf;
	u64 pos = mf->populate_pos;

	if (!smemv_evict_has_spare(&mf->ev))
		return false;
	if (!mf->populate_singly && IS_ALIGNED(pos, SMEMV_RUN_PAGES) &&
	    !bitmap_empty(chosen, SMEMV_RUN_PAGES) &&
	    smemv_huge_fetch(filling, pos)) {
		mf->populate_pos += SMEMV_RUN_PAGES;
		return true;
	}
	if (test_bit(pos % SMEMV_RUN_PAGES, chosen) && !bring(filling, pos))
		return false;
	mf->populate_pos++;
	return true;
}

/* Goes over a run, or to its end. False: there is no room any more. */
static bool populate_run(struct smemv_memfile *mf, u64 end,
			 const unsigned long *chosen)
{
	struct smemv_filling filling = { .mf = mf, .populate = true };
	bool room = true;

	while (room && mf->populate_pos < end &&
	       atomic_read(&mf->loads) < OPEN_MAX)
		room = bring_next(&filling, chosen);
	smemv_fill_end(&filling);
	return room;
}

static bool populate_charged(struct smemv_memfile *mf, u64 end)
{
	DECLARE_BITMAP(chosen, SMEMV_RUN_PAGES);
	struct address_space *mapping = mf->ev.mapping;
	struct mem_cgroup *memcg = user_memcg(mf);
	struct mem_cgroup *old = set_active_memcg(memcg);
	bool room;

	choose(mf, mf->populate_pos >> SMEMV_RUN_SHIFT, chosen);
	filemap_invalidate_lock_shared(mapping);
	room = populate_run(mf, end, chosen);
	filemap_invalidate_unlock_shared(mapping);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return room;
}

/* Moves on to a run that was stored to; false: there is none. */
static bool find_run(struct smemv_memfile *mf, u64 *end)
{
	u64 run = mf->populate_pos >> SMEMV_RUN_SHIFT, first = run;

	if (!smemv_map_next(&mf->space->map, &run))
		return false;
	if (run > first)
		mf->populate_pos = run << SMEMV_RUN_SHIFT;
	*end = (run + 1) << SMEMV_RUN_SHIFT;
	return true;
}

static void tell(struct smemv_memfile *mf, enum smemv_event type, u64 left)
{
	smemv_event_send(mf->ns->net, &(struct smemv_event_msg){
		.type = type, .space = mf->space->name, .page = SMEMV_NO_PAGE,
		.moves = true, .count = atomic_long_read(&mf->populate_brought),
		.left = left,
	});
}

/* At most: some of what is remote may be here, too. */
static u64 most_to_bring(struct smemv_memfile *mf)
{
	u64 remote = max_t(s64, atomic64_read(&mf->space->map.remote), 0);

	return min(remote, smemv_evict_spare(&mf->ev));
}

static u64 left_to_bring(const struct smemv_memfile *mf)
{
	u64 brought = atomic_long_read(&mf->populate_brought);

	return mf->populate_all > brought ? mf->populate_all - brought : 0;
}

static void tell_progress(struct smemv_memfile *mf)
{
	if (smemv_event_due(&mf->populate_told))
		tell(mf, SMEMV_EV_POPULATING, left_to_bring(mf));
}

/* Once, whether it came to its end or was stopped. */
static void tell_end(struct smemv_memfile *mf, u64 left)
{
	if (xchg(&mf->populate_asked, false))
		tell(mf, SMEMV_EV_POPULATED, left);
}

/* Unless it was stopped and begun anew meanwhile, for which the work is queued. */
static void note_end(struct smemv_memfile *mf)
{
	bool ended;

	spin_lock(&mf->lock);
	ended = !mf->populate_anew;
	if (ended)
		WRITE_ONCE(mf->populating, false);
	spin_unlock(&mf->lock);
	if (ended)
		tell_end(mf, atomic_long_read(&mf->populate_missed));
}

/* The last one tries again whatever those before missed. */
static void begin_pass(struct smemv_memfile *mf, u32 pass)
{
	mf->populate_pass = pass;
	mf->populate_pos = 0;
	atomic_long_set(&mf->populate_missed, 0);
}

/* Until its last request ends it is not known what could be had. */
static void end_pass(struct smemv_memfile *mf, bool room)
{
	unsigned long delay = 1;

	if (!atomic_read(&mf->populate_open)) {
		delay = 0;
		if (room && mf->populate_pass < LAST_PASS) {
			begin_pass(mf, mf->populate_pass + 1);
		} else if (!mf->populate_singly && READ_ONCE(mf->populate_apart)) {
			mf->populate_singly = true;
			begin_pass(mf, LAST_PASS);
		} else {
			return note_end(mf);
		}
	}
	queue_delayed_work(smemv_wq, &mf->populate, delay);
}

/* It was stopped, or is held. */
static void look_at_stop(struct smemv_memfile *mf)
{
	if (READ_ONCE(mf->populating) || !READ_ONCE(mf->populate_asked))
		return;
	if (!atomic_read(&mf->populate_open))
		tell_end(mf, left_to_bring(mf));
	else if (!READ_ONCE(mf->populate_held))
		queue_delayed_work(smemv_wq, &mf->populate, 1);
}

static void from_the_start(struct smemv_memfile *mf)
{
	begin_pass(mf, smemv_memfile_heat_intervals(mf) ? 0 : LAST_PASS);
	mf->populate_apart = false;
	mf->populate_singly = false;
}

static void populate_work(struct work_struct *work)
{
	struct smemv_memfile *mf = container_of(to_delayed_work(work),
						struct smemv_memfile, populate);
	u64 end;

	while (READ_ONCE(mf->populating) && !READ_ONCE(mf->populate_held)) {
		if (xchg(&mf->populate_anew, false))
			from_the_start(mf);
		tell_progress(mf);
		if (atomic_read(&mf->loads) >= OPEN_MAX) {
			queue_delayed_work(smemv_wq, &mf->populate, 1);
			return;
		}
		if (!find_run(mf, &end))
			return end_pass(mf, true);
		if (!populate_charged(mf, end))
			return end_pass(mf, false);
		cond_resched();
	}
	look_at_stop(mf);
}

void smemv_memfile_populate(struct smemv_memfile *mf)
{
	spin_lock(&mf->lock);
	if (mf->inode && mf->space && !mf->populating) {
		WRITE_ONCE(mf->populate_anew, true);
		WRITE_ONCE(mf->populating, true);
		mf->populate_all = most_to_bring(mf);
		mf->populate_told = jiffies;
		atomic_long_set(&mf->populate_brought, 0);
		WRITE_ONCE(mf->populate_asked, true);
		mod_delayed_work(smemv_wq, &mf->populate, 0);
	}
	spin_unlock(&mf->lock);
}

void smemv_populate_init(struct smemv_memfile *mf)
{
	INIT_DELAYED_WORK(&mf->populate, populate_work);
}

void smemv_memfile_populate_stop(struct smemv_memfile *mf)
{
	spin_lock(&mf->lock);
	WRITE_ONCE(mf->populating, false);
	if (mf->inode && mf->populate_asked)
		mod_delayed_work(smemv_wq, &mf->populate, 0);
	spin_unlock(&mf->lock);
}

void smemv_populate_stop(struct smemv_memfile *mf)
{
	WRITE_ONCE(mf->populating, false);
	cancel_delayed_work_sync(&mf->populate);
}

void smemv_populate_hold(struct smemv_memfile *mf)
{
	WRITE_ONCE(mf->populate_held, true);
	cancel_delayed_work_sync(&mf->populate);
}

void smemv_populate_resume(struct smemv_memfile *mf, bool anew)
{
	spin_lock(&mf->lock);
	WRITE_ONCE(mf->populate_held, false);
	if (anew)
		WRITE_ONCE(mf->populate_anew, true);
	if (mf->inode && (mf->populating || mf->populate_asked))
		queue_delayed_work(smemv_wq, &mf->populate, 0);
	spin_unlock(&mf->lock);
}
