// SPDX-License-Identifier: GPL-2.0-only
/* HELLO, OPEN, DROP, STAT and SPACES. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "loop.h"
#include "request_ops.h"

/* HELLO */

static void hello_reply(struct conn *c, const struct smemv_frame *f,
			enum smemv_wire_status status, u64 features, u32 max_pages)
{
	struct server *srv = c->loop->server;
	struct smemv_wire_hello_reply body = {
		.features = cpu_to_le64(features),
		.version_min = cpu_to_le32(SMEMV_WIRE_VERSION),
		.version_max = cpu_to_le32(SMEMV_WIRE_VERSION),
		.max_pages = cpu_to_le32(max_pages),
		.max_inflight = cpu_to_le32(SERVER_MAX_INFLIGHT),
		.max_spaces = cpu_to_le32(SERVER_MAX_SPACES),
		.capacity_pages = cpu_to_le64(srv->store.capacity),
	};
	struct smemv_frame rep = { .status = (u16)status };
	u8 *meta = reply_begin(c, sizeof(body));

	if (!meta)
		return;
	memcpy(body.server_id, srv->server_id, sizeof(body.server_id));
	memcpy(meta, &body, sizeof(body));
	reply_send(c, f, &rep, sizeof(body));
}

void request_hello_version(struct conn *c, const struct smemv_frame *f)
{
	log_peer("client at %s speaks protocol version %u, this server %u to %u; refused: install matching releases",
		 c->peer, f->version, SMEMV_WIRE_VERSION, SMEMV_WIRE_VERSION);
	hello_reply(c, f, SMEMV_ST_VERSION, SERVER_FEATURES, SMEMV_WIRE_MAX_PAGES);
	conn_linger(c);
}

static void feature_names(char *text, size_t len, u64 features)
{
	static const char * const names[] = { "PAGE_CRC", "LIST", "PUSH", "CLAIM" };
	size_t used = 0, i;

	text[0] = '\0';
	for (i = 0; i < 64 && used < len; i++) {
		if (!(features >> i & 1))
			continue;
		if (i < ARRAY_SIZE(names))
			used += (size_t)snprintf(text + used, len - used, "%s%s",
						 used ? ", " : "", names[i]);
		else
			used += (size_t)snprintf(text + used, len - used, "%sbit %zu",
						 used ? ", " : "", i);
	}
}

static void take_name(struct conn *c, const u8 name[32])
{
	size_t i;

	memcpy(c->name, name, 32);
	c->name[32] = '\0';
	for (i = 0; c->name[i]; i++)
		if (c->name[i] < ' ' || c->name[i] > '~')
			c->name[i] = '?';
}

static void hello_missing_feature(struct conn *c, const struct smemv_frame *f, u64 missing)
{
	char names[256];

	feature_names(names, sizeof(names), missing);
	log_peer("client %s (%s) requires %s, which this server lacks; refused: update this server",
		 c->name, c->peer, names);
	hello_reply(c, f, SMEMV_ST_FEATURES, SERVER_FEATURES, SMEMV_WIRE_MAX_PAGES);
	conn_linger(c);
}

/* Rule 2: fence first, answer then. */
static enum smemv_wire_status hello_fence(struct conn *c, const struct smemv_wire_hello *h,
					  u64 *newest)
{
	enum smemv_wire_status status;

	status = clients_hello(&c->loop->server->clients, &c->session, h->client_id,
			       le32_to_cpu(h->lane), le64_to_cpu(h->generation), newest);
	if (status)
		return status;
	loop_synchronize(c->loop);
	return atomic_load(&c->session.fenced) ? SMEMV_ST_FENCED : SMEMV_ST_OK;
}

