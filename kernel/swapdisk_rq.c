// SPDX-License-Identifier: GPL-2.0-only
/*
 * A block is a page; a request never crosses a run, so it is one smemv_io. The
 * io lives in the request (no allocation when memory is short), and is sent by
 * whoever submits it: BLK_MQ_F_BLOCKING, because taking the sender's lock and
 * making a run of the map may sleep. A merged request of which some pages fail
 * ends bio by bio, so that their neighbours succeed.
 */
#include "spin.h"
#include "swapdisk_inside.h"

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

void smemv_swapdisk_begin_io(struct smemv_io *io, struct smemv_swapdisk *disk,
			     enum req_op op, sector_t first)
{
	u64 index = first >> SMEMV_PAGE_SECTORS_SHIFT;

	io->space = disk->space;
	io->op = op_is_write(op) ? SMEMV_OP_STORE : SMEMV_OP_LOAD;
	io->run_nr = index >> SMEMV_RUN_SHIFT;
	io->slot[0] = index % SMEMV_RUN_PAGES;
	io->fixed = 0;
	io->unasked = false;
	io->nr = 0;
}

/* Whole pages only, and not beyond the run; the limits of the disk promise that. */
bool smemv_swapdisk_add_page(struct smemv_io *io, const struct bio_vec *bv)
{
	u32 slot = io->slot[0] + io->nr;

	if (bv->bv_offset || bv->bv_len != PAGE_SIZE ||
	    io->nr == SMEMV_IO_PAGES || slot == SMEMV_RUN_PAGES)
		return false;
	io->page[io->nr] = bv->bv_page;
	io->slot[io->nr++] = slot;
	return true;
}

static bool fill_io(struct smemv_io *io, struct request *rq)
{
	struct req_iterator iter;
	struct bio_vec bv;

	smemv_swapdisk_begin_io(io, rq->q->queuedata, req_op(rq), blk_rq_pos(rq));
	io->done = io_done;
	io->give_back = io->op == SMEMV_OP_LOAD ? smemv_swapdisk_give_back : NULL;
	rq_for_each_segment(bv, rq, iter)
		if (!smemv_swapdisk_add_page(io, &bv))
			return false;
	return io->nr;
}

static void discard(struct smemv_space *space, struct request *rq)
{
	smemv_space_invalidate(space, blk_rq_pos(rq) >> SMEMV_PAGE_SECTORS_SHIFT,
			       blk_rq_sectors(rq) >> SMEMV_PAGE_SECTORS_SHIFT);
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

/* Each kind has as many queues; a kernel that is to save memory makes do with the first kind. */
static void map_queues(struct blk_mq_tag_set *set)
{
	u32 i, each = set->nr_hw_queues / set->nr_maps;

	for (i = 0; i < set->nr_maps; i++) {
		set->map[i].nr_queues = each;
		set->map[i].queue_offset = i * each;
		blk_mq_map_queues(&set->map[i]);
	}
}

const struct blk_mq_ops smemv_swapdisk_mq_ops = {
	.queue_rq = queue_rq,
	.timeout = rq_timeout,
	.map_queues = map_queues,
};
