/* SPDX-License-Identifier: GPL-2.0-only */
/* Spaces that ended while a server could not be reached. */
#ifndef SMEMV_UNDROPPED_H
#define SMEMV_UNDROPPED_H

#include <linux/types.h>

struct smemv_bind;
struct smemv_lane;
struct smemv_server;
struct socket;

/*
 * Notes that the server still has to drop the bind's space, and takes its handle over. The
 * caller holds server->bind_lock, and has taken the bind off the server. False: there are
 * too many of these, or no memory.
 */
bool smemv_undropped_add(struct smemv_server *server,
			 const struct smemv_bind *bind);

/* The space uses the server again, and has to keep what it stores there. Same lock. */
void smemv_undropped_cancel(struct smemv_server *server, const u8 *uuid);

/*
 * Has the server drop them, while the lane is not up yet. Under server->bind_lock. 0, or an
 * errno with *why a static text: the connection is of no use.
 */
int smemv_undropped_settle(struct smemv_lane *lane, struct socket *sock,
			   const char **why);

/* The server is not used any more: the log says what stays there. */
void smemv_undropped_free(struct smemv_server *server);

#endif
