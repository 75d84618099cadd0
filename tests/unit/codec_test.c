// SPDX-License-Identifier: GPL-2.0-only
/* kernel/core/codec.c: each error, each operation both ways, limits, properties. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/codec.h"

#define HDR	sizeof(struct smemv_wire_hdr)

/* Room for the meta of the largest frame; page data is never looked at. */
static uint8_t buf[HDR + SMEMV_WIRE_MAX_META];

static const struct {
	u8 op;
	u32 request_body;
	u32 reply_body;
} bodies[] = {
	{ SMEMV_OP_HELLO, 80, 56 },
	{ SMEMV_OP_OPEN, 40, 32 },
	{ SMEMV_OP_STORE, 0, 0 },
	{ SMEMV_OP_LOAD, 0, 0 },
	{ SMEMV_OP_INVALIDATE, 0, 8 },
	{ SMEMV_OP_DROP, 16, 8 },
	{ SMEMV_OP_STAT, 0, 48 },
	{ SMEMV_OP_LIST, 8, 0 },
	{ SMEMV_OP_SPACES, 16, 0 },
	{ SMEMV_OP_PUSH, 64, 0 },
	{ SMEMV_OP_CLAIM, 40, 16 },
	{ SMEMV_OP_ACTIVATE, 40, 16 },
	{ SMEMV_OP_DRAIN, 32, 0 },
	{ SMEMV_OP_DELIVER, 48, 0 },
};

#define N_OPS	(sizeof(bodies) / sizeof(bodies[0]))

static int receive(struct smemv_frame *f)
{
	int err = smemv_frame_decode(f, buf);

	return err ? err : smemv_frame_check(f, buf, buf + HDR);
}

static struct smemv_wire_hdr *hdr(void)
{
	return (struct smemv_wire_hdr *)buf;
}

static void put_page(u32 n, u64 index, u16 flags, u16 status)
{
	struct smemv_wire_page p = {
		.index = cpu_to_le64(index),
		.flags = cpu_to_le16(flags),
		.status = cpu_to_le16(status),
	};

	memcpy(buf + HDR + n * sizeof(p), &p, sizeof(p));
}

static void put_range(u64 first, u32 count, u32 flags)
{
	struct smemv_wire_range r = {
		.first = cpu_to_le64(first),
		.count = cpu_to_le32(count),
		.flags = cpu_to_le32(flags),
	};

	memcpy(buf + HDR, &r, sizeof(r));
}

/* Seals a frame over whatever meta buf holds, and returns what a receiver says. */
static int sealed(u8 op, u16 flags, u16 status, u16 count, u32 data_len)
{
	struct smemv_frame f = {
		.opcode = op, .flags = flags, .status = status,
		.count = count, .data_len = data_len, .tag = 0x0102030405060708,
	};

	smemv_frame_seal(buf, &f);
	return receive(&f);
}

static int setup(void **state)
{
	(void)state;
	memset(buf, 0, sizeof(buf));
	return 0;
}

static void every_operation_both_ways(void **state)
{
	struct smemv_frame f;
	size_t i;

	(void)state;
	for (i = 0; i < N_OPS; i++) {
		assert_int_equal(sealed(bodies[i].op, 0, 0, 0, 0), 0);
		assert_int_equal(smemv_frame_decode(&f, buf), 0);
		assert_int_equal(f.body_len, bodies[i].request_body);
		assert_int_equal(f.tag, 0x0102030405060708);
		assert_int_equal(f.version, SMEMV_WIRE_VERSION);

		assert_int_equal(sealed(bodies[i].op, SMEMV_WIRE_F_REPLY, 0, 0, 0), 0);
		assert_int_equal(smemv_frame_decode(&f, buf), 0);
		assert_int_equal(f.body_len, bodies[i].reply_body);
	}
}

static bool refusal_has_body(u8 op, u16 status)
{
	if (op == SMEMV_OP_HELLO)
		return status >= SMEMV_ST_VERSION && status <= SMEMV_ST_FENCED;
	if (op == SMEMV_OP_CLAIM || op == SMEMV_OP_ACTIVATE)
		return status == SMEMV_ST_STALE_EPOCH || status == SMEMV_ST_NOT_ACTIVE ||
		       status == SMEMV_ST_ACTIVE;
	return op == SMEMV_OP_OPEN &&
	       (status == SMEMV_ST_STALE_EPOCH || status == SMEMV_ST_SIZE);
}

