/* SPDX-License-Identifier: GPL-2.0-only */
/* What the load generator knows of a protocol: how to write requests, how to read replies. */
#ifndef MEMLOAD_PROTO_H
#define MEMLOAD_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VALUE_SIZE	4096u
#define REQUEST_MAX	(VALUE_SIZE + 256)

enum reply_kind { REPLY_PARTLY = 0, REPLY_VALUE, REPLY_DONE, REPLY_MISS, REPLY_BAD };

struct reply {
	enum reply_kind kind;
	size_t len;		/* of the whole reply */
	const uint8_t *value;	/* of REPLY_VALUE: VALUE_SIZE bytes */
};

struct proto {
	const char *name;
	uint16_t port;
	/* Blocking, once for each connection; returns 0 or -1. */
	int (*setup)(int fd, unsigned int lane);
	size_t (*put_get)(uint8_t *to, uint32_t key, uint32_t tag);
	size_t (*put_set)(uint8_t *to, uint32_t key, uint32_t tag);
	/* Looks at the first reply in the buffer. */
	struct reply (*parse)(const uint8_t *from, size_t len);
};

const struct proto *proto_find(const char *name);

/* The content of a key: every byte depends on it. */
void value_fill(void *to, uint32_t key);
bool value_check(const void *from, uint32_t key);

#endif
