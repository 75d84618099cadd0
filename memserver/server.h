/* SPDX-License-Identifier: GPL-2.0-only */
/* What all threads of the memory server share. */
#ifndef MEMSERVER_SERVER_H
#define MEMSERVER_SERVER_H

#include "clients.h"
#include "quiesce.h"
#include "spaces.h"
#include "store.h"

struct loop;

#define SERVER_FEATURES		(SMEMV_FEAT_PAGE_CRC | SMEMV_FEAT_LIST | SMEMV_FEAT_PUSH | \
				 SMEMV_FEAT_CLAIM)
/* Handles of one connection; a server is planned for 1,000 spaces. */
#define SERVER_MAX_SPACES	4096u
#define SERVER_MAX_INFLIGHT	1024u

struct server {
	struct store store;
	struct spaces spaces;
	struct clients clients;
	struct quiesce qs;
	u8 server_id[16];
	u64 started_ms;
	unsigned int n_loops;
	struct loop *loops;
	_Atomic u32 connections;
	u32 max_connections;
	/* Nothing of its output was taken for that long: the client is gone or broken. */
	u64 stall_timeout_ms;
	/* Output that waits for slow clients, of a loop; above it the slowest is closed. */
	u64 output_limit;
};

#endif
