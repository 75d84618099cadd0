// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filling folios. They are locked until their content is there, so who needs
 * one waits as for any file, or is told to come again (VM_FAULT_RETRY).
 */
#include <linux/highmem.h>
#include <linux/slab.h>

#include "memfile.h"

/* For so long everybody who waited is told of a failure; then it is tried again. */
#define FAILURE_KEPT	(2 * HZ)

/**
 * struct smemv_whole - a folio of a whole run that is filled by several requests
 * @folio: locked until they all ended
 * @open: so many, and who makes them
 * @loaded: pages so far
 * @err: of one that failed: the folio stays unfilled
 */
struct smemv_whole {
	struct folio *folio;
	atomic_t open;
	atomic_t loaded;
	int err;
};

/**
 * struct smemv_load - pages of a run that are filled by one request
 * @mf: whose
 * @ahead: which of them nobody asked for yet
 * @populate: see struct smemv_filling
 * @where: the map has all of them there
 * @whole: the folio that all of them are of, or NULL: each is one
 * @io: with the pages; they are locked
 */
struct smemv_load {
	struct smemv_memfile *mf;
	u32 ahead;
	bool populate;
	u16 where;
	struct smemv_whole *whole;
	struct smemv_io io;
};

static struct kmem_cache *load_cache;

int smemv_fill_module_init(void)
{
	load_cache = KMEM_CACHE(smemv_load, 0);
	return load_cache ? 0 : -ENOMEM;
}

void smemv_fill_module_exit(void)
{
	kmem_cache_destroy(load_cache);
}

/* folio->private is free as long as the folio is not marked to have some. */
static void mark_failed(struct folio *folio)
{
	folio->private = (void *)(jiffies | 1);
}

bool smemv_fill_just_failed(const struct smemv_memfile *mf,
			    const struct folio *folio)
{
	unsigned long when = (unsigned long)READ_ONCE(folio->private);

	return when && time_before(jiffies, when + FAILURE_KEPT) &&
	       time_after(when, READ_ONCE(mf->owned_since));
}

/* Who comes for a page that was fetched ahead shall try by himself. */
static void end_folio(struct folio *folio, int err, bool ahead)
{
	if (err) {
		if (!ahead)
			mark_failed(folio);
	} else {
		folio->private = NULL;
		folio_mark_uptodate(folio);
	}
	folio_unlock(folio);
}

/* Nobody asked for it; who comes for a page of one that failed takes it apart. */
static void put_whole(struct smemv_memfile *mf, struct smemv_whole *whole,
		      int err)
{
	if (err) {
		WRITE_ONCE(whole->err, err);
		WRITE_ONCE(mf->populate_apart, true);
	}
	if (!atomic_dec_and_test(&whole->open))
		return;
	if (!whole->err)
		atomic_long_add(atomic_read(&whole->loaded), &mf->populate_brought);
	end_folio(whole->folio, whole->err, true);
	kfree(whole);
}

/* Any context but hard interrupt. After the last unlock the inode may go. */
static void loaded(struct smemv_io *io)
{
	struct smemv_load *load = container_of(io, struct smemv_load, io);
	struct smemv_memfile *mf = load->mf;
	u32 i, missed = 0;

	for (i = 0; i < io->nr; i++) {
		missed += io->err[i] != 0;
		if (!load->whole)
			end_folio(page_folio(io->page[i]), io->err[i],
				  load->ahead & BIT(i));
	}
	/* What such a folio lacks shows when its pages are asked for one by one. */
	if (load->whole) {
		atomic_add(io->nr, &load->whole->loaded);
		put_whole(mf, load->whole, missed ? -EIO : 0);
		missed = io->nr;
	}
	if (load->populate)
		smemv_populate_note(mf, io->nr - missed, load->whole ? 0 : missed);
	kmem_cache_free(load_cache, load);
	if (atomic_dec_and_test(&mf->loads))
		wake_up_var(&mf->loads);
}

