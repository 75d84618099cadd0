// SPDX-License-Identifier: GPL-2.0-only
/* The DELIVER of a push: its pages, read from the store, and the header before them. */
#include <string.h>

#include "log.h"
#include "loop.h"
#include "push.h"

#define HDR_LEN	((u32)sizeof(struct smemv_wire_hdr))

struct chain {
	struct outbuf *head, *tail;
	size_t len;
};

static u8 *chain_reserve(struct loop *l, struct chain *ch, u32 n)
{
	struct outbuf *b = ch->tail;

	if (!b || OUTBUF_ROOM - b->len < n) {
		b = loop_outbuf_get(l);
		if (!b)
			return NULL;
		if (ch->tail)
			ch->tail->next = b;
		else
			ch->head = b;
		ch->tail = b;
	}
	return b->data + b->len;
}

static void chain_commit(struct chain *ch, u32 n)
{
	ch->tail->len += n;
	ch->len += n;
}

static void chain_release(struct loop *l, struct chain *ch)
{
	while (ch->head) {
		struct outbuf *b = ch->head;

		ch->head = b->next;
		loop_outbuf_put(l, b);
	}
}

/* Reads the job's pages behind each other, and their descriptors; false: no memory. */
static bool read_pages(struct loop *l, struct push_job *job, struct chain *ch,
		       struct smemv_wire_page *desc)
{
	u32 i;

	job->sent = 0;
	for (i = 0; i < job->count; i++) {
		struct loaded_page page = { 0 };
		u8 *data = chain_reserve(l, ch, SMEMV_WIRE_PAGE_SIZE);

		if (!data)
			return false;
		job->status[i] = (u16)space_load(&l->server->store, job->space, job->index[i],
						 data, &page);
		if (job->status[i])
			continue;
		if (!page.zero)
			chain_commit(ch, SMEMV_WIRE_PAGE_SIZE);
		desc[job->sent] = (struct smemv_wire_page){
			.index = cpu_to_le64(job->index[i]),
			.crc = cpu_to_le32(page.zero ? 0 : page.crc),
			.flags = cpu_to_le16(page.zero ? SMEMV_PAGE_F_ZERO : 0),
		};
		job->sent_at[job->sent++] = (u16)i;
	}
	return true;
}

static bool put_header(struct loop *l, struct push_job *job, struct chain *ch,
		       const struct smemv_wire_page *desc, u32 data_len)
{
	struct smemv_wire_deliver body = {
		.drain = job->order.drain,
		.epoch = cpu_to_le64(job->epoch),
	};
	struct smemv_frame f = {
		.opcode = SMEMV_OP_DELIVER, .tag = job->tag,
		.count = (u16)job->sent, .data_len = data_len,
	};
	u32 desc_len = job->sent * (u32)sizeof(*desc);
	u8 *frame = chain_reserve(l, ch, HDR_LEN + (u32)sizeof(body) + desc_len);

	if (!frame)
		return false;
	memcpy(body.uuid, job->space->uuid, sizeof(body.uuid));
	memcpy(body.token, job->order.token, sizeof(body.token));
	memcpy(frame + HDR_LEN, &body, sizeof(body));
	memcpy(frame + HDR_LEN + sizeof(body), desc, desc_len);
	smemv_frame_seal(frame, &f);
	chain_commit(ch, HDR_LEN + (u32)sizeof(body) + desc_len);
	return true;
}

/* The pages come before the header, as only then it is known which are there. */
bool push_send(struct link *k, struct push_job *job)
{
	struct loop *l = k->loop;
	struct smemv_wire_page desc[SMEMV_WIRE_MAX_PAGES];
	struct chain data = { 0 }, header = { 0 };
	bool ok = read_pages(l, job, &data, desc);

	/* Nothing is delivered, so nobody would wait for the answer. */
	if (ok && !job->sent) {
		chain_release(l, &data);
		return true;
	}
	job->tag = ++k->next_tag;
	if (!ok || !put_header(l, job, &header, desc, (u32)data.len)) {
		chain_release(l, &data);
		chain_release(l, &header);
		log_peer("no memory to push pages");
		return false;
	}
	header.tail->next = data.head;
	conn_out_append(k->conn, header.head, data.head ? data.tail : header.tail,
			header.len + data.len);
	loop_mark_dirty(k->conn);
	return true;
}
