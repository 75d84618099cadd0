/* SPDX-License-Identifier: GPL-2.0-only */
/* Mount options of the filesystem: defaults for files made by applications. */
#ifndef SMEMV_MEMFILE_FS_H
#define SMEMV_MEMFILE_FS_H

#include <linux/fs_parser.h>

#include "memfile.h"

/**
 * struct smemv_memfs_options - as they were given
 * @defaults: for files; handed over to the namespace, then NULL
 * @mode: of the root directory, for the first mount
 * @uid: its owner
 * @gid: its group
 */
struct smemv_memfs_options {
	struct smemv_file_defaults *defaults;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
};

extern const struct fs_parameter_spec smemv_memfs_parameters[];

int smemv_memfs_init_context(struct fs_context *fc);
int smemv_memfs_show_options(struct seq_file *seq, struct dentry *root);

/* Takes over the options' defaults. */
void smemv_memfs_set_defaults(struct smemv_ns *ns,
			      struct smemv_memfs_options *options);
void smemv_memfs_forget_defaults(struct smemv_ns *ns);

/* memfile_fs.c */
int smemv_memfs_fill_super(struct super_block *sb, struct fs_context *fc);

#endif
