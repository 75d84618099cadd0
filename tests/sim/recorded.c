// SPDX-License-Identifier: GPL-2.0-only
/* Reading recorded traces; the format is in traces/README.md. */
#include <err.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define LINE_MAX_LEN	256

static void add(struct trace *trace, uint32_t access)
{
	if (trace->nr == trace->room) {
		trace->room = trace->room ? 2 * trace->room : 65536;
		trace->access = realloc(trace->access, trace->room * sizeof(*trace->access));
		if (!trace->access)
			err(1, "no memory");
	}
	trace->access[trace->nr++] = access;
}

/* "FIRST", "FIRST COUNT" or "host FIRST ..." */
static bool add_line(struct trace *trace, const char *line)
{
	uint32_t first, count = 1, i, host = 0;

	if (!strncmp(line, "host ", 5)) {
		host = SIM_HOST;
		line += 5;
	}
	if (sscanf(line, "%u %u", &first, &count) < 1 || first >= trace->pages ||
	    count > trace->pages - first)
		return false;
	for (i = 0; i < count; i++)
		add(trace, (first + i) | host);
	return true;
}

static char *name_of(const char *path)
{
	char *copy = strdup(path), *name = copy ? basename(copy) : NULL;

	if (!name)
		err(1, "no memory");
	name[strcspn(name, ".")] = 0;
	return name;
}

struct trace trace_read(const char *path)
{
	struct trace trace = { .name = name_of(path), .what = "recorded" };
	FILE *file = fopen(path, "r");
	char line[LINE_MAX_LEN];
	unsigned int number = 1;

	if (!file)
		err(1, "%s", path);
	if (!fgets(line, sizeof(line), file) ||
	    sscanf(line, "smemv-trace 1 pages %u interval %u", &trace.pages, &trace.interval) != 2 ||
	    !trace.pages || trace.pages >= SIM_HOST || !trace.interval)
		errx(1, "%s: the first line is not \"smemv-trace 1 pages N interval N\"", path);
	while (fgets(line, sizeof(line), file)) {
		number++;
		if (line[0] != '#' && !add_line(&trace, line))
			errx(1, "%s:%u: no access to a page of the guest: %s", path, number, line);
	}
	fclose(file);
	return trace;
}
