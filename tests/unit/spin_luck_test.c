// SPDX-License-Identifier: GPL-2.0-only
/* kernel/core/spin_luck.h: who waits spins where that is of use, and finds out when it is again. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/spin_luck.h"

static struct smemv_spin_luck luck;

static int reset(void **state)
{
	(void)state;
	memset(&luck, 0, sizeof(luck));
	return 0;
}

/* So many of the waits spin when so many in a hundred spins end with the page. */
static unsigned int spins_of(unsigned int waits, unsigned int percent)
{
	unsigned int spins = 0, i;

	for (i = 0; i < waits; i++) {
		if (!smemv_spin_is_worth_it(&luck))
			continue;
		smemv_spin_ended(&luck, spins * 37 % 100 >= percent);
		spins++;
	}
	return spins;
}

static void all_spin_where_pages_come(void **state)
{
	(void)state;
	assert_int_equal(spins_of(1000, 100), 1000);
	assert_true(spins_of(1000, 60) > 990);
}

static void few_spin_where_they_do_not(void **state)
{
	(void)state;
	assert_true(spins_of(1000, 0) < 1000 / SMEMV_SPIN_TRY + 2 * SMEMV_SPIN_BAD_MAX);
	assert_true(spins_of(1000, 10) < 200);
}

static void what_changes_is_noticed(void **state)
{
	(void)state;
	spins_of(1000, 0);
	spins_of(200, 100);
	assert_int_equal(spins_of(1000, 100), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_spin_where_pages_come, reset),
		cmocka_unit_test_setup(few_spin_where_they_do_not, reset),
		cmocka_unit_test_setup(what_changes_is_noticed, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
