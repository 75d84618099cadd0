// SPDX-License-Identifier: GPL-2.0-only
/* The size of a file, its holes, and what is given back with them. */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/slab.h>

#include "memfile.h"

/* Pages of which the map is gone through without a break. */
#define INVALIDATE_STEP	(256ULL * SMEMV_RUN_PAGES)
/* A tick after each. */
#define SPLIT_TRIES	50

/* The first folio with pages of these that is being filled, with a reference, or NULL. */
static struct folio *find_filling(struct smemv_memfile *mf, loff_t from,
				  loff_t end)
{
	pgoff_t first = from >> PAGE_SHIFT, last = (end >> PAGE_SHIFT) - 1;
	struct folio *filling = NULL;
	struct folio_batch found;
	unsigned int i;

	if (!atomic_read(&mf->loads))
		return NULL;
	folio_batch_init(&found);
	while (!filling && filemap_get_folios(mf->inode->i_mapping, &first,
					      last, &found)) {
		for (i = 0; i < folio_batch_count(&found) && !filling; i++)
			if (!folio_test_uptodate(found.folios[i]) &&
			    folio_test_locked(found.folios[i]))
				filling = found.folios[i];
		if (filling)
			folio_get(filling);
		folio_batch_release(&found);
		cond_resched();
	}
	return filling;
}

/*
 * For as long as a server is away, so without locks that others need, and until a fatal signal
 * comes. Puts the folio. 0 or -EINTR.
 */
static int wait_filled(struct folio *filling)
{
	int err = folio_wait_locked_killable(filling);

	folio_put(filling);
	return err ? -EINTR : 0;
}

/*
 * Nobody can make pages of the range while this runs: faults take the
 * invalidate lock too. Pages that are being stored are waited for.
 */
static void invalidate(struct smemv_memfile *mf, loff_t from, loff_t end)
{
	u64 first = from >> PAGE_SHIFT, pages = (end - from) >> PAGE_SHIFT, step;

	smemv_evict_split_at(&mf->ev, first);
	smemv_evict_split_at(&mf->ev, first + pages);
	truncate_pagecache_range(mf->inode, from, end - 1);
	smemv_file_count(mf, PUNCHED, pages);
	for (; pages; first += step, pages -= step) {
		step = min(pages, INVALIDATE_STEP);
		smemv_space_invalidate(mf->space, first, step);
		cond_resched();
	}
	smemv_evict_wake(&mf->ev);
}

/* As far as nothing is being filled; *from moves on. 0, -EINTR, or -EAGAIN with @filling. */
static int punch_locked(struct smemv_memfile *mf, loff_t *from, loff_t end,
			struct folio **filling)
{
	struct address_space *mapping = mf->inode->i_mapping;
	loff_t to = min(end, i_size_read(mf->inode));

	if (*from >= to)
		return 0;
	if (down_write_killable(&mapping->invalidate_lock))
		return -EINTR;
	*filling = find_filling(mf, *from, to);
	if (*filling)
		to = min_t(loff_t, to, folio_pos(*filling));
	if (*from < to) {
		invalidate(mf, *from, to);
		*from = to;
	}
	filemap_invalidate_unlock(mapping);
	return *filling ? -EAGAIN : 0;
}

static int punch(struct smemv_memfile *mf, loff_t from, loff_t end)
{
	struct folio *filling;
	int err;

	do {
		if (down_write_killable(&mf->inode->i_rwsem))
			return -EINTR;
		err = punch_locked(mf, &from, end, &filling);
		inode_unlock(mf->inode);
		if (err != -EAGAIN)
			return err;
		err = wait_filled(filling);
	} while (!err);
	return err;
}

/*
 * With the invalidate lock; no page from @from to @end is being filled then, nor begins to be. The
 * inode is locked by who truncates it, and stays so. 0 or -EINTR.
 */
static int lock_filled(struct smemv_memfile *mf, loff_t from, loff_t end)
{
	struct rw_semaphore *lock = &mf->inode->i_mapping->invalidate_lock;
	struct folio *filling;

	for (;;) {
		if (down_write_killable(lock))
			return -EINTR;
		filling = find_filling(mf, from, end);
		if (!filling)
			return 0;
		up_write(lock);
		if (wait_filled(filling))
			return -EINTR;
	}
}

/*
 * As lock_filled(), and so that no folio crosses the new end. What cannot be split would be
 * dropped with what goes; and the kernel, when it splits it later, takes those pages that are
 * behind the end for written-back ones, of an inode that has no writeback: an oops.
 */
