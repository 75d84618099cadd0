// SPDX-License-Identifier: GPL-2.0-only
/* kernel/core/heat.c: the coldest pages go first, and what comes back or is used stays a while. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/heat.h"

#define RUNS	64u
#define NOTES	1024u

static struct smemv_heat heat;
static u32 next[RUNS];
static struct smemv_heat_note notes[NOTES];
static struct smemv_heat_view views[RUNS];
static u64 go[SMEMV_HEAT_WORDS];
static u32 now;

static int reset(void **state)
{
	(void)state;
	memset(next, 0, sizeof(next));
	memset(notes, 0, sizeof(notes));
	memset(views, 0, sizeof(views));
	now = 0;
	smemv_heat_init(&heat, next, RUNS, notes, NOTES);
	return 0;
}

static void put_page(u64 index, u8 history)
{
	struct smemv_heat_view *view = &views[index / SMEMV_HEAT_RUN];

	smemv_heat_set(view->here, index % SMEMV_HEAT_RUN);
	view->history[index % SMEMV_HEAT_RUN] = history;
	smemv_heat_add(&heat, index / SMEMV_HEAT_RUN);
}

static void remove_page(u64 index)
{
	views[index / SMEMV_HEAT_RUN].here[index % SMEMV_HEAT_RUN / 64] &= ~(1ULL << (index % 64));
}

static bool goes(u64 index)
{
	return smemv_heat_test(go, index % SMEMV_HEAT_RUN);
}

/* As the evictor asks: until there is a run of which something goes. Returns how many do. */
static u32 ask(bool forced, u32 *run)
{
	u32 nr, tries = 0;

	while (smemv_heat_take(&heat, forced, run)) {
		nr = smemv_heat_judge(&heat, *run, &views[*run], forced, go);
		if (nr)
			return nr;
		assert_true(++tries <= 16 * RUNS);
	}
	return 0;
}

/* An interval passes in which nothing was accessed. */
static void pass(void)
{
	u32 run, i;

	for (run = 0; run < RUNS; run++)
		for (i = 0; i < SMEMV_HEAT_RUN; i++)
			views[run].history[i] >>= 1;
	smemv_heat_tick(&heat, ++now);
}

static void nothing_goes_where_nothing_is(void **state)
{
	u32 run;

	(void)state;
	assert_int_equal(ask(false, &run), 0);
	assert_int_equal(ask(true, &run), 0);
	smemv_heat_add(&heat, 3);
	assert_int_equal(ask(true, &run), 0);
	assert_int_equal(heat.nr_queued, 0);
}

static void the_coldest_page_goes_first(void **state)
{
	u32 run;

	(void)state;
	put_page(5, 0xc0);
	put_page(1 * 512 + 7, 0x30);
	put_page(2 * 512 + 9, 0x00);
	put_page(2 * 512 + 10, 0xf0);
	put_page(3 * 512 + 1, 0x0c);
	assert_int_equal(ask(false, &run), 1);
	assert_int_equal(run, 2);
	assert_true(goes(9));
	remove_page(2 * 512 + 9);
	assert_int_equal(ask(false, &run), 1);
	assert_int_equal(run, 3);
	remove_page(3 * 512 + 1);
	assert_int_equal(ask(false, &run), 1);
	assert_int_equal(run, 1);
	remove_page(1 * 512 + 7);
	assert_int_equal(ask(false, &run), 0);
}

static void a_page_of_the_newest_interval_goes_only_by_force(void **state)
{
	u32 run;

	(void)state;
	put_page(5, 0x80);
	put_page(6, 0xff);
	assert_int_equal(ask(false, &run), 0);
	assert_int_equal(heat.nr_queued, 1);
	assert_int_equal(ask(true, &run), 1);
	assert_true(goes(5));	/* accessed once: worth less than what always is */
}

static void time_makes_pages_cold(void **state)
{
	u32 run;

	(void)state;
	put_page(5, 0xff);
	put_page(512, 0xff);
	assert_int_equal(ask(false, &run), 0);
	pass();
	pass();
	views[0].history[5] |= 0x80;
	assert_int_equal(ask(false, &run), 1);
	assert_int_equal(run, 1);
	remove_page(512);
	assert_int_equal(ask(false, &run), 0);
	pass();
	assert_int_equal(ask(false, &run), 1);
	assert_int_equal(run, 0);
}

static void a_run_that_became_hot_is_found_so(void **state)
{
	u32 run;

	(void)state;
	put_page(5, 0x18);
	put_page(512, 0x30);
	assert_int_equal(ask(false, &run), 1);
	assert_int_equal(run, 0);
	pass();
	views[0].history[5] |= 0x80;	/* it was left, and is used again */
	assert_int_equal(ask(false, &run), 1);
	assert_int_equal(run, 1);
}

