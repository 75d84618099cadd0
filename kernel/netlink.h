/* SPDX-License-Identifier: GPL-2.0-only */
/* The generic netlink family, see uapi/smemv.h. One file for each object. */
#ifndef SMEMV_NETLINK_H
#define SMEMV_NETLINK_H

#include <net/genetlink.h>
#include <net/sock.h>

#include "ns.h"

extern struct genl_family smemv_genl_family;

int smemv_netlink_init(void);
void smemv_netlink_uninit(void);

/* Sets the extended-ack text (static) and attribute (or NULL); returns err. */
int smemv_nl_error(struct genl_info *info, int err, const char *why,
		   const struct nlattr *attr);

/* 0, or an errno with the extended ack set: not a name that may be given. */
int smemv_nl_check_name(struct genl_info *info, const struct nlattr *attr);

/*
 * The end of each part of a dump of one of @ns' lists, whose position is a number of entries: where
 * one was removed between two parts, another is passed over, and the reader is told to begin anew.
 * @full: there was no room for the next entry. Under ns->lock; returns what dumpit() has to.
 */
int smemv_nl_end_part(const struct smemv_ns *ns, struct sk_buff *skb,
		      struct netlink_callback *cb, bool full);

/* Refuses dumps by those who may not use the family. */
int smemv_nl_start(struct netlink_callback *cb);

extern const struct nla_policy smemv_nl_server_policy[];
int smemv_nl_server_add(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_server_del(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_server_drain(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_server_get(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_server_dump(struct sk_buff *skb, struct netlink_callback *cb);

extern const struct nla_policy smemv_nl_swap_policy[];
int smemv_nl_swap_add(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_swap_set(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_swap_del(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_swap_get(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_swap_dump(struct sk_buff *skb, struct netlink_callback *cb);

extern const struct nla_policy smemv_nl_vm_policy[];
int smemv_nl_vm_add(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_vm_set(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_vm_del(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_vm_evict(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_vm_populate(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_vm_attach(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_vm_get(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_vm_dump(struct sk_buff *skb, struct netlink_callback *cb);

extern const struct nla_policy smemv_nl_scan_policy[];
int smemv_nl_scan_start(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_scan_stop(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_scan_get(struct sk_buff *skb, struct genl_info *info);
int smemv_nl_scan_dump(struct sk_buff *skb, struct netlink_callback *cb);
int smemv_nl_scan_ranges_start(struct netlink_callback *cb);
int smemv_nl_scan_ranges(struct sk_buff *skb, struct netlink_callback *cb);

#endif
