// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <netlink/attr.h>
#include <string.h>
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

int vm_file_open(const char *name, struct reason *why)
{
	struct vm_path path = vm_path(name);
	int fd = open(path.text, O_RDWR | O_CLOEXEC), err = errno;

	if (fd >= 0)
		return fd;
	if (err != ENOENT || !look_for(name, why))
		reason_set(why, "cannot open %s: %s", path.text, strerror(err));
	return -err;
}

static int put_name(struct nl_msg *request, const void *name)
{
	return nla_put_string(request, SMEMV_A_VM_NAME, name);
}

int vm_file_remove(const char *name, struct reason *why)
{
	struct vm_path path = vm_path(name);
	int err = request_exchange(SMEMV_CMD_VM_DEL, put_name, name, NULL, NULL, why);

	if (err || !unlink(path.text))
		return err;
	reason_set(why, "cannot remove %s: %s; remove the file where the filesystem smemv is mounted",
		   path.text, strerror(errno));
	return -errno;
}
