// SPDX-License-Identifier: GPL-2.0-only
/* The C codec agrees with tests/vectors/make.py about each test vector. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/codec.h"
#include "vectors.h"

static struct vector *vectors;
static size_t n_vectors;

static const struct {
	const char *name;
	int err;
} errors[] = {
	{ "OK", SMEMV_CODEC_OK },
	{ "MAGIC", SMEMV_CODEC_MAGIC },
	{ "VERSION", SMEMV_CODEC_VERSION },
	{ "OPCODE", SMEMV_CODEC_OPCODE },
	{ "FLAGS", SMEMV_CODEC_FLAGS },
	{ "STATUS", SMEMV_CODEC_STATUS },
	{ "COUNT", SMEMV_CODEC_COUNT },
	{ "LENGTH", SMEMV_CODEC_LENGTH },
	{ "RESERVED", SMEMV_CODEC_RESERVED },
	{ "HDR_CRC", SMEMV_CODEC_HDR_CRC },
	{ "INDEX", SMEMV_CODEC_INDEX },
	{ "RANGE", SMEMV_CODEC_RANGE },
	{ "PAGE_FLAGS", SMEMV_CODEC_PAGE_FLAGS },
	{ "DATA_LEN", SMEMV_CODEC_DATA_LEN },
};

/* A field of a body or descriptor: where it lies and how long it is. */
static const struct field {
	const char *kind;
	const char *name;
	size_t kind_size;
	size_t offset;
	size_t size;
} fields[] = {
#define F(k, f)	{ #k, #f, sizeof(struct smemv_wire_##k), \
		  offsetof(struct smemv_wire_##k, f), \
		  sizeof(((struct smemv_wire_##k *)0)->f) }
	F(hello, client_id), F(hello, generation), F(hello, features),
	F(hello, required), F(hello, lane), F(hello, max_pages), F(hello, name),
	F(hello_reply, server_id), F(hello_reply, features),
	F(hello_reply, version_min), F(hello_reply, version_max),
	F(hello_reply, max_pages), F(hello_reply, max_inflight),
	F(hello_reply, max_spaces), F(hello_reply, reserved),
	F(hello_reply, capacity_pages),
	F(open, uuid), F(open, size_pages), F(open, epoch), F(open, flags),
	F(open, reserved),
	F(open_reply, size_pages), F(open_reply, epoch), F(open_reply, pages),
	F(open_reply, flags), F(open_reply, reserved),
	F(drop, uuid),
	F(pages_reply, pages),
	F(stat_reply, capacity_pages), F(stat_reply, used_pages),
	F(stat_reply, zero_pages), F(stat_reply, spaces),
	F(stat_reply, space_pages), F(stat_reply, space_epoch),
	F(list, first),
	F(spaces, after),
	F(push, target_id), F(push, target_addr), F(push, drain),
	F(push, target_port), F(push, timeout_ms), F(push, token),
	F(drain, token), F(drain, drain), F(drain, flags), F(drain, reserved),
	F(deliver, uuid), F(deliver, token), F(deliver, drain), F(deliver, epoch),
	F(claim, uuid), F(claim, epoch), F(claim, own), F(claim, flags),
	F(claim, reserved),
	F(claim_reply, epoch), F(claim_reply, flags), F(claim_reply, reserved),
	F(page, index), F(page, crc), F(page, flags), F(page, status),
	F(range, first), F(range, count), F(range, flags),
	F(space_entry, uuid), F(space_entry, size_pages), F(space_entry, epoch),
	F(space_entry, pages), F(space_entry, flags), F(space_entry, idle_s),
#undef F
};

static int error_of(const struct vector *v)
{
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (!strcmp(errors[i].name, v->expect))
			return errors[i].err;
	fail_msg("%s: no error is called %s", v->name, v->expect);
	return -1;
}

/* What a receiver does: decode, read as much as it was told, check. */
static int receive(const struct vector *v, struct smemv_frame *f)
{
	int err = smemv_frame_decode(f, v->bytes);

	if (err)
		return err;
	assert_int_equal(f->payload_len, v->n_bytes - sizeof(struct smemv_wire_hdr));
	return smemv_frame_check(f, v->bytes,
				 v->bytes + sizeof(struct smemv_wire_hdr));
}

static uint64_t header_field(const struct smemv_frame *f, const char *name)
{
#define H(field) do { if (!strcmp(name, #field)) return f->field; } while (0)
	H(version); H(opcode); H(flags); H(tag); H(space); H(status); H(count);
	H(payload_len); H(free_pages); H(crc); H(body_len); H(meta_len);
	H(data_len);
#undef H
	fail_msg("no header field is called %s", name);
	return 0;
}

static void text_of(const uint8_t *bytes, size_t size, char *out, size_t room)
{
	uint64_t value = 0;
	size_t i;

	if (size > 8) {
		for (i = 0; i < size; i++)
			snprintf(out + 2 * i, room - 2 * i, "%02x", bytes[i]);
		return;
	}
	for (i = size; i-- > 0;)
		value = value << 8 | bytes[i];
	snprintf(out, room, "0x%llx", (unsigned long long)value);
}

static const struct field *find_field(const char *kind, size_t kind_len,
				      const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strlen(fields[i].kind) == kind_len &&
		    !memcmp(fields[i].kind, kind, kind_len) &&
		    !strcmp(fields[i].name, name))
			return &fields[i];
	fail_msg("no structure has the field %s.%s", kind, name);
	return NULL;
}

/* key is "hdr.tag", "open.uuid" or "page[2].index" */
static void compare_line(const struct vector *v, const struct smemv_frame *f,
			 const struct vector_line *l)
{
	const char *dot = strchr(l->key, '.'), *bracket = strchr(l->key, '[');
	size_t at = sizeof(struct smemv_wire_hdr);
	const struct field *field;
	char text[80];

	assert_non_null(dot);
	if (!strncmp(l->key, "hdr.", 4)) {
		snprintf(text, sizeof(text), "0x%llx",
			 (unsigned long long)header_field(f, dot + 1));
	} else {
		field = find_field(l->key, (size_t)((bracket ? bracket : dot) - l->key),
				   dot + 1);
		if (bracket)
			at += f->body_len + strtoul(bracket + 1, NULL, 10) *
					    field->kind_size;
		at += field->offset;
		assert_true(at + field->size <= v->n_bytes);
		text_of(v->bytes + at, field->size, text, sizeof(text));
	}
	if (strcmp(text, l->text))
		fail_msg("%s: %s is %s here, %s in the vector", v->name, l->key,
			 text, l->text);
}

static void codec_agrees_on_every_vector(void **state)
{
	struct smemv_frame f;
	size_t i, j;
	int err;

	(void)state;
	for (i = 0; i < n_vectors; i++) {
		err = receive(&vectors[i], &f);
		if (err != error_of(&vectors[i]))
			fail_msg("%s: \"%s\", the vector says %s",
				 vectors[i].name, smemv_codec_strerror(err),
				 vectors[i].expect);
		for (j = 0; !err && j < vectors[i].n_lines; j++)
			compare_line(&vectors[i], &f, &vectors[i].lines[j]);
	}
}

static void sealing_a_good_vector_gives_its_bytes(void **state)
{
	struct smemv_frame f, again;
	uint8_t *copy;
	size_t i;

	(void)state;
	for (i = 0; i < n_vectors; i++) {
		const struct vector *v = &vectors[i];

		if (receive(v, &f))
			continue;
		copy = malloc(v->n_bytes);
		assert_non_null(copy);
		memcpy(copy, v->bytes, v->n_bytes);
		memset(copy, 0xee, sizeof(struct smemv_wire_hdr));
		again = (struct smemv_frame){
			.opcode = f.opcode, .flags = f.flags,
			.status = f.status, .count = f.count, .tag = f.tag,
			.space = f.space, .free_pages = f.free_pages,
			.data_len = f.data_len,
		};
		smemv_frame_seal(copy, &again);
		assert_memory_equal(copy, v->bytes, v->n_bytes);
		assert_memory_equal(&again, &f, sizeof(f));
		free(copy);
	}
}

/* The page data of a good vector has the crc that its descriptor names. */
static void page_crcs_agree(void **state)
{
	size_t i, pages = 0;
	struct smemv_frame f;
	uint32_t d;

	(void)state;
	for (i = 0; i < n_vectors; i++) {
		const uint8_t *desc, *data;

		if (receive(&vectors[i], &f) || !f.data_len)
			continue;
		desc = vectors[i].bytes + sizeof(struct smemv_wire_hdr) + f.body_len;
		data = vectors[i].bytes + sizeof(struct smemv_wire_hdr) + f.meta_len;
		for (d = 0; d < f.count; d++, desc += sizeof(struct smemv_wire_page)) {
			struct smemv_wire_page p;

			memcpy(&p, desc, sizeof(p));
			if (!smemv_page_has_data(&p))
				continue;
			if (p.crc) {	/* 0: PAGE_CRC was not granted */
				assert_int_equal(smemv_crc32c_page(data),
						 le32_to_cpu(p.crc));
				pages++;
			}
			data += SMEMV_WIRE_PAGE_SIZE;
		}
	}
	assert_true(pages >= 4);
}

/* A forgotten vector would go unnoticed otherwise. */
static void every_error_and_opcode_has_a_vector(void **state)
{
	bool seen_op[2][SMEMV_OP__END] = { 0 };
	bool seen_err[SMEMV_CODEC__END] = { 0 };
	struct smemv_frame f;
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < n_vectors; i++) {
		n = receive(&vectors[i], &f);
		seen_err[n] = true;
		if (!n)
			seen_op[!!(f.flags & SMEMV_WIRE_F_REPLY)][f.opcode] = true;
	}
	for (n = 0; n < SMEMV_CODEC__END; n++)
		if (!seen_err[n])
			fail_msg("no vector for: %s", smemv_codec_strerror(n));
	for (n = 1; n < SMEMV_OP__END; n++)
		if (!seen_op[0][n] || !seen_op[1][n])
			fail_msg("no vector for both directions of %s",
				 smemv_op_name((unsigned int)n));
}

static int read_all(void **state)
{
	(void)state;
	vectors = vectors_read("tests/vectors", &n_vectors);
	return 0;
}

static int free_all(void **state)
{
	(void)state;
	vectors_free(vectors, n_vectors);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codec_agrees_on_every_vector),
		cmocka_unit_test(sealing_a_good_vector_gives_its_bytes),
		cmocka_unit_test(page_crcs_agree),
		cmocka_unit_test(every_error_and_opcode_has_a_vector),
	};

	return cmocka_run_group_tests(tests, read_all, free_all);
}