static void what_was_accessed_once_goes_before_what_often_is(void **state)
{
	u32 run;

	(void)state;
	put_page(5, 0x40);
	put_page(512, 0x3c);
	assert_int_equal(ask(false, &run), 1);
	assert_int_equal(run, 0);
}

static void the_measure_of_that_is_learned(void **state)
{
	u32 i, run, before = heat.once;

	(void)state;
	for (i = 0; i < 32; i++) {
		smemv_heat_going(&heat, i, 0x20);
		smemv_heat_came(&heat, i);
	}
	assert_true(heat.once < before);
	put_page(5 * 512, 0x40);
	put_page(6 * 512, 0x18);
	assert_int_equal(ask(false, &run), 1);
	assert_int_equal(run, 6);
	for (i = 0; i < 512; i++) {
		smemv_heat_going(&heat, i, 0x30);
		smemv_heat_came(&heat, i);
	}
	assert_true(heat.once > before);
}

static void what_has_just_come_stays_an_interval(void **state)
{
	u32 run;

	(void)state;
	put_page(5, 0);
	smemv_heat_came(&heat, 5);
	assert_int_equal(ask(false, &run), 0);
	pass();
	assert_int_equal(ask(false, &run), 1);
}

static void what_was_accessed_since_the_newest_interval_stays(void **state)
{
	u32 run;

	(void)state;
	put_page(5, 0);
	put_page(6, 0);
	smemv_heat_set(views[0].young, 5);
	assert_int_equal(ask(false, &run), 1);
	assert_true(goes(6));
	remove_page(6);
	assert_int_equal(ask(false, &run), 0);
	assert_int_equal(ask(true, &run), 1);
	assert_true(goes(5));
}

/* All are young, and some must go: what has just come, and not what is used again and again. */
static void a_stream_does_not_drive_out_what_is_hot(void **state)
{
	u32 run, i, gone = 0;

	(void)state;
	for (i = 0; i < 8 * SMEMV_HEAT_RUN; i++)
		put_page(i, 0xff);
	for (; i < 9 * SMEMV_HEAT_RUN; i++) {
		put_page(i, 0);
		smemv_heat_set(views[8].young, i % SMEMV_HEAT_RUN);
	}
	while (gone < SMEMV_HEAT_RUN) {
		gone += ask(true, &run);
		assert_int_equal(run, 8);
	}
	memset(views[8].here, 0, sizeof(views[8].here));
	assert_true(ask(true, &run));
	assert_true(run < 8);
}

/* Intervals for which a page that looks cold stays. */
static u32 stays_for(u64 index)
{
	u32 run, intervals = 0;

	while (!ask(false, &run)) {
		pass();
		assert_true(++intervals < 100);
	}
	assert_true(goes(index));
	return intervals;
}

static void who_comes_back_soon_stays_longer_each_time(void **state)
{
	u32 i, stayed, before = 0;

	(void)state;
	put_page(5, 0);
	for (i = 0; i < 4; i++) {
		stayed = stays_for(5);
		assert_true(i == 0 || stayed > before);
		before = stayed;
		smemv_heat_going(&heat, 5, 0);
	}
	assert_true(before <= 32);
}

static void who_comes_back_late_does_not(void **state)
{
	u32 i;

	(void)state;
	put_page(5, 0);
	stays_for(5);
	smemv_heat_going(&heat, 5, 0);
	for (i = 0; i < 40; i++)
		pass();
	assert_true(stays_for(5) <= 1);
}

static void what_the_host_uses_is_not_taken_over_and_over(void **state)
{
	u32 i, run, asked = 0;

	(void)state;
	put_page(5, 0);
	for (i = 0; i < 200; i++) {
		if (ask(false, &run)) {
			asked++;
			smemv_heat_in_use(&heat, 5);
		}
		pass();
	}
	assert_true(asked >= 5 && asked < 16);
}

static void force_spares_what_the_host_uses_again_and_again(void **state)
{
	u32 run, i;

	(void)state;
	put_page(5, 0);
	put_page(6, 0x80);
	for (i = 0; i < 3; i++) {
		smemv_heat_going(&heat, 5, 0);
		smemv_heat_came(&heat, 5);
	}
	assert_int_equal(ask(true, &run), 1);
	assert_true(goes(6));
}

static void trust_fades(void **state)
{
	u32 i;

	(void)state;
	put_page(5, 0);
	for (i = 0; i < 5; i++)
		smemv_heat_in_use(&heat, 5);
	assert_int_equal(stays_for(5), 32);
	for (i = 0; i < 100; i++)
		pass();
	smemv_heat_came(&heat, 5);
	assert_int_equal(stays_for(5), 1);
}

