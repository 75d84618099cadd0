/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM differences between the supported kernels. Include after linux/kvm_host.h. */
#ifndef SMEMV_COMPAT_KVM_H
#define SMEMV_COMPAT_KVM_H

/* 6.8: renamed. Address spaces of guest physical memory: normal, and SMM's. */
#ifdef KVM_MAX_NR_ADDRESS_SPACES
#define SMEMV_COMPAT_KVM_SPACES		KVM_MAX_NR_ADDRESS_SPACES
#else
#define SMEMV_COMPAT_KVM_SPACES		KVM_ADDRESS_SPACE_NUM
#endif

#endif
