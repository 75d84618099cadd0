// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bytes of a scan's history, eight at a time in one word.
 */
#include "ages.h"

_Static_assert(sizeof(unsigned long) == 8, "bitmaps are in words of 64 bits");

#define EACH_BYTE(byte)	((byte) * 0x0101010101010101ULL)

/* The bit that falls out of one byte must not fall into the next. */
void smemv_ages_shift(u8 *bytes, u32 nr)
{
	u64 *words = (u64 *)bytes;
	u32 i;

	for (i = 0; i < nr / 8; i++)
		words[i] = words[i] >> 1 & EACH_BYTE(0x7f);
}

/* Eight bits as eight bytes: the newest interval's bit where the bit is set. */
static u64 newest_of(u8 accessed)
{
	u64 one_each = EACH_BYTE(accessed) & 0x8040201008040201ULL;

	return (one_each + EACH_BYTE(0x7f)) & EACH_BYTE(SMEMV_AGE_NEWEST);
}

static u32 weight(u8 bits)
{
	return EACH_BYTE(newest_of(bits) >> 7) >> 56;
}

/* The loop is for pages that are neither new nor forgotten. */
static void count(u64 word, u8 accessed, u8 present, u64 *ages)
{
	ages[0] += weight(accessed);
	for (present &= ~accessed; present && word; present >>= 1, word >>= 8)
		if (present & 1)
			ages[smemv_age((u8)word)]++;
	ages[SMEMV_SCAN_AGES - 1] += weight(present);
}

/* Up to eight pages. */
static void merge(u8 *bytes, u32 nr, u8 accessed, u8 present, u64 *ages)
{
	u64 word = 0;

	memcpy(&word, bytes, nr);
	word |= newest_of(accessed);
	memcpy(bytes, &word, nr);
	count(word, accessed, present, ages);
}

static u8 eight_of(const unsigned long *bitmap, u32 page)
{
	return (u8)(bitmap[page / 64] >> page % 64);
}

void smemv_ages_merge(u8 *bytes, u32 nr, const unsigned long *accessed,
		      const unsigned long *present, u64 *ages)
{
	u8 some;
	u32 i;

	for (i = 0; i + 8 <= nr; i += 8)
		merge(bytes + i, 8, eight_of(accessed, i), eight_of(present, i), ages);
	if (i == nr)
		return;
	some = (u8)((1u << (nr - i)) - 1);
	merge(bytes + i, nr - i, eight_of(accessed, i) & some,
	      eight_of(present, i) & some, ages);
}
