// SPDX-License-Identifier: GPL-2.0-only
/*
 * Storing pages of a caller's memory: copied, so that they may change meanwhile, and
 * sent in several requests at a time. A caller that is killed leaves; what it began
 * ends by itself, and the last request frees what all of them share.
 *
 * A page that is in the file's memory is refused, as its content there is newer, or
 * would turn into another one when it is evicted as clean. That is looked at under the
 * invalidate lock, together with the request's taking its turn at the page: who touched
 * the page before is seen, and who touches it later loads it, even where the map has
 * nothing yet (mf->stores, see memfile_fill.c), and so waits for the store. This holds
 * whatever becomes of the caller.
 */
#include <linux/kref.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "memfile.h"

#define REQUESTS	16
#define MEMORY_TICK	max(HZ / 10, 1)

struct storing;

/**
 * struct store_request - pages of a run
 * @link: on call->idle while it is not under way
 * @call: whose
 * @io: with the copies
 * @copy: kept from request to request
 * @page: which page of the call each is
 */
struct store_request {
	struct list_head link;
	struct storing *call;
	struct smemv_io io;
	struct page *copy[SMEMV_IO_PAGES];
	u16 page[SMEMV_IO_PAGES];
};

/**
 * struct storing - one call
 * @mf: the file
 * @ref: the caller, and each request under way
 * @fixed: map entry to store to, or 0
 * @lock: protects @idle and @open
 * @idle: struct store_request.link
 * @open: requests under way
 * @late: a request failed: the server had as long as one may take
 * @wait: the caller waits for one to end
 * @page: as the caller gave them; errors are noted there
 * @nr: of them
 * @request: all of them, each in memory of its own: TCP takes their frames from there
 * @nr_requests: of them
 * @counted: in @mf->stores
 */
struct storing {
	struct smemv_memfile *mf;
	struct kref ref;
	bool counted;
	u16 fixed;
	spinlock_t lock;
	struct list_head idle;
	u32 open;
	bool late;
	wait_queue_head_t wait;
	struct smemv_store_page page[SMEMV_STORE_MAX];
	u32 nr;
	struct store_request *request[REQUESTS];
	u32 nr_requests;
};

/* Any context but hard interrupt. After this the file may go. */
static void free_storing(struct kref *ref)
{
	struct storing *call = container_of(ref, struct storing, ref);
	struct smemv_memfile *mf = call->mf;
	bool counted;
	u32 i, n;

	for (i = 0; i < call->nr_requests; i++) {
		for (n = 0; n < SMEMV_IO_PAGES; n++)
			if (call->request[i]->copy[n])
				__free_page(call->request[i]->copy[n]);
		kfree(call->request[i]);
	}
	counted = call->counted;
	kvfree(call);
	if (counted && atomic_dec_and_test(&mf->stores))
		wake_up_var(&mf->stores);
}

static void stored(struct smemv_io *io)
{
	struct store_request *r = container_of(io, struct store_request, io);
	struct storing *call = r->call;
	unsigned long flags;
	u32 i;

	for (i = 0; i < io->nr; i++) {
		call->page[r->page[i]].error = io->err[i];
		/* With a deadline for each request a call would take as many of them. */
		if (io->err[i] == -EIO)
			WRITE_ONCE(call->late, true);
	}
	spin_lock_irqsave(&call->lock, flags);
	list_add(&r->link, &call->idle);
	call->open--;
	spin_unlock_irqrestore(&call->lock, flags);
	wake_up(&call->wait);
	kref_put(&call->ref, free_storing);
}

static struct storing *new_storing(struct smemv_memfile *mf)
{
	struct storing *call = kvzalloc(sizeof(*call), GFP_KERNEL);

	if (!call)
		return NULL;
	call->mf = mf;
	kref_init(&call->ref);
	spin_lock_init(&call->lock);
	INIT_LIST_HEAD(&call->idle);
	init_waitqueue_head(&call->wait);
	return call;
}

static struct store_request *new_request(struct storing *call)
{
	struct store_request *r;

	if (call->nr_requests == REQUESTS)
		return NULL;
	r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	if (!r)
		return NULL;
	r->call = call;
	call->request[call->nr_requests++] = r;
	return r;
}

static struct store_request *take_idle(struct storing *call)
{
	struct store_request *r;

	spin_lock_irq(&call->lock);
	r = list_first_entry_or_null(&call->idle, struct store_request, link);
	if (r)
		list_del(&r->link);
	spin_unlock_irq(&call->lock);
	return r;
}

static void put_back(struct storing *call, struct store_request **r)
{
	spin_lock_irq(&call->lock);
	list_add(&(*r)->link, &call->idle);
	spin_unlock_irq(&call->lock);
	*r = NULL;
}

