// SPDX-License-Identifier: GPL-2.0-only
/* STORE, LOAD, INVALIDATE and LIST; and what DELIVER shares with STORE. */
#include "loop.h"
#include "request_ops.h"

static u64 page_index(const struct smemv_wire_page *p)
{
	return le64_to_cpu(p->index);
}

enum smemv_wire_status check_pages(const struct conn *c, const struct smemv_frame *f,
				   const struct space *sp, const u8 *desc)
{
	struct smemv_wire_page p;
	u32 i;

	if (f->count > c->max_pages)
		return SMEMV_ST_LIMIT;
	for (i = 0; i < f->count; i++) {
		memcpy(&p, desc + i * sizeof(p), sizeof(p));
		if (page_index(&p) >= sp->size_pages)
			return SMEMV_ST_LIMIT;
	}
	return SMEMV_ST_OK;
}

/* STORE */

static bool has_crc(const struct conn *c)
{
	return c->features & SMEMV_FEAT_PAGE_CRC;
}

/* Without CRCs of the client's the server makes them: they guard its own memory. */
bool page_is_damaged(const struct conn *c, const struct smemv_wire_page *p, const u8 *data,
		     u32 *crc)
{
	*crc = data ? smemv_crc32c_page(data) : 0;
	return data && has_crc(c) && *crc != le32_to_cpu(p->crc);
}

static enum smemv_wire_status store_one(struct conn *c, const struct smemv_wire_page *p,
					const u8 *data)
{
	struct loop *l = c->loop;
	struct store *st = &l->server->store;
	struct space *sp = c->rx.handle->space;
	u32 crc;

	/*
	 * Pages of this frame may have been kept before the handle went stale, so
	 * the reply is PARTIAL; this page was not kept, and the next request says why.
	 */
	if (unlikely(handle_usable(c->rx.handle)))
		return SMEMV_ST_NO_SPACE;
	if (page_is_damaged(c, p, data, &crc))
		return SMEMV_ST_BAD_CRC;
	return space_store(st, l->st, sp, page_index(p), data, crc);
}

static void store_and_note(struct conn *c, const u8 *data)
{
	struct rx *rx = &c->rx;
	const struct smemv_wire_page *p = &rx->desc[rx->at];
	enum smemv_wire_status status = rx->space ? deliver_one(c, p, data) : store_one(c, p, data);

	rx->status[rx->at++] = (u16)status;
	if (!status)
		rx->kept++;
	else
		stats_add(&c->loop->stats->page_status[status], 1);
}

static bool wants_data(const struct smemv_wire_page *p)
{
	return !(le16_to_cpu(p->flags) & SMEMV_PAGE_F_ZERO);
}

/* Rule 1: zero pages take their turn among those with data. */
static void store_zeros(struct conn *c)
{
	struct rx *rx = &c->rx;

	while (rx->at < rx->frame.count && !wants_data(&rx->desc[rx->at]))
		store_and_note(c, NULL);
	if (rx->at == rx->frame.count)
		request_store_end(c);
}

void pages_begin(struct conn *c, const struct smemv_frame *f, const u8 *desc)
{
	struct rx *rx = &c->rx;

	memcpy(rx->desc, desc, f->count * sizeof(rx->desc[0]));
	rx->phase = RX_STORE;
	rx->at = 0;
	rx->kept = 0;
	rx->page_have = 0;
	store_zeros(c);
}

void request_store(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	struct rx *rx = &c->rx;
	enum smemv_wire_status status;
	struct handle *h = handle_find_active(c, f, &status);

	if (h)
		status = check_pages(c, f, h->space, meta);
	if (status) {
		request_refuse_data(c, f, status);
		return;
	}
	rx->handle = h;
	pages_begin(c, f, meta);
}

void request_store_page(struct conn *c, const u8 *data)
{
	store_and_note(c, data);
	store_zeros(c);
}

enum smemv_wire_status pages_status(const struct rx *rx)
{
	u32 i, n = rx->frame.count;

