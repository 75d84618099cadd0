/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signs that a process suffers from paging: of its control group (v2), or of the whole host where the group
 * has no such file.
 */
#ifndef SMEMV_RECLAIM_SIGNS_H
#define SMEMV_RECLAIM_SIGNS_H

#include <stdbool.h>
#include <stdint.h>

#include "reclaim_control.h"

struct signs {
	char counters[4352];	/* path: memory.stat or /proc/vmstat */
	char pressure[4352];
	uint32_t pid;
	uint64_t refaults;	/* pages so far */
	uint64_t swapped_bytes;
	uint64_t stalled_us;	/* so far */
	double taken_s;
};

void signs_open(struct signs *signs, uint32_t pid, double now_s);

/* What happened since the last call: the members seconds, refault_bytes and pressure of @look, whose out_bytes is set. */
void signs_take(struct signs *signs, double now_s, struct control_look *look);

#endif