static void hello_accept(struct conn *c, const struct smemv_frame *f,
			 const struct smemv_wire_hello *h)
{
	u64 newest = 0, generation = le64_to_cpu(h->generation);
	enum smemv_wire_status status = hello_fence(c, h, &newest);

	if (status == SMEMV_ST_FENCED) {
		log_peer("client %s (%s) lane %u: generation %" PRIu64 " is not above %" PRIu64 "; refused",
			 c->name, c->peer, le32_to_cpu(h->lane), generation, newest);
		hello_reply(c, f, SMEMV_ST_FENCED, SERVER_FEATURES, SMEMV_WIRE_MAX_PAGES);
		conn_linger(c);
		return;
	}
	if (status) {
		log_peer("client %s (%s) lane %u: no memory for another client; refused",
			 c->name, c->peer, le32_to_cpu(h->lane));
		request_refuse(c, f, status);
		return;
	}
	c->features = le64_to_cpu(h->features) & SERVER_FEATURES;
	c->max_pages = (u32)min_u64(le32_to_cpu(h->max_pages), SMEMV_WIRE_MAX_PAGES);
	c->state = CONN_READY;
	log_debug("client %s (%s) lane %u connected, generation %" PRIu64,
		  c->name, c->peer, le32_to_cpu(h->lane), generation);
	hello_reply(c, f, SMEMV_ST_OK, c->features, c->max_pages);
}

static void hello_lane_too_high(struct conn *c, const struct smemv_frame *f, u32 lane)
{
	log_peer("client %s (%s): lane %u is above the highest, %u; refused",
		 c->name, c->peer, lane, SMEMV_WIRE_MAX_LANES - 1);
	request_refuse(c, f, SMEMV_ST_LIMIT);
}

void request_hello(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	struct smemv_wire_hello h;
	u64 missing;

	memcpy(&h, meta, sizeof(h));
	take_name(c, h.name);
	missing = le64_to_cpu(h.required) & ~SERVER_FEATURES;
	if (!le32_to_cpu(h.max_pages))
		request_out_of_place(c, f, "a HELLO with max_pages 0");
	else if (missing)
		hello_missing_feature(c, f, missing);
	else if (le32_to_cpu(h.lane) >= SMEMV_WIRE_MAX_LANES)
		hello_lane_too_high(c, f, le32_to_cpu(h.lane));
	else
		hello_accept(c, f, &h);
}

/* OPEN */

static bool make_room_for_handle(struct conn *c, u32 handle)
{
	u32 n = c->n_handles ? c->n_handles : 8;
	struct handle *handles;

	if (handle < c->n_handles)
		return true;
	while (n <= handle)
		n *= 2;
	handles = realloc(c->handles, n * sizeof(*handles));
	if (!handles)
		return false;
	memset(handles + c->n_handles, 0, (n - c->n_handles) * sizeof(*handles));
	c->handles = handles;
	c->n_handles = n;
	return true;
}

static void bind_handle(struct conn *c, u32 at, struct space *sp, u64 epoch)
{
	struct loop *l = c->loop;
	struct space *old = c->handles[at].space;

	c->handles[at] = (struct handle){ .space = sp, .epoch = epoch };
	if (old)
		spaces_close(&l->server->spaces, old);
}

static void open_reply(struct conn *c, const struct smemv_frame *f,
		       enum smemv_wire_status status, const struct space_opened *res)
{
	struct smemv_wire_open_reply body = {
		.size_pages = cpu_to_le64(res->size_pages),
		.epoch = cpu_to_le64(res->epoch),
		.pages = cpu_to_le64(res->pages),
		.flags = cpu_to_le32((res->created ? SMEMV_OPENED_F_CREATED : 0) |
				     (res->is_claim ? SMEMV_OPENED_F_CLAIMED : 0)),
	};
	struct smemv_frame rep = { .status = (u16)status };
	u8 *meta = reply_begin(c, sizeof(body));

	if (!meta)
		return;
	memcpy(meta, &body, sizeof(body));
	reply_send(c, f, &rep, sizeof(body));
}

