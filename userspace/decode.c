// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <netlink/genl/genl.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "human.h"

static uint32_t get_u32(const struct nlattr *attr)
{
	return attr && nla_len(attr) >= (int)sizeof(uint32_t) ? nla_get_u32(attr) : 0;
}

static uint64_t get_u64(const struct nlattr *attr)
{
	return attr && nla_len(attr) >= (int)sizeof(uint64_t) ? nla_get_u64(attr) : 0;
}

static void get_text(const struct nlattr *attr, char *text, size_t size)
{
	text[0] = '\0';
	if (!attr)
		return;
	nla_strlcpy(text, attr, size);
	make_printable(text);
}

/* For arrays and structures that may be shorter or longer than this version knows them. */
static void get_bytes(const struct nlattr *attr, void *to, size_t size)
{
	size_t len;

	memset(to, 0, size);
	if (!attr)
		return;
	len = nla_len(attr);
	memcpy(to, nla_data(attr), len < size ? len : size);
}

static void get_address(const struct nlattr *attr, struct address *address)
{
	get_bytes(attr, &address->sockaddr, sizeof(address->sockaddr));
	address->len = attr ? (socklen_t)nla_len(attr) : 0;
	if (address->len > sizeof(address->sockaddr))
		address->len = sizeof(address->sockaddr);
}

int decode_server(const struct nlmsghdr *msg, struct server_info *info)
{
	struct nlattr *tb[SMEMV_A_SERVER_MAX + 1];

	memset(info, 0, sizeof(*info));
	if (genlmsg_parse((struct nlmsghdr *)msg, 0, tb, SMEMV_A_SERVER_MAX, NULL))
		return -EBADMSG;
	if (!tb[SMEMV_A_SERVER_NAME])
		return -EBADMSG;
	get_text(tb[SMEMV_A_SERVER_NAME], info->name, sizeof(info->name));
	get_address(tb[SMEMV_A_SERVER_ADDR], &info->address);
	info->limit_bytes = get_u64(tb[SMEMV_A_SERVER_LIMIT]);
	info->lanes = get_u32(tb[SMEMV_A_SERVER_LANES]);
	info->lanes_up = get_u32(tb[SMEMV_A_SERVER_LANES_UP]);
	info->timeout_ms = get_u32(tb[SMEMV_A_SERVER_TIMEOUT]);
	info->state = get_u32(tb[SMEMV_A_SERVER_STATE]);
	get_bytes(tb[SMEMV_A_SERVER_ID], info->id, sizeof(info->id));
	info->capacity_bytes = get_u64(tb[SMEMV_A_SERVER_CAPACITY]);
	info->free_bytes = get_u64(tb[SMEMV_A_SERVER_FREE]);
	info->pages = get_u64(tb[SMEMV_A_SERVER_PAGES]);
	info->inflight = get_u32(tb[SMEMV_A_SERVER_INFLIGHT]);
	info->drains = get_u32(tb[SMEMV_A_SERVER_DRAINS]);
	get_text(tb[SMEMV_A_SERVER_DRAIN_WHY], info->drain_why, sizeof(info->drain_why));
	get_bytes(tb[SMEMV_A_SERVER_COUNTERS], info->counters, sizeof(info->counters));
	get_bytes(tb[SMEMV_A_SERVER_LOAD_LATENCY], &info->load, sizeof(info->load));
	get_bytes(tb[SMEMV_A_SERVER_STORE_LATENCY], &info->store, sizeof(info->store));
	return 0;
}

static size_t count_nested(const struct nlattr *nest)
{
	const struct nlattr *attr;
	size_t count = 0;
	int left;

	nla_for_each_nested(attr, nest, left)
		count++;
	return count;
}

static int get_servers(const struct nlattr *nest, struct name_list *list)
{
	const struct nlattr *attr;
	size_t count;
	int left;

	count = nest ? count_nested(nest) : 0;
	if (!count)
		return 0;
	list->names = calloc(count, sizeof(*list->names));
	if (!list->names)
		return -ENOMEM;
	nla_for_each_nested(attr, nest, left)
		get_text(attr, list->names[list->count++], sizeof(*list->names));
	return 0;
}

