// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <linux/slab.h>

#include "inflight.h"

#define TAG_SLOT_BITS	16
#define TAG_SLOT_MASK	((1u << TAG_SLOT_BITS) - 1)

int smemv_inflight_init(struct smemv_inflight *table, u32 size)
{
	memset(table, 0, sizeof(*table));
	table->slot = kvcalloc(size, sizeof(*table->slot), GFP_KERNEL);
	if (!table->slot)
		return -ENOMEM;
	table->size = size;
	return 0;
}

void smemv_inflight_uninit(struct smemv_inflight *table)
{
	WARN_ON_ONCE(table->used);
	kvfree(table->slot);
	table->slot = NULL;
}

bool smemv_inflight_add(struct smemv_inflight *table, struct smemv_req *req)
{
	if (table->used == table->size)
		return false;
	while (table->slot[table->next])
		table->next = (table->next + 1) % table->size;
	req->tag = ++table->seq << TAG_SLOT_BITS | table->next;
	table->slot[table->next] = req;
	table->next = (table->next + 1) % table->size;
	table->used++;
	return true;
}

struct smemv_req *smemv_inflight_find(const struct smemv_inflight *table,
				      u64 tag)
{
	u32 slot = tag & TAG_SLOT_MASK;
	struct smemv_req *req;

	if (slot >= table->size)
		return NULL;
	req = table->slot[slot];
	return req && req->tag == tag ? req : NULL;
}

void smemv_inflight_remove(struct smemv_inflight *table,
			   const struct smemv_req *req)
{
	table->slot[req->tag & TAG_SLOT_MASK] = NULL;
	table->used--;
}
