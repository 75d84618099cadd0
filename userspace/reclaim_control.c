// SPDX-License-Identifier: GPL-2.0-only
#include "decode.h"
#include "reclaim_control.h"

void bucket_init(struct bucket *bucket, double per_second, double now_s)
{
	bucket->per_second = per_second;
	bucket->bytes = 0;
	bucket->filled_s = now_s;
}

static double bucket_size(const struct bucket *bucket)
{
	double size = bucket->per_second * BUCKET_S;

	return size > PAGE_BYTES ? size : PAGE_BYTES;
}

uint64_t bucket_take(struct bucket *bucket, uint64_t wanted, double now_s)
{
	uint64_t granted;

	if (bucket->per_second <= 0)
		return wanted;
	bucket->bytes += (now_s - bucket->filled_s) * bucket->per_second;
	bucket->filled_s = now_s;
	if (bucket->bytes > bucket_size(bucket))
		bucket->bytes = bucket_size(bucket);
	if (bucket->bytes < PAGE_BYTES)
		return 0;
	granted = (uint64_t)bucket->bytes / PAGE_BYTES * PAGE_BYTES;
	if (granted > wanted)
		granted = wanted;
	bucket->bytes -= (double)granted;
	return granted;
}

void bucket_give_back(struct bucket *bucket, uint64_t bytes)
{
	bucket->bytes += (double)bytes;
}

void control_init(struct control *control, uint64_t target_bytes)
{
	*control = (struct control) {
		.target_bytes = target_bytes,
		.share = 0.25,
		.rest_s = CONTROL_REST_MIN_S,
	};
}

static uint64_t greater(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t control_refaults(const struct control_look *look, const struct control_swap *swap, uint64_t counted)
{
	uint64_t expected = swap->before + look->swapped_bytes;
	uint64_t back = expected > swap->now ? expected - swap->now : 0;

	return greater(greater(back, look->here_bytes), counted);
}

static bool comes_back(const struct control_look *look)
{
	double free = CONTROL_REFAULTS_FREE * look->seconds;

	/* An eighth of what goes may be wrong: ages are a guess about what comes. */
	if (free < (double)look->out_bytes / 8)
		free = (double)look->out_bytes / 8;
	return (double)look->refault_bytes > free;
}

static uint64_t rest(struct control *control, enum control_state why)
{
	control->state = control->rest_why = why;
	control->rests_s = control->rest_s;
	control->rest_s *= 2;
	if (control->rest_s > CONTROL_REST_MAX_S)
		control->rest_s = CONTROL_REST_MAX_S;
	control->share /= 2;
	if (control->share < CONTROL_SHARE_MIN)
		control->share = CONTROL_SHARE_MIN;
	return 0;
}

static uint64_t shrink(struct control *control, uint64_t excess_bytes)
{
	uint64_t step = (uint64_t)((double)excess_bytes * control->share);
	const uint64_t least = 256 * PAGE_BYTES;

	control->state = CONTROL_SHRINKING;
	if (step < least)
		step = least;
	if (step > excess_bytes)
		step = excess_bytes;
	return (step + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

/* The last step did no harm. */
static void recover(struct control *control, const struct control_look *look)
{
	if (!look->out_bytes)
		return;
	control->share = control->share < 0.5 ? 2 * control->share : 1;
	control->rest_s /= 2;
	if (control->rest_s < CONTROL_REST_MIN_S)
		control->rest_s = CONTROL_REST_MIN_S;
}

/* Why to rest, or CONTROL_SHRINKING. */
static enum control_state judge(const struct control_look *look)
{
	if (look->pressure > CONTROL_PRESSURE_MAX)
		return CONTROL_PRESSURE;
	return comes_back(look) ? CONTROL_REFAULTS : CONTROL_SHRINKING;
}

uint64_t control_step(struct control *control, const struct control_look *look)
{
	bool rested = control->rests_s > 0;
	enum control_state verdict = judge(look);

	control->rests_s -= look->seconds;
	if (look->resident_bytes <= control->target_bytes) {
		control->state = CONTROL_HOLDING;
		return 0;
	}
	if (control->rests_s > 0) {
		control->state = control->rest_why;
		return 0;
	}
	if (verdict != CONTROL_SHRINKING)
		return rest(control, verdict);
	if (!rested)
		recover(control, look);
	return shrink(control, look->resident_bytes - control->target_bytes);
}

void control_found_nothing(struct control *control)
{
	if (control->state == CONTROL_SHRINKING)
		control->state = CONTROL_NOTHING_COLD;
}

const char *control_state_text(enum control_state state)
{
	static const char *const texts[] = {
		[CONTROL_HOLDING] = "holding",
		[CONTROL_SHRINKING] = "shrinking",
		[CONTROL_REFAULTS] = "resting: refaults",
		[CONTROL_PRESSURE] = "resting: pressure",
		[CONTROL_NOTHING_COLD] = "nothing is cold",
	};

	return texts[state];
}
