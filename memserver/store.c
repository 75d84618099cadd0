// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store.h"

int store_create(struct store *st, const struct slab_options *opt, char *err, size_t err_len)
{
	unsigned int i;
	int ret;

	memset(st, 0, sizeof(*st));
	st->thread = aligned_alloc(CACHELINE, opt->threads * sizeof(*st->thread));
	st->run_lock = aligned_alloc(CACHELINE, STORE_RUN_LOCKS * sizeof(*st->run_lock));
	if (!st->thread || !st->run_lock) {
		snprintf(err, err_len, "out of memory");
		ret = -ENOMEM;
		goto err_free;
	}
	ret = slab_create(&st->slab, opt, err, err_len);
	if (ret)
		goto err_free;
	memset(st->thread, 0, opt->threads * sizeof(*st->thread));
	for (i = 0; i < STORE_RUN_LOCKS; i++)
		pthread_mutex_init(&st->run_lock[i].mutex, NULL);
	st->capacity = opt->content_pages;
	st->threads = opt->threads;
	atomic_init(&st->credit, (int64_t)st->capacity);
	return 0;

err_free:
	free(st->run_lock);
	free(st->thread);
	return ret;
}

void store_destroy(struct store *st)
{
	unsigned int i;

	for (i = 0; i < STORE_RUN_LOCKS; i++)
		pthread_mutex_destroy(&st->run_lock[i].mutex);
	slab_destroy(&st->slab);
	free(st->run_lock);
	free(st->thread);
}

struct store_figures store_figures(struct store *st)
{
	int64_t used = 0, zero = 0, nodes = 0, room, frames;
	unsigned int i;

	for (i = 0; i < st->threads; i++) {
		struct store_thread *t = &st->thread[i];

		used += atomic_load_explicit(&t->used, memory_order_relaxed);
		zero += atomic_load_explicit(&t->zero, memory_order_relaxed);
		nodes += atomic_load_explicit(&t->nodes, memory_order_relaxed);
	}
	/* Read while others write, a sum can be off for a moment. */
	used = used < 0 ? 0 : used;
	zero = zero < 0 ? 0 : zero;
	nodes = nodes < 0 ? 0 : nodes;
	room = (int64_t)st->capacity - used;
	frames = (int64_t)(st->capacity + slab_node_reserve(st->capacity)) - used - nodes;
	if (frames < room)
		room = frames;
	return (struct store_figures){
		.used = (u64)used,
		.zero = (u64)zero,
		.nodes = (u64)nodes,
		.free = room < 0 ? 0 : (u64)room,
	};
}

static int64_t take_up_to(_Atomic int64_t *from, int64_t want)
{
	int64_t have = atomic_load_explicit(from, memory_order_relaxed);
	int64_t take;

	do {
		if (have <= 0)
			return 0;
		take = have < want ? have : want;
	} while (!atomic_compare_exchange_weak(from, &have, have - take));
	return take;
}

static int64_t take_from_others(struct store *st, struct store_thread *t)
{
	unsigned int i;

	for (i = 0; i < st->threads; i++) {
		int64_t got;

		if (&st->thread[i] == t)
			continue;
		got = take_up_to(&st->thread[i].credit, STORE_CREDIT_BATCH);
		if (got)
			return got;
	}
	return 0;
}

bool store_take_credit(struct store *st, struct store_thread *t)
{
	int64_t got;

	if (take_up_to(&t->credit, 1))
		return true;
	got = take_up_to(&st->credit, STORE_CREDIT_BATCH);
	if (!got)
		got = take_from_others(st, t);
	if (!got)
		return false;
	atomic_fetch_add(&t->credit, got - 1);
	return true;
}

void store_return_credit(struct store *st, struct store_thread *t)
{
	int64_t have = atomic_fetch_add(&t->credit, 1) + 1;

	if (have > 2 * STORE_CREDIT_BATCH)
		atomic_fetch_add(&st->credit, take_up_to(&t->credit, STORE_CREDIT_BATCH));
}
