// SPDX-License-Identifier: GPL-2.0-only
/* CLAIM and ACTIVATE: who owns a space (rule 6). */
#include "loop.h"
#include "request_ops.h"

static void claim_reply(struct conn *c, const struct smemv_frame *f,
			enum smemv_wire_status status, const struct space_claimed *res)
{
	struct smemv_wire_claim_reply body = {
		.epoch = cpu_to_le64(res->epoch),
		.flags = cpu_to_le32(res->active ? SMEMV_CLAIMED_F_ACTIVE : 0),
	};
	struct smemv_frame rep = { .status = (u16)status };
	u8 *meta;

	if (status == SMEMV_ST_NO_SUCH_SPACE) {
		request_refuse(c, f, status);
		return;
	}
	meta = reply_begin(c, sizeof(body));
	if (!meta)
		return;
	memcpy(meta, &body, sizeof(body));
	reply_send(c, f, &rep, sizeof(body));
}

/* Returns false when it was answered. */
static bool claim_check(struct conn *c, const struct smemv_frame *f,
			const struct smemv_wire_claim *b, u32 flags)
{
	/* The epoch after the last one would be 0. */
	if (!(c->features & SMEMV_FEAT_CLAIM))
		request_refuse(c, f, SMEMV_ST_NOT_SUPPORTED);
	else if (le32_to_cpu(b->flags) & ~flags)
		request_malformed(c, f, SMEMV_CODEC_FLAGS);
	else if (!b->epoch)
		request_out_of_place(c, f, "a claim of epoch 0");
	else if (le64_to_cpu(b->epoch) == UINT64_MAX)
		request_refuse(c, f, SMEMV_ST_LIMIT);
	else
		return true;
	return false;
}

void request_claim(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	struct space_claim req;
	struct space_claimed res = { 0 };
	struct smemv_wire_claim b;
	enum smemv_wire_status status;

	memcpy(&b, meta, sizeof(b));
	if (!claim_check(c, f, &b, SMEMV_CLAIM_F_TAKE_BACK))
		return;
	memcpy(req.uuid, b.uuid, sizeof(req.uuid));
	req.epoch = le64_to_cpu(b.epoch);
	req.own = le64_to_cpu(b.own);
	req.take_back = le32_to_cpu(b.flags) & SMEMV_CLAIM_F_TAKE_BACK;
	req.claimant = c->session.client_id;
	status = spaces_claim(&c->loop->server->spaces, &req, &res);
	/* From the answer on nothing of an older epoch is applied. */
	if (!status)
		loop_synchronize(c->loop);
	claim_reply(c, f, status, &res);
}

void request_activate(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	struct space_claimed res = { 0 };
	struct smemv_wire_claim b;
	enum smemv_wire_status status;

	memcpy(&b, meta, sizeof(b));
	if (!claim_check(c, f, &b, 0))
		return;
	status = spaces_activate(&c->loop->server->spaces, b.uuid, le64_to_cpu(b.epoch), &res);
	claim_reply(c, f, status, &res);
}