/* What a load that failed left: there is nothing in it, and nobody can have it mapped. */
static bool drop_empty(struct address_space *mapping, struct folio *folio)
{
	bool gone;

	if (folio_test_large(folio) || folio_test_uptodate(folio) ||
	    !folio_trylock(folio))
		return false;
	gone = folio->mapping == mapping && !folio_test_uptodate(folio) &&
	       !smemv_compat_remove_folio(mapping, folio);
	folio_unlock(folio);
	return gone;
}

static bool is_here(struct storing *call, u64 index)
{
	struct address_space *mapping = call->mf->ev.mapping;
	struct folio *folio = smemv_compat_get_folio(mapping, index);
	bool here;

	if (!folio)
		return false;
	here = !drop_empty(mapping, folio);
	folio_put(folio);
	return here;
}

/* Takes the pages out that are in the file's memory. */
static void refuse_here(struct storing *call, struct store_request *r)
{
	struct smemv_io *io = &r->io;
	u32 i, n = 0;

	for (i = 0; i < io->nr; i++) {
		struct smemv_store_page *page = &call->page[r->page[i]];

		if (is_here(call, page->index)) {
			page->error = -EBUSY;
			continue;
		}
		swap(r->copy[n], r->copy[i]);
		r->page[n] = r->page[i];
		io->slot[n] = io->slot[i];
		io->page[n] = r->copy[n];
		n++;
	}
	io->nr = n;
}

/* The file is neither looked at nor touched between the look at the page cache and this. */
static void submit_locked(struct storing *call, struct store_request **r)
{
	struct smemv_io *io = &(*r)->io;

	refuse_here(call, *r);
	if (!io->nr)
		return put_back(call, r);
	spin_lock_irq(&call->lock);
	call->open++;
	spin_unlock_irq(&call->lock);
	kref_get(&call->ref);
	io->space = call->mf->space;
	io->op = SMEMV_OP_STORE;
	io->done = stored;
	io->fixed = call->fixed;
	*r = NULL;
	if (READ_ONCE(call->late))
		smemv_space_submit_late(io);
	else
		smemv_space_submit(io);
}

static void submit(struct storing *call, struct store_request **r)
{
	struct address_space *mapping = call->mf->ev.mapping;

	if (!*r)
		return;
	filemap_invalidate_lock(mapping);
	submit_locked(call, r);
	filemap_invalidate_unlock(mapping);
}

static bool has_slot(const struct store_request *r, u16 slot)
{
	u32 i;

	for (i = 0; i < r->io.nr; i++)
		if (r->io.slot[i] == slot)
			return true;
	return false;
}

/* A request names a page once; pages of one run go in the order of the call. */
static bool fits(const struct store_request *r, u64 index)
{
	return r->io.run_nr == index >> SMEMV_RUN_SHIFT &&
	       r->io.nr < SMEMV_IO_PAGES &&
	       !has_slot(r, index % SMEMV_RUN_PAGES);
}

static int copy_page_in(struct store_request *r,
			struct smemv_store_page *page)
{
	struct page **copy = &r->copy[r->io.nr];
	void *data;

	if (!*copy)
		*copy = alloc_page(GFP_KERNEL_ACCOUNT);
	if (!*copy)
		return -ENOMEM;
	data = page_address(*copy);
	if (copy_from_user(data, u64_to_user_ptr(page->address), PAGE_SIZE))
		return -EFAULT;
	if (!memchr_inv(data, 0, PAGE_SIZE))
		page->flags = SMEMV_STORE_F_ZERO;
	return 0;
}

static bool got_idle(struct storing *call, struct store_request **r)
{
	*r = take_idle(call);
	return *r;
}

/* 0, -EINTR, or -ENOMEM: there is none, nor will one become idle. */
static int next_request(struct storing *call, struct store_request **r)
{
	*r = take_idle(call) ?: new_request(call);
	if (*r)
		return 0;
	if (!call->nr_requests)
		return -ENOMEM;
	return wait_event_killable(call->wait, got_idle(call, r)) ? -EINTR : 0;
}

/* Where there is no run, a load would find nothing to wait for. 0 or an errno. */
static int make_run(struct storing *call, u64 nr)
{
	struct smemv_space *space = call->mf->space;
	unsigned long deadline = jiffies + msecs_to_jiffies(
		READ_ONCE(space->deadline_ms));

	while (!smemv_map_make_run(&space->map, nr)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (time_after(jiffies, deadline))
			return -ENOMEM;
		schedule_timeout_killable(MEMORY_TICK);
	}
	return 0;
}

