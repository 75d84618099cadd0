// SPDX-License-Identifier: GPL-2.0-only
/* DRAIN and DELIVER, where this server is the target; PUSH, where it is the source (rule 5). */
#include <stdlib.h>

#include "loop.h"
#include "push.h"
#include "request_ops.h"

static bool has_push(struct conn *c, const struct smemv_frame *f)
{
	if (c->features & SMEMV_FEAT_PUSH)
		return true;
	request_refuse_data(c, f, SMEMV_ST_NOT_SUPPORTED);
	return false;
}

/* DRAIN */

static enum smemv_wire_status drain_change(struct conn *c, struct handle *h,
					   const struct smemv_wire_drain *b)
{
	struct drain *d = &h->space->drain;
	u64 number = le64_to_cpu(b->drain);
	enum smemv_wire_status status = SMEMV_ST_OK;

	if (le32_to_cpu(b->flags) & SMEMV_DRAIN_F_OPEN)
		status = drain_open(d, number, h->epoch, b->token);
	else
		drain_close(d, number, h->epoch);
	/* Who was in the middle of applying a page of an earlier drain is done now. */
	loop_synchronize(c->loop);
	return status;
}

void request_drain(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	struct smemv_wire_drain b;
	enum smemv_wire_status status;
	struct handle *h;

	memcpy(&b, meta, sizeof(b));
	if (!has_push(c, f))
		return;
	if (le32_to_cpu(b.flags) & ~SMEMV_DRAIN_F_OPEN) {
		request_malformed(c, f, SMEMV_CODEC_FLAGS);
		return;
	}
	if (!b.drain) {
		request_out_of_place(c, f, "a DRAIN with number 0");
		return;
	}
	h = handle_find_active(c, f, &status);
	if (h)
		status = drain_change(c, h, &b);
	request_refuse(c, f, status);
}

/* PUSH */

static enum smemv_wire_status take_pages(struct push_job *job, u32 max, const u8 *desc)
{
	struct smemv_wire_range r;
	u32 i, n;

	for (i = 0; i < job->frame.count; i++) {
		memcpy(&r, desc + i * sizeof(r), sizeof(r));
		if (le32_to_cpu(r.count) > max - job->count)
			return SMEMV_ST_LIMIT;
		for (n = 0; n < le32_to_cpu(r.count); n++)
			job->index[job->count++] = le64_to_cpu(r.first) + n;
	}
	return SMEMV_ST_OK;
}

static enum smemv_wire_status take_order(struct conn *c, struct push_job *job, const u8 *meta)
{
	u32 timeout_ms;

	memcpy(&job->order, meta, sizeof(job->order));
	timeout_ms = le32_to_cpu(job->order.timeout_ms);
	job->timeout_ms = timeout_ms ? timeout_ms : SMEMV_WIRE_PUSH_MS;
	if (timeout_ms > SMEMV_WIRE_PUSH_MAX_MS || c->pushes >= SMEMV_WIRE_MAX_PUSHES)
		return SMEMV_ST_LIMIT;
	return take_pages(job, c->max_pages, meta + sizeof(job->order));
}

static bool port_is_good(const u8 *meta)
{
	struct smemv_wire_push b;

	memcpy(&b, meta, sizeof(b));
	return b.target_port && le32_to_cpu(b.target_port) <= 65535;
}

/* Returns NULL and a status when it cannot be done. */
static struct push_job *new_job(struct conn *c, const struct smemv_frame *f, const u8 *meta,
				enum smemv_wire_status *status)
{
	struct handle *h = handle_find_active(c, f, status);
	struct push_job *job;

	if (h)
		*status = check_ranges(c, f, h->space, meta + sizeof(struct smemv_wire_push));
	if (*status)
		return NULL;
	job = calloc(1, sizeof(*job));
	*status = SMEMV_ST_NO_SPACE;
	if (!job)
		return NULL;
	job->conn = c;
	job->frame = *f;
	job->epoch = h->epoch;
	job->space = h->space;
	*status = take_order(c, job, meta);
	if (!*status)
		return job;
	free(job);
	return NULL;
}

void request_push(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	enum smemv_wire_status status;
	struct push_job *job;

	if (!has_push(c, f))
		return;
	if (ranges_have_flags(f, meta + sizeof(struct smemv_wire_push))) {
		request_malformed(c, f, SMEMV_CODEC_PAGE_FLAGS);
		return;
	}
	if (!port_is_good(meta)) {
		request_out_of_place(c, f, "a PUSH to an impossible port");
		return;
	}
	job = new_job(c, f, meta, &status);
	if (!job) {
		request_refuse(c, f, status);
		return;
	}
	space_get(job->space);
	c->pushes++;
	push_submit(c->loop, job);
}

static bool all_applied(const struct push_job *job)
{
	u32 i;

	for (i = 0; i < job->count; i++)
		if (job->status[i])
			return false;
	return true;
}

void push_done(struct push_job *job)
{
	struct conn *c = job->conn;

	c->pushes--;
	if (job->refused || all_applied(job))
		request_refuse(c, &job->frame, job->refused);
	else
		pages_reply_partial(c, &job->frame, job->index, job->status, job->count);
}

/* DELIVER */

static enum smemv_wire_status delivery_allowed(const struct conn *c, const struct smemv_frame *f,
					       struct space *sp, const u8 *meta)
{
	struct smemv_wire_deliver b;
	u64 epoch;

	memcpy(&b, meta, sizeof(b));
	epoch = le64_to_cpu(b.epoch);
	if (atomic_load(&sp->epoch) != epoch)
		return SMEMV_ST_STALE_EPOCH;
	if (!drain_is(&sp->drain, le64_to_cpu(b.drain), epoch, b.token))
		return SMEMV_ST_NO_DRAIN;
	return check_pages(c, f, sp, meta + sizeof(b));
}

void request_deliver(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	enum smemv_wire_status status = SMEMV_ST_NO_SUCH_SPACE;
	struct smemv_wire_deliver b;
	struct space *sp;

	if (!has_push(c, f))
		return;
	memcpy(&b, meta, sizeof(b));
	sp = spaces_get(&c->loop->server->spaces, b.uuid);
	if (sp)
		status = delivery_allowed(c, f, sp, meta);
	if (status) {
		if (sp)
			space_put(sp);
		request_refuse_data(c, f, status);
		return;
	}
	c->rx.space = sp;
	c->rx.drain = le64_to_cpu(b.drain);
	c->rx.epoch = le64_to_cpu(b.epoch);
	pages_begin(c, f, meta + sizeof(b));
}

enum smemv_wire_status deliver_one(struct conn *c, const struct smemv_wire_page *p,
				   const u8 *data)
{
	struct loop *l = c->loop;
	struct space *sp = c->rx.space;
	u32 crc;

	/* Dropped, or a new owner's: its drain ended with it. */
	if (atomic_load(&sp->dead) || atomic_load(&sp->epoch) != c->rx.epoch)
		return SMEMV_ST_NO_DRAIN;
	if (page_is_damaged(c, p, data, &crc))
		return SMEMV_ST_BAD_CRC;
	return space_deliver(&l->server->store, l->st, sp, c->rx.drain,
			     le64_to_cpu(p->index), data, crc);
}

void request_deliver_end(struct conn *c)
{
	struct rx *rx = &c->rx;
	enum smemv_wire_status status = pages_status(rx);

	conn_release_delivery(c);
	stats_add(&c->loop->stats->pages_delivered, rx->kept);
	if (status == SMEMV_ST_PARTIAL)
		rx_reply_partial(c);
	else
		request_refuse(c, &rx->frame, status);
}
