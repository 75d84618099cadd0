// SPDX-License-Identifier: GPL-2.0-only
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/slab.h>

#include "drain.h"
#include "netlink.h"
#include "netlink_space.h"

static struct netlink_range_validation lanes_range = {
	.min = 1, .max = SMEMV_WIRE_MAX_LANES,
};

static struct netlink_range_validation timeout_range = {
	.min = SMEMV_TIMEOUT_MIN_MS, .max = SMEMV_TIMEOUT_MAX_MS,
};

const struct nla_policy smemv_nl_server_policy[SMEMV_A_SERVER_MAX + 1] = {
	[SMEMV_A_SERVER_NAME] = { .type = NLA_NUL_STRING,
				  .len = SMEMV_NAME_LEN - 1 },
	[SMEMV_A_SERVER_ADDR] = NLA_POLICY_MIN_LEN(sizeof(struct sockaddr_in)),
	[SMEMV_A_SERVER_LIMIT] = { .type = NLA_U64 },
	[SMEMV_A_SERVER_LANES] = NLA_POLICY_FULL_RANGE(NLA_U32, &lanes_range),
	[SMEMV_A_SERVER_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32,
							 &timeout_range),
	[SMEMV_A_SERVER_TO] = { .type = NLA_NESTED },
	[SMEMV_A_SERVER_STOP] = { .type = NLA_FLAG },
};

static int check_addr(struct genl_info *info, const struct nlattr *attr)
{
	const struct sockaddr_in6 *addr6;
	const struct sockaddr_in *addr;

	if (!attr)
		return smemv_nl_error(info, -EINVAL,
				      "the server's address is needed", NULL);
	addr = nla_data(attr);
	addr6 = nla_data(attr);
	if (addr->sin_family == AF_INET && nla_len(attr) == sizeof(*addr) &&
	    addr->sin_port)
		return 0;
	if (addr->sin_family == AF_INET6 && nla_len(attr) == sizeof(*addr6) &&
	    addr6->sin6_port)
		return 0;
	return smemv_nl_error(info, -EINVAL,
			      "the address is not one of IPv4 or IPv6 with a port",
			      attr);
}

static u32 u32_or_0(const struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
}

int smemv_nl_server_add(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	struct nlattr *limit = attrs[SMEMV_A_SERVER_LIMIT];
	struct smemv_server_config config = {};
	struct smemv_server *server;
	const char *why = NULL;
	int err = smemv_nl_check_name(info, attrs[SMEMV_A_SERVER_NAME]);

	if (!err)
		err = check_addr(info, attrs[SMEMV_A_SERVER_ADDR]);
	if (err)
		return err;
	if (limit && nla_get_u64(limit) && nla_get_u64(limit) < PAGE_SIZE)
		return smemv_nl_error(info, -EINVAL,
				      "the limit is less than a page", limit);
	config.name = nla_data(attrs[SMEMV_A_SERVER_NAME]);
	config.addr = nla_data(attrs[SMEMV_A_SERVER_ADDR]);
	config.addr_len = nla_len(attrs[SMEMV_A_SERVER_ADDR]);
	config.limit_pages = limit ? nla_get_u64(limit) >> PAGE_SHIFT : 0;
	config.lanes = u32_or_0(attrs[SMEMV_A_SERVER_LANES]);
	config.timeout_ms = u32_or_0(attrs[SMEMV_A_SERVER_TIMEOUT]);
	server = smemv_server_add(info->user_ptr[0], &config, &why);
	if (IS_ERR(server))
		return smemv_nl_error(info, PTR_ERR(server), why,
				      attrs[SMEMV_A_SERVER_ADDR]);
	return 0;
}

static struct smemv_server *named(struct genl_info *info, int *err)
{
	struct nlattr *name = info->attrs[SMEMV_A_SERVER_NAME];
	struct smemv_server *server;

	*err = smemv_nl_check_name(info, name);
	if (*err)
		return NULL;
	server = smemv_server_find(info->user_ptr[0], nla_data(name));
	if (!server)
		*err = smemv_nl_error(info, -ENOENT,
				      "there is no server of this name", name);
	return server;
}

int smemv_nl_server_del(struct sk_buff *skb, struct genl_info *info)
{
	struct smemv_server *server;
	const char *why = NULL;
	int err;

	server = named(info, &err);
	if (!server)
		return err;
	if (server->draining && !atomic64_read(&server->pages))
		err = smemv_server_leave_spaces(server, &why);
	if (!err)
		err = smemv_server_del(server, &why);
	return err ? smemv_nl_error(info, err, why,
				    info->attrs[SMEMV_A_SERVER_NAME]) : 0;
}

/* Borrows what swap disks and memory files use to name servers. */
static int drain_to(struct genl_info *info, struct smemv_server *server)
{
	struct nlattr *nest = info->attrs[SMEMV_A_SERVER_TO];
	struct smemv_space_config config = {};
	const char *why = NULL;
	int err = 0;

	config.server = kcalloc(SMEMV_MAX_SETS, sizeof(*config.server),
				GFP_KERNEL);
	if (!config.server)
		return -ENOMEM;
	if (nest)
		err = smemv_nl_pick_servers(info, nest, &config);
	if (!err) {
		err = smemv_server_drain(server, config.server,
					 config.nr_servers, &why);
		if (err)
			smemv_nl_error(info, err, why, nest);
	}
	kfree(config.server);
	return err;
}

