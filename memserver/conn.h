/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One connection: the parser of its input, the queue of its output, its handles.
 * All of it belongs to one loop thread, but for session.fenced.
 */
#ifndef MEMSERVER_CONN_H
#define MEMSERVER_CONN_H

#include <linux/time_types.h>
#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "clients.h"
#include "space.h"

struct loop;
struct link;

enum conn_state {
	CONN_HELLO,	/* waiting for the first frame; of a link: for its answer */
	CONN_READY,
	CONN_LINGER,	/* the last reply goes out, what comes in is thrown away */
	CONN_CLOSED	/* waiting for the kernel to be done with it */
};

#define CONN_HELLO_TIMEOUT_MS	10000u
#define CONN_LINGER_TIMEOUT_MS	2000u
/* With more output than this no further request is looked at. */
#define CONN_OUT_LIMIT		(512u << 10)

#define FRAME_HEAD_MAX	(sizeof(struct smemv_wire_hdr) + SMEMV_WIRE_MAX_META)

struct handle {
	struct space *space;
	u64 epoch;
};

enum rx_phase { RX_HEAD, RX_STORE, RX_SKIP };

struct rx {
	enum rx_phase phase;
	struct smemv_frame frame;
	bool decoded;		/* frame was read from head */
	u32 have;		/* bytes in head */
	u8 head[FRAME_HEAD_MAX];
	/* RX_SKIP: page data of a refused request */
	u32 skip;
	/* RX_STORE: pages are applied as they arrive */
	struct handle *handle;	/* STORE */
	struct space *space;	/* DELIVER, with a reference */
	u64 drain, epoch;
	struct smemv_wire_page desc[SMEMV_WIRE_MAX_PAGES];
	u16 status[SMEMV_WIRE_MAX_PAGES];
	u32 at;			/* descriptor */
	u32 page_have;		/* bytes in page */
	u8 *page;		/* of a page that came in pieces */
	u32 kept;		/* pages stored */
};

enum work_kind { WORK_NONE, WORK_INVALIDATE, WORK_LIST };

/* A request that may take long; done in steps, other connections in between. */
struct work {
	enum work_kind kind;
	struct smemv_frame frame;
	struct handle *handle;
	u64 cursor, end;
	u64 pages;		/* forgotten */
	u32 at;			/* range */
	u32 count;		/* ranges found */
	union {
		struct smemv_wire_range range[SMEMV_WIRE_MAX_PAGES];
		struct page_range found[SMEMV_WIRE_MAX_PAGES];
	};
};

#define OUTBUF_SIZE	(128u << 10)

struct outbuf {
	struct outbuf *next;
	u32 len;
	u32 sent;
	u8 data[];
};

#define OUTBUF_ROOM	((u32)(OUTBUF_SIZE - sizeof(struct outbuf)))
#define CONN_IOV	8

struct conn {
	LIST_ENTRY(conn) all;
	TAILQ_ENTRY(conn) dirty;
	TAILQ_ENTRY(conn) working;
	TAILQ_ENTRY(conn) fresh;
	struct loop *loop;
	int fd;
	enum conn_state state;
	struct link *link;	/* to a server that pages are pushed to; or NULL */
	struct session session;
	char peer[INET6_ADDRSTRLEN + 10];
	char name[33];
	u64 features;
	u32 max_pages;
	struct handle *handles;
	u32 n_handles;
	/* input */
	struct rx rx;
	u8 *stash;		/* received, not looked at while paused */
	u32 stash_len, stash_at;
	bool recv_armed;
	/* output */
	struct outbuf *out_head, *out_tail;
	size_t out_bytes;
	u8 *reply;		/* of the reply under construction */
	bool sending;
	bool connecting;
	bool outgoing;		/* made by this server, see push.h */
	bool is_dirty, is_working, is_fresh;
	bool shut;		/* the sending side was shut down */
	struct sockaddr_storage connect_to;
	struct __kernel_timespec connect_ts;
	struct msghdr msg;
	struct iovec iov[CONN_IOV];
	struct work work;
	u32 works;		/* begun in the turn of the loop that began at: */
	u64 works_turn_ns;
	u64 deadline_ms;	/* of the states HELLO and LINGER */
	u64 progress_ms;	/* when output was last taken, or queue was empty */
	u32 pushes;		/* whose reply is still open */
};

struct conn *conn_new(struct loop *loop, int fd);
void conn_set_keepalive(int fd);
void conn_name_peer(struct conn *c, const struct sockaddr_storage *ss);
/* DELIVER is done or given up. */
void conn_release_delivery(struct conn *c);
/* Gives up everything; the structure itself stays until no operation is under way. */
void conn_close(struct conn *c);
bool conn_can_be_freed(const struct conn *c);
void conn_free(struct conn *c);

/* The client must go, after what is queued for it. */
void conn_linger(struct conn *c);

/* Bytes arrived. Inside a quiescence section. Returns how many were used. */
u32 conn_input(struct conn *c, const u8 *data, u32 len);
/* The same bytes, some time before: have their pages brought into the cache. */
void conn_prefetch(const struct conn *c, const u8 *data, u32 len);
/* No request may be looked at now: too much output, or a long request under way. */
bool conn_paused(const struct conn *c);

/* Room for n bytes in one piece at the end of the output; NULL closes the connection. */
u8 *conn_out_reserve(struct conn *c, u32 n);
void conn_out_commit(struct conn *c, u32 n);
/* Puts a chain of filled buffers behind the output. */
void conn_out_append(struct conn *c, struct outbuf *head, struct outbuf *tail, size_t len);

#endif
