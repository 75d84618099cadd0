/* SPDX-License-Identifier: GPL-2.0-only */
/* A stream socket that carries JSON objects, one after the other. Errors as in qmp.h. */
#ifndef SMEMV_QMP_WIRE_H
#define SMEMV_QMP_WIRE_H

#include <jansson.h>
#include <stddef.h>

#include "call.h"

struct qmp_wire {
	int fd;
	char *text;		/* what came and is not taken yet */
	size_t len;
	size_t room;
};

/* @where as in qmp_open(). */
int qmp_wire_connect(struct qmp_wire *wire, const char *where, int timeout_ms, struct reason *why);
void qmp_wire_close(struct qmp_wire *wire);

int qmp_wire_send(struct qmp_wire *wire, const json_t *message, int timeout_ms, struct reason *why);

/* The next object; -ETIMEDOUT when none is complete by then. @timeout_ms may be 0. */
int qmp_wire_receive(struct qmp_wire *wire, json_t **message, int timeout_ms, struct reason *why);


#endif
