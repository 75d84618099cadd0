/* SPDX-License-Identifier: GPL-2.0-only */
/* "ADDR", "ADDR:PORT", "IPv6", "[IPv6]:PORT", and sockets made of them. */
#ifndef MEMSERVER_ADDRESS_H
#define MEMSERVER_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "util.h"

#define ADDRESS_TEXT_LEN	(INET6_ADDRSTRLEN + 10)

struct address {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* Numeric addresses only. Returns 0, or -1 with a text for the user in err. */
int address_parse(struct address *a, const char *text, u16 default_port,
		  char *err, size_t err_len);
void address_format(char *text, size_t len, const struct address *a);
/* A bound socket, not yet listening, or -1 with a text in err. */
int address_bind(const struct address *a, char *err, size_t err_len);
/* A connected blocking socket with a deadline for all it does, or -1. */
int address_connect(const struct address *a, unsigned int timeout_ms, char *err, size_t err_len);

#endif
