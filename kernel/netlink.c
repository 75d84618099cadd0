// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ctype.h>
#include <linux/module.h>

#include "compat/genl.h"
#include "event.h"
#include "netlink.h"
#include "uapi/smemv.h"

int smemv_nl_error(struct genl_info *info, int err, const char *why,
		   const struct nlattr *attr)
{
	if (info->extack) {
		info->extack->_msg = why;
		if (attr)
			NL_SET_BAD_ATTR(info->extack, attr);
	}
	return err;
}

int smemv_nl_check_name(struct genl_info *info, const struct nlattr *attr)
{
	const char *c = attr ? nla_data(attr) : "";

	if (!attr)
		return smemv_nl_error(info, -EINVAL, "a name is needed", NULL);
	if (!*c)
		return smemv_nl_error(info, -EINVAL, "the name is empty", attr);
	for (; *c; c++)
		if (!isascii(*c) || (!isalnum(*c) && !strchr("._-", *c)))
			return smemv_nl_error(info, -EINVAL,
					      "names are made of letters, digits, '.', '_' and '-'",
					      attr);
	return 0;
}

static bool may_configure(void)
{
	return capable(CAP_NET_ADMIN) && capable(CAP_SYS_ADMIN);
}

#define NOT_ALLOWED	"this needs CAP_NET_ADMIN and CAP_SYS_ADMIN in the initial user namespace"

int smemv_nl_start(struct netlink_callback *cb)
{
	if (may_configure())
		return 0;
	if (cb->extack)
		cb->extack->_msg = NOT_ALLOWED;
	return -EPERM;
}

int smemv_nl_end_part(const struct smemv_ns *ns, struct sk_buff *skb,
		      struct netlink_callback *cb, bool full)
{
	lockdep_assert_held(&ns->lock);
	cb->seq = ns->removals + 1;	/* 0: it is not told */
	if (skb->len)
		nl_dump_check_consistent(cb, nlmsg_hdr(skb));
	return skb->len || !full ? skb->len : -EMSGSIZE;
}

/* Every command runs under ns->lock. */
static int pre_doit(smemv_compat_pre_doit_ops *ops, struct sk_buff *skb,
		    struct genl_info *info)
{
	struct smemv_ns *ns = smemv_ns(genl_info_net(info));

	if (!may_configure())
		return smemv_nl_error(info, -EPERM, NOT_ALLOWED, NULL);
	if (mutex_lock_killable(&ns->lock))
		return -EINTR;
	info->user_ptr[0] = ns;
	if (!ns->dying)
		return 0;
	mutex_unlock(&ns->lock);
	return smemv_nl_error(info, -ESHUTDOWN,
			      "the network namespace is being removed", NULL);
}

static void post_doit(smemv_compat_pre_doit_ops *ops, struct sk_buff *skb,
		      struct genl_info *info)
{
	struct smemv_ns *ns = info->user_ptr[0];

	mutex_unlock(&ns->lock);
}

#define SERVER_OP(command, function)				\
	{							\
		.cmd = command,					\
		.flags = GENL_ADMIN_PERM,			\
		.policy = smemv_nl_server_policy,		\
		.maxattr = SMEMV_A_SERVER_MAX,			\
		.doit = function,				\
	}

#define SWAP_OP(command, function)				\
	{							\
		.cmd = command,					\
		.flags = GENL_ADMIN_PERM,			\
		.policy = smemv_nl_swap_policy,			\
		.maxattr = SMEMV_A_SWAP_MAX,			\
		.doit = function,				\
	}

#define VM_OP(command, function)				\
	{							\
		.cmd = command,					\
		.flags = GENL_ADMIN_PERM,			\
		.policy = smemv_nl_vm_policy,			\
		.maxattr = SMEMV_A_VM_MAX,			\
		.doit = function,				\
	}

#define SCAN_OP(command, function)				\
	{							\
		.cmd = command,					\
		.flags = GENL_ADMIN_PERM,			\
		.policy = smemv_nl_scan_policy,			\
		.maxattr = SMEMV_A_SCAN_MAX,			\
		.doit = function,				\
	}

