// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "decode.h"
#include "process.h"
#include "reclaim_signs.h"

#define GROUPS	"/sys/fs/cgroup"

/* The group in the unified hierarchy, "" for its root and when there is none. */
static void find_group(const char *root, uint32_t pid, char group[4096])
{
	char path[SIGNS_PATH], line[4096 + 8];
	FILE *file;

	*group = '\0';
	snprintf(path, sizeof(path), "%s/proc/%u/cgroup", root, pid);
	file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "0::%4095[^\n]", group) == 1)
			break;
	if (!strcmp(group, "/"))
		*group = '\0';
	fclose(file);
}

/*
 * Memory is counted by no threaded group, such as those which libvirt makes for QEMU's threads: by the group
 * above them. What is told of pressure there is of a few threads only.
 */
static void find_counting_group(const char *root, char group[4096])
{
	char path[SIGNS_PATH], *last;

	for (;;) {
		snprintf(path, sizeof(path), "%s" GROUPS "%s/memory.stat", root, group);
		last = strrchr(group, '/');
		if (!access(path, R_OK) || !last)
			return;
		*last = '\0';
	}
}

static void choose(char path[SIGNS_PATH], const char *root, const char *group, const char *name,
		   const char *of_host)
{
	snprintf(path, SIGNS_PATH, "%s" GROUPS "%s/%s", root, group, name);
	if (access(path, R_OK))
		snprintf(path, SIGNS_PATH, "%s%s", root, of_host);
}

void signs_find(struct signs *signs, const char *root, uint32_t pid)
{
	char group[4096];

	find_group(root, pid, group);
	find_counting_group(root, group);
	choose(signs->counters, root, group, "memory.stat", "/proc/vmstat");
	choose(signs->pressure, root, group, "memory.pressure", "/proc/pressure/memory");
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
	struct control_swap swap = { signs->swapped_bytes, process_swapped_bytes((int)signs->pid) };
	uint64_t pages, stalled_us;

	pages = growth(&signs->refaults, number_behind(signs->counters, "workingset_refault_anon "));
	/* The first line: "some", tasks that waited while others may have run. */
	stalled_us = growth(&signs->stalled_us, number_behind(signs->pressure, "total="));
	look->seconds = now_s - signs->taken_s;
	look->refault_bytes = control_refaults(look, &swap, pages * PAGE_BYTES);
	look->pressure = look->seconds > 0 ? (double)stalled_us / 1e6 / look->seconds : 0;
	signs->swapped_bytes = swap.now;
	signs->taken_s = now_s;
}

void signs_open(struct signs *signs, uint32_t pid, double now_s)
{
	struct control_look ignored = { 0 };

	memset(signs, 0, sizeof(*signs));
	signs->pid = pid;
	signs_find(signs, "", pid);
	signs_take(signs, now_s, &ignored);
}
