// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "decode.h"
#include "process.h"
#include "reclaim_signs.h"

#define GROUPS	"/sys/fs/cgroup"

/* The group in the unified hierarchy, "/" when there is none. */
static void find_group(uint32_t pid, char group[4096])
{
	char path[32], line[4096 + 8];
	FILE *file;

	strcpy(group, "/");
	snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "0::%4095[^\n]", group) == 1)
			break;
	fclose(file);
}

static void choose(char path[4352], const char *group, const char *name, const char *of_host)
{
	snprintf(path, 4352, GROUPS "%s/%s", group, name);
	if (access(path, R_OK))
		strcpy(path, of_host);
}

/* The number behind @word in the first line with it; 0: none. */
static uint64_t number_behind(const char *path, const char *word)
{
	unsigned long long number = 0;
	const char *at = NULL;
	char line[256];
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	while (!at && fgets(line, sizeof(line), file)) {
		at = strstr(line, word);
		if (at)
			sscanf(at + strlen(word), "%llu", &number);
	}
	fclose(file);
	return number;
}

static uint64_t growth(uint64_t *last, uint64_t now)
{
	uint64_t grown = now > *last ? now - *last : 0;

	*last = now;
	return grown;
}

void signs_take(struct signs *signs, double now_s, struct control_look *look)
{
	uint64_t pages, stalled_us, swapped = process_swapped_bytes((int)signs->pid);

	pages = growth(&signs->refaults, number_behind(signs->counters, "workingset_refault_anon "));
	/* The first line: "some", tasks that waited while others may have run. */
	stalled_us = growth(&signs->stalled_us, number_behind(signs->pressure, "total="));
	look->seconds = now_s - signs->taken_s;
	look->refault_bytes = control_refaults(look->out_bytes, signs->swapped_bytes, swapped,
					       pages * PAGE_BYTES);
	look->pressure = look->seconds > 0 ? (double)stalled_us / 1e6 / look->seconds : 0;
	signs->swapped_bytes = swapped;
	signs->taken_s = now_s;
}

void signs_open(struct signs *signs, uint32_t pid, double now_s)
{
	struct control_look ignored = { 0 };
	char group[4096];

	memset(signs, 0, sizeof(*signs));
	signs->pid = pid;
	find_group(pid, group);
	choose(signs->counters, group, "memory.stat", "/proc/vmstat");
	choose(signs->pressure, group, "memory.pressure", "/proc/pressure/memory");
	signs_take(signs, now_s, &ignored);
}
