/* SPDX-License-Identifier: GPL-2.0-only */
/* Finding the virtual machine of another process. */
#ifndef SMEMV_KVM_FD_H
#define SMEMV_KVM_FD_H

#include <stdint.h>

#include "call.h"

/* A descriptor of our own of KVM's file of the process's machine, or a negative errno and the reason. */
int kvm_fd_open(uint32_t pid, struct reason *why);

#endif