static int add_where(struct nlattr *attr, struct swap_where **list, size_t *count)
{
	struct nlattr *tb[SMEMV_A_SERVER_MAX + 1];
	struct swap_where *where;

	if (nla_parse_nested(tb, SMEMV_A_SERVER_MAX, attr, NULL))
		return -EBADMSG;
	where = realloc(*list, (*count + 1) * sizeof(*where));
	if (!where)
		return -ENOMEM;
	*list = where;
	where += (*count)++;
	get_text(tb[SMEMV_A_SERVER_NAME], where->server, sizeof(where->server));
	where->pages = get_u64(tb[SMEMV_A_SERVER_PAGES]);
	return 0;
}

/* The attribute is there once for each server with pages. */
static int get_where(const struct nlmsghdr *msg, int type, struct swap_where **list, size_t *count)
{
	struct nlattr *attr;
	int left, err = 0;

	nlmsg_for_each_attr(attr, msg, GENL_HDRLEN, left)
		if (!err && nla_type(attr) == type)
			err = add_where(attr, list, count);
	return err;
}

int decode_swap(const struct nlmsghdr *msg, struct swap_info *info)
{
	struct nlattr *tb[SMEMV_A_SWAP_MAX + 1];
	int err;

	memset(info, 0, sizeof(*info));
	if (genlmsg_parse((struct nlmsghdr *)msg, 0, tb, SMEMV_A_SWAP_MAX, NULL))
		return -EBADMSG;
	if (!tb[SMEMV_A_SWAP_NAME])
		return -EBADMSG;
	get_text(tb[SMEMV_A_SWAP_NAME], info->name, sizeof(info->name));
	get_text(tb[SMEMV_A_SWAP_DEV], info->device, sizeof(info->device));
	info->size_bytes = get_u64(tb[SMEMV_A_SWAP_SIZE]);
	info->policy = get_u32(tb[SMEMV_A_SWAP_POLICY]);
	info->deadline_ms = get_u32(tb[SMEMV_A_SWAP_DEADLINE]);
	info->queues = get_u32(tb[SMEMV_A_SWAP_QUEUES]);
	info->openers = get_u32(tb[SMEMV_A_SWAP_OPENERS]);
	get_bytes(tb[SMEMV_A_SWAP_UUID], info->uuid, sizeof(info->uuid));
	info->epoch = get_u64(tb[SMEMV_A_SWAP_EPOCH]);
	info->pages = get_u64(tb[SMEMV_A_SWAP_PAGES]);
	info->lost = get_u64(tb[SMEMV_A_SWAP_LOST]);
	info->waiting = get_u32(tb[SMEMV_A_SWAP_WAITING]);
	get_bytes(tb[SMEMV_A_SWAP_COUNTERS], info->counters, sizeof(info->counters));

	err = get_servers(tb[SMEMV_A_SWAP_SERVERS], &info->servers);
	if (!err)
		err = get_where(msg, SMEMV_A_SWAP_WHERE, &info->where, &info->n_where);
	if (err)
		swap_info_free(info);
	return err;
}

void swap_info_free(struct swap_info *info)
{
	name_list_free(&info->servers);
	free(info->where);
	info->where = NULL;
	info->n_where = 0;
}

static void get_vm_space(struct nlattr **tb, struct vm_info *info)
{
	info->size_bytes = get_u64(tb[SMEMV_A_VM_SIZE]);
	info->policy = get_u32(tb[SMEMV_A_VM_POLICY]);
	info->deadline_ms = get_u32(tb[SMEMV_A_VM_DEADLINE]);
	get_bytes(tb[SMEMV_A_VM_UUID], info->uuid, sizeof(info->uuid));
	info->epoch = get_u64(tb[SMEMV_A_VM_EPOCH]);
	info->pages = get_u64(tb[SMEMV_A_VM_PAGES]);
	info->lost = get_u64(tb[SMEMV_A_VM_LOST]);
	info->waiting = get_u32(tb[SMEMV_A_VM_WAITING]);
	get_bytes(tb[SMEMV_A_VM_COUNTERS], info->counters, sizeof(info->counters));
}

