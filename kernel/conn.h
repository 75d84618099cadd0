/* SPDX-License-Identifier: GPL-2.0-only */
/* Life of a lane's connection: made, kept alive, ended, made again. */
#ifndef SMEMV_CONN_H
#define SMEMV_CONN_H

struct smemv_lane;
struct smemv_req;
struct smemv_server;

struct smemv_lane *smemv_lane_alloc(struct smemv_server *server, u32 nr);

/*
 * Ends the connection and every request on it, for good: @stopping of its server is set. May sleep.
 */
void smemv_lane_stop(struct smemv_lane *lane);

/* Frees one that is stopped. */
void smemv_lane_free(struct smemv_lane *lane);

/*
 * Connects now, in the caller's context; at most three times the server's
 * timeout. Returns 0 or an errno with *why set.
 */
int smemv_lane_connect(struct smemv_lane *lane, const char **why);

/* From now on the lane keeps itself connected. */
void smemv_lane_start(struct smemv_lane *lane);

/*
 * Sends the request and waits for its end, which the lane's deadlines bound.
 * Returns 0 when a reply came (see req->status), else -ENOTCONN. May sleep.
 */
int smemv_lane_call(struct smemv_lane *lane, struct smemv_req *req);

#endif