static void refusals_have_a_body_only_where_it_helps(void **state)
{
	struct smemv_frame f;
	u16 status;
	size_t i;

	(void)state;
	for (i = 0; i < N_OPS; i++)
		for (status = SMEMV_ST_NO_SPACE; status < SMEMV_ST__END; status++) {
			assert_int_equal(sealed(bodies[i].op, SMEMV_WIRE_F_REPLY,
						status, 0, 0), 0);
			assert_int_equal(smemv_frame_decode(&f, buf), 0);
			assert_int_equal(f.body_len,
					 refusal_has_body(bodies[i].op, status) ?
					 bodies[i].reply_body : 0);
		}
}

static void refusals_have_no_descriptors(void **state)
{
	(void)state;
	assert_int_equal(sealed(SMEMV_OP_STORE, SMEMV_WIRE_F_REPLY,
				SMEMV_ST_NO_SPACE, 1, 0), SMEMV_CODEC_COUNT);
	assert_int_equal(sealed(SMEMV_OP_LIST, SMEMV_WIRE_F_REPLY,
				SMEMV_ST_STALE_EPOCH, 1, 0), SMEMV_CODEC_COUNT);
}

static void a_full_success_of_store_has_no_descriptors(void **state)
{
	(void)state;
	put_page(0, 1, 0, 0);
	assert_int_equal(sealed(SMEMV_OP_STORE, SMEMV_WIRE_F_REPLY,
				SMEMV_ST_PARTIAL, 1, 0), 0);
	assert_int_equal(sealed(SMEMV_OP_STORE, SMEMV_WIRE_F_REPLY,
				SMEMV_ST_OK, 1, 0), SMEMV_CODEC_COUNT);
}

static void partial_is_for_stores_and_loads(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N_OPS; i++) {
		u8 op = bodies[i].op;
		bool may = op == SMEMV_OP_STORE || op == SMEMV_OP_LOAD ||
			   op == SMEMV_OP_PUSH || op == SMEMV_OP_DELIVER;

		assert_int_equal(sealed(op, SMEMV_WIRE_F_REPLY, SMEMV_ST_PARTIAL, 0, 0),
				 may ? SMEMV_CODEC_OK : SMEMV_CODEC_STATUS);
	}
}

static void each_flag_has_its_place(void **state)
{
	size_t i;
	u16 bit;

	(void)state;
	for (i = 0; i < N_OPS; i++) {
		u8 op = bodies[i].op;
		u16 in_reply = op == SMEMV_OP_LIST || op == SMEMV_OP_SPACES ?
			       SMEMV_WIRE_F_MORE : 0;
		u16 in_request = op == SMEMV_OP_DROP ? SMEMV_WIRE_F_FORCE : 0;

		for (bit = 2; bit; bit <<= 1) {
			assert_int_equal(sealed(op, bit, 0, 0, 0),
					 bit & in_request ? 0 : SMEMV_CODEC_FLAGS);
			assert_int_equal(sealed(op, bit | SMEMV_WIRE_F_REPLY, 0, 0, 0),
					 bit & in_reply ? 0 : SMEMV_CODEC_FLAGS);
		}
	}
}

static void range_flags_are_for_list_replies(void **state)
{
	(void)state;
	put_range(1, 1, SMEMV_PAGE_F_ZERO);
	assert_int_equal(sealed(SMEMV_OP_LIST, SMEMV_WIRE_F_REPLY, 0, 1, 0), 0);
	assert_int_equal(sealed(SMEMV_OP_INVALIDATE, 0, 0, 1, 0),
			 SMEMV_CODEC_PAGE_FLAGS);
	put_range(1, 1, 2);
	assert_int_equal(sealed(SMEMV_OP_LIST, SMEMV_WIRE_F_REPLY, 0, 1, 0),
			 SMEMV_CODEC_PAGE_FLAGS);
}

