// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only place that writes to a lane's socket once it is up. One sender at a
 * time (xmit_lock); it never blocks in TCP: what TCP does not take stays as
 * tx_req and goes on when the socket has room again (smemv_xmit_work).
 */
#include <linux/sched/mm.h>
#include <net/tcp.h>

#include "lane.h"
#include "trace.h"
#include "xmit.h"

static void seal(struct smemv_req *req)
{
	struct smemv_frame f = {
		.opcode = req->opcode,
		.tag = req->tag,
		.space = req->handle,
	};
	u32 i;

	if (req->opcode == SMEMV_OP_STORE || req->opcode == SMEMV_OP_LOAD ||
	    req->opcode == SMEMV_OP_INVALIDATE || req->opcode == SMEMV_OP_PUSH)
		f.count = req->nr;
	if (req->opcode == SMEMV_OP_STORE)
		for (i = 0; i < req->nr; i++)
			if (smemv_page_has_data(&req->frame.page[i]))
				f.data_len += PAGE_SIZE;
	smemv_frame_seal(&req->frame, &f);
}

/* Takes the next request and gives it a tag, or returns NULL. */
static struct smemv_req *next_req(struct smemv_lane *lane)
{
	struct smemv_req *req = NULL;

	spin_lock_bh(&lane->lock);
	if (lane->state == SMEMV_LANE_UP && !list_empty(&lane->sendq)) {
		req = list_first_entry(&lane->sendq, struct smemv_req, link);
		if (smemv_inflight_add(&lane->inflight, req)) {
			list_move_tail(&req->link, &lane->sent);
			req->sent = ktime_get();
			if (req->answer_within)
				req->deadline = jiffies + req->answer_within;
			req->on_wire = true;
			req->sending = true;
		} else {
			req = NULL;	/* a reply frees a tag and kicks us */
		}
	}
	spin_unlock_bh(&lane->lock);
	return req;
}

static void add_vec(struct smemv_lane *lane, u32 i, struct page *page,
		    u32 off, u32 len)
{
	lane->tx_vec[i].bv_page = page;
	lane->tx_vec[i].bv_offset = off;
	lane->tx_vec[i].bv_len = len;
	lane->tx_len += len;
}

/* Lays the frame out as one vector: header and meta, then the pages. */
static void start_frame(struct smemv_lane *lane, struct smemv_req *req)
{
	const struct smemv_wire_hdr *hdr = &req->frame.hdr;
	u32 i, meta;

	VM_WARN_ON_ONCE(!virt_addr_valid(hdr));
	seal(req);
	meta = le32_to_cpu(hdr->payload_len);
	lane->tx_req = req;
	lane->tx_nr = 1;
	lane->tx_len = 0;
	lane->tx_off = 0;
	for (i = 0; req->opcode == SMEMV_OP_STORE && i < req->nr; i++) {
		if (!smemv_page_has_data(&req->frame.page[i]))
			continue;
		add_vec(lane, lane->tx_nr++, req->page[i], 0, PAGE_SIZE);
		meta -= PAGE_SIZE;
	}
	add_vec(lane, 0, virt_to_page(hdr), offset_in_page(hdr),
		sizeof(*hdr) + meta);
}

/* Hands TCP as much of the frame as it takes. 0: all of it. */
static int send_frame(struct smemv_lane *lane)
{
	while (lane->tx_off < lane->tx_len) {
		struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
		int ret;

		iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, lane->tx_vec,
			      lane->tx_nr, lane->tx_len);
		iov_iter_advance(&msg.msg_iter, lane->tx_off);
		ret = sock_sendmsg(lane->sock, &msg);
		if (ret <= 0)
			return ret ?: -EAGAIN;
		lane->tx_off += ret;
		smemv_server_count(lane->server, TX_BYTES, ret);
	}
	return 0;
}

