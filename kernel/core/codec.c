// SPDX-License-Identifier: GPL-2.0-only
/* Frame codec, see codec.h and docs/wire.md. Pure: no state, no kernel calls. */
#include "codec.h"

#define HDR_LEN	((u32)sizeof(struct smemv_wire_hdr))

enum desc_kind { DESC_NONE, DESC_PAGE, DESC_RANGE, DESC_SPACE };

struct op_shape {
	u8 req_body;
	u8 rep_body;
	u8 req_desc;	/* enum desc_kind */
	u8 rep_desc;
};

static const struct op_shape shapes[SMEMV_OP__END] = {
	[SMEMV_OP_HELLO] = { sizeof(struct smemv_wire_hello),
			     sizeof(struct smemv_wire_hello_reply) },
	[SMEMV_OP_OPEN] = { sizeof(struct smemv_wire_open),
			    sizeof(struct smemv_wire_open_reply) },
	[SMEMV_OP_STORE] = { 0, 0, DESC_PAGE, DESC_PAGE },
	[SMEMV_OP_LOAD] = { 0, 0, DESC_PAGE, DESC_PAGE },
	[SMEMV_OP_INVALIDATE] = { 0, sizeof(struct smemv_wire_pages_reply),
				  DESC_RANGE, DESC_NONE },
	[SMEMV_OP_DROP] = { sizeof(struct smemv_wire_drop),
			    sizeof(struct smemv_wire_pages_reply) },
	[SMEMV_OP_STAT] = { 0, sizeof(struct smemv_wire_stat_reply) },
	[SMEMV_OP_LIST] = { sizeof(struct smemv_wire_list), 0,
			    DESC_NONE, DESC_RANGE },
	[SMEMV_OP_SPACES] = { sizeof(struct smemv_wire_spaces), 0,
			      DESC_NONE, DESC_SPACE },
	[SMEMV_OP_PUSH] = { sizeof(struct smemv_wire_push), 0,
			    DESC_RANGE, DESC_PAGE },
	[SMEMV_OP_CLAIM] = { sizeof(struct smemv_wire_claim),
			     sizeof(struct smemv_wire_claim_reply) },
	[SMEMV_OP_ACTIVATE] = { sizeof(struct smemv_wire_claim),
				sizeof(struct smemv_wire_claim_reply) },
	[SMEMV_OP_DRAIN] = { sizeof(struct smemv_wire_drain), 0 },
	[SMEMV_OP_DELIVER] = { sizeof(struct smemv_wire_deliver), 0,
			       DESC_PAGE, DESC_PAGE },
};

static bool is_reply(const struct smemv_frame *f)
{
	return f->flags & SMEMV_WIRE_F_REPLY;
}

/* Also of an opcode nobody knows: it is answered BAD_REQUEST, under its number. */
static const struct op_shape *shape_of(const struct smemv_frame *f)
{
	static const struct op_shape unknown;

	return f->opcode < SMEMV_OP__END ? &shapes[f->opcode] : &unknown;
}

static enum desc_kind desc_kind(const struct smemv_frame *f)
{
	const struct op_shape *s = shape_of(f);

	return is_reply(f) ? s->rep_desc : s->req_desc;
}

static bool is_ownership(const struct smemv_frame *f)
{
	return f->opcode == SMEMV_OP_CLAIM || f->opcode == SMEMV_OP_ACTIVATE;
}

/* Their replies have a descriptor for each page, or none when all went well. */
static bool answers_by_page(const struct smemv_frame *f)
{
	return f->opcode == SMEMV_OP_STORE || f->opcode == SMEMV_OP_PUSH ||
	       f->opcode == SMEMV_OP_DELIVER;
}

/* A reply that refuses has no body, but for those that say what would do. */
static bool reply_has_body(const struct smemv_frame *f)
{
	switch (f->status) {
	case SMEMV_ST_OK:
	case SMEMV_ST_PARTIAL:
		return true;
	case SMEMV_ST_VERSION:
	case SMEMV_ST_FEATURES:
	case SMEMV_ST_FENCED:
		return f->opcode == SMEMV_OP_HELLO;
	case SMEMV_ST_SIZE:
		return f->opcode == SMEMV_OP_OPEN;
	case SMEMV_ST_STALE_EPOCH:
		return f->opcode == SMEMV_OP_OPEN || is_ownership(f);
	case SMEMV_ST_NOT_ACTIVE:
	case SMEMV_ST_ACTIVE:
		return is_ownership(f);
	default:
		return false;
	}
}

