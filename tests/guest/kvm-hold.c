// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-hold: keep one idle virtual machine open until killed.
 *
 * The first and the last machine toggle static keys in KVM. Under multi-threaded emulation that
 * patching of running code was seen to end in an int3 oops and in hangs; with one machine open all
 * the time it happens once.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0) {
		perror("kvm-hold: /dev/kvm");
		return 1;
	}
	if (ioctl(kvm, KVM_CREATE_VM, 0) < 0) {
		perror("kvm-hold: KVM_CREATE_VM");
		return 1;
	}
	puts("kvm-hold: ready");
	fflush(stdout);
	for (;;)
		pause();
}
