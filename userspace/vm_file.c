// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vm.h"
#include "vm_mount.h"

static int put_new_vm(struct nl_msg *request, const void *arg)
{
	const struct new_vm *vm = arg;
	int err;

	err = nla_put_u32(request, SMEMV_A_VM_FD, (uint32_t)vm->fd);
	err |= nla_put_u64(request, SMEMV_A_VM_SIZE, vm->size_bytes);
	if (vm->has_budget)
		err |= nla_put_u64(request, SMEMV_A_VM_BUDGET, vm->budget_bytes);
	if (vm->servers.count)
		err |= request_put_names(request, SMEMV_A_VM_SERVERS, &vm->servers);
	if (vm->dma)
		err |= nla_put_flag(request, SMEMV_A_VM_DMA);
	if (vm->overcommit)
		err |= nla_put_flag(request, SMEMV_A_VM_OVERCOMMIT);
	return err | settings_put(request, &vm->settings, SMEMV_A_VM_POLICY, SMEMV_A_VM_DEADLINE);
}

/* So that a missing module is told as such, not as a filesystem that cannot be mounted. */
static int find_module(struct reason *why)
{
	struct link *link;
	int err = link_open(&link, why);

	if (!err)
		link_close(link);
	return err;
}

static int open_new(const char *path, struct reason *why)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if (errno == EEXIST)
		reason_set(why, "a file %s exists already", path);
	else
		reason_set(why, "cannot make %s: %s", path, strerror(errno));
	return -errno;
}

int vm_file_make(const char *name, struct new_vm *vm, struct snapshot *made, struct reason *why)
{
	struct vm_path path = vm_path(name);
	int err = find_module(why);

	if (!err)
		err = vm_mount(why);
	if (err)
		return err;
	vm->fd = open_new(path.text, why);
	if (vm->fd < 0)
		return vm->fd;
	err = request_exchange(SMEMV_CMD_VM_ADD, put_new_vm, vm, snapshot_add_vm, made, why);
	if (err) {
		close(vm->fd);
		unlink(path.text);
	}
	return err;
}

/* Who asks for a file that is not there is told whether it is the module that is missing. */
static int look_for(const char *name, struct reason *why)
{
	struct snapshot snapshot;
	int err = request_look(snapshot_vms, name, &snapshot, why);

	snapshot_free(&snapshot);
	return err;
}

/* Of what a space was made from there may be several files; each has claimed an epoch of its own. */
static bool is_of_space(const struct vm_info *vm, const struct smemv_ioc_space *space)
{
	return !memcmp(vm->uuid, space->uuid, sizeof(vm->uuid)) && vm->epoch == space->epoch;
}

/* The module knows files by the network namespace of who asks, the path by that of who mounted. */
static int compare_with_named(const char *name, const struct smemv_ioc_space *space, struct reason *why)
{
	struct snapshot snapshot;
	int err = request_look(snapshot_vms, name, &snapshot, why);

	if (err == -ENOENT || (!err && !(snapshot.n_vms && is_of_space(snapshot.vms, space)))) {
		reason_set(why, "%s is not a file of this network namespace, but of another, whose filesystem is mounted there: run this in that one, or where the filesystem of this one is mounted on %s",
			   vm_path(name).text, VM_MOUNT_POINT);
		err = -EXDEV;
	}
	snapshot_free(&snapshot);
	return err;
}

/* What is no memory file, or has no size yet, is for the caller to find out: nothing can be done with it. */
static int check_once(int fd, const char *name, struct reason *why)
{
	struct smemv_ioc_space space = { 0 };

	return ioctl(fd, SMEMV_IOC_SPACE, &space) ? 0 : compare_with_named(name, &space, why);
}

/* Its owner may change between the two questions: then they agree the next time. */
static int check_is_named(int fd, const char *name, struct reason *why)
{
	int err = check_once(fd, name, why);

	return err == -EXDEV ? check_once(fd, name, why) : err;
}

int vm_file_open(const char *name, struct reason *why)
{
	struct vm_path path = vm_path(name);
	int fd = open(path.text, O_RDWR | O_CLOEXEC), err = errno;

	if (fd >= 0) {
		err = check_is_named(fd, name, why);
		if (!err)
			return fd;
		close(fd);
		return err;
	}
	if (err != ENOENT || !look_for(name, why))
		reason_set(why, "cannot open %s: %s", path.text, strerror(err));
	return -err;
}

static int put_name(struct nl_msg *request, const void *name)
{
	return nla_put_string(request, SMEMV_A_VM_NAME, name);
}

/* Without a complaint where it cannot be opened: the module tells why it cannot be deleted. */
static int check_before_remove(const char *name, struct reason *why)
{
	int fd = vm_file_open(name, why);

	if (fd >= 0)
		close(fd);
	return fd == -EXDEV ? fd : 0;
}

/* What the module has deleted cannot be opened any more: a file that can is another one. */
static int remove_deleted(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		return -EXDEV;
	}
	return errno != ENXIO || unlink(path) ? -errno : 0;
}

int vm_file_remove(const char *name, struct reason *why)
{
	struct vm_path path = vm_path(name);
	int err = check_before_remove(name, why);

	if (!err)
		err = request_exchange(SMEMV_CMD_VM_DEL, put_name, name, NULL, NULL, why);
	if (err)
		return err;
	err = remove_deleted(path.text);
	if (err)
		reason_set(why, "cannot remove %s: %s; remove the file where the filesystem smemv is mounted",
			   path.text, err == -EXDEV ? "it is of another network namespace" : strerror(-err));
	return err;
}
