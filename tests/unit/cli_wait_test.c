// SPDX-License-Identifier: GPL-2.0-only
/* wait.c: how progress is told, and that a signal stops what the module does, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../userspace/wait.h"

#define MIB	(1ull << 20)

static void check_text(struct progress progress, const char *want)
{
	char text[128];

	progress_text(&progress, text, sizeof(text));
	assert_string_equal(text, want);
}

static void progress_is_told_with_the_time_left(void **state)
{
	(void)state;
	check_text((struct progress) { 8 * MIB, 8 * MIB, false, 0 }, "8.0M left of 8.0M, 0/s");
	check_text((struct progress) { 8 * MIB, 2 * MIB, false, 3 }, "2.0M left of 8.0M, 2.0M/s, 1 s to go");
	check_text((struct progress) { 8 * MIB, 2 * MIB, true, 3 },
		   "at most 2.0M left of 8.0M, 2.0M/s, 1 s to go");
	check_text((struct progress) { 8 * MIB, 0, false, 4 }, "0 left of 8.0M, 2.0M/s, 0 s to go");
	/* Others may add to it. */
	check_text((struct progress) { 8 * MIB, 9 * MIB, false, 4 }, "9.0M left of 8.0M, 0/s");
	check_text((struct progress) { 0 }, "0 left of 0, 0/s");
}

/* It goes on for so many looks, and for one more when it is stopped. */
struct work {
	int looks;
	int looks_left;
	int signal_at;
	int stops;
	int status;
};

static int look(void *arg, struct progress *progress, bool *goes_on)
{
	struct work *work = arg;

	work->looks++;
	if (work->looks == work->signal_at || work->looks == work->signal_at + 1)
		raise(SIGINT);
	progress->left_bytes = (uint64_t)work->looks_left;
	*goes_on = --work->looks_left > 0;
	return 0;
}

static int stop(void *arg)
{
	struct work *work = arg;

	work->stops++;
	work->looks_left = 2;
	return work->status;
}

static int wait_for(struct work *work)
{
	struct background background = { .look = look, .stop = stop, .arg = work };
	sigset_t ends;
	int status;

	ends_block(&ends, 0);
	status = background_wait(&background, &ends);
	while (ends_wait(&ends, 0))
		;
	assert_int_equal(background.stopped, work->stops > 0);
	return status;
}

static void it_is_looked_at_until_it_ends(void **state)
{
	struct work work = { .looks_left = 3, .signal_at = -2 };

	(void)state;
	assert_int_equal(wait_for(&work), 0);
	assert_int_equal(work.looks, 3);
	assert_int_equal(work.stops, 0);
}

static void a_signal_stops_it_once(void **state)
{
	struct work work = { .looks_left = 1000000, .signal_at = 2 };

	(void)state;
	assert_int_equal(wait_for(&work), 0);
	assert_int_equal(work.stops, 1);
	assert_int_equal(work.looks, 4);
}

static void what_cannot_be_stopped_is_not_waited_for(void **state)
{
	struct work work = { .looks_left = 1000000, .signal_at = 2, .status = 1 };

	(void)state;
	assert_int_equal(wait_for(&work), 1);
	assert_int_equal(work.looks, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(progress_is_told_with_the_time_left),
		cmocka_unit_test(it_is_looked_at_until_it_ends),
		cmocka_unit_test(a_signal_stops_it_once),
		cmocka_unit_test(what_cannot_be_stopped_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
