/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the measuring tools share: a clock, percentiles, and lines of JSON that name what was
 * measured.
 */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

uint64_t now_ns(void);

/* Sorts the samples. An object with count, median, p90, p99, p999 and max, in microseconds. */
json_t *samples_json(uint64_t *samples_ns, size_t count);

/* "name=value" becomes a member of the object; exits with usage status when it is not of that form. */
void label_add(json_t *labels, const char *assignment);

/* Prints the object on a line of its own. */
void json_print(json_t *object);

/* "16M" in bytes; exits with usage status when it is no size. */
uint64_t parse_size(const char *text);

__attribute__((format(printf, 1, 2), noreturn)) void die(const char *format, ...);

#endif
