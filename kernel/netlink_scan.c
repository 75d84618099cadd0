// SPDX-License-Identifier: GPL-2.0-only
#include <linux/file.h>

#include "compat/genl.h"
#include "netlink.h"
#include "scan.h"

static struct netlink_range_validation interval_range = {
	.min = SMEMV_SCAN_INTERVAL_MIN_MS,
	.max = SMEMV_SCAN_INTERVAL_MAX_MS,
};

const struct nla_policy smemv_nl_scan_policy[SMEMV_A_SCAN_MAX + 1] = {
	[SMEMV_A_SCAN_PID] = NLA_POLICY_MIN(NLA_U32, 1),
	[SMEMV_A_SCAN_VM_FD] = { .type = NLA_U32 },
	[SMEMV_A_SCAN_INTERVAL] = NLA_POLICY_FULL_RANGE(NLA_U32, &interval_range),
	[SMEMV_A_SCAN_COLD] = { .type = NLA_U32 },
};

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, SMEMV_A_SCAN_PAD);
}

static int fill_attrs(struct sk_buff *skb, const struct smemv_scan_state *state)
{
	if (nla_put_u32(skb, SMEMV_A_SCAN_PID, state->pid) ||
	    nla_put_u32(skb, SMEMV_A_SCAN_INTERVAL, state->interval_ms) ||
	    nla_put_u32(skb, SMEMV_A_SCAN_INTERVAL_NOW, state->interval_now_ms) ||
	    nla_put_u32(skb, SMEMV_A_SCAN_METHOD, state->method) ||
	    (state->why &&
	     nla_put_string(skb, SMEMV_A_SCAN_WHY, state->why)) ||
	    nla_put_64bit(skb, SMEMV_A_SCAN_AGES, sizeof(state->ages),
			  state->ages, SMEMV_A_SCAN_PAD) ||
	    put_u64(skb, SMEMV_A_SCAN_SIZE, state->size_pages << PAGE_SHIFT) ||
	    put_u64(skb, SMEMV_A_SCAN_SCANS, state->scans) ||
	    put_u64(skb, SMEMV_A_SCAN_COST, state->scan_ns) ||
	    put_u64(skb, SMEMV_A_SCAN_SHARE, state->share_ppm) ||
	    put_u64(skb, SMEMV_A_SCAN_MEMORY, state->memory_bytes))
		return -EMSGSIZE;
	return nla_put_u32(skb, SMEMV_A_SCAN_FILES, state->files);
}

