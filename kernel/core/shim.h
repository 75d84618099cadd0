/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few kernel things that pure code uses, for both worlds: the same files
 * are built into smemv.ko, the memory server and the unit tests.
 */
#ifndef SMEMV_CORE_SHIM_H
#define SMEMV_CORE_SHIM_H

#ifdef __KERNEL__

#include <linux/types.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/string.h>
#include <linux/crc32c.h>
#include <linux/ktime.h>
#include <asm/byteorder.h>

#define SMEMV_INIT		__init
#define SMEMV_RO_AFTER_INIT	__ro_after_init

#define smemv_platform_crc32c(crc, data, len)	crc32c(crc, data, len)
#define smemv_now_ns()				ktime_get_ns()

#else

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <linux/types.h>
#include <isa-l/crc.h>

#define SMEMV_INIT
#define SMEMV_RO_AFTER_INIT

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define le16_to_cpu(x)	le16toh(x)
#define le32_to_cpu(x)	le32toh(x)
#define le64_to_cpu(x)	le64toh(x)
#define cpu_to_le16(x)	htole16(x)
#define cpu_to_le32(x)	htole32(x)
#define cpu_to_le64(x)	htole64(x)

#if defined(__x86_64__)
/* isa-l starts slowly: of a header the CPU's own instruction takes a fifth of the time. */
__attribute__((target("sse4.2")))
static inline u32 smemv_crc32c_short(u32 crc, const u8 *data, size_t len)
{
	u64 word, sum = crc;

	for (; len >= sizeof(word); len -= sizeof(word), data += sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		sum = __builtin_ia32_crc32di(sum, word);
	}
	for (; len; len--)
		sum = __builtin_ia32_crc32qi((u32)sum, *data++);
	return (u32)sum;
}

#define smemv_crc32c_is_short(len) \
	((len) <= 128 && __builtin_cpu_supports("sse4.2"))
#else
#define smemv_crc32c_is_short(len)		false
#define smemv_crc32c_short(crc, data, len)	(crc)
#endif

static inline u32 smemv_platform_crc32c(u32 crc, const void *data, size_t len)
{
	if (smemv_crc32c_is_short(len))
		return smemv_crc32c_short(crc, data, len);
	return crc32_iscsi((unsigned char *)(uintptr_t)data, (int)len, crc);
}

static inline u64 smemv_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

#endif

/* Has @value computed although nobody uses it. */
#define SMEMV_KEEP(value)	__asm__ volatile("" : : "r"(value))

#endif
