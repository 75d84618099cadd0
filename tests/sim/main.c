// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: heatsim [--memory PERCENT] [--scale N] [--json] [NAME|FILE.trace...]
 *
 * Refaults of each policy, per thousand accesses, for the traces that are made here (all of them, or
 * those named) and recorded ones.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static const struct policy *const policies[] = {
	&policy_heat, &policy_lru, &policy_clock, &policy_random, &policy_opt,
};
#define N_POLICIES	(sizeof(policies) / sizeof(policies[0]))

struct options {
	uint32_t memory_percent;
	uint32_t scale;
	bool json;
};

void *sim_alloc(size_t nr, size_t size)
{
	void *memory = calloc(nr, size);

	if (!memory)
		err(1, "no memory");
	return memory;
}

uint64_t sim_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

struct outcome simulate(const struct trace *trace, uint32_t memory, const struct policy *policy)
{
	bool *here = sim_alloc(trace->pages, sizeof(*here)), *went = sim_alloc(trace->pages, sizeof(*went));
	struct outcome outcome = { 0 };
	uint32_t nr_here = 0, page, victim;
	size_t at;

	policy->begin(trace, memory);
	for (at = 0; at < trace->nr; at++) {
		page = SIM_PAGE(trace->access[at]);
		if (at && at % trace->interval == 0)
			policy->interval();
		if (here[page]) {
			policy->used(at);
			continue;
		}
		outcome.refaults += went[page];
		outcome.host_refaults += went[page] && trace->access[at] & SIM_HOST;
		if (nr_here == memory) {
			victim = policy->victim(at);
			here[victim] = false;
			went[victim] = true;
			nr_here--;
		}
		here[page] = true;
		nr_here++;
		policy->came(at);
	}
	policy->end();
	free(here);
	free(went);
	return outcome;
}

static double per_thousand(size_t refaults, const struct trace *trace)
{
	return 1000.0 * (double)refaults / (double)trace->nr;
}

static void print_head(const struct options *options)
{
	size_t i;

	if (options->json)
		return;
	printf("%-10s", "trace");
	for (i = 0; i < N_POLICIES; i++)
		printf("%10s", policies[i]->name);
	printf("  %s\n", "what");
}

static void run(const struct options *options, struct trace *trace)
{
	uint32_t memory = (uint32_t)((uint64_t)trace->pages * options->memory_percent / 100);
	size_t i;

	printf(options->json ? "{\"trace\":\"%s\"" : "%-10s", trace->name);
	for (i = 0; i < N_POLICIES; i++) {
		struct outcome outcome = simulate(trace, memory, policies[i]);

		if (options->json)
			printf(",\"%s\":%.3f,\"%s_host\":%.3f", policies[i]->name,
			       per_thousand(outcome.refaults, trace), policies[i]->name,
			       per_thousand(outcome.host_refaults, trace));
		else
			printf("%10.2f", per_thousand(outcome.refaults, trace));
		fflush(stdout);
	}
	if (options->json)
		puts("}");
	else
		printf("  %s\n", trace->what);
	trace_free(trace);
}

static uint32_t number(const char *text, uint32_t least, uint32_t most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || value < least || value > most)
		errx(2, "%s is not a number of %u to %u", text, least, most);
	return (uint32_t)value;
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{ "memory", required_argument, NULL, 'm' },
		{ "scale", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		switch (c) {
		case 'm':
			options->memory_percent = number(optarg, 1, 99);
			break;
		case 's':
			options->scale = number(optarg, 1, 64);
			break;
		case 'j':
			options->json = true;
			break;
		default:
			errx(2, "usage: heatsim [--memory PERCENT] [--scale N] [--json] [NAME|FILE.trace...]");
		}
	}
	return optind;
}

static void run_made(const struct options *options, const char *name)
{
	bool found = false;
	size_t i;

	for (i = 0; i < N_MADE; i++) {
		struct trace trace;

		if (name && strcmp(made_traces[i].name, name))
			continue;
		trace = made_traces[i].make(options->scale);
		run(options, &trace);
		found = true;
	}
	if (!found)
		errx(2, "there is no trace %s", name);
}

int main(int argc, char **argv)
{
	struct options options = { .memory_percent = 50, .scale = 1 };
	int i = parse(argc, argv, &options);
	struct trace trace;

	print_head(&options);
	if (i == argc)
		run_made(&options, NULL);
	for (; i < argc; i++) {
		if (!strstr(argv[i], ".trace")) {
			run_made(&options, argv[i]);
			continue;
		}
		trace = trace_read(argv[i]);
		run(&options, &trace);
	}
	return 0;
}
