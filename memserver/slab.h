/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page frames. All memory is reserved and touched when the server starts, so
 * that it cannot run out of memory later. A frame is named by a 32-bit number;
 * 0 is none. A free frame is all zeros but for the link of the free list.
 *
 * The tree's nodes are frames too. They come from a reserve of their own
 * (SLAB_NODE_RATIO) and, when a client spreads few pages over many runs, from
 * the room for content, so that metadata is bounded like everything else.
 */
#ifndef MEMSERVER_SLAB_H
#define MEMSERVER_SLAB_H

#include <pthread.h>
#include <stdbool.h>

#include "util.h"

#define SLAB_FRAME_SIZE		4096u
#define SLAB_FRAME_NONE		0u
#define SLAB_FRAMES_MAX		0xfffffff0ull
/* One node frame for that many content frames: 16 bytes a page. */
#define SLAB_NODE_RATIO		256u
/* And some more: a tree has inner nodes even when it holds one page. */
#define SLAB_NODES_LEAST	64u
#define SLAB_CACHE_FRAMES	128u

/* Frames in the hands of one thread: taken and given back without a lock. */
struct slab_cache {
	u32 count;
	u32 frame[SLAB_CACHE_FRAMES];
};

enum slab_pages { SLAB_PAGES_HUGETLB, SLAB_PAGES_THP, SLAB_PAGES_SMALL };

struct slab {
	u8 *base;
	size_t map_bytes;
	enum slab_pages pages;
	bool locked;
	u32 frames;		/* first number that does not exist */
	pthread_mutex_t lock;	/* protects what follows */
	u32 fresh;		/* frames from here on were never used */
	u32 free_list;
};

struct slab_options {
	u64 content_pages;
	unsigned int threads;	/* how many caches there will be */
	bool no_hugepages;
	bool no_mlock;
};

static inline u64 slab_node_reserve(u64 content_pages)
{
	return content_pages / SLAB_NODE_RATIO + SLAB_NODES_LEAST;
}

/* Returns 0 or -errno with a text for the user in err. */
int slab_create(struct slab *s, const struct slab_options *opt, char *err, size_t err_len);
void slab_destroy(struct slab *s);

/* A frame of zeros, or SLAB_FRAME_NONE. */
u32 slab_get(struct slab *s, struct slab_cache *c);
/* Zeroes the frame: no content outlives its page. */
void slab_put(struct slab *s, struct slab_cache *c, u32 frame);
/* The same for a frame that is known to be zero already. */
void slab_put_zeroed(struct slab *s, struct slab_cache *c, u32 frame);
void slab_cache_drain(struct slab *s, struct slab_cache *c);

static inline void *slab_frame(const struct slab *s, u32 frame)
{
	return s->base + (u64)frame * SLAB_FRAME_SIZE;
}

#endif
