/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A simulator of eviction: the accesses of a guest, memory for a part of its pages, and policies
 * that choose which page goes. Heat is the module's own code (kernel/core/heat.c).
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_NOWHERE	UINT32_MAX

/**
 * struct trace - accesses in the order of time
 * @name: for the table
 * @what: in words
 * @pages: of the guest
 * @interval: accesses between two looks of the scanner
 * @nr: number of accesses
 * @room: for so many
 * @access: page index, with SIM_HOST when the host does it (no accessed bit shows it)
 */
struct trace {
	const char *name;
	const char *what;
	uint32_t pages;
	uint32_t interval;
	size_t nr;
	size_t room;
	uint32_t *access;
};

#define SIM_HOST	0x80000000u
#define SIM_PAGE(access)	((access) & ~SIM_HOST)

/**
 * struct made_trace - one that is made here, the same in each run
 * @name: as in the table
 * @make: guest and trace are @scale times as big as the smallest
 */
struct made_trace {
	const char *name;
	struct trace (*make)(uint32_t scale);
};

#define N_MADE	7
extern const struct made_trace made_traces[N_MADE];
/* One that was recorded (see traces/README.md); ends the program with a reason if it cannot be read. */
struct trace trace_read(const char *path);
void trace_free(struct trace *trace);

/**
 * struct policy - chooses victims
 * @name: for the table
 * @begin: before the first access, with memory for @memory pages
 * @used: the access at @at was to a page that is here
 * @came: the same of one that has just come
 * @victim: a page that is here; it is gone afterwards
 * @interval: the scanner looks
 * @end: frees what begin made
 */
struct policy {
	const char *name;
	void (*begin)(const struct trace *trace, uint32_t memory);
	void (*used)(size_t at);
	void (*came)(size_t at);
	uint32_t (*victim)(size_t at);
	void (*interval)(void);
	void (*end)(void);
};

extern const struct policy policy_lru, policy_clock, policy_random, policy_opt, policy_heat;

/**
 * struct outcome - of one trace with one policy
 * @refaults: accesses to pages that had been evicted
 * @host_refaults: of these, by the host
 */
struct outcome {
	size_t refaults;
	size_t host_refaults;
};

struct outcome simulate(const struct trace *trace, uint32_t memory, const struct policy *policy);

void *sim_alloc(size_t nr, size_t size);
/* The same sequence for the same seed: splitmix64. */
uint64_t sim_random(uint64_t *state);

#endif