static int fill(struct sk_buff *skb, struct smemv_scan *scan, u32 portid,
		u32 seq, int flags)
{
	void *hdr = genlmsg_put(skb, portid, seq, &smemv_genl_family, flags,
				SMEMV_CMD_SCAN_GET);
	struct smemv_scan_state state;

	if (!hdr)
		return -EMSGSIZE;
	smemv_scan_state(scan, &state);
	if (fill_attrs(skb, &state)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

/* With a reference. */
static struct pid *pid_of(struct genl_info *info, int *err)
{
	struct nlattr *attr = info->attrs[SMEMV_A_SCAN_PID];
	struct pid *pid;

	if (!attr) {
		*err = smemv_nl_error(info, -EINVAL, "a process is needed", NULL);
		return NULL;
	}
	pid = find_get_pid(nla_get_u32(attr));
	if (!pid)
		*err = smemv_nl_error(info, -ESRCH,
				      "there is no process of this number", attr);
	return pid;
}

static struct smemv_scan *scan_of(struct genl_info *info, int *err)
{
	struct pid *pid = pid_of(info, err);
	struct smemv_scan *scan;

	if (!pid)
		return NULL;
	scan = smemv_scan_find(info->user_ptr[0], pid);
	put_pid(pid);
	if (!scan)
		*err = smemv_nl_error(info, -ENOENT, "this process is not scanned",
				      info->attrs[SMEMV_A_SCAN_PID]);
	return scan;
}

static int start(struct genl_info *info, struct file *file, struct pid *pid)
{
	struct nlattr *interval = info->attrs[SMEMV_A_SCAN_INTERVAL];
	struct smemv_scan_config config = {
		.vm_file = file,
		.pid = pid,
		.interval_ms = interval ? nla_get_u32(interval) : 0,
	};
	const char *why = NULL;
	int err = smemv_scan_start(info->user_ptr[0], &config, &why);

	return err ? smemv_nl_error(info, err, why, NULL) : 0;
}

int smemv_nl_scan_start(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *fd = info->attrs[SMEMV_A_SCAN_VM_FD];
	struct file *file;
	struct pid *pid;
	int err = 0;

	if (!fd)
		return smemv_nl_error(info, -EINVAL,
				      "KVM's file of the machine is needed", NULL);
	pid = pid_of(info, &err);
	if (!pid)
		return err;
	file = fget(nla_get_u32(fd));
	if (file) {
		err = start(info, file, pid);
		fput(file);
	} else {
		err = smemv_nl_error(info, -EBADF, "not an open file", fd);
	}
	put_pid(pid);
	return err;
}

int smemv_nl_scan_stop(struct sk_buff *skb, struct genl_info *info)
{
	struct smemv_scan *scan;
	const char *why = NULL;
	int err = 0;

	scan = scan_of(info, &err);
	if (!scan)
		return err;
	err = smemv_scan_stop(info->user_ptr[0], scan, &why);
	return err ? smemv_nl_error(info, err, why,
				    info->attrs[SMEMV_A_SCAN_PID]) : 0;
}

int smemv_nl_scan_get(struct sk_buff *skb, struct genl_info *info)
{
	struct smemv_scan *scan;
	struct sk_buff *reply;
	int err = 0;

	scan = scan_of(info, &err);
	if (!scan)
		return err;
	reply = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	err = fill(reply, scan, info->snd_portid, info->snd_seq, 0);
	if (!err)
		return genlmsg_reply(reply, info);
	nlmsg_free(reply);
	return err;
}

int smemv_nl_scan_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct smemv_ns *ns = smemv_ns(sock_net(skb->sk));
	struct smemv_scan *scan = NULL;
	bool full = false;
	long i = 0;
	int len;

	mutex_lock(&ns->lock);
	smemv_scan_forget_gone(ns);
	while ((scan = smemv_scan_next(ns, scan))) {
		if (i++ < cb->args[0])
			continue;
		full = fill(skb, scan, NETLINK_CB(cb->skb).portid,
			    cb->nlh->nlmsg_seq, NLM_F_MULTI);
		if (full)
			break;
		cb->args[0]++;
	}
	len = smemv_nl_end_part(ns, skb, cb, full);
	mutex_unlock(&ns->lock);
	return len;
}

/* What a dump of ranges remembers: of whom, for how long cold, and from where on. */
enum { RANGES_PID, RANGES_COLD, RANGES_POS };

int smemv_nl_scan_ranges_start(struct netlink_callback *cb)
{
	struct nlattr **attrs = smemv_compat_dump_attrs(cb);
	int err = smemv_nl_start(cb);

	if (err)
		return err;
	if (!attrs[SMEMV_A_SCAN_PID]) {
		NL_SET_ERR_MSG(cb->extack, "a process is needed");
		return -EINVAL;
	}
	cb->args[RANGES_PID] = nla_get_u32(attrs[SMEMV_A_SCAN_PID]);
	cb->args[RANGES_COLD] = SMEMV_SCAN_EVER;
	if (attrs[SMEMV_A_SCAN_COLD])
		cb->args[RANGES_COLD] = nla_get_u32(attrs[SMEMV_A_SCAN_COLD]);
	cb->args[RANGES_POS] = 0;
	return 0;
}

#define RANGES_AT_ONCE	128

/* Under ns->lock. As smemv_scan_cold(). */
static int cold_ranges(struct smemv_ns *ns, struct netlink_callback *cb,
		       struct smemv_scan_range *ranges)
{
	struct pid *pid = find_get_pid(cb->args[RANGES_PID]);
	struct smemv_scan *scan = pid ? smemv_scan_find(ns, pid) : NULL;
	u64 pos = cb->args[RANGES_POS];
	int nr;

	put_pid(pid);
	if (!scan)
		return -ENOENT;
	nr = smemv_scan_cold(scan, cb->args[RANGES_COLD], &pos, ranges,
			     RANGES_AT_ONCE);
	cb->args[RANGES_POS] = pos;
	return nr;
}

static int fill_ranges(struct sk_buff *skb, struct netlink_callback *cb,
		       const struct smemv_scan_range *ranges, int nr)
{
	void *hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				cb->nlh->nlmsg_seq, &smemv_genl_family,
				NLM_F_MULTI, SMEMV_CMD_SCAN_RANGES);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_64bit(skb, SMEMV_A_SCAN_RANGES, nr * sizeof(*ranges), ranges,
			  SMEMV_A_SCAN_PAD)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

static const char *why_no_ranges(int err)
{
	switch (err) {
	case -EAGAIN:
		return "the scan has not watched for so long yet: wait, or ask for less";
	case -ERANGE:
		return "the scan remembers seven whole intervals, which is less; use a longer interval";
	case -ENOENT:
		return "this process is not scanned";
	default:
		return "the machine is gone";
	}
}

int smemv_nl_scan_ranges(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct smemv_ns *ns = smemv_ns(sock_net(skb->sk));
	struct smemv_scan_range *ranges;
	int nr;

	if (cb->args[RANGES_POS] == (long)SMEMV_SCAN_END)
		return 0;
	ranges = kmalloc_array(RANGES_AT_ONCE, sizeof(*ranges), GFP_KERNEL);
	if (!ranges)
		return -ENOMEM;
	mutex_lock(&ns->lock);
	nr = cold_ranges(ns, cb, ranges);
	mutex_unlock(&ns->lock);
	/* Also of none: the caller comes again, and others may meanwhile. */
	if (nr >= 0)
		nr = fill_ranges(skb, cb, ranges, nr) ?: skb->len;
	else if (cb->extack)
		cb->extack->_msg = why_no_ranges(nr);
	kfree(ranges);
	return nr;
}
