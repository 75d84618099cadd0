/* SPDX-License-Identifier: GPL-2.0-only */
/* Block layer API differences between the supported kernels. */
#ifndef SMEMV_COMPAT_BLK_H
#define SMEMV_COMPAT_BLK_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/version.h>

/* 6.14: merging is always on, the flag is gone. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define SMEMV_COMPAT_MQ_FLAGS	BLK_MQ_F_SHOULD_MERGE
#else
#define SMEMV_COMPAT_MQ_FLAGS	0
#endif

/*
 * A disk of 4 KiB blocks that takes at most max_sectors at once, never across
 * a chunk, only whole aligned pages, with discard, and whose data must not
 * change while it is written (checksums).
 *
 * 6.9: limits are passed at allocation; 6.11: features are limits.
 */
static inline struct gendisk *
smemv_compat_alloc_disk(struct blk_mq_tag_set *set, unsigned int max_sectors,
			unsigned int chunk_sectors, void *queuedata)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	struct queue_limits lim = {
		.logical_block_size = PAGE_SIZE,
		.physical_block_size = PAGE_SIZE,
		.io_min = PAGE_SIZE,
		.max_hw_sectors = max_sectors,
		.chunk_sectors = chunk_sectors,
		.max_segments = max_sectors >> (PAGE_SHIFT - SECTOR_SHIFT),
		.virt_boundary_mask = PAGE_SIZE - 1,
		.dma_alignment = PAGE_SIZE - 1,
		.max_hw_discard_sectors = UINT_MAX & ~7u,
		.discard_granularity = PAGE_SIZE,
		.features = BLK_FEAT_STABLE_WRITES,
	};

	return blk_mq_alloc_disk(set, &lim, queuedata);
#else
	struct gendisk *disk = blk_mq_alloc_disk(set, queuedata);
	struct request_queue *q;

	if (IS_ERR(disk))
		return disk;
	q = disk->queue;
	blk_queue_logical_block_size(q, PAGE_SIZE);
	blk_queue_physical_block_size(q, PAGE_SIZE);
	blk_queue_io_min(q, PAGE_SIZE);
	blk_queue_max_hw_sectors(q, max_sectors);
	blk_queue_chunk_sectors(q, chunk_sectors);
	blk_queue_max_segments(q, max_sectors >> (PAGE_SHIFT - SECTOR_SHIFT));
	blk_queue_virt_boundary(q, PAGE_SIZE - 1);
	blk_queue_dma_alignment(q, PAGE_SIZE - 1);
	blk_queue_max_discard_sectors(q, UINT_MAX & ~7u);
	q->limits.discard_granularity = PAGE_SIZE;
	blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, q);
	blk_queue_flag_set(QUEUE_FLAG_NONROT, q);
	return disk;
#endif
}

/* 6.5: open takes the disk and blk_mode_t, release only the disk. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define SMEMV_COMPAT_BDEV_OPEN(fn)					\
	static int fn##_compat(struct gendisk *disk, blk_mode_t mode)	\
	{								\
		return fn(disk);					\
	}
#define SMEMV_COMPAT_BDEV_RELEASE(fn)					\
	static void fn##_compat(struct gendisk *disk)			\
	{								\
		fn(disk);						\
	}
#else
#define SMEMV_COMPAT_BDEV_OPEN(fn)					\
	static int fn##_compat(struct block_device *bdev, fmode_t mode)	\
	{								\
		return fn(bdev->bd_disk);				\
	}
#define SMEMV_COMPAT_BDEV_RELEASE(fn)					\
	static void fn##_compat(struct gendisk *disk, fmode_t mode)	\
	{								\
		fn(disk);						\
	}
#endif

#endif
