/* SPDX-License-Identifier: GPL-2.0-only */
/* What the workloads that verify their pages have in common: contents and choices that follow from a seed. */
#ifndef CONTENT_H
#define CONTENT_H

#include <stdint.h>
#include <time.h>

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static inline uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return mix(*state);
}

/* From one word of a page to the next. One multiplication: an emulated processor has to keep up too. */
static inline uint64_t next_word(uint64_t word)
{
	return word * 6364136223846793005ULL + 1442695040888963407ULL;
}

static inline double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

#endif
