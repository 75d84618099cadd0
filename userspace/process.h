/* SPDX-License-Identifier: GPL-2.0-only */
/* What of a process, a guest for instance, is local memory and what is swapped. */
#ifndef SMEMV_PROCESS_H
#define SMEMV_PROCESS_H

#include "call.h"
#include "print.h"

#define PROCESSES_MAX	64

struct process_list {
	int pids[PROCESSES_MAX];
	int count;
};

int parse_processes(const char *text, void *list, struct reason *why);

/* Its local memory, 0 when there is no such process. */
uint64_t process_resident_bytes(int pid);

/* Its memory that is swapped, be there a copy in the swap cache or not. */
uint64_t process_swapped_bytes(int pid);

/* A process that ended is left out. */
void view_processes(struct printer *printer, const char *key, const struct process_list *list);

#endif