static void zero_fill(struct folio *folio)
{
	clear_highpage(folio_page(folio, 0));
	end_folio(folio, 0, false);
}

static struct smemv_load *new_load(const struct smemv_filling *filling,
				   u64 run_nr, u16 where)
{
	struct smemv_load *load = kmem_cache_alloc(load_cache, GFP_NOIO);
	struct smemv_memfile *mf = filling->mf;

	if (!load)
		return NULL;
	load->mf = mf;
	load->ahead = 0;
	load->populate = filling->populate;
	load->where = where;
	load->whole = filling->whole;
	if (load->whole)
		atomic_inc(&load->whole->open);
	load->io.space = mf->space;
	load->io.op = SMEMV_OP_LOAD;
	load->io.run_nr = run_nr;
	load->io.nr = 0;
	load->io.done = loaded;
	load->io.give_back = NULL;
	atomic_inc(&mf->loads);
	if (load->populate)
		atomic_inc(&mf->populate_open);
	return load;
}

/*
 * Pages that a request loads are there when all of them are. So none waits for a server that
 * does not answer because of another one.
 */
static bool fits(const struct smemv_load *load, u64 run_nr, u16 where)
{
	return load->io.run_nr == run_nr && load->where == where &&
	       load->io.nr < SMEMV_IO_PAGES;
}

/* As a hint: it may move meanwhile. */
static u16 where_is(struct smemv_memfile *mf, pgoff_t index)
{
	const struct smemv_run *run = smemv_map_run(&mf->space->map,
						    index >> SMEMV_RUN_SHIFT);

	return run ? smemv_map_where(run, index % SMEMV_RUN_PAGES) :
		     SMEMV_WHERE_ABSENT;
}

void smemv_fill_end(struct smemv_filling *filling)
{
	struct smemv_load *load = filling->load;

	if (!load)
		return;
	load->io.unasked = load->whole ||
			   load->ahead == GENMASK(load->io.nr - 1, 0);
	smemv_space_submit(&load->io);
	filling->load = NULL;
}

static int load_page(struct smemv_filling *filling, struct page *page,
		     pgoff_t index, bool ahead)
{
	u64 run_nr = index >> SMEMV_RUN_SHIFT;
	u16 where = where_is(filling->mf, index);
	struct smemv_load *load;

	if (filling->load && !fits(filling->load, run_nr, where))
		smemv_fill_end(filling);
	if (!filling->load)
		filling->load = new_load(filling, run_nr, where);
	load = filling->load;
	if (!load)
		return -ENOMEM;
	if (ahead)
		load->ahead |= BIT(load->io.nr);
	load->io.slot[load->io.nr] = index % SMEMV_RUN_PAGES;
	load->io.page[load->io.nr++] = page;
	return 0;
}

/*
 * No load is needed: it gives zeros. But a store by ioctl may have the page, and the map not know
 * it yet: a load waits for it. Who came before such a store is seen by it: the folio is in the
 * page cache.
 */
static bool is_zero(struct smemv_memfile *mf, pgoff_t index)
{
	return !atomic_read_acquire(&mf->stores) &&
	       smemv_space_copy(mf->space, index) == SMEMV_COPY_ZERO;
}

int smemv_fill_add(struct smemv_filling *filling, struct folio *folio,
		   bool ahead)
{
	struct smemv_memfile *mf = filling->mf;
	int err;

	if (is_zero(mf, folio->index)) {
		smemv_file_count(mf, ZERO_FAULTS, 1);
		zero_fill(folio);
		return 0;
	}
	if (ahead) {
		smemv_file_count(mf, AHEAD_PAGES, 1);
	} else {
		smemv_file_count(mf, REMOTE_FAULTS, 1);
		smemv_evict_note_miss(&mf->ev);
	}
	err = load_page(filling, folio_page(folio, 0), folio->index, ahead);
	if (err)
		folio_unlock(folio);
	return err;
}

