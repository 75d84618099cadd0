// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "address.h"

static int parse_port(u16 *port, const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value > 65535)
		return -1;
	*port = (u16)value;
	return 0;
}

/* Splits at the port, if there is one. A bare IPv6 address has several colons. */
static int split(char *text, char **host, char **port)
{
	char *end, *colon;

	*port = NULL;
	*host = text;
	if (*text == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -1;
		*host = text + 1;
		*port = end[1] ? end + 2 : NULL;
		*end = '\0';
		return 0;
	}
	colon = strchr(text, ':');
	if (colon && !strchr(colon + 1, ':')) {
		*colon = '\0';
		*port = colon + 1;
	}
	return 0;
}

static int set_host(struct address *a, const char *host, u16 port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->ss;

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		a->len = sizeof(*in);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		a->len = sizeof(*in6);
		return 0;
	}
	return -1;
}

int address_parse(struct address *a, const char *text, u16 default_port,
		  char *err, size_t err_len)
{
	char copy[ADDRESS_TEXT_LEN + 8], *host, *port_text;
	u16 port = default_port;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy) ||
	    split(copy, &host, &port_text)) {
		snprintf(err, err_len, "'%s' is not an address: give ADDR, ADDR:PORT or [IPv6]:PORT", text);
		return -1;
	}
	if (port_text && parse_port(&port, port_text)) {
		snprintf(err, err_len, "'%s': the port must be a number up to 65535", text);
		return -1;
	}
	if (set_host(a, host, port)) {
		snprintf(err, err_len, "'%s' is not an IPv4 or IPv6 address (names are not looked up)", host);
		return -1;
	}
	return 0;
}

void address_format(char *text, size_t len, const struct address *a)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (a->ss.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&a->ss;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, len, "%s:%u", host, ntohs(in->sin_port));
	} else {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->ss;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(text, len, "[%s]:%u", host, ntohs(in6->sin6_port));
	}
}

int address_bind(const struct address *a, char *err, size_t err_len)
{
	char text[ADDRESS_TEXT_LEN];
	int one = 1, fd;

	address_format(text, sizeof(text), a);
	fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto err;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&a->ss, a->len))
		goto err;
	return fd;

err:
	snprintf(err, err_len, "cannot listen on %s: %s%s", text, strerror(errno),
		 errno == EADDRINUSE ? "; is another memory server running there? choose another port" :
		 errno == EADDRNOTAVAIL ? "; give an address of this host" : "");
	if (fd >= 0)
		close(fd);
	return -1;
}

int address_connect(const struct address *a, unsigned int timeout_ms, char *err, size_t err_len)
{
	struct timeval tv = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	char text[ADDRESS_TEXT_LEN];
	int fd;

	address_format(text, sizeof(text), a);
	fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		if (!connect(fd, (const struct sockaddr *)&a->ss, a->len))
			return fd;
	}
	snprintf(err, err_len, "cannot connect to %s: %s; is a memory server running there?", text,
		 errno == EINPROGRESS ? "no answer in time" : strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}