static int lock_to_shrink(struct smemv_memfile *mf, loff_t size, loff_t old)
{
	unsigned int tries;
	int err;

	for (tries = 0; tries < SPLIT_TRIES; tries++) {
		err = lock_filled(mf, size, old);
		if (err)
			return err;
		if (smemv_evict_split_at(&mf->ev, size >> PAGE_SHIFT))
			return 0;
		filemap_invalidate_unlock(mf->inode->i_mapping);
		/* Faults and the evictor let go of it soon. */
		if (schedule_timeout_killable(1) && fatal_signal_pending(current))
			return -EINTR;
	}
	return -EBUSY;
}

static int shrink(struct smemv_memfile *mf, loff_t size, loff_t old)
{
	int err = lock_to_shrink(mf, size, old);

	if (err)
		return err;
	truncate_setsize(mf->inode, size);
	invalidate(mf, size, old);
	filemap_invalidate_unlock(mf->inode->i_mapping);
	return 0;
}

/* @names is used up. */
static int named_servers(struct smemv_ns *ns, struct smemv_space_config *config,
			 char *names, const char **why)
{
	struct smemv_server *server;
	char *name;
	int err = 0;

	while (!err && (name = strsep(&names, ":"))) {
		server = smemv_server_find(ns, name);
		if (!server) {
			*why = "a server of the mount option servers= is not there (smemv server add)";
			return -ENODEV;
		}
		err = smemv_space_config_add(config, server, why);
	}
	return err;
}

static int pick_servers(struct smemv_ns *ns, struct smemv_space_config *config,
			const char **why)
{
	char *names;
	int err;

	if (!ns->file_defaults->servers)
		return smemv_space_config_add_all(config, ns, why);
	names = kstrdup(ns->file_defaults->servers, GFP_KERNEL);
	if (!names)
		return -ENOMEM;
	err = named_servers(ns, config, names, why);
	kfree(names);
	return err;
}

/* A file whose size was set by an application: as the mount options say. */
static int back_by_defaults(struct smemv_memfile *mf, loff_t size)
{
	const struct smemv_file_defaults *defaults = mf->ns->file_defaults;
	struct smemv_file_config config = {
		.budget = min_t(u64, defaults->budget, size >> PAGE_SHIFT),
		.dma = defaults->dma,
		.overcommit = defaults->overcommit,
		.space = {
			.size_pages = size >> PAGE_SHIFT,
			.policy = defaults->policy,
			.deadline_ms = defaults->deadline_ms,
		},
	};
	const char *why = "out of memory";
	int err = -ENOMEM;

	config.space.server = kcalloc(SMEMV_MAX_SETS,
				      sizeof(*config.space.server), GFP_KERNEL);
	if (config.space.server)
		err = pick_servers(mf->ns, &config.space, &why);
	if (!err)
		err = smemv_memfile_back(mf, &config, &why);
	if (err)
		pr_warn_ratelimited("%s: the file cannot have a size: %s\n",
				    mf->name, why);
	kfree(config.space.server);
	return err;
}

static int first_size(struct smemv_memfile *mf, loff_t size)
{
	if (size < SMEMV_SPACE_SIZE_MIN || size > SMEMV_SPACE_SIZE_MAX)
		return -EINVAL;
	return back_by_defaults(mf, size);
}

static int grow(struct smemv_memfile *mf, loff_t size)
{
	if (size >> PAGE_SHIFT > mf->space->size_pages)
		return -EFBIG;
	i_size_write(mf->inode, size);
	return 0;
}

int smemv_memfile_resize(struct smemv_memfile *mf, loff_t size)
{
	loff_t old;
	int err = 0;

	if (size & ~PAGE_MASK)
		return -EINVAL;
	if (mutex_lock_killable(&mf->ns->lock))
		return -EINTR;
	old = i_size_read(mf->inode);
	if (size > old)
		err = mf->space ? grow(mf, size) : first_size(mf, size);
	mutex_unlock(&mf->ns->lock);
	if (size < old)
		err = shrink(mf, size, old);
	return err;
}

/* Pages get their memory when they are touched, within the budget. */
static int reserve(struct smemv_memfile *mf, int mode, loff_t end)
{
	int err = 0;

	inode_lock(mf->inode);
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > i_size_read(mf->inode))
		err = smemv_memfile_resize(mf, end);
	inode_unlock(mf->inode);
	return err;
}

long smemv_memfile_fallocate(struct file *file, int mode, loff_t offset,
			     loff_t len)
{
	struct smemv_memfile *mf = smemv_memfile_of(file_inode(file));

	if (mode & ~(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if ((offset | len) & ~PAGE_MASK)
		return -EINVAL;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		return punch(mf, offset, offset + len);
	return reserve(mf, mode, offset + len);
}
