/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the swap disk: what its files share. */
#ifndef SMEMV_SWAPDISK_INSIDE_H
#define SMEMV_SWAPDISK_INSIDE_H

#include "swapdisk.h"

#define SMEMV_PAGE_SECTORS_SHIFT	(PAGE_SHIFT - SECTOR_SHIFT)

/* swapdisk_rq.c: requests as operations of the space. */
extern const struct blk_mq_ops smemv_swapdisk_mq_ops;

/* An io without pages yet, from this sector on. */
void smemv_swapdisk_begin_io(struct smemv_io *io, struct smemv_swapdisk *disk,
			     enum req_op op, sector_t first);
/* Its next page. False: it is none, or one more than an io has. */
bool smemv_swapdisk_add_page(struct smemv_io *io, const struct bio_vec *bv);

/* swapdisk_wait.c: reads that wait for a server. 0 or -ENOMEM. */
int smemv_swapdisk_wait_init(struct smemv_swapdisk *disk);
/* None waits or will, and the space is gone. */
void smemv_swapdisk_wait_uninit(struct smemv_swapdisk *disk);

/* struct smemv_io.give_back of a request's io: its bios wait without it. */
bool smemv_swapdisk_give_back(struct smemv_io *io);
/* struct smemv_space.retry */
void smemv_swapdisk_retry(void *disk);

#endif
