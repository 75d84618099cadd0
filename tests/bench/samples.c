// SPDX-License-Identifier: GPL-2.0-only
#include "samples.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static json_t *percentile_us(const uint64_t *sorted_ns, size_t count, double percent)
{
	size_t at = (size_t)((double)count * percent / 100.0);

	return json_real((double)sorted_ns[at < count ? at : count - 1] / 1000.0);
}

json_t *samples_json(uint64_t *samples_ns, size_t count)
{
	json_t *object = json_object();

	json_object_set_new(object, "count", json_integer((json_int_t)count));
	if (!count)
		return object;
	qsort(samples_ns, count, sizeof(*samples_ns), compare);
	json_object_set_new(object, "median", percentile_us(samples_ns, count, 50));
	json_object_set_new(object, "p90", percentile_us(samples_ns, count, 90));
	json_object_set_new(object, "p99", percentile_us(samples_ns, count, 99));
	json_object_set_new(object, "p999", percentile_us(samples_ns, count, 99.9));
	json_object_set_new(object, "max", percentile_us(samples_ns, count, 100));
	return object;
}

void label_add(json_t *labels, const char *assignment)
{
	const char *value = strchr(assignment, '=');
	char *name;

	if (!value || value == assignment)
		die("--label wants NAME=VALUE, not %s", assignment);
	name = strndup(assignment, (size_t)(value - assignment));
	json_object_set_new(labels, name, json_string(value + 1));
	free(name);
}

void json_print(json_t *object)
{
	if (json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)))
		die("a label is not UTF-8");
	putchar('\n');
	fflush(stdout);
}

uint64_t parse_size(const char *text)
{
	static const char units[] = "KMG";
	const char *unit;
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		value <<= 10 * (unit - units + 1);
		end++;
	}
	if (errno || end == text || *end || *text == '-')
		die("not a number or size: %s", text);
	return value;
}

void die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}
