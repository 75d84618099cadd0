// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <netlink/genl/genl.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "snapshot.h"
#include "wait.h"

#define DUMP_TRIES	8

static int bad_message(struct reason *why)
{
	reason_set(why, "the module's answer cannot be understood: use the module and the program of one version");
	return -EBADMSG;
}

/* Grows by doubling: count is a power of two, or zero, whenever the array is full. */
static void *make_room(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return must(realloc(array, (count ? 2 * count : 1) * size));
}

static int add_server(const struct nlmsghdr *reply, void *arg, struct reason *why)
{
	struct snapshot *snapshot = arg;

	snapshot->servers = make_room(snapshot->servers, snapshot->n_servers,
				      sizeof(*snapshot->servers));
	if (decode_server(reply, &snapshot->servers[snapshot->n_servers]))
		return bad_message(why);
	snapshot->n_servers++;
	return 0;
}

int snapshot_add_swap(const struct nlmsghdr *reply, void *arg, struct reason *why)
{
	struct snapshot *snapshot = arg;

	snapshot->swaps = make_room(snapshot->swaps, snapshot->n_swaps, sizeof(*snapshot->swaps));
	if (decode_swap(reply, &snapshot->swaps[snapshot->n_swaps]))
		return bad_message(why);
	snapshot->n_swaps++;
	return 0;
}

int snapshot_add_vm(const struct nlmsghdr *reply, void *arg, struct reason *why)
{
	struct snapshot *snapshot = arg;

	snapshot->vms = make_room(snapshot->vms, snapshot->n_vms, sizeof(*snapshot->vms));
	if (decode_vm(reply, &snapshot->vms[snapshot->n_vms]))
		return bad_message(why);
	snapshot->n_vms++;
	return 0;
}

static int add_scan(const struct nlmsghdr *reply, void *arg, struct reason *why)
{
	struct snapshot *snapshot = arg;

	snapshot->scans = make_room(snapshot->scans, snapshot->n_scans, sizeof(*snapshot->scans));
	if (decode_scan(reply, &snapshot->scans[snapshot->n_scans]))
		return bad_message(why);
	snapshot->n_scans++;
	return 0;
}

static void forget_servers(struct snapshot *snapshot)
{
	free(snapshot->servers);
	snapshot->servers = NULL;
	snapshot->n_servers = 0;
}

static void forget_swaps(struct snapshot *snapshot)
{
	size_t i;

	for (i = 0; i < snapshot->n_swaps; i++)
		swap_info_free(&snapshot->swaps[i]);
	free(snapshot->swaps);
	snapshot->swaps = NULL;
	snapshot->n_swaps = 0;
}

static void forget_vms(struct snapshot *snapshot)
{
	size_t i;

	for (i = 0; i < snapshot->n_vms; i++)
		vm_info_free(&snapshot->vms[i]);
	free(snapshot->vms);
	snapshot->vms = NULL;
	snapshot->n_vms = 0;
}

static void forget_scans(struct snapshot *snapshot)
{
	free(snapshot->scans);
	snapshot->scans = NULL;
	snapshot->n_scans = 0;
}

void snapshot_free(struct snapshot *snapshot)
{
	forget_scans(snapshot);
	forget_vms(snapshot);
	forget_servers(snapshot);
	forget_swaps(snapshot);
}

struct query {
	uint8_t command;
	int name_attr;
	link_reply_fn add;
	void (*forget)(struct snapshot *snapshot);
};

static const struct query server_query = {
	SMEMV_CMD_SERVER_GET, SMEMV_A_SERVER_NAME, add_server, forget_servers,
};

static const struct query swap_query = {
	SMEMV_CMD_SWAP_GET, SMEMV_A_SWAP_NAME, snapshot_add_swap, forget_swaps,
};

static const struct query vm_query = {
	SMEMV_CMD_VM_GET, SMEMV_A_VM_NAME, snapshot_add_vm, forget_vms,
};

static const struct query scan_query = {
	SMEMV_CMD_SCAN_GET, SMEMV_A_SCAN_PID, add_scan, forget_scans,
};

static int ask(struct link *link, const struct query *query, const char *name,
	       struct snapshot *snapshot, struct reason *why)
{
	struct nl_msg *request = must(link_request(link, query->command,
						   name ? NLM_F_ACK : NLM_F_DUMP));

	if (name && query == &scan_query)
		nla_put_u32(request, query->name_attr, (uint32_t)strtoul(name, NULL, 10));
	else if (name)
		nla_put_string(request, query->name_attr, name);
	return link_exchange(link, request, query->add, snapshot, why);
}

/* A dump in whose course objects came or went is not consistent, and is made again. */
static int ask_until_consistent(struct link *link, const struct query *query, const char *name,
				struct snapshot *snapshot, struct reason *why)
{
	int tries, err = -EAGAIN;

	for (tries = 0; tries < DUMP_TRIES && err == -EAGAIN; tries++) {
		query->forget(snapshot);
		reason_set(why, "the objects changed too often to be listed, try again");
		err = ask(link, query, name, snapshot, why);
	}
	snapshot->taken_s = clock_s();
	return err;
}

int snapshot_servers(struct link *link, const char *name, struct snapshot *snapshot,
		     struct reason *why)
{
	return ask_until_consistent(link, &server_query, name, snapshot, why);
}

int snapshot_swaps(struct link *link, const char *name, struct snapshot *snapshot,
		   struct reason *why)
{
	return ask_until_consistent(link, &swap_query, name, snapshot, why);
}

int snapshot_vms(struct link *link, const char *name, struct snapshot *snapshot,
		 struct reason *why)
{
	return ask_until_consistent(link, &vm_query, name, snapshot, why);
}

int snapshot_scans(struct link *link, const char *name, struct snapshot *snapshot,
		   struct reason *why)
{
	return ask_until_consistent(link, &scan_query, name, snapshot, why);
}

int snapshot_all(struct link *link, struct snapshot *snapshot, struct reason *why)
{
	int err = snapshot_servers(link, NULL, snapshot, why);

	if (!err)
		err = snapshot_swaps(link, NULL, snapshot, why);
	if (!err)
		err = snapshot_vms(link, NULL, snapshot, why);
	return err ? err : snapshot_scans(link, NULL, snapshot, why);
}

const struct server_info *snapshot_server(const struct snapshot *snapshot, const char *name)
{
	size_t i;

	for (i = 0; i < snapshot->n_servers; i++)
		if (!strcmp(snapshot->servers[i].name, name))
			return &snapshot->servers[i];
	return NULL;
}

const struct swap_info *snapshot_swap(const struct snapshot *snapshot, const char *name)
{
	size_t i;

	for (i = 0; i < snapshot->n_swaps; i++)
		if (!strcmp(snapshot->swaps[i].name, name))
			return &snapshot->swaps[i];
	return NULL;
}

const struct vm_info *snapshot_vm(const struct snapshot *snapshot, const char *name)
{
	const struct vm_info *deleted = NULL;
	size_t i;

	for (i = 0; i < snapshot->n_vms; i++) {
		if (strcmp(snapshot->vms[i].name, name))
			continue;
		if (!snapshot->vms[i].deleted)
			return &snapshot->vms[i];
		deleted = &snapshot->vms[i];
	}
	return deleted;
}
