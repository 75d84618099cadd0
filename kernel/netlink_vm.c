// SPDX-License-Identifier: GPL-2.0-only
#include <linux/file.h>
#include <linux/slab.h>

#include "claim.h"
#include "memfile.h"
#include "netlink.h"
#include "netlink_space.h"

const struct nla_policy smemv_nl_vm_policy[SMEMV_A_VM_MAX + 1] = {
	[SMEMV_A_VM_NAME] = { .type = NLA_NUL_STRING,
			      .len = SMEMV_PATH_LEN - 1 },
	[SMEMV_A_VM_FD] = { .type = NLA_U32 },
	[SMEMV_A_VM_SIZE] = { .type = NLA_U64 },
	[SMEMV_A_VM_BUDGET] = { .type = NLA_U64 },
	[SMEMV_A_VM_SERVERS] = { .type = NLA_NESTED },
	[SMEMV_A_VM_POLICY] = NLA_POLICY_MAX(NLA_U32, __SMEMV_POLICY_END - 1),
	[SMEMV_A_VM_DEADLINE] = NLA_POLICY_FULL_RANGE(NLA_U32,
						      &smemv_nl_deadline_range),
	[SMEMV_A_VM_DMA] = { .type = NLA_FLAG },
	[SMEMV_A_VM_OVERCOMMIT] = { .type = NLA_FLAG },
	[SMEMV_A_VM_PID] = NLA_POLICY_MIN(NLA_U32, 1),
	[SMEMV_A_VM_KVM_FD] = { .type = NLA_U32 },
	[SMEMV_A_VM_STOP] = { .type = NLA_FLAG },
};

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, SMEMV_A_VM_PAD);
}

static int put_file_counters(struct sk_buff *skb, struct smemv_memfile *mf)
{
	struct nlattr *attr = nla_reserve_64bit(skb, SMEMV_A_VM_FILE_COUNTERS,
						SMEMV_FC__MAX * sizeof(u64),
						SMEMV_A_VM_PAD);

	if (!attr)
		return -EMSGSIZE;
	smemv_stats_sum(nla_data(attr), mf->stats,
			offsetof(struct smemv_file_stats, count),
			SMEMV_FC__MAX);
	return 0;
}

static int fill_space(struct sk_buff *skb, const struct smemv_space *space)
{
	if (put_u64(skb, SMEMV_A_VM_SIZE, space->size_pages << PAGE_SHIFT) ||
	    nla_put_u32(skb, SMEMV_A_VM_POLICY, space->policy) ||
	    nla_put_u32(skb, SMEMV_A_VM_DEADLINE, space->deadline_ms) ||
	    nla_put(skb, SMEMV_A_VM_UUID, 16, space->uuid) ||
	    put_u64(skb, SMEMV_A_VM_EPOCH, space->epoch) ||
	    nla_put_u32(skb, SMEMV_A_VM_OWNER, smemv_space_owner(space)) ||
	    put_u64(skb, SMEMV_A_VM_PAGES, atomic64_read(&space->map.remote)) ||
	    put_u64(skb, SMEMV_A_VM_LOST, atomic64_read(&space->map.lost)) ||
	    nla_put_u32(skb, SMEMV_A_VM_WAITING,
			atomic_read(&space->nr_parked)) ||
	    smemv_nl_put_servers(skb, SMEMV_A_VM_SERVERS, space) ||
	    smemv_nl_put_where(skb, SMEMV_A_VM_WHERE, space))
		return -EMSGSIZE;
	return smemv_nl_put_counters(skb, SMEMV_A_VM_COUNTERS, SMEMV_A_VM_PAD,
				     space);
}

