/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands; each returns the exit status of the program. */
#ifndef SMEMV_COMMAND_H
#define SMEMV_COMMAND_H

#include "call.h"

int server_add(struct call *call);
int server_show(struct call *call);
int server_del(struct call *call);
int server_drain(struct call *call);

int swap_add(struct call *call);
int swap_show(struct call *call);
int swap_set(struct call *call);
int swap_del(struct call *call);

int vm_create(struct call *call);
int vm_show(struct call *call);
int vm_set(struct call *call);
int vm_del(struct call *call);
int vm_populate(struct call *call);
int vm_evict(struct call *call);
int vm_map(struct call *call);
int vm_adopt(struct call *call);
int vm_activate(struct call *call);
int vm_take_back(struct call *call);
int vm_attach(struct call *call);
int vm_heat(struct call *call);

int scan_start(struct call *call);
int scan_show(struct call *call);
int scan_stop(struct call *call);

int reclaim(struct call *call);

int migrate(struct call *call);

int show(struct call *call);
int monitor(struct call *call);

#endif
