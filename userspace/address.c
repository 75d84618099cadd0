// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "../kernel/uapi/smemv_wire.h"
#include "address.h"
#include "parse.h"

static int bad_address(const char *text, struct reason *why)
{
	reason_set(why, "\"%s\" is not an address (ADDR, ADDR:PORT or [IPV6]:PORT)", text);
	return -EINVAL;
}

static int parse_port(const char *text, uint16_t *port, struct reason *why)
{
	uint32_t number;

	if (parse_number(text, &number, why) || !number || number > UINT16_MAX) {
		reason_set(why, "\"%s\" is not a port (1 to %d)", text, UINT16_MAX);
		return -EINVAL;
	}
	*port = number;
	return 0;
}

static int take_host(const char *text, size_t len, char *host)
{
	if (!len || len >= ADDRESS_HOST_LEN)
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	return 0;
}

static int split_brackets(const char *text, char *host, uint16_t *port, struct reason *why)
{
	const char *close = strchr(text, ']');

	if (!close || take_host(text + 1, close - text - 1, host))
		return bad_address(text, why);
	if (!close[1])
		return 0;
	if (close[1] != ':')
		return bad_address(text, why);
	return parse_port(close + 2, port, why);
}

int address_split(const char *text, char host[ADDRESS_HOST_LEN], uint16_t *port,
		  struct reason *why)
{
	const char *colon = strchr(text, ':');

	*port = SMEMV_WIRE_PORT;
	if (*text == '[')
		return split_brackets(text, host, port, why);
	/* Two colons without brackets: all of it is an IPv6 address. */
	if (colon && strchr(colon + 1, ':'))
		colon = NULL;
	if (take_host(text, colon ? (size_t)(colon - text) : strlen(text), host))
		return bad_address(text, why);
	return colon ? parse_port(colon + 1, port, why) : 0;
}

int address_resolve(const char *host, uint16_t port, struct address *address, struct reason *why)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	struct addrinfo *found;
	char service[8];
	int err;

	snprintf(service, sizeof(service), "%u", port);
	err = getaddrinfo(host, service, &hints, &found);
	if (err) {
		reason_set(why, "cannot find the address of \"%s\": %s", host,
			   err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
		return -EHOSTUNREACH;
	}
	memset(address, 0, sizeof(*address));
	memcpy(&address->sockaddr, found->ai_addr, found->ai_addrlen);
	address->len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

void address_text(const struct address *address, char text[ADDRESS_TEXT_LEN])
{
	char host[ADDRESS_TEXT_LEN - 10], port[8];

	if (getnameinfo((const struct sockaddr *)&address->sockaddr, address->len, host,
			sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV)) {
		strcpy(text, "unknown");
		return;
	}
	snprintf(text, ADDRESS_TEXT_LEN, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}
