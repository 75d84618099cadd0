/* SPDX-License-Identifier: GPL-2.0-only */
/* CRC32C as in iSCSI and ext4, by the quicker of two implementations. */
#ifndef SMEMV_CORE_CRC32C_H
#define SMEMV_CORE_CRC32C_H

#include "shim.h"

/* Set once by smemv_crc32c_init(), before anything runs side by side. */
extern bool smemv_crc32c_by_tables;

/**
 * smemv_crc32c_init() - time both implementations, choose
 *
 * Call it once, first; without it the platform's is used. Some 0.1 ms.
 */
void smemv_crc32c_init(void);

u32 smemv_crc32c_tables(u32 crc, const void *data, size_t len);

/* Neither inverts @crc at the start nor the result. */
static inline u32 smemv_crc32c(u32 crc, const void *data, size_t len)
{
	return smemv_crc32c_by_tables ? smemv_crc32c_tables(crc, data, len) :
					smemv_platform_crc32c(crc, data, len);
}

/* Starts and ends inverted, as everywhere on the wire. */
static inline u32 smemv_crc32c_page(const void *page)
{
	return ~smemv_crc32c(~0u, page, 4096);
}

#endif
