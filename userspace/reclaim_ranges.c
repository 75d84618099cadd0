// SPDX-License-Identifier: GPL-2.0-only
/* Which memory of a scanned process is cold, from the module, and mapped, from /proc/PID/pagemap. */
#include <errno.h>
#include <fcntl.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "decode.h"
#include "print.h"
#include "reclaim.h"
#include "snapshot.h"

#define PAGEMAP_PRESENT	(1ull << 63)
#define PAGEMAP_FRAME	((1ull << 55) - 1)
#define PAGEMAP_AT_ONCE	2048

static void range_list_add(struct range_list *list, uint64_t address, uint64_t pages)
{
	struct smemv_scan_range *last = list->count ? &list->ranges[list->count - 1] : NULL;

	list->pages += pages;
	if (last && last->address + last->pages * PAGE_BYTES == address) {
		last->pages += pages;
		return;
	}
	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 256;
		list->ranges = must(reallocarray(list->ranges, list->room, sizeof(*list->ranges)));
	}
	list->ranges[list->count++] = (struct smemv_scan_range) { address, pages };
}

void range_list_free(struct range_list *list)
{
	free(list->ranges);
	memset(list, 0, sizeof(*list));
}

void range_list_cut(struct range_list *list, uint64_t pages)
{
	struct smemv_scan_range *last;
	uint64_t over;

	while (list->pages > pages) {
		last = &list->ranges[list->count - 1];
		over = list->pages - pages;
		if (over > last->pages)
			over = last->pages;
		last->pages -= over;
		list->pages -= over;
		list->count -= !last->pages;
	}
}

static int add_ranges(const struct nlmsghdr *reply, void *arg, struct reason *why)
{
	struct nlattr *tb[SMEMV_A_SCAN_MAX + 1];
	struct smemv_scan_range range;
	struct range_list *list = arg;
	size_t at, bytes;

	if (genlmsg_parse((struct nlmsghdr *)reply, 0, tb, SMEMV_A_SCAN_MAX, NULL) ||
	    !tb[SMEMV_A_SCAN_RANGES]) {
		reason_set(why, "the module's answer cannot be understood: use the module and the program of one version");
		return -EBADMSG;
	}
	bytes = (size_t)nla_len(tb[SMEMV_A_SCAN_RANGES]);
	for (at = 0; at + sizeof(range) <= bytes; at += sizeof(range)) {
		memcpy(&range, (const char *)nla_data(tb[SMEMV_A_SCAN_RANGES]) + at, sizeof(range));
		range_list_add(list, range.address, range.pages);
	}
	return 0;
}

static int ask_scan(struct reclaim *r, struct scan_info *scan, struct reason *why)
{
	struct snapshot snapshot = { 0 };
	char number[16];
	int err;

	snprintf(number, sizeof(number), "%u", r->pid);
	err = snapshot_scans(r->link, number, &snapshot, why);
	if (!err && snapshot.n_scans)
		*scan = snapshot.scans[0];
	snapshot_free(&snapshot);
	if (err == -ENOENT)
		reason_set(why, "process %u is not scanned: say \"smemv scan start pid %u\", and give it the time to see what is cold",
			   r->pid, r->pid);
	return err;
}

/* Not said how long, it is in any interval that is remembered: only the module knows how long they were. */
static int ask_cold(struct reclaim *r, struct range_list *cold, struct reason *why)
{
	struct nl_msg *request = must(link_request(r->link, SMEMV_CMD_SCAN_RANGES, NLM_F_DUMP));

	nla_put_u32(request, SMEMV_A_SCAN_PID, r->pid);
	if (r->cold_s)
		nla_put_u32(request, SMEMV_A_SCAN_COLD, (uint32_t)(r->cold_s * 1e3));
	return link_exchange(r->link, request, add_ranges, cold, why);
}

/* The entries of the pages from @address on; fewer than @count when the process's memory ends there. */
static ssize_t read_pagemap(const struct reclaim *r, uint64_t address, uint64_t count,
			    uint64_t *entries, struct reason *why)
{
	size_t nr = count < PAGEMAP_AT_ONCE ? count : PAGEMAP_AT_ONCE;
	ssize_t got = pread(r->pagemap, entries, nr * sizeof(*entries),
			    (off_t)(address / PAGE_BYTES * sizeof(*entries)));

	if (got < 0) {
		reason_set(why, "cannot read /proc/%u/pagemap: %s", r->pid, strerror(errno));
		return -errno;
	}
	return got / (ssize_t)sizeof(*entries);
}

/*
 * The frame that all pages share which were read and never written: it takes no memory. A page of our own
 * tells it; 0: may not be known.
 */
static uint64_t find_zero_frame(void)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	volatile char *page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t entry = 0;

	if (pagemap >= 0 && page != MAP_FAILED && !*page &&
	    pread(pagemap, &entry, sizeof(entry), (off_t)((uintptr_t)page / PAGE_BYTES * sizeof(entry))) !=
	    sizeof(entry))
		entry = 0;
	if (page != MAP_FAILED)
		munmap((void *)page, PAGE_BYTES);
	if (pagemap >= 0)
		close(pagemap);
	return entry & PAGEMAP_FRAME;
}