/* Each changes one thing of a good header; the crc is not looked at before. */
static void header_errors(void **state)
{
	struct smemv_frame f;

	(void)state;
#define BROKEN(change, error) do { \
	assert_int_equal(sealed(SMEMV_OP_STAT, 0, 0, 0, 0), 0); \
	change; \
	assert_int_equal(smemv_frame_decode(&f, buf), error); \
} while (0)
	BROKEN(hdr()->magic ^= 1, SMEMV_CODEC_MAGIC);
	BROKEN(hdr()->version = 2, SMEMV_CODEC_VERSION);
	assert_int_equal(f.version, 2);
	assert_int_equal(f.opcode, SMEMV_OP_STAT);
	BROKEN(hdr()->version = 0, SMEMV_CODEC_VERSION);
	BROKEN(hdr()->opcode = 0, SMEMV_CODEC_OPCODE);
	BROKEN(hdr()->opcode = SMEMV_OP__END, SMEMV_CODEC_OPCODE);
	BROKEN(hdr()->opcode = 255, SMEMV_CODEC_OPCODE);
	BROKEN(hdr()->flags = cpu_to_le16(0x8000), SMEMV_CODEC_FLAGS);
	BROKEN(hdr()->status = cpu_to_le16(1), SMEMV_CODEC_STATUS);
	BROKEN(hdr()->free_pages = cpu_to_le32(1), SMEMV_CODEC_RESERVED);
	BROKEN(hdr()->reserved = cpu_to_le32(1u << 31), SMEMV_CODEC_RESERVED);
	BROKEN(hdr()->count = cpu_to_le16(1), SMEMV_CODEC_COUNT);
	BROKEN(hdr()->payload_len = cpu_to_le32(1), SMEMV_CODEC_LENGTH);
	BROKEN(hdr()->payload_len = cpu_to_le32(4096), SMEMV_CODEC_LENGTH);
	BROKEN(hdr()->payload_len = ~0u, SMEMV_CODEC_LENGTH);
#undef BROKEN
}

static void unknown_status_of_a_reply(void **state)
{
	(void)state;
	assert_int_equal(sealed(SMEMV_OP_STAT, SMEMV_WIRE_F_REPLY, SMEMV_ST__END, 0, 0),
			 SMEMV_CODEC_STATUS);
	assert_int_equal(sealed(SMEMV_OP_STAT, SMEMV_WIRE_F_REPLY, 0xffff, 0, 0),
			 SMEMV_CODEC_STATUS);
}

static void count_limits(void **state)
{
	(void)state;
	assert_int_equal(sealed(SMEMV_OP_LOAD, 0, 0, SMEMV_WIRE_MAX_PAGES, 0), 0);
	assert_int_equal(sealed(SMEMV_OP_SPACES, SMEMV_WIRE_F_REPLY, 0,
				SMEMV_WIRE_MAX_SPACE_ENTRIES, 0), 0);
	hdr()->count = cpu_to_le16(SMEMV_WIRE_MAX_SPACE_ENTRIES + 1);
	assert_int_equal(smemv_frame_decode(&(struct smemv_frame){ 0 }, buf),
			 SMEMV_CODEC_COUNT);
	assert_int_equal(sealed(SMEMV_OP_LOAD, 0, 0, 1, 0), 0);
	hdr()->count = cpu_to_le16(SMEMV_WIRE_MAX_PAGES + 1);
	assert_int_equal(smemv_frame_decode(&(struct smemv_frame){ 0 }, buf),
			 SMEMV_CODEC_COUNT);
}

static void the_largest_frame(void **state)
{
	struct smemv_frame f;

	(void)state;
	assert_int_equal(sealed(SMEMV_OP_STORE, 0, 0, SMEMV_WIRE_MAX_PAGES,
				SMEMV_WIRE_MAX_PAGES * SMEMV_WIRE_PAGE_SIZE), 0);
	assert_int_equal(smemv_frame_decode(&f, buf), 0);
	assert_true(f.meta_len <= SMEMV_WIRE_MAX_META);
	assert_true(f.payload_len <= SMEMV_WIRE_MAX_PAYLOAD);
}

