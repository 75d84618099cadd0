/* SPDX-License-Identifier: GPL-2.0-only */
/* The clock, the signals that end a command, and waiting for what the module does in the background. */
#ifndef SMEMV_WAIT_H
#define SMEMV_WAIT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call.h"

/* Monotonic. */
double clock_s(void);
long long clock_ms(void);

void wait_s(double seconds);

/* SIGINT, SIGTERM, and @also unless it is 0: from here on they are pending until somebody asks. */
void ends_block(sigset_t *ends, int also);
/* Until @seconds are over. True: one of the signals came. */
bool ends_wait(const sigset_t *ends, double seconds);

/* How far something is. */
struct progress {
	uint64_t all_bytes;
	uint64_t left_bytes;
	bool at_most;		/* no more than that is left, maybe less */
	double seconds;		/* since the beginning */
};

/* "3.0M left of 8.0M, 1.5M/s, 2 s to go" */
void progress_text(const struct progress *progress, char *text, size_t size);

/*
 * What the module does in the background: @look tells whether it still does, and how far it is; @stop
 * makes it stop, when a signal came. Both return 0, or an exit status after the complaint was printed.
 */
struct background {
	int (*look)(void *arg, struct progress *progress, bool *goes_on);
	int (*stop)(void *arg);
	void *arg;
	struct progress progress;
	bool stopped;		/* by a signal */
};

/* Until it has ended, with its progress in a line when standard error is a terminal. Returns 0 or an exit status. */
int background_wait(struct background *background, const sigset_t *ends);

#endif
