// SPDX-License-Identifier: GPL-2.0-only
#include "human.h"
#include "view.h"

#define PAGES_PER_GIB	262144.0

static uint64_t mapped_pages(const struct scan_info *scan)
{
	uint64_t pages = 0;
	int i;

	for (i = 0; i < SMEMV_SCAN_AGES; i++)
		pages += scan->ages[i];
	return pages;
}

/* Microseconds that a scan takes for each GiB that is mapped; negative: nothing is. */
static double cost_per_gib_us(const struct scan_info *scan)
{
	uint64_t pages = mapped_pages(scan);

	return pages ? (double)scan->cost_ns / 1000 * PAGES_PER_GIB / (double)pages : -1;
}

static void view_ages(struct printer *printer, const struct scan_info *scan)
{
	static const struct {
		const char *key;
		const char *what;
	} texts[SMEMV_SCAN_AGES] = {
		{ "0", "pages accessed in the newest interval" },
		{ "1", "one interval ago, not since" },
		{ "2", "two intervals ago" },
		{ "3", "three" },
		{ "4", "four" },
		{ "5", "five" },
		{ "6", "six" },
		{ "7", "seven" },
		{ "older", "longer ago, or never" },
	};
	int i;

	print_group(printer, "pages_by_age");
	for (i = 0; i < SMEMV_SCAN_AGES; i++)
		print_counter(printer, texts[i].key, scan->ages[i], texts[i].what);
	print_group_end(printer);
}

static void view_cost(struct printer *printer, const struct scan_info *scan)
{
	struct human share;

	snprintf(share.text, sizeof(share.text), "%.2f%%", (double)scan->share_ppm / 1e4);
	print_number(printer, "scans", "SCANS", scan->scans);
	print_time_us(printer, "cost_us", "COST", (double)scan->cost_ns / 1000);
	print_time_us(printer, "cost_per_gib_us", "PER GIB", cost_per_gib_us(scan));
	print_column(printer, "CPU", share.text, true);
	print_number(printer, "cpu_share_ppm", NULL, scan->share_ppm);
	print_bytes(printer, "memory_bytes", NULL, scan->memory_bytes);
}

static void view_memory(struct printer *printer, const struct scan_info *scan)
{
	uint64_t mapped = mapped_pages(scan);
	uint64_t idle = scan->ages[SMEMV_SCAN_AGES - 1];
	uint64_t size = scan->size_bytes / PAGE_BYTES;

	print_bytes(printer, "size_bytes", "SIZE", scan->size_bytes);
	print_bytes(printer, "mapped_bytes", "MAPPED", mapped * PAGE_BYTES);
	print_bytes(printer, "newest_bytes", "NEWEST", scan->ages[0] * PAGE_BYTES);
	print_bytes(printer, "idle_bytes", "IDLE", idle * PAGE_BYTES);
	print_number(printer, "unknown_pages", NULL, size > mapped ? size - mapped : 0);
}

static void view_scan(struct printer *printer, const struct scan_info *scan)
{
	struct human interval = human_time_us(1000.0 * scan->interval_now_ms);

	print_item(printer);
	print_number(printer, "pid", "PID", scan->pid);
	print_text(printer, "method", "METHOD", scan_method_text(scan->method));
	if (scan->why[0])
		print_text(printer, "why", NULL, scan->why);
	print_column(printer, "INTERVAL", interval.text, true);
	print_number(printer, "interval_ms", NULL, scan->interval_now_ms);
	print_number(printer, "interval_asked_ms", NULL, scan->interval_ms);
	view_memory(printer, scan);
	view_cost(printer, scan);
	print_number(printer, "files", NULL, scan->files);
	view_ages(printer, scan);
	print_item_end(printer);
}

void view_scans(struct printer *printer, const char *key, const struct snapshot *now,
		const struct snapshot *before)
{
	size_t i;

	(void)before;	/* a scan has no rates */
	print_list(printer, key, "Scans");
	for (i = 0; i < now->n_scans; i++)
		view_scan(printer, &now->scans[i]);
	print_list_end(printer);
}