static void every_page_goes_when_it_must(void **state)
{
	u32 run, i, page, gone = 0, rounds = 0;

	(void)state;
	for (i = 0; i < RUNS * SMEMV_HEAT_RUN; i++) {
		put_page(i, (u8)(i * 37));
		if (i % 5 == 0)
			smemv_heat_in_use(&heat, i);
	}
	while (gone < RUNS * SMEMV_HEAT_RUN) {
		assert_true(++rounds < 100 * RUNS);
		assert_true(ask(true, &run));
		for (i = 0; i < SMEMV_HEAT_RUN; i++) {
			page = run * SMEMV_HEAT_RUN + i;
			if (!goes(i))
				continue;
			assert_true(smemv_heat_test(views[run].here, i));
			remove_page(page);
			gone++;
		}
	}
	assert_int_equal(ask(true, &run), 0);
}

/* Whatever the number of runs is: each is looked at a few times in an interval at most. */
static void the_cost_does_not_grow_with_the_vm(void **state)
{
	u32 nr_runs = 1u << 18, i, run, looks = 0;
	u32 *many = calloc(nr_runs, sizeof(*many));
	struct smemv_heat_view hot = { 0 }, cold = { 0 };

	(void)state;
	assert_non_null(many);
	smemv_heat_init(&heat, many, nr_runs, notes, NOTES);
	memset(hot.history, 0xff, sizeof(hot.history));
	memset(hot.here, 0xff, sizeof(hot.here));
	memset(cold.here, 0xff, sizeof(cold.here));
	for (i = 0; i < nr_runs; i++)
		smemv_heat_add(&heat, i);
	for (i = 0; i < 1000; i++) {
		do {
			assert_true(smemv_heat_take(&heat, false, &run));
			looks++;
		} while (!smemv_heat_judge(&heat, run, run % 2 ? &hot : &cold, false, go));
	}
	assert_true(looks <= 2 * 1000 + 1);
	free(many);
}

static void the_count_of_intervals_may_jump(void **state)
{
	u32 run;

	(void)state;
	put_page(5, 0xff);
	put_page(512 * 3, 0xff);
	assert_int_equal(ask(false, &run), 0);
	smemv_heat_tick(&heat, 1000000);
	assert_int_equal(heat.nr_queued, 2);
	views[0].history[5] = 0;
	assert_int_equal(ask(false, &run), 1);
	assert_int_equal(run, 0);
	smemv_heat_tick(&heat, 3);	/* the scanner was attached anew */
	views[0].history[5] = 0;
	assert_int_equal(ask(false, &run), 1);
}

static void a_folio_that_goes_in_part_is_split(void **state)
{
	u32 i, run;

	(void)state;
	for (i = 0; i < 512; i++)
		put_page(i, i == 100 ? 0xff : 0);
	assert_int_equal(ask(false, &run), 511);
	assert_int_equal(smemv_heat_fate(go, 0, 512), SMEMV_HEAT_SPLIT);
	assert_int_equal(smemv_heat_fate(go, 0, 64), SMEMV_HEAT_GO);
	assert_int_equal(smemv_heat_fate(go, 100, 1), SMEMV_HEAT_STAY);
}

static void notes_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(smemv_heat_notes(1), SMEMV_HEAT_NOTES_MIN);
	assert_int_equal(smemv_heat_notes(1ULL << 30), SMEMV_HEAT_NOTES_MAX);
	assert_true(smemv_heat_notes(262144) * sizeof(struct smemv_heat_note) <= 131072);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_goes_where_nothing_is, reset),
		cmocka_unit_test_setup(the_coldest_page_goes_first, reset),
		cmocka_unit_test_setup(a_page_of_the_newest_interval_goes_only_by_force, reset),
		cmocka_unit_test_setup(time_makes_pages_cold, reset),
		cmocka_unit_test_setup(a_run_that_became_hot_is_found_so, reset),
		cmocka_unit_test_setup(what_was_accessed_since_the_newest_interval_stays, reset),
		cmocka_unit_test_setup(a_stream_does_not_drive_out_what_is_hot, reset),
		cmocka_unit_test_setup(what_was_accessed_once_goes_before_what_often_is, reset),
		cmocka_unit_test_setup(the_measure_of_that_is_learned, reset),
		cmocka_unit_test_setup(what_has_just_come_stays_an_interval, reset),
		cmocka_unit_test_setup(who_comes_back_soon_stays_longer_each_time, reset),
		cmocka_unit_test_setup(who_comes_back_late_does_not, reset),
		cmocka_unit_test_setup(what_the_host_uses_is_not_taken_over_and_over, reset),
		cmocka_unit_test_setup(force_spares_what_the_host_uses_again_and_again, reset),
		cmocka_unit_test_setup(trust_fades, reset),
		cmocka_unit_test_setup(every_page_goes_when_it_must, reset),
		cmocka_unit_test_setup(the_cost_does_not_grow_with_the_vm, reset),
		cmocka_unit_test_setup(the_count_of_intervals_may_jump, reset),
		cmocka_unit_test_setup(a_folio_that_goes_in_part_is_split, reset),
		cmocka_unit_test(notes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
