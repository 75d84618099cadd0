/* SPDX-License-Identifier: GPL-2.0-only */
/* Connections that end as their peer is too slow. */
#ifndef MEMSERVER_SLOW_H
#define MEMSERVER_SLOW_H

struct conn;
struct loop;

/* Once in a tick: HELLO, the end, or room for output does not come in time. */
void slow_check(struct conn *c);
/* Above the output limit, so that slow clients cannot use up the server's memory together. */
void slow_close_slowest(struct loop *l);

#endif
