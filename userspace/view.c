// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "human.h"
#include "view.h"

struct counter_text {
	const char *name;
	const char *what;
};

#define COUNTER_TEXT(id, name, what)	{ name, what },
static const struct counter_text server_counters[] = { SMEMV_SERVER_COUNTERS(COUNTER_TEXT) };
static const struct counter_text space_counters[] = { SMEMV_SPACE_COUNTERS(COUNTER_TEXT) };
static const struct counter_text file_counters[] = { SMEMV_FILE_COUNTERS(COUNTER_TEXT) };

static void view_counters(struct printer *printer, const char *key, const struct counter_text *texts,
			  const uint64_t *counters, int n)
{
	int i;

	print_group(printer, key);
	for (i = 0; i < n; i++)
		print_counter(printer, texts[i].name, counters[i], texts[i].what);
	print_group_end(printer);
}

/* Those that hold something, by the microseconds from which they count. */
static void view_buckets(struct printer *printer, const struct latency *latency)
{
	unsigned int i;

	if (!print_is_json(printer))
		return;
	print_group(printer, "buckets_us");
	for (i = 0; i < SMEMV_LATENCY_BUCKETS; i++) {
		struct human low;

		snprintf(low.text, sizeof(low.text), "%.10g", latency_bucket_low_us(i));
		if (latency->bucket[i])
			print_counter(printer, low.text, latency->bucket[i], NULL);
	}
	print_group_end(printer);
}

static void view_latency(struct printer *printer, const char *key, const char *head,
			 const struct latency *latency)
{
	double p50_us = latency_percentile_us(latency, 0.5);
	double p99_us = latency_percentile_us(latency, 0.99);
	uint64_t samples = latency_samples(latency);

	print_column(printer, head, samples ? human_percentiles(p50_us, p99_us).text : "-", true);
	print_group(printer, key);
	print_number(printer, "samples", NULL, samples);
	print_time_us(printer, "p50_us", NULL, p50_us);
	print_time_us(printer, "p99_us", NULL, p99_us);
	print_time_us(printer, "p999_us", NULL, latency_percentile_us(latency, 0.999));
	view_buckets(printer, latency);
	print_group_end(printer);
}

/* An object that was deleted and made again between two looks starts at zero. */
static double per_second(uint64_t now, uint64_t before, double seconds)
{
	if (seconds <= 0)
		return 0;
	return (double)(now < before ? now : now - before) / seconds;
}

static void view_server_rates(struct printer *printer, const struct server_info *now,
			      const struct server_info *before, double seconds)
{
	const uint64_t *n = now->counters, *b = before->counters;
	const struct latency load = latency_since(&now->load, &before->load);
	const struct latency store = latency_since(&now->store, &before->store);

	print_byte_rate(printer, "tx_bytes_per_s", "OUT/s",
			per_second(n[SMEMV_SC_TX_BYTES], b[SMEMV_SC_TX_BYTES], seconds));
	print_byte_rate(printer, "rx_bytes_per_s", "IN/s",
			per_second(n[SMEMV_SC_RX_BYTES], b[SMEMV_SC_RX_BYTES], seconds));
	print_rate(printer, "store_pages_per_s", "STORES/s",
		   per_second(n[SMEMV_SC_STORE_PAGES], b[SMEMV_SC_STORE_PAGES], seconds));
	print_rate(printer, "load_pages_per_s", "LOADS/s",
		   per_second(n[SMEMV_SC_LOAD_PAGES], b[SMEMV_SC_LOAD_PAGES], seconds));
	view_latency(printer, "recent_store_latency", "STORE p50/p99", &store);
	view_latency(printer, "recent_load_latency", "LOAD p50/p99", &load);
}

