// SPDX-License-Identifier: GPL-2.0-only
/* Paging out memory of another process. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "decode.h"
#include "kvm_fd.h"
#include "reclaim.h"

static int explain(struct reclaim *r, int err, struct reason *why)
{
	if (err == ESRCH || err == ENOENT) {
		r->gone = true;
		reason_set(why, "process %u ended", r->pid);
		return -ESRCH;
	}
	if (err == EPERM || err == EACCES)
		reason_set(why, "may not page out memory of process %u: this needs root (CAP_SYS_NICE and CAP_SYS_PTRACE)",
			   r->pid);
	else if (err == ENOSYS)
		reason_set(why, "this kernel has no process_madvise()");
	else
		reason_set(why, "cannot page out memory of process %u: %s", r->pid, strerror(err));
	return -err;
}

static int open_pagemap(struct reclaim *r, struct reason *why)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u/pagemap", r->pid);
	r->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	return r->pagemap < 0 ? explain(r, errno, why) : 0;
}

/* The descriptor first: whatever is found out then is of the process that it stands for. */
int reclaim_open(struct reclaim *r, struct reason *why)
{
	int vm;

	r->pagemap = -1;
	r->pidfd = pidfd_open((pid_t)r->pid, 0);
	vm = kvm_fd_open(r->pid, why);
	if (vm < 0)
		return vm;
	close(vm);
	return r->pidfd < 0 ? explain(r, ESRCH, why) : open_pagemap(r, why);
}

void reclaim_close(struct reclaim *r)
{
	if (r->pagemap >= 0)
		close(r->pagemap);
	if (r->pidfd >= 0)
		close(r->pidfd);
}

bool reclaim_is_gone(struct reclaim *r)
{
	struct pollfd process = { .fd = r->pidfd, .events = POLLIN };

	r->gone |= poll(&process, 1, 0) > 0;
	return r->gone;
}

/* The rest of a vector, behind its first @bytes. */
static void advance(struct iovec **vector, size_t *count, size_t bytes)
{
	while (*count && bytes >= (*vector)->iov_len) {
		bytes -= (*vector)->iov_len;
		(*vector)++;
		(*count)--;
	}
	if (*count) {
		(*vector)->iov_base = (char *)(*vector)->iov_base + bytes;
		(*vector)->iov_len -= bytes;
	}
}

/* Of one range only: it was unmapped meanwhile, is locked, or of a kind that is never paged out. */
static bool is_of_the_range(int err)
{
	return err == ENOMEM || err == EINVAL || err == EAGAIN || err == EBADF || err == EFAULT;
}

static int advise(struct reclaim *r, struct iovec *vector, size_t count, struct reason *why)
{
	ssize_t done;

	while (count) {
		done = process_madvise(r->pidfd, vector, count, MADV_PAGEOUT, 0);
		if (done > 0)
			advance(&vector, &count, (size_t)done);
		else if (!done || is_of_the_range(errno))
			advance(&vector, &count, vector->iov_len);
		else if (errno != EINTR)
			return explain(r, errno, why);
	}
	return 0;
}

int reclaim_page_out(struct reclaim *r, const struct smemv_scan_range *ranges, size_t count,
		     struct reason *why)
{
	struct iovec vector[RECLAIM_RANGES];
	size_t i;

	for (i = 0; i < count; i++) {
		vector[i].iov_base = (void *)(uintptr_t)ranges[i].address;
		vector[i].iov_len = ranges[i].pages * PAGE_BYTES;
	}
	return advise(r, vector, count, why);
}
