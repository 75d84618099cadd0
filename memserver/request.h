/* SPDX-License-Identifier: GPL-2.0-only */
/* What each opcode does. All of it runs inside a quiescence section. */
#ifndef MEMSERVER_REQUEST_H
#define MEMSERVER_REQUEST_H

#include "conn.h"

struct drop_job;
struct push_job;

/* A whole frame but for page data; meta is valid for the call only. */
void request_handle(struct conn *c, const struct smemv_frame *f, const u8 *meta);

/* STORE: the data of the current page is complete; or, with NULL, none is due. */
void request_store_page(struct conn *c, const u8 *data);
void request_store_end(struct conn *c);

/* The next step of c->work. */
void request_work_step(struct conn *c);
void request_drop_reply(struct drop_job *job);
/* Answers the order of a push. */
void push_done(struct push_job *job);

void request_refuse(struct conn *c, const struct smemv_frame *f,
		    enum smemv_wire_status status);
/* The stream cannot be trusted any more: say so if possible, and close. */
void request_malformed(struct conn *c, const struct smemv_frame *f, int err);
void request_hello_version(struct conn *c, const struct smemv_frame *f);

#endif
