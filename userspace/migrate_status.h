/* SPDX-License-Identifier: GPL-2.0-only */
/* QEMU's query-migrate as a structure, and what follows from two of them. */
#ifndef SMEMV_MIGRATE_STATUS_H
#define SMEMV_MIGRATE_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define MIGRATE_TARGETS_MAX	64

struct migrate_target {
	char server[32];
	char state[16];
	uint64_t pages;		/* that are there */
	uint64_t bytes;		/* sent */
	uint64_t zero;		/* pages that cost a flag */
	uint64_t resent;	/* pages sent again because the guest wrote to them */
	uint64_t backlog;	/* pages still to be sent */
};

/* What a message does not hold is zero. */
struct migrate_status {
	char status[24];
	char error[256];
	uint64_t total_ms;
	uint64_t setup_ms;
	uint64_t warmup_ms;		/* of total_ms, before anything was sent */
	uint64_t downtime_ms;		/* when it is completed */
	uint64_t expected_downtime_ms;
	uint64_t ram_total_bytes;
	uint64_t ram_remaining_bytes;
	uint64_t stream_bytes;		/* through the main host's link: RAM, devices, map */
	uint64_t stream_pages;		/* with content */
	uint64_t stream_zero;
	uint64_t dirty_pages_per_s;
	uint64_t passes;
	uint64_t throttle_percent;
	bool is_split;
	char state[24];			/* of the split part */
	char heat_source[24];
	uint64_t main_pages;
	uint64_t main_bytes;
	struct migrate_target targets[MIGRATE_TARGETS_MAX];
	int n_targets;
	double taken_s;			/* monotonic clock */
};

void migrate_status_read(const json_t *answer, double taken_s, struct migrate_status *status);

/* The same of a later message. Of a migration that failed QEMU tells no figures but a split's: the others stay. */
void migrate_status_renew(const json_t *answer, double taken_s, struct migrate_status *status);

bool migrate_status_is_final(const struct migrate_status *status);

/* Bytes that are to be sent still, over all links. */
uint64_t migrate_left_bytes(const struct migrate_status *status);

/* 0 to 1 */
double migrate_share_done(const struct migrate_status *status);

/* Seconds until what is left is sent, negative: it is not known, or the guest writes faster. */
double migrate_seconds_left(const struct migrate_status *now, const struct migrate_status *before);

/* Bytes per second through the main host's link, and to target @i. */
double migrate_stream_rate(const struct migrate_status *now, const struct migrate_status *before);
double migrate_target_rate(const struct migrate_status *now, const struct migrate_status *before,
			   int i);

#endif
