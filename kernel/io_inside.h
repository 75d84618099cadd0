/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of io: what sending a request and reading its reply share. */
#ifndef SMEMV_IO_INSIDE_H
#define SMEMV_IO_INSIDE_H

#include "io.h"

/* A reply came, or none will: what it says is done, and the io goes on. */
void smemv_io_replied(struct smemv_req *req);

static inline u16 where(const struct smemv_io *io, u32 i)
{
	return smemv_map_where(io->run, io->slot[i]);
}

static inline u64 set_bit_of(u16 target)
{
	return 1ULL << (target - SMEMV_WHERE_SET);
}

/* The server of a set; a set has one member until pages are mirrored. */
static inline struct smemv_bind *bind_of(const struct smemv_io *io, u16 target)
{
	return io->space->map.set[target - SMEMV_WHERE_SET].member[0];
}

static inline struct smemv_lane *lane_of(const struct smemv_io *io, u16 target)
{
	return smemv_server_lane(bind_of(io, target)->server, io->run_nr);
}

static inline void finish_page(struct smemv_io *io, u32 i, int err)
{
	io->err[i] = err;
	io->todo &= ~BIT(i);
}

/* Of the request that was planned: nothing can come of it any more. */
static inline void smemv_io_unbook(struct smemv_io *io)
{
	smemv_server_unbook(bind_of(io, io->target)->server, io->booked);
	io->booked = 0;
}

#endif