/* The frame is with TCP; its reply may already have been received. */
static void end_frame(struct smemv_lane *lane)
{
	struct smemv_req *req = lane->tx_req;
	bool answered;

	lane->tx_req = NULL;
	spin_lock_bh(&lane->lock);
	req->sending = false;
	req->end_seq = tcp_sk(lane->sock->sk)->write_seq;
	answered = req->answered;
	if (answered)
		list_del_init(&req->link);
	spin_unlock_bh(&lane->lock);
	if (answered)
		req->done(req);
}

static bool answered_early(struct smemv_lane *lane)
{
	bool early;

	spin_lock_bh(&lane->lock);
	early = lane->tx_req->answered;
	spin_unlock_bh(&lane->lock);
	return early;
}

/* Sends until the queue is empty or TCP is full. Under xmit_lock. */
static void send_all(struct smemv_lane *lane)
{
	unsigned int noreclaim = memalloc_noreclaim_save();

	lockdep_assert_held(&lane->xmit_lock);
	for (;;) {
		int err;

		if (!lane->tx_req) {
			struct smemv_req *req = next_req(lane);

			if (!req)
				break;
			start_frame(lane, req);
			trace_smemv_send(lane->server->name, lane->nr, req);
		}
		err = send_frame(lane);
		if (err == -EAGAIN) {
			if (answered_early(lane))
				smemv_lane_break(lane, "server answered a request that it had not received");
			break;
		}
		if (err) {
			smemv_lane_break(lane, "sending failed");
			break;
		}
		end_frame(lane);
	}
	memalloc_noreclaim_restore(noreclaim);
}

static bool can_send(struct smemv_lane *lane)
{
	bool can;

	spin_lock_bh(&lane->lock);
	can = lane->state == SMEMV_LANE_UP && !list_empty(&lane->sendq) &&
	      lane->inflight.used < lane->inflight.size;
	spin_unlock_bh(&lane->lock);
	return can && !READ_ONCE(lane->tx_req);
}

/*
 * Whoever fails to get xmit_lock relies on its holder, which therefore looks
 * again after it let go. A partly sent frame waits for write_space.
 */
static void send_if_idle(struct smemv_lane *lane)
{
	do {
		if (!mutex_trylock(&lane->xmit_lock))
			return;
		send_all(lane);
		mutex_unlock(&lane->xmit_lock);
	} while (can_send(lane));
}

int smemv_xmit(struct smemv_lane *lane, struct smemv_req *req, bool direct)
{
	req->err = 0;
	req->status = SMEMV_ST_OK;
	req->on_wire = false;
	req->answered = false;
	req->reply_len = 0;

	spin_lock_bh(&lane->lock);
	if (lane->state != SMEMV_LANE_UP) {
		spin_unlock_bh(&lane->lock);
		return -ENOTCONN;
	}
	list_add_tail(&req->link, &lane->sendq);
	atomic_inc(&lane->senders);
	spin_unlock_bh(&lane->lock);

	/* The request may end from here on, and with it what keeps the lane. */
	if (direct) {
		smemv_server_count(lane->server, SEND_DIRECT, 1);
		send_if_idle(lane);
	} else {
		smemv_server_count(lane->server, SEND_QUEUED, 1);
		queue_work(smemv_xmit_wq, &lane->xmit_work);
	}
	if (atomic_dec_and_test(&lane->senders))
		wake_up_var(&lane->senders);
	return 0;
}

void smemv_xmit_flush(struct smemv_lane *lane)
{
	wait_var_event(&lane->senders, !atomic_read(&lane->senders));
	cancel_work_sync(&lane->xmit_work);
}

void smemv_xmit_work(struct work_struct *work)
{
	struct smemv_lane *lane = container_of(work, struct smemv_lane,
					       xmit_work);

	mutex_lock(&lane->xmit_lock);
	send_all(lane);
	mutex_unlock(&lane->xmit_lock);
	if (can_send(lane))
		queue_work(smemv_xmit_wq, &lane->xmit_work);
}
