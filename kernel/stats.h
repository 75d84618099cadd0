/* SPDX-License-Identifier: GPL-2.0-only */
/* Per-CPU counters and latency histograms of servers and spaces. */
#ifndef SMEMV_STATS_H
#define SMEMV_STATS_H

#include <linux/ktime.h>
#include <linux/percpu.h>

#include "uapi/smemv.h"

struct smemv_server_stats {
	u64 count[SMEMV_SC__MAX];
	u64 load_latency[SMEMV_LATENCY_BUCKETS];
	u64 store_latency[SMEMV_LATENCY_BUCKETS];
};

struct smemv_space_stats {
	u64 count[SMEMV_PC__MAX];
};

struct smemv_file_stats {
	u64 count[SMEMV_FC__MAX];
};

/* All take any object with a per-CPU pointer called stats; any context. */
#define smemv_server_count(server, id, n) \
	this_cpu_add((server)->stats->count[SMEMV_SC_##id], n)
#define smemv_space_count(space, id, n) \
	this_cpu_add((space)->stats->count[SMEMV_PC_##id], n)
#define smemv_file_count(file, id, n) \
	this_cpu_add((file)->stats->count[SMEMV_FC_##id], n)

/* Histogram bucket of a duration, see SMEMV_LATENCY_BUCKETS. */
unsigned int smemv_latency_bucket(ktime_t duration);

/* Sum n u64 at offset bytes into a per-CPU structure over all CPUs. */
void smemv_stats_sum(u64 *sum, const void __percpu *stats, size_t offset,
		     unsigned int n);

#endif
