/* SPDX-License-Identifier: GPL-2.0-only */
/* Making a memory file, for the commands that do. */
#ifndef SMEMV_VM_H
#define SMEMV_VM_H

#include "request.h"

/* Options of a new file; what is 0, empty or not set is the module's choice. */
struct new_vm {
	int fd;
	uint64_t size_bytes;
	uint64_t budget_bytes;
	struct name_list servers;
	bool has_policy;
	uint32_t policy;
	uint32_t deadline_ms;
	bool dma;
};

/*
 * Makes the file that the call's subject names, and leaves it open as vm->fd. Returns an exit
 * status; the complaint was printed.
 */
int vm_make(struct call *call, struct new_vm *vm, struct snapshot *made);

#endif
