// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making servers forget pages. Two reasons: the front gave them up (discard,
 * swap slot freed), or a server holds what the map does not attribute to it.
 * Who invalidates owns the pages until the answer, so that no store can
 * overtake (rules 1 and 4).
 *
 * An answer that does not come needs no retry here: the entries are cleared,
 * and the server is reconciled when it can be reached again.
 */
#include <linux/slab.h>

#include "conn.h"
#include "io.h"

static u32 add_ranges(struct smemv_req *req, const struct smemv_run *run,
		      const unsigned long *pages, u32 from, u32 max)
{
	u32 first, end = from;

	req->nr = 0;
	while (req->nr < max) {
		struct smemv_wire_range *range = &req->frame.range[req->nr];

		first = find_next_bit(pages, SMEMV_RUN_PAGES, end);
		if (first >= SMEMV_RUN_PAGES)
			return SMEMV_RUN_PAGES;
		end = find_next_zero_bit(pages, SMEMV_RUN_PAGES, first);
		range->first = cpu_to_le64((run->nr << SMEMV_RUN_SHIFT) + first);
		range->count = cpu_to_le32(end - first);
		range->flags = 0;
		req->nr++;
	}
	return end;
}

int smemv_invalidate_owned(struct smemv_bind *bind, struct smemv_run *run,
			   const unsigned long *pages, struct smemv_req *req)
{
	struct smemv_server *server = bind->server;
	struct smemv_lane *lane = smemv_server_lane(server, run->nr);
	struct smemv_wire_pages_reply reply;
	u32 from = 0;
	int err;

	while (from < SMEMV_RUN_PAGES) {
		from = add_ranges(req, run, pages, from, server->max_pages);
		if (!req->nr)
			break;
		req->opcode = SMEMV_OP_INVALIDATE;
		req->handle = bind->handle;
		req->reply = &reply;
		req->reply_size = sizeof(reply);
		err = smemv_lane_call(lane, req);
		if (err)
			return err;
		if (req->status == SMEMV_ST_STALE_EPOCH)
			bind->fenced_out(bind);
		if (req->status != SMEMV_ST_OK)
			return -EREMOTEIO;
		smemv_server_count(server, INVALIDATE_PAGES,
				   le64_to_cpu(reply.pages));
	}
	return 0;
}

void smemv_run_disown(struct smemv_space *space, struct smemv_run *run,
		      const unsigned long *pages)
{
	unsigned long flags;

	spin_lock_irqsave(&run->lock, flags);
	bitmap_andnot(run->busy, run->busy, pages, SMEMV_RUN_PAGES);
	spin_unlock_irqrestore(&run->lock, flags);
	smemv_run_wake(space, run);
	if (bitmap_intersects(run->given_up, pages, SMEMV_RUN_PAGES))
		smemv_forget_run(space, run);
}
