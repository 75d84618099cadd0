// SPDX-License-Identifier: GPL-2.0-only
/* smemv.ko: the module's beginning and end, and its state per namespace. */
#include <linux/module.h>
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
struct workqueue_struct *smemv_lane_wq;

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

static struct workqueue_struct *make_workqueue(const char *name)
{
	return alloc_workqueue("%s", WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_HIGHPRI,
			       0, name);
}

static int __init smemv_init(void)
{
	int err = -ENOMEM;

	smemv_crc32c_init();
	if (smemv_crc32c_by_tables)
		pr_info("CRC32C by tables: they are quicker here than the kernel's\n");
	smemv_wq = make_workqueue("smemv");
	if (!smemv_wq)
		return -ENOMEM;
	smemv_lane_wq = make_workqueue("smemv_lane");
	if (!smemv_lane_wq)
		goto destroy_wq;
	err = smemv_map_module_init();
	if (err)
		goto destroy_lane_wq;
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
destroy_lane_wq:
	destroy_workqueue(smemv_lane_wq);
destroy_wq:
	destroy_workqueue(smemv_wq);
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
	destroy_workqueue(smemv_lane_wq);
	destroy_workqueue(smemv_wq);
}

module_init(smemv_init);
module_exit(smemv_exit);

MODULE_AUTHOR("The S-memV developers");
MODULE_DESCRIPTION("Virtual machine memory on memory servers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
MODULE_ALIAS_GENL_FAMILY("smemv");
