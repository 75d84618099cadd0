/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verb adopt: an empty space becomes that of another owner, whose map it takes over.
 *
 *   begin, run ..., claim, install, end	it is adopted
 *   begin, run ..., [claim,] end		it is as it was
 */
#ifndef SMEMV_ADOPT_H
#define SMEMV_ADOPT_H

#include "space.h"

/**
 * struct smemv_adoption - one attempt
 * @space: that adopts; set by the caller, as are
 * @uuid: of the other owner's space
 * @epoch: its epoch; smemv_adopt_claim() makes it the claimed one
 * @server: its servers as it told them
 * @nr_servers: of them, 1..SMEMV_MAX_SETS
 * @arbiter: which of them
 * @runs: the map, as struct smemv_run by number
 * @next: page index that the next run of pages may begin at
 * @pages: pages at each server
 * @lost: pages that are lost
 * @bind: the servers here; of the space once it is installed, else NULL or not bound
 * @reconcile: for each of them
 * @superseded: a server said that there is a newer claim
 * @installed: the space is adopted; @bind and @reconcile are those it had
 */
struct smemv_adoption {
	struct smemv_space *space;
	u8 uuid[16];
	u64 epoch;
	struct smemv_map_server *server;
	u32 nr_servers;
	u32 arbiter;

	struct xarray runs;
	u64 next;
	u64 pages[SMEMV_MAX_SETS];
	u64 lost;
	struct smemv_bind *bind;
	struct smemv_reconcile *reconcile[SMEMV_MAX_SETS];
	bool superseded;
	bool installed;
};

/* 0, -ENOMEM, or -EINVAL: the servers make no sense. smemv_adopt_end() in any case. */
int smemv_adopt_begin(struct smemv_adoption *a);

/* Ascending. 0, -EINVAL: it makes no sense, -ENOMEM, -EINTR. May take long. */
int smemv_adopt_run(struct smemv_adoption *a, const struct smemv_map_run *run);

/*
 * Claims it and opens it at all servers. Under ns->lock until smemv_adopt_end(). The
 * space must have no page anywhere, nothing under way, and stay so. 0, or an errno with
 * *why, see SMEMV_IOC_ADOPT.
 */
int smemv_adopt_claim(struct smemv_adoption *a, const char **why);

/* The space becomes the claimed one. Nobody may ask it for anything meanwhile. */
void smemv_adopt_install(struct smemv_adoption *a);

/* Leaves the servers of the space that it is not. */
void smemv_adopt_end(struct smemv_adoption *a);

#endif