static void view_server_state(struct printer *printer, const struct server_info *server)
{
	char address[ADDRESS_TEXT_LEN];
	struct human lanes;

	snprintf(lanes.text, sizeof(lanes.text), "%u/%u", server->lanes_up, server->lanes);
	address_text(&server->address, address);

	print_text(printer, "name", "NAME", server->name);
	print_text(printer, "address", "ADDRESS", address);
	print_text(printer, "state", "STATE", server_state_text(server->state));
	print_column(printer, "LANES", lanes.text, true);
	print_number(printer, "lanes", NULL, server->lanes);
	print_number(printer, "lanes_up", NULL, server->lanes_up);
	print_number(printer, "timeout_ms", NULL, server->timeout_ms);
	print_number(printer, "inflight", "INFLIGHT", server->inflight);
}

/* A view that refreshes has rates where @full has what hardly changes. */
static void view_server_memory(struct printer *printer, const struct server_info *server, bool full)
{
	print_bytes(printer, "used_bytes", "USED", server->pages * PAGE_BYTES);
	print_number(printer, "pages", NULL, server->pages);
	print_bytes(printer, "free_bytes", "FREE", server->free_bytes);
	print_bytes(printer, "capacity_bytes", full ? "CAPACITY" : NULL, server->capacity_bytes);
	print_column(printer, full ? "LIMIT" : NULL, server->limit_bytes ?
		     human_size((double)server->limit_bytes).text : "-", true);
	print_bytes(printer, "limit_bytes", NULL, server->limit_bytes);
}

static void view_server(struct printer *printer, const struct server_info *server,
			const struct server_info *before, double seconds)
{
	char id[2 * sizeof(server->id) + 1];

	hex_text(server->id, sizeof(server->id), id);
	print_item(printer);
	view_server_state(printer, server);
	print_text(printer, "id", NULL, id);
	view_server_memory(printer, server, !before);
	if (before)
		view_server_rates(printer, server, before, seconds);
	view_latency(printer, "store_latency", before ? NULL : "STORE p50/p99", &server->store);
	view_latency(printer, "load_latency", before ? NULL : "LOAD p50/p99", &server->load);
	view_counters(printer, "counters", server_counters, server->counters, SMEMV_SC__MAX);
	print_item_end(printer);
}

void view_servers(struct printer *printer, const char *key, const struct snapshot *now,
		  const struct snapshot *before)
{
	static const struct server_info nothing;
	double seconds = before ? now->taken_s - before->taken_s : 0;
	size_t i;

	print_list(printer, key, "Servers");
	for (i = 0; i < now->n_servers; i++) {
		const struct server_info *server = &now->servers[i], *old = NULL;

		if (before)
			old = snapshot_server(before, server->name);
		if (before && !old)
			old = &nothing;
		view_server(printer, server, old, seconds);
	}
	print_list_end(printer);
}

/* "s1=1.5G s2=700M" */
static void view_where(struct printer *printer, const struct swap_where *where, size_t n)
{
	char text[1024] = "-";
	size_t i, len = 0;

	for (i = 0; i < n && len < sizeof(text); i++)
		len += snprintf(text + len, sizeof(text) - len, "%s%s=%s", i ? " " : "",
				where[i].server,
				human_size((double)(where[i].pages * PAGE_BYTES)).text);
	print_column(printer, "WHERE", text, false);

	print_group(printer, "where");
	for (i = 0; i < n; i++)
		print_counter(printer, where[i].server, where[i].pages, "pages");
	print_group_end(printer);
}

static void view_names(struct printer *printer, const struct name_list *servers)
{
	size_t i;

	print_list(printer, "servers", NULL);
	for (i = 0; i < servers->count; i++)
		print_value_text(printer, servers->names[i]);
	print_list_end(printer);
}

static void view_swap_rates(struct printer *printer, const struct swap_info *now,
			    const struct swap_info *before, double seconds)
{
	const uint64_t *n = now->counters, *b = before->counters;

	print_rate(printer, "store_pages_per_s", "WRITES/s",
		   per_second(n[SMEMV_PC_STORE_PAGES], b[SMEMV_PC_STORE_PAGES], seconds));
	print_rate(printer, "load_pages_per_s", "READS/s",
		   per_second(n[SMEMV_PC_LOAD_PAGES], b[SMEMV_PC_LOAD_PAGES], seconds));
}

