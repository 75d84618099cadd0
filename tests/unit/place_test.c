// SPDX-License-Identifier: GPL-2.0-only
/* kernel/core/place.c: only servers with room, the roomier of two, all of them reached. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/place.h"

#define MAX	64u

static u32 random_u32(void)
{
	static u64 x = 0x9e3779b97f4a7c15;	/* xorshift64: the same in each run */

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (u32)(x >> 16);
}

static u32 place(const u64 *room, u32 n)
{
	u32 random[2] = { random_u32(), random_u32() };

	return smemv_place(room, n, random);
}

static void none_when_there_are_no_servers(void **state)
{
	u64 room = 5;

	(void)state;
	assert_int_equal(place(&room, 0), SMEMV_PLACE_NONE);
}

static void none_when_all_are_full(void **state)
{
	u64 room[MAX] = { 0 };

	(void)state;
	assert_int_equal(place(room, 1), SMEMV_PLACE_NONE);
	assert_int_equal(place(room, MAX), SMEMV_PLACE_NONE);
}

static void the_only_one_with_room(void **state)
{
	u64 room[MAX] = { 0 };
	u32 i, try;

	(void)state;
	for (i = 0; i < MAX; i++) {
		room[i] = 1;
		for (try = 0; try < 10; try++)
			assert_int_equal(place(room, MAX), i);
		room[i] = 0;
	}
}

/* With two, both are always looked at: it is the choice between them that counts. */
static void of_two_the_one_with_more_room(void **state)
{
	u64 room[4] = { 0, 10, 0, 11 };
	u32 try;

	(void)state;
	for (try = 0; try < 1000; try++)
		assert_int_equal(place(room, 4), 3);
	room[1] = ~0ull;
	for (try = 0; try < 1000; try++)
		assert_int_equal(place(room, 4), 1);
}

static void never_a_full_one(void **state)
{
	u64 room[MAX];
	u32 i, try, at;

	(void)state;
	for (try = 0; try < 20000; try++) {
		u32 n = 1 + random_u32() % MAX;

		for (i = 0; i < n; i++)
			room[i] = random_u32() % 3 ? 0 : random_u32();
		at = place(room, n);
		if (at != SMEMV_PLACE_NONE)
			assert_true(at < n && room[at]);
	}
}

/* The two that are compared are different, so the least roomy one is never chosen. */
static void never_the_worst(void **state)
{
	u64 room[5] = { 50, 40, 10, 40, 50 };
	u32 try;

	(void)state;
	for (try = 0; try < 5000; try++)
		assert_int_not_equal(place(room, 5), 2);
}

static void equal_servers_share_evenly(void **state)
{
	u64 room[8] = { 7, 7, 7, 7, 7, 7, 7, 7 };
	u32 times[8] = { 0 }, i;

	(void)state;
	for (i = 0; i < 80000; i++)
		times[place(room, 8)]++;
	for (i = 0; i < 8; i++)
		assert_in_range(times[i], 9000, 11000);
}

/* What it is for: servers that are filled by it end up about equally full. */
static void filling_keeps_servers_level(void **state)
{
	u64 room[16], least = ~0ull, most = 0;
	u32 i;

	(void)state;
	for (i = 0; i < 16; i++)
		room[i] = 10000;
	for (i = 0; i < 16 * 5000; i++)
		room[place(room, 16)]--;
	for (i = 0; i < 16; i++) {
		least = room[i] < least ? room[i] : least;
		most = room[i] > most ? room[i] : most;
	}
	assert_true(most - least < 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_when_there_are_no_servers),
		cmocka_unit_test(none_when_all_are_full),
		cmocka_unit_test(the_only_one_with_room),
		cmocka_unit_test(of_two_the_one_with_more_room),
		cmocka_unit_test(never_a_full_one),
		cmocka_unit_test(never_the_worst),
		cmocka_unit_test(equal_servers_share_evenly),
		cmocka_unit_test(filling_keeps_servers_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