u32 smemv_frame_body_len(const struct smemv_frame *f)
{
	if (!is_reply(f))
		return shape_of(f)->req_body;
	return reply_has_body(f) ? shape_of(f)->rep_body : 0;
}

static u32 desc_len(const struct smemv_frame *f)
{
	if (desc_kind(f) == DESC_SPACE)
		return f->count * (u32)sizeof(struct smemv_wire_space_entry);
	return f->count * (u32)sizeof(struct smemv_wire_page);
}

static u32 max_count(const struct smemv_frame *f)
{
	if (is_reply(f) && !reply_has_body(f))
		return 0;
	/* What succeeded for every page has nothing to say about any. */
	if (is_reply(f) && answers_by_page(f) && !f->status)
		return 0;
	switch (desc_kind(f)) {
	case DESC_NONE:
		return 0;
	case DESC_SPACE:
		return SMEMV_WIRE_MAX_SPACE_ENTRIES;
	default:
		return SMEMV_WIRE_MAX_PAGES;
	}
}

/* Only these frames carry page data. */
static bool carries_data(const struct smemv_frame *f)
{
	if (is_reply(f))
		return f->opcode == SMEMV_OP_LOAD;
	return f->opcode == SMEMV_OP_STORE || f->opcode == SMEMV_OP_DELIVER;
}

static u16 allowed_flags(const struct smemv_frame *f)
{
	if (!is_reply(f))
		return f->opcode == SMEMV_OP_DROP ? SMEMV_WIRE_F_FORCE : 0;
	if (f->opcode == SMEMV_OP_LIST || f->opcode == SMEMV_OP_SPACES)
		return SMEMV_WIRE_F_REPLY | SMEMV_WIRE_F_MORE;
	return SMEMV_WIRE_F_REPLY;
}

static int check_reply_status(const struct smemv_frame *f)
{
	if (f->status >= SMEMV_ST__END)
		return SMEMV_CODEC_STATUS;
	/* It refers to page descriptors, which no other reply has. */
	if (f->status == SMEMV_ST_PARTIAL && desc_kind(f) != DESC_PAGE)
		return SMEMV_CODEC_STATUS;
	return SMEMV_CODEC_OK;
}

static int check_direction(const struct smemv_frame *f)
{
	if (f->flags & ~allowed_flags(f))
		return SMEMV_CODEC_FLAGS;
	if (is_reply(f))
		return check_reply_status(f);
	if (f->status)
		return SMEMV_CODEC_STATUS;
	return f->free_pages ? SMEMV_CODEC_RESERVED : SMEMV_CODEC_OK;
}

static int derive_lengths(struct smemv_frame *f)
{
	f->body_len = smemv_frame_body_len(f);
	f->meta_len = f->body_len + desc_len(f);
	if (f->payload_len < f->meta_len)
		return SMEMV_CODEC_LENGTH;
	f->data_len = f->payload_len - f->meta_len;
	if (!f->data_len)
		return SMEMV_CODEC_OK;
	if (!carries_data(f) || f->data_len % SMEMV_WIRE_PAGE_SIZE ||
	    f->data_len / SMEMV_WIRE_PAGE_SIZE > f->count)
		return SMEMV_CODEC_LENGTH;
	return SMEMV_CODEC_OK;
}

int smemv_frame_decode(struct smemv_frame *f, const void *hdr)
{
	struct smemv_wire_hdr h;
	int err;

	memcpy(&h, hdr, sizeof(h));
	memset(f, 0, sizeof(*f));
	f->version = h.version;
	f->opcode = h.opcode;
	f->flags = le16_to_cpu(h.flags);
	f->tag = le64_to_cpu(h.tag);
	f->space = le32_to_cpu(h.space);
	f->status = le16_to_cpu(h.status);
	f->count = le16_to_cpu(h.count);
	f->payload_len = le32_to_cpu(h.payload_len);
	f->free_pages = le32_to_cpu(h.free_pages);
	f->crc = le32_to_cpu(h.crc);

	if (le32_to_cpu(h.magic) != SMEMV_WIRE_MAGIC)
		return SMEMV_CODEC_MAGIC;
	if (h.version != SMEMV_WIRE_VERSION)
		return SMEMV_CODEC_VERSION;
	if (!h.opcode || h.opcode >= SMEMV_OP__END)
		return SMEMV_CODEC_OPCODE;
	if (h.reserved)
		return SMEMV_CODEC_RESERVED;
	err = check_direction(f);
	if (err)
		return err;
	if (f->count > max_count(f))
		return SMEMV_CODEC_COUNT;
	return derive_lengths(f);
}

