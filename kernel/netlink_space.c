// SPDX-License-Identifier: GPL-2.0-only
#include "netlink_space.h"

struct netlink_range_validation smemv_nl_deadline_range = {
	.min = SMEMV_DEADLINE_MIN_MS, .max = SMEMV_DEADLINE_MAX_MS,
};

int smemv_nl_put_servers(struct sk_buff *skb, int attr,
			 const struct smemv_space *space)
{
	struct nlattr *nest = nla_nest_start(skb, attr);
	u32 i;

	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < space->nr_binds; i++)
		if (space->bind[i].server &&
		    nla_put_string(skb, SMEMV_A_SERVER_NAME,
				   space->bind[i].server->name))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

int smemv_nl_put_where(struct sk_buff *skb, int attr,
		       const struct smemv_space *space)
{
	struct nlattr *nest;
	u32 i;

	for (i = 0; i < space->nr_binds; i++) {
		const struct smemv_bind *bind = &space->bind[i];
		u64 pages = atomic64_read(&bind->pages);

		if (!pages)
			continue;
		nest = nla_nest_start(skb, attr);
		if (!nest ||
		    nla_put_string(skb, SMEMV_A_SERVER_NAME,
				   bind->server->name) ||
		    nla_put_u64_64bit(skb, SMEMV_A_SERVER_PAGES, pages,
				      SMEMV_A_SERVER_PAD))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return 0;
}

int smemv_nl_put_counters(struct sk_buff *skb, int attr, int pad,
			  const struct smemv_space *space)
{
	struct nlattr *counters = nla_reserve_64bit(skb, attr,
						    SMEMV_PC__MAX * sizeof(u64),
						    pad);

	if (!counters)
		return -EMSGSIZE;
	smemv_stats_sum(nla_data(counters), space->stats,
			offsetof(struct smemv_space_stats, count),
			SMEMV_PC__MAX);
	return 0;
}

static int add_server(struct genl_info *info, struct smemv_space_config *config,
		      struct smemv_server *server, const struct nlattr *attr)
{
	u32 i;

	if (!server)
		return smemv_nl_error(info, -ENOENT,
				      "there is no server of this name", attr);
	for (i = 0; i < config->nr_servers; i++)
		if (config->server[i] == server)
			return smemv_nl_error(info, -EINVAL,
					      "a server is named twice", attr);
	if (server->draining)
		return smemv_nl_error(info, -EINVAL,
				      "a server is or was drained and takes no pages; delete it and add it again",
				      attr);
	if (config->nr_servers == SMEMV_MAX_SETS)
		return smemv_nl_error(info, -E2BIG,
				      "64 servers can be used at most", attr);
	config->server[config->nr_servers++] = server;
	return 0;
}

static int named_servers(struct genl_info *info, const struct nlattr *nest,
			 struct smemv_space_config *config)
{
	struct smemv_ns *ns = info->user_ptr[0];
	const struct nlattr *attr;
	int rem, err;

	nla_for_each_nested(attr, nest, rem) {
		if (nla_type(attr) != SMEMV_A_SERVER_NAME || nla_len(attr) < 2 ||
		    nla_len(attr) > SMEMV_NAME_LEN ||
		    ((char *)nla_data(attr))[nla_len(attr) - 1])
			return smemv_nl_error(info, -EINVAL,
					      "not a server's name", attr);
		err = add_server(info, config,
				 smemv_server_find(ns, nla_data(attr)), attr);
		if (err)
			return err;
	}
	return 0;
}

int smemv_nl_pick_servers(struct genl_info *info, const struct nlattr *nest,
			  struct smemv_space_config *config)
{
	struct smemv_ns *ns = info->user_ptr[0];
	struct smemv_server *server;
	int err = 0;

	if (nest) {
		err = named_servers(info, nest, config);
	} else {
		list_for_each_entry(server, &ns->servers, link)
			if (!err && !server->draining)
				err = add_server(info, config, server, NULL);
	}
	if (!err && !config->nr_servers)
		err = smemv_nl_error(info, -ENODEV,
				     "there is no memory server; add one first (smemv server add)",
				     nest);
	return err;
}
