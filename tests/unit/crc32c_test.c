// SPDX-License-Identifier: GPL-2.0-only
/* kernel/core/crc32c.c: both implementations, whichever is the quicker one here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/crc32c.h"

static void crc32c_is_the_known_one(void **state)
{
	uint8_t page[4096] = { 0 };

	(void)state;
	assert_int_equal(~smemv_crc32c(~0u, "123456789", 9), 0xe3069283);
	assert_int_equal(smemv_crc32c_page(page), 0x98f94189);
}

static u32 crc32c_bit_by_bit(u32 crc, const u8 *data, size_t len)
{
	int bit;

	while (len--) {
		crc ^= *data++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* The shim chooses between implementations by length; at any alignment. */
static void crc32c_is_right_at_every_length(void **state)
{
	static u8 data[4224 + 8];
	size_t len, i;

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 167 + i / 256);
	for (len = 0; len <= 4224; len += len < 300 ? 1 : 61) {
		const u8 *from = data + len % 8;

		assert_int_equal(smemv_crc32c(~0u, from, len),
				 crc32c_bit_by_bit(~0u, from, len));
		assert_int_equal(smemv_crc32c(0x12345678, from, len),
				 crc32c_bit_by_bit(0x12345678, from, len));
		assert_int_equal(smemv_crc32c_tables(0x12345678, from, len),
				 crc32c_bit_by_bit(0x12345678, from, len));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_is_the_known_one),
		cmocka_unit_test(crc32c_is_right_at_every_length),
	};

	smemv_crc32c_init();
	smemv_crc32c_by_tables = false;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
