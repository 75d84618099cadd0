// SPDX-License-Identifier: GPL-2.0-only
/* smemv.ko: the module's beginning and end, and its state per namespace. */
#include <linux/module.h>
#include <linux/random.h>
#include <linux/workqueue.h>
#include <net/netns/generic.h>

#include "core/crc32c.h"
#include "memfile.h"
#include "netlink.h"
#include "ns.h"
#include "scan.h"
#include "spin.h"
#include "swapdisk.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

struct workqueue_struct *smemv_wq;
struct workqueue_struct *smemv_destroy_wq;
struct workqueue_struct *smemv_drain_wq;
struct workqueue_struct *smemv_lane_wq;
struct workqueue_struct *smemv_xmit_wq;

unsigned int smemv_spin_us = 100;
module_param_named(spin_us, smemv_spin_us, uint, 0644);
MODULE_PARM_DESC(spin_us, "spin so long for a page, where pages come so soon, before sleeping: microseconds, 0: never (100)");

static unsigned int ns_id;

struct smemv_ns *smemv_ns(struct net *net)
{
	return net_generic(net, ns_id);
}

static int __net_init ns_init(struct net *net)
{
	struct smemv_ns *ns = smemv_ns(net);

	ns->net = net;
	mutex_init(&ns->lock);
	spin_lock_init(&ns->defaults_lock);
	get_random_bytes(&ns->client, sizeof(ns->client));
	get_random_bytes(&ns->client_key, sizeof(ns->client_key));
	INIT_LIST_HEAD(&ns->servers);
	INIT_LIST_HEAD(&ns->adding);
	INIT_LIST_HEAD(&ns->disks);
	INIT_LIST_HEAD(&ns->files);
	INIT_LIST_HEAD(&ns->scans);
	return 0;
}

/*
 * An open disk holds the namespace and the module, as does a file: here none is
 * open, and there are no files.
 */
static void __net_exit ns_exit(struct net *net)
{
	struct smemv_ns *ns = smemv_ns(net);
	struct smemv_swapdisk *d, *next_disk;
	struct smemv_server *server, *next_server;
	const char *why;

	mutex_lock(&ns->lock);
	ns->dying = true;
	WARN_ON(!list_empty(&ns->files));
	smemv_scan_stop_all(ns);
	list_for_each_entry_safe(d, next_disk, &ns->disks, link)
		WARN_ON(smemv_swapdisk_del(d, &why));
	list_for_each_entry_safe(server, next_server, &ns->servers, link)
		WARN_ON(smemv_server_del(server, &why));
	mutex_unlock(&ns->lock);
}

static struct pernet_operations ns_ops = {
	.init = ns_init,
	.exit = ns_exit,
	.id = &ns_id,
	.size = sizeof(struct smemv_ns),
};

static const struct {
	struct workqueue_struct **queue;
	const char *name;
} queues[] = {
	{ &smemv_wq, "smemv" },
	{ &smemv_destroy_wq, "smemv_destroy" },
	{ &smemv_drain_wq, "smemv_drain" },
	{ &smemv_lane_wq, "smemv_lane" },
	{ &smemv_xmit_wq, "smemv_xmit" },
};

static void destroy_workqueues(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(queues) && *queues[i].queue; i++)
		destroy_workqueue(*queues[i].queue);
}

/* As much at once as the kernel allows: each lane of a server that is away may wait for a while. */
static int __init make_workqueues(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		*queues[i].queue = alloc_workqueue("%s", WQ_UNBOUND | WQ_MEM_RECLAIM |
						   WQ_HIGHPRI, WQ_MAX_ACTIVE, queues[i].name);
		if (!*queues[i].queue) {
			destroy_workqueues();
			return -ENOMEM;
		}
	}
	return 0;
}

static int __init smemv_init(void)
{
	int err;

	smemv_crc32c_init();
	if (smemv_crc32c_by_tables)
		pr_info("CRC32C by tables: they are quicker here than the kernel's\n");
	err = make_workqueues();
	if (err)
		return err;
	err = smemv_map_module_init();
	if (err)
		goto destroy_queues;
	err = smemv_scan_module_init();
	if (err)
		goto exit_map;
	err = register_pernet_device(&ns_ops);
	if (err)
		goto exit_scan;
	err = smemv_netlink_init();
	if (err)
		goto unregister_ns;
	err = smemv_shrink_module_init();
	if (err)
		goto uninit_netlink;
	err = smemv_fs_init();
	if (err)
		goto exit_shrink;
	pr_info("loaded, wire protocol %u, default port %u\n",
		SMEMV_WIRE_VERSION, SMEMV_WIRE_PORT);
	return 0;

exit_shrink:
	smemv_shrink_module_exit();
uninit_netlink:
	smemv_netlink_uninit();
unregister_ns:
	unregister_pernet_device(&ns_ops);
exit_scan:
	smemv_scan_module_exit();
exit_map:
	smemv_map_module_exit();
destroy_queues:
	destroy_workqueues();
	return err;
}

static void __exit smemv_exit(void)
{
	smemv_fs_uninit();
	smemv_shrink_module_exit();
	smemv_netlink_uninit();
	unregister_pernet_device(&ns_ops);
	smemv_scan_module_exit();
	smemv_map_module_exit();
	destroy_workqueues();
}

module_init(smemv_init);
module_exit(smemv_exit);

MODULE_AUTHOR("The S-memV developers");
MODULE_DESCRIPTION("Virtual machine memory on memory servers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
MODULE_ALIAS_GENL_FAMILY("smemv");
