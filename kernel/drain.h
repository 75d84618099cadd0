/* SPDX-License-Identifier: GPL-2.0-only */
/* The verb drain: pages move from one server to others while they are in use. */
#ifndef SMEMV_DRAIN_H
#define SMEMV_DRAIN_H

#include "space.h"

/**
 * smemv_server_drain() - begin to move all pages off a server
 * @server: takes no new pages from here on
 * @to: where they go; they must differ from @server
 * @nr_to: of them; 0: to the other servers that each space uses already
 * @why: static text for people when it fails
 *
 * Under ns->lock. Returns when the moving has begun; server->drains falls to 0
 * when it has ended, and an event is sent for each space. Where pages stayed,
 * server->drain_why says why and it takes new pages again. 0 or an errno, then
 * nothing has begun.
 */
int smemv_server_drain(struct smemv_server *server, struct smemv_server **to,
		       u32 nr_to, const char **why);

/*
 * Give it up: what was moved stays moved, and the server takes pages again. Does
 * not wait for pages that are on their way. Under ns->lock.
 */
void smemv_server_drain_stop(struct smemv_server *server);

/*
 * Nothing uses a drained server any more afterwards, so that it can be deleted.
 * Under ns->lock; may wait for requests. 0, or an errno and *why.
 */
int smemv_server_leave_spaces(struct smemv_server *server, const char **why);

/* Pages of it are being moved, or may still arrive. Under ns->lock. */
bool smemv_space_is_draining(const struct smemv_space *space);

/*
 * The space is going, or its epoch will be raised, which ends the drain at servers: waits for
 * requests that are on their way. Under ns->lock.
 */
void smemv_space_drain_end(struct smemv_space *space);

#endif