int decode_vm(const struct nlmsghdr *msg, struct vm_info *info)
{
	struct nlattr *tb[SMEMV_A_VM_MAX + 1];
	int err;

	memset(info, 0, sizeof(*info));
	if (genlmsg_parse((struct nlmsghdr *)msg, 0, tb, SMEMV_A_VM_MAX, NULL))
		return -EBADMSG;
	if (!tb[SMEMV_A_VM_NAME])
		return -EBADMSG;
	get_text(tb[SMEMV_A_VM_NAME], info->name, sizeof(info->name));
	info->budget_bytes = get_u64(tb[SMEMV_A_VM_BUDGET]);
	info->resident_bytes = get_u64(tb[SMEMV_A_VM_RESIDENT]);
	info->peak_bytes = get_u64(tb[SMEMV_A_VM_PEAK]);
	info->going_bytes = get_u64(tb[SMEMV_A_VM_GOING]);
	info->has_goal = tb[SMEMV_A_VM_GOAL];
	info->goal_bytes = get_u64(tb[SMEMV_A_VM_GOAL]);
	info->populating = tb[SMEMV_A_VM_POPULATING];
	info->missed = get_u64(tb[SMEMV_A_VM_MISSED]);
	info->dma = tb[SMEMV_A_VM_DMA];
	info->deleted = tb[SMEMV_A_VM_DELETED];
	info->owner = get_u32(tb[SMEMV_A_VM_OWNER]);
	info->openers = get_u32(tb[SMEMV_A_VM_OPENERS]);
	info->scanned_pid = get_u32(tb[SMEMV_A_VM_PID]);
	get_text(tb[SMEMV_A_VM_ORDER], info->order, sizeof(info->order));
	get_bytes(tb[SMEMV_A_VM_FILE_COUNTERS], info->file_counters, sizeof(info->file_counters));
	get_vm_space(tb, info);

	err = get_servers(tb[SMEMV_A_VM_SERVERS], &info->servers);
	if (!err)
		err = get_where(msg, SMEMV_A_VM_WHERE, &info->where, &info->n_where);
	if (err)
		vm_info_free(info);
	return err;
}

void vm_info_free(struct vm_info *info)
{
	name_list_free(&info->servers);
	free(info->where);
	info->where = NULL;
	info->n_where = 0;
}

int decode_scan(const struct nlmsghdr *msg, struct scan_info *info)
{
	struct nlattr *tb[SMEMV_A_SCAN_MAX + 1];

	memset(info, 0, sizeof(*info));
	if (genlmsg_parse((struct nlmsghdr *)msg, 0, tb, SMEMV_A_SCAN_MAX, NULL))
		return -EBADMSG;
	if (!tb[SMEMV_A_SCAN_PID])
		return -EBADMSG;
	info->pid = get_u32(tb[SMEMV_A_SCAN_PID]);
	info->interval_ms = get_u32(tb[SMEMV_A_SCAN_INTERVAL]);
	info->interval_now_ms = get_u32(tb[SMEMV_A_SCAN_INTERVAL_NOW]);
	info->method = get_u32(tb[SMEMV_A_SCAN_METHOD]);
	get_text(tb[SMEMV_A_SCAN_WHY], info->why, sizeof(info->why));
	get_bytes(tb[SMEMV_A_SCAN_AGES], info->ages, sizeof(info->ages));
	info->size_bytes = get_u64(tb[SMEMV_A_SCAN_SIZE]);
	info->scans = get_u64(tb[SMEMV_A_SCAN_SCANS]);
	info->cost_ns = get_u64(tb[SMEMV_A_SCAN_COST]);
	info->share_ppm = get_u64(tb[SMEMV_A_SCAN_SHARE]);
	info->memory_bytes = get_u64(tb[SMEMV_A_SCAN_MEMORY]);
	info->files = get_u32(tb[SMEMV_A_SCAN_FILES]);
	return 0;
}

