// SPDX-License-Identifier: GPL-2.0-only
#include <cap-ng.h>
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>

#include "harden.h"
#include "log.h"
#include "util.h"

/*
 * A list of what is refused, not of what is allowed: libc, liburing and
 * libmicrohttpd change the calls they use, and a memory server that dies of an
 * update loses its pages. io_uring itself is reached by no filter; its sockets
 * were all accepted here.
 */
static const char * const refused[] = {
	"execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv",
	"process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp", "mount", "umount2", "move_mount",
	"open_tree", "fsopen", "fsmount", "pivot_root", "chroot", "unshare", "setns",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load",
	"bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key",
	"reboot", "swapon", "swapoff", "settimeofday", "clock_settime", "adjtimex",
	"acct", "quotactl", "iopl", "ioperm", "sethostname", "setdomainname", "syslog",
	"unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat",
	"rmdir", "link", "linkat", "symlink", "symlinkat", "mknod", "mknodat",
	"chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat",
	"truncate", "creat", "memfd_create", "personality",
};

static int add_rules(scmp_filter_ctx ctx)
{
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		int nr = seccomp_syscall_resolve_name(refused[i]);

		if (nr == __NR_SCMP_ERROR)
			continue;
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
		if (ret)
			return ret;
	}
	return 0;
}

static void filter_calls(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int ret = ctx ? add_rules(ctx) : -ENOMEM;

	if (!ret)
		ret = seccomp_load(ctx);
	if (ret)
		log_warn("no system call filter: %s", strerror(-ret));
	if (ctx)
		seccomp_release(ctx);
}

void harden_process(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS))
		log_warn("capabilities could not be given up");
	filter_calls();
}
