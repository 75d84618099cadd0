// SPDX-License-Identifier: GPL-2.0-only
/*
 * A block is a page; a request never crosses a run, so it is one smemv_io. The
 * io lives in the request (no allocation when memory is short), and is sent by
 * whoever submits it: BLK_MQ_F_BLOCKING, because taking the sender's lock and
 * making a run of the map may sleep. A merged request of which some pages fail
 * ends bio by bio, so that their neighbours succeed.
 */
#include <linux/blkdev.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "compat/blk.h"
#include "event.h"
#include "spin.h"
#include "swapdisk.h"

#define PAGE_SECTORS_SHIFT_	(PAGE_SHIFT - SECTOR_SHIFT)
#define QUEUE_DEPTH		128
#define QUEUES_DEFAULT_MAX	8

static DEFINE_IDA(disk_index);

static void io_done(struct smemv_io *io)
{
	struct request *rq = blk_mq_rq_from_pdu(io);
	u32 i, end;

	for (i = 0; i < io->nr; i = end) {
		for (end = i + 1; end < io->nr && io->err[end] == io->err[i]; end++)
			;
		blk_update_request(rq, errno_to_blk_status(io->err[i]),
				   (end - i) << PAGE_SHIFT);
	}
	__blk_mq_end_request(rq, BLK_STS_OK);
}

/* Whole pages only; the limits of the disk promise that. */
static bool fill_io(struct smemv_io *io, struct request *rq)
{
	u64 first = blk_rq_pos(rq) >> PAGE_SECTORS_SHIFT_;
	u32 slot = first % SMEMV_RUN_PAGES;
	struct req_iterator iter;
	struct bio_vec bv;

	io->run_nr = first >> SMEMV_RUN_SHIFT;
	io->op = op_is_write(req_op(rq)) ? SMEMV_OP_STORE : SMEMV_OP_LOAD;
	io->done = io_done;
	io->fixed = 0;
	io->unasked = false;
	io->nr = 0;
	rq_for_each_segment(bv, rq, iter) {
		if (bv.bv_offset || bv.bv_len != PAGE_SIZE ||
		    io->nr == SMEMV_IO_PAGES || slot == SMEMV_RUN_PAGES)
			return false;
		io->page[io->nr] = bv.bv_page;
		io->slot[io->nr++] = slot++;
	}
	return io->nr;
}

static void discard(struct smemv_space *space, struct request *rq)
{
	smemv_space_invalidate(space, blk_rq_pos(rq) >> PAGE_SECTORS_SHIFT_,
			       blk_rq_sectors(rq) >> PAGE_SECTORS_SHIFT_);
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx,
			     const struct blk_mq_queue_data *bd)
{
	struct smemv_swapdisk *d = hctx->queue->queuedata;
	struct smemv_io *io = blk_mq_rq_to_pdu(bd->rq);
	bool is_awaited;

	blk_mq_start_request(bd->rq);
	switch (req_op(bd->rq)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		break;
	case REQ_OP_DISCARD:
		discard(d->space, bd->rq);
		blk_mq_end_request(bd->rq, BLK_STS_OK);
		return BLK_STS_OK;
	default:
		return BLK_STS_NOTSUPP;
	}
	io->space = d->space;
	if (!fill_io(io, bd->rq)) {
		pr_err_ratelimited("%s: a request is not made of whole pages\n",
				   d->space->name);
		return BLK_STS_IOERR;
	}
	is_awaited = bd->last && io->op == SMEMV_OP_LOAD;
	smemv_space_submit(io);
	/* The request may be another one by now; its memory stays. */
	if (is_awaited)
		smemv_spin_until(d->space,
				 blk_mq_rq_state(bd->rq) != MQ_RQ_IN_FLIGHT);
	return BLK_STS_OK;
}

/* The space's own deadlines bound every request. */
static enum blk_eh_timer_return rq_timeout(struct request *rq)
{
	return BLK_EH_RESET_TIMER;
}

static const struct blk_mq_ops mq_ops = {
	.queue_rq = queue_rq,
	.timeout = rq_timeout,
};

static int disk_open(struct gendisk *disk)
{
	struct smemv_swapdisk *d = disk->private_data;

	lockdep_assert_held(&disk->open_mutex);
	if (d->removed || !maybe_get_net(d->ns->net))
		return -ENXIO;
	return 0;
}

static void disk_release(struct gendisk *disk)
{
	struct smemv_swapdisk *d = disk->private_data;

	put_net(d->ns->net);
}

/* Called by swap under its spinlocks. */
static void slot_free_notify(struct block_device *bdev, unsigned long offset)
{
	struct smemv_swapdisk *d = bdev->bd_disk->private_data;

	smemv_space_invalidate(d->space, offset, 1);
}

SMEMV_COMPAT_BDEV_OPEN(disk_open)
SMEMV_COMPAT_BDEV_RELEASE(disk_release)

static const struct block_device_operations disk_ops = {
	.owner = THIS_MODULE,
	.open = disk_open_compat,
	.release = disk_release_compat,
	.swap_slot_free_notify = slot_free_notify,
};

