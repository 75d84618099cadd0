/* SPDX-License-Identifier: GPL-2.0-only */
/* The loop's side of io_uring: what is submitted, and what its completions mean. */
#ifndef MEMSERVER_RING_H
#define MEMSERVER_RING_H

#include "loop.h"

int ring_init(struct loop *l, char *err, size_t err_len);
/* On the loop's own thread, before anything else: the ring belongs to one thread. */
void ring_enable(struct loop *l);
void ring_exit(struct loop *l);

void ring_arm_wake(struct loop *l);
void ring_arm_recv(struct conn *c);
void ring_send(struct conn *c);
/* To c->connect_to. */
void ring_connect(struct conn *c, socklen_t len, unsigned int timeout_ms);

/* Submit everything and wait for a completion, at most that long. */
void ring_wait(struct loop *l, unsigned int timeout_ms);
void ring_handle_all(struct loop *l);

/* What ring_handle_all() calls. */
void loop_received(struct conn *c, const u8 *data, u32 len);
void loop_sent(struct conn *c);

#endif
