/* SPDX-License-Identifier: GPL-2.0-only */
/* Which spaces use a memory server. Called with ns->lock held; *why is a static text for people. */
#ifndef SMEMV_BIND_H
#define SMEMV_BIND_H

#include <linux/types.h>

struct smemv_bind;
struct smemv_server;
struct work_struct;

/*
 * Make the space known to the server: on all lanes that are up now, and on
 * every later connection. The caller has filled in all but link, server, handle.
 */
int smemv_server_bind(struct smemv_server *server, struct smemv_bind *bind,
		      const char **why);
/*
 * Opens it there anew, as a claim of a higher epoch. No request of it may be open.
 * -ESTALE: somebody claimed a higher one.
 */
int smemv_server_reopen(struct smemv_bind *bind, u64 epoch, const char **why);
/*
 * Ends that; @drop: has the server forget the space when it can be reached. 0, or
 * an errno: it was not dropped. -ESTALE: it is not this host's any more.
 */
int smemv_server_unbind(struct smemv_bind *bind, bool drop);

/* Asks for what the server would not open (server->reopen, on smemv_wq). */
void smemv_bind_reopen_work(struct work_struct *work);

#endif
