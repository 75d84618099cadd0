/* SPDX-License-Identifier: GPL-2.0-only */
/* Reader of the test vectors, see tests/vectors/README.md. */
#ifndef SMEMV_TEST_VECTORS_H
#define SMEMV_TEST_VECTORS_H

#include <stddef.h>
#include <stdint.h>

/* "hdr.tag 0xa" is the key "hdr.tag" and the text "0xa" */
struct vector_line {
	char key[64];
	char text[80];
};

struct vector {
	char name[96];
	char expect[32];
	struct vector_line *lines;
	size_t n_lines;
	uint8_t *bytes;
	size_t n_bytes;
};

/* Both end the program with a message when a file is not in the format. */
struct vector *vectors_read(const char *directory, size_t *n);
void vectors_free(struct vector *v, size_t n);

#endif
