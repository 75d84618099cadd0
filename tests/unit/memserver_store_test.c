// SPDX-License-Identifier: GPL-2.0-only
/* memserver/: the store's exact capacity, the tree, and the fencing of sessions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../memserver/clients.h"
#include "../../memserver/space.h"

#define CAPACITY	256u

static struct store st;
static struct store_thread *t0, *t1;

static int make_store(void **state)
{
	struct slab_options opt = {
		.content_pages = CAPACITY, .threads = 2, .no_hugepages = true, .no_mlock = true,
	};
	char err[256];

	(void)state;
	if (store_create(&st, &opt, err, sizeof(err)))
		return -1;
	t0 = &st.thread[0];
	t1 = &st.thread[1];
	return 0;
}

static int free_store(void **state)
{
	(void)state;
	store_destroy(&st);
	return 0;
}

static struct space *new_space(u64 size)
{
	static const u8 uuid[16] = "unit test";
	struct space *sp = space_new(uuid, size, 1);

	assert_non_null(sp);
	return sp;
}

static void free_space(struct space *sp)
{
	u64 cursor = 0;

	while (cursor < sp->size_pages)
		space_forget(&st, t0, sp, &cursor, sp->size_pages);
	space_free_nodes(&st, t0, sp);
	space_put(sp);
	assert_int_equal(store_figures(&st).used, 0);
	assert_int_equal(store_figures(&st).nodes, 0);
}

static void credit_of_one_thread_is_found_by_another(void **state)
{
	u8 page[4096] = { 1 };
	struct space *sp = new_space(1 << 20);
	u32 i;

	(void)state;
	for (i = 0; i < CAPACITY; i++)
		assert_int_equal(space_store(&st, i & 1 ? t0 : t1, sp, i, page, i), SMEMV_ST_OK);
	assert_int_equal(space_store(&st, t0, sp, i, page, i), SMEMV_ST_NO_SPACE);
	assert_int_equal(store_figures(&st).free, 0);
	{
		u64 cursor = 3;

		assert_int_equal(space_forget(&st, t0, sp, &cursor, 4), 1);
	}
	assert_int_equal(space_store(&st, t1, sp, i, page, i), SMEMV_ST_OK);
	free_space(sp);
}

static void every_height_of_tree_keeps_first_and_last_page(void **state)
{
	static const u64 sizes[] = { 1, 512, 513, 1 << 18, (1 << 18) + 1, 1ull << 27, 1ull << 36, 1ull << 40 };
	u8 page[4096] = { 7 }, got[4096];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct space *sp = new_space(sizes[i]);
		struct loaded_page info;

		assert_int_equal(space_store(&st, t0, sp, sizes[i] - 1, page, 42), SMEMV_ST_OK);
		assert_int_equal(space_load(&st, sp, sizes[i] - 1, got, &info), SMEMV_ST_OK);
		assert_int_equal(info.crc, 42);
		assert_memory_equal(got, page, sizeof(page));
		if (sizes[i] > 1)
			assert_int_equal(space_load(&st, sp, 0, got, &info), SMEMV_ST_MISSING);
		free_space(sp);
	}
}

static void freed_frames_are_zero(void **state)
{
	u32 frame = slab_get(&st.slab, &t0->cache);
	u8 zero[4096] = { 0 };

	(void)state;
	memset(slab_frame(&st.slab, frame), 0xa5, sizeof(zero));
	slab_put(&st.slab, &t0->cache, frame);
	assert_memory_equal(slab_frame(&st.slab, frame), zero, sizeof(zero));
}

static int kicks;

static void count_kick(struct session *s)
{
	(void)s;
	kicks++;
}

static void only_a_higher_generation_takes_the_lane(void **state)
{
	static const u8 id[16] = "client";
	struct session a = { .kick = count_kick }, b = { .kick = count_kick };
	struct clients c;
	u64 newest;

	(void)state;
	assert_int_equal(clients_init(&c), 0);
	assert_int_equal(clients_hello(&c, &a, id, 0, 5, &newest), SMEMV_ST_OK);
	assert_int_equal(clients_hello(&c, &b, id, 0, 5, &newest), SMEMV_ST_FENCED);
	assert_int_equal(newest, 5);
	assert_false(a.fenced);
	assert_int_equal(clients_hello(&c, &b, id, 0, 6, &newest), SMEMV_ST_OK);
	assert_true(a.fenced);
	assert_int_equal(kicks, 1);
	clients_bye(&c, &a);
	clients_bye(&c, &b);
	assert_int_equal(clients_hello(&c, &a, id, 0, 6, &newest), SMEMV_ST_FENCED);
	clients_free(&c);
}

static enum smemv_wire_status come_and_go(struct clients *c, const u8 id[16], u32 lane, u64 generation)
{
	struct session s = { .kick = count_kick };
	u64 newest;
	enum smemv_wire_status status = clients_hello(c, &s, id, lane, generation, &newest);

	clients_bye(c, &s);
	return status;
}

static void many_come_and_go(struct clients *c, u8 first_byte)
{
	u8 id[16] = { first_byte };
	u32 i;

	for (i = 0; i < CLIENTS_REMEMBERED + 10; i++) {
		memcpy(id + 4, &i, sizeof(i));
		assert_int_equal(come_and_go(c, id, i % 4, 1), SMEMV_ST_OK);
	}
}

static void lanes_of_a_connected_client_are_remembered(void **state)
{
	static const u8 id[16] = "client";
	struct session s = { .kick = count_kick };
	struct clients c;
	u64 newest;

	(void)state;
	assert_int_equal(clients_init(&c), 0);
	assert_int_equal(clients_hello(&c, &s, id, 63, 1, &newest), SMEMV_ST_OK);
	assert_int_equal(come_and_go(&c, id, 1, 9), SMEMV_ST_OK);
	many_come_and_go(&c, 1);
	assert_int_equal(come_and_go(&c, id, 1, 9), SMEMV_ST_FENCED);
	assert_in_range(c.n_idle, 1, CLIENTS_REMEMBERED + 1);
	clients_bye(&c, &s);
	many_come_and_go(&c, 2);
	assert_int_equal(come_and_go(&c, id, 1, 9), SMEMV_ST_OK);
	clients_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(credit_of_one_thread_is_found_by_another),
		cmocka_unit_test(every_height_of_tree_keeps_first_and_last_page),
		cmocka_unit_test(freed_frames_are_zero),
		cmocka_unit_test(only_a_higher_generation_takes_the_lane),
		cmocka_unit_test(lanes_of_a_connected_client_are_remembered),
	};

	return cmocka_run_group_tests(tests, make_store, free_store);
}
