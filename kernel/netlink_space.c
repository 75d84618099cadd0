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

int smemv_nl_pick_size(struct genl_info *info, const struct nlattr *attr,
		       struct smemv_space_config *config)
{
	u64 size;

	if (!attr)
		return smemv_nl_error(info, -EINVAL, "a size is needed", NULL);
	size = nla_get_u64(attr);
	if (size % PAGE_SIZE)
		return smemv_nl_error(info, -EINVAL,
				      "the size must be a multiple of 4096", attr);
	if (size < SMEMV_SPACE_SIZE_MIN || size > SMEMV_SPACE_SIZE_MAX)
		return smemv_nl_error(info, -ERANGE,
				      "the size must be between 1 MiB and 4 PiB",
				      attr);
	config->size_pages = size >> PAGE_SHIFT;
	return 0;
}

static int named_server(struct genl_info *info, const struct nlattr *attr,
			struct smemv_space_config *config)
{
	struct smemv_server *server;
	const char *why = NULL;
	int err;

	if (nla_type(attr) != SMEMV_A_SERVER_NAME || nla_len(attr) < 2 ||
	    nla_len(attr) > SMEMV_NAME_LEN ||
	    ((char *)nla_data(attr))[nla_len(attr) - 1])
		return smemv_nl_error(info, -EINVAL, "not a server's name", attr);
	server = smemv_server_find(info->user_ptr[0], nla_data(attr));
	if (!server)
		return smemv_nl_error(info, -ENOENT,
				      "there is no server of this name", attr);
	err = smemv_space_config_add(config, server, &why);
	return err ? smemv_nl_error(info, err, why, attr) : 0;
}

int smemv_nl_pick_servers(struct genl_info *info, const struct nlattr *nest,
			  struct smemv_space_config *config)
{
	const struct nlattr *attr;
	const char *why = NULL;
	int rem, err;

	if (nest) {
		nla_for_each_nested(attr, nest, rem) {
			err = named_server(info, attr, config);
			if (err)
				return err;
		}
		return config->nr_servers ? 0 :
			smemv_nl_error(info, -EINVAL, "no server is named", nest);
	}
	err = smemv_space_config_add_all(config, info->user_ptr[0], &why);
	return err ? smemv_nl_error(info, err, why, NULL) : 0;
}
