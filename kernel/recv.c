// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only place that reads a lane's socket once it is up. A reply goes from
 * the socket buffer straight into the pages of its request. Anything that a
 * correct server cannot send ends the connection; nothing is trusted before
 * the frame's CRC was checked.
 */
#include <linux/highmem.h>
#include <linux/skbuff.h>
#include <net/tcp.h>

#include "lane.h"
#include "recv.h"
#include "trace.h"

void smemv_recv_reset(struct smemv_lane *lane)
{
	lane->rx.state = SMEMV_RX_HDR;
	lane->rx.have = 0;
	lane->rx.req = NULL;
}

static const char *check_counts(const struct smemv_frame *f,
				const struct smemv_req *req)
{
	u32 want = 0;

	switch (f->opcode) {
	case SMEMV_OP_STORE:
		want = f->status == SMEMV_ST_PARTIAL ? req->nr : 0;
		break;
	case SMEMV_OP_LOAD:
		if (f->status <= SMEMV_ST_PARTIAL)
			want = req->nr;
		break;
	case SMEMV_OP_LIST:
	case SMEMV_OP_PUSH:	/* drain.c knows how many pages it named */
		return NULL;
	}
	return f->count == want ? NULL : "reply has another number of pages";
}

/* The request that a decoded header answers; NULL with @why set. */
static struct smemv_req *match(struct smemv_lane *lane,
			       const struct smemv_frame *f, const char **why)
{
	struct smemv_req *req;

	if (!(f->flags & SMEMV_WIRE_F_REPLY)) {
		*why = "server sent a request";
		return NULL;
	}
	if (f->meta_len > SMEMV_REQ_META) {
		*why = "reply is larger than was agreed";
		return NULL;
	}
	spin_lock(&lane->lock);
	req = smemv_inflight_find(&lane->inflight, f->tag);
	spin_unlock(&lane->lock);
	if (!req)
		*why = "reply to a request that is not open (unknown tag)";
	else if (f->opcode != req->opcode)
		*why = "reply is to another kind of request";
	else if (f->space != req->handle)
		*why = "reply is for another space";
	else
		*why = check_counts(f, req);
	return *why ? NULL : req;
}

static const char *begin_frame(struct smemv_lane *lane)
{
	struct smemv_rx *rx = &lane->rx;
	const char *why = NULL;
	int err = smemv_frame_decode(&rx->f, &rx->hdr);

	if (err)
		return smemv_codec_strerror(err);
	rx->req = match(lane, &rx->f, &why);
	rx->state = SMEMV_RX_META;
	rx->have = 0;
	return why;
}

static const struct smemv_wire_page *rx_page(const struct smemv_rx *rx)
{
	return (const struct smemv_wire_page *)(rx->meta + rx->f.body_len) +
	       rx->desc;
}

/* Moves to the next descriptor with data; zero pages are filled here. */
static void next_data(struct smemv_rx *rx)
{
	for (; rx->desc < rx->f.count; rx->desc++) {
		if (smemv_page_has_data(rx_page(rx)))
			break;
		if (le16_to_cpu(rx_page(rx)->status) != SMEMV_ST_OK)
			continue;
		clear_highpage(rx->req->page[rx->desc]);
		rx->req->zeros |= BIT(rx->desc);
	}
	rx->have = 0;
	rx->crc = ~0u;
}

static const char *check_pages(struct smemv_rx *rx)
{
	const struct smemv_req *req = rx->req;
	u32 i;

	rx->desc = 0;
	for (i = 0; i < rx->f.count; i++, rx->desc++) {
		const struct smemv_wire_page *p = rx_page(rx);

		if (p->index != req->frame.page[i].index)
			return "reply has another page index";
		rx->req->result[i] = le16_to_cpu(p->status);
	}
	for (; i < req->nr; i++)
		rx->req->result[i] = rx->f.status;
	return NULL;
}

static void keep_reply(struct smemv_rx *rx)
{
	struct smemv_req *req = rx->req;

	req->status = rx->f.status;
	req->reply_flags = rx->f.flags;
	req->reply_count = rx->f.count;
	req->reply_len = min(req->reply_size, rx->f.meta_len);
	if (req->reply_len)
		memcpy(req->reply, rx->meta, req->reply_len);
}

static void count_reply(struct smemv_lane *lane, const struct smemv_req *req)
{
	struct smemv_server *server = lane->server;
	unsigned int bucket;

	smemv_server_count(server, REQUESTS, 1);
	bucket = smemv_latency_bucket(ktime_sub(ktime_get(), req->sent));
	if (req->opcode == SMEMV_OP_LOAD)
		this_cpu_inc(server->stats->load_latency[bucket]);
	else if (req->opcode == SMEMV_OP_STORE)
		this_cpu_inc(server->stats->store_latency[bucket]);
}

