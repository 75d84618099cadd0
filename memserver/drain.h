/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The open drain of a space at its target (rule 5): who may deliver pages, and which
 * pages were invalidated since it was opened, so that no late copy brings them back.
 *
 * What it remembers is bounded. When there is no room for one more page the drain is
 * closed here, which is safe: pushes are refused, and the owner opens another one.
 */
#ifndef MEMSERVER_DRAIN_H
#define MEMSERVER_DRAIN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "../kernel/core/codec.h"
#include "util.h"

/* Of all drains together. */
#define DRAIN_MEMORY_MAX	(64ull << 20)

struct forgotten_run;
struct forgotten_span;

struct drain {
	_Atomic u64 number;	/* of the open drain, 0: none; written under the lock */
	pthread_mutex_t lock;	/* protects what follows; taken inside a run's lock */
	u64 last;		/* highest number of this epoch */
	u64 epoch;
	u8 token[SMEMV_WIRE_TOKEN_SIZE];
	struct forgotten_run *run;	/* hash table of bitmaps */
	u32 runs, runs_room;
	struct forgotten_span *span;
	u32 spans;
};

void drain_init(struct drain *d);
void drain_destroy(struct drain *d);

/* Returns SMEMV_ST_OK, NO_DRAIN or NO_SPACE. */
enum smemv_wire_status drain_open(struct drain *d, u64 number, u64 epoch, const u8 *token);
/* Those up to this number. The caller runs qs_synchronize() before it answers. */
void drain_close(struct drain *d, u64 number, u64 epoch);

bool drain_is(struct drain *d, u64 number, u64 epoch, const u8 *token);
/* Called with the run's lock. Returns SMEMV_ST_OK, HELD or NO_DRAIN. */
enum smemv_wire_status drain_admits(struct drain *d, u64 number, u64 index);
/* Pages are about to be invalidated by their owner. */
void drain_remember(struct drain *d, u64 first, u64 count);

#endif
