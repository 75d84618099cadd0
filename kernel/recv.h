/* SPDX-License-Identifier: GPL-2.0-only */
/* The receiving half of a lane. */
#ifndef SMEMV_RECV_H
#define SMEMV_RECV_H

struct smemv_lane;
struct sock;

/* Expect a header next. Before the callbacks are installed. */
void smemv_recv_reset(struct smemv_lane *lane);

/*
 * Takes what the socket has: called by sk_data_ready in softirq, with the
 * socket locked, so that a reply needs no thread to reach its waiter.
 */
void smemv_recv(struct smemv_lane *lane, struct sock *sk);

#endif