static void end_frame(struct smemv_lane *lane)
{
	struct smemv_rx *rx = &lane->rx;
	struct smemv_req *req = rx->req;
	bool kick, finish;

	WRITE_ONCE(lane->server->free_pages, rx->f.free_pages);
	keep_reply(rx);
	count_reply(lane, req);
	trace_smemv_reply(lane->server->name, lane->nr, req);
	smemv_recv_reset(lane);

	spin_lock(&lane->lock);
	kick = lane->inflight.used == lane->inflight.size &&
	       !list_empty(&lane->sendq);
	smemv_inflight_remove(&lane->inflight, req);
	finish = !req->sending;
	if (finish)
		list_del_init(&req->link);
	else
		req->answered = true;
	spin_unlock(&lane->lock);

	if (finish)
		req->done(req);
	if (kick)
		queue_work(smemv_xmit_wq, &lane->xmit_work);
}

static const char *begin_data(struct smemv_lane *lane)
{
	struct smemv_rx *rx = &lane->rx;
	const char *why = NULL;
	int err = smemv_frame_check(&rx->f, &rx->hdr, rx->meta);

	if (err)
		return smemv_codec_strerror(err);
	if (rx->f.opcode == SMEMV_OP_LOAD || rx->f.opcode == SMEMV_OP_STORE)
		why = check_pages(rx);
	if (why)
		return why;
	if (rx->f.opcode == SMEMV_OP_LOAD) {
		rx->desc = 0;
		next_data(rx);
	}
	if (rx->f.data_len)
		rx->state = SMEMV_RX_DATA;
	else
		end_frame(lane);
	return NULL;
}

static void end_page(struct smemv_lane *lane)
{
	struct smemv_rx *rx = &lane->rx;

	if (lane->page_crc && ~rx->crc != le32_to_cpu(rx_page(rx)->crc))
		rx->req->result[rx->desc] = SMEMV_ST_BAD_CRC;
	rx->desc++;
	next_data(rx);
	if (rx->desc == rx->f.count)
		end_frame(lane);
}

static int take_data(struct smemv_lane *lane, struct sk_buff *skb,
		     unsigned int off, size_t len)
{
	struct smemv_rx *rx = &lane->rx;
	u32 n = min_t(size_t, len, PAGE_SIZE - rx->have);
	void *page = kmap_local_page(rx->req->page[rx->desc]);
	int err = skb_copy_bits(skb, off, page + rx->have, n);

	if (!err && lane->page_crc)
		rx->crc = smemv_crc32c(rx->crc, page + rx->have, n);
	kunmap_local(page);
	if (err)
		return err;
	rx->have += n;
	if (rx->have == PAGE_SIZE)
		end_page(lane);
	return n;
}

/* Collects size bytes into buf over as many calls as it takes. */
static int take_part(struct smemv_rx *rx, void *buf, u32 size,
		     struct sk_buff *skb, unsigned int off, size_t len)
{
	u32 n = min_t(size_t, len, size - rx->have);
	int err = n ? skb_copy_bits(skb, off, buf + rx->have, n) : 0;

	if (err)
		return err;
	rx->have += n;
	return n;
}

static int take(struct smemv_lane *lane, struct sk_buff *skb,
		unsigned int off, size_t len, const char **why)
{
	struct smemv_rx *rx = &lane->rx;
	int n;

	switch (rx->state) {
	case SMEMV_RX_HDR:
		n = take_part(rx, &rx->hdr, sizeof(rx->hdr), skb, off, len);
		if (n >= 0 && rx->have == sizeof(rx->hdr))
			*why = begin_frame(lane);
		if (*why || rx->state != SMEMV_RX_META || rx->f.meta_len)
			return n;
		*why = begin_data(lane);	/* nothing but a header */
		return n;
	case SMEMV_RX_META:
		n = take_part(rx, rx->meta, rx->f.meta_len, skb, off, len);
		if (n >= 0 && rx->have == rx->f.meta_len)
			*why = begin_data(lane);
		return n;
	default:
		return take_data(lane, skb, off, len);
	}
}

static int recv_actor(read_descriptor_t *desc, struct sk_buff *skb,
		      unsigned int off, size_t len)
{
	struct smemv_lane *lane = desc->arg.data;
	const char *why = NULL;
	size_t left = len;

	if (READ_ONCE(lane->state) != SMEMV_LANE_UP)
		return len;	/* being ended: nothing counts any more */
	while (left) {
		int n = take(lane, skb, off, left, &why);

		if (n < 0)
			why = "damaged socket buffer";
		if (why) {
			smemv_lane_blame(lane, why);
			return len;
		}
		off += n;
		left -= n;
	}
	smemv_server_count(lane->server, RX_BYTES, len);
	WRITE_ONCE(lane->last_rx, jiffies);
	return len;
}

void smemv_recv(struct smemv_lane *lane, struct sock *sk)
{
	read_descriptor_t desc = { .arg.data = lane, .count = 1 };

	tcp_read_sock(sk, &desc, recv_actor);
}
