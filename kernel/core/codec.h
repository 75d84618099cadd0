/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frame codec: the only code that reads or writes a frame header. A receiver
 * calls smemv_frame_decode() on the 40 bytes, reads meta_len more bytes, calls
 * smemv_frame_check(), and only then trusts anything in the frame.
 */
#ifndef SMEMV_CORE_CODEC_H
#define SMEMV_CORE_CODEC_H

#include "crc32c.h"
#include "../uapi/smemv_wire.h"

/* A frame header in host byte order. */
struct smemv_frame {
	u8  version;
	u8  opcode;
	u16 flags;
	u16 status;
	u16 count;
	u64 tag;
	u32 space;
	u32 payload_len;
	u32 free_pages;
	u32 crc;
	/* derived */
	u32 body_len;	/* bytes of the fixed body */
	u32 meta_len;	/* body and descriptors */
	u32 data_len;	/* page data after the meta, a multiple of 4096 */
};

enum smemv_codec_err {
	SMEMV_CODEC_OK = 0,
	SMEMV_CODEC_MAGIC,
	SMEMV_CODEC_VERSION,
	SMEMV_CODEC_OPCODE,
	SMEMV_CODEC_FLAGS,
	SMEMV_CODEC_STATUS,
	SMEMV_CODEC_COUNT,
	SMEMV_CODEC_LENGTH,
	SMEMV_CODEC_RESERVED,
	SMEMV_CODEC_HDR_CRC,
	SMEMV_CODEC_INDEX,
	SMEMV_CODEC_RANGE,
	SMEMV_CODEC_PAGE_FLAGS,
	SMEMV_CODEC_DATA_LEN,
	SMEMV_CODEC__END
};

/**
 * smemv_frame_decode() - read and check a header
 * @f: filled in; also after SMEMV_CODEC_VERSION, with @version as received
 * @hdr: SMEMV header bytes, any alignment
 *
 * Returns enum smemv_codec_err. After SMEMV_CODEC_OK all lengths in @f are
 * within the protocol's limits and agree with each other.
 */
int smemv_frame_decode(struct smemv_frame *f, const void *hdr);

/**
 * smemv_frame_check() - check the header's CRC and every descriptor
 * @f: from smemv_frame_decode()
 * @hdr: the header bytes as received
 * @meta: f->meta_len bytes that followed it
 *
 * Returns enum smemv_codec_err.
 */
int smemv_frame_check(const struct smemv_frame *f, const void *hdr,
		      const void *meta);

/**
 * smemv_frame_seal() - write a header in front of its meta
 * @buf: 40 bytes for the header, the finished meta behind them
 * @f: opcode, flags, status, count, tag, space, free_pages and data_len set;
 *     the other fields are derived here
 */
void smemv_frame_seal(void *buf, struct smemv_frame *f);

/* Bytes of the fixed body of a frame, from opcode, direction, status, count. */
u32 smemv_frame_body_len(const struct smemv_frame *f);

/* Whether data follows for this descriptor of a frame of this direction. */
static inline bool smemv_page_has_data(const struct smemv_wire_page *p)
{
	return !(le16_to_cpu(p->flags) & SMEMV_PAGE_F_ZERO) &&
	       le16_to_cpu(p->status) == SMEMV_ST_OK;
}

/* Texts for people; never NULL. */
const char *smemv_codec_strerror(int err);
const char *smemv_status_name(unsigned int status);
const char *smemv_op_name(unsigned int opcode);

#endif
