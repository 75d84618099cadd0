// SPDX-License-Identifier: GPL-2.0-only
#include <linux/fs_context.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "memfile_fs.h"

enum {
	OPT_BUDGET, OPT_POLICY, OPT_DEADLINE, OPT_SERVERS, OPT_DMA, OPT_OVERCOMMIT, OPT_MODE,
	OPT_UID, OPT_GID
};

static const struct constant_table policies[] = {
	{ "error", SMEMV_POLICY_ERROR },
	{ "suspend", SMEMV_POLICY_SUSPEND },
	{}
};

const struct fs_parameter_spec smemv_memfs_parameters[] = {
	fsparam_string("budget", OPT_BUDGET),
	fsparam_enum("policy", OPT_POLICY, policies),
	fsparam_u32("deadline", OPT_DEADLINE),
	fsparam_string("servers", OPT_SERVERS),
	fsparam_flag("dma", OPT_DMA),
	fsparam_flag("overcommit", OPT_OVERCOMMIT),
	fsparam_u32oct("mode", OPT_MODE),
	fsparam_u32("uid", OPT_UID),
	fsparam_u32("gid", OPT_GID),
	{}
};

static int parse_budget(struct fs_context *fc, const char *text, u64 *pages)
{
	char *end;
	u64 bytes = memparse(text, &end);

	if (*end || bytes < SMEMV_BUDGET_MIN || bytes > SMEMV_SPACE_SIZE_MAX)
		return invalf(fc, "smemv: budget=%s is not a size from 1M on",
			      text);
	*pages = bytes >> PAGE_SHIFT;
	return 0;
}

static int parse_deadline(struct fs_context *fc, u32 ms, u32 *deadline_ms)
{
	if (ms < SMEMV_DEADLINE_MIN_MS || ms > SMEMV_DEADLINE_MAX_MS)
		return invalf(fc, "smemv: deadline=%u is not within 1000..600000 ms",
			      ms);
	*deadline_ms = ms;
	return 0;
}

static int parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct smemv_memfs_options *options = fc->fs_private;
	struct smemv_file_defaults *defaults = options->defaults;
	struct fs_parse_result result;
	int opt = fs_parse(fc, smemv_memfs_parameters, param, &result);

	switch (opt) {
	case OPT_BUDGET:
		return parse_budget(fc, param->string, &defaults->budget);
	case OPT_POLICY:
		defaults->policy = result.uint_32;
		return 0;
	case OPT_DEADLINE:
		return parse_deadline(fc, result.uint_32,
				      &defaults->deadline_ms);
	case OPT_SERVERS:
		kfree(defaults->servers);
		defaults->servers = param->string;
		param->string = NULL;
		return 0;
	case OPT_DMA:
		defaults->dma = true;
		return 0;
	case OPT_OVERCOMMIT:
		defaults->overcommit = true;
		return 0;
	case OPT_MODE:
		options->mode = result.uint_32 & 07777;
		return 0;
	case OPT_UID:
		options->uid = make_kuid(current_user_ns(), result.uint_32);
		return uid_valid(options->uid) ? 0 : -EINVAL;
	case OPT_GID:
		options->gid = make_kgid(current_user_ns(), result.uint_32);
		return gid_valid(options->gid) ? 0 : -EINVAL;
	default:
		return opt;
	}
}

static void free_defaults(struct smemv_file_defaults *defaults)
{
	if (defaults)
		kfree(defaults->servers);
	kfree(defaults);
}

static void replace_defaults(struct smemv_ns *ns, struct smemv_file_defaults *defaults)
{
	mutex_lock(&ns->lock);
	spin_lock(&ns->defaults_lock);
	swap(ns->file_defaults, defaults);
	spin_unlock(&ns->defaults_lock);
	mutex_unlock(&ns->lock);
	free_defaults(defaults);
}

void smemv_memfs_set_defaults(struct smemv_ns *ns,
			      struct smemv_memfs_options *options)
{
	replace_defaults(ns, options->defaults);
	options->defaults = NULL;
}

void smemv_memfs_forget_defaults(struct smemv_ns *ns)
{
	replace_defaults(ns, NULL);
}

/* The key of the super block; it is the super block's when one was made. */
static int get_tree(struct fs_context *fc)
{
	return get_tree_keyed(fc, smemv_memfs_fill_super, get_net(fc->net_ns));
}

static int reconfigure(struct fs_context *fc)
{
	smemv_memfs_set_defaults(smemv_ns(fc->root->d_sb->s_fs_info),
				 fc->fs_private);
	return 0;
}

static void free_context(struct fs_context *fc)
{
	struct smemv_memfs_options *options = fc->fs_private;

	/* In a remount it is the mounted one's. */
	if (fc->s_fs_info && fc->purpose == FS_CONTEXT_FOR_MOUNT)
		put_net(fc->s_fs_info);
	free_defaults(options->defaults);
	kfree(options);
}

static const struct fs_context_operations context_ops = {
	.parse_param = parse_param,
	.get_tree = get_tree,
	.reconfigure = reconfigure,
	.free = free_context,
};

int smemv_memfs_init_context(struct fs_context *fc)
{
	struct smemv_memfs_options *options = kzalloc(sizeof(*options),
						      GFP_KERNEL);

	if (!options)
		return -ENOMEM;
	options->defaults = kzalloc(sizeof(*options->defaults), GFP_KERNEL);
	if (!options->defaults) {
		kfree(options);
		return -ENOMEM;
	}
	options->mode = 0755;
	options->uid = current_fsuid();
	options->gid = current_fsgid();
	options->defaults->deadline_ms = SMEMV_DEADLINE_DEFAULT_MS;
	fc->fs_private = options;
	fc->ops = &context_ops;
	return 0;
}

int smemv_memfs_show_options(struct seq_file *seq, struct dentry *root)
{
	struct smemv_ns *ns = smemv_ns(root->d_sb->s_fs_info);
	const struct smemv_file_defaults *defaults;

	/* All mounts of the host wait for this; who holds ns->lock may wait for a server. */
	spin_lock(&ns->defaults_lock);
	defaults = ns->file_defaults;
	if (defaults->budget)
		seq_printf(seq, ",budget=%lluK",
			   defaults->budget << (PAGE_SHIFT - 10));
	if (defaults->policy == SMEMV_POLICY_SUSPEND)
		seq_puts(seq, ",policy=suspend");
	if (defaults->deadline_ms != SMEMV_DEADLINE_DEFAULT_MS)
		seq_printf(seq, ",deadline=%u", defaults->deadline_ms);
	if (defaults->servers)
		seq_show_option(seq, "servers", defaults->servers);
	if (defaults->dma)
		seq_puts(seq, ",dma");
	if (defaults->overcommit)
		seq_puts(seq, ",overcommit");
	spin_unlock(&ns->defaults_lock);
	return 0;
}
