// SPDX-License-Identifier: GPL-2.0-only
/*
 * memcached-get: what one GET of 4 KiB takes, one after the other on one connection. It is the floor
 * for bringing a page over a link: a round trip, and a page in the answer.
 */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "samples.h"

#define VALUE_BYTES	4096
#define ANSWER_HEAD	"VALUE page 0 4096\r\n"
#define ANSWER_TAIL	"\r\nEND\r\n"

static const char usage_text[] =
	"usage: memcached-get --host ADDRESS --port PORT [--count N] [--label NAME=VALUE]...\n";

static int connect_to(const char *host, const char *port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *address;
	int fd, err = getaddrinfo(host, port, &hints, &address);

	if (err)
		die("%s: %s", host, gai_strerror(err));
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, address->ai_addr, address->ai_addrlen))
		die("%s port %s: %s", host, port, strerror(errno));
	freeaddrinfo(address);
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)))
		die("TCP_NODELAY: %s", strerror(errno));
	return fd;
}

static void send_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

		if (sent < 0)
			die("send: %s", strerror(errno));
		bytes += sent;
		length -= (size_t)sent;
	}
}

static void receive_all(int fd, char *bytes, size_t length)
{
	while (length) {
		ssize_t received = recv(fd, bytes, length, 0);

		if (received <= 0)
			die("memcached ended the connection: %s", received ? strerror(errno) : "no reason given");
		bytes += received;
		length -= (size_t)received;
	}
}

static void store_value(int fd, const char *value)
{
	static const char command[] = "set page 0 0 4096\r\n", stored[] = "STORED\r\n";
	char answer[sizeof(stored)] = "";

	send_all(fd, command, strlen(command));
	send_all(fd, value, VALUE_BYTES);
	send_all(fd, "\r\n", 2);
	receive_all(fd, answer, strlen(stored));
	if (strcmp(answer, stored))
		die("memcached does not store: %s", answer);
}

static void get_value(int fd, const char *value)
{
	static const char command[] = "get page\r\n";
	const size_t head = strlen(ANSWER_HEAD), tail = strlen(ANSWER_TAIL);
	char answer[sizeof(ANSWER_HEAD) + VALUE_BYTES + sizeof(ANSWER_TAIL)];

	send_all(fd, command, strlen(command));
	receive_all(fd, answer, head + VALUE_BYTES + tail);
	if (memcmp(answer, ANSWER_HEAD, head) || memcmp(answer + head, value, VALUE_BYTES) ||
	    memcmp(answer + head + VALUE_BYTES, ANSWER_TAIL, tail))
		die("memcached's answer is not the page that was stored");
}

static void measure(int fd, size_t count, json_t *labels)
{
	uint64_t *samples_ns = calloc(count, sizeof(*samples_ns));
	char value[VALUE_BYTES];

	if (!samples_ns)
		die("cannot allocate %zu samples", count);
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (char)(i * 7);
	store_value(fd, value);
	for (size_t i = 0; i < count; i++) {
		uint64_t begin = now_ns();

		get_value(fd, value);
		samples_ns[i] = now_ns() - begin;
	}
	json_object_set_new(labels, "latency_us", samples_json(samples_ns, count));
	json_print(labels);
	free(samples_ns);
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "host", required_argument, NULL, 'a' },
		{ "port", required_argument, NULL, 'p' },
		{ "count", required_argument, NULL, 'n' },
		{ "label", required_argument, NULL, 'l' },
		{ 0 },
	};
	const char *host = NULL, *port = NULL;
	json_t *labels = json_object();
	size_t count = 2000;
	int option, fd;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'a': host = optarg; break;
		case 'p': port = optarg; break;
		case 'n': count = parse_size(optarg); break;
		case 'l': label_add(labels, optarg); break;
		default: fputs(usage_text, stderr); return 2;
		}
	}
	if (optind != argc || !host || !port || !count) {
		fputs(usage_text, stderr);
		return 2;
	}
	fd = connect_to(host, port);
	measure(fd, count, labels);
	close(fd);
	return 0;
}
