/* SPDX-License-Identifier: GPL-2.0-only */
/* What most commands do: one request, one answer, a view of it; complaints included. */
#ifndef SMEMV_REQUEST_H
#define SMEMV_REQUEST_H

#include "netlink.h"
#include "parse.h"
#include "snapshot.h"
#include "view.h"

/* Puts the attributes; non-zero when one did not fit. */
typedef int (*request_put_fn)(struct nl_msg *request, const void *arg);

/* A nest of the names of servers. Non-zero when one did not fit. */
int request_put_names(struct nl_msg *request, int attr, const struct name_list *names);

/* 0 or a negative errno, with the reason. @reply may be NULL when no data is expected. */
int request_exchange(uint8_t command, request_put_fn put, const void *put_arg, link_reply_fn reply,
		     void *reply_arg, struct reason *why);

/* As request_exchange(), for commands that do nothing else. Returns an exit status. */
int request_run(struct call *call, uint8_t command, request_put_fn put, const void *put_arg,
		link_reply_fn reply, void *reply_arg);

typedef int (*request_snapshot_fn)(struct link *link, const char *name, struct snapshot *snapshot,
				   struct reason *why);
typedef void (*request_view_fn)(struct printer *printer, const char *key,
				const struct snapshot *now, const struct snapshot *before);

/* One look at the module's objects; the caller frees @snapshot, whatever comes of it. */
int request_look(request_snapshot_fn take, const char *name, struct snapshot *snapshot,
		 struct reason *why);

/* "show [NAME]": a table of all objects, or all there is to say about one. Returns an exit status. */
int request_show(struct call *call, request_snapshot_fn take, request_view_fn view);

#endif
