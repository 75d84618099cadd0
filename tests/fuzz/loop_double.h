/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for memserver/loop.c and ring.c: no thread, no ring, no sockets. What the
 * server would send is kept, drops are waited for.
 */
#ifndef SMEMV_FUZZ_LOOP_DOUBLE_H
#define SMEMV_FUZZ_LOOP_DOUBLE_H

#include "memserver/loop.h"

void double_init(struct loop *l, struct server *server, struct store_thread *st);
/* Until every drop that was begun is swept, and answered if its connection lives. */
void double_finish_drops(struct loop *l);
/* Takes away what was queued for the client; returns its length. */
size_t double_take_output(struct conn *c, u8 *to, size_t room);

#endif
