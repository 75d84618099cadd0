/* SPDX-License-Identifier: GPL-2.0-only */
/* Making and removing memory files: for commands, and for migrations, which need one for a while. */
#ifndef SMEMV_VM_H
#define SMEMV_VM_H

#include "request.h"
#include "settings.h"

/* Options of a new file; what is 0, empty or not set is the module's choice. */
struct new_vm {
	int fd;
	uint64_t size_bytes;
	bool has_budget;
	uint64_t budget_bytes;
	struct name_list servers;
	struct settings settings;
	bool dma;
	bool overcommit;
};

/* Makes the file, leaves it open as vm->fd, and adds it to @made. 0 or a negative errno. */
int vm_file_make(const char *name, struct new_vm *vm, struct snapshot *made, struct reason *why);

/* A file descriptor, or a negative errno with the reason. -EXDEV: it is of another network namespace. */
int vm_file_open(const char *name, struct reason *why);

/* -EBUSY: it is open or mapped. -ENOENT: there is none. */
int vm_file_remove(const char *name, struct reason *why);

/*
 * As vm_file_make(), of the name that is the call's subject. Returns an exit status; the complaint
 * was printed.
 */
int vm_make(struct call *call, struct new_vm *vm, struct snapshot *made);

#endif