static bool is_here(uint64_t entry)
{
	static uint64_t zero_frame;
	static bool is_known;

	if (!is_known)
		zero_frame = find_zero_frame();
	is_known = true;
	return (entry & PAGEMAP_PRESENT) && (!zero_frame || (entry & PAGEMAP_FRAME) != zero_frame);
}

/* Adds the pages of a range that take memory to @here. */
static int add_here(const struct reclaim *r, const struct smemv_scan_range *range,
		    struct range_list *here, struct reason *why)
{
	static uint64_t entries[PAGEMAP_AT_ONCE];
	uint64_t at, address;
	ssize_t got, i;

	for (at = 0; at < range->pages; at += (uint64_t)got) {
		address = range->address + at * PAGE_BYTES;
		got = read_pagemap(r, address, range->pages - at, entries, why);
		if (got <= 0)
			return (int)got;
		for (i = 0; i < got; i++)
			if (is_here(entries[i]))
				range_list_add(here, address + (uint64_t)i * PAGE_BYTES, 1);
	}
	return 0;
}

/* Until there are @limit bytes. */
static int add_all_here(const struct reclaim *r, const struct smemv_scan_range *ranges, size_t count,
			uint64_t limit, struct range_list *here, struct reason *why)
{
	size_t i;
	int err = 0;

	for (i = 0; i < count && here->pages * PAGE_BYTES < limit && !err; i++)
		err = add_here(r, &ranges[i], here, why);
	return err;
}

int reclaim_count_here(const struct reclaim *r, const struct smemv_scan_range *ranges, size_t count,
		       uint64_t *pages, struct reason *why)
{
	struct range_list here = { 0 };
	int err = add_all_here(r, ranges, count, UINT64_MAX, &here, why);

	*pages = here.pages;
	range_list_free(&here);
	return err;
}

/* Once: the interval grows and shrinks. */
static void warn_if_short(struct reclaim *r, const struct scan_info *scan)
{
	if (r->warned || !r->cold_s || r->cold_s * 1e3 >= scan->interval_now_ms)
		return;
	r->warned = true;
	call_fail(r->call, "cold is less than the scan's interval, %.3g s at present, which is what counts",
		  scan->interval_now_ms / 1e3);
}

static int by_address(const void *a, const void *b)
{
	const struct smemv_scan_range *one = a, *other = b;

	return (one->address > other->address) - (one->address < other->address);
}

/* Adds what of @all is from @from on, and before @to. */
static void add_within(const struct range_list *all, uint64_t from, uint64_t to, struct range_list *part)
{
	uint64_t begin, end;
	size_t i;

	for (i = 0; i < all->count; i++) {
		begin = all->ranges[i].address;
		end = begin + all->ranges[i].pages * PAGE_BYTES;
		if (begin < from)
			begin = from;
		if (end > to)
			end = to;
		if (begin < end)
			range_list_add(part, begin, (end - begin) / PAGE_BYTES);
	}
}

/* By addresses, from @first on and around: they come as the guest has them. */
static void turn(struct range_list *list, uint64_t first)
{
	struct range_list turned = { 0 };

	if (list->count)
		qsort(list->ranges, list->count, sizeof(*list->ranges), by_address);
	add_within(list, first, UINT64_MAX, &turned);
	add_within(list, 0, first, &turned);
	range_list_free(list);
	*list = turned;
}

static void explain_wait(const struct reclaim *r, const struct scan_info *scan, struct reason *why)
{
	if (r->cold_s)
		reason_set(why, "the scan of process %u has not watched for %.4g s yet: wait, or ask for less",
			   r->pid, r->cold_s);
	else
		reason_set(why, "the scan of process %u has looked %llu of %d times, every %.3g s: wait, or ask for less with cold",
			   r->pid, (unsigned long long)scan->scans, SMEMV_SCAN_AGES - 1,
			   scan->interval_now_ms / 1e3);
}

static int find_anew(struct reclaim *r, const struct scan_info *scan, uint64_t limit,
		     struct range_list *list, struct reason *why)
{
	struct range_list cold = { 0 };
	int err = ask_cold(r, &cold, why);

	if (err == -EAGAIN)
		explain_wait(r, scan, why);
	if (!err) {
		turn(&cold, r->next);
		err = add_all_here(r, cold.ranges, cold.count, limit, list, why);
	}
	range_list_free(&cold);
	return err;
}

int reclaim_find(struct reclaim *r, uint64_t limit, struct range_list *list, struct reason *why)
{
	struct scan_info scan = { 0 };
	int err = ask_scan(r, &scan, why);

	if (err)
		return err;
	if (!scan.scans) {
		reason_set(why, "the scan of process %u has not looked yet: try again in a moment", r->pid);
		return -EAGAIN;
	}
	warn_if_short(r, &scan);
	r->passes = scan.scans;
	return r->passes == r->in_vain ? 0 : find_anew(r, &scan, limit, list, why);
}
