/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SMEMV_ADDRESS_H
#define SMEMV_ADDRESS_H

#include <stdint.h>
#include <sys/socket.h>

#include "call.h"

#define ADDRESS_HOST_LEN	256
#define ADDRESS_TEXT_LEN	80

struct address {
	struct sockaddr_storage sockaddr;
	socklen_t len;
};

/*
 * ADDR[:PORT] with ADDR an IPv4 address, an IPv6 address (in brackets when a
 * port follows) or a host name. Only looks at the text. Returns 0 or -EINVAL.
 */
int address_split(const char *text, char host[ADDRESS_HOST_LEN], uint16_t *port,
		  struct reason *why);

/* Returns 0 or -EHOSTUNREACH. */
int address_resolve(const char *host, uint16_t port, struct address *address, struct reason *why);

/* "192.0.2.1:7371" or "[2001:db8::1]:7371" */
void address_text(const struct address *address, char text[ADDRESS_TEXT_LEN]);

#endif
