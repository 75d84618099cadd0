// SPDX-License-Identifier: GPL-2.0-only
/* What the replies of servers do to pages: see the top of io.c. */
#include "io_inside.h"

#define MAX_RETRIES	3

static void lose_page(struct smemv_io *io, u32 i)
{
	struct smemv_space *space = io->space;
	struct smemv_server *server = bind_of(io, where(io, i))->server;

	smemv_server_count(server, MISSING, 1);
	smemv_map_set(&space->map, io->run, io->slot[i], SMEMV_WHERE_LOST);
	smemv_space_count(space, LOST_READS, 1);
	smemv_tell_lost(space, smemv_io_index(io, i), server,
			"does not have it any more");
	finish_page(io, i, -EIO);
}

static void page_stored(struct smemv_io *io, u32 i, bool is_zero)
{
	struct smemv_server *server = bind_of(io, io->target)->server;
	u16 old = where(io, i);

	if (old >= SMEMV_WHERE_SET && old != io->target) {
		io->open_sets |= set_bit_of(old);
		smemv_space_count(io->space, REPLACED, 1);
	}
	if (old != io->target) {
		smemv_map_set_booked(&io->space->map, io->run, io->slot[i], io->target);
		io->booked--;
	}
	smemv_space_count(io->space, STORE_PAGES, 1);
	smemv_server_count(server, STORE_PAGES, 1);
	if (is_zero)
		smemv_server_count(server, STORE_ZERO, 1);
	finish_page(io, i, 0);
}

static void page_loaded(struct smemv_io *io, u32 i, bool is_zero)
{
	struct smemv_server *server = bind_of(io, io->target)->server;

	smemv_space_count(io->space, LOAD_PAGES, 1);
	smemv_server_count(server, LOAD_PAGES, 1);
	if (is_zero)
		smemv_server_count(server, LOAD_ZERO, 1);
	finish_page(io, i, 0);
}

static void fenced_out(struct smemv_io *io)
{
	struct smemv_bind *bind = bind_of(io, io->target);

	smemv_server_count(bind->server, STALE_EPOCH, 1);
	bind->fenced_out(bind);
}

/*
 * A page that did not get through; what is still todo is planned again. @tried:
 * failures before this reply, in which many pages may have failed at once.
 */
static void page_refused(struct smemv_io *io, u32 i, unsigned int status,
			 u8 tried)
{
	struct smemv_server *server = bind_of(io, io->target)->server;

	switch (status) {
	case SMEMV_ST_NO_SPACE:
	case SMEMV_ST_STOPPING:
		if (io->op != SMEMV_OP_STORE)
			break;	/* a load needs no space: do not ask for ever */
		smemv_server_count(server, NO_SPACE, 1);
		if (status == SMEMV_ST_NO_SPACE)
			smemv_server_note_full(server);
		io->refused |= set_bit_of(io->target);
		return;
	case SMEMV_ST_MISSING:
		if (io->op == SMEMV_OP_LOAD)
			return lose_page(io, i);
		break;
	case SMEMV_ST_STALE_EPOCH:
		return fenced_out(io);
	case SMEMV_ST_NOT_ACTIVE:
		/* It is told when the lane is opened again. */
		smemv_lane_break(lane_of(io, io->target),
				 "the server was not told that a space is active");
		break;
	case SMEMV_ST_NO_SUCH_SPACE:
		smemv_lane_break(lane_of(io, io->target),
				 "the server does not know the space any more (was it dropped there?)");
		break;
	case SMEMV_ST_BAD_CRC:
		smemv_server_count(server, BAD_CRC, 1);
		break;
	}
	io->wait.retries = tried + 1;
	if (tried < MAX_RETRIES)
		return;
	pr_err_ratelimited("%s: %s of page %llu failed: server %s: %s\n",
			   io->space->name, smemv_op_name(io->op),
			   smemv_io_index(io, i), server->name,
			   smemv_status_name(status));
	if (io->op == SMEMV_OP_STORE) {
		if (where(io, i) >= SMEMV_WHERE_SET)
			io->open_sets |= set_bit_of(where(io, i));
		smemv_map_set(&io->space->map, io->run, io->slot[i],
			      SMEMV_WHERE_FAILED);
		io->open_sets |= set_bit_of(io->target);
		smemv_space_count(io->space, STORE_ERRORS, 1);
	} else {
		smemv_space_count(io->space, LOAD_ERRORS, 1);
	}
	finish_page(io, i, -EIO);
}

/* An average in which the newest counts for an eighth. */
static void note_load_time(struct smemv_space *space, ktime_t took)
{
	u64 usual = READ_ONCE(space->load_ns);

	WRITE_ONCE(space->load_ns, usual - usual / 8 + took / 8);
}

void smemv_io_replied(struct smemv_req *req)
{
	struct smemv_io *io = container_of(req, struct smemv_io, req);
	u8 tried = io->wait.retries;
	u32 i;

	if (req->err) {
		if (req->on_wire) {
			smemv_server_count(bind_of(io, io->target)->server,
					   RESENT, 1);
			if (io->op == SMEMV_OP_STORE)
				io->open_sets |= set_bit_of(io->target);
		}
	} else {
		if (io->op == SMEMV_OP_LOAD)
			note_load_time(io->space, ktime_sub(ktime_get(), req->sent));
		for (i = 0; i < req->nr; i++) {
			bool is_zero = req->zeros & BIT(i);
			u32 page = io->batch_page[i];

			if (req->result[i] != SMEMV_ST_OK)
				page_refused(io, page, req->result[i], tried);
			else if (io->op == SMEMV_OP_STORE)
				page_stored(io, page, is_zero);
			else
				page_loaded(io, page, is_zero);
		}
	}
	smemv_io_unbook(io);
	smemv_io_advance(io, false);
}
