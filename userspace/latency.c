// SPDX-License-Identifier: GPL-2.0-only
#include "latency.h"

double latency_bucket_low_us(unsigned int index)
{
	unsigned int octave = index / 4, step = index % 4;

	return index ? (double)((4ull + step) << octave) / 4 : 0;
}

static double bucket_high_us(unsigned int index)
{
	unsigned int octave = index / 4, step = index % 4;

	return (double)((5ull + step) << octave) / 4;
}

uint64_t latency_samples(const struct latency *latency)
{
	uint64_t samples = 0;
	unsigned int i;

	for (i = 0; i < SMEMV_LATENCY_BUCKETS; i++)
		samples += latency->bucket[i];
	return samples;
}

double latency_percentile_us(const struct latency *latency, double p)
{
	double rank = p * (double)latency_samples(latency), before = 0;
	unsigned int i;

	if (rank < 1)
		rank = 1;
	for (i = 0; i < SMEMV_LATENCY_BUCKETS; i++) {
		double inside = (double)latency->bucket[i];

		if (inside > 0 && before + inside >= rank)
			return latency_bucket_low_us(i) + (bucket_high_us(i) - latency_bucket_low_us(i)) *
						  (rank - before) / inside;
		before += inside;
	}
	return -1;
}

struct latency latency_since(const struct latency *now, const struct latency *before)
{
	struct latency since;
	unsigned int i;

	for (i = 0; i < SMEMV_LATENCY_BUCKETS; i++) {
		if (now->bucket[i] < before->bucket[i])
			return *now;
		since.bucket[i] = now->bucket[i] - before->bucket[i];
	}
	return since;
}
