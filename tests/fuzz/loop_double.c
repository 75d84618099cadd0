// SPDX-License-Identifier: GPL-2.0-only
/* See loop_double.h. */
#include <stdlib.h>

#include "fuzz.h"
#include "loop_double.h"
#include "memserver/push.h"
#include "memserver/request.h"

/* protects done; the sweeping thread hands drops back */
static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done_cond = PTHREAD_COND_INITIALIZER;
static struct drop_job *done;

void loop_mark_dirty(struct conn *c)
{
	(void)c;
}

/* The harness looks at c->work itself. */
void loop_mark_working(struct conn *c)
{
	(void)c;
}

void loop_kick_fenced(struct loop *l)
{
	(void)l;
}

void loop_synchronize(struct loop *l)
{
	(void)l;
}

u32 loop_free_pages(struct loop *l)
{
	return (u32)store_figures(&l->server->store).free;
}

/* There is no network here: a push finds its target dead. */
void push_submit(struct loop *l, struct push_job *job)
{
	u32 i;

	(void)l;
	for (i = 0; i < job->count; i++)
		job->status[i] = SMEMV_ST_UNREACHABLE;
	push_done(job);
	space_put(job->space);
	free(job);
}

void link_frame(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	(void)f;
	(void)meta;
	REQUIRE(!c);
}

void link_closed(struct conn *c)
{
	REQUIRE(!c);
}

void loop_forget_conn(struct conn *c)
{
	struct drop_job *job;

	LIST_FOREACH(job, &c->loop->drops, pending)
		if (job->conn == c)
			job->conn = NULL;
}

struct outbuf *loop_outbuf_get(struct loop *l)
{
	struct outbuf *b = malloc(OUTBUF_SIZE);

	(void)l;
	REQUIRE(b);
	b->next = NULL;
	b->len = 0;
	b->sent = 0;
	return b;
}

void loop_outbuf_put(struct loop *l, struct outbuf *b)
{
	(void)l;
	free(b);
}

void loop_add_drop(struct loop *l, struct drop_job *job)
{
	LIST_INSERT_HEAD(&l->drops, job, pending);
}

void loop_drop_done(struct loop *l, struct drop_job *job)
{
	(void)l;
	pthread_mutex_lock(&done_lock);
	job->next_done = done;
	done = job;
	pthread_cond_signal(&done_cond);
	pthread_mutex_unlock(&done_lock);
}

static struct drop_job *wait_for_done(void)
{
	struct drop_job *job;

	pthread_mutex_lock(&done_lock);
	while (!done)
		pthread_cond_wait(&done_cond, &done_lock);
	job = done;
	done = job->next_done;
	pthread_mutex_unlock(&done_lock);
	return job;
}

void double_finish_drops(struct loop *l)
{
	while (!LIST_EMPTY(&l->drops)) {
		struct drop_job *job = wait_for_done();

		if (job->conn)
			request_drop_reply(job);
		LIST_REMOVE(job, pending);
		free(job);
	}
}

size_t double_take_output(struct conn *c, u8 *to, size_t room)
{
	size_t len = 0;

	while (c->out_head) {
		struct outbuf *b = c->out_head;

		REQUIRE(b->len <= OUTBUF_ROOM && len + b->len <= room);
		memcpy(to + len, b->data, b->len);
		len += b->len;
		c->out_head = b->next;
		loop_outbuf_put(c->loop, b);
	}
	REQUIRE(len == c->out_bytes);
	c->out_tail = NULL;
	c->loop->out_bytes -= c->out_bytes;
	c->out_bytes = 0;
	return len;
}

void double_init(struct loop *l, struct server *server, struct store_thread *st)
{
	memset(l, 0, sizeof(*l));
	l->server = server;
	l->st = st;
	l->stats = aligned_alloc(CACHELINE, sizeof(*l->stats));
	REQUIRE(l->stats);
	memset(l->stats, 0, sizeof(*l->stats));
	LIST_INIT(&l->conns);
	LIST_INIT(&l->drops);
}
