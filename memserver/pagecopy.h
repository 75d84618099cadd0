/* SPDX-License-Identifier: GPL-2.0-only */
/* Moving whole pages: most of what the memory server does besides system calls. */
#ifndef MEMSERVER_PAGECOPY_H
#define MEMSERVER_PAGECOPY_H

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "util.h"

#define PAGE_BYTES	4096u

/* Into a buffer that is sent at once. gcc makes a slow rep movs of a size it knows. */
static inline void page_copy_out(void *to, const void *from)
{
	size_t n = PAGE_BYTES;

	__asm__("" : "+r"(n));
	memcpy(to, from, n);
}

/* Into a frame that is not read for a while: past the caches, which serve the sockets better. */
static inline void page_copy_in(void *to, const void *from)
{
#ifdef __SSE2__
	const __m128i *f = from;
	__m128i *t = to;
	size_t i;

	for (i = 0; i < PAGE_BYTES / sizeof(*t); i += 4) {
		__m128i a = _mm_loadu_si128(f + i), b = _mm_loadu_si128(f + i + 1);
		__m128i c = _mm_loadu_si128(f + i + 2), d = _mm_loadu_si128(f + i + 3);

		_mm_stream_si128(t + i, a);
		_mm_stream_si128(t + i + 1, b);
		_mm_stream_si128(t + i + 2, c);
		_mm_stream_si128(t + i + 3, d);
	}
	/* Before the lock that publishes it is given up. */
	_mm_sfence();
#else
	memcpy(to, from, PAGE_BYTES);
#endif
}

static inline void page_zero(void *to)
{
#ifdef __SSE2__
	__m128i zero = _mm_setzero_si128(), *t = to;
	size_t i;

	for (i = 0; i < PAGE_BYTES / sizeof(*t); i++)
		_mm_stream_si128(t + i, zero);
	_mm_sfence();
#else
	memset(to, 0, PAGE_BYTES);
#endif
}

/* The start of a page; the CPU's own prefetcher sees the rest of it coming. */
static inline void page_prefetch(const void *page)
{
	const char *p = page;
	size_t i;

	for (i = 0; i < 8; i++)
		__builtin_prefetch(p + i * CACHELINE);
}

#endif
