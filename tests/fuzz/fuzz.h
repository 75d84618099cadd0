/* SPDX-License-Identifier: GPL-2.0-only */
/* What the fuzz targets share. */
#ifndef SMEMV_FUZZ_H
#define SMEMV_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(x) do { \
	if (!(x)) { \
		fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, \
			__LINE__, #x); \
		abort(); \
	} \
} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
