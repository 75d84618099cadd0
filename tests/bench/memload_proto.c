// SPDX-License-Identifier: GPL-2.0-only
/* S-memV, memcached (binary and text) and Redis, as far as get and set go. */
#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "../../kernel/core/codec.h"
#include "memload_proto.h"

#define KEY_LEN	8
#define HDR_LEN	sizeof(struct smemv_wire_hdr)

static uint64_t seed_of(uint32_t key)
{
	return (key + 1) * 0x9e3779b97f4a7c15ull;
}

void value_fill(void *to, uint32_t key)
{
	uint64_t seed = seed_of(key), word;
	size_t i;

	for (i = 0; i < VALUE_SIZE / sizeof(word); i++) {
		word = seed + i * 0x0101010101010101ull;
		memcpy((uint8_t *)to + i * sizeof(word), &word, sizeof(word));
	}
}

bool value_check(const void *from, uint32_t key)
{
	uint64_t seed = seed_of(key), word, wrong = 0;
	size_t i;

	for (i = 0; i < VALUE_SIZE / sizeof(word); i++) {
		memcpy(&word, (const uint8_t *)from + i * sizeof(word), sizeof(word));
		wrong |= word ^ (seed + i * 0x0101010101010101ull);
	}
	return !wrong;
}

static int send_all(int fd, const void *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

static int recv_all(int fd, void *data, size_t len)
{
	return recv(fd, data, len, MSG_WAITALL) == (ssize_t)len ? 0 : -1;
}

static struct reply partly(void)
{
	return (struct reply){ .kind = REPLY_PARTLY };
}

static struct reply bad(void)
{
	return (struct reply){ .kind = REPLY_BAD };
}

/* S-memV */

static int smemv_ask(int fd, struct smemv_frame *f, const void *body, size_t body_len)
{
	uint8_t buf[HDR_LEN + 128];
	struct smemv_frame r;

	memcpy(buf + HDR_LEN, body, body_len);
	smemv_frame_seal(buf, f);
	if (send_all(fd, buf, HDR_LEN + body_len) || recv_all(fd, buf, HDR_LEN) ||
	    smemv_frame_decode(&r, buf) || r.payload_len > 128 ||
	    recv_all(fd, buf + HDR_LEN, r.payload_len))
		return -1;
	return r.status ? -1 : 0;
}

static int smemv_setup(int fd, unsigned int lane)
{
	static uint8_t client_id[16];
	static int made;
	struct smemv_wire_hello h = {
		.generation = htole64(1),
		.features = htole64(SMEMV_FEAT_PAGE_CRC),
		.max_pages = htole32(SMEMV_WIRE_MAX_PAGES),
		.name = "memload",
	};
	struct smemv_wire_open o = {
		.uuid = "memload",
		.size_pages = htole64(1ull << 32),
		.epoch = htole64(1),
		.flags = htole32(SMEMV_OPEN_F_CREATE),
	};
	struct smemv_frame hello = { .opcode = SMEMV_OP_HELLO };
	struct smemv_frame open = { .opcode = SMEMV_OP_OPEN, .space = 1 };

	/* More connections than a client has lanes: several clients of one owner. */
	if (!made && getrandom(client_id, sizeof(client_id), 0) < 0)
		return -1;
	made = 1;
	client_id[0] = (uint8_t)(lane / SMEMV_WIRE_MAX_LANES);
	memcpy(h.client_id, client_id, sizeof(h.client_id));
	h.lane = htole32(lane % SMEMV_WIRE_MAX_LANES);
	return smemv_ask(fd, &hello, &h, sizeof(h)) || smemv_ask(fd, &open, &o, sizeof(o)) ? -1 : 0;
}

static size_t smemv_put(uint8_t *to, uint32_t key, uint32_t tag, uint8_t op, uint32_t crc,
			uint32_t data_len)
{
	struct smemv_wire_page p = { .index = htole64(key), .crc = htole32(crc) };
	struct smemv_frame f = {
		.opcode = op, .tag = tag, .space = 1, .count = 1, .data_len = data_len,
	};

	memcpy(to + HDR_LEN, &p, sizeof(p));
	smemv_frame_seal(to, &f);
	return HDR_LEN + sizeof(p) + data_len;
}

static size_t smemv_get(uint8_t *to, uint32_t key, uint32_t tag)
{
	return smemv_put(to, key, tag, SMEMV_OP_LOAD, 0, 0);
}

static size_t smemv_set(uint8_t *to, uint32_t key, uint32_t tag)
{
	uint8_t *data = to + HDR_LEN + sizeof(struct smemv_wire_page);

	value_fill(data, key);
	return smemv_put(to, key, tag, SMEMV_OP_STORE, smemv_crc32c_page(data), VALUE_SIZE);
}

static struct reply smemv_parse(const uint8_t *from, size_t len)
{
	struct reply r = { 0 };
	struct smemv_frame f;

	if (len < HDR_LEN)
		return partly();
	if (smemv_frame_decode(&f, from))
		return bad();
	r.len = HDR_LEN + f.payload_len;
	if (len < r.len)
		return partly();
	if (smemv_frame_check(&f, from, from + HDR_LEN))
		return bad();
	if (f.status)
		r.kind = f.opcode == SMEMV_OP_LOAD ? REPLY_MISS : REPLY_BAD;
	else if (f.opcode == SMEMV_OP_LOAD && f.data_len == VALUE_SIZE)
		r.kind = REPLY_VALUE;
	else
		r.kind = REPLY_DONE;
	r.value = from + HDR_LEN + f.meta_len;
	return r;
}

/* memcached, binary protocol */

#define MC_HDR	24u

static int no_setup(int fd, unsigned int lane)
{
	(void)fd;
	(void)lane;
	return 0;
}

static void key_text(uint8_t *to, uint32_t key)
{
	static const char digits[] = "0123456789abcdef";
	int i;

	for (i = KEY_LEN - 1; i >= 0; i--, key >>= 4)
		to[i] = (uint8_t)digits[key & 15];
}

static size_t mc_put(uint8_t *to, uint32_t key, uint32_t tag, uint8_t op, uint8_t extras,
		     uint32_t value_len)
{
	uint16_t key_len = htons(KEY_LEN);
	uint32_t total = htonl(extras + KEY_LEN + value_len);

	memset(to, 0, MC_HDR + extras);
	to[0] = 0x80;
	to[1] = op;
	memcpy(to + 2, &key_len, 2);
	to[4] = extras;
	memcpy(to + 8, &total, 4);
	memcpy(to + 12, &tag, 4);
	key_text(to + MC_HDR + extras, key);
	return MC_HDR + extras + KEY_LEN + value_len;
}

static size_t mc_get(uint8_t *to, uint32_t key, uint32_t tag)
{
	return mc_put(to, key, tag, 0x00, 0, 0);
}

static size_t mc_set(uint8_t *to, uint32_t key, uint32_t tag)
{
	value_fill(to + MC_HDR + 8 + KEY_LEN, key);
	return mc_put(to, key, tag, 0x01, 8, VALUE_SIZE);
}

static struct reply mc_parse(const uint8_t *from, size_t len)
{
	struct reply r = { 0 };
	uint32_t body;
	uint16_t status;

	if (len < MC_HDR)
		return partly();
	if (from[0] != 0x81)
		return bad();
	memcpy(&body, from + 8, 4);
	memcpy(&status, from + 6, 2);
	body = ntohl(body);
	r.len = MC_HDR + body;
	if (len < r.len)
		return partly();
	if (status)
		r.kind = from[1] == 0x00 ? REPLY_MISS : REPLY_BAD;
	else
		r.kind = from[1] == 0x00 && body == 4 + VALUE_SIZE ? REPLY_VALUE : REPLY_DONE;
	r.value = from + MC_HDR + from[4];
	return r;
}

/* memcached, text protocol */

static size_t put_text(uint8_t *to, const char *text)
{
	size_t len = strlen(text);

	memcpy(to, text, len);
	return len;
}

static size_t mct_get(uint8_t *to, uint32_t key, uint32_t tag)
{
	size_t n = put_text(to, "get ");

	(void)tag;
	key_text(to + n, key);
	return n + KEY_LEN + put_text(to + n + KEY_LEN, "\r\n");
}

static size_t mct_set(uint8_t *to, uint32_t key, uint32_t tag)
{
	size_t n = put_text(to, "set ");

	(void)tag;
	key_text(to + n, key);
	n += KEY_LEN;
	n += put_text(to + n, " 0 0 4096\r\n");
	value_fill(to + n, key);
	n += VALUE_SIZE;
	return n + put_text(to + n, "\r\n");
}

static bool starts(const uint8_t *from, size_t len, const char *text)
{
	return len >= strlen(text) && !memcmp(from, text, strlen(text));
}

static struct reply text_reply(enum reply_kind kind, size_t need, size_t len, const uint8_t *value)
{
	if (len < need)
		return partly();
	return (struct reply){ .kind = kind, .len = need, .value = value };
}

static struct reply mct_parse(const uint8_t *from, size_t len)
{
	/* "VALUE kkkkkkkk 0 4096\r\n" value "\r\nEND\r\n" */
	const size_t head = 6 + KEY_LEN + 9;

	if (len < 5)
		return partly();
	if (starts(from, len, "VALUE"))
		return text_reply(REPLY_VALUE, head + VALUE_SIZE + 7, len, from + head);
	if (starts(from, len, "STORE"))
		return text_reply(REPLY_DONE, 8, len, NULL);
	if (starts(from, len, "END\r\n"))
		return text_reply(REPLY_MISS, 5, len, NULL);
	return bad();
}

/* Redis */

static size_t redis_get(uint8_t *to, uint32_t key, uint32_t tag)
{
	size_t n = put_text(to, "*2\r\n$3\r\nGET\r\n$8\r\n");

	(void)tag;
	key_text(to + n, key);
	n += KEY_LEN;
	return n + put_text(to + n, "\r\n");
}

static size_t redis_set(uint8_t *to, uint32_t key, uint32_t tag)
{
	size_t n = put_text(to, "*3\r\n$3\r\nSET\r\n$8\r\n");

	(void)tag;
	key_text(to + n, key);
	n += KEY_LEN;
	n += put_text(to + n, "\r\n$4096\r\n");
	value_fill(to + n, key);
	n += VALUE_SIZE;
	return n + put_text(to + n, "\r\n");
}

static struct reply redis_parse(const uint8_t *from, size_t len)
{
	if (len < 5)
		return partly();
	if (starts(from, len, "$4096"))
		return text_reply(REPLY_VALUE, 7 + VALUE_SIZE + 2, len, from + 7);
	if (starts(from, len, "+OK\r\n"))
		return text_reply(REPLY_DONE, 5, len, NULL);
	if (starts(from, len, "$-1\r\n"))
		return text_reply(REPLY_MISS, 5, len, NULL);
	return bad();
}

static const struct proto protos[] = {
	{ "smemv", 7371, smemv_setup, smemv_get, smemv_set, smemv_parse },
	{ "memcached", 11211, no_setup, mc_get, mc_set, mc_parse },
	{ "memcached-text", 11211, no_setup, mct_get, mct_set, mct_parse },
	{ "redis", 6379, no_setup, redis_get, redis_set, redis_parse },
};

const struct proto *proto_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(protos) / sizeof(protos[0]); i++)
		if (!strcmp(protos[i].name, name))
			return &protos[i];
	return NULL;
}
