/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module says about its objects at one moment. */
#ifndef SMEMV_SNAPSHOT_H
#define SMEMV_SNAPSHOT_H

#include "decode.h"
#include "netlink.h"

struct snapshot {
	struct server_info *servers;
	size_t n_servers;
	struct swap_info *swaps;
	size_t n_swaps;
	struct vm_info *vms;
	size_t n_vms;
	struct scan_info *scans;
	size_t n_scans;
	double taken_s;		/* monotonic clock */
};

/* @name: one object, which must exist; NULL: all. What @snapshot held of the kind before is forgotten. */
int snapshot_servers(struct link *link, const char *name, struct snapshot *snapshot,
		     struct reason *why);
int snapshot_swaps(struct link *link, const char *name, struct snapshot *snapshot,
		   struct reason *why);
int snapshot_vms(struct link *link, const char *name, struct snapshot *snapshot,
		 struct reason *why);
/* @name: the number of a process */
int snapshot_scans(struct link *link, const char *name, struct snapshot *snapshot,
		   struct reason *why);
int snapshot_all(struct link *link, struct snapshot *snapshot, struct reason *why);
void snapshot_free(struct snapshot *snapshot);

/* For the answers to commands that make an object. */
int snapshot_add_vm(const struct nlmsghdr *reply, void *snapshot, struct reason *why);
int snapshot_add_swap(const struct nlmsghdr *reply, void *snapshot, struct reason *why);

const struct server_info *snapshot_server(const struct snapshot *snapshot, const char *name);
const struct swap_info *snapshot_swap(const struct snapshot *snapshot, const char *name);
const struct vm_info *snapshot_vm(const struct snapshot *snapshot, const char *name);

#endif
