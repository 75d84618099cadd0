/* SPDX-License-Identifier: GPL-2.0-only */
/* One event loop: a thread, an io_uring, and the connections that it serves. */
#ifndef MEMSERVER_LOOP_H
#define MEMSERVER_LOOP_H

#include <liburing.h>
#include <pthread.h>

#include "conn.h"
#include "push.h"
#include "server.h"
#include "stats.h"

#define LOOP_RECV_BUFS		64u	/* a power of two */
#define LOOP_RECV_BUF_SIZE	(64u << 10)
#define LOOP_OUTBUFS_KEPT	128u
#define LOOP_TICK_MS		250u

TAILQ_HEAD(conn_queue, conn);
LIST_HEAD(conn_list, conn);

struct drop_job {
	struct sweep sweep;
	struct loop *loop;
	struct conn *conn;	/* NULL when it is gone or was answered */
	struct smemv_frame frame;
	u64 answer_by_ms;
	LIST_ENTRY(drop_job) pending;
	struct drop_job *next_done;
};

LIST_HEAD(drop_list, drop_job);

struct loop {
	struct server *server;
	unsigned int index;
	pthread_t thread;
	struct store_thread *st;
	struct loop_stats *stats;
	struct io_uring ring;
	unsigned int setup_flags;
	struct io_uring_buf_ring *buf_ring;
	u8 *recv_bufs;
	struct conn_list conns;
	struct conn_queue dirty;	/* have output that is not yet submitted */
	struct conn_queue working;	/* have a long request under way */
	struct conn_queue fresh;	/* no HELLO came when it was looked at last; the oldest first */
	struct drop_list drops;
	u64 drops_due_ms;		/* no reply to one is due earlier */
	struct link_list links;		/* to other servers, see push.h */
	u64 push_due_ms;		/* when push_step() has something to do at the latest */
	struct outbuf *outbufs;		/* kept for reuse */
	u32 n_outbufs;
	size_t out_bytes;		/* of all connections */
	u64 batch_ns;			/* when the batch under way arrived */
	u32 replies;			/* made since the last count_service_time() */
	u64 tick_ms;
	int64_t free_base;		/* free pages plus what this thread holds itself */
	bool closed;			/* some connection waits to be freed */
	bool woken;
	u64 wake_value;
	int wake_fd;
	/* what others hand over */
	pthread_mutex_t mail_lock;
	int *mail_fds;
	u32 n_mail_fds, room_mail_fds;
	struct drop_job *mail_done;
	bool mail_fence, mail_stop;
};

int loop_init(struct loop *l, struct server *server, unsigned int index, char *err, size_t err_len);
int loop_start(struct loop *l);
void loop_stop(struct loop *l);
void loop_destroy(struct loop *l);

/* From any thread. The loop owns fd from then on. */
int loop_give_fd(struct loop *l, int fd);
void loop_kick_fenced(struct loop *l);
void loop_drop_done(struct loop *l, struct drop_job *job);

/* From the loop's own thread. */
void loop_mark_dirty(struct conn *c);
void loop_mark_working(struct conn *c);
/* A drop whose reply waits for the sweep. */
void loop_add_drop(struct loop *l, struct drop_job *job);
void loop_forget_conn(struct conn *c);
struct outbuf *loop_outbuf_get(struct loop *l);
void loop_outbuf_put(struct loop *l, struct outbuf *b);
/* What replies say. Others' pages are counted anew with each batch. */
u32 loop_free_pages(struct loop *l);
/* Leaves the section for the time; the caller looks at its flags again. */
void loop_synchronize(struct loop *l);

#endif
