/* SPDX-License-Identifier: GPL-2.0-only */
/* Where memory files are. */
#ifndef SMEMV_VM_MOUNT_H
#define SMEMV_VM_MOUNT_H

#include "../kernel/uapi/smemv.h"
#include "call.h"

#define VM_MOUNT_POINT	"/dev/smemv"

/* Mounts the filesystem unless it is mounted. 0 or a negative errno. */
int vm_mount(struct reason *why);

struct vm_path {
	char text[sizeof(VM_MOUNT_POINT) + SMEMV_PATH_LEN];
};

struct vm_path vm_path(const char *name);

/* What the module calls the file at a path; of one that is not below the mount point its last part. */
const char *vm_name(const char *path);

#endif