static int fill_evictor(struct sk_buff *skb, struct smemv_evictor *ev)
{
	u64 goal = READ_ONCE(ev->goal);

	if (put_u64(skb, SMEMV_A_VM_BUDGET, READ_ONCE(ev->budget) << PAGE_SHIFT) ||
	    put_u64(skb, SMEMV_A_VM_PEAK, READ_ONCE(ev->peak) << PAGE_SHIFT) ||
	    nla_put_string(skb, SMEMV_A_VM_ORDER, smemv_evict_order(ev)) ||
	    put_u64(skb, SMEMV_A_VM_GOING,
		    (u64)atomic_long_read(&ev->out) << PAGE_SHIFT))
		return -EMSGSIZE;
	return goal == SMEMV_NO_GOAL ? 0 :
	       put_u64(skb, SMEMV_A_VM_GOAL, goal << PAGE_SHIFT);
}

static int fill_attrs(struct sk_buff *skb, struct smemv_memfile *mf)
{
	char path[SMEMV_PATH_LEN];

	if (nla_put_string(skb, SMEMV_A_VM_NAME, smemv_memfile_path(mf, path)) ||
	    (mf->dma && nla_put_flag(skb, SMEMV_A_VM_DMA)) ||
	    (READ_ONCE(mf->populating) &&
	     nla_put_flag(skb, SMEMV_A_VM_POPULATING)) ||
	    (smemv_memfile_is_deleted(mf) &&
	     nla_put_flag(skb, SMEMV_A_VM_DELETED)) ||
	    nla_put_u32(skb, SMEMV_A_VM_OPENERS, atomic_read(&mf->openers)) ||
	    nla_put_u32(skb, SMEMV_A_VM_PID, smemv_memfile_scanned_pid(mf)) ||
	    put_u64(skb, SMEMV_A_VM_RESIDENT,
		    smemv_memfile_resident(mf) << PAGE_SHIFT) ||
	    put_u64(skb, SMEMV_A_VM_MISSED,
		    atomic_long_read(&mf->populate_missed)) ||
	    put_file_counters(skb, mf))
		return -EMSGSIZE;
	if (!mf->space)
		return 0;
	return fill_evictor(skb, &mf->ev) ?: fill_space(skb, mf->space);
}

