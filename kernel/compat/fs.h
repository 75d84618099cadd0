/* SPDX-License-Identifier: GPL-2.0-only */
/* Filesystem API differences between the supported kernels. */
#ifndef SMEMV_COMPAT_FS_H
#define SMEMV_COMPAT_FS_H

#include <linux/fs.h>
#include <linux/version.h>

/* 6.3: a mount's mapping of ids has a type of its own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define smemv_compat_idmap	struct mnt_idmap
#define SMEMV_COMPAT_NO_IDMAP	(&nop_mnt_idmap)
#else
#define smemv_compat_idmap	struct user_namespace
#define SMEMV_COMPAT_NO_IDMAP	(&init_user_ns)
#endif

/* 6.15: mkdir gives a dentry. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
#define smemv_compat_mkdir_ret		struct dentry *
#define SMEMV_COMPAT_MKDIR_RET(err)	ERR_PTR(err)
#else
#define smemv_compat_mkdir_ret		int
#define SMEMV_COMPAT_MKDIR_RET(err)	(err)
#endif

/* 6.6: times by function. */
static inline void smemv_compat_init_times(struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	simple_inode_init_ts(inode);
#else
	inode->i_ctime = current_time(inode);
	inode->i_mtime = inode->i_ctime;
	inode->i_atime = inode->i_ctime;
#endif
}

static inline void smemv_compat_touch(struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	inode_set_mtime_to_ts(inode, inode_set_ctime_current(inode));
#else
	inode->i_ctime = current_time(inode);
	inode->i_mtime = inode->i_ctime;
#endif
}

/* 6.19: a dentry that only unlink ends is marked as such. */
static inline void smemv_compat_make_persistent(struct dentry *dentry,
						struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	d_make_persistent(dentry, inode);
#else
	d_instantiate(dentry, inode);
	dget(dentry);
#endif
}

static inline void smemv_compat_kill_super(struct super_block *sb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	kill_anon_super(sb);
#else
	kill_litter_super(sb);
#endif
}

/* 6.18: renamed. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define SMEMV_COMPAT_DROP_INODE		inode_just_drop
#else
#define SMEMV_COMPAT_DROP_INODE		generic_delete_inode
#endif

#endif
