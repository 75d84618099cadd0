// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>

#include "netlink.h"
#include "netlink_space.h"
#include "swapdisk.h"

static struct netlink_range_validation queues_range = {
	.min = 1, .max = SMEMV_SWAP_QUEUES_MAX,
};

const struct nla_policy smemv_nl_swap_policy[SMEMV_A_SWAP_MAX + 1] = {
	[SMEMV_A_SWAP_NAME] = { .type = NLA_NUL_STRING,
				.len = SMEMV_NAME_LEN - 1 },
	[SMEMV_A_SWAP_SIZE] = { .type = NLA_U64 },
	[SMEMV_A_SWAP_SERVERS] = { .type = NLA_NESTED },
	[SMEMV_A_SWAP_POLICY] = NLA_POLICY_MAX(NLA_U32, __SMEMV_POLICY_END - 1),
	[SMEMV_A_SWAP_DEADLINE] = NLA_POLICY_FULL_RANGE(NLA_U32,
							&smemv_nl_deadline_range),
	[SMEMV_A_SWAP_QUEUES] = NLA_POLICY_FULL_RANGE(NLA_U32, &queues_range),
};

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, SMEMV_A_SWAP_PAD);
}

static int fill_attrs(struct sk_buff *skb, const struct smemv_swapdisk *d)
{
	const struct smemv_space *space = d->space;
	char dev[16];

	snprintf(dev, sizeof(dev), "/dev/smemv%d", d->index);
	if (nla_put_string(skb, SMEMV_A_SWAP_NAME, space->name) ||
	    put_u64(skb, SMEMV_A_SWAP_SIZE, space->size_pages << PAGE_SHIFT) ||
	    nla_put_u32(skb, SMEMV_A_SWAP_POLICY, space->policy) ||
	    nla_put_u32(skb, SMEMV_A_SWAP_DEADLINE, space->deadline_ms) ||
	    nla_put_u32(skb, SMEMV_A_SWAP_QUEUES, d->tags.nr_hw_queues) ||
	    nla_put_string(skb, SMEMV_A_SWAP_DEV, dev) ||
	    nla_put_u32(skb, SMEMV_A_SWAP_OPENERS, disk_openers(d->disk)) ||
	    nla_put(skb, SMEMV_A_SWAP_UUID, 16, space->uuid) ||
	    put_u64(skb, SMEMV_A_SWAP_EPOCH, space->epoch) ||
	    put_u64(skb, SMEMV_A_SWAP_PAGES,
		    atomic64_read(&space->map.remote)) ||
	    put_u64(skb, SMEMV_A_SWAP_LOST, atomic64_read(&space->map.lost)) ||
	    nla_put_u32(skb, SMEMV_A_SWAP_WAITING,
			atomic_read(&space->nr_parked)) ||
	    smemv_nl_put_servers(skb, SMEMV_A_SWAP_SERVERS, space) ||
	    smemv_nl_put_where(skb, SMEMV_A_SWAP_WHERE, space))
		return -EMSGSIZE;
	return smemv_nl_put_counters(skb, SMEMV_A_SWAP_COUNTERS,
				     SMEMV_A_SWAP_PAD, space);
}

