/* SPDX-License-Identifier: GPL-2.0-only */
/* What swap disks and memory files say alike over netlink: the space below them. */
#ifndef SMEMV_NETLINK_SPACE_H
#define SMEMV_NETLINK_SPACE_H

#include "netlink.h"
#include "space.h"

extern struct netlink_range_validation smemv_nl_deadline_range;

/* A nest of the names of the space's servers. */
int smemv_nl_put_servers(struct sk_buff *skb, int attr,
			 const struct smemv_space *space);

/* For each server with pages of the space a nest of its name and their number. */
int smemv_nl_put_where(struct sk_buff *skb, int attr,
		       const struct smemv_space *space);

int smemv_nl_put_counters(struct sk_buff *skb, int attr, int pad,
			  const struct smemv_space *space);

/* Fills in config->size_pages. 0, or an errno with the extended ack set. */
int smemv_nl_pick_size(struct genl_info *info, const struct nlattr *attr,
		       struct smemv_space_config *config);

/*
 * Fills in config->server, room for SMEMV_MAX_SETS: those that the nest names,
 * all there are without one. Under ns->lock. 0, or an errno with the extended
 * ack set.
 */
int smemv_nl_pick_servers(struct genl_info *info, const struct nlattr *nest,
			  struct smemv_space_config *config);

#endif
