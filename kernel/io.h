/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of space: what its files share. */
#ifndef SMEMV_IO_H
#define SMEMV_IO_H

#include "space.h"

static inline u64 smemv_io_index(const struct smemv_io *io, u32 i)
{
	return (io->run_nr << SMEMV_RUN_SHIFT) + io->slot[i];
}

static inline unsigned long smemv_io_deadline(const struct smemv_io *io)
{
	return io->wait.start + msecs_to_jiffies(READ_ONCE(io->space->deadline_ms));
}

/* Ownership of pages, see struct smemv_run.busy. */
/* False: another one owns some; with @or_wait it waits for its turn and is parked then. */
bool smemv_io_own(struct smemv_io *io, bool or_wait);
void smemv_io_disown(struct smemv_io *io);
void smemv_run_wake(struct smemv_space *space, struct smemv_run *run);

/* Sets the bits of its pages. */
void smemv_io_mark(const struct smemv_io *io, unsigned long *pages);

/* Goes on from space->parked, where it is tried again every 200 ms and when a lane goes up. */
void smemv_io_park(struct smemv_io *io);
/* The same, unless who submitted it takes it back. For one without a request under way. */
void smemv_io_wait(struct smemv_io *io);
void smemv_park_work(struct work_struct *work);

/* The deadline decides by policy. True: it failed, do not wait any longer. */
bool smemv_io_fails_now(struct smemv_io *io);

/* From the start, or from the park. */
void smemv_io_start(struct smemv_io *io);

/* No memory for the map (store), or nothing was ever stored there (load). */
void smemv_io_no_run(struct smemv_io *io);

/* Carries on with an io that owns its pages; it may be gone afterwards. */
void smemv_io_advance(struct smemv_io *io, bool direct);

/* lose.c: log and event; @why goes on where the server's name ends, where there is one. */
void smemv_tell_lost(struct smemv_space *space, u64 index,
		     const struct smemv_server *server, const char *why);

/* The server's pages may differ from the map: compare when it can be reached. */
void smemv_reconcile(struct smemv_space *space, u32 bind);

/**
 * struct smemv_listing - what a server holds of a space, some at a time
 * @req: scratch, and
 * @range: for its reply
 * @count: of them, ascending
 * @next: page index to go on at; the space's size: there are no more
 */
struct smemv_listing {
	struct smemv_req req;
	struct smemv_wire_range range[SMEMV_REQ_DESCS];
	u32 count;
	u64 next;
};

/* From l->next on, over this lane, whose deadlines bound it. 0 or an errno. */
int smemv_list(struct smemv_space *space, struct smemv_bind *bind,
	       struct smemv_lane *lane, struct smemv_listing *l);

/* restarted.c: the map does not tell what is at this server. Any context; a hint. */
bool smemv_bind_is_doubted(const struct smemv_bind *bind);

/**
 * smemv_restarted_settle() - what did a server lose by its restart?
 * @space: the space, active
 * @bind: the server, whose lanes are all up
 * @l: scratch
 *
 * What it has no more becomes LOST, or the front's only copy (space->keep). False:
 * not all is known yet: it is to be called again some time later.
 */
bool smemv_restarted_settle(struct smemv_space *space, struct smemv_bind *bind,
			    struct smemv_listing *l);

/* NULL: no memory. */
struct smemv_reconcile *smemv_reconcile_new(struct smemv_space *space,
					    struct smemv_bind *bind);
/* Sets it to NULL; nothing happens when it is. */
void smemv_reconcile_free(struct smemv_reconcile **r);
void smemv_reconcile_lane_up(struct smemv_space *space, u32 bind);
/* Waits for one that is under way; in a space that is not active no other follows. */
void smemv_reconcile_flush(struct smemv_space *space, u32 bind);

/* Have the run's given-up pages invalidated. Any context but hard interrupt. */
void smemv_forget_run(struct smemv_space *space, struct smemv_run *run);

/**
 * smemv_invalidate_owned() - make one server forget pages of a run
 * @bind: the space at the server
 * @run: the run
 * @pages: which; the caller owns them
 * @req: scratch
 *
 * Waits for the answers, which the lane's deadlines bound. 0, or an errno: the
 * server may still hold them.
 */
int smemv_invalidate_owned(struct smemv_bind *bind, struct smemv_run *run,
			   const unsigned long *pages, struct smemv_req *req);

/* Lets go of pages owned without an io, and wakes who waits for them. */
void smemv_run_disown(struct smemv_space *space, struct smemv_run *run,
		      const unsigned long *pages);

/* Callbacks and identity of a server that belongs to the space from here on. */
void smemv_space_use_bind(struct smemv_space *space, struct smemv_bind *bind);

/* The space became active: what was given up meanwhile is invalidated now. */
void smemv_forget_resume(struct smemv_space *space);
/* Waits for the invalidations under way; in a space that is not active no others follow. */
void smemv_forget_flush(struct smemv_space *space);

int smemv_forget_init(struct smemv_space *space);
void smemv_forget_uninit(struct smemv_space *space);

#endif
