// SPDX-License-Identifier: GPL-2.0-only
#include "ahead.h"

#define NEAR		512u	/* pages: what is further off is another stream */
#define WINDOW_FIRST	2u
#define STEPS_MIN	4u	/* fewer prove no trend */

static u64 distance(u64 a, u64 b)
{
	return a > b ? a - b : b - a;
}

static struct smemv_ahead_stream *nearest(struct smemv_ahead *ahead, u64 index)
{
	struct smemv_ahead_stream *best = NULL;
	u32 i;

	for (i = 0; i < SMEMV_AHEAD_STREAMS; i++) {
		struct smemv_ahead_stream *s = &ahead->stream[i];

		if (!s->used || distance(s->last, index) > NEAR)
			continue;
		if (!best || distance(s->last, index) < distance(best->last, index))
			best = s;
	}
	return best;
}

/* Takes the place of the one that was not used for longest. */
static void begin_stream(struct smemv_ahead *ahead, u64 index)
{
	struct smemv_ahead_stream *oldest = &ahead->stream[0];
	u32 i;

	for (i = 1; i < SMEMV_AHEAD_STREAMS; i++)
		if (ahead->stream[i].used < oldest->used)
			oldest = &ahead->stream[i];
	memset(oldest, 0, sizeof(*oldest));
	oldest->last = index;
	oldest->used = ahead->now;
}

static u64 step_back(const struct smemv_ahead_stream *s, u32 i)
{
	return s->step[(s->pos + SMEMV_AHEAD_STEPS - 1 - i) % SMEMV_AHEAD_STEPS];
}

/* Boyer and Moore's vote among the latest steps, 0 when none has the majority. */
static u64 majority(const struct smemv_ahead_stream *s, u32 nr)
{
	u64 candidate = 0;
	u32 i, votes = 0;

	for (i = 0; i < nr; i++) {
		if (!votes)
			candidate = step_back(s, i);
		if (step_back(s, i) == candidate)
			votes++;
		else
			votes--;
	}
	for (votes = 0, i = 0; i < nr; i++)
		votes += step_back(s, i) == candidate;
	return votes > nr / 2 ? candidate : 0;
}

static u64 find_trend(const struct smemv_ahead_stream *s)
{
	u32 nr;

	for (nr = STEPS_MIN; nr <= s->nr; nr *= 2) {
		u64 trend = majority(s, nr);

		if (trend)
			return trend;
	}
	return 0;
}

static void note_step(struct smemv_ahead_stream *s, u64 step)
{
	s->step[s->pos] = step;
	s->pos = (s->pos + 1) % SMEMV_AHEAD_STEPS;
	if (s->nr < SMEMV_AHEAD_STEPS)
		s->nr++;
}

/* Steps of the trend from the page to the last that was fetched ahead. */
static u64 still_ahead(const struct smemv_ahead_stream *s, u64 index)
{
	bool down = s->trend >> 63;
	u64 stride = down ? -s->trend : s->trend;
	u64 gap = down ? index - s->reach : s->reach - index;

	/* Behind it, or far off: what was fetched was for somewhere else. */
	return gap >> 63 || gap / stride > 2 * SMEMV_AHEAD_MAX ? 0 : gap / stride;
}

static struct smemv_ahead_plan plan(struct smemv_ahead_stream *s, u64 index)
{
	struct smemv_ahead_plan plan = { .step = s->trend };
	u64 left = still_ahead(s, index);

	/* While these come the next ones are asked for: a whole window is always under way. */
	if (left >= s->window)
		return plan;
	plan.first = (left ? s->reach : index) + s->trend;
	plan.nr = s->window;
	s->reach = plan.first + (plan.nr - 1) * s->trend;
	return plan;
}

struct smemv_ahead_plan smemv_ahead_fault(struct smemv_ahead *ahead, u64 index,
					  bool hit)
{
	struct smemv_ahead_plan none = { .nr = 0 };
	struct smemv_ahead_stream *s = nearest(ahead, index);
	u64 trend;

	ahead->now++;
	if (!s) {
		begin_stream(ahead, index);
		return none;
	}
	s->used = ahead->now;
	if (index == s->last)
		return none;
	note_step(s, index - s->last);
	s->last = index;
	trend = find_trend(s);
	if (!trend) {
		s->window /= 2;
		return none;
	}
	if (trend != s->trend) {
		s->trend = trend;
		s->reach = index;
	}
	if (hit)
		s->window *= 2;
	if (s->window < WINDOW_FIRST)
		s->window = WINDOW_FIRST;
	if (s->window > SMEMV_AHEAD_MAX)
		s->window = SMEMV_AHEAD_MAX;
	return plan(s, index);
}

void smemv_ahead_wasted(struct smemv_ahead *ahead, u64 index)
{
	struct smemv_ahead_stream *s = nearest(ahead, index);

	if (s)
		s->window /= 2;
}