/* Each page is asked for, or zeros by now. */
static int fill_pages(struct smemv_filling *filling, struct folio *folio)
{
	int err = 0;
	u32 i;

	for (i = 0; i < SMEMV_RUN_PAGES && !err; i++) {
		pgoff_t index = folio->index + i;

		if (is_zero(filling->mf, index))
			clear_highpage(folio_page(folio, i));
		else
			err = load_page(filling, folio_page(folio, i), index,
					true);
	}
	return err;
}

int smemv_fill_whole(struct smemv_filling *filling, struct folio *folio)
{
	struct smemv_whole *whole = kmalloc(sizeof(*whole), GFP_NOIO);
	int err;

	if (!whole)
		return -ENOMEM;
	smemv_fill_end(filling);
	whole->folio = folio;
	whole->err = 0;
	atomic_set(&whole->open, 1);
	atomic_set(&whole->loaded, 0);
	filling->whole = whole;
	err = fill_pages(filling, folio);
	smemv_fill_end(filling);
	filling->whole = NULL;
	put_whole(filling->mf, whole, err);
	return 0;
}

struct folio *smemv_memfile_new_folio(struct smemv_memfile *mf, pgoff_t index,
				      unsigned int order, gfp_t gfp)
{
	struct folio *folio = smemv_compat_alloc_folio(gfp, order);
	int err;

	if (!folio)
		return ERR_PTR(-ENOMEM);
	err = filemap_add_folio(mf->ev.mapping, folio, index, gfp);
	if (!err)
		return folio;
	folio_put(folio);
	return ERR_PTR(err);
}

/* Nothing is read ahead this way; the caller drops the folios that it made. */
static void readahead(struct readahead_control *rac)
{
}

/*
 * The memory of the folio failed. What was written since a server got it is lost, and must
 * not come back as an older content: where that cannot be noted now the folio stays,
 * poisoned, so that its users get SIGBUS all the same.
 */
static int error_remove(struct address_space *mapping, struct folio *folio)
{
	struct smemv_memfile *mf = smemv_memfile_of(mapping->host);
	int err = 0;

	if (!mf->space || folio_test_large(folio) || folio_test_writeback(folio))
		return -EBUSY;
	/* Holes are punched, and another map is put in place, under this lock. */
	if (!filemap_invalidate_trylock_shared(mapping))
		return -EBUSY;
	if (folio_test_dirty(folio))
		err = smemv_space_lose(mf->space, folio->index,
				       "the memory that held it failed");
	if (!err)
		err = smemv_compat_remove_folio(mapping, folio);
	filemap_invalidate_unlock_shared(mapping);
	return err;
}

SMEMV_COMPAT_DEFINE_ERROR_REMOVE(error_remove)

/*
 * Of clean pages the host's reclaim may drop those that can be had again now. Of a server
 * that does not answer nobody knows whether it will come back with its pages. Dirty ones are
 * not dropped; they may be split, for which this is asked as well (evict_split.c).
 */
static bool may_drop(struct folio *folio, gfp_t gfp)
{
	struct smemv_memfile *mf = smemv_memfile_of(folio->mapping->host);

	return folio_test_dirty(folio) || !mf->space ||
	       smemv_evict_has_copy(&mf->ev, folio);
}

/*
 * Under the folio's lock. A note of mark_failed() looks there like data of the filesystem, which
 * has a reference; the page is only tried again sooner without it.
 */
static int migrate_folio(struct address_space *mapping, struct folio *to,
			 struct folio *from, enum migrate_mode mode)
{
	from->private = NULL;
	return filemap_migrate_folio(mapping, to, from, mode);
}

const struct address_space_operations smemv_memfile_aops = {
	.readahead = readahead,
	.dirty_folio = noop_dirty_folio,
	.release_folio = may_drop,
	.migrate_folio = migrate_folio,
	SMEMV_COMPAT_ERROR_REMOVE(error_remove),
};