static void view_swap_policy(struct printer *printer, const struct swap_info *swap, bool full)
{
	struct human deadline = human_time_us(1000.0 * swap->deadline_ms);

	print_text(printer, "policy", "POLICY", policy_text(swap->policy));
	print_column(printer, full ? "DEADLINE" : NULL, deadline.text, true);
	print_number(printer, "deadline_ms", NULL, swap->deadline_ms);
	print_number(printer, "queues", NULL, swap->queues);
	print_number(printer, "openers", NULL, swap->openers);
	print_column(printer, "IN USE", swap->openers ? "yes" : "no", false);
}

static void view_swap(struct printer *printer, const struct swap_info *swap,
		      const struct swap_info *before, double seconds)
{
	char uuid[37];

	uuid_text(swap->uuid, uuid);
	print_item(printer);
	print_text(printer, "name", "NAME", swap->name);
	print_text(printer, "device", "DEVICE", swap->device);
	print_bytes(printer, "size_bytes", "SIZE", swap->size_bytes);
	view_swap_policy(printer, swap, !before);
	print_text(printer, "uuid", NULL, uuid);
	print_number(printer, "epoch", NULL, swap->epoch);
	print_bytes(printer, "remote_bytes", "REMOTE", swap->pages * PAGE_BYTES);
	print_number(printer, "pages", NULL, swap->pages);
	print_number(printer, "lost_pages", "LOST", swap->lost);
	print_number(printer, "waiting", "WAITING", swap->waiting);
	if (before)
		view_swap_rates(printer, swap, before, seconds);
	view_names(printer, &swap->servers);
	view_where(printer, swap->where, swap->n_where);
	view_counters(printer, "counters", space_counters, swap->counters, SMEMV_PC__MAX);
	print_item_end(printer);
}

void view_swaps(struct printer *printer, const char *key, const struct snapshot *now,
		const struct snapshot *before)
{
	static const struct swap_info nothing;
	double seconds = before ? now->taken_s - before->taken_s : 0;
	size_t i;

	print_list(printer, key, "Swap disks");
	for (i = 0; i < now->n_swaps; i++) {
		const struct swap_info *swap = &now->swaps[i], *old = NULL;

		if (before)
			old = snapshot_swap(before, swap->name);
		if (before && !old)
			old = &nothing;
		view_swap(printer, swap, old, seconds);
	}
	print_list_end(printer);
}

static void view_vm_rates(struct printer *printer, const struct vm_info *now,
			  const struct vm_info *before, double seconds)
{
	const uint64_t *n = now->counters, *b = before->counters;

	print_rate(printer, "store_pages_per_s", "OUT/s",
		   per_second(n[SMEMV_PC_STORE_PAGES], b[SMEMV_PC_STORE_PAGES], seconds));
	print_rate(printer, "load_pages_per_s", "IN/s",
		   per_second(n[SMEMV_PC_LOAD_PAGES], b[SMEMV_PC_LOAD_PAGES], seconds));
}

static void view_vm_memory(struct printer *printer, const struct vm_info *vm)
{
	print_bytes(printer, "size_bytes", "SIZE", vm->size_bytes);
	print_bytes(printer, "budget_bytes", "BUDGET", vm->budget_bytes);
	print_bytes(printer, "resident_bytes", "RESIDENT", vm->resident_bytes);
	print_number(printer, "peak_bytes", NULL, vm->peak_bytes);
	print_number(printer, "going_bytes", NULL, vm->going_bytes);
	if (vm->has_goal)
		print_number(printer, "goal_bytes", NULL, vm->goal_bytes);
	if (vm->populating)
		print_number(printer, "populating", NULL, 1);
	print_number(printer, "missed_pages", NULL, vm->missed);
	print_bytes(printer, "remote_bytes", "ON SERVERS", vm->pages * PAGE_BYTES);
	print_number(printer, "pages", NULL, vm->pages);
	print_number(printer, "lost_pages", "LOST", vm->lost);
	print_number(printer, "waiting", "WAITING", vm->waiting);
}

