/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracing API differences between the supported kernels. */
#ifndef SMEMV_COMPAT_TRACE_H
#define SMEMV_COMPAT_TRACE_H

#include <linux/version.h>

/* 6.10: __assign_str() takes the source from __string(). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define smemv_compat_assign_str(dst, src)	__assign_str(dst)
#else
#define smemv_compat_assign_str(dst, src)	__assign_str(dst, src)
#endif

#endif
