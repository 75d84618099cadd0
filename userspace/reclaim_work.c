// SPDX-License-Identifier: GPL-2.0-only
#include "decode.h"
#include "reclaim.h"
#include "wait.h"

/* So that a signal is heard and progress is seen. */
#define BATCH_BYTES	(8ull << 20)

/* What of the list is tried next. */
struct position {
	size_t range;
	uint64_t page;	/* in it */
};

struct batch {
	struct smemv_scan_range ranges[RECLAIM_RANGES];
	size_t count;
	uint64_t pages;
};

bool reclaim_pause(struct reclaim *r, double seconds)
{
	r->interrupted |= ends_wait(&r->ends, seconds);
	return r->interrupted;
}

/* Moves @at behind what it takes. */
static void take_batch(const struct range_list *list, struct position *at, uint64_t pages,
		       struct batch *batch)
{
	uint64_t take, left;

	batch->count = 0;
	batch->pages = 0;
	while (batch->pages < pages && batch->count < RECLAIM_RANGES && at->range < list->count) {
		left = list->ranges[at->range].pages - at->page;
		take = left < pages - batch->pages ? left : pages - batch->pages;
		batch->ranges[batch->count++] = (struct smemv_scan_range) {
			list->ranges[at->range].address + at->page * PAGE_BYTES, take,
		};
		batch->pages += take;
		at->page += take;
		if (take == left)
			*at = (struct position) { at->range + 1, 0 };
	}
}

/* Counts what went: pages that are not here any more. */
static int page_out(struct reclaim *r, const struct batch *batch, struct reason *why)
{
	const struct smemv_scan_range *last = &batch->ranges[batch->count - 1];
	uint64_t stayed = 0;
	int err = reclaim_page_out(r, batch->ranges, batch->count, why);

	if (!err)
		err = reclaim_count_here(r, batch->ranges, batch->count, &stayed, why);
	if (err)
		return err;
	r->next = last->address + last->pages * PAGE_BYTES;
	r->out_bytes += (batch->pages - stayed) * PAGE_BYTES;
	r->stayed_bytes += stayed * PAGE_BYTES;
	bucket_give_back(&r->bucket, stayed * PAGE_BYTES);
	return 0;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int reclaim_work(struct reclaim *r, const struct range_list *list, uint64_t limit, double seconds,
		 reclaim_progress_fn progress, uint64_t *left, struct reason *why)
{
	static struct batch batch;
	struct position at = { 0, 0 };
	double until_s = clock_s() + seconds;
	uint64_t granted, out_before;
	int err = 0;

	*left = list->pages * PAGE_BYTES;
	while (!err && limit && *left && clock_s() < until_s) {
		out_before = r->out_bytes;
		granted = bucket_take(&r->bucket, lesser(lesser(limit, *left), BATCH_BYTES), clock_s());
		take_batch(list, &at, granted / PAGE_BYTES, &batch);
		bucket_give_back(&r->bucket, granted - batch.pages * PAGE_BYTES);
		if (batch.pages)
			err = page_out(r, &batch, why);
		limit -= r->out_bytes - out_before;
		*left -= batch.pages * PAGE_BYTES;
		if (progress)
			progress(r, *left);
		if (reclaim_pause(r, batch.pages ? 0 : BUCKET_S / 4))
			break;
	}
	return err;
}