struct smemv_swapdisk *smemv_swapdisk_find(struct smemv_ns *ns,
					   const char *name)
{
	struct smemv_swapdisk *d;

	lockdep_assert_held(&ns->lock);
	list_for_each_entry(d, &ns->disks, link)
		if (!strcmp(d->space->name, name))
			return d;
	return NULL;
}

static int alloc_tags(struct smemv_swapdisk *d, u32 queues)
{
	d->tags.ops = &mq_ops;
	d->tags.nr_hw_queues = queues ?: min(num_online_cpus(),
					     QUEUES_DEFAULT_MAX + 0u);
	d->tags.queue_depth = QUEUE_DEPTH;
	d->tags.numa_node = NUMA_NO_NODE;
	d->tags.cmd_size = sizeof(struct smemv_io);
	d->tags.flags = SMEMV_COMPAT_MQ_FLAGS | BLK_MQ_F_BLOCKING |
			BLK_MQ_F_NO_SCHED_BY_DEFAULT;
	return blk_mq_alloc_tag_set(&d->tags);
}

static int alloc_disk(struct smemv_swapdisk *d)
{
	struct gendisk *disk;

	disk = smemv_compat_alloc_disk(&d->tags,
				       SMEMV_IO_PAGES << PAGE_SECTORS_SHIFT_,
				       SMEMV_RUN_PAGES << PAGE_SECTORS_SHIFT_, d);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	snprintf(disk->disk_name, sizeof(disk->disk_name), "smemv%d", d->index);
	disk->fops = &disk_ops;
	disk->private_data = d;
	disk->flags |= GENHD_FL_NO_PART;
	set_capacity(disk, d->space->size_pages << PAGE_SECTORS_SHIFT_);
	d->disk = disk;
	return 0;
}

static int make_disk(struct smemv_swapdisk *d, u32 queues)
{
	int err = alloc_tags(d, queues);

	if (err)
		return err;
	err = alloc_disk(d);
	if (err)
		goto free_tags;
	err = add_disk(d->disk);
	if (err)
		goto put_disk;
	return 0;

put_disk:
	put_disk(d->disk);
free_tags:
	blk_mq_free_tag_set(&d->tags);
	return err;
}

static void report(struct smemv_swapdisk *d, u32 type)
{
	smemv_event_send(d->ns->net, &(struct smemv_event_msg){
		.type = type, .space = d->space->name, .page = SMEMV_NO_PAGE,
	});
}

static struct smemv_swapdisk *
add_indexed(struct smemv_ns *ns, struct smemv_swapdisk_config *config,
	    int index, const char **why)
{
	char name[SMEMV_NAME_LEN];
	struct smemv_swapdisk *d;
	int err;

	if (!config->space.name) {
		snprintf(name, sizeof(name), "smemv%d", index);
		config->space.name = name;
	}
	if (smemv_swapdisk_find(ns, config->space.name)) {
		*why = "a swap disk of this name exists already";
		return ERR_PTR(-EEXIST);
	}
	*why = "out of memory";
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return ERR_PTR(-ENOMEM);
	d->ns = ns;
	d->index = index;
	d->space = smemv_space_create(ns, &config->space, why);
	err = PTR_ERR_OR_ZERO(d->space);
	if (err)
		goto free_disk;
	*why = "the block device could not be made: too little memory, or the kernel's log says why";
	err = make_disk(d, config->queues);
	if (err)
		goto destroy_space;
	return d;

destroy_space:
	smemv_space_destroy(d->space);
free_disk:
	kfree(d);
	return ERR_PTR(err);
}

struct smemv_swapdisk *
smemv_swapdisk_add(struct smemv_ns *ns, struct smemv_swapdisk_config *config,
		   const char **why)
{
	struct smemv_swapdisk *d;
	int index;

	lockdep_assert_held(&ns->lock);
	index = ida_alloc(&disk_index, GFP_KERNEL);
	if (index < 0) {
		*why = "out of memory";
		return ERR_PTR(index);
	}
	d = add_indexed(ns, config, index, why);
	if (IS_ERR(d)) {
		ida_free(&disk_index, index);
		return d;
	}
	list_add_tail(&d->link, &ns->disks);
	report(d, SMEMV_EV_SWAP_ADDED);
	return d;
}

/* From here on nobody can open it; false: somebody has. */
static bool claim(struct smemv_swapdisk *d)
{
	mutex_lock(&d->disk->open_mutex);
	if (!disk_openers(d->disk))
		d->removed = true;
	mutex_unlock(&d->disk->open_mutex);
	return d->removed;
}

int smemv_swapdisk_del(struct smemv_swapdisk *d, const char **why)
{
	lockdep_assert_held(&d->ns->lock);
	if (!claim(d)) {
		*why = "the disk is in use; swapoff (or unmount) it first";
		return -EBUSY;
	}
	list_del(&d->link);
	d->ns->removals++;
	report(d, SMEMV_EV_SWAP_DELETED);
	/* Who submitted the last read may still look at its request (queue_rq()). */
	blk_mq_quiesce_queue(d->disk->queue);
	blk_mq_unquiesce_queue(d->disk->queue);
	del_gendisk(d->disk);
	put_disk(d->disk);
	blk_mq_free_tag_set(&d->tags);
	smemv_space_destroy(d->space);
	ida_free(&disk_index, d->index);
	kfree(d);
	return 0;
}
