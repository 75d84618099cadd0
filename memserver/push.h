/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pushing pages to other servers (rule 5): the orders of clients, and the links on
 * which their pages travel. Each loop has its own links, one for a client and a target; a
 * link is a connection like those of clients, with the roles turned round. Clients share
 * none: a link ends when a deadline passes that its client chose, and its window is full
 * when its client has ordered much.
 *
 * A job waits in its link's queue, is sent as one DELIVER, and waits for the answer.
 * Few are sent at a time (PUSH_WINDOW); only these have page data in memory, and that counts
 * as output of the loop.
 */
#ifndef MEMSERVER_PUSH_H
#define MEMSERVER_PUSH_H

#include "conn.h"

#define PUSH_WINDOW		4u
#define PUSH_LINKS_MAX		256u	/* of a loop */
#define PUSH_LINKS_CLIENT	64u	/* of these for one client */
#define PUSH_CONNECT_MS		3000u
#define PUSH_RETRY_MS		1000u
#define PUSH_IDLE_MS		15000u	/* no STAT is sent on a link: see wire.md, section 6 */
/* Deadlines are looked at no more often; so late they are at most. */
#define PUSH_CHECK_MS		10u

struct push_job {
	TAILQ_ENTRY(push_job) queue;
	struct conn *conn;	/* who ordered it; NULL when it is gone */
	struct smemv_frame frame;
	struct space *space;	/* with a reference */
	u64 epoch;
	struct smemv_wire_push order;
	u64 timeout_ms, deadline_ms;
	u64 tag;		/* of the DELIVER */
	u32 count;
	u32 sent;		/* pages in the DELIVER */
	u16 refused;		/* status of the whole order, 0: by page */
	u64 index[SMEMV_WIRE_MAX_PAGES];
	u16 status[SMEMV_WIRE_MAX_PAGES];
	u16 sent_at[SMEMV_WIRE_MAX_PAGES];	/* which pages those are */
};

TAILQ_HEAD(push_queue, push_job);

struct link {
	LIST_ENTRY(link) all;
	struct loop *loop;
	u8 owner[16];		/* client_id of who orders its pushes */
	u8 target_id[16];
	/* Its own: links for an old and a new target at one address must not fence each other. */
	u8 client_id[16];
	u64 generation;
	struct sockaddr_in6 addr;
	struct conn *conn;	/* or NULL */
	bool lost;		/* conn was closed, its jobs are to be answered */
	struct push_queue waiting, sent;
	u32 n_sent;
	u64 next_tag;
	u64 retry_ms;		/* no attempt to connect before */
	u64 idle_ms;		/* when it had something to do last */
	u64 due_ms;		/* no deadline of a job is earlier */
	u64 checked_ms;		/* when deadlines were looked at last */
};

LIST_HEAD(link_list, link);

/* Takes the job over; its reply comes by push_done() in request_push.c. */
void push_submit(struct loop *l, struct push_job *job);
/* Once in each turn of the loop. Says in push_due_ms when it must be called again at the latest. */
void push_step(struct loop *l);
/* The orders of a connection that ends. */
void push_forget_conn(struct conn *c);
void push_destroy(struct loop *l);

/* Inside a quiescence section. Sends nothing when no page is there. False: no memory. */
bool push_send(struct link *k, struct push_job *job);

/* Of the link's connection: the socket is connected; a frame arrived; it was closed. */
void link_connected(struct conn *c);
void link_frame(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void link_closed(struct conn *c);

#endif
