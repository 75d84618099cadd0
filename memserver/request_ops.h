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

/* Rule 6: an owner that is not active yet changes nothing. */
struct handle *handle_find_active(struct conn *c, const struct smemv_frame *f,
				  enum smemv_wire_status *status);
enum smemv_wire_status check_pages(const struct conn *c, const struct smemv_frame *f,
				   const struct space *sp, const u8 *desc);
enum smemv_wire_status check_ranges(const struct conn *c, const struct smemv_frame *f,
				    const struct space *sp, const u8 *desc);
bool ranges_have_flags(const struct smemv_frame *f, const u8 *desc);

/* Pages that arrive: the rest of STORE and DELIVER. */
void pages_begin(struct conn *c, const struct smemv_frame *f, const u8 *desc);
bool page_is_damaged(const struct conn *c, const struct smemv_wire_page *p, const u8 *data,
		     u32 *crc);
enum smemv_wire_status deliver_one(struct conn *c, const struct smemv_wire_page *p,
				   const u8 *data);
/* The one status of all pages, when they have one that a header may say; else PARTIAL. */
enum smemv_wire_status pages_status(const struct rx *rx);
void pages_reply_partial(struct conn *c, const struct smemv_frame *req, const u64 *index,
			 const u16 *status, u32 count);
void rx_reply_partial(struct conn *c);
void request_deliver_end(struct conn *c);

void request_hello(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_open(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_store(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_load(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_invalidate(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_list(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_drop(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_stat(struct conn *c, const struct smemv_frame *f);
void request_drain(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_push(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_deliver(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_claim(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_activate(struct conn *c, const struct smemv_frame *f, const u8 *meta);
void request_spaces(struct conn *c, const struct smemv_frame *f, const u8 *meta);

#endif