static void view_vm_policy(struct printer *printer, const struct vm_info *vm, bool full)
{
	struct human deadline = human_time_us(1000.0 * vm->deadline_ms);

	print_text(printer, "policy", "POLICY", policy_text(vm->policy));
	print_column(printer, full ? "DEADLINE" : NULL, deadline.text, true);
	print_number(printer, "deadline_ms", NULL, vm->deadline_ms);
	print_text(printer, "dirty", NULL, vm->dma ? "dma" : "tracked");
	print_number(printer, "openers", NULL, vm->openers);
	if (vm->deleted)
		print_flag(printer, "deleted");
	if (vm->order[0])
		print_text(printer, "order", NULL, vm->order);
	if (vm->scanned_pid)
		print_number(printer, "scanned_pid", NULL, vm->scanned_pid);
	print_column(printer, "IN USE", vm->openers ? vm->deleted ? "deleted" : "yes" : "no", false);
	print_text(printer, "owner", full ? "OWNER" : NULL, owner_text(vm->owner));
}

static void view_vm(struct printer *printer, const struct vm_info *vm, const struct vm_info *before,
		    double seconds)
{
	char uuid[37];

	uuid_text(vm->uuid, uuid);
	print_item(printer);
	print_text(printer, "name", "NAME", vm->name);
	view_vm_memory(printer, vm);
	view_vm_policy(printer, vm, !before);
	print_text(printer, "uuid", NULL, uuid);
	print_number(printer, "epoch", NULL, vm->epoch);
	if (before)
		view_vm_rates(printer, vm, before, seconds);
	view_names(printer, &vm->servers);
	view_where(printer, vm->where, vm->n_where);
	view_counters(printer, "counters", space_counters, vm->counters, SMEMV_PC__MAX);
	view_counters(printer, "file_counters", file_counters, vm->file_counters, SMEMV_FC__MAX);
	print_item_end(printer);
}

/* Of files of one name, all but one of them deleted, the same one. */
static const struct vm_info *earlier(const struct snapshot *before, const struct vm_info *vm)
{
	size_t i;

	for (i = 0; i < before->n_vms; i++)
		if (!strcmp(before->vms[i].name, vm->name) &&
		    !memcmp(before->vms[i].uuid, vm->uuid, sizeof(vm->uuid)))
			return &before->vms[i];
	return snapshot_vm(before, vm->name);
}

void view_vms(struct printer *printer, const char *key, const struct snapshot *now,
	      const struct snapshot *before)
{
	static const struct vm_info nothing;
	double seconds = before ? now->taken_s - before->taken_s : 0;
	size_t i;

	print_list(printer, key, "Memory files");
	for (i = 0; i < now->n_vms; i++) {
		const struct vm_info *vm = &now->vms[i], *old = NULL;

		if (before)
			old = earlier(before, vm);
		if (before && !old)
			old = &nothing;
		view_vm(printer, vm, old, seconds);
	}
	print_list_end(printer);
}

void view_event(struct printer *printer, const struct event_info *event, const char *time)
{
	print_item(printer);
	print_text(printer, "time", NULL, time);
	print_text(printer, "event", NULL, event_text(event->type));
	if (event->server[0])
		print_text(printer, "server", "server", event->server);
	if (event->space[0])
		print_text(printer, "space", "space", event->space);
	if (event->space[0] && print_is_json(printer))	/* its former name, also of memory files */
		print_text(printer, "swap", NULL, event->space);
	if (event->has_page)
		print_number(printer, "page", "page", event->page);
	if (event->has_count)
		print_number(printer, "count", "count", event->count);
	if (event->has_left)
		print_number(printer, "left", "left", event->left);
	if (event->text[0])
		print_text(printer, "reason", "reason", event->text);
	print_item_end(printer);
}
