/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's messages as structures. What a message does not hold is zero;
 * what it holds beyond what this version knows is ignored.
 */
#ifndef SMEMV_DECODE_H
#define SMEMV_DECODE_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "latency.h"
#include "parse.h"

#define PAGE_BYTES	4096ull

struct server_info {
	char name[SMEMV_NAME_LEN];
	struct address address;
	uint64_t limit_bytes;
	uint32_t lanes;
	uint32_t lanes_up;
	uint32_t timeout_ms;
	uint32_t state;
	uint8_t id[16];
	uint64_t capacity_bytes;
	uint64_t free_bytes;
	uint64_t pages;
	uint32_t inflight;
	uint32_t drains;
	char drain_why[128];
	uint64_t counters[SMEMV_SC__MAX];
	struct latency load;
	struct latency store;
};

struct swap_where {
	char server[SMEMV_NAME_LEN];
	uint64_t pages;
};

struct swap_info {
	char name[SMEMV_NAME_LEN];
	char device[64];
	uint64_t size_bytes;
	struct name_list servers;
	uint32_t policy;
	uint32_t deadline_ms;
	uint32_t queues;
	uint32_t openers;
	uint8_t uuid[16];
	uint64_t epoch;
	uint64_t pages;
	uint64_t lost;
	uint32_t waiting;
	struct swap_where *where;
	size_t n_where;
	uint64_t counters[SMEMV_PC__MAX];
};

struct vm_info {
	char name[SMEMV_PATH_LEN];
	uint64_t size_bytes;		/* 0: it has none yet, and no space */
	uint64_t budget_bytes;
	uint64_t resident_bytes;
	uint64_t peak_bytes;
	uint64_t going_bytes;
	bool has_goal;
	uint64_t goal_bytes;
	bool populating;
	uint64_t missed;
	bool dma;
	bool deleted;
	struct name_list servers;
	uint32_t policy;
	uint32_t deadline_ms;
	uint32_t openers;
	uint8_t uuid[16];
	uint64_t epoch;
	uint32_t owner;
	uint64_t pages;
	uint64_t lost;
	uint32_t waiting;
	struct swap_where *where;
	size_t n_where;
	uint64_t counters[SMEMV_PC__MAX];
	uint64_t file_counters[SMEMV_FC__MAX];
	uint32_t scanned_pid;		/* 0: no scan is attached */
	char order[16];			/* of eviction; "": none yet */
};

struct scan_info {
	uint32_t pid;
	uint32_t interval_ms;
	uint32_t interval_now_ms;
	uint32_t method;
	char why[128];
	uint64_t ages[SMEMV_SCAN_AGES];
	uint64_t size_bytes;
	uint64_t scans;
	uint64_t cost_ns;
	uint64_t share_ppm;
	uint64_t memory_bytes;
	uint32_t files;
};

struct event_info {
	uint32_t type;
	char server[SMEMV_NAME_LEN];
	char space[SMEMV_NAME_LEN];
	bool has_page;
	uint64_t page;
	bool has_count;
	uint64_t count;
	bool has_left;
	uint64_t left;
	char text[256];
};

/* All return 0 or a negative errno. */
int decode_server(const struct nlmsghdr *msg, struct server_info *info);
int decode_swap(const struct nlmsghdr *msg, struct swap_info *info);
int decode_vm(const struct nlmsghdr *msg, struct vm_info *info);
int decode_scan(const struct nlmsghdr *msg, struct scan_info *info);
int decode_event(const struct nlmsghdr *msg, struct event_info *info);

void swap_info_free(struct swap_info *info);
void vm_info_free(struct vm_info *info);

const char *server_state_text(uint32_t state);
const char *scan_method_text(uint32_t method);
const char *event_text(uint32_t type);
const char *owner_text(uint32_t owner);

#endif