static int fill(struct sk_buff *skb, const struct smemv_swapdisk *d,
		u32 portid, u32 seq, int flags)
{
	void *hdr = genlmsg_put(skb, portid, seq, &smemv_genl_family, flags,
				SMEMV_CMD_SWAP_GET);

	if (!hdr)
		return -EMSGSIZE;
	if (fill_attrs(skb, d)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

static int reply_with(struct genl_info *info, const struct smemv_swapdisk *d)
{
	struct sk_buff *reply;
	int err;

	reply = genlmsg_new(NLMSG_DEFAULT_SIZE + d->space->nr_binds * 128,
			    GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	err = fill(reply, d, info->snd_portid, info->snd_seq, 0);
	if (err) {
		nlmsg_free(reply);
		return err;
	}
	return genlmsg_reply(reply, info);
}

static int fill_config(struct genl_info *info,
		       struct smemv_swapdisk_config *config)
{
	struct nlattr **attrs = info->attrs;
	int err = smemv_nl_pick_size(info, attrs[SMEMV_A_SWAP_SIZE],
				     &config->space);

	if (!err && attrs[SMEMV_A_SWAP_NAME]) {
		err = smemv_nl_check_name(info, attrs[SMEMV_A_SWAP_NAME]);
		config->space.name = nla_data(attrs[SMEMV_A_SWAP_NAME]);
	}
	if (!err)
		err = smemv_nl_pick_servers(info,
					    attrs[SMEMV_A_SWAP_SERVERS],
					    &config->space);
	config->space.policy = attrs[SMEMV_A_SWAP_POLICY] ?
			       nla_get_u32(attrs[SMEMV_A_SWAP_POLICY]) :
			       SMEMV_POLICY_ERROR;
	config->space.deadline_ms = attrs[SMEMV_A_SWAP_DEADLINE] ?
				    nla_get_u32(attrs[SMEMV_A_SWAP_DEADLINE]) :
				    SMEMV_DEADLINE_DEFAULT_MS;
	config->queues = attrs[SMEMV_A_SWAP_QUEUES] ?
			 nla_get_u32(attrs[SMEMV_A_SWAP_QUEUES]) : 0;
	return err;
}

int smemv_nl_swap_add(struct sk_buff *skb, struct genl_info *info)
{
	struct smemv_swapdisk_config config = {};
	const char *why = NULL;
	struct smemv_swapdisk *d;
	int err;

	config.space.server = kcalloc(SMEMV_MAX_SETS,
				      sizeof(*config.space.server), GFP_KERNEL);
	if (!config.space.server)
		return -ENOMEM;
	err = fill_config(info, &config);
	if (err)
		goto out;
	d = smemv_swapdisk_add(info->user_ptr[0], &config, &why);
	if (IS_ERR(d))
		err = smemv_nl_error(info, PTR_ERR(d), why, NULL);
	else
		err = reply_with(info, d);
out:
	kfree(config.space.server);
	return err;
}

static struct smemv_swapdisk *named(struct genl_info *info, int *err)
{
	struct nlattr *name = info->attrs[SMEMV_A_SWAP_NAME];
	struct smemv_swapdisk *d;

	*err = smemv_nl_check_name(info, name);
	if (*err)
		return NULL;
	d = smemv_swapdisk_find(info->user_ptr[0], nla_data(name));
	if (!d)
		*err = smemv_nl_error(info, -ENOENT,
				      "there is no swap disk of this name", name);
	return d;
}

int smemv_nl_swap_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *deadline = info->attrs[SMEMV_A_SWAP_DEADLINE];
	struct nlattr *policy = info->attrs[SMEMV_A_SWAP_POLICY];
	struct smemv_swapdisk *d;
	int err;

	d = named(info, &err);
	if (!d)
		return err;
	if (!policy && !deadline)
		return smemv_nl_error(info, -EINVAL, "nothing to change", NULL);
	if (policy)
		WRITE_ONCE(d->space->policy, nla_get_u32(policy));
	if (deadline)
		WRITE_ONCE(d->space->deadline_ms, nla_get_u32(deadline));
	smemv_space_kick(d->space);
	return 0;
}

int smemv_nl_swap_del(struct sk_buff *skb, struct genl_info *info)
{
	struct smemv_swapdisk *d;
	const char *why = NULL;
	int err;

	d = named(info, &err);
	if (!d)
		return err;
	err = smemv_swapdisk_del(d, &why);
	return err ? smemv_nl_error(info, err, why,
				    info->attrs[SMEMV_A_SWAP_NAME]) : 0;
}

int smemv_nl_swap_get(struct sk_buff *skb, struct genl_info *info)
{
	struct smemv_swapdisk *d;
	int err;

	d = named(info, &err);
	return d ? reply_with(info, d) : err;
}

int smemv_nl_swap_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct smemv_ns *ns = smemv_ns(sock_net(skb->sk));
	struct smemv_swapdisk *d;
	bool full = false;
	long i = 0;
	int len;

	mutex_lock(&ns->lock);
	list_for_each_entry(d, &ns->disks, link) {
		if (i++ < cb->args[0])
			continue;
		full = fill(skb, d, NETLINK_CB(cb->skb).portid,
			    cb->nlh->nlmsg_seq, NLM_F_MULTI);
		if (full)
			break;
		cb->args[0]++;
	}
	len = smemv_nl_end_part(ns, skb, cb, full);
	mutex_unlock(&ns->lock);
	return len;
}
