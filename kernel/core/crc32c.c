// SPDX-License-Identifier: GPL-2.0-only
/*
 * A processor with instructions for CRC32C does a page in 0.05 us; a processor
 * without, or one that is emulated and takes such an instruction bit by bit,
 * is many times quicker with tables. So both are timed once and the quicker one
 * is used, as the kernel does for RAID (lib/raid6/algos.c).
 *
 * The tables take eight bytes at a time: Kounavis and Berry, "A Systematic
 * Approach to Building High Performance, Software-based, CRC Generators" (2005).
 */
#include "crc32c.h"

#define POLYNOMIAL	0x82f63b78u	/* Castagnoli's, reflected */
#define STEP		8		/* bytes */
#define TIMED_ROUNDS	5
#define PAGE_BYTES	4096

bool smemv_crc32c_by_tables SMEMV_RO_AFTER_INIT;

/* table[n][b]: the CRC of byte b followed by n bytes of zeros */
static u32 table[STEP][256] SMEMV_RO_AFTER_INIT;

static u32 byte_by_bits(u32 byte)
{
	u32 bit;

	for (bit = 0; bit < 8; bit++)
		byte = byte >> 1 ^ (byte & 1 ? POLYNOMIAL : 0);
	return byte;
}

static void SMEMV_INIT make_tables(void)
{
	u32 byte, n;

	for (byte = 0; byte < 256; byte++)
		table[0][byte] = byte_by_bits(byte);
	for (n = 1; n < STEP; n++)
		for (byte = 0; byte < 256; byte++)
			table[n][byte] = table[n - 1][byte] >> 8 ^
					 table[0][table[n - 1][byte] & 0xff];
}

u32 smemv_crc32c_tables(u32 crc, const void *data, size_t len)
{
	const u8 *at = data;
	__le64 bytes;
	u64 word;

	for (; len >= STEP; len -= STEP, at += STEP) {
		memcpy(&bytes, at, STEP);
		word = le64_to_cpu(bytes) ^ crc;
		crc = table[7][word & 0xff] ^ table[6][word >> 8 & 0xff] ^
		      table[5][word >> 16 & 0xff] ^ table[4][word >> 24 & 0xff] ^
		      table[3][word >> 32 & 0xff] ^ table[2][word >> 40 & 0xff] ^
		      table[1][word >> 48 & 0xff] ^ table[0][word >> 56];
	}
	for (; len; len--)
		crc = crc >> 8 ^ table[0][(crc ^ *at++) & 0xff];
	return crc;
}

static u32 SMEMV_INIT by_platform(u32 crc, const void *data, size_t len)
{
	return smemv_platform_crc32c(crc, data, len);
}

/* The shortest of some rounds: what interrupts a round only lengthens it. */
static u64 SMEMV_INIT time_page(u32 (*crc32c)(u32, const void *, size_t))
{
	u64 shortest = ~0ULL;
	u32 round;

	for (round = 0; round < TIMED_ROUNDS; round++) {
		u64 start = smemv_now_ns(), took;
		u32 crc = crc32c(round, table, PAGE_BYTES);

		SMEMV_KEEP(crc);
		took = smemv_now_ns() - start;
		shortest = took < shortest ? took : shortest;
	}
	return shortest;
}

void SMEMV_INIT smemv_crc32c_init(void)
{
	make_tables();
	smemv_crc32c_by_tables = time_page(smemv_crc32c_tables) * 2 <
				 time_page(by_platform);
}
