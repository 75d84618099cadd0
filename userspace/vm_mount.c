// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "vm_mount.h"

static bool is_mounted(void)
{
	struct statfs fs;

	return !statfs(VM_MOUNT_POINT, &fs) && fs.f_type == SMEMV_FS_MAGIC;
}

/* The kernel refuses a second one in the same place, as when another command was quicker. 0 or a negative errno. */
static int mount_here(void)
{
	int err;

	if (!mount("smemv", VM_MOUNT_POINT, "smemv", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return 0;
	err = -errno;
	return err == -EBUSY && is_mounted() ? 0 : err;
}

int vm_mount(struct reason *why)
{
	int err;

	if (is_mounted())
		return 0;
	if (mkdir(VM_MOUNT_POINT, 0755) && errno != EEXIST) {
		reason_set(why, "cannot make the directory %s: %s", VM_MOUNT_POINT, strerror(errno));
		return -errno;
	}
	err = mount_here();
	if (err)
		reason_set(why, "cannot mount the filesystem smemv on %s: %s", VM_MOUNT_POINT,
			   strerror(-err));
	return err;
}

struct vm_path vm_path(const char *name)
{
	struct vm_path path;

	snprintf(path.text, sizeof(path.text), "%s/%s", VM_MOUNT_POINT, name);
	return path;
}

const char *vm_name(const char *path)
{
	const char *last = strrchr(path, '/');

	if (!strncmp(path, VM_MOUNT_POINT "/", sizeof(VM_MOUNT_POINT)))
		return path + sizeof(VM_MOUNT_POINT);
	return last ? last + 1 : path;
}
