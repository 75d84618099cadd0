// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spaces.h"

static void *sweeper_main(void *arg);

int spaces_init(struct spaces *s, struct store *st, struct store_thread *sweeper_thread)
{
	memset(s, 0, sizeof(*s));
	s->store = st;
	s->sweeper_thread = sweeper_thread;
	s->sweeps_tail = &s->sweeps;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->sweep_lock, NULL);
	pthread_cond_init(&s->sweep_cond, NULL);
	return -pthread_create(&s->sweeper, NULL, sweeper_main, s);
}

static void end_sweep(struct sweep *sw)
{
	struct space *sp = sw->space;

	sw->space = NULL;
	space_put(sp);
	sw->done(sw);
}

void spaces_stop(struct spaces *s)
{
	struct sweep *sw;

	pthread_mutex_lock(&s->sweep_lock);
	s->sweep_stop = true;
	pthread_cond_signal(&s->sweep_cond);
	pthread_mutex_unlock(&s->sweep_lock);
	pthread_join(s->sweeper, NULL);
	while ((sw = s->sweeps)) {
		s->sweeps = sw->next;
		end_sweep(sw);
	}
}

void spaces_free(struct spaces *s)
{
	while (s->count)
		space_put(s->sorted[--s->count]);
	free(s->sorted);
}

