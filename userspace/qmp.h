/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A connection to QEMU's QMP monitor. Nothing waits without a bound: connecting, the greeting and each
 * answer may take the connection's patience, or a second as long as the one before did not come.
 * Functions that can fail return 0 or a negative errno, with the reason in words:
 *
 *	-ETIMEDOUT	QEMU does not answer in time; the connection may still be used
 *	-EPIPE		QEMU, or what forwards its socket, is gone; the connection is of no use any more
 *	-EBADMSG	what came is not QMP; likewise
 *	-ENOSYS		QEMU does not know the command
 *	-EREMOTEIO	QEMU refused the command
 *	or what connect(2) says
 */
#ifndef SMEMV_QMP_H
#define SMEMV_QMP_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "call.h"

struct qmp;

struct qmp_version {
	int major;
	int minor;
	int micro;
};

/* @where: path of a unix socket (it holds a "/"), or HOST:PORT. */
int qmp_open(struct qmp **qmp, const char *where, int patience_ms, struct reason *why);
void qmp_close(struct qmp *qmp);

struct qmp_version qmp_version(const struct qmp *qmp);

/*
 * Runs a command. @arguments (may be NULL) is consumed, also on failure. @result may be NULL; else the
 * caller owns what is put there.
 */
int qmp_run(struct qmp *qmp, const char *command, json_t *arguments, json_t **result,
	    struct reason *why);

/* It did not answer the last command in time. */
bool qmp_hangs(const struct qmp *qmp);

/* Readable when an event came or QEMU went away; qmp_take_events() reads without waiting. */
int qmp_fd(const struct qmp *qmp);
int qmp_take_events(struct qmp *qmp, struct reason *why);

/* Until QEMU closes the connection: 0, or -ETIMEDOUT. */
int qmp_wait_for_end(struct qmp *qmp, int timeout_ms);

/* The process behind a unix socket, when it is a QEMU of this machine; else 0. */
pid_t qmp_process(const struct qmp *qmp);

#endif
