/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module keeps for each network namespace. */
#ifndef SMEMV_NS_H
#define SMEMV_NS_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/siphash.h>
#include <net/net_namespace.h>

struct smemv_file_defaults;

/**
 * struct smemv_ns - one main host's objects
 * @net: the namespace; it outlives this (pernet data)
 * @lock: serialises configuration: protects the lists and the existence of
 *	  what is on them. Outermost lock of the module, see docs/locking.md
 * @servers: struct smemv_server.link
 * @adding: struct smemv_server.link: connecting for the first time, not used yet
 * @disks: struct smemv_swapdisk.link
 * @files: struct smemv_memfile.link
 * @scans: struct smemv_scan.link
 * @file_defaults: of the namespace's mounted filesystem, or NULL; changed under @lock and
 * @defaults_lock: for who must not wait for @lock: reading the mounts
 * @client: random; this host, to all memory servers
 * @client_key: random; of the address, makes @client one client of one server
 * @generations: given to connections so far; it only rises (rule 2)
 * @removals: from any of the lists so far; under @lock
 * @dying: the namespace is being taken down, nothing may be added
 */
struct smemv_ns {
	struct net *net;
	struct mutex lock;
	struct list_head servers;
	struct list_head adding;
	struct list_head disks;
	struct list_head files;
	struct list_head scans;
	struct smemv_file_defaults *file_defaults;
	spinlock_t defaults_lock;
	u64 client;
	siphash_key_t client_key;
	atomic64_t generations;
	u32 removals;
	bool dying;
};

struct smemv_ns *smemv_ns(struct net *net);

#endif
