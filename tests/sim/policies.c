// SPDX-License-Identifier: GPL-2.0-only
/* What heat is compared with: LRU, a clock, chance, and the best that anybody could do. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static const struct trace *now_of;

static uint32_t page_at(size_t at)
{
	return SIM_PAGE(now_of->access[at]);
}

/* LRU: a list by time of use; index "pages" is its head. Knows each access, as no hypervisor does. */

static uint32_t *next, *prev;

static void unlink_page(uint32_t page)
{
	next[prev[page]] = next[page];
	prev[next[page]] = prev[page];
}

static void link_newest(uint32_t page)
{
	uint32_t head = now_of->pages;

	next[page] = head;
	prev[page] = prev[head];
	next[prev[head]] = page;
	prev[head] = page;
}

static void lru_begin(const struct trace *trace, uint32_t memory)
{
	(void)memory;
	now_of = trace;
	next = sim_alloc(trace->pages + 1, sizeof(*next));
	prev = sim_alloc(trace->pages + 1, sizeof(*prev));
	next[trace->pages] = prev[trace->pages] = trace->pages;
}

static void lru_came(size_t at)
{
	link_newest(page_at(at));
}

static void lru_used(size_t at)
{
	unlink_page(page_at(at));
	link_newest(page_at(at));
}

static uint32_t lru_victim(size_t at)
{
	uint32_t page = next[now_of->pages];

	(void)at;
	unlink_page(page);
	return page;
}

static void lru_end(void)
{
	free(next);
	free(prev);
}

static void no_interval(void)
{
}

const struct policy policy_lru = {
	"LRU", lru_begin, lru_used, lru_came, lru_victim, no_interval, lru_end,
};

/* The clock, by page index as in kernel/evict_clock.c: second chance. */

enum { GONE, UNUSED, USED };

static uint8_t *state;
static uint32_t hand;

static void clock_begin(const struct trace *trace, uint32_t memory)
{
	(void)memory;
	now_of = trace;
	state = sim_alloc(trace->pages, sizeof(*state));
	hand = 0;
}

static void clock_used(size_t at)
{
	state[page_at(at)] = USED;
}

static uint32_t clock_victim(size_t at)
{
	(void)at;
	for (;; hand = (hand + 1) % now_of->pages) {
		if (state[hand] == UNUSED)
			break;
		if (state[hand] == USED)
			state[hand] = UNUSED;
	}
	state[hand] = GONE;
	return hand;
}

static void clock_end(void)
{
	free(state);
}

const struct policy policy_clock = {
	"clock", clock_begin, clock_used, clock_used, clock_victim, no_interval, clock_end,
};

/* Chance: no knowledge at all. */

static uint32_t *here, nr_here;
static uint64_t seed;

static void random_begin(const struct trace *trace, uint32_t memory)
{
	now_of = trace;
	here = sim_alloc(memory, sizeof(*here));
	nr_here = 0;
	seed = 7;
}

static void random_used(size_t at)
{
	(void)at;
}

static void random_came(size_t at)
{
	here[nr_here++] = page_at(at);
}

static uint32_t random_victim(size_t at)
{
	uint32_t i = (uint32_t)(sim_random(&seed) % nr_here), page = here[i];

	(void)at;
	here[i] = here[--nr_here];
	return page;
}

static void random_end(void)
{
	free(here);
}

const struct policy policy_random = {
	"random", random_begin, random_used, random_came, random_victim, no_interval, random_end,
};

/* Belady: the page that is needed last goes. A heap by the time of the next use. */

static uint32_t *next_use;	/* of the page accessed at a time: when again */
static uint32_t *due;		/* of a page: when */
static uint32_t *heap, *place, heap_nr;

static void find_next_uses(const struct trace *trace)
{
	uint32_t *seen = sim_alloc(trace->pages, sizeof(*seen));
	size_t at = trace->nr;

	memset(seen, 0xff, trace->pages * sizeof(*seen));
	while (at--) {
		next_use[at] = seen[SIM_PAGE(trace->access[at])];
		seen[SIM_PAGE(trace->access[at])] = (uint32_t)at;
	}
	free(seen);
}

static void opt_begin(const struct trace *trace, uint32_t memory)
{
	now_of = trace;
	next_use = sim_alloc(trace->nr, sizeof(*next_use));
	due = sim_alloc(trace->pages, sizeof(*due));
	place = sim_alloc(trace->pages, sizeof(*place));
	heap = sim_alloc(memory + 1, sizeof(*heap));
	heap_nr = 0;
	find_next_uses(trace);
}

static void put(uint32_t i, uint32_t page)
{
	heap[i] = page;
	place[page] = i;
}

static void sift_up(uint32_t i)
{
	uint32_t page = heap[i];

	for (; i && due[heap[(i - 1) / 2]] < due[page]; i = (i - 1) / 2)
		put(i, heap[(i - 1) / 2]);
	put(i, page);
}

static void sift_down(uint32_t i)
{
	uint32_t page = heap[i], child;

	while ((child = 2 * i + 1) < heap_nr) {
		if (child + 1 < heap_nr && due[heap[child + 1]] > due[heap[child]])
			child++;
		if (due[heap[child]] <= due[page])
			break;
		put(i, heap[child]);
		i = child;
	}
	put(i, page);
}

static void opt_came(size_t at)
{
	due[page_at(at)] = next_use[at];
	heap[heap_nr] = page_at(at);
	sift_up(heap_nr++);
}

/* A page that was used is due later than before: towards the root. */
static void opt_used(size_t at)
{
	due[page_at(at)] = next_use[at];
	sift_up(place[page_at(at)]);
}

static uint32_t opt_victim(size_t at)
{
	uint32_t page = heap[0];

	(void)at;
	heap[0] = heap[--heap_nr];
	if (heap_nr)
		sift_down(0);
	return page;
}

static void opt_end(void)
{
	free(next_use);
	free(due);
	free(place);
	free(heap);
}

const struct policy policy_opt = {
	"OPT", opt_begin, opt_used, opt_came, opt_victim, no_interval, opt_end,
};
