// SPDX-License-Identifier: GPL-2.0-only
/* kernel/core/ahead.c: streams are followed, what has no trend is left alone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/ahead.h"

#define PAGES	100000u

static bool fetched[PAGES];
static struct smemv_ahead ahead;
static u64 requests, fetches, hits;

static int reset(void **state)
{
	(void)state;
	memset(fetched, 0, sizeof(fetched));
	memset(&ahead, 0, sizeof(ahead));
	requests = fetches = hits = 0;
	return 0;
}

/* As the module does it: what was fetched is a hit, and gone when it was used. */
static void touch(u64 index)
{
	struct smemv_ahead_plan plan;
	bool hit = fetched[index];
	u32 i;

	fetched[index] = false;
	hits += hit;
	requests += !hit;
	plan = smemv_ahead_fault(&ahead, index, hit);
	assert_true(plan.nr <= SMEMV_AHEAD_MAX);
	for (i = 0; i < plan.nr; i++) {
		u64 page = plan.first + i * plan.step;

		assert_true(page != index);
		if (page >= PAGES)
			continue;
		fetches += !fetched[page];
		fetched[page] = true;
	}
}

static u64 random_u64(void)
{
	static u64 x = 0x9e3779b97f4a7c15;	/* xorshift64: the same in each run */

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x >> 16;
}

static void a_sequence_is_fetched_ahead(void **state)
{
	u64 i;

	(void)state;
	for (i = 0; i < 10000; i++)
		touch(i);
	assert_true(requests < 20);
	assert_true(fetches - hits <= 2 * SMEMV_AHEAD_MAX);
}

/* So that the link is busy while the answer to the next request is awaited. */
static void a_whole_window_is_under_way(void **state)
{
	u64 i, n;

	(void)state;
	for (i = 0; i < 2000; i++) {
		touch(i);
		for (n = 1; i > 200 && n <= SMEMV_AHEAD_MAX; n++)
			assert_true(fetched[i + n]);
	}
}

static void a_falling_sequence_too(void **state)
{
	u64 i;

	(void)state;
	for (i = 10000; i; i--)
		touch(i);
	assert_true(requests < 20);
}

static void and_one_with_strides(void **state)
{
	u64 i;

	(void)state;
	for (i = 0; i < 5000; i++)
		touch(i * 7);
	assert_true(requests < 20);
	assert_true(fetches - hits <= 2 * SMEMV_AHEAD_MAX);
}

static void streams_side_by_side_do_not_disturb_each_other(void **state)
{
	u64 i, n;

	(void)state;
	for (i = 0; i < 2000; i++)
		for (n = 0; n < 4; n++)
			touch(n * 20000 + i);
	assert_true(requests < 80);
}

static void a_detour_does_not_end_a_trend(void **state)
{
	u64 i;

	(void)state;
	for (i = 0; i < 10000; i++) {
		touch(i);
		if (i % 5 == 0)
			touch(50000 + random_u64() % 50000);
	}
	assert_true(requests < 10000 / 5 + 500);
}

static void nothing_on_random_access(void **state)
{
	u64 i;

	(void)state;
	for (i = 0; i < 100000; i++)
		touch(random_u64() % PAGES);
	assert_true(fetches < 100000 / 100);
}

static void nothing_on_random_access_in_a_small_range(void **state)
{
	u64 i;

	(void)state;
	for (i = 0; i < 100000; i++)
		touch(random_u64() % 256);
	assert_true(fetches < 100000 / 50);
}

static void waste_makes_the_window_small(void **state)
{
	u64 i;

	(void)state;
	for (i = 0; i < 1000; i++)
		touch(i);
	for (i = 0; i < 5; i++)
		smemv_ahead_wasted(&ahead, 1000);
	fetches = 0;
	touch(5000);
	touch(1000);
	assert_true(fetches <= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_sequence_is_fetched_ahead, reset),
		cmocka_unit_test_setup(a_whole_window_is_under_way, reset),
		cmocka_unit_test_setup(a_falling_sequence_too, reset),
		cmocka_unit_test_setup(and_one_with_strides, reset),
		cmocka_unit_test_setup(streams_side_by_side_do_not_disturb_each_other, reset),
		cmocka_unit_test_setup(a_detour_does_not_end_a_trend, reset),
		cmocka_unit_test_setup(nothing_on_random_access, reset),
		cmocka_unit_test_setup(nothing_on_random_access_in_a_small_range, reset),
		cmocka_unit_test_setup(waste_makes_the_window_small, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
