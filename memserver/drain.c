// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "drain.h"
#include "log.h"

#define RUN_PAGES	SMEMV_WIRE_RUN_PAGES
#define RUNS_FIRST	256u		/* a power of two */
#define SPANS_MAX	256u
/* Longer ranges are kept as such: a bitmap for each run would be too many. */
#define SPAN_RUNS	64u

/* Invalidated pages of one run. */
struct forgotten_run {
	u64 key;		/* run + 1, 0: free */
	u64 bits[RUN_PAGES / 64];
};

/* Whole runs, first to end - 1. */
struct forgotten_span {
	u64 first, end;
};

static _Atomic u64 memory_used;

static void *take_memory(u64 bytes)
{
	void *p = NULL;

	if (atomic_fetch_add(&memory_used, bytes) + bytes <= DRAIN_MEMORY_MAX)
		p = calloc(1, bytes);
	if (!p)
		atomic_fetch_sub(&memory_used, bytes);
	return p;
}

static void return_memory(void *p, u64 bytes)
{
	if (!p)
		return;
	free(p);
	atomic_fetch_sub(&memory_used, bytes);
}

void drain_init(struct drain *d)
{
	memset(d, 0, sizeof(*d));
	pthread_mutex_init(&d->lock, NULL);
}

static void close_locked(struct drain *d)
{
	atomic_store(&d->number, 0);
	return_memory(d->run, d->runs_room * sizeof(*d->run));
	return_memory(d->span, SPANS_MAX * sizeof(*d->span));
	d->run = NULL;
	d->span = NULL;
	d->runs = 0;
	d->runs_room = 0;
	d->spans = 0;
}

void drain_destroy(struct drain *d)
{
	close_locked(d);
	pthread_mutex_destroy(&d->lock);
}

static enum smemv_wire_status open_locked(struct drain *d, u64 number, const u8 *token)
{
	if (number == atomic_load(&d->number) && !memcmp(token, d->token, sizeof(d->token)))
		return SMEMV_ST_OK;
	if (number <= d->last)
		return SMEMV_ST_NO_DRAIN;
	close_locked(d);
	d->run = take_memory(RUNS_FIRST * sizeof(*d->run));
	d->span = take_memory(SPANS_MAX * sizeof(*d->span));
	d->runs_room = RUNS_FIRST;
	if (!d->run || !d->span) {
		close_locked(d);
		return SMEMV_ST_NO_SPACE;
	}
	memcpy(d->token, token, sizeof(d->token));
	d->last = number;
	atomic_store(&d->number, number);
	return SMEMV_ST_OK;
}

/* Called with the lock: numbers count within an epoch. */
static void enter_epoch(struct drain *d, u64 epoch)
{
	if (d->epoch == epoch)
		return;
	close_locked(d);
	d->epoch = epoch;
	d->last = 0;
}

enum smemv_wire_status drain_open(struct drain *d, u64 number, u64 epoch, const u8 *token)
{
	enum smemv_wire_status status;

	pthread_mutex_lock(&d->lock);
	enter_epoch(d, epoch);
	status = open_locked(d, number, token);
	pthread_mutex_unlock(&d->lock);
	return status;
}

void drain_close(struct drain *d, u64 number, u64 epoch)
{
	pthread_mutex_lock(&d->lock);
	enter_epoch(d, epoch);
	if (number >= atomic_load(&d->number))
		close_locked(d);
	if (number > d->last)
		d->last = number;
	pthread_mutex_unlock(&d->lock);
}

bool drain_is(struct drain *d, u64 number, u64 epoch, const u8 *token)
{
	bool is;

	pthread_mutex_lock(&d->lock);
	is = number && atomic_load(&d->number) == number && d->epoch == epoch &&
	     !memcmp(token, d->token, sizeof(d->token));
	pthread_mutex_unlock(&d->lock);
	return is;
}

/* Where the run is in the table, or the free place for it. */
static struct forgotten_run *find_run(struct forgotten_run *table, u32 room, u64 run)
{
	u32 at = (u32)(run * 0x9e3779b97f4a7c15ull >> 32) & (room - 1);