static void data_only_in_requests_that_store_and_load_replies(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N_OPS; i++) {
		u8 op = bodies[i].op;
		bool stores = op == SMEMV_OP_STORE || op == SMEMV_OP_DELIVER;
		u16 count = stores || op == SMEMV_OP_LOAD;

		memset(buf, 0, sizeof(buf));
		assert_int_equal(sealed(op, 0, 0, count, 4096),
				 stores ? SMEMV_CODEC_OK : SMEMV_CODEC_LENGTH);
		if (!stores)
			assert_int_equal(sealed(op, SMEMV_WIRE_F_REPLY, 0, count, 4096),
					 op == SMEMV_OP_LOAD ? SMEMV_CODEC_OK :
					 SMEMV_CODEC_LENGTH);
	}
}

static void data_must_be_what_descriptors_announce(void **state)
{
	(void)state;
	put_page(0, 1, 0, 0);
	put_page(1, 2, SMEMV_PAGE_F_ZERO, 0);
	assert_int_equal(sealed(SMEMV_OP_STORE, 0, 0, 2, 4096), 0);
	assert_int_equal(sealed(SMEMV_OP_STORE, 0, 0, 2, 0), SMEMV_CODEC_DATA_LEN);
	assert_int_equal(sealed(SMEMV_OP_STORE, 0, 0, 2, 8192), SMEMV_CODEC_DATA_LEN);
	assert_int_equal(sealed(SMEMV_OP_STORE, 0, 0, 2, 4095), SMEMV_CODEC_LENGTH);
	assert_int_equal(sealed(SMEMV_OP_STORE, 0, 0, 2, 3 * 4096), SMEMV_CODEC_LENGTH);

	put_page(1, 2, 0, SMEMV_ST_MISSING);
	assert_int_equal(sealed(SMEMV_OP_LOAD, SMEMV_WIRE_F_REPLY,
				SMEMV_ST_PARTIAL, 2, 4096), 0);
	assert_int_equal(sealed(SMEMV_OP_LOAD, SMEMV_WIRE_F_REPLY,
				SMEMV_ST_PARTIAL, 2, 8192), SMEMV_CODEC_DATA_LEN);
}

static void page_descriptor_errors(void **state)
{
	(void)state;
	put_page(0, SMEMV_WIRE_MAX_INDEX - 1, 0, 0);
	assert_int_equal(sealed(SMEMV_OP_LOAD, 0, 0, 1, 0), 0);
	put_page(0, SMEMV_WIRE_MAX_INDEX, 0, 0);
	assert_int_equal(sealed(SMEMV_OP_LOAD, 0, 0, 1, 0), SMEMV_CODEC_INDEX);
	put_page(0, ~0ull, 0, 0);
	assert_int_equal(sealed(SMEMV_OP_LOAD, 0, 0, 1, 0), SMEMV_CODEC_INDEX);
	put_page(0, 0, 2, 0);
	assert_int_equal(sealed(SMEMV_OP_STORE, 0, 0, 1, 0), SMEMV_CODEC_PAGE_FLAGS);
	put_page(0, 0, SMEMV_PAGE_F_ZERO, 0);
	assert_int_equal(sealed(SMEMV_OP_LOAD, 0, 0, 1, 0), SMEMV_CODEC_PAGE_FLAGS);
	put_page(0, 0, 0, SMEMV_ST_MISSING);
	assert_int_equal(sealed(SMEMV_OP_LOAD, 0, 0, 1, 0), SMEMV_CODEC_STATUS);
	assert_int_equal(sealed(SMEMV_OP_LOAD, SMEMV_WIRE_F_REPLY, 0, 1, 0),
			 SMEMV_CODEC_STATUS);
	put_page(0, 0, 0, SMEMV_ST__END);
	assert_int_equal(sealed(SMEMV_OP_LOAD, SMEMV_WIRE_F_REPLY,
				SMEMV_ST_PARTIAL, 1, 0), SMEMV_CODEC_STATUS);
}

