/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by request.c and the files of the single operations, by nobody else. */
#ifndef MEMSERVER_REQUEST_OPS_H
#define MEMSERVER_REQUEST_OPS_H

#include "request.h"

#define HDR_LEN	((u32)sizeof(struct smemv_wire_hdr))

/* Room for a reply's header and meta; returns where the meta goes, or NULL. */
u8 *reply_begin(struct conn *c, u32 meta_len);
void reply_end(struct conn *c, const struct smemv_frame *req, struct smemv_frame *rep);
void reply_send(struct conn *c, const struct smemv_frame *req, struct smemv_frame *rep,
		u32 meta_len);
void request_refuse_data(struct conn *c, const struct smemv_frame *f,
			 enum smemv_wire_status status);
void request_out_of_place(struct conn *c, const struct smemv_frame *f, const char *what);

/* Rule 4 of DESIGN section 4: dead and stale handles are refused when applied. */
enum smemv_wire_status handle_usable(const struct handle *h);
struct handle *handle_find(struct conn *c, const struct smemv_frame *f,
			   enum smemv_wire_status *status);

void request_hello(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_open(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_store(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_load(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_invalidate(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_list(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_drop(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_stat(struct conn *c, const struct smemv_frame *f);
void request_spaces(struct conn *c, const struct smemv_frame *f, const u8 *meta);

#endif
