// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disk as the block layer sees it: made, opened, deleted. What its requests do
 * is in swapdisk_rq.c.
 *
 * Reads have queues, and so requests, of their own. Writes that wait for room or for
 * a server keep their requests, which bounds what is under way, and must not keep out
 * reads. Reads that wait give theirs back (swapdisk_wait.c): those of a server that is
 * away must not keep out those of another.
 */
#include <linux/blkdev.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "compat/blk.h"
#include "event.h"
#include "swapdisk_inside.h"

#define QUEUE_DEPTH		128
#define QUEUES_DEFAULT_MAX	8

static DEFINE_IDA(disk_index);

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
	d->tags.ops = &smemv_swapdisk_mq_ops;
	d->tags.nr_maps = 2;	/* HCTX_TYPE_DEFAULT, HCTX_TYPE_READ */
	queues = queues ?: min(num_online_cpus(), QUEUES_DEFAULT_MAX + 0u);
	d->tags.nr_hw_queues = 2 * min(queues, nr_cpu_ids);
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
				       SMEMV_IO_PAGES << SMEMV_PAGE_SECTORS_SHIFT,
				       SMEMV_RUN_PAGES << SMEMV_PAGE_SECTORS_SHIFT, d);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	snprintf(disk->disk_name, sizeof(disk->disk_name), "smemv%d", d->index);
	disk->fops = &disk_ops;
	disk->private_data = d;
	disk->flags |= GENHD_FL_NO_PART;
	set_capacity(disk, d->space->size_pages << SMEMV_PAGE_SECTORS_SHIFT);
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
	err = smemv_swapdisk_wait_init(d);
	if (err)
		goto free_disk;
	d->space = smemv_space_create(ns, &config->space, why);
	err = PTR_ERR_OR_ZERO(d->space);
	if (err)
		goto uninit_wait;
	d->space->front = d;
	/* With @front: a lane that came up meanwhile has them looked at. */
	smp_store_release(&d->space->retry, smemv_swapdisk_retry);
	*why = "the block device could not be made: too little memory, or the kernel's log says why";
	err = make_disk(d, config->queues);
	if (err)
		goto destroy_space;
	return d;

destroy_space:
	smemv_space_destroy(d->space);
uninit_wait:
	smemv_swapdisk_wait_uninit(d);
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
	/* Who submitted the last read may still look at its request (swapdisk_rq.c). */
	blk_mq_quiesce_queue(d->disk->queue);
	blk_mq_unquiesce_queue(d->disk->queue);
	del_gendisk(d->disk);
	put_disk(d->disk);
	blk_mq_free_tag_set(&d->tags);
	smemv_space_destroy(d->space);
	smemv_swapdisk_wait_uninit(d);
	ida_free(&disk_index, d->index);
	kfree(d);
	return 0;
}
