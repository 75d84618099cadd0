/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The generic netlink socket to the module. Functions that can fail return 0
 * or a negative errno, with the reason in words.
 */
#ifndef SMEMV_NETLINK_H
#define SMEMV_NETLINK_H

#include <netlink/msg.h>
#include <stdint.h>

#include "call.h"

struct link;

int link_open(struct link **link, struct reason *why);
void link_close(struct link *link);

/* The request is sent to, and freed by, link_exchange(). */
struct nl_msg *link_request(const struct link *link, uint8_t command, int flags);

/* Called for each message of the answer; a negative errno ends the exchange. */
typedef int (*link_reply_fn)(const struct nlmsghdr *reply, void *arg, struct reason *why);

/* Sends a request and handles the answer to its end. @reply may be NULL when no data is expected. */
int link_exchange(struct link *link, struct nl_msg *request, link_reply_fn reply, void *arg,
		  struct reason *why);

/*
 * From here on the socket is for events: when link_fd() is readable, link_read_events() calls @reply
 * for each that came. It returns -ENOBUFS when events were lost, -ENODEV when the module went away.
 */
int link_subscribe(struct link *link, struct reason *why);
int link_fd(const struct link *link);
int link_read_events(struct link *link, link_reply_fn reply, void *arg, struct reason *why);

#endif
