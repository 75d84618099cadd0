/* SPDX-License-Identifier: GPL-2.0-only */
/* When and how fast smemv reclaim pages out: pure decisions, no clock and no system of their own. */
#ifndef SMEMV_RECLAIM_CONTROL_H
#define SMEMV_RECLAIM_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

/* A token bucket. It holds what BUCKET_S seconds give at most, so that a pause is not made up for by a burst. */
struct bucket {
	double per_second;	/* bytes; 0: no limit */
	double bytes;		/* that may go now; negative: too many went */
	double filled_s;	/* the time up to which it was filled */
};

#define BUCKET_S	0.25

/* Empty at @now_s, on any clock that does not go back. */
void bucket_init(struct bucket *bucket, double per_second, double now_s);

/* How many of @wanted bytes may go at @now_s, in whole pages; those are taken out. */
uint64_t bucket_take(struct bucket *bucket, uint64_t wanted, double now_s);

/* What was taken and did not go. */
void bucket_give_back(struct bucket *bucket, uint64_t bytes);

enum control_state {
	CONTROL_HOLDING,	/* the guest is not larger than its target */
	CONTROL_SHRINKING,
	CONTROL_REFAULTS,	/* the guest needs what was paged out: resting */
	CONTROL_PRESSURE,	/* its tasks wait for memory: resting */
	CONTROL_NOTHING_COLD,	/* too large, and all of it is in use */
};

/*
 * Holds a guest at a size. It shrinks by steps of what is too much; when the guest suffers it rests, each
 * time twice as long, and its step is halved; each step that goes well doubles it again.
 */
struct control {
	uint64_t target_bytes;
	enum control_state state;
	enum control_state rest_why;
	double share;		/* of what is too much that a step may page out, up to 1 */
	double rest_s;		/* the next rest */
	double rests_s;		/* what is left of the present one */
};

/* What is seen at a step. */
struct control_look {
	double seconds;			/* since the step before */
	uint64_t resident_bytes;
	uint64_t out_bytes;		/* paged out since then */
	uint64_t swapped_bytes;		/* of that, what the process's count of swap grew by */
	uint64_t here_bytes;		/* of that, what is here again */
	uint64_t refault_bytes;		/* came back since then: control_refaults() */
	double pressure;		/* part of the time in which tasks waited for memory; 0: not known */
};

#define CONTROL_REST_MIN_S	2.0
#define CONTROL_REST_MAX_S	120.0
#define CONTROL_SHARE_MIN	(1.0 / 64)
#define CONTROL_PRESSURE_MAX	0.1
#define CONTROL_REFAULTS_FREE	(256 * 1024.0)	/* bytes a second that are no reason to rest */

void control_init(struct control *control, uint64_t target_bytes);

/* The process's count of swap, of which shared memory is no part. */
struct control_swap {
	uint64_t before;
	uint64_t now;
};

/*
 * What came back of a process: what of @look's out_bytes is here again, or what is not in its swap any more, or the
 * kernel's own count of refaults, whichever is most. The first misses what went before, the second what the kernel
 * swapped by itself meanwhile, and shared memory, the third what the swap cache still had.
 */
uint64_t control_refaults(const struct control_look *look, const struct control_swap *swap, uint64_t counted);

/* How many bytes to page out now. */
uint64_t control_step(struct control *control, const struct control_look *look);

/* What became of the step: nothing was cold. */
void control_found_nothing(struct control *control);

const char *control_state_text(enum control_state state);

#endif