	if (rx->kept == n)
		return SMEMV_ST_OK;
	if (rx->status[0] != SMEMV_ST_NO_SPACE && rx->status[0] != SMEMV_ST_STOPPING)
		return SMEMV_ST_PARTIAL;
	for (i = 1; i < n; i++)
		if (rx->status[i] != rx->status[0])
			return SMEMV_ST_PARTIAL;
	return rx->status[0];
}

void pages_reply_partial(struct conn *c, const struct smemv_frame *req, const u64 *index,
			 const u16 *status, u32 count)
{
	struct smemv_frame rep = { .status = SMEMV_ST_PARTIAL, .count = (u16)count };
	u32 meta_len = count * (u32)sizeof(struct smemv_wire_page), i;
	u8 *meta = reply_begin(c, meta_len);

	if (!meta)
		return;
	for (i = 0; i < count; i++) {
		struct smemv_wire_page p = {
			.index = cpu_to_le64(index[i]),
			.status = cpu_to_le16(status[i]),
		};

		memcpy(meta + i * sizeof(p), &p, sizeof(p));
	}
	reply_send(c, req, &rep, meta_len);
}

void rx_reply_partial(struct conn *c)
{
	struct rx *rx = &c->rx;
	u64 index[SMEMV_WIRE_MAX_PAGES];
	u32 i;

	for (i = 0; i < rx->frame.count; i++)
		index[i] = page_index(&rx->desc[i]);
	pages_reply_partial(c, &rx->frame, index, rx->status, rx->frame.count);
}

static void store_end(struct conn *c)
{
	struct rx *rx = &c->rx;
	enum smemv_wire_status status = pages_status(rx), usable = handle_usable(rx->handle);

	rx->handle = NULL;
	stats_add(&c->loop->stats->pages_stored, rx->kept);
	if (!rx->kept && usable)
		status = usable;
	if (status == SMEMV_ST_PARTIAL)
		rx_reply_partial(c);
	else
		request_refuse(c, &rx->frame, status);
}

void request_store_end(struct conn *c)
{
	c->rx.phase = RX_HEAD;
	if (c->rx.space)
		request_deliver_end(c);
	else
		store_end(c);
}

/* LOAD */

/* Only a client without CRCs needs the server to look; others see it end to end. */
static bool kept_damaged(const struct conn *c, const struct loaded_page *page, const u8 *data)
{
	return !has_crc(c) && !page->zero && smemv_crc32c_page(data) != page->crc;
}

static bool load_one(struct conn *c, struct smemv_wire_page *p, u32 *data_len)
{
	struct loop *l = c->loop;
	struct loaded_page page = { 0 };
	enum smemv_wire_status status;
	u8 *data = conn_out_reserve(c, SMEMV_WIRE_PAGE_SIZE);

	if (!data)
		return false;
	status = space_load(&l->server->store, c->rx.handle->space, page_index(p), data, &page);
	if (!status && kept_damaged(c, &page, data))
		status = SMEMV_ST_BAD_CRC;
	p->crc = 0;
	p->flags = 0;
	p->status = cpu_to_le16(status);
	if (status) {
		stats_add(&l->stats->page_status[status], 1);
	} else if (page.zero) {
		p->flags = cpu_to_le16(SMEMV_PAGE_F_ZERO);
	} else {
		p->crc = has_crc(c) ? cpu_to_le32(page.crc) : 0;
		conn_out_commit(c, SMEMV_WIRE_PAGE_SIZE);
		*data_len += SMEMV_WIRE_PAGE_SIZE;
	}
	return true;
}

