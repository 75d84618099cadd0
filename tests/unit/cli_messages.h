/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages as the module would send them, for the CLI's unit tests. */
#ifndef CLI_MESSAGES_H
#define CLI_MESSAGES_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netlink/genl/genl.h>
#include <string.h>

#include "../../kernel/uapi/smemv.h"

enum { MESSAGE_FAMILY = 0x23 };

static inline struct nl_msg *message_new(uint8_t command)
{
	struct nl_msg *msg = nlmsg_alloc_size(65536);

	genlmsg_put(msg, 0, 0, MESSAGE_FAMILY, 0, 0, command, SMEMV_GENL_VERSION);
	return msg;
}

/* Every field has another value, so that none can be taken for another. */
static inline struct nl_msg *message_server(const char *name)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(7371) };
	uint64_t counters[SMEMV_SC__MAX], load[SMEMV_LATENCY_BUCKETS] = { 0 };
	uint64_t store[SMEMV_LATENCY_BUCKETS] = { 0 };
	struct nl_msg *msg = message_new(SMEMV_CMD_SERVER_GET);
	int i;

	inet_pton(AF_INET, "10.0.0.2", &address.sin_addr);
	for (i = 0; i < SMEMV_SC__MAX; i++)
		counters[i] = 1000 + i;
	load[4 * 6] = 99;	/* [64, 80) us */
	load[4 * 10] = 1;	/* [1024, 1280) us */
	store[4 * 7] = 10;	/* [128, 160) us */

	nla_put_string(msg, SMEMV_A_SERVER_NAME, name);
	nla_put(msg, SMEMV_A_SERVER_ADDR, sizeof(address), &address);
	nla_put_u64(msg, SMEMV_A_SERVER_LIMIT, 8ull << 30);
	nla_put_u32(msg, SMEMV_A_SERVER_LANES, 4);
	nla_put_u32(msg, SMEMV_A_SERVER_LANES_UP, 3);
	nla_put_u32(msg, SMEMV_A_SERVER_TIMEOUT, 4000);
	nla_put_u32(msg, SMEMV_A_SERVER_STATE, SMEMV_SERVER_FULL);
	nla_put(msg, SMEMV_A_SERVER_ID, 16, "\x01\x23\x45\x67\x89\xab\xcd\xef\x00\x11\x22\x33\x44\x55\x66\x77");
	nla_put_u64(msg, SMEMV_A_SERVER_CAPACITY, 16ull << 30);
	nla_put_u64(msg, SMEMV_A_SERVER_FREE, 3ull << 30);
	nla_put_u64(msg, SMEMV_A_SERVER_PAGES, 1 << 18);
	nla_put_u32(msg, SMEMV_A_SERVER_INFLIGHT, 7);
	nla_put(msg, SMEMV_A_SERVER_COUNTERS, sizeof(counters), counters);
	nla_put(msg, SMEMV_A_SERVER_LOAD_LATENCY, sizeof(load), load);
	nla_put(msg, SMEMV_A_SERVER_STORE_LATENCY, sizeof(store), store);
	return msg;
}

static inline void message_put_where(struct nl_msg *msg, const char *server, uint64_t pages)
{
	struct nlattr *entry = nla_nest_start(msg, SMEMV_A_SWAP_WHERE);

	nla_put_string(msg, SMEMV_A_SERVER_NAME, server);
	nla_put_u64(msg, SMEMV_A_SERVER_PAGES, pages);
	nla_nest_end(msg, entry);
}

static inline struct nl_msg *message_swap(const char *name)
{
	struct nl_msg *msg = message_new(SMEMV_CMD_SWAP_GET);
	uint64_t counters[SMEMV_PC__MAX];
	struct nlattr *nest;
	int i;

	for (i = 0; i < SMEMV_PC__MAX; i++)
		counters[i] = 2000 + i;
	nla_put_string(msg, SMEMV_A_SWAP_NAME, name);
	nla_put_u64(msg, SMEMV_A_SWAP_SIZE, 4ull << 30);
	nest = nla_nest_start(msg, SMEMV_A_SWAP_SERVERS);
	nla_put_string(msg, SMEMV_A_SERVER_NAME, "s1");
	nla_put_string(msg, SMEMV_A_SERVER_NAME, "s2");
	nla_nest_end(msg, nest);
	nla_put_u32(msg, SMEMV_A_SWAP_POLICY, SMEMV_POLICY_SUSPEND);
	nla_put_u32(msg, SMEMV_A_SWAP_DEADLINE, 30000);
	nla_put_u32(msg, SMEMV_A_SWAP_QUEUES, 2);
	nla_put_string(msg, SMEMV_A_SWAP_DEV, "/dev/smemv0");
	nla_put_u32(msg, SMEMV_A_SWAP_OPENERS, 1);
	nla_put(msg, SMEMV_A_SWAP_UUID, 16, "\x01\x23\x45\x67\x89\xab\xcd\xef\x00\x11\x22\x33\x44\x55\x66\x77");
	nla_put_u64(msg, SMEMV_A_SWAP_EPOCH, 5);
	nla_put_u64(msg, SMEMV_A_SWAP_PAGES, 384);
	nla_put_u64(msg, SMEMV_A_SWAP_LOST, 6);
	nla_put_u32(msg, SMEMV_A_SWAP_WAITING, 8);
	message_put_where(msg, "s1", 256);
	message_put_where(msg, "s2", 128);
	nla_put(msg, SMEMV_A_SWAP_COUNTERS, sizeof(counters), counters);
	return msg;
}

#endif
