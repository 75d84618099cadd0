// SPDX-License-Identifier: GPL-2.0-only
#include <netlink/attr.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "request.h"
#include "settings.h"
#include "wait.h"

#define NODE_WAIT_MS	2000
#define NODE_POLL_MS	10

enum { SERVERS, NAME, QUEUES, SETTINGS, N_OPTIONS = SETTINGS + N_SETTINGS };

struct new_swap {
	uint64_t size_bytes;
	struct name_list servers;
	char name[SMEMV_NAME_LEN];
	uint32_t queues;
	struct settings settings;
	struct keyword keywords[N_OPTIONS + 1];
};

static int put_new_swap(struct nl_msg *request, const void *arg)
{
	const struct new_swap *swap = arg;
	int err;

	err = nla_put_u64(request, SMEMV_A_SWAP_SIZE, swap->size_bytes);
	if (swap->keywords[NAME].seen)
		err |= nla_put_string(request, SMEMV_A_SWAP_NAME, swap->name);
	if (swap->keywords[SERVERS].seen)
		err |= request_put_names(request, SMEMV_A_SWAP_SERVERS, &swap->servers);
	if (swap->keywords[QUEUES].seen)
		err |= nla_put_u32(request, SMEMV_A_SWAP_QUEUES, swap->queues);
	return err | settings_put(request, &swap->settings, SMEMV_A_SWAP_POLICY, SMEMV_A_SWAP_DEADLINE);
}

/* devtmpfs or udev makes the node a little after the disk is there. */
static bool wait_for_node(const char *path)
{
	int waited_ms;

	for (waited_ms = 0; access(path, F_OK); waited_ms += NODE_POLL_MS) {
		if (waited_ms >= NODE_WAIT_MS)
			return false;
		wait_s(NODE_POLL_MS / 1e3);
	}
	return true;
}

static void print_new(const struct call *call, const struct snapshot *made)
{
	struct printer *printer;

	if (!call->json) {
		puts(made->swaps[0].device);
		return;
	}
	printer = printer_new(stdout, PRINT_JSON);
	view_swaps(printer, NULL, made, NULL);
	printer_end(printer, false);
}

static int create(struct call *call, const struct new_swap *swap)
{
	struct snapshot made = { 0 };
	int status = request_run(call, SMEMV_CMD_SWAP_ADD, put_new_swap, swap,
				 snapshot_add_swap, &made);

	if (!status && !made.n_swaps)
		status = call_fail(call, "the module did not say which disk it made");
	if (!status && !wait_for_node(made.swaps[0].device))
		fprintf(stderr, "smemv: swap add: the disk was made, but no node %s appeared: is a devtmpfs mounted on /dev?\n",
			made.swaps[0].device);
	if (!status)
		print_new(call, &made);
	snapshot_free(&made);
	return status;
}

int swap_add(struct call *call)
{
	struct new_swap swap = {
		.keywords = {
			[SERVERS] = { "servers", "NAME[,NAME]", parse_names, &swap.servers, false },
			[NAME] = { "name", "NAME", parse_name, swap.name, false },
			[QUEUES] = { "queues", "N", parse_number, &swap.queues, false },
		},
	};
	const char *size = parse_required(call, "SIZE");
	struct reason why;
	int status;

	if (!size)
		return EXIT_USAGE;
	if (parse_size(size, &swap.size_bytes, &why))
		return call_usage(call, "%s", why.text);
	settings_keywords(&swap.settings, &swap.keywords[SETTINGS]);
	status = parse_keywords(call, swap.keywords);
	settings_take(&swap.settings, &swap.keywords[SETTINGS]);
	if (swap.keywords[NAME].seen)
		call->subject = swap.name;
	if (!status)
		status = create(call, &swap);
	name_list_free(&swap.servers);
	return status;
}

int swap_show(struct call *call)
{
	return request_show(call, snapshot_swaps, view_swaps);
}

struct change {
	const char *name;
	struct settings settings;
};

static int put_change(struct nl_msg *request, const void *arg)
{
	const struct change *change = arg;

	return nla_put_string(request, SMEMV_A_SWAP_NAME, change->name) |
	       settings_put(request, &change->settings, SMEMV_A_SWAP_POLICY, SMEMV_A_SWAP_DEADLINE);
}

int swap_set(struct call *call)
{
	struct keyword keywords[N_SETTINGS + 1] = { 0 };
	struct change change = { 0 };
	int status;

	change.name = parse_subject(call);
	if (!change.name)
		return EXIT_USAGE;
	if (!call_peek(call))
		return call_usage(call, "policy or deadline is missing");
	settings_keywords(&change.settings, keywords);
	status = parse_keywords(call, keywords);
	settings_take(&change.settings, keywords);
	return status ? status : request_run(call, SMEMV_CMD_SWAP_SET, put_change, &change, NULL, NULL);
}

static int put_name(struct nl_msg *request, const void *name)
{
	return nla_put_string(request, SMEMV_A_SWAP_NAME, name);
}

int swap_del(struct call *call)
{
	if (!parse_subject(call) || parse_end(call))
		return EXIT_USAGE;
	return request_run(call, SMEMV_CMD_SWAP_DEL, put_name, call->subject, NULL, NULL);
}
