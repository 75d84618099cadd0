// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "kvm_fd.h"

#define VM_LINK	"anon_inode:kvm-vm"

static bool is_vm(int directory, const char *name)
{
	char target[64];
	ssize_t len = readlinkat(directory, name, target, sizeof(target) - 1);

	if (len < 0)
		return false;
	target[len] = '\0';
	return !strcmp(target, VM_LINK);
}

/* The number that the machine's file has there. */
static int find(DIR *directory)
{
	const struct dirent *entry;

	while ((entry = readdir(directory)))
		if (is_vm(dirfd(directory), entry->d_name))
			return atoi(entry->d_name);
	return -ENOENT;
}

static int explain(struct reason *why, uint32_t pid, int err)
{
	if (err == ENOENT || err == ESRCH)
		reason_set(why, "there is no process %u", pid);
	else if (err == EACCES || err == EPERM)
		reason_set(why, "may not look into process %u: this needs root (CAP_SYS_PTRACE)", pid);
	else
		reason_set(why, "cannot look into process %u: %s", pid, strerror(err));
	return -err;
}

static int find_in(uint32_t pid, struct reason *why)
{
	char path[32];
	DIR *directory;
	int number;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	directory = opendir(path);
	if (!directory)
		return explain(why, pid, errno);
	errno = 0;
	number = find(directory);
	if (number < 0 && errno == EACCES)
		explain(why, pid, errno);
	else if (number < 0)
		reason_set(why, "process %u has no virtual machine of KVM", pid);
	closedir(directory);
	return number;
}

int kvm_fd_open(uint32_t pid, struct reason *why)
{
	int number = find_in(pid, why), process, fd;

	if (number < 0)
		return number;
	process = pidfd_open((pid_t)pid, 0);
	if (process < 0)
		return explain(why, pid, errno);
	fd = pidfd_getfd(process, number, 0);
	if (fd < 0)
		fd = explain(why, pid, errno);
	close(process);
	return fd;
}
