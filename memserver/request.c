// SPDX-License-Identifier: GPL-2.0-only
/* Replies and dispatch; the operations themselves are in request_*.c. */
#include <stdlib.h>

#include "log.h"
#include "loop.h"
#include "request.h"
#include "request_ops.h"

u8 *reply_begin(struct conn *c, u32 meta_len)
{
	c->reply = conn_out_reserve(c, HDR_LEN + meta_len);
	return c->reply ? c->reply + HDR_LEN : NULL;
}

void reply_end(struct conn *c, const struct smemv_frame *req, struct smemv_frame *rep)
{
	struct loop *l = c->loop;

	rep->opcode = req->opcode;
	rep->flags |= SMEMV_WIRE_F_REPLY;
	rep->tag = req->tag;
	rep->space = req->space;
	rep->free_pages = loop_free_pages(l);
	smemv_frame_seal(c->reply, rep);
	stats_add(&l->stats->status[rep->status], 1);
	l->replies++;
	loop_mark_dirty(c);
}

/* The reply is its meta: no page data was put behind it. */
void reply_send(struct conn *c, const struct smemv_frame *req, struct smemv_frame *rep,
		u32 meta_len)
{
	reply_end(c, req, rep);
	conn_out_commit(c, HDR_LEN + meta_len);
}

void request_refuse(struct conn *c, const struct smemv_frame *f,
		    enum smemv_wire_status status)
{
	struct smemv_frame rep = { .status = (u16)status };

	if (reply_begin(c, 0))
		reply_send(c, f, &rep, 0);
}

void request_malformed(struct conn *c, const struct smemv_frame *f, int err)
{
	stats_add(&c->loop->stats->malformed[err], 1);
	log_peer("%s%s%s: %s; closed", c->name, c->name[0] ? " at " : "", c->peer,
		 smemv_codec_strerror(err));
	/* Without magic and version the tag is not where we think. */
	if (err == SMEMV_CODEC_MAGIC || err == SMEMV_CODEC_VERSION || c->outgoing) {
		conn_close(c);
		return;
	}
	request_refuse(c, f, SMEMV_ST_BAD_REQUEST);
	conn_linger(c);
}

void request_out_of_place(struct conn *c, const struct smemv_frame *f, const char *what)
{
	log_peer("%s%s%s: %s; closed", c->name, c->name[0] ? " at " : "", c->peer, what);
	request_refuse(c, f, SMEMV_ST_BAD_REQUEST);
	conn_linger(c);
}

/* Refuse, and pass over the page data that comes with it. */
void request_refuse_data(struct conn *c, const struct smemv_frame *f,
			 enum smemv_wire_status status)
{
	request_refuse(c, f, status);
	if (f->data_len && c->state <= CONN_READY) {
		c->rx.phase = RX_SKIP;
		c->rx.skip = f->data_len;
	}
}

enum smemv_wire_status handle_usable(const struct handle *h)
{
	if (atomic_load(&h->space->dead))
		return SMEMV_ST_NO_SUCH_SPACE;
	if (atomic_load(&h->space->epoch) != h->epoch)
		return SMEMV_ST_STALE_EPOCH;
	return SMEMV_ST_OK;
}

static struct handle *handle_at(struct conn *c, const struct smemv_frame *f)
{
	struct handle *h = f->space < c->n_handles ? &c->handles[f->space] : NULL;

	return h && h->space ? h : NULL;
}

struct handle *handle_find(struct conn *c, const struct smemv_frame *f,
			   enum smemv_wire_status *status)
{
	struct handle *h = handle_at(c, f);

	*status = h ? handle_usable(h) : SMEMV_ST_NO_SUCH_SPACE;
	return *status ? NULL : h;
}

struct handle *handle_find_active(struct conn *c, const struct smemv_frame *f,
				  enum smemv_wire_status *status)
{
	struct handle *h = handle_at(c, f);
	/* Before its epoch is looked at, see enter_epoch(). */
	bool claimed = h && atomic_load(&h->space->claimed) == h->epoch;

	h = handle_find(c, f, status);
	if (!h || !claimed)
		return h;
	*status = SMEMV_ST_NOT_ACTIVE;
	return NULL;
}

/* REPLY never, MORE only in replies, FORCE only with DROP. */
static bool flags_fit(const struct smemv_frame *f)
{
	return !(f->flags & ~(f->opcode == SMEMV_OP_DROP ? SMEMV_WIRE_F_FORCE : 0));
}

static void dispatch(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	switch (f->opcode) {
	case SMEMV_OP_HELLO:
		request_out_of_place(c, f, "a second HELLO");
		break;
	case SMEMV_OP_OPEN:
		request_open(c, f, meta);
		break;
	case SMEMV_OP_STORE:
		request_store(c, f, meta);
		break;
	case SMEMV_OP_LOAD:
		request_load(c, f, meta);
		break;
	case SMEMV_OP_INVALIDATE:
		request_invalidate(c, f, meta);
		break;
	case SMEMV_OP_DROP:
		request_drop(c, f, meta);
		break;
	case SMEMV_OP_STAT:
		request_stat(c, f);
		break;
	case SMEMV_OP_LIST:
		request_list(c, f, meta);
		break;
	case SMEMV_OP_SPACES:
		request_spaces(c, f, meta);
		break;
	case SMEMV_OP_PUSH:
		request_push(c, f, meta);
		break;
	case SMEMV_OP_CLAIM:
		request_claim(c, f, meta);
		break;
	case SMEMV_OP_ACTIVATE:
		request_activate(c, f, meta);
		break;
	case SMEMV_OP_DRAIN:
		request_drain(c, f, meta);
		break;
	case SMEMV_OP_DELIVER:
		request_deliver(c, f, meta);
		break;
	default:
		request_refuse(c, f, SMEMV_ST_NOT_SUPPORTED);
	}
}

void request_handle(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	if (c->outgoing) {
		link_frame(c, f, meta);
		return;
	}
	stats_add(&c->loop->stats->requests[f->opcode], 1);
	if (!flags_fit(f))
		request_malformed(c, f, SMEMV_CODEC_FLAGS);
	else if (c->state == CONN_READY)
		dispatch(c, f, meta);
	else if (f->opcode == SMEMV_OP_HELLO)
		request_hello(c, f, meta);
	else
		request_out_of_place(c, f, "a request before HELLO");
}