int smemv_nl_server_drain(struct sk_buff *skb, struct genl_info *info)
{
	struct smemv_server *server;
	int err;

	server = named(info, &err);
	if (!server)
		return err;
	if (!info->attrs[SMEMV_A_SERVER_STOP])
		return drain_to(info, server);
	smemv_server_drain_stop(server);
	return 0;
}

static int put_counters(struct sk_buff *skb, const struct smemv_server *server)
{
	const struct {
		int attr;
		size_t offset;
		unsigned int n;
	} parts[] = {
		{ SMEMV_A_SERVER_COUNTERS,
		  offsetof(struct smemv_server_stats, count), SMEMV_SC__MAX },
		{ SMEMV_A_SERVER_LOAD_LATENCY,
		  offsetof(struct smemv_server_stats, load_latency),
		  SMEMV_LATENCY_BUCKETS },
		{ SMEMV_A_SERVER_STORE_LATENCY,
		  offsetof(struct smemv_server_stats, store_latency),
		  SMEMV_LATENCY_BUCKETS },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		struct nlattr *attr = nla_reserve_64bit(skb, parts[i].attr,
							parts[i].n * sizeof(u64),
							SMEMV_A_SERVER_PAD);

		if (!attr)
			return -EMSGSIZE;
		smemv_stats_sum(nla_data(attr), server->stats, parts[i].offset,
				parts[i].n);
	}
	return 0;
}

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, SMEMV_A_SERVER_PAD);
}

static int fill_attrs(struct sk_buff *skb, struct smemv_server *server)
{
	const char *why = READ_ONCE(server->drain_why);
	u64 used = atomic64_read(&server->pages);

	if (nla_put_string(skb, SMEMV_A_SERVER_NAME, server->name) ||
	    nla_put(skb, SMEMV_A_SERVER_ADDR, server->addr_len, &server->addr) ||
	    put_u64(skb, SMEMV_A_SERVER_LIMIT,
		    server->limit_pages << PAGE_SHIFT) ||
	    nla_put_u32(skb, SMEMV_A_SERVER_LANES, server->nr_lanes) ||
	    nla_put_u32(skb, SMEMV_A_SERVER_TIMEOUT, server->timeout_ms) ||
	    nla_put_u32(skb, SMEMV_A_SERVER_STATE, smemv_server_state(server)) ||
	    nla_put_u32(skb, SMEMV_A_SERVER_LANES_UP,
			atomic_read(&server->up)) ||
	    nla_put(skb, SMEMV_A_SERVER_ID, 16, server->server_id) ||
	    put_u64(skb, SMEMV_A_SERVER_CAPACITY,
		    server->capacity_pages << PAGE_SHIFT) ||
	    put_u64(skb, SMEMV_A_SERVER_FREE,
		    READ_ONCE(server->free_pages) << PAGE_SHIFT) ||
	    put_u64(skb, SMEMV_A_SERVER_PAGES, used) ||
	    nla_put_u32(skb, SMEMV_A_SERVER_INFLIGHT,
			smemv_server_inflight(server)) ||
	    nla_put_u32(skb, SMEMV_A_SERVER_DRAINS,
			atomic_read(&server->drains)) ||
	    (why && nla_put_string(skb, SMEMV_A_SERVER_DRAIN_WHY, why)))
		return -EMSGSIZE;
	return put_counters(skb, server);
}

static int fill(struct sk_buff *skb, struct smemv_server *server, u32 portid,
		u32 seq, int flags)
{
	void *hdr = genlmsg_put(skb, portid, seq, &smemv_genl_family, flags,
				SMEMV_CMD_SERVER_GET);

	if (!hdr)
		return -EMSGSIZE;
	if (fill_attrs(skb, server)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

int smemv_nl_server_get(struct sk_buff *skb, struct genl_info *info)
{
	struct smemv_server *server;
	struct sk_buff *reply;
	int err;

	server = named(info, &err);
	if (!server)
		return err;
	reply = genlmsg_new(NLMSG_DEFAULT_SIZE + sizeof(*server->stats),
			    GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	err = fill(reply, server, info->snd_portid, info->snd_seq, 0);
	if (err) {
		nlmsg_free(reply);
		return err;
	}
	return genlmsg_reply(reply, info);
}

int smemv_nl_server_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct smemv_ns *ns = smemv_ns(sock_net(skb->sk));
	struct smemv_server *server;
	bool full = false;
	long i = 0;
	int len;

	mutex_lock(&ns->lock);
	list_for_each_entry(server, &ns->servers, link) {
		if (i++ < cb->args[0])
			continue;
		full = fill(skb, server, NETLINK_CB(cb->skb).portid,
			    cb->nlh->nlmsg_seq, NLM_F_MULTI);
		if (full)
			break;
		cb->args[0]++;
	}
	len = smemv_nl_end_part(ns, skb, cb, full);
	mutex_unlock(&ns->lock);
	return len;
}
