/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory servers of a main host. */
#ifndef SMEMV_POOL_H
#define SMEMV_POOL_H

#include "lane.h"

struct smemv_server_config {
	const char *name;
	const struct sockaddr *addr;
	int addr_len;
	u64 limit_pages;	/* 0: no limit */
	u32 lanes;		/* 0: default */
	u32 timeout_ms;		/* 0: default */
};

#define SMEMV_TIMEOUT_MIN_MS		100
#define SMEMV_TIMEOUT_MAX_MS		60000
#define SMEMV_TIMEOUT_DEFAULT_MS	4000

/*
 * All of these are called with ns->lock held. On failure *why is a static
 * text for people.
 *
 * smemv_server_add() returns after the server answered on every lane, or fails.
 * It lets go of ns->lock while it waits for that.
 */
struct smemv_server *smemv_server_add(struct smemv_ns *ns,
				      const struct smemv_server_config *config,
				      const char **why);
/* -EBUSY while a space is bound to it. */
int smemv_server_del(struct smemv_server *server, const char **why);
struct smemv_server *smemv_server_find(struct smemv_ns *ns, const char *name);

/* The lane for a run's pages: always the same one (rule 1). Any context. */
struct smemv_lane *smemv_server_lane(struct smemv_server *server, u64 run);

/* Pages that may still be stored there, as far as is known; 0 when full. */
u64 smemv_server_room(const struct smemv_server *server);
/* The same for who looks for a place; people are told when there is none. Any context. */
u64 smemv_server_take_room(struct smemv_server *server);
/*
 * The limit's room for pages that it has not got yet, before they are sent to it: for how many
 * of nr. For each that it took the map says so with smemv_map_set_booked(); the rest is given
 * back when no answer is awaited any more, whatever happened. Any context.
 */
u32 smemv_server_book(struct smemv_server *server, u32 nr);
void smemv_server_unbook(struct smemv_server *server, u32 nr);
/* It took no page for want of room. Any context. */
void smemv_server_note_full(struct smemv_server *server);

enum smemv_server_state smemv_server_state(const struct smemv_server *server);

/* Requests sent and not answered, on all lanes. */
u32 smemv_server_inflight(struct smemv_server *server);

#endif