	while (table[at].key && table[at].key != run + 1)
		at = (at + 1) & (room - 1);
	return &table[at];
}

static bool grow(struct drain *d)
{
	u32 room = d->runs_room * 2, i;
	struct forgotten_run *table = take_memory(room * sizeof(*table));

	if (!table)
		return false;
	for (i = 0; i < d->runs_room; i++)
		if (d->run[i].key)
			*find_run(table, room, d->run[i].key - 1) = d->run[i];
	return_memory(d->run, d->runs_room * sizeof(*d->run));
	d->run = table;
	d->runs_room = room;
	return true;
}

static bool remember_in_run(struct drain *d, u64 first, u64 count)
{
	u64 run = first / RUN_PAGES, bit;
	struct forgotten_run *r = find_run(d->run, d->runs_room, run);

	if (!r->key && d->runs >= d->runs_room / 4 * 3) {
		if (!grow(d))
			return false;
		r = find_run(d->run, d->runs_room, run);
	}
	if (!r->key) {
		r->key = run + 1;
		d->runs++;
	}
	for (bit = first % RUN_PAGES; count; bit++, count--)
		r->bits[bit / 64] |= 1ull << bit % 64;
	return true;
}

static bool remember_span(struct drain *d, u64 first, u64 end)
{
	u32 i;

	for (i = 0; i < d->spans; i++) {
		struct forgotten_span *s = &d->span[i];

		if (first > s->end || end < s->first)
			continue;
		s->first = min_u64(s->first, first);
		s->end = s->end > end ? s->end : end;
		return true;
	}
	if (d->spans == SPANS_MAX)
		return false;
	d->span[d->spans++] = (struct forgotten_span){ first, end };
	return true;
}

static bool remember_locked(struct drain *d, u64 first, u64 count)
{
	u64 end = first + count;
	u64 run = (first + RUN_PAGES - 1) / RUN_PAGES, end_run = end / RUN_PAGES;

	if (run + SPAN_RUNS < end_run) {
		if (!remember_span(d, run, end_run))
			return false;
		/* what is left are the ends */
		if (end % RUN_PAGES &&
		    !remember_in_run(d, end_run * RUN_PAGES, end % RUN_PAGES))
			return false;
		end = run * RUN_PAGES;
	}
	while (first < end) {
		u64 stop = min_u64(end, (first / RUN_PAGES + 1) * RUN_PAGES);

		if (!remember_in_run(d, first, stop - first))
			return false;
		first = stop;
	}
	return true;
}

void drain_remember(struct drain *d, u64 first, u64 count)
{
	if (!atomic_load(&d->number))
		return;
	pthread_mutex_lock(&d->lock);
	if (atomic_load(&d->number) && !remember_locked(d, first, count)) {
		log_warn("drain %llu is closed: too many pages were invalidated during it",
			 (unsigned long long)atomic_load(&d->number));
		close_locked(d);
	}
	pthread_mutex_unlock(&d->lock);
}

static bool was_forgotten(const struct drain *d, u64 index)
{
	u64 run = index / RUN_PAGES, bit = index % RUN_PAGES;
	const struct forgotten_run *r = find_run(d->run, d->runs_room, run);
	u32 i;

	if (r->key && (r->bits[bit / 64] >> bit % 64 & 1))
		return true;
	for (i = 0; i < d->spans; i++)
		if (run >= d->span[i].first && run < d->span[i].end)
			return true;
	return false;
}

enum smemv_wire_status drain_admits(struct drain *d, u64 number, u64 index)
{
	enum smemv_wire_status status = SMEMV_ST_OK;

	pthread_mutex_lock(&d->lock);
	if (atomic_load(&d->number) != number)
		status = SMEMV_ST_NO_DRAIN;
	else if (was_forgotten(d, index))
		status = SMEMV_ST_HELD;
	pthread_mutex_unlock(&d->lock);
	return status;
}
