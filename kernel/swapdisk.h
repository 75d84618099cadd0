/* SPDX-License-Identifier: GPL-2.0-only */
/* The swap disk: a blk-mq disk whose blocks are the pages of a space. */
#ifndef SMEMV_SWAPDISK_H
#define SMEMV_SWAPDISK_H

#include <linux/blk-mq.h>

#include "space.h"

#define SMEMV_SWAP_QUEUES_MAX	64

/**
 * struct smemv_swapdisk - one disk
 * @link: on ns->disks
 * @ns: whose; an open disk holds a reference on the namespace
 * @space: where its pages are
 * @index: N of /dev/smemvN
 * @removed: may not be opened any more; protected by disk->open_mutex
 * @tags: requests; each holds its struct smemv_io
 * @disk: the disk
 * @wait_lock: protects @waiting, @idle, @is_short
 * @waiting: struct smemv_waiting: reads that wait for a server
 * @nr_waiting: of them
 * @idle: struct smemv_retry: with which they are tried again, a few at a time
 * @is_short: some were not tried, as all of these were under way
 */
struct smemv_swapdisk {
	struct list_head link;
	struct smemv_ns *ns;
	struct smemv_space *space;
	int index;
	bool removed;
	struct blk_mq_tag_set tags;
	struct gendisk *disk;

	spinlock_t wait_lock;
	struct list_head waiting;
	u32 nr_waiting;
	struct list_head idle;
	bool is_short;
};

struct smemv_swapdisk_config {
	struct smemv_space_config space;	/* name may be NULL: smemvN */
	u32 queues;		/* for reads, and as many for the rest; 0: default */
};

/* All under ns->lock; *why is a static text for people. */
struct smemv_swapdisk *
smemv_swapdisk_add(struct smemv_ns *ns, struct smemv_swapdisk_config *config,
		   const char **why);
/* -EBUSY while somebody has it open. */
int smemv_swapdisk_del(struct smemv_swapdisk *disk, const char **why);
struct smemv_swapdisk *smemv_swapdisk_find(struct smemv_ns *ns,
					   const char *name);

#endif
