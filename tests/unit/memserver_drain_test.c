// SPDX-License-Identifier: GPL-2.0-only
/* memserver/drain.c against a plain array: what was invalidated is never admitted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "memserver/drain.h"

#define PAGES	(1u << 20)

static const u8 token[SMEMV_WIRE_TOKEN_SIZE] = "a token";
static u8 forgotten[PAGES];

static u32 random_below(u32 n)
{
	static u64 x = 0x9e3779b97f4a7c15;	/* xorshift64: the same in each run */

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (u32)(x >> 32) % n;
}

static void remember(struct drain *d, u32 first, u32 count)
{
	count = (u32)min_u64(count, PAGES - first);
	drain_remember(d, first, count);
	memset(forgotten + first, 1, count);
}

static void compare(struct drain *d)
{
	u32 i;

	for (i = 0; i < PAGES; i++)
		assert_int_equal(drain_admits(d, 7, i), forgotten[i] ? SMEMV_ST_HELD : SMEMV_ST_OK);
}

static void ranges_of_all_sizes_are_remembered(void **state)
{
	struct drain d;
	u32 i;

	(void)state;
	drain_init(&d);
	assert_int_equal(drain_open(&d, 7, 1, token), SMEMV_ST_OK);
	for (i = 0; i < 3000; i++)
		remember(&d, random_below(PAGES), 1 + random_below(3));
	compare(&d);
	for (i = 0; i < 40; i++) {
		/* with ends at the borders of runs, and not */
		u32 first = random_below(PAGES / 64) * (i % 2 ? 64 : 61);

		remember(&d, first, 1 + random_below(i % 3 ? 2000 : 70000));
		remember(&d, first / 512 * 512, 512 * (1 + random_below(100)));
	}
	compare(&d);
	remember(&d, 0, PAGES);
	compare(&d);
	drain_destroy(&d);
	memset(forgotten, 0, sizeof(forgotten));
}

static void neighbouring_spans_become_one(void **state)
{
	struct drain d;
	u64 i;

	(void)state;
	drain_init(&d);
	assert_int_equal(drain_open(&d, 7, 1, token), SMEMV_ST_OK);
	for (i = 0; i < 100000; i++)
		drain_remember(&d, i << 16, 1 << 16);
	assert_int_equal(drain_admits(&d, 7, 99999ull << 16), SMEMV_ST_HELD);
	assert_int_equal(drain_admits(&d, 7, 100000ull << 16), SMEMV_ST_OK);
	drain_destroy(&d);
}

/* Its memory is bounded; without room it admits nothing any more, and gives all back. */
static void a_full_drain_ends(void **state)
{
	struct drain d, other;
	u64 i;

	(void)state;
	drain_init(&d);
	drain_init(&other);
	assert_int_equal(drain_open(&other, 1, 1, token), SMEMV_ST_OK);
	assert_int_equal(drain_open(&d, 7, 1, token), SMEMV_ST_OK);
	for (i = 0; atomic_load(&d.number) && i < 10000000; i++)
		drain_remember(&d, i << 12, 1);
	assert_in_range(i, 300000, 1000000);
	assert_int_equal(drain_admits(&d, 7, 5), SMEMV_ST_NO_DRAIN);
	assert_false(drain_is(&d, 7, 1, token));
	assert_int_equal(drain_open(&d, 7, 1, token), SMEMV_ST_NO_DRAIN);
	assert_int_equal(drain_open(&d, 8, 1, token), SMEMV_ST_OK);
	for (i = 0; i < 200000; i++)
		drain_remember(&d, i << 12, 1);
	assert_true(drain_is(&d, 8, 1, token));
	assert_true(drain_is(&other, 1, 1, token));
	drain_destroy(&d);
	drain_destroy(&other);
}

static void numbers_rise_within_an_epoch(void **state)
{
	static const u8 another[SMEMV_WIRE_TOKEN_SIZE] = "another";
	struct drain d;

	(void)state;
	drain_init(&d);
	assert_false(drain_is(&d, 0, 0, token));
	assert_int_equal(drain_open(&d, 5, 1, token), SMEMV_ST_OK);
	drain_remember(&d, 3, 1);
	assert_int_equal(drain_open(&d, 5, 1, token), SMEMV_ST_OK);
	assert_int_equal(drain_admits(&d, 5, 3), SMEMV_ST_HELD);
	assert_int_equal(drain_open(&d, 5, 1, another), SMEMV_ST_NO_DRAIN);
	assert_int_equal(drain_open(&d, 4, 1, token), SMEMV_ST_NO_DRAIN);
	drain_close(&d, 4, 1);
	assert_true(drain_is(&d, 5, 1, token));
	assert_int_equal(drain_open(&d, 6, 1, another), SMEMV_ST_OK);
	assert_int_equal(drain_admits(&d, 6, 3), SMEMV_ST_OK);
	assert_int_equal(drain_admits(&d, 5, 3), SMEMV_ST_NO_DRAIN);
	drain_close(&d, 9, 1);
	assert_false(drain_is(&d, 6, 1, another));
	assert_int_equal(drain_open(&d, 9, 1, token), SMEMV_ST_NO_DRAIN);
	/* the next owner counts anew */
	assert_int_equal(drain_open(&d, 1, 2, token), SMEMV_ST_OK);
	drain_close(&d, 0, 3);
	assert_false(drain_is(&d, 1, 2, token));
	drain_destroy(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_of_all_sizes_are_remembered),
		cmocka_unit_test(neighbouring_spans_become_one),
		cmocka_unit_test(a_full_drain_ends),
		cmocka_unit_test(numbers_rise_within_an_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
