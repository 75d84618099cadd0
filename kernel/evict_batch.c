// SPDX-License-Identifier: GPL-2.0-only
/* Storing pages: several batches are under way at a time. */
#include <linux/highmem.h>
#include <linux/slab.h>

#include "evict_inside.h"

enum settled { SETTLED_GONE, SETTLED_STAYS, SETTLED_DOUBTED, SETTLED_MAX };

#define BATCHES_MAX	8
#define REST_IN_TROUBLE	max(HZ / 10, 1)

static void batch_free(struct smemv_batch *batch)
{
	u32 i;

	for (i = 0; i < SMEMV_IO_PAGES; i++)
		if (batch->copy[i])
			__free_page(batch->copy[i]);
	kfree(batch);
}

static struct smemv_batch *batch_alloc(struct smemv_evictor *ev, gfp_t gfp)
{
	struct smemv_batch *batch = kzalloc(sizeof(*batch), gfp);
	u32 i;

	if (!batch)
		return NULL;
	batch->ev = ev;
	for (i = 0; i < SMEMV_IO_PAGES; i++) {
		batch->copy[i] = alloc_page(gfp);
		if (!batch->copy[i]) {
			batch_free(batch);
			return NULL;
		}
	}
	return batch;
}

struct smemv_batch *smemv_batch_get(struct smemv_evictor *ev, gfp_t gfp)
{
	struct smemv_batch *batch;

	spin_lock_irq(&ev->lock);
	batch = list_first_entry_or_null(&ev->idle, struct smemv_batch, link);
	if (batch)
		list_del(&batch->link);
	spin_unlock_irq(&ev->lock);
	if (!batch && ev->nr_batches < BATCHES_MAX) {
		batch = batch_alloc(ev, gfp);
		if (batch)
			ev->nr_batches++;
	}
	if (batch)
		batch->io.nr = 0;
	return batch;
}

static void batch_put(struct smemv_batch *batch)
{
	struct smemv_evictor *ev = batch->ev;

	spin_lock_irq(&ev->lock);
	list_add(&batch->link, &ev->idle);
	spin_unlock_irq(&ev->lock);
}

/* Under the lock to the end: who takes it afterwards knows that this is over. */
static void stored(struct smemv_io *io)
{
	struct smemv_batch *batch = container_of(io, struct smemv_batch, io);
	struct smemv_evictor *ev = batch->ev;
	unsigned long flags;

	spin_lock_irqsave(&ev->lock, flags);
	list_add_tail(&batch->link, &ev->done);
	mod_delayed_work(smemv_wq, &ev->work, 0);
	spin_unlock_irqrestore(&ev->lock, flags);
}

void smemv_batch_submit(struct smemv_batch *batch)
{
	struct smemv_io *io = &batch->io;
	u32 i;

	if (!io->nr)
		return batch_put(batch);
	io->space = batch->ev->space;
	io->op = SMEMV_OP_STORE;
	io->done = stored;
	/* Who needs room waits for it in smemv_evict_wait(). */
	io->unasked = true;
	for (i = 0; i < io->nr; i++)
		io->page[i] = batch->copy[i];
	smemv_space_submit(io);
}

/*
 * Stored, and nothing to be relied on, mostly as the server was restarted, and it is not known
 * yet what it has (restarted.c). Not counted as tried for a goal.
 */
static bool is_doubted(struct smemv_evictor *ev, struct folio *folio)
{
	if (folio_test_dirty(folio) || smemv_evict_has_copy(ev, folio))
		return false;
	WRITE_ONCE(ev->taken, ev->taken - folio_nr_pages(folio));
	return true;
}

/*
 * A folio whose store was answered. When it failed the content is here only:
 * it is dirty again before anybody can drop it, that is before writeback ends.
 * Writeback ends before the lock is asked for: who has the lock may wait for it.
 * The server may have been restarted since it answered, while others of the batch had not.
 */
static enum settled settle(struct smemv_evictor *ev, struct folio *folio, int err)
{
	enum settled settled = SETTLED_STAYS;
	u32 nr = folio_nr_pages(folio);
	bool removed = false;

	if (err)
		folio_mark_dirty(folio);
	folio_end_writeback(folio);
	if (!err && folio_trylock(folio)) {
		removed = folio->mapping == ev->mapping &&
			  !folio_test_writeback(folio) &&
			  smemv_evict_has_copy(ev, folio) &&
			  smemv_evict_remove(ev, folio);
		folio_unlock(folio);
	}
	if (removed)
		settled = SETTLED_GONE;
	else if (!err && is_doubted(ev, folio))
		settled = SETTLED_DOUBTED;
	folio_put(folio);
	if (err)
		smemv_file_count(ev, OUT_FAILED, nr);
	else if (removed)
		smemv_file_count(ev, OUT_STORED, nr);
	else
		smemv_file_count(ev, OUT_RESCUED, nr);
	return settled;
}

/* The first error of a folio's pages; *i moves behind them. */
static int folio_error(const struct smemv_batch *batch, u32 *i)
{
	const struct folio *folio = batch->folio[*i];
	int err = 0;

	for (; *i < batch->io.nr && batch->folio[*i] == folio; (*i)++)
		err = err ?: batch->io.err[*i];
	return err;
}

/*
 * No server takes the page now. The budget goes on asking; who wanted some to
 * leave is not kept waiting.
 */
static void rest_after_error(struct smemv_evictor *ev)
{
	ev->rest_until = jiffies + REST_IN_TROUBLE;
	smemv_evict_end_goal(ev);
}

static void batch_settle(struct smemv_batch *batch)
{
	struct smemv_evictor *ev = batch->ev;
	u32 i = 0, nr = batch->io.nr;
	u32 seen[SETTLED_MAX] = {};

	while (i < nr) {
		struct folio *folio = batch->folio[i];
		int err = folio_error(batch, &i);

		if (err)
			rest_after_error(ev);
		seen[settle(ev, folio, err)]++;
	}
	/* They would be stored again and again; where some go, it goes on with these. */
	if (seen[SETTLED_DOUBTED] && !seen[SETTLED_GONE])
		ev->rest_until = jiffies + REST_IN_TROUBLE;
	batch_put(batch);
	if (!atomic_long_sub_return(nr, &ev->out))
		wake_up_var(&ev->out);
}

void smemv_batches_reap(struct smemv_evictor *ev)
{
	struct smemv_batch *batch, *next;
	LIST_HEAD(done);

	spin_lock_irq(&ev->lock);
	list_splice_init(&ev->done, &done);
	spin_unlock_irq(&ev->lock);
	if (list_empty(&done))
		return;
	list_for_each_entry_safe(batch, next, &done, link)
		batch_settle(batch);
	smemv_evict_wake(ev);
}

void smemv_batches_free(struct smemv_evictor *ev)
{
	struct smemv_batch *batch, *next;

	list_for_each_entry_safe(batch, next, &ev->idle, link)
		batch_free(batch);
}