static enum smemv_wire_status open_check(const struct smemv_frame *f,
					 const struct smemv_wire_open *o)
{
	u64 size = le64_to_cpu(o->size_pages);

	if (!o->epoch)
		return SMEMV_ST_BAD_REQUEST;
	if (!f->space || f->space >= SERVER_MAX_SPACES || !size || size > SMEMV_WIRE_MAX_INDEX)
		return SMEMV_ST_LIMIT;
	return SMEMV_ST_OK;
}

static void open_no_space(struct conn *c, const struct smemv_frame *f)
{
	log_peer("client %s (%s): no memory for another space beside %u; refused",
		 c->name, c->peer, spaces_count(&c->loop->server->spaces));
	request_refuse(c, f, SMEMV_ST_NO_SPACE);
}

static void open_space(struct conn *c, const struct smemv_frame *f,
		       const struct smemv_wire_open *o)
{
	struct server *srv = c->loop->server;
	struct space_open req = {
		.size_pages = le64_to_cpu(o->size_pages),
		.epoch = le64_to_cpu(o->epoch),
		.create = le32_to_cpu(o->flags) & SMEMV_OPEN_F_CREATE,
		.claimed = le32_to_cpu(o->flags) & SMEMV_OPEN_F_CLAIMED,
	};
	struct space_opened res;
	enum smemv_wire_status status;

	memcpy(req.uuid, o->uuid, sizeof(req.uuid));
	status = spaces_open(&srv->spaces, &req, &res);
	if (!status) {
		bind_handle(c, f->space, res.space, req.epoch);
		/* The new epoch holds on all threads before the owner hears of it. */
		loop_synchronize(c->loop);
	}
	if (!status || status == SMEMV_ST_STALE_EPOCH || status == SMEMV_ST_SIZE)
		open_reply(c, f, status, &res);
	else if (status == SMEMV_ST_NO_SPACE)
		open_no_space(c, f);
	else
		request_refuse(c, f, status);
}

static u32 open_flags(const struct conn *c)
{
	return SMEMV_OPEN_F_CREATE |
	       (c->features & SMEMV_FEAT_CLAIM ? SMEMV_OPEN_F_CLAIMED : 0);
}

void request_open(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	enum smemv_wire_status status;
	struct smemv_wire_open o;

	memcpy(&o, meta, sizeof(o));
	if (le32_to_cpu(o.flags) & ~open_flags(c)) {
		request_malformed(c, f, SMEMV_CODEC_FLAGS);
		return;
	}
	status = open_check(f, &o);
	if (status == SMEMV_ST_BAD_REQUEST)
		request_out_of_place(c, f, "an OPEN with epoch 0");
	else if (status)
		request_refuse(c, f, status);
	else if (!make_room_for_handle(c, f->space))
		open_no_space(c, f);
	else
		open_space(c, f, &o);
}

/* DROP */

static void drop_swept(struct sweep *sw)
{
	struct drop_job *job = container_of(sw, struct drop_job, sweep);

	loop_drop_done(job->loop, job);
}

void request_drop_reply(struct drop_job *job)
{
	struct smemv_wire_pages_reply body = { .pages = cpu_to_le64(job->sweep.pages) };
	struct smemv_frame rep = { 0 };
	u8 *meta = reply_begin(job->conn, sizeof(body));

	if (meta) {
		memcpy(meta, &body, sizeof(body));
		reply_send(job->conn, &job->frame, &rep, sizeof(body));
	}
}

static enum smemv_wire_status drop_find(struct conn *c, const struct smemv_frame *f,
					const u8 *uuid, struct space **sp)
{
	struct server *srv = c->loop->server;
	enum smemv_wire_status status;
	struct handle *h;

	if (!f->space)
		return f->flags & SMEMV_WIRE_F_FORCE
			? spaces_drop(&srv->spaces, uuid, NULL, true, sp)
			: SMEMV_ST_NO_SUCH_SPACE;
	h = handle_find_active(c, f, &status);
	if (!h)
		return status;
	if (memcmp(h->space->uuid, uuid, 16))
		return SMEMV_ST_BAD_REQUEST;
	return spaces_drop(&srv->spaces, uuid, &h->epoch, false, sp);
}

