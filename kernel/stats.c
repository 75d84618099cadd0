// SPDX-License-Identifier: GPL-2.0-only
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "stats.h"

unsigned int smemv_latency_bucket(ktime_t duration)
{
	s64 us = ktime_to_us(duration);
	unsigned int octave, bucket;
	u64 quarters;

	/* In quarters of a microsecond, so that 1 us is 4 << 0: bucket 0. */
	quarters = (us < 1 ? 1ULL : (u64)us) << 2;
	octave = ilog2(quarters) - 2;
	bucket = octave * 4 + ((quarters >> octave) & 3);
	return min(bucket, SMEMV_LATENCY_BUCKETS - 1U);
}

void smemv_stats_sum(u64 *sum, const void __percpu *stats, size_t offset,
		     unsigned int n)
{
	unsigned int i;
	int cpu;

	memset(sum, 0, n * sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const u64 *part = per_cpu_ptr(stats, cpu) + offset;

		for (i = 0; i < n; i++)
			sum[i] += READ_ONCE(part[i]);
	}
}