static void range_descriptor_errors(void **state)
{
	static const struct { u64 first; u32 count; int err; } cases[] = {
		{ 0, 1, 0 },
		{ 0, 0xffffffff, 0 },
		{ SMEMV_WIRE_MAX_INDEX - 1, 1, 0 },
		{ SMEMV_WIRE_MAX_INDEX - 0xffffffff, 0xffffffff, 0 },
		{ 0, 0, SMEMV_CODEC_RANGE },
		{ SMEMV_WIRE_MAX_INDEX - 1, 2, SMEMV_CODEC_RANGE },
		{ SMEMV_WIRE_MAX_INDEX, 1, SMEMV_CODEC_RANGE },
		{ ~0ull, 1, SMEMV_CODEC_RANGE },
		{ ~0ull - 5, 10, SMEMV_CODEC_RANGE },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_range(cases[i].first, cases[i].count, 0);
		assert_int_equal(sealed(SMEMV_OP_INVALIDATE, 0, 0, 1, 0), cases[i].err);
	}
}

/* CRC32C finds every single-bit error in header and meta, in any frame. */
static void every_flipped_bit_is_found(void **state)
{
	struct smemv_frame f;
	size_t bit, bytes;

	(void)state;
	put_page(0, 1, SMEMV_PAGE_F_ZERO, 0);
	put_page(1, 2, SMEMV_PAGE_F_ZERO, 0);
	assert_int_equal(sealed(SMEMV_OP_STORE, 0, 0, 2, 0), 0);
	bytes = HDR + 2 * sizeof(struct smemv_wire_page);
	for (bit = 0; bit < bytes * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(receive(&f), 0);
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(receive(&f), 0);
}

static u64 random_u64(void)
{
	static u64 x = 0x9e3779b97f4a7c15;	/* xorshift64: the same in each run */

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static bool mostly(void)
{
	return random_u64() % 8;
}

/* A header of random bytes, each field plausible most of the time. */
static void random_header(void)
{
	struct smemv_wire_hdr *h = hdr();
	struct smemv_frame f;
	size_t i;

	for (i = 0; i < HDR; i += 8) {
		u64 x = random_u64();

		memcpy(buf + i, &x, 8);
	}
	h->magic = cpu_to_le32(SMEMV_WIRE_MAGIC);
	h->version = SMEMV_WIRE_VERSION;
	h->reserved = 0;
	if (mostly())
		h->opcode %= SMEMV_OP__END + 1;
	if (mostly())
		h->flags &= cpu_to_le16(SMEMV_WIRE_F_REPLY);
	if (mostly())
		h->status = cpu_to_le16(h->flags ? random_u64() % 3 : 0);
	if (mostly())
		h->count = cpu_to_le16(random_u64() % 300 * (random_u64() % 2));
	if (mostly())
		h->free_pages = 0;
	/* lengths around the right one, which decode leaves behind in f */
	h->payload_len = 0;
	smemv_frame_decode(&f, buf);
	h->payload_len = cpu_to_le32(f.meta_len + random_u64() % 2 *
				     (random_u64() % (f.count + 2u)) * 4096 +
				     (mostly() ? 0 : random_u64() % 5000));
}

/* What decode accepts is within every limit that a receiver relies on. */
static void accepted_headers_are_within_limits(void **state)
{
	struct smemv_frame f;
	u32 i, accepted = 0;

	(void)state;
	for (i = 0; i < 1000000; i++) {
		random_header();
		if (smemv_frame_decode(&f, buf))
			continue;
		accepted++;
		assert_true(f.meta_len <= SMEMV_WIRE_MAX_META);
		assert_true(f.payload_len <= SMEMV_WIRE_MAX_PAYLOAD);
		assert_int_equal(f.payload_len, f.meta_len + f.data_len);
		assert_true(f.body_len <= f.meta_len);
		assert_int_equal(f.data_len % SMEMV_WIRE_PAGE_SIZE, 0);
		assert_true(f.data_len / SMEMV_WIRE_PAGE_SIZE <= f.count);
		assert_int_equal(f.body_len, smemv_frame_body_len(&f));
	}
	assert_true(accepted > 50000);
}

static u32 random_pages(u32 count)
{
	u32 i, data = 0;

	for (i = 0; i < count; i++) {
		u16 flags = random_u64() & 1 ? SMEMV_PAGE_F_ZERO : 0;

		put_page(i, random_u64() % SMEMV_WIRE_MAX_INDEX, flags, 0);
		data += flags ? 0 : SMEMV_WIRE_PAGE_SIZE;
	}
	return data;
}

/* Whatever a sender seals, a receiver reads back, and damage is noticed. */
static void random_stores_come_back(void **state)
{
	struct smemv_frame in, out;
	u32 i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		u32 count = (u32)(random_u64() % (SMEMV_WIRE_MAX_PAGES + 1));
		size_t at;

		in = (struct smemv_frame){
			.opcode = SMEMV_OP_STORE, .count = (u16)count,
			.tag = random_u64(), .space = (u32)random_u64(),
		};
		in.data_len = random_pages(count);
		smemv_frame_seal(buf, &in);
		assert_int_equal(receive(&out), 0);
		assert_memory_equal(&in, &out, sizeof(in));

		at = random_u64() % (HDR + in.meta_len);
		buf[at] ^= (uint8_t)(1 + random_u64() % 255);
		assert_int_not_equal(receive(&out), 0);
	}
}

static void alignment_does_not_matter(void **state)
{
	static uint8_t odd[sizeof(buf) + 8];
	struct smemv_frame in, out;
	size_t shift;

	(void)state;
	in = (struct smemv_frame){ .opcode = SMEMV_OP_STORE, .count = 5 };
	in.data_len = random_pages(5);
	for (shift = 0; shift < 8; shift++) {
		memcpy(odd + shift, buf, sizeof(buf));
		smemv_frame_seal(odd + shift, &in);
		assert_int_equal(smemv_frame_decode(&out, odd + shift), 0);
		assert_int_equal(smemv_frame_check(&out, odd + shift,
						   odd + shift + HDR), 0);
	}
}

/* A server answers an opcode nobody knows under its number. */
static void replies_to_unknown_opcodes_can_be_sealed(void **state)
{
	struct smemv_frame f = {
		.opcode = 200, .flags = SMEMV_WIRE_F_REPLY,
		.status = SMEMV_ST_BAD_REQUEST, .tag = 5,
	};

	(void)state;
	smemv_frame_seal(buf, &f);
	assert_int_equal(f.payload_len, 0);
	assert_int_equal(buf[5], 200);
}

static void every_value_has_a_text(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < SMEMV_CODEC__END; i++)
		assert_string_not_equal(smemv_codec_strerror(i), "unknown codec error");
	assert_string_equal(smemv_codec_strerror(SMEMV_CODEC__END), "unknown codec error");
	assert_string_equal(smemv_codec_strerror(-1), "unknown codec error");
	for (i = 0; i < SMEMV_ST__END; i++)
		assert_string_not_equal(smemv_status_name((unsigned int)i), "unknown status");
	assert_string_equal(smemv_status_name(0xffff), "unknown status");
	for (i = 1; i < SMEMV_OP__END; i++)
		assert_string_not_equal(smemv_op_name((unsigned int)i), "unknown opcode");
	assert_string_equal(smemv_op_name(0), "unknown opcode");
	assert_string_equal(smemv_op_name(255), "unknown opcode");
}

int main(void)
{
#define T(f)	cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(every_operation_both_ways),
		T(refusals_have_a_body_only_where_it_helps),
		T(refusals_have_no_descriptors),
		T(a_full_success_of_store_has_no_descriptors),
		T(partial_is_for_stores_and_loads),
		T(each_flag_has_its_place),
		T(range_flags_are_for_list_replies),
		T(header_errors),
		T(unknown_status_of_a_reply),
		T(count_limits),
		T(the_largest_frame),
		T(data_only_in_requests_that_store_and_load_replies),
		T(data_must_be_what_descriptors_announce),
		T(page_descriptor_errors),
		T(range_descriptor_errors),
		T(every_flipped_bit_is_found),
		T(accepted_headers_are_within_limits),
		T(random_stores_come_back),
		T(alignment_does_not_matter),
		T(replies_to_unknown_opcodes_can_be_sealed),
		T(every_value_has_a_text),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