static u32 frame_crc(const void *hdr, const void *meta, u32 meta_len)
{
	struct smemv_wire_hdr h;
	u32 crc;

	memcpy(&h, hdr, sizeof(h));
	h.crc = 0;
	crc = smemv_crc32c(~0u, &h, sizeof(h));
	return ~smemv_crc32c(crc, meta, meta_len);
}

static int check_page(const struct smemv_frame *f,
		      const struct smemv_wire_page *p, u32 *data)
{
	u16 status = le16_to_cpu(p->status);
	u16 flags = le16_to_cpu(p->flags);

	if (le64_to_cpu(p->index) >= SMEMV_WIRE_MAX_INDEX)
		return SMEMV_CODEC_INDEX;
	if (flags & ~SMEMV_PAGE_F_ZERO)
		return SMEMV_CODEC_PAGE_FLAGS;
	if (flags && f->opcode == SMEMV_OP_LOAD && !is_reply(f))
		return SMEMV_CODEC_PAGE_FLAGS;
	if (status >= SMEMV_ST__END || (status && f->status != SMEMV_ST_PARTIAL))
		return SMEMV_CODEC_STATUS;
	if (carries_data(f) && smemv_page_has_data(p))
		*data += SMEMV_WIRE_PAGE_SIZE;
	return SMEMV_CODEC_OK;
}

static int check_range(const struct smemv_frame *f,
		       const struct smemv_wire_range *r)
{
	bool listed = f->opcode == SMEMV_OP_LIST && is_reply(f);
	u64 first = le64_to_cpu(r->first);
	u64 count = le32_to_cpu(r->count);

	if (le32_to_cpu(r->flags) & ~(listed ? SMEMV_PAGE_F_ZERO : 0))
		return SMEMV_CODEC_PAGE_FLAGS;
	if (!count || first >= SMEMV_WIRE_MAX_INDEX ||
	    count > SMEMV_WIRE_MAX_INDEX - first)
		return SMEMV_CODEC_RANGE;
	return SMEMV_CODEC_OK;
}

int smemv_frame_check(const struct smemv_frame *f, const void *hdr,
		      const void *meta)
{
	const u8 *desc = (const u8 *)meta + f->body_len;
	enum desc_kind kind = desc_kind(f);
	u32 i, data = 0;
	int err = SMEMV_CODEC_OK;

	if (frame_crc(hdr, meta, f->meta_len) != f->crc)
		return SMEMV_CODEC_HDR_CRC;

	for (i = 0; i < f->count && !err; i++, desc += 16) {
		struct smemv_wire_range r;
		struct smemv_wire_page p;

		if (kind == DESC_PAGE) {
			memcpy(&p, desc, sizeof(p));
			err = check_page(f, &p, &data);
		} else if (kind == DESC_RANGE) {
			memcpy(&r, desc, sizeof(r));
			err = check_range(f, &r);
		}
	}
	if (!err && data != f->data_len)
		err = SMEMV_CODEC_DATA_LEN;
	return err;
}

void smemv_frame_seal(void *buf, struct smemv_frame *f)
{
	struct smemv_wire_hdr h = {
		.magic = cpu_to_le32(SMEMV_WIRE_MAGIC),
		.version = SMEMV_WIRE_VERSION,
		.opcode = f->opcode,
		.flags = cpu_to_le16(f->flags),
		.tag = cpu_to_le64(f->tag),
		.space = cpu_to_le32(f->space),
		.status = cpu_to_le16(f->status),
		.count = cpu_to_le16(f->count),
		.free_pages = cpu_to_le32(f->free_pages),
	};

	f->version = SMEMV_WIRE_VERSION;
	f->body_len = smemv_frame_body_len(f);
	f->meta_len = f->body_len + desc_len(f);
	f->payload_len = f->meta_len + f->data_len;
	h.payload_len = cpu_to_le32(f->payload_len);
	f->crc = frame_crc(&h, (u8 *)buf + HDR_LEN, f->meta_len);
	h.crc = cpu_to_le32(f->crc);
	memcpy(buf, &h, sizeof(h));
}

