/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signs that a process suffers from paging: of the control group (v2) that counts its memory, or of the whole
 * host where there is none.
 */
#ifndef SMEMV_RECLAIM_SIGNS_H
#define SMEMV_RECLAIM_SIGNS_H

#include <stdbool.h>
#include <stdint.h>

#include "reclaim_control.h"

#define SIGNS_PATH	4352

struct signs {
	char counters[SIGNS_PATH];	/* path: memory.stat or /proc/vmstat */
	char pressure[SIGNS_PATH];
	uint32_t pid;
	uint64_t refaults;	/* pages so far */
	uint64_t swapped_bytes;
	uint64_t stalled_us;	/* so far */
	double taken_s;
};

/* Finds the files. @root: "", or where a test has its /proc and /sys. */
void signs_find(struct signs *signs, const char *root, uint32_t pid);
void signs_open(struct signs *signs, uint32_t pid, double now_s);

/*
 * What happened since the last call: the members seconds, refault_bytes and pressure of @look. What was paged out is
 * set: out_bytes, swapped_bytes and here_bytes.
 */
void signs_take(struct signs *signs, double now_s, struct control_look *look);

#endif