static void load_pages(struct conn *c, const struct smemv_frame *f, const u8 *req_meta)
{
	u32 meta_len = f->count * (u32)sizeof(struct smemv_wire_page), i, loaded = 0;
	struct smemv_frame rep = { .count = f->count };
	u8 *meta = reply_begin(c, meta_len);

	if (!meta)
		return;
	conn_out_commit(c, HDR_LEN + meta_len);
	for (i = 0; i < f->count; i++) {
		struct smemv_wire_page p;

		memcpy(&p, req_meta + i * sizeof(p), sizeof(p));
		if (!load_one(c, &p, &rep.data_len))
			return;
		memcpy(meta + i * sizeof(p), &p, sizeof(p));
		if (p.status)
			rep.status = SMEMV_ST_PARTIAL;
		else
			loaded++;
	}
	stats_add(&c->loop->stats->pages_loaded, loaded);
	reply_end(c, f, &rep);
}

void request_load(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	enum smemv_wire_status status;
	struct handle *h = handle_find(c, f, &status);

	if (h)
		status = check_pages(c, f, h->space, meta);
	if (status) {
		request_refuse(c, f, status);
		return;
	}
	c->rx.handle = h;
	load_pages(c, f, meta);
}

/* INVALIDATE and LIST are walks: they go on in steps. */

/* A client that lists much should not wait for a reply longer than for a load. */
#define LIST_STEPS	16u

static void work_start(struct conn *c, const struct smemv_frame *f, struct handle *h,
		       enum work_kind kind)
{
	struct work *w = &c->work;

	w->kind = kind;
	w->frame = *f;
	w->handle = h;
	w->at = 0;
	w->count = 0;
	w->pages = 0;
}

static void work_done(struct conn *c)
{
	c->work.kind = WORK_NONE;
}

static void take_range(struct work *w)
{
	const struct smemv_wire_range *r = &w->range[w->at];

	w->cursor = le64_to_cpu(r->first);
	w->end = w->cursor + le32_to_cpu(r->count);
}

enum smemv_wire_status check_ranges(const struct conn *c, const struct smemv_frame *f,
				    const struct space *sp, const u8 *desc)
{
	struct smemv_wire_range r;
	u32 i;

	if (f->count > c->max_pages)
		return SMEMV_ST_LIMIT;
	for (i = 0; i < f->count; i++) {
		memcpy(&r, desc + i * sizeof(r), sizeof(r));
		if (le64_to_cpu(r.first) + le32_to_cpu(r.count) > sp->size_pages)
			return SMEMV_ST_LIMIT;
	}
	return SMEMV_ST_OK;
}

bool ranges_have_flags(const struct smemv_frame *f, const u8 *desc)
{
	struct smemv_wire_range r;
	u32 i;

	for (i = 0; i < f->count; i++) {
		memcpy(&r, desc + i * sizeof(r), sizeof(r));
		if (r.flags)
			return true;
	}
	return false;
}

/* Rule 5: before they are forgotten, so that no push falls between. */
static void remember_ranges(struct space *sp, const struct smemv_frame *f, const u8 *desc)
{
	struct smemv_wire_range r;
	u32 i;

	if (!atomic_load(&sp->drain.number))
		return;
	for (i = 0; i < f->count; i++) {
		memcpy(&r, desc + i * sizeof(r), sizeof(r));
		drain_remember(&sp->drain, le64_to_cpu(r.first), le32_to_cpu(r.count));
	}
}

/* How many are done at once of those that came in one turn of the loop; others have their turn, too. */
#define WORKS_AT_ONCE	16

static void work_begin(struct conn *c)
{
	if (c->works_turn_ns != c->loop->batch_ns) {
		c->works_turn_ns = c->loop->batch_ns;
		c->works = 0;
	}
	if (c->works++ < WORKS_AT_ONCE)
		request_work_step(c);
	else
		loop_mark_working(c);
}

void request_invalidate(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	enum smemv_wire_status status;
	struct handle *h;

	if (ranges_have_flags(f, meta)) {
		request_malformed(c, f, SMEMV_CODEC_PAGE_FLAGS);
		return;
	}
	h = handle_find_active(c, f, &status);
	if (h)
		status = check_ranges(c, f, h->space, meta);
	if (status) {
		request_refuse(c, f, status);
		return;
	}
	remember_ranges(h->space, f, meta);
	work_start(c, f, h, WORK_INVALIDATE);
	memcpy(c->work.range, meta, f->count * sizeof(c->work.range[0]));
	if (f->count)
		take_range(&c->work);
	work_begin(c);
}

