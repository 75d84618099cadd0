/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is connected, and the highest generation seen of each client's lane (rule 2).
 *
 * A lane's generation is remembered while its client is connected, by whatever lane, and,
 * as memory allows, long after: the CLIENTS_REMEMBERED lanes that were connected last.
 */
#ifndef MEMSERVER_CLIENTS_H
#define MEMSERVER_CLIENTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "../kernel/core/codec.h"
#include "util.h"

#define CLIENTS_REMEMBERED	65536u
#define CLIENTS_BUCKETS		16384u

/* The part of a connection that fencing needs; embedded in struct conn. */
struct session {
	/* Set by whoever fences it, on any thread: nothing may be applied any more. */
	atomic_bool fenced;
	/* Makes the session's thread look at fenced soon. Called with the lock held. */
	void (*kick)(struct session *s);
	struct client_lane *lane;	/* under the lock of struct clients */
	u8 client_id[16];		/* that HELLO told; written once */
};

struct client_lane {
	LIST_ENTRY(client_lane) bucket;
	TAILQ_ENTRY(client_lane) idle;
	u8 client_id[16];
	u32 lane;
	u64 generation;
	struct session *session;	/* NULL: not connected, and on the idle list */
};

LIST_HEAD(client_bucket, client_lane);
TAILQ_HEAD(client_idle, client_lane);

struct clients {
	pthread_mutex_t lock;		/* protects everything below */
	struct client_bucket *bucket;
	struct client_idle idle;	/* the longest idle first */
	u32 n_idle;
};

int clients_init(struct clients *c);
void clients_free(struct clients *c);

/*
 * A HELLO arrived. Returns SMEMV_ST_OK, FENCED with the newest generation in
 * *newest, or NO_SPACE. After OK the caller runs qs_synchronize() before it answers
 * and looks whether it was fenced itself meanwhile.
 */
enum smemv_wire_status clients_hello(struct clients *c, struct session *s,
				     const u8 client_id[16], u32 lane,
				     u64 generation, u64 *newest);
/* The connection ends; the generation is remembered. */
void clients_bye(struct clients *c, struct session *s);

#endif
