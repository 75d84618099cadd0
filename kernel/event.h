/* SPDX-License-Identifier: GPL-2.0-only */
/* Events for `smemv monitor`: multicast to the namespace they concern. */
#ifndef SMEMV_EVENT_H
#define SMEMV_EVENT_H

#include <linux/jiffies.h>
#include <linux/types.h>

#include "uapi/smemv.h"

struct net;
struct genl_family;

#define SMEMV_NO_PAGE	(~0ULL)

/**
 * struct smemv_event - what happened
 * @type: enum smemv_event
 * @server: name, or NULL
 * @space: name, or NULL
 * @page: page index, or SMEMV_NO_PAGE
 * @count: pages or requests concerned, 0: does not apply, unless
 * @moves: pages are moved: @count so far, and so many are
 * @left: still to be moved, at most
 * @text: reason in words, or NULL
 */
struct smemv_event_msg {
	u32 type;
	const char *server;
	const char *space;
	u64 page;
	u64 count;
	bool moves;
	u64 left;
	const char *text;
};

/* Any context, never sleeps; an event that cannot be allocated is dropped. */
void smemv_event_send(struct net *net, const struct smemv_event_msg *msg);

/* Of what goes on: whether it was told (jiffies) a second ago or earlier; it is told now then. */
static inline bool smemv_event_due(unsigned long *told)
{
	if (time_before(jiffies, *told + HZ))
		return false;
	*told = jiffies;
	return true;
}

/* Before the first event, after the family was registered; NULL ends it. */
void smemv_event_family(const struct genl_family *family);

#endif
