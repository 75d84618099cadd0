/* SPDX-License-Identifier: GPL-2.0-only */
/* Generic netlink API differences between the supported kernels. */
#ifndef SMEMV_COMPAT_GENL_H
#define SMEMV_COMPAT_GENL_H

#include <linux/version.h>
#include <net/genetlink.h>

/* 6.2: pre_doit and post_doit get a split op. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define smemv_compat_pre_doit_ops	const struct genl_split_ops
#else
#define smemv_compat_pre_doit_ops	const struct genl_ops
#endif

/* 6.6: a dump has its attributes in a struct genl_info. */
static inline struct nlattr **smemv_compat_dump_attrs(struct netlink_callback *cb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	return genl_info_dump(cb)->attrs;
#else
	return genl_dumpit_info(cb)->attrs;
#endif
}

/* Who may join a multicast group; 6.7 (and later 6.1 stable) can ask for more. */
#if defined(GENL_MCAST_CAP_SYS_ADMIN)
#define SMEMV_COMPAT_MCAST_ADMIN \
	.flags = GENL_MCAST_CAP_SYS_ADMIN | GENL_MCAST_CAP_NET_ADMIN
#else
#define SMEMV_COMPAT_MCAST_ADMIN	.flags = GENL_UNS_ADMIN_PERM
#endif

#endif
