// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: a stream of frames through the codec, the way both receivers use
 * it. The first byte of the input chooses how much help the input gets:
 *
 *   bit 0  magic, version, reserved and CRC of each frame are repaired, so that
 *          mutations get past them
 *   bit 1  page data is taken as received without being in the input, so that
 *          small inputs reach large frames
 */
#include "core/codec.h"
#include "fuzz.h"

#define HDR	sizeof(struct smemv_wire_hdr)

enum { REPAIR = 1, NO_DATA = 2 };

static volatile u32 sink;	/* keeps reads of page data from being dropped */

static void repair_header(uint8_t *hdr)
{
	struct smemv_wire_hdr h;

	memcpy(&h, hdr, HDR);
	h.magic = cpu_to_le32(SMEMV_WIRE_MAGIC);
	h.version = SMEMV_WIRE_VERSION;
	h.reserved = 0;
	memcpy(hdr, &h, HDR);
}

/* The sender's own way to a CRC: seal the frame that was decoded. */
static void repair_crc(uint8_t *frame, const struct smemv_frame *f)
{
	struct smemv_frame again = *f;

	smemv_frame_seal(frame, &again);
	REQUIRE(again.payload_len == f->payload_len);
	REQUIRE(again.meta_len == f->meta_len);
}

static void decoded_is_within_limits(const struct smemv_frame *f)
{
	REQUIRE(f->opcode && f->opcode < SMEMV_OP__END);
	REQUIRE(f->meta_len <= SMEMV_WIRE_MAX_META);
	REQUIRE(f->payload_len <= SMEMV_WIRE_MAX_PAYLOAD);
	REQUIRE(f->payload_len == f->meta_len + f->data_len);
	REQUIRE(f->data_len % SMEMV_WIRE_PAGE_SIZE == 0);
	REQUIRE(f->body_len <= f->meta_len);
}

static void walk_pages(const struct smemv_frame *f, const uint8_t *meta,
		       const uint8_t *data)
{
	struct smemv_wire_page p;
	u32 i, announced = 0;

	for (i = 0; i < f->count; i++) {
		memcpy(&p, meta + f->body_len + i * sizeof(p), sizeof(p));
		REQUIRE(le64_to_cpu(p.index) < SMEMV_WIRE_MAX_INDEX);
		REQUIRE(le16_to_cpu(p.status) < SMEMV_ST__END);
		if (!f->data_len || !smemv_page_has_data(&p))
			continue;
		if (data)
			sink = smemv_crc32c_page(data + announced);
		announced += SMEMV_WIRE_PAGE_SIZE;
	}
	REQUIRE(announced == f->data_len);
}

static void walk_ranges(const struct smemv_frame *f, const uint8_t *meta)
{
	struct smemv_wire_range r;
	u32 i;

	for (i = 0; i < f->count; i++) {
		memcpy(&r, meta + f->body_len + i * sizeof(r), sizeof(r));
		REQUIRE(r.count);
		REQUIRE(le64_to_cpu(r.first) < SMEMV_WIRE_MAX_INDEX);
		REQUIRE(le64_to_cpu(r.first) + le32_to_cpu(r.count) <=
			SMEMV_WIRE_MAX_INDEX);
	}
}

static void walk_spaces(const struct smemv_frame *f, const uint8_t *meta)
{
	struct smemv_wire_space_entry e;
	u32 i;

	for (i = 0; i < f->count; i++) {
		memcpy(&e, meta + f->body_len + i * sizeof(e), sizeof(e));
		sink = e.uuid[15];
	}
}

static void walk(const struct smemv_frame *f, const uint8_t *meta,
		 const uint8_t *data)
{
	bool reply = f->flags & SMEMV_WIRE_F_REPLY;
	u32 i;

	for (i = 0; i < f->body_len; i++)
		sink = meta[i];
	switch (f->opcode) {
	case SMEMV_OP_STORE:
	case SMEMV_OP_LOAD:
	case SMEMV_OP_DELIVER:
		walk_pages(f, meta, data);
		break;
	case SMEMV_OP_PUSH:
		if (reply)
			walk_pages(f, meta, data);
		else
			walk_ranges(f, meta);
		break;
	case SMEMV_OP_SPACES:
		walk_spaces(f, meta);
		break;
	default:
		REQUIRE(!f->count || f->opcode == SMEMV_OP_INVALIDATE ||
			(f->opcode == SMEMV_OP_LIST && reply));
		walk_ranges(f, meta);
	}
}

static void sealing_again_gives_the_same(const struct smemv_frame *f,
					 const uint8_t *frame)
{
	size_t len = HDR + f->meta_len;
	struct smemv_frame again = *f;
	uint8_t *copy = malloc(len);

	REQUIRE(copy);
	memcpy(copy, frame, len);
	smemv_frame_seal(copy, &again);
	REQUIRE(!memcmp(copy, frame, len));
	free(copy);
}

/* Bytes that the frame used, or 0 when a receiver would have closed. */
static size_t receive_one(uint8_t *in, size_t size, int help)
{
	struct smemv_frame f;
	const uint8_t *data = NULL;
	size_t used;

	if (size < HDR)
		return 0;
	if (help & REPAIR)
		repair_header(in);
	if (smemv_frame_decode(&f, in))
		return 0;
	decoded_is_within_limits(&f);
	used = HDR + f.meta_len;
	if (size < used)
		return 0;
	if (help & REPAIR)
		repair_crc(in, &f);
	if (smemv_frame_check(&f, in, in + HDR))
		return 0;
	if (!(help & NO_DATA)) {
		if (size - used < f.data_len)
			return 0;
		data = in + used;
		used += f.data_len;
	}
	walk(&f, in + HDR, data);
	sealing_again_gives_the_same(&f, in);
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 1, used;
	uint8_t *frames;

	if (size < 2)
		return 0;
	/* a copy, because repairs write; of the exact size, for the sanitizer */
	frames = malloc(size);
	REQUIRE(frames);
	memcpy(frames, data, size);
	do {
		used = receive_one(frames + at, size - at, data[0]);
		at += used;
	} while (used && at < size);
	free(frames);
	return 0;
}
