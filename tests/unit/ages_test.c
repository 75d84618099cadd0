// SPDX-License-Identifier: GPL-2.0-only
/* A scan's history, eight pages at a time, against the same page by page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* After those: */
#include <cmocka.h>

#include "core/ages.h"

#define PAGES	512u
#define ROUNDS	2000

static void ages_count_intervals(void **state)
{
	(void)state;
	assert_int_equal(smemv_age(0xff), 0);
	assert_int_equal(smemv_age(0x80), 0);
	assert_int_equal(smemv_age(0x7f), 1);
	assert_int_equal(smemv_age(0x01), 7);
	assert_int_equal(smemv_age(0), 8);
}

static u8 one_byte(void)
{
	/* Idle pages and pages used all the time are as frequent as all others. */
	switch (random() % 3) {
	case 0:
		return 0;
	case 1:
		return 0xff;
	default:
		return (u8)random();
	}
}

static void shifting_ages_each_page(void **state)
{
	_Alignas(8) u8 bytes[PAGES], before[PAGES];
	u32 i;

	(void)state;
	for (i = 0; i < PAGES; i++)
		bytes[i] = before[i] = (u8)i;
	smemv_ages_shift(bytes, PAGES);
	for (i = 0; i < PAGES; i++)
		assert_int_equal(bytes[i], before[i] >> 1);
}

static bool has(const unsigned long *bitmap, u32 page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

static void merge_one_by_one(u8 *bytes, u32 nr, const unsigned long *accessed,
			     const unsigned long *present, u64 *ages)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (has(accessed, i))
			bytes[i] |= SMEMV_AGE_NEWEST;
		if (has(present, i))
			ages[smemv_age(bytes[i])]++;
	}
}

/* Words of all, none and some pages. */
static void make_bitmaps(unsigned long *accessed, unsigned long *present)
{
	u32 i;

	for (i = 0; i < PAGES / 64; i++) {
		present[i] = random() % 3 ? ~0ul : (unsigned long)(random() * random());
		accessed[i] = random() % 3 ? (unsigned long)(random() * random()) : ~0ul;
		accessed[i] &= random() % 4 ? present[i] : 0;
	}
}

/* Also of pages that do not begin where a word does, and beside which nothing may change. */
static void merging_is_as_page_by_page(void **state)
{
	unsigned long accessed[PAGES / 64], present[PAGES / 64];
	u8 bytes[PAGES], expected[PAGES];
	u64 ages[SMEMV_SCAN_AGES] = {}, expected_ages[SMEMV_SCAN_AGES] = {};
	u32 round, i, from, nr;

	(void)state;
	srandom(1);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < PAGES; i++)
			bytes[i] = expected[i] = one_byte();
		make_bitmaps(accessed, present);
		from = (u32)random() % PAGES;
		nr = 1 + (u32)random() % (PAGES - from);
		smemv_ages_merge(bytes + from, nr, accessed, present, ages);
		merge_one_by_one(expected + from, nr, accessed, present, expected_ages);
		assert_memory_equal(bytes, expected, PAGES);
		assert_memory_equal(ages, expected_ages, sizeof(ages));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ages_count_intervals),
		cmocka_unit_test(shifting_ages_each_page),
		cmocka_unit_test(merging_is_as_page_by_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
