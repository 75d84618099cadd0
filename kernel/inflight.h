/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests, and the table of those that wait for their reply.
 *
 * A request belongs to whoever embeds it until smemv_xmit() accepts it,
 * then to the lane until done() is called, exactly once. It is never copied
 * and needs no allocation: what is needed to send it again is inside.
 */
#ifndef SMEMV_INFLIGHT_H
#define SMEMV_INFLIGHT_H

#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mm_types.h>

#include "core/codec.h"

/* Pages, or ranges, in one request. */
#define SMEMV_REQ_DESCS		32
#define SMEMV_REQ_META		(SMEMV_REQ_DESCS * sizeof(struct smemv_wire_page))

/**
 * struct smemv_req - one request to a memory server
 * @link: on the lane's send queue or list of sent requests
 * @done: called once, from softirq or process context, without locks; may
 *	  submit the request anew. @err says whether a reply came
 * @priv: the owner's
 * @deadline: jiffies; the lane ends the connection when it passes unanswered
 * @answer_within: jiffies from when it is sent, instead of @deadline; what stands before it
 *		   is no fault of the server; 0: none
 * @sent: when it was handed to TCP
 * @end_seq: TCP sequence number behind its last byte, once not @sending
 * @tag: of the present sending
 * @handle: of the space
 * @err: 0: a reply came, see @status. -ENOTCONN: the connection ended first
 * @status: enum smemv_wire_status of the reply
 * @opcode: enum smemv_wire_op
 * @nr: descriptors
 * @on_wire: bytes of it may have reached the server: when @err is set, its
 *	     outcome is unknown until the lane is fenced (rule 2)
 * @sending: the sender still uses it; a reply must wait for that
 * @answered: the reply came while @sending
 * @page: STORE: sources; LOAD: destinations; by descriptor
 * @zeros: of a STORE or LOAD: descriptors, a bit each, whose page is zeros, and so had no data
 *	   on the way; of a LOAD set by the reply, 0 before it is sent
 * @result: enum smemv_wire_status by descriptor, set before done()
 * @reply: room for the reply's meta, or NULL when the owner needs none
 * @reply_size: its size
 * @reply_len: bytes of meta put there
 * @reply_flags: hdr.flags, and
 * @reply_count: hdr.count of the reply
 * @frame: header (sealed when sent) and meta of the request
 */
struct smemv_req {
	struct list_head link;
	void (*done)(struct smemv_req *req);
	void *priv;
	unsigned long deadline;
	unsigned long answer_within;
	ktime_t sent;
	u32 end_seq;
	u64 tag;
	u32 handle;
	int err;
	u16 status;
	u8 opcode;
	u8 nr;
	bool on_wire;
	bool sending;
	bool answered;
	u16 reply_flags;
	u16 reply_count;
	u32 zeros;
	u32 reply_size;
	u32 reply_len;
	void *reply;
	struct page *page[SMEMV_REQ_DESCS];
	u8 result[SMEMV_REQ_DESCS];
	struct {
		struct smemv_wire_hdr hdr;
		union {
			struct smemv_wire_page page[SMEMV_REQ_DESCS];
			struct smemv_wire_range range[SMEMV_REQ_DESCS];
			u8 body[SMEMV_REQ_META];
		};
	} frame;
};

/**
 * struct smemv_inflight - requests by tag; protected by the lane's lock
 * @slot: size pointers
 * @size: slots; at most 65536
 * @used: slots in use
 * @next: where to look for a free slot
 * @seq: upper part of tags, so that an old reply never matches a new request
 */
struct smemv_inflight {
	struct smemv_req **slot;
	u32 size;
	u32 used;
	u32 next;
	u64 seq;
};

int smemv_inflight_init(struct smemv_inflight *table, u32 size);
void smemv_inflight_uninit(struct smemv_inflight *table);

/* Gives the request a tag that was not used before. False: table full. */
bool smemv_inflight_add(struct smemv_inflight *table, struct smemv_req *req);

/* The request with exactly this tag, or NULL. */
struct smemv_req *smemv_inflight_find(const struct smemv_inflight *table,
				      u64 tag);
void smemv_inflight_remove(struct smemv_inflight *table,
			   const struct smemv_req *req);

#endif