/* Adds a page to the request that is being filled, or to the next one. */
static int add_page(struct storing *call, struct store_request **r, u32 i)
{
	struct smemv_store_page *page = &call->page[i];
	struct smemv_io *io;
	int err;

	if (*r && !fits(*r, page->index))
		submit(call, r);
	if (!*r) {
		err = next_request(call, r);
		if (err)
			return err;
		(*r)->io.nr = 0;
		(*r)->io.run_nr = page->index >> SMEMV_RUN_SHIFT;
		err = make_run(call, (*r)->io.run_nr);
		if (err)
			return err;
	}
	io = &(*r)->io;
	page->error = copy_page_in(*r, page);
	if (page->error)
		return 0;
	(*r)->page[io->nr] = i;
	io->slot[io->nr] = page->index % SMEMV_RUN_PAGES;
	io->page[io->nr] = (*r)->copy[io->nr];
	io->nr++;
	return 0;
}

static void invalidate(struct storing *call, struct smemv_store_page *page)
{
	struct address_space *mapping = call->mf->ev.mapping;

	filemap_invalidate_lock(mapping);
	if (is_here(call, page->index))
		page->error = -EBUSY;
	else
		smemv_space_invalidate(call->mf->space, page->index, 1);
	filemap_invalidate_unlock(mapping);
}

static int begin_all(struct storing *call)
{
	struct store_request *r = NULL;
	int err = 0;
	u32 i;

	for (i = 0; i < call->nr && !err; i++) {
		struct smemv_store_page *page = &call->page[i];

		if (page->address) {
			err = add_page(call, &r, i);
		} else {
			submit(call, &r);
			invalidate(call, page);
		}
	}
	submit(call, &r);
	return err;
}

static bool all_ended(struct storing *call)
{
	return !READ_ONCE(call->open);
}

/* What each page came to. */
static u32 judge(struct storing *call)
{
	bool lost = READ_ONCE(call->mf->space->fenced);
	u32 i, good = 0;

	for (i = 0; i < call->nr; i++) {
		struct smemv_store_page *page = &call->page[i];

		if (lost && page->error == -EIO)
			page->error = -ESTALE;
		good += !page->error;
	}
	return good;
}

static int check_pages(struct storing *call)
{
	u32 i;

	for (i = 0; i < call->nr; i++) {
		if (call->page[i].index >= call->mf->space->size_pages ||
		    call->page[i].flags)
			return -EINVAL;
		call->page[i].error = 0;
	}
	return 0;
}

static int store_all(struct storing *call)
{
	int err;

	if (!smemv_space_is_active(call->mf->space))
		return -ESTALE;
	err = begin_all(call);
	if (!err && wait_event_killable(call->wait, all_ended(call)))
		err = -EINTR;
	return err;
}

static int store(struct storing *call, struct smemv_ioc_store *args,
		 void __user *arg)
{
	void __user *pages = u64_to_user_ptr(args->pages);
	int err;

	call->nr = args->nr;
	if (copy_from_user(call->page, pages, args->nr * sizeof(*call->page)))
		return -EFAULT;
	err = check_pages(call);
	if (err)
		return err;
	if (down_read_killable(&call->mf->owner_lock))
		return -EINTR;
	/* Who waits for none to be under way has the lock: one that waits for it is not. */
	atomic_inc(&call->mf->stores);
	call->counted = true;
	err = store_all(call);
	up_read(&call->mf->owner_lock);
	if (err)
		return err;
	args->nr = judge(call);
	if (copy_to_user(pages, call->page, call->nr * sizeof(*call->page)) ||
	    copy_to_user(arg, args, sizeof(*args)))
		return -EFAULT;
	return 0;
}

/* -EINVAL: the space has no such server. */
static int pick_server(struct smemv_memfile *mf, u32 server, u16 *fixed)
{
	*fixed = 0;
	if (server == SMEMV_STORE_ANY)
		return 0;
	if (server >= READ_ONCE(mf->space->nr_binds) ||
	    !READ_ONCE(mf->space->map.set[server].n))
		return -EINVAL;
	*fixed = SMEMV_WHERE_SET + server;
	return 0;
}

int smemv_memfile_store(struct smemv_memfile *mf, void __user *arg)
{
	struct smemv_ioc_store args;
	struct storing *call;
	u16 fixed;
	int err;

	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (!args.nr || args.nr > SMEMV_STORE_MAX)
		return -EINVAL;
	err = pick_server(mf, args.server, &fixed);
	if (err)
		return err;
	call = new_storing(mf);
	if (!call)
		return -ENOMEM;
	call->fixed = fixed;
	err = store(call, &args, arg);
	kref_put(&call->ref, free_storing);
	return err;
}
