// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filesystem "smemv": names for memory files. Each network namespace has
 * one, however often it is mounted. A mount, and each of its files, holds the
 * namespace.
 */
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include "compat/fs.h"
#include "memfile.h"
#include "memfile_fs.h"

static struct smemv_ns *sb_ns(const struct super_block *sb)
{
	return smemv_ns(sb->s_fs_info);
}

static const struct inode_operations dir_iops;

static struct inode *new_inode_of(smemv_compat_idmap *idmap,
				  struct super_block *sb,
				  const struct inode *dir, umode_t mode)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode_init_owner(idmap, inode, dir, mode);
	smemv_compat_init_times(inode);
	return inode;
}

static struct inode *new_dir(smemv_compat_idmap *idmap, struct super_block *sb,
			     const struct inode *dir, umode_t mode)
{
	struct inode *inode = new_inode_of(idmap, sb, dir, S_IFDIR | mode);

	if (!inode)
		return NULL;
	inode->i_op = &dir_iops;
	inode->i_fop = &simple_dir_operations;
	inc_nlink(inode);	/* its own "." */
	return inode;
}

/* Pages of it are never written back: dirty means that no server has it. */
static struct inode *new_file(smemv_compat_idmap *idmap, const struct inode *dir,
			      umode_t mode, struct dentry *dentry)
{
	struct super_block *sb = dir->i_sb;
	struct inode *inode = new_inode_of(idmap, sb, dir, S_IFREG | mode);

	if (!inode)
		return NULL;
	inode->i_op = &smemv_memfile_iops;
	inode->i_fop = &smemv_memfile_fops;
	inode->i_mapping->a_ops = &smemv_memfile_aops;
	mapping_set_gfp_mask(inode->i_mapping, GFP_HIGHUSER_MOVABLE);
	mapping_set_no_writeback_tags(inode->i_mapping);
	mapping_set_large_folios(inode->i_mapping);
	smemv_compat_ask_before_drop(inode->i_mapping);
	inode->i_private = smemv_memfile_alloc(sb_ns(sb), inode, dentry);
	if (inode->i_private)
		return inode;
	iput(inode);
	return NULL;
}

static int memfs_create(smemv_compat_idmap *idmap, struct inode *dir,
			struct dentry *dentry, umode_t mode, bool excl)
{
	struct inode *inode = new_file(idmap, dir, mode, dentry);

	if (!inode)
		return -ENOMEM;
	smemv_compat_make_persistent(dentry, inode);
	smemv_compat_touch(dir);
	return 0;
}

static smemv_compat_mkdir_ret memfs_mkdir(smemv_compat_idmap *idmap,
					  struct inode *dir,
					  struct dentry *dentry, umode_t mode)
{
	struct inode *inode = new_dir(idmap, dir->i_sb, dir, mode);

	if (!inode)
		return SMEMV_COMPAT_MKDIR_RET(-ENOMEM);
	smemv_compat_make_persistent(dentry, inode);
	smemv_compat_touch(dir);
	inc_nlink(dir);
	return SMEMV_COMPAT_MKDIR_RET(0);
}

static void renamed(const struct dentry *dentry, struct dentry *to)
{
	struct inode *inode = d_inode(dentry);

	if (inode && S_ISREG(inode->i_mode))
		smemv_memfile_rename(smemv_memfile_of(inode), to);
}

static int memfs_rename(smemv_compat_idmap *idmap, struct inode *old_dir,
			struct dentry *old_dentry, struct inode *new_dir,
			struct dentry *new_dentry, unsigned int flags)
{
	int err = simple_rename(idmap, old_dir, old_dentry, new_dir, new_dentry,
				flags);

	if (err)
		return err;
	renamed(old_dentry, new_dentry);
	if (flags & RENAME_EXCHANGE)
		renamed(new_dentry, old_dentry);
	return 0;
}

static const struct inode_operations dir_iops = {
	.create = memfs_create,
	.lookup = simple_lookup,
	.unlink = simple_unlink,
	.mkdir = memfs_mkdir,
	.rmdir = simple_rmdir,
	.rename = memfs_rename,
};

static void memfs_evict_inode(struct inode *inode)
{
	struct smemv_memfile *mf = smemv_memfile_of(inode);

	if (mf)
		smemv_memfile_leave(mf);
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	if (mf)
		smemv_memfile_release(mf);
}

/* What the servers have and what they said is free. */
static int memfs_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct smemv_ns *ns = sb_ns(dentry->d_sb);
	struct smemv_server *server;

	buf->f_type = SMEMV_FS_MAGIC;
	buf->f_bsize = PAGE_SIZE;
	buf->f_namelen = NAME_MAX;
	if (mutex_lock_killable(&ns->lock))
		return -EINTR;
	list_for_each_entry(server, &ns->servers, link) {
		buf->f_blocks += server->capacity_pages;
		buf->f_bfree += smemv_server_room(server);
	}
	mutex_unlock(&ns->lock);
	buf->f_bavail = buf->f_bfree;
	return 0;
}

static const struct super_operations sops = {
	.statfs = memfs_statfs,
	.drop_inode = SMEMV_COMPAT_DROP_INODE,
	.evict_inode = memfs_evict_inode,
	.show_options = smemv_memfs_show_options,
};

int smemv_memfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct smemv_memfs_options *options = fc->fs_private;
	struct inode *root;

	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = SMEMV_FS_MAGIC;
	sb->s_op = &sops;
	sb->s_time_gran = 1;
	root = new_dir(SMEMV_COMPAT_NO_IDMAP, sb, NULL, options->mode);
	if (!root)
		return -ENOMEM;
	root->i_uid = options->uid;
	root->i_gid = options->gid;
	sb->s_root = d_make_root(root);
	if (!sb->s_root)
		return -ENOMEM;
	smemv_memfs_set_defaults(sb_ns(sb), options);
	return 0;
}

/* First: before Linux 6.6 a new super block can take this one's place while it is killed. */
static void memfs_kill_sb(struct super_block *sb)
{
	struct net *net = sb->s_fs_info;

	smemv_memfs_forget_defaults(smemv_ns(net));
	smemv_compat_kill_super(sb);
	put_net(net);
}

static struct file_system_type memfs_type = {
	.owner = THIS_MODULE,
	.name = "smemv",
	.init_fs_context = smemv_memfs_init_context,
	.parameters = smemv_memfs_parameters,
	.kill_sb = memfs_kill_sb,
};
MODULE_ALIAS_FS("smemv");

int smemv_fs_init(void)
{
	int err = smemv_fill_module_init();

	if (err)
		return err;
	err = register_filesystem(&memfs_type);
	if (err)
		smemv_fill_module_exit();
	return err;
}

/* Nothing is mounted; the spaces of the last files may still have to go. */
void smemv_fs_uninit(void)
{
	unregister_filesystem(&memfs_type);
	flush_workqueue(smemv_destroy_wq);
	smemv_fill_module_exit();
}