/* Called with s->lock. Where the UUID is, or would be put. */
static u32 position_of(const struct spaces *s, const u8 uuid[16], bool *found)
{
	u32 low = 0, high = s->count;

	*found = false;
	while (low < high) {
		u32 middle = low + (high - low) / 2;
		int cmp = memcmp(s->sorted[middle]->uuid, uuid, 16);

		if (!cmp) {
			*found = true;
			return middle;
		}
		if (cmp < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert_locked(struct spaces *s, u32 at, struct space *sp)
{
	if (s->count == s->room) {
		u32 room = s->room ? s->room * 2 : 64;
		struct space **sorted = realloc(s->sorted, room * sizeof(*sorted));

		if (!sorted)
			return -ENOMEM;
		s->sorted = sorted;
		s->room = room;
	}
	memmove(&s->sorted[at + 1], &s->sorted[at], (s->count - at) * sizeof(*s->sorted));
	s->sorted[at] = sp;
	s->count++;
	return 0;
}

static void remove_locked(struct spaces *s, u32 at)
{
	s->count--;
	memmove(&s->sorted[at], &s->sorted[at + 1], (s->count - at) * sizeof(*s->sorted));
}

static enum smemv_wire_status create_locked(struct spaces *s, u32 at,
					    const struct space_open *req)
{
	struct space *sp;

	if (!req->create)
		return SMEMV_ST_NO_SUCH_SPACE;
	if (atomic_load(&s->store->stopping))
		return SMEMV_ST_STOPPING;
	if (s->count >= SPACES_MAX)
		return SMEMV_ST_NO_SPACE;
	sp = space_new(req->uuid, req->size_pages, req->epoch);
	if (!sp)
		return SMEMV_ST_NO_SPACE;
	if (insert_locked(s, at, sp)) {
		space_put(sp);
		return SMEMV_ST_NO_SPACE;
	}
	return SMEMV_ST_OK;
}

static u64 pages_of(struct space *sp)
{
	int64_t pages = atomic_load_explicit(&sp->pages, memory_order_relaxed);

	return pages < 0 ? 0 : (u64)pages;
}

u64 spaces_pages(struct spaces *s)
{
	u64 pages = 0;
	u32 i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < s->count; i++)
		pages += pages_of(s->sorted[i]);
	pthread_mutex_unlock(&s->lock);
	return pages;
}

/*
 * Called with s->lock. The epoch first: who finds that an older one is not claimed any more finds it stale, too
 * (handle_find_active()). Handles of the new one are made under the lock.
 */
static void enter_epoch(struct space *sp, u64 epoch, bool active)
{
	atomic_store(&sp->epoch, epoch);
	atomic_store(&sp->claimed, active ? 0 : epoch);
	if (active)
		sp->last_active = epoch;
	/* What it remembers is of no use to the new owner. */
	drain_close(&sp->drain, 0, epoch);
}

static enum smemv_wire_status open_locked(struct spaces *s, const struct space_open *req,
					  struct space_opened *res)
{
	enum smemv_wire_status status;
	struct space *sp;
	bool found;
	u32 at = position_of(s, req->uuid, &found);

	if (!found) {
		status = create_locked(s, at, req);
		if (status)
			return status;
		res->created = true;
	}
	sp = s->sorted[at];
	res->size_pages = sp->size_pages;
	res->epoch = atomic_load(&sp->epoch);
	res->pages = pages_of(sp);
	if (req->epoch < res->epoch)
		return SMEMV_ST_STALE_EPOCH;
	if (req->size_pages != sp->size_pages)
		return SMEMV_ST_SIZE;
	if (res->created || req->epoch > res->epoch)
		enter_epoch(sp, req->epoch, !req->claimed);
	res->epoch = req->epoch;
	res->is_claim = atomic_load(&sp->claimed) != 0;
	res->space = sp;
	sp->handles++;
	space_get(sp);
	return SMEMV_ST_OK;
}

enum smemv_wire_status spaces_open(struct spaces *s, const struct space_open *req,
				   struct space_opened *res)
{
	enum smemv_wire_status status;

	memset(res, 0, sizeof(*res));
	pthread_mutex_lock(&s->lock);
	status = open_locked(s, req, res);
	pthread_mutex_unlock(&s->lock);
	return status;
}

struct space *spaces_get(struct spaces *s, const u8 uuid[16])
{
	struct space *sp = NULL;
	bool found;
	u32 at;

	pthread_mutex_lock(&s->lock);
	at = position_of(s, uuid, &found);
	if (found) {
		sp = s->sorted[at];
		space_get(sp);
	}
	pthread_mutex_unlock(&s->lock);
	return sp;
}

/* Its answer was lost, and it asks again. */
static bool is_same_claim(const struct space *sp, const struct space_claim *req)
{
	u64 epoch = atomic_load(&sp->epoch);

	return atomic_load(&sp->claimed) == epoch && epoch == req->epoch + 1 &&
	       sp->claim_of == req->epoch && !memcmp(sp->claimant, req->claimant, 16);
}

/* Rule 6: compare and set. Called with s->lock. */
static enum smemv_wire_status may_claim(const struct space *sp, const struct space_claim *req)
{
	bool active = !atomic_load(&sp->claimed);

	if (atomic_load(&sp->epoch) != req->epoch)
		return SMEMV_ST_STALE_EPOCH;
	if (!req->take_back)
		return active ? SMEMV_ST_OK : SMEMV_ST_NOT_ACTIVE;
	if (active)
		return SMEMV_ST_ACTIVE;
	return req->own == sp->last_active ? SMEMV_ST_OK : SMEMV_ST_STALE_EPOCH;
}

static enum smemv_wire_status claim_locked(struct space *sp, const struct space_claim *req)
{
	enum smemv_wire_status status;

	if (is_same_claim(sp, req))
		return SMEMV_ST_OK;
	status = may_claim(sp, req);
	if (status)
		return status;
	memcpy(sp->claimant, req->claimant, sizeof(sp->claimant));
	sp->claim_of = req->epoch;
	enter_epoch(sp, req->epoch + 1, false);
	return SMEMV_ST_OK;
}

static struct space_claimed ownership_of(const struct space *sp)
{
	return (struct space_claimed){
		.epoch = atomic_load(&sp->epoch),
		.active = !atomic_load(&sp->claimed),
	};
}

enum smemv_wire_status spaces_claim(struct spaces *s, const struct space_claim *req,
				    struct space_claimed *res)
{
	enum smemv_wire_status status = SMEMV_ST_NO_SUCH_SPACE;
	bool found;
	u32 at;

	pthread_mutex_lock(&s->lock);
	at = position_of(s, req->uuid, &found);
	if (found) {
		status = claim_locked(s->sorted[at], req);
		*res = ownership_of(s->sorted[at]);
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

static enum smemv_wire_status activate_locked(struct space *sp, u64 epoch)
{
	u64 now = atomic_load(&sp->epoch);

	if (now != epoch)
		return now > epoch ? SMEMV_ST_STALE_EPOCH : SMEMV_ST_NOT_ACTIVE;
	sp->last_active = epoch;
	atomic_store(&sp->claimed, 0);
	return SMEMV_ST_OK;
}

enum smemv_wire_status spaces_activate(struct spaces *s, const u8 uuid[16], u64 epoch,
				       struct space_claimed *res)
{
	enum smemv_wire_status status = SMEMV_ST_NO_SUCH_SPACE;
	bool found;
	u32 at;

	pthread_mutex_lock(&s->lock);
	at = position_of(s, uuid, &found);
	if (found) {
		status = activate_locked(s->sorted[at], epoch);
		*res = ownership_of(s->sorted[at]);
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

void spaces_close(struct spaces *s, struct space *sp)
{
	pthread_mutex_lock(&s->lock);
	if (!--sp->handles)
		sp->idle_since_ms = now_ms();
	pthread_mutex_unlock(&s->lock);
	space_put(sp);
}

/* With the lock. Handles may keep it for a while, but not what its drain remembers. */
static void end_locked(struct spaces *s, u32 at)
{
	struct space *sp = s->sorted[at];

	remove_locked(s, at);
	atomic_store(&sp->dead, true);
	drain_close(&sp->drain, UINT64_MAX, atomic_load(&sp->epoch));
}

enum smemv_wire_status spaces_drop(struct spaces *s, const u8 uuid[16], const u64 *epoch,
				   bool unowned_only, struct space **dropped)
{
	enum smemv_wire_status status = SMEMV_ST_NO_SUCH_SPACE;
	struct space *sp;
	bool found;
	u32 at;

	pthread_mutex_lock(&s->lock);
	at = position_of(s, uuid, &found);
	if (!found)
		goto out;
	sp = s->sorted[at];
	status = SMEMV_ST_STALE_EPOCH;
	if (epoch && *epoch != atomic_load(&sp->epoch))
		goto out;
	status = SMEMV_ST_BUSY;
	if (unowned_only && sp->handles)
		goto out;
	status = SMEMV_ST_OK;
	end_locked(s, at);
	*dropped = sp;
out:
	pthread_mutex_unlock(&s->lock);
	return status;
}

u32 spaces_list(struct spaces *s, const u8 after[16], struct space_info *info, u32 max,
		bool *more)
{
	u32 n = 0, at;
	bool found;
	u64 now;

	pthread_mutex_lock(&s->lock);
	now = now_ms();
	at = position_of(s, after, &found);
	if (found)
		at++;
	for (; at < s->count && n < max; at++, n++) {
		struct space *sp = s->sorted[at];

		memcpy(info[n].uuid, sp->uuid, 16);
		info[n].size_pages = sp->size_pages;
		info[n].epoch = atomic_load(&sp->epoch);
		info[n].pages = pages_of(sp);
		info[n].owned = sp->handles != 0;
		info[n].claimed = atomic_load(&sp->claimed) != 0;
		info[n].idle_s = sp->handles ? 0 : (u32)((now - sp->idle_since_ms) / 1000);
	}
	*more = at < s->count;
	pthread_mutex_unlock(&s->lock);
	return n;
}

u32 spaces_count(struct spaces *s)
{
	u32 count;

	pthread_mutex_lock(&s->lock);
	count = s->count;
	pthread_mutex_unlock(&s->lock);
	return count;
}

struct space *spaces_take_orphan(struct spaces *s, u64 timeout_ms, u64 *idle_ms)
{
	struct space *orphan = NULL;
	u64 now;
	u32 at;

	pthread_mutex_lock(&s->lock);
	/* Not before: one whose owner leaves meanwhile would be idle since later than now. */
	now = now_ms();
	for (at = 0; at < s->count; at++) {
		struct space *sp = s->sorted[at];

		if (sp->handles || now - sp->idle_since_ms < timeout_ms)
			continue;
		orphan = sp;
		*idle_ms = now - sp->idle_since_ms;
		end_locked(s, at);
		break;
	}
	pthread_mutex_unlock(&s->lock);
	return orphan;
}

static void queue_sweep(struct spaces *s, struct sweep *sw)
{
	sw->next = NULL;
	pthread_mutex_lock(&s->sweep_lock);
	*s->sweeps_tail = sw;
	s->sweeps_tail = &sw->next;
	pthread_cond_signal(&s->sweep_cond);
	pthread_mutex_unlock(&s->sweep_lock);
}

void spaces_sweep(struct spaces *s, struct sweep *sw)
{
	sw->cursor = 0;
	sw->pages = pages_of(sw->space);
	queue_sweep(s, sw);
}

static struct sweep *next_sweep(struct spaces *s)
{
	struct sweep *sw = NULL;

	pthread_mutex_lock(&s->sweep_lock);
	while (!s->sweeps && !s->sweep_stop)
		pthread_cond_wait(&s->sweep_cond, &s->sweep_lock);
	if (!s->sweep_stop) {
		sw = s->sweeps;
		s->sweeps = sw->next;
		if (!s->sweeps)
			s->sweeps_tail = &s->sweeps;
	}
	pthread_mutex_unlock(&s->sweep_lock);
	return sw;
}

/* By turns: somebody waits for the answer to the drop of a small space, however big those before it are. */
static void *sweeper_main(void *arg)
{
	struct spaces *s = arg;
	struct sweep *sw;

	pthread_setname_np(pthread_self(), "sweeper");
	while ((sw = next_sweep(s))) {
		struct space *sp = sw->space;

		space_forget(s->store, s->sweeper_thread, sp, &sw->cursor, sp->size_pages);
		if (sw->cursor < sp->size_pages) {
			queue_sweep(s, sw);
			continue;
		}
		space_free_nodes(s->store, s->sweeper_thread, sp);
		slab_cache_drain(&s->store->slab, &s->sweeper_thread->cache);
		end_sweep(sw);
	}
	return NULL;
}
