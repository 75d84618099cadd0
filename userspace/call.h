/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SMEMV_CALL_H
#define SMEMV_CALL_H

#include <stdbool.h>

enum { EXIT_USAGE = 2 };

/* Why something failed, in words for the user. */
struct reason {
	char text[512];
};

__attribute__((format(printf, 2, 3)))
void reason_set(struct reason *why, const char *format, ...);

/* One invocation of a command: how it was called, and the arguments that are not consumed yet. */
struct call {
	const char *object;	/* "server" */
	const char *action;	/* "add", or NULL */
	const char *subject;	/* name of the object concerned, or NULL */
	bool json;
	char **args;
	int n_args;
};

/* The next argument, or NULL when there is none. */
const char *call_next(struct call *call);
const char *call_peek(const struct call *call);

/* Both print "smemv: server add s1: ..." and return the exit status. */
__attribute__((format(printf, 2, 3)))
int call_fail(const struct call *call, const char *format, ...);
__attribute__((format(printf, 2, 3)))
int call_usage(const struct call *call, const char *format, ...);

#endif