const char *smemv_codec_strerror(int err)
{
	static const char * const text[SMEMV_CODEC__END] = {
		[SMEMV_CODEC_OK] = "no error",
		[SMEMV_CODEC_MAGIC] = "not an S-memV frame (wrong magic)",
		[SMEMV_CODEC_VERSION] = "another protocol version",
		[SMEMV_CODEC_OPCODE] = "unknown opcode",
		[SMEMV_CODEC_FLAGS] = "unknown flags",
		[SMEMV_CODEC_STATUS] = "impossible status",
		[SMEMV_CODEC_COUNT] = "too many descriptors",
		[SMEMV_CODEC_LENGTH] = "payload length does not fit the frame",
		[SMEMV_CODEC_RESERVED] = "reserved field is not 0",
		[SMEMV_CODEC_HDR_CRC] = "header damaged (CRC)",
		[SMEMV_CODEC_INDEX] = "page index out of range",
		[SMEMV_CODEC_RANGE] = "empty range or range out of bounds",
		[SMEMV_CODEC_PAGE_FLAGS] = "unknown page or range flags",
		[SMEMV_CODEC_DATA_LEN] = "page data does not fit the descriptors",
	};

	if (err < 0 || err >= SMEMV_CODEC__END)
		return "unknown codec error";
	return text[err];
}

const char *smemv_status_name(unsigned int status)
{
	static const char * const text[SMEMV_ST__END] = {
		[SMEMV_ST_OK] = "ok",
		[SMEMV_ST_PARTIAL] = "partial",
		[SMEMV_ST_NO_SPACE] = "no space",
		[SMEMV_ST_MISSING] = "missing",
		[SMEMV_ST_BAD_CRC] = "bad crc",
		[SMEMV_ST_STALE_EPOCH] = "stale epoch",
		[SMEMV_ST_NO_SUCH_SPACE] = "no such space",
		[SMEMV_ST_NOT_SUPPORTED] = "not supported",
		[SMEMV_ST_BAD_REQUEST] = "bad request",
		[SMEMV_ST_LIMIT] = "limit exceeded",
		[SMEMV_ST_VERSION] = "version",
		[SMEMV_ST_FEATURES] = "features",
		[SMEMV_ST_FENCED] = "fenced",
		[SMEMV_ST_STOPPING] = "stopping",
		[SMEMV_ST_BUSY] = "busy",
		[SMEMV_ST_SIZE] = "size differs",
		[SMEMV_ST_HELD] = "held",
		[SMEMV_ST_NO_DRAIN] = "no such drain",
		[SMEMV_ST_UNREACHABLE] = "unreachable",
		[SMEMV_ST_UNKNOWN] = "unknown",
		[SMEMV_ST_NOT_ACTIVE] = "not active",
		[SMEMV_ST_ACTIVE] = "active",
	};

	return status < SMEMV_ST__END ? text[status] : "unknown status";
}

const char *smemv_op_name(unsigned int opcode)
{
	static const char * const text[SMEMV_OP__END] = {
		[SMEMV_OP_HELLO] = "hello",
		[SMEMV_OP_OPEN] = "open",
		[SMEMV_OP_STORE] = "store",
		[SMEMV_OP_LOAD] = "load",
		[SMEMV_OP_INVALIDATE] = "invalidate",
		[SMEMV_OP_DROP] = "drop",
		[SMEMV_OP_STAT] = "stat",
		[SMEMV_OP_LIST] = "list",
		[SMEMV_OP_SPACES] = "spaces",
		[SMEMV_OP_PUSH] = "push",
		[SMEMV_OP_CLAIM] = "claim",
		[SMEMV_OP_ACTIVATE] = "activate",
		[SMEMV_OP_DRAIN] = "drain",
		[SMEMV_OP_DELIVER] = "deliver",
	};

	return opcode < SMEMV_OP__END && text[opcode] ? text[opcode]
						      : "unknown opcode";
}
