// SPDX-License-Identifier: GPL-2.0-only
/* The traces that are made here. Sizes are in pages; a scale of 1 is what make check runs. */
#include <math.h>
#include <stdlib.h>

#include "sim.h"

#define PAGES		16384u
#define LENGTH		3000000u

static struct trace new_trace(const char *name, const char *what, uint32_t scale)
{
	struct trace trace = { .name = name, .what = what };

	trace.pages = PAGES * scale;
	trace.interval = trace.pages;
	trace.room = (size_t)LENGTH * scale;
	trace.access = sim_alloc(trace.room, sizeof(*trace.access));
	return trace;
}

static void add(struct trace *trace, uint32_t access)
{
	if (trace->nr < trace->room)
		trace->access[trace->nr++] = access;
}

static bool is_full(const struct trace *trace)
{
	return trace->nr == trace->room;
}

static double uniform(uint64_t *seed)
{
	return (double)(sim_random(seed) >> 11) / (double)(1ULL << 53);
}

static uint32_t below(uint64_t *seed, uint32_t bound)
{
	return (uint32_t)(sim_random(seed) % bound);
}

/**
 * struct zipf - pages by popularity, the popular ones strewn over the guest
 * @nr: of them
 * @sum: probability of the first i pages together
 * @page: which page is the i-th
 */
struct zipf {
	uint32_t nr;
	double *sum;
	uint32_t *page;
};

static void shuffle(uint32_t *page, uint32_t nr, uint64_t *seed)
{
	uint32_t i, j, other;

	for (i = nr - 1; i; i--) {
		j = below(seed, i + 1);
		other = page[i];
		page[i] = page[j];
		page[j] = other;
	}
}

static struct zipf zipf_new(uint32_t nr, double exponent, uint64_t *seed)
{
	struct zipf zipf = { .nr = nr };
	double total = 0;
	uint32_t i;

	zipf.sum = sim_alloc(nr, sizeof(*zipf.sum));
	zipf.page = sim_alloc(nr, sizeof(*zipf.page));
	for (i = 0; i < nr; i++) {
		total += 1 / pow(i + 1, exponent);
		zipf.sum[i] = total;
		zipf.page[i] = i;
	}
	for (i = 0; i < nr; i++)
		zipf.sum[i] /= total;
	shuffle(zipf.page, nr, seed);
	return zipf;
}

static uint32_t zipf_page(const struct zipf *zipf, uint64_t *seed)
{
	uint32_t low = 0, high = zipf->nr - 1, middle;
	double at = uniform(seed);

	while (low < high) {
		middle = (low + high) / 2;
		if (zipf->sum[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return zipf->page[low];
}

static void zipf_free(struct zipf *zipf)
{
	free(zipf->sum);
	free(zipf->page);
}

static struct trace make_zipf(uint32_t scale)
{
	struct trace trace = new_trace("zipf", "popularity by Zipf's law, exponent 0.9", scale);
	uint64_t seed = 1;
	struct zipf zipf = zipf_new(trace.pages, 0.9, &seed);

	while (!is_full(&trace))
		add(&trace, zipf_page(&zipf, &seed));
	zipf_free(&zipf);
	return trace;
}

/* A backup or a virus scanner: all pages, one after the other, beside what the guest does. */
static struct trace make_scan(uint32_t scale)
{
	struct trace trace = new_trace("scan", "zipf, and every now and then a scan of all pages", scale);
	uint64_t seed = 2;
	struct zipf zipf = zipf_new(trace.pages, 1.1, &seed);
	uint32_t until_scan = 0, scanned = trace.pages;

	while (!is_full(&trace)) {
		if (scanned < trace.pages) {
			add(&trace, scanned++);
		} else if (++until_scan == 12 * trace.pages) {
			until_scan = 0;
			scanned = 0;
		}
		add(&trace, zipf_page(&zipf, &seed));
	}
	zipf_free(&zipf);
	return trace;
}

static struct trace make_loop(uint32_t scale)
{
	struct trace trace = new_trace("loop", "a loop over 60 % of all pages, again and again", scale);
	uint32_t at = 0;

	while (!is_full(&trace)) {
		add(&trace, at);
		at = (at + 1) % (trace.pages * 6 / 10);
	}
	return trace;
}

/* 95 % of the accesses go to a fifth of the pages, which becomes another fifth. */
static struct trace make_phases(uint32_t scale)
{
	struct trace trace = new_trace("phases", "a hot fifth that moves on, 95 % of the accesses", scale);
	uint32_t hot = trace.pages / 5, base = 0;
	uint64_t seed = 3;

	while (!is_full(&trace)) {
		if (trace.nr % (trace.room / 6) == 0)
			base = (base + hot) % trace.pages;
		if (below(&seed, 100) < 95)
			add(&trace, (base + below(&seed, hot)) % trace.pages);
		else
			add(&trace, below(&seed, trace.pages));
	}
	return trace;
}

/* Three of ten accesses go on through the other pages, each of which is used once in a round. */
static struct trace make_stream(uint32_t scale)
{
	struct trace trace = new_trace("stream", "a hot 40 %, and a stream through the rest", scale);
	uint32_t hot = trace.pages * 4 / 10, at = hot;
	uint64_t seed = 4;

	while (!is_full(&trace)) {
		if (below(&seed, 10) < 7) {
			add(&trace, below(&seed, hot));
			continue;
		}
		add(&trace, at++);
		if (at == trace.pages)
			at = hot;
	}
	return trace;
}

/* As the lab's scenario does it: there is nothing but the fifth that comes back within a few rounds. */
static struct trace make_rounds(uint32_t scale)
{
	struct trace trace = new_trace("rounds", "a hot fifth, then a quarter of all on through the rest", scale);
	uint32_t hot = trace.pages / 5, at = hot, i;

	trace.interval = trace.pages / 4;
	while (!is_full(&trace)) {
		for (i = 0; i < hot; i++)
			add(&trace, i);
		for (i = 0; i < trace.pages / 4; i++) {
			add(&trace, at++);
			if (at == trace.pages)
				at = hot;
		}
	}
	return trace;
}

/* Rings and buffers that only the host touches, and touches rarely enough to look cold. */
static struct trace make_host(uint32_t scale)
{
	struct trace trace = new_trace("host", "zipf, and 2 % of the pages used by the host only", scale);
	uint32_t rings = trace.pages / 50;
	uint64_t seed = 5;
	struct zipf zipf = zipf_new(trace.pages - rings, 0.9, &seed);

	while (!is_full(&trace)) {
		if (below(&seed, 100) < 2)
			add(&trace, (trace.pages - rings + below(&seed, rings)) | SIM_HOST);
		else
			add(&trace, zipf_page(&zipf, &seed));
	}
	zipf_free(&zipf);
	return trace;
}

const struct made_trace made_traces[N_MADE] = {
	{ "zipf", make_zipf }, { "scan", make_scan }, { "loop", make_loop },
	{ "phases", make_phases }, { "stream", make_stream }, { "rounds", make_rounds },
	{ "host", make_host },
};

void trace_free(struct trace *trace)
{
	free(trace->access);
}