int decode_event(const struct nlmsghdr *msg, struct event_info *info)
{
	struct nlattr *tb[SMEMV_A_EVENT_MAX + 1];

	memset(info, 0, sizeof(*info));
	if (genlmsg_parse((struct nlmsghdr *)msg, 0, tb, SMEMV_A_EVENT_MAX, NULL))
		return -EBADMSG;
	info->type = get_u32(tb[SMEMV_A_EVENT_TYPE]);
	get_text(tb[SMEMV_A_EVENT_SERVER], info->server, sizeof(info->server));
	get_text(tb[SMEMV_A_EVENT_SPACE], info->space, sizeof(info->space));
	info->has_page = tb[SMEMV_A_EVENT_PAGE];
	info->page = get_u64(tb[SMEMV_A_EVENT_PAGE]);
	info->has_count = tb[SMEMV_A_EVENT_COUNT];
	info->count = get_u64(tb[SMEMV_A_EVENT_COUNT]);
	info->has_left = tb[SMEMV_A_EVENT_LEFT];
	info->left = get_u64(tb[SMEMV_A_EVENT_LEFT]);
	get_text(tb[SMEMV_A_EVENT_TEXT], info->text, sizeof(info->text));
	return 0;
}

const char *server_state_text(uint32_t state)
{
	static const char *const texts[] = {
		[SMEMV_SERVER_CONNECTING] = "connecting",
		[SMEMV_SERVER_UP] = "up",
		[SMEMV_SERVER_FULL] = "full",
		[SMEMV_SERVER_DRAINING] = "draining",
		[SMEMV_SERVER_DOWN] = "down",
	};

	return state < sizeof(texts) / sizeof(*texts) ? texts[state] : "unknown";
}

const char *owner_text(uint32_t owner)
{
	static const char *const texts[] = {
		[SMEMV_OWNER_ACTIVE] = "active",
		[SMEMV_OWNER_CLAIMED] = "claimed",
		[SMEMV_OWNER_LOST] = "lost",
	};

	return owner < sizeof(texts) / sizeof(*texts) ? texts[owner] : "unknown";
}

const char *scan_method_text(uint32_t method)
{
	static const char *const texts[] = {
		[SMEMV_SCAN_NONE] = "none-yet",
		[SMEMV_SCAN_TDP_WALK] = "tdp-walk",
		[SMEMV_SCAN_CLEAR_YOUNG] = "clear-young",
	};

	return method < sizeof(texts) / sizeof(*texts) ? texts[method] : "unknown";
}

const char *event_text(uint32_t type)
{
	static const char *const texts[__SMEMV_EV_END] = {
		[SMEMV_EV_SERVER_ADDED] = "server-added",
		[SMEMV_EV_SERVER_UP] = "server-up",
		[SMEMV_EV_SERVER_DOWN] = "server-down",
		[SMEMV_EV_SERVER_FULL] = "server-full",
		[SMEMV_EV_SERVER_RESTARTED] = "server-restarted",
		[SMEMV_EV_SERVER_DELETED] = "server-deleted",
		[SMEMV_EV_SWAP_ADDED] = "swap-added",
		[SMEMV_EV_SWAP_DELETED] = "swap-deleted",
		[SMEMV_EV_PAGE_LOST] = "page-lost",
		[SMEMV_EV_DEADLINE] = "deadline",
		[SMEMV_EV_FENCED_OUT] = "fenced-out",
		[SMEMV_EV_SUSPENDED] = "suspended",
		[SMEMV_EV_RESUMED] = "resumed",
		[SMEMV_EV_VM_ADDED] = "vm-added",
		[SMEMV_EV_VM_DELETED] = "vm-deleted",
		[SMEMV_EV_DRAINED] = "drained",
		[SMEMV_EV_DRAIN_FAILED] = "drain-failed",
		[SMEMV_EV_VM_ADOPTED] = "vm-adopted",
		[SMEMV_EV_VM_ADOPT_FAILED] = "vm-adopt-failed",
		[SMEMV_EV_VM_ACTIVATED] = "vm-activated",
		[SMEMV_EV_VM_TAKEN_BACK] = "vm-taken-back",
		[SMEMV_EV_DRAINING] = "draining",
		[SMEMV_EV_EVICTING] = "evicting",
		[SMEMV_EV_EVICTED] = "evicted",
		[SMEMV_EV_POPULATING] = "populating",
		[SMEMV_EV_POPULATED] = "populated",
	};

	return type < __SMEMV_EV_END && texts[type] ? texts[type] : "unknown";
}
