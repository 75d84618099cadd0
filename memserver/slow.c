// SPDX-License-Identifier: GPL-2.0-only
#include "log.h"
#include "loop.h"
#include "slow.h"

static void close_without_hello(struct conn *c)
{
	if (c->outgoing) {
		log_peer("%s at %s: no answer to HELLO within %u s; closed", c->name, c->peer,
			 CONN_HELLO_TIMEOUT_MS / 1000);
	} else {
		stats_add(&c->loop->stats->hello_timeouts, 1);
		log_peer("%s: no HELLO within %u s; closed", c->peer, CONN_HELLO_TIMEOUT_MS / 1000);
	}
	conn_close(c);
}

/* What is counted are clients. */
static void close_slow(struct conn *c)
{
	if (!c->outgoing)
		stats_add(&c->loop->stats->slow_closed, 1);
	conn_close(c);
}

void slow_check(struct conn *c)
{
	struct loop *l = c->loop;

	if (c->state == CONN_HELLO && l->tick_ms >= c->deadline_ms) {
		close_without_hello(c);
	} else if (c->state == CONN_LINGER && l->tick_ms >= c->deadline_ms) {
		conn_close(c);
	} else if (c->out_bytes && l->tick_ms - c->progress_ms >= l->server->stall_timeout_ms) {
		log_peer("%s at %s: took none of its %s for %u s; closed",
			 c->name, c->peer, c->outgoing ? "pages" : "replies",
			 (unsigned int)(l->server->stall_timeout_ms / 1000));
		close_slow(c);
	}
}

void slow_close_slowest(struct loop *l)
{
	struct conn *c, *slowest = NULL;

	LIST_FOREACH(c, &l->conns, all)
		if (c->state != CONN_CLOSED && c->out_bytes &&
		    (!slowest || c->progress_ms < slowest->progress_ms))
			slowest = c;
	if (!slowest || l->tick_ms - slowest->progress_ms < 2 * LOOP_TICK_MS)
		return;
	log_peer("%s at %s: too many replies wait for slow clients, and it is the slowest; closed",
		 slowest->name, slowest->peer);
	close_slow(slowest);
}