static const struct genl_ops ops[] = {
	SERVER_OP(SMEMV_CMD_SERVER_ADD, smemv_nl_server_add),
	SERVER_OP(SMEMV_CMD_SERVER_DEL, smemv_nl_server_del),
	SERVER_OP(SMEMV_CMD_SERVER_DRAIN, smemv_nl_server_drain),
	{
		.cmd = SMEMV_CMD_SERVER_GET,
		.flags = GENL_ADMIN_PERM,
		.policy = smemv_nl_server_policy,
		.maxattr = SMEMV_A_SERVER_MAX,
		.doit = smemv_nl_server_get,
		.start = smemv_nl_start,
		.dumpit = smemv_nl_server_dump,
	},
	SWAP_OP(SMEMV_CMD_SWAP_ADD, smemv_nl_swap_add),
	SWAP_OP(SMEMV_CMD_SWAP_SET, smemv_nl_swap_set),
	SWAP_OP(SMEMV_CMD_SWAP_DEL, smemv_nl_swap_del),
	{
		.cmd = SMEMV_CMD_SWAP_GET,
		.flags = GENL_ADMIN_PERM,
		.policy = smemv_nl_swap_policy,
		.maxattr = SMEMV_A_SWAP_MAX,
		.doit = smemv_nl_swap_get,
		.start = smemv_nl_start,
		.dumpit = smemv_nl_swap_dump,
	},
	VM_OP(SMEMV_CMD_VM_ADD, smemv_nl_vm_add),
	VM_OP(SMEMV_CMD_VM_SET, smemv_nl_vm_set),
	VM_OP(SMEMV_CMD_VM_DEL, smemv_nl_vm_del),
	VM_OP(SMEMV_CMD_VM_EVICT, smemv_nl_vm_evict),
	VM_OP(SMEMV_CMD_VM_POPULATE, smemv_nl_vm_populate),
	VM_OP(SMEMV_CMD_VM_ATTACH, smemv_nl_vm_attach),
	{
		.cmd = SMEMV_CMD_VM_GET,
		.flags = GENL_ADMIN_PERM,
		.policy = smemv_nl_vm_policy,
		.maxattr = SMEMV_A_VM_MAX,
		.doit = smemv_nl_vm_get,
		.start = smemv_nl_start,
		.dumpit = smemv_nl_vm_dump,
	},
	SCAN_OP(SMEMV_CMD_SCAN_START, smemv_nl_scan_start),
	SCAN_OP(SMEMV_CMD_SCAN_STOP, smemv_nl_scan_stop),
	{
		.cmd = SMEMV_CMD_SCAN_GET,
		.flags = GENL_ADMIN_PERM,
		.policy = smemv_nl_scan_policy,
		.maxattr = SMEMV_A_SCAN_MAX,
		.doit = smemv_nl_scan_get,
		.start = smemv_nl_start,
		.dumpit = smemv_nl_scan_dump,
	},
	{
		.cmd = SMEMV_CMD_SCAN_RANGES,
		.flags = GENL_ADMIN_PERM,
		.policy = smemv_nl_scan_policy,
		.maxattr = SMEMV_A_SCAN_MAX,
		.start = smemv_nl_scan_ranges_start,
		.dumpit = smemv_nl_scan_ranges,
	},
};

static const struct genl_multicast_group groups[] = {
	{
		.name = SMEMV_GENL_GROUP,
		SMEMV_COMPAT_MCAST_ADMIN,
	},
};

struct genl_family smemv_genl_family __ro_after_init = {
	.name = SMEMV_GENL_NAME,
	.version = SMEMV_GENL_VERSION,
	.netnsok = true,
	.parallel_ops = true,	/* ns->lock instead: adding a server may take seconds */
	.module = THIS_MODULE,
	.pre_doit = pre_doit,
	.post_doit = post_doit,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.resv_start_op = __SMEMV_CMD_MAX,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int smemv_netlink_init(void)
{
	int err = genl_register_family(&smemv_genl_family);

	if (!err)
		smemv_event_family(&smemv_genl_family);
	return err;
}

/* No command runs and no event is sent when this returns. */
void smemv_netlink_uninit(void)
{
	smemv_event_family(NULL);
	genl_unregister_family(&smemv_genl_family);
}
