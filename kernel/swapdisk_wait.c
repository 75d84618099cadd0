// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads that wait for a server, without their requests. A queue has a fixed number of
 * these: were they kept, reads from a server that is away would in time keep out those
 * from all others. And the block layer merges neighbours whatever server they are on:
 * one whose page is there must not wait for another.
 *
 *   request -> give back: its bios end that have all their pages, the others wait
 *   waiting bio -> retry (an io of the disk's own) -> done
 *         ^                                        -> waits again
 *         '----------------------------------------------'
 *
 * NVMe's multipath code takes bios from requests so when a path fails. Who has no
 * memory to note them keeps the request, and waits with it on the space.
 */
#include <linux/bio.h>
#include <linux/part_stat.h>
#include <linux/slab.h>

#include "swapdisk_inside.h"

/* So many are tried at a time. */
#define RETRIES		32

/* A bio that waits. */
struct smemv_waiting {
	struct list_head link;
	struct bio *bio;
	struct smemv_wait wait;
};

/* One that is tried again. */
struct smemv_retry {
	struct list_head link;
	struct smemv_swapdisk *disk;
	struct smemv_waiting *waiting;
	struct smemv_io io;
};

/* Once the lock is given back it may be tried, and end, and the disk be deleted. */
static void add_locked(struct smemv_swapdisk *d, struct smemv_waiting *w)
{
	lockdep_assert_held(&d->wait_lock);
	list_add_tail(&w->link, &d->waiting);
	d->nr_waiting++;
	smemv_space_keeps_waiting(d->space);
}

/* 0, or the error of its first page that has one. */
static int bio_error(const struct smemv_io *io, u32 first, u32 nr)
{
	u32 i;

	for (i = first; i < first + nr; i++)
		if (io->err[i])
			return io->err[i];
	return 0;
}

/* One that was split off it may have failed already, which it says itself. */
static void end_bio(struct bio *bio, int err)
{
	if (err)
		bio->bi_status = errno_to_blk_status(err);
	/* Its request was counted, which had no data any more. */
	part_stat_lock();
	part_stat_add(bio->bi_bdev, sectors[STAT_READ], bio_sectors(bio));
	part_stat_unlock();
	bio_endio(bio);
}

static u32 nr_pages(const struct bio *bio)
{
	return bio->bi_iter.bi_size >> PAGE_SHIFT;
}

static bool is_done(const struct smemv_io *io, u32 first, u32 nr)
{
	return !(io->todo & GENMASK(first + nr - 1, first));
}

static void forget_notes(struct list_head *notes)
{
	struct smemv_waiting *w, *next;

	list_for_each_entry_safe(w, next, notes, link)
		kfree(w);
}

/* For each bio that is not done. False: no memory. */
static bool make_notes(const struct smemv_io *io, const struct request *rq,
		      struct list_head *notes)
{
	struct smemv_waiting *w;
	struct bio *bio;
	u32 page = 0;

	for (bio = rq->bio; bio; page += nr_pages(bio), bio = bio->bi_next) {
		if (is_done(io, page, nr_pages(bio)))
			continue;
		w = kmalloc(sizeof(*w), GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN);
		if (!w) {
			forget_notes(notes);
			return false;
		}
		w->bio = bio;
		w->wait = io->wait;
		list_add_tail(&w->link, notes);
	}
	return true;
}

bool smemv_swapdisk_give_back(struct smemv_io *io)
{
	struct request *rq = blk_mq_rq_from_pdu(io);
	struct smemv_swapdisk *d = rq->q->queuedata;
	struct bio_list bios = BIO_EMPTY_LIST;
	struct smemv_waiting *w, *next;
	unsigned long flags;
	LIST_HEAD(notes);
	struct bio *bio;
	u32 page = 0;

	if (!make_notes(io, rq, &notes))
		return false;
	smemv_io_let_go(io);
	blk_steal_bios(&bios, rq);
	while ((bio = bio_list_pop(&bios))) {
		u32 pages = nr_pages(bio);

		if (is_done(io, page, pages))
			end_bio(bio, bio_error(io, page, pages));
		page += pages;
	}
	__blk_mq_end_request(rq, BLK_STS_OK);
	spin_lock_irqsave(&d->wait_lock, flags);
	list_for_each_entry_safe(w, next, &notes, link)
		add_locked(d, w);
	spin_unlock_irqrestore(&d->wait_lock, flags);
	return true;
}

static void put_retry_locked(struct smemv_retry *r)
{
	struct smemv_swapdisk *d = r->disk;

	lockdep_assert_held(&d->wait_lock);
	list_add(&r->link, &d->idle);
	if (d->is_short)
		smemv_space_kick(d->space);
	d->is_short = false;
}

/* The disk may be gone once the bio ended: that is last. */
static void retry_done(struct smemv_io *io)
{
	struct smemv_retry *r = container_of(io, struct smemv_retry, io);
	struct smemv_swapdisk *d = r->disk;
	struct bio *bio = r->waiting->bio;
	int err = bio_error(io, 0, io->nr);
	unsigned long flags;

	kfree(r->waiting);
	spin_lock_irqsave(&d->wait_lock, flags);
	put_retry_locked(r);
	spin_unlock_irqrestore(&d->wait_lock, flags);
	end_bio(bio, err);
}

static void put_back(struct smemv_retry *r)
{
	struct smemv_swapdisk *d = r->disk;
	unsigned long flags;

	r->waiting->wait = r->io.wait;
	spin_lock_irqsave(&d->wait_lock, flags);
	add_locked(d, r->waiting);
	put_retry_locked(r);
	spin_unlock_irqrestore(&d->wait_lock, flags);
}

static bool retry_waits(struct smemv_io *io)
{
	smemv_io_let_go(io);
	put_back(container_of(io, struct smemv_retry, io));
	return true;
}

static struct smemv_retry *get_retry(struct smemv_swapdisk *d)
{
	struct smemv_retry *r = NULL;

	spin_lock_irq(&d->wait_lock);
	if (!list_empty(&d->waiting)) {
		r = list_first_entry_or_null(&d->idle, struct smemv_retry, link);
		d->is_short = !r;
	}
	if (r) {
		list_del(&r->link);
		r->waiting = list_first_entry(&d->waiting, struct smemv_waiting, link);
		list_del(&r->waiting->link);
		d->nr_waiting--;
		smemv_space_waits_no_more(d->space);
	}
	spin_unlock_irq(&d->wait_lock);
	return r;
}

static void try_again(struct smemv_retry *r)
{
	struct bio *bio = r->waiting->bio;
	struct bvec_iter iter;
	struct bio_vec bv;

	smemv_swapdisk_begin_io(&r->io, r->disk, bio_op(bio), bio->bi_iter.bi_sector);
	bio_for_each_segment(bv, bio, iter) {
		/* Its request was taken; but no page is left out and said to be read. */
		if (WARN_ON_ONCE(!smemv_swapdisk_add_page(&r->io, &bv))) {
			r->io.nr = 1;
			r->io.err[0] = -EIO;
			return retry_done(&r->io);
		}
	}
	if (!smemv_space_submit_again(&r->io, &r->waiting->wait))
		put_back(r);
}

/* Each once: those that wait again are behind. */
void smemv_swapdisk_retry(void *disk)
{
	struct smemv_swapdisk *d = disk;
	u32 nr = READ_ONCE(d->nr_waiting);
	struct smemv_retry *r;

	while (nr-- && (r = get_retry(d))) {
		try_again(r);
		cond_resched();
	}
}

int smemv_swapdisk_wait_init(struct smemv_swapdisk *disk)
{
	u32 i;

	spin_lock_init(&disk->wait_lock);
	INIT_LIST_HEAD(&disk->waiting);
	INIT_LIST_HEAD(&disk->idle);
	/* Each in memory of its own, not vmalloc()'s: TCP takes their frames from there. */
	for (i = 0; i < RETRIES; i++) {
		struct smemv_retry *r = kzalloc(sizeof(*r), GFP_KERNEL);

		if (!r) {
			smemv_swapdisk_wait_uninit(disk);
			return -ENOMEM;
		}
		r->disk = disk;
		r->io.done = retry_done;
		r->io.give_back = retry_waits;
		list_add_tail(&r->link, &disk->idle);
	}
	return 0;
}

void smemv_swapdisk_wait_uninit(struct smemv_swapdisk *disk)
{
	struct smemv_retry *r, *next;

	WARN_ON_ONCE(!list_empty(&disk->waiting));
	list_for_each_entry_safe(r, next, &disk->idle, link)
		kfree(r);
}
