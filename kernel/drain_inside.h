/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of drain: what its files share. */
#ifndef SMEMV_DRAIN_INSIDE_H
#define SMEMV_DRAIN_INSIDE_H

#include "drain.h"
#include "io.h"

/**
 * struct smemv_drain_target - a server that may get pages
 * @wanted: it may
 * @unusable: not in this pass
 * @opened: the drain was opened in this pass, all others before are closed
 * @used: pushes of it were sent, so that it has to be closed
 * @unsettled: it may hold copies that the map does not know
 * @number: of the drain
 * @token: of the drain
 * @server_id: the server's run in which the drain was opened, and
 * @created: what the space's bind said of that then, and
 * @emptied: of this
 */
struct smemv_drain_target {
	bool wanted;
	bool unusable;
	bool opened;
	bool used;
	bool unsettled;
	u64 number;
	u8 token[SMEMV_WIRE_TOKEN_SIZE];
	u8 server_id[16];
	u32 created;
	u32 emptied;
};

/**
 * struct smemv_drain - pages of a space move off one server
 * @space: whose
 * @from: the source, as number among the space's servers
 * @stop: give it up
 * @abandoned: the space goes, or its epoch is raised: nothing need be closed at targets
 * @moved: pages so far
 * @told: jiffies when that was told last
 * @missing_before: pages that the server should have had, of any space, when this began
 * @why: static text: why pages could not be moved in this pass
 * @work: does it
 * @pages: of one run, owned
 * @req: scratch, and
 * @result: its reply
 * @target: by number among the space's servers
 */
struct smemv_drain {
	struct smemv_space *space;
	u32 from;
	bool stop;
	bool abandoned;
	u64 moved;
	unsigned long told;
	u64 missing_before;
	const char *why;
	struct work_struct work;
	DECLARE_BITMAP(pages, SMEMV_RUN_PAGES);
	struct smemv_req req;
	struct smemv_wire_page result[SMEMV_REQ_DESCS];
	struct smemv_drain_target target[SMEMV_MAX_SETS];
};

static inline struct smemv_bind *
smemv_drain_source(const struct smemv_drain *d)
{
	return &d->space->bind[d->from];
}

static inline bool smemv_drain_stopped(const struct smemv_drain *d)
{
	return READ_ONCE(d->stop) || READ_ONCE(d->space->closing) ||
	       READ_ONCE(d->space->fenced);
}

/* Moves what can be moved of the run's pages at the source; @d->why: of those that stay. */
void smemv_drain_run(struct smemv_drain *d, struct smemv_run *run);

/*
 * Closes what was opened at targets. False: one of them cannot be reached, try
 * again. Between this and the next smemv_drain_run() nothing is on its way.
 */
bool smemv_drain_close_all(struct smemv_drain *d);

#endif
