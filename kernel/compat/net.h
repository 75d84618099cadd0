/* SPDX-License-Identifier: GPL-2.0-only */
/* Socket API differences between the supported kernels. */
#ifndef SMEMV_COMPAT_NET_H
#define SMEMV_COMPAT_NET_H

#include <linux/net.h>
#include <linux/random.h>
#include <linux/version.h>
#include <net/sock.h>

/* 6.19: kernel_connect() takes struct sockaddr_unsized. */
static inline int smemv_compat_connect(struct socket *sock,
				       struct sockaddr_storage *addr, int len)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	return kernel_connect(sock, (struct sockaddr_unsized *)addr, len, 0);
#else
	return kernel_connect(sock, (struct sockaddr *)addr, len, 0);
#endif
}

/*
 * 6.2: sk_page_frag() looks at this flag instead of sk_allocation. A socket
 * that is used under reclaim must not use the task's fragment.
 */
static inline void smemv_compat_no_task_frag(struct sock *sk)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	sk->sk_use_task_frag = false;
#endif
}

/* 6.2: get_random_u32_below() replaces prandom_u32_max(). */
static inline u32 smemv_compat_random_below(u32 ceil)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	return get_random_u32_below(ceil);
#else
	return prandom_u32_max(ceil);
#endif
}

#endif
