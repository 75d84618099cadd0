/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's latency histograms (kernel/uapi/smemv.h): bucket 4 * e + s
 * counts times of [(4 + s) << e, (5 + s) << e) quarter microseconds.
 *
 * A percentile is found as follows, and nowhere else: with n samples, its rank
 * is r = p * n (at least 1). The first bucket whose cumulated count reaches r
 * holds it, and within that bucket the samples are taken as evenly spread:
 *
 *	low + (high - low) * (r - samples before the bucket) / samples in it
 *
 * So the error is less than the bucket's width, a quarter of the value. The
 * first bucket is taken to start at 0.
 */
#ifndef SMEMV_LATENCY_H
#define SMEMV_LATENCY_H

#include <stdint.h>

#include "../kernel/uapi/smemv.h"

struct latency {
	uint64_t bucket[SMEMV_LATENCY_BUCKETS];
};

uint64_t latency_samples(const struct latency *latency);

double latency_bucket_low_us(unsigned int index);

/* Negative when there is no sample; @p is 0..1, 0.99 for instance. */
double latency_percentile_us(const struct latency *latency, double p);

/* What came since @before; all of it when the counts went backwards (the server was added anew). */
struct latency latency_since(const struct latency *now, const struct latency *before);

#endif
