/* SPDX-License-Identifier: GPL-2.0-only */
/* Small helpers that every file of the memory server may use. */
#ifndef MEMSERVER_UTIL_H
#define MEMSERVER_UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "../kernel/core/crc32c.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define CACHELINE	64
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))

static inline u64 min_u64(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000u + (u64)ts.tv_nsec;
}

static inline u64 now_ms(void)
{
	return now_ns() / 1000000u;
}

#define UUID_TEXT_LEN	37

void uuid_format(char text[UUID_TEXT_LEN], const u8 uuid[16]);
/* With or without dashes; returns 0 or -1. */
int uuid_parse(u8 uuid[16], const char *text);

/* "4096", "64K", "1M", "2G", "1T"; returns 0 or -1. */
int size_parse(u64 *bytes, const char *text);
void size_format(char *text, size_t len, u64 bytes);

#endif
