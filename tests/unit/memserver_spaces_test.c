// SPDX-License-Identifier: GPL-2.0-only
/* memserver/: which dropped space is swept when. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../memserver/spaces.h"

#define BIG_PAGES	16384u

static struct store st;
static struct spaces spaces;
static _Atomic u32 n_done;
static struct sweep *done[2];

static void note_done(struct sweep *sw)
{
	done[n_done] = sw;
	n_done++;
}

static struct space *filled_space(u8 name, u64 pages)
{
	const struct space_open req = {
		.uuid = { name }, .size_pages = pages, .epoch = 1, .create = true,
	};
	static const u8 content[4096] = { 1 };
	struct space_opened res;
	u64 i;

	assert_int_equal(spaces_open(&spaces, &req, &res), SMEMV_ST_OK);
	for (i = 0; i < pages; i++)
		assert_int_equal(space_store(&st, &st.thread[0], res.space, i, content, 0), SMEMV_ST_OK);
	spaces_close(&spaces, res.space);
	return res.space;
}

static void drop(struct sweep *sw, struct space *sp)
{
	assert_int_equal(spaces_drop(&spaces, sp->uuid, NULL, true, &sw->space), SMEMV_ST_OK);
	sw->done = note_done;
	spaces_sweep(&spaces, sw);
}

static int start(void **state)
{
	struct slab_options opt = {
		.content_pages = BIG_PAGES + 1, .threads = 2, .no_hugepages = true, .no_mlock = true,
	};
	char err[256];

	(void)state;
	if (store_create(&st, &opt, err, sizeof(err)))
		return -1;
	return spaces_init(&spaces, &st, &st.thread[1]);
}

static int end(void **state)
{
	(void)state;
	spaces_stop(&spaces);
	spaces_free(&spaces);
	store_destroy(&st);
	return 0;
}

static void small_space_does_not_wait_for_big_one(void **state)
{
	struct space *big = filled_space(1, BIG_PAGES), *small = filled_space(2, 1);
	struct sweep sweeps[2] = { { 0 } };
	u64 give_up_ms = now_ms() + 20000;

	(void)state;
	drop(&sweeps[0], big);
	drop(&sweeps[1], small);
	while (n_done < 2)
		assert_true(now_ms() < give_up_ms);
	assert_ptr_equal(done[0], &sweeps[1]);
	assert_ptr_equal(done[1], &sweeps[0]);
	assert_int_equal(sweeps[0].pages, BIG_PAGES);
	assert_int_equal(store_figures(&st).used, 0);
	assert_int_equal(store_figures(&st).nodes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_space_does_not_wait_for_big_one),
	};

	return cmocka_run_group_tests(tests, start, end);
}
