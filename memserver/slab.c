// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "pagecopy.h"
#include "slab.h"

#define HUGE_SIZE	(2u << 20)
#define POPULATE_STEP	(256u << 20)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

static u64 mem_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	u64 kib = 0;

	if (!f)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	fclose(f);
	return kib ? kib << 10 : UINT64_MAX;
}

static void touch(u8 *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += SLAB_FRAME_SIZE)
		*(volatile u8 *)(p + i) = 0;
}

static int populate(u8 *p, size_t len)
{
	size_t at;

	for (at = 0; at < len; at += POPULATE_STEP) {
		size_t step = min_u64(POPULATE_STEP, len - at);

		if (!madvise(p + at, step, MADV_POPULATE_WRITE))
			continue;
		if (errno != EINVAL)
			return -errno;
		touch(p + at, step);
	}
	return 0;
}

static bool map_hugetlb(struct slab *s)
{
	void *p = mmap(NULL, s->map_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED)
		return false;
	if (populate(p, s->map_bytes)) {
		munmap(p, s->map_bytes);
		return false;
	}
	s->base = p;
	s->pages = SLAB_PAGES_HUGETLB;
	return true;
}

/* mmap aligns to 4K only; THP needs 2M: map more and cut the ends off. */
static void *map_aligned(size_t len)
{
	size_t head, tail;
	u8 *p = mmap(NULL, len + HUGE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return MAP_FAILED;
	head = -(uintptr_t)p & (HUGE_SIZE - 1);
	tail = HUGE_SIZE - head;
	if (head)
		munmap(p, head);
	if (tail)
		munmap(p + head + len, tail);
	return p + head;
}

static int map_anonymous(struct slab *s, bool thp, char *err, size_t err_len)
{
	u64 available = mem_available();
	char want[32], have[32];
	void *p;
	int ret;

	size_format(want, sizeof(want), s->map_bytes);
	size_format(have, sizeof(have), available);
	if (s->map_bytes > available) {
		snprintf(err, err_len, "cannot reserve %s of memory: only %s are available on this host; give a smaller --memory",
			 want, have);
		return -ENOMEM;
	}
	p = map_aligned(s->map_bytes);
	if (p == MAP_FAILED) {
		ret = -errno;
		snprintf(err, err_len, "cannot map %s of memory: %s; give a smaller --memory or raise the limit of address space",
			 want, strerror(-ret));
		return ret;
	}
	s->pages = SLAB_PAGES_SMALL;
	if (thp && !madvise(p, s->map_bytes, MADV_HUGEPAGE))
		s->pages = SLAB_PAGES_THP;
	ret = populate(p, s->map_bytes);
	if (ret) {
		munmap(p, s->map_bytes);
		snprintf(err, err_len, "cannot reserve %s of memory: %s; give a smaller --memory",
			 want, strerror(-ret));
		return ret;
	}
	s->base = p;
	return 0;
}

int slab_create(struct slab *s, const struct slab_options *opt, char *err, size_t err_len)
{
	u64 frames = 1 + opt->content_pages + slab_node_reserve(opt->content_pages) +
		     (u64)opt->threads * SLAB_CACHE_FRAMES;
	int ret;

	memset(s, 0, sizeof(*s));
	if (frames > SLAB_FRAMES_MAX) {
		snprintf(err, err_len, "--memory is above the limit of 15 TiB; run several servers");
		return -E2BIG;
	}
	s->map_bytes = (frames * SLAB_FRAME_SIZE + HUGE_SIZE - 1) / HUGE_SIZE * HUGE_SIZE;
	s->frames = (u32)frames;
	s->fresh = 1;
	if (opt->no_hugepages || !map_hugetlb(s)) {
		ret = map_anonymous(s, !opt->no_hugepages, err, err_len);
		if (ret)
			return ret;
	}
	madvise(s->base, s->map_bytes, MADV_DONTDUMP);
	s->locked = !opt->no_mlock && !mlock(s->base, s->map_bytes);
	pthread_mutex_init(&s->lock, NULL);
	return 0;
}

void slab_destroy(struct slab *s)
{
	munmap(s->base, s->map_bytes);
	pthread_mutex_destroy(&s->lock);
}

static u32 *link_of(const struct slab *s, u32 frame)
{
	return slab_frame(s, frame);
}

static u32 pop_locked(struct slab *s)
{
	u32 frame = s->free_list;

	if (frame) {
		s->free_list = *link_of(s, frame);
		*link_of(s, frame) = 0;
	} else if (s->fresh < s->frames) {
		frame = s->fresh++;
	}
	return frame;
}

static void refill(struct slab *s, struct slab_cache *c)
{
	u32 frame;

	pthread_mutex_lock(&s->lock);
	while (c->count < SLAB_CACHE_FRAMES / 2 && (frame = pop_locked(s)))
		c->frame[c->count++] = frame;
	pthread_mutex_unlock(&s->lock);
}

static void give_back(struct slab *s, struct slab_cache *c, u32 keep)
{
	pthread_mutex_lock(&s->lock);
	while (c->count > keep) {
		u32 frame = c->frame[--c->count];

		*link_of(s, frame) = s->free_list;
		s->free_list = frame;
	}
	pthread_mutex_unlock(&s->lock);
}

u32 slab_get(struct slab *s, struct slab_cache *c)
{
	if (!c->count)
		refill(s, c);
	return c->count ? c->frame[--c->count] : SLAB_FRAME_NONE;
}

void slab_put_zeroed(struct slab *s, struct slab_cache *c, u32 frame)
{
	if (c->count == SLAB_CACHE_FRAMES)
		give_back(s, c, SLAB_CACHE_FRAMES / 2);
	c->frame[c->count++] = frame;
}

void slab_put(struct slab *s, struct slab_cache *c, u32 frame)
{
	page_zero(slab_frame(s, frame));
	slab_put_zeroed(s, c, frame);
}

void slab_cache_drain(struct slab *s, struct slab_cache *c)
{
	give_back(s, c, 0);
}