static int fill(struct sk_buff *skb, struct smemv_memfile *mf, u32 portid,
		u32 seq, int flags)
{
	void *hdr = genlmsg_put(skb, portid, seq, &smemv_genl_family, flags,
				SMEMV_CMD_VM_GET);

	if (!hdr)
		return -EMSGSIZE;
	if (fill_attrs(skb, mf)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

static int reply_with(struct genl_info *info, struct smemv_memfile *mf)
{
	u32 servers = mf->space ? mf->space->nr_binds : 0;
	struct sk_buff *reply;
	int err;

	reply = genlmsg_new(NLMSG_DEFAULT_SIZE + servers * 128, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	err = fill(reply, mf, info->snd_portid, info->snd_seq, 0);
	if (err) {
		nlmsg_free(reply);
		return err;
	}
	return genlmsg_reply(reply, info);
}

/* 0 pages when there is none. */
static int pick_budget(struct genl_info *info, u64 *pages)
{
	struct nlattr *attr = info->attrs[SMEMV_A_VM_BUDGET];
	u64 bytes = attr ? nla_get_u64(attr) : 0;

	if (attr && (bytes < SMEMV_BUDGET_MIN || bytes > SMEMV_SPACE_SIZE_MAX))
		return smemv_nl_error(info, -ERANGE,
				      "the budget must be between 1 MiB and 4 PiB",
				      attr);
	*pages = bytes >> PAGE_SHIFT;
	return 0;
}

static int fill_config(struct genl_info *info, struct smemv_memfile *mf,
		       struct smemv_file_config *config)
{
	const struct smemv_file_defaults *defaults = mf->ns->file_defaults;
	struct nlattr **attrs = info->attrs;
	int err = smemv_nl_pick_size(info, attrs[SMEMV_A_VM_SIZE],
				     &config->space);

	if (!err)
		err = pick_budget(info, &config->budget);
	if (!err)
		err = smemv_nl_pick_servers(info, attrs[SMEMV_A_VM_SERVERS],
					    &config->space);
	if (!config->budget)
		config->budget = min(defaults->budget, config->space.size_pages);
	config->space.policy = attrs[SMEMV_A_VM_POLICY] ?
			       nla_get_u32(attrs[SMEMV_A_VM_POLICY]) :
			       defaults->policy;
	config->space.deadline_ms = attrs[SMEMV_A_VM_DEADLINE] ?
				    nla_get_u32(attrs[SMEMV_A_VM_DEADLINE]) :
				    defaults->deadline_ms;
	config->dma = attrs[SMEMV_A_VM_DMA] || defaults->dma;
	config->overcommit = attrs[SMEMV_A_VM_OVERCOMMIT] ||
			     defaults->overcommit;
	return err;
}

static int back(struct genl_info *info, struct smemv_memfile *mf)
{
	struct smemv_file_config config = {};
	const char *why = NULL;
	int err;

	config.space.server = kcalloc(SMEMV_MAX_SETS,
				      sizeof(*config.space.server), GFP_KERNEL);
	if (!config.space.server)
		return -ENOMEM;
	err = fill_config(info, mf, &config);
	if (!err) {
		err = smemv_memfile_back(mf, &config, &why);
		if (err)
			smemv_nl_error(info, err, why, NULL);
	}
	kfree(config.space.server);
	return err;
}

/* The file that the caller has open, of this namespace. */
static struct smemv_memfile *file_of(struct genl_info *info, struct file *file,
				     int *err)
{
	const struct nlattr *attr = info->attrs[SMEMV_A_VM_FD];
	struct smemv_memfile *mf = file ? smemv_memfile_from_file(file) : NULL;

	*err = 0;
	if (!mf)
		*err = smemv_nl_error(info, -EBADF,
				      "not a file of a smemv filesystem", attr);
	else if (mf->ns != info->user_ptr[0])
		*err = smemv_nl_error(info, -EXDEV,
				      "the filesystem was mounted from another network namespace",
				      attr);
	else if (!(file->f_mode & FMODE_WRITE))
		*err = smemv_nl_error(info, -EBADF,
				      "the file is not open for writing", attr);
	return *err ? NULL : mf;
}

int smemv_nl_vm_add(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[SMEMV_A_VM_FD];
	struct smemv_memfile *mf;
	struct file *file;
	int err;

	if (!attr)
		return smemv_nl_error(info, -EINVAL, "a file is needed", NULL);
	file = fget(nla_get_u32(attr));
	mf = file_of(info, file, &err);
	if (mf)
		err = back(info, mf);
	if (!err)
		err = reply_with(info, mf);
	if (file)
		fput(file);
	return err;
}

static struct smemv_memfile *named(struct genl_info *info, int *err)
{
	struct nlattr *name = info->attrs[SMEMV_A_VM_NAME];
	struct smemv_memfile *mf;

	*err = 0;
	if (!name) {
		*err = smemv_nl_error(info, -EINVAL, "a name is needed", NULL);
		return NULL;
	}
	mf = smemv_memfile_find(info->user_ptr[0], nla_data(name));
	if (!mf)
		*err = smemv_nl_error(info, -ENOENT,
				      "there is no memory file of this name",
				      name);
	return mf;
}

static struct smemv_memfile *named_with_size(struct genl_info *info, int *err)
{
	struct smemv_memfile *mf = named(info, err);

	if (!mf || mf->space)
		return mf;
	*err = smemv_nl_error(info, -EINVAL, "the file has no size yet",
			      info->attrs[SMEMV_A_VM_NAME]);
	return NULL;
}

int smemv_nl_vm_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *deadline = info->attrs[SMEMV_A_VM_DEADLINE];
	struct nlattr *policy = info->attrs[SMEMV_A_VM_POLICY];
	struct smemv_memfile *mf;
	u64 budget;
	int err;

	mf = named_with_size(info, &err);
	if (!mf)
		return err;
	err = pick_budget(info, &budget);
	if (err)
		return err;
	if (!policy && !deadline && !budget)
		return smemv_nl_error(info, -EINVAL, "nothing to change", NULL);
	if (policy)
		WRITE_ONCE(mf->space->policy, nla_get_u32(policy));
	if (deadline)
		WRITE_ONCE(mf->space->deadline_ms, nla_get_u32(deadline));
	if (budget)
		smemv_memfile_set_budget(mf, budget);
	smemv_space_kick(mf->space);
	return 0;
}

int smemv_nl_vm_del(struct sk_buff *skb, struct genl_info *info)
{
	struct smemv_memfile *mf;
	const char *why = NULL;
	int err;

	mf = named(info, &err);
	if (!mf)
		return err;
	err = smemv_memfile_remove(mf, &why);
	return err ? smemv_nl_error(info, err, why,
				    info->attrs[SMEMV_A_VM_NAME]) : 0;
}

int smemv_nl_vm_evict(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *size = info->attrs[SMEMV_A_VM_SIZE];
	struct smemv_memfile *mf;
	int err;

	mf = named_with_size(info, &err);
	if (!mf)
		return err;
	if (info->attrs[SMEMV_A_VM_STOP]) {
		smemv_memfile_evict_stop(mf);
		return 0;
	}
	if (!size)
		return smemv_nl_error(info, -EINVAL, "a size is needed", NULL);
	smemv_memfile_evict(mf, nla_get_u64(size) >> PAGE_SHIFT);
	return 0;
}

int smemv_nl_vm_populate(struct sk_buff *skb, struct genl_info *info)
{
	struct smemv_memfile *mf;
	int err;

	mf = named_with_size(info, &err);
	if (mf && info->attrs[SMEMV_A_VM_STOP])
		smemv_memfile_populate_stop(mf);
	else if (mf)
		smemv_memfile_populate(mf);
	return err;
}

static int attach(struct genl_info *info, struct smemv_memfile *mf,
		  struct file *vm_file, struct pid *pid)
{
	const struct smemv_scan_config config = {
		.vm_file = vm_file, .pid = pid,
	};
	const char *why = NULL;
	int err;

	if (!vm_file)
		return smemv_nl_error(info, -EBADF, "not an open file",
				      info->attrs[SMEMV_A_VM_KVM_FD]);
	if (!pid)
		return smemv_nl_error(info, -ESRCH,
				      "there is no process of this number",
				      info->attrs[SMEMV_A_VM_PID]);
	err = smemv_memfile_attach(mf, &config, NULL, &why);
	return err ? smemv_nl_error(info, err, why, NULL) : 0;
}

int smemv_nl_vm_attach(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	struct smemv_memfile *mf;
	struct file *vm_file;
	struct pid *pid;
	int err;

	mf = named_with_size(info, &err);
	if (!mf)
		return err;
	if (!attrs[SMEMV_A_VM_PID] || !attrs[SMEMV_A_VM_KVM_FD])
		return smemv_nl_error(info, -EINVAL,
				      "a process and KVM's file of its machine are needed",
				      NULL);
	vm_file = fget(nla_get_u32(attrs[SMEMV_A_VM_KVM_FD]));
	pid = find_get_pid(nla_get_u32(attrs[SMEMV_A_VM_PID]));
	err = attach(info, mf, vm_file, pid);
	put_pid(pid);
	if (vm_file)
		fput(vm_file);
	return err;
}

int smemv_nl_vm_get(struct sk_buff *skb, struct genl_info *info)
{
	struct smemv_memfile *mf;
	int err;

	mf = named(info, &err);
	return mf ? reply_with(info, mf) : err;
}

int smemv_nl_vm_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct smemv_ns *ns = smemv_ns(sock_net(skb->sk));
	struct smemv_memfile *mf;
	bool full = false;
	long i = 0;
	int len;

	mutex_lock(&ns->lock);
	list_for_each_entry(mf, &ns->files, link) {
		if (i++ < cb->args[0])
			continue;
		full = fill(skb, mf, NETLINK_CB(cb->skb).portid,
			    cb->nlh->nlmsg_seq, NLM_F_MULTI);
		if (full)
			break;
		cb->args[0]++;
	}
	len = smemv_nl_end_part(ns, skb, cb, full);
	mutex_unlock(&ns->lock);
	return len;
}