void request_drop(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	struct loop *l = c->loop;
	struct drop_job *job = calloc(1, sizeof(*job));
	enum smemv_wire_status status = SMEMV_ST_NO_SPACE;

	if (job)
		status = drop_find(c, f, meta, &job->sweep.space);
	if (status) {
		free(job);
		if (status == SMEMV_ST_BAD_REQUEST)
			request_out_of_place(c, f, "a DROP whose uuid is not its handle's");
		else
			request_refuse(c, f, status);
		return;
	}
	/* Nobody works on the space any more once this returns. */
	loop_synchronize(l);
	job->loop = l;
	job->conn = c;
	job->frame = *f;
	job->sweep.done = drop_swept;
	loop_add_drop(l, job);
	spaces_sweep(&l->server->spaces, &job->sweep);
}

/* STAT and SPACES */

void request_stat(struct conn *c, const struct smemv_frame *f)
{
	struct server *srv = c->loop->server;
	struct store_figures figures = store_figures(&srv->store);
	struct smemv_wire_stat_reply body = {
		.capacity_pages = cpu_to_le64(srv->store.capacity),
		.used_pages = cpu_to_le64(figures.used),
		.zero_pages = cpu_to_le64(figures.zero),
		.spaces = cpu_to_le64(spaces_count(&srv->spaces)),
	};
	struct smemv_frame rep = { 0 };
	u8 *meta;

	if (f->space) {
		enum smemv_wire_status status;
		struct handle *h = handle_find(c, f, &status);

		if (!h) {
			request_refuse(c, f, status);
			return;
		}
		body.space_pages = cpu_to_le64((u64)atomic_load(&h->space->pages));
		body.space_epoch = cpu_to_le64(atomic_load(&h->space->epoch));
	}
	meta = reply_begin(c, sizeof(body));
	if (!meta)
		return;
	memcpy(meta, &body, sizeof(body));
	reply_send(c, f, &rep, sizeof(body));
}

static void put_space_entry(u8 *to, const struct space_info *info)
{
	struct smemv_wire_space_entry e = {
		.size_pages = cpu_to_le64(info->size_pages),
		.epoch = cpu_to_le64(info->epoch),
		.pages = cpu_to_le64(info->pages),
		.flags = cpu_to_le32((info->owned ? SMEMV_SPACE_F_OWNED : 0) |
				     (info->claimed ? SMEMV_SPACE_F_CLAIMED : 0)),
		.idle_s = cpu_to_le32(info->idle_s),
	};

	memcpy(e.uuid, info->uuid, sizeof(e.uuid));
	memcpy(to, &e, sizeof(e));
}

void request_spaces(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	struct space_info info[SMEMV_WIRE_MAX_SPACE_ENTRIES];
	struct smemv_frame rep = { 0 };
	u32 n, i, meta_len;
	bool more;
	u8 *out;

	if (!(c->features & SMEMV_FEAT_LIST)) {
		request_refuse(c, f, SMEMV_ST_NOT_SUPPORTED);
		return;
	}
	n = spaces_list(&c->loop->server->spaces, meta, info, SMEMV_WIRE_MAX_SPACE_ENTRIES, &more);
	rep.count = (u16)n;
	rep.flags = more ? SMEMV_WIRE_F_MORE : 0;
	meta_len = n * (u32)sizeof(struct smemv_wire_space_entry);
	out = reply_begin(c, meta_len);
	if (!out)
		return;
	for (i = 0; i < n; i++)
		put_space_entry(out + i * sizeof(struct smemv_wire_space_entry), &info[i]);
	reply_send(c, f, &rep, meta_len);
}
