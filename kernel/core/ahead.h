/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages to fetch before they are asked for. Pure: also built into the
 * unit tests.
 *
 * Faults are sorted into streams by nearness. A stream has a trend when most of
 * its recent steps are alike (the majority vote of Leap, ATC 2020, over a window
 * that grows until one is found); steps of other streams and detours do not
 * break it. Without a trend nothing is fetched. How much is, doubles with each
 * page that was of use and halves with each that was not.
 */
#ifndef SMEMV_CORE_AHEAD_H
#define SMEMV_CORE_AHEAD_H

#include "shim.h"

#define SMEMV_AHEAD_MAX		31u	/* with the page itself one request */
#define SMEMV_AHEAD_STREAMS	8u
#define SMEMV_AHEAD_STEPS	16u

/**
 * struct smemv_ahead_stream - faults near each other
 * @last: page index of the latest
 * @step: differences between one and the next (modulo 2^64), a ring
 * @nr: of them that are valid
 * @pos: where the next goes
 * @window: pages to fetch at a time
 * @trend: the step that @reach belongs to
 * @reach: index of the last page that was fetched ahead
 * @used: when, for choosing the stream to give up
 */
struct smemv_ahead_stream {
	u64 last;
	u64 step[SMEMV_AHEAD_STEPS];
	u32 nr;
	u32 pos;
	u32 window;
	u64 trend;
	u64 reach;
	u64 used;
};

/**
 * struct smemv_ahead - of one file; all zeros at first
 * @now: counts faults
 * @stream: see there
 */
struct smemv_ahead {
	u64 now;
	struct smemv_ahead_stream stream[SMEMV_AHEAD_STREAMS];
};

/**
 * struct smemv_ahead_plan - pages to fetch
 * @first: index of the first
 * @step: from one to the next, modulo 2^64
 * @nr: how many, 0: none
 */
struct smemv_ahead_plan {
	u64 first;
	u64 step;
	u32 nr;
};

/* A page was asked for that was remote, or (@hit) that had been fetched ahead. */
struct smemv_ahead_plan smemv_ahead_fault(struct smemv_ahead *ahead, u64 index,
					  bool hit);

/* A page that had been fetched ahead goes without having been used. */
void smemv_ahead_wasted(struct smemv_ahead *ahead, u64 index);

#endif