static void invalidate_reply(struct conn *c)
{
	struct work *w = &c->work;
	struct smemv_wire_pages_reply body = { .pages = cpu_to_le64(w->pages) };
	struct smemv_frame rep = { 0 };
	u8 *meta = reply_begin(c, sizeof(body));

	stats_add(&c->loop->stats->pages_forgotten, w->pages);
	work_done(c);
	if (!meta)
		return;
	memcpy(meta, &body, sizeof(body));
	reply_send(c, &w->frame, &rep, sizeof(body));
}

static void invalidate_step(struct conn *c)
{
	struct work *w = &c->work;
	struct loop *l = c->loop;
	u64 budget = SMEMV_WIRE_RUN_PAGES;

	while (w->at < w->frame.count) {
		u64 runs = (w->end - w->cursor) / SMEMV_WIRE_RUN_PAGES;
		u64 forgotten = space_forget(&l->server->store, l->st, w->handle->space,
					     &w->cursor, w->end);
		u64 cost = forgotten + runs;

		w->pages += forgotten;
		if (w->cursor < w->end)
			return;
		if (++w->at < w->frame.count)
			take_range(w);
		if (cost >= budget)
			break;
		budget -= cost;
	}
	if (w->at == w->frame.count)
		invalidate_reply(c);
}

void request_list(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	enum smemv_wire_status status = SMEMV_ST_NOT_SUPPORTED;
	struct smemv_wire_list body;
	struct handle *h = NULL;

	if (c->features & SMEMV_FEAT_LIST)
		h = handle_find(c, f, &status);
	if (!h) {
		request_refuse(c, f, status);
		return;
	}
	memcpy(&body, meta, sizeof(body));
	work_start(c, f, h, WORK_LIST);
	c->work.end = h->space->size_pages;
	c->work.cursor = min_u64(le64_to_cpu(body.first), c->work.end);
	work_begin(c);
}

static void list_reply(struct conn *c)
{
	struct work *w = &c->work;
	struct smemv_frame rep = { .count = (u16)w->count };
	u32 meta_len = w->count * (u32)sizeof(struct smemv_wire_range), i;
	u8 *meta = reply_begin(c, meta_len);

	if (w->cursor < w->end)
		rep.flags = SMEMV_WIRE_F_MORE;
	work_done(c);
	if (!meta)
		return;
	for (i = 0; i < w->count; i++) {
		struct smemv_wire_range r = {
			.first = cpu_to_le64(w->found[i].first),
			.count = cpu_to_le32((u32)w->found[i].count),
			.flags = cpu_to_le32(w->found[i].zero ? SMEMV_PAGE_F_ZERO : 0),
		};

		memcpy(meta + i * sizeof(r), &r, sizeof(r));
	}
	reply_send(c, &w->frame, &rep, meta_len);
}

/* A reply with MORE has at least one range, so a step without any is no reply. */
static void list_step(struct conn *c)
{
	struct work *w = &c->work;
	u32 max = c->max_pages;

	w->count = space_list(&c->loop->server->store, w->handle->space, &w->cursor, w->end,
			      w->found, w->count, max);
	if (w->cursor == w->end || w->count == max || (w->count && ++w->at >= LIST_STEPS))
		list_reply(c);
}

void request_work_step(struct conn *c)
{
	struct work *w = &c->work;
	enum smemv_wire_status status = handle_usable(w->handle);

	if (status) {
		work_done(c);
		request_refuse(c, &w->frame, status);
		return;
	}
	if (w->kind == WORK_INVALIDATE)
		invalidate_step(c);
	else
		list_step(c);
	if (w->kind != WORK_NONE)
		loop_mark_working(c);
}
