// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvcheck: memcheck's stand-in in a guest that runs memcached. It starts memcached, fills it with values of 4 KiB,
 * and gets and sets them, 70 % of the requests to 30 % of the keys. A value follows from (key, generation); each set
 * raises the key's generation, and what a get brings is verified in full. After SIGUSR1 it verifies all keys.
 *
 * It speaks as memcheck does, to the same readers: "reads" are requests, "pages" keys.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../guest/content.h"

#define VALUE_BYTES 4096
#define VALUE_WORDS (VALUE_BYTES / sizeof(uint64_t))
#define SOCKET_PATH "/memcached.sock"
#define HOT_REQUESTS_PERCENT 70
#define HOT_KEYS_PERCENT 30
#define CONNECT_TRIES 600

static uint64_t keys, requests, sets;
static uint32_t *generations;
static unsigned int set_percent = 60;
static uint64_t random_state = 1;
static int server;
static volatile sig_atomic_t end_early;

__attribute__((format(printf, 1, 2), noreturn))
static void fail(const char *format, ...)
{
	va_list args;

	printf("MEMCHECK FAIL ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	exit(1);
}

/* A guest is turned off as soon as this ends; what its serial line has not sent by then is lost. */
static void drain_output(void)
{
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}

static void on_end_early(int signal)
{
	(void)signal;
	end_early = 1;
}

static void value_make(uint64_t *words, uint64_t key)
{
	uint64_t word = mix(mix(key + 1) ^ mix((uint64_t)generations[key] << 32));
	size_t i;

	for (i = 0; i < VALUE_WORDS; i++) {
		words[i] = word;
		word = next_word(word);
	}
}

static void start_memcached(uint64_t size_bytes)
{
	char mib[24];

	/* Its slabs hold a value and its key in some 5 KiB. */
	snprintf(mib, sizeof(mib), "%" PRIu64, (size_bytes >> 20) * 3 / 2 + 4);
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl("/bin/memcached", "memcached", "-u", "root", "-s", SOCKET_PATH, "-t", "1", "-M", "-m", mib, NULL);
	fprintf(stderr, "kvcheck: /bin/memcached: %s\n", strerror(errno));
	_exit(2);
}

static void connect_to_memcached(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SOCKET_PATH };
	int tries;

	server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (tries = 0; tries < CONNECT_TRIES; tries++) {
		if (!connect(server, (struct sockaddr *)&address, sizeof(address)))
			return;
		usleep(100000);
	}
	fail("memcached does not listen: %s", strerror(errno));
}

static void send_all(const char *bytes, size_t length)
{
	while (length) {
		ssize_t sent = send(server, bytes, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			fail("cannot send: %s", strerror(errno));
		bytes += sent;
		length -= (size_t)sent;
	}
}

static void receive_all(char *bytes, size_t length)
{
	while (length) {
		ssize_t received = recv(server, bytes, length, 0);

		if (received < 0 && errno == EINTR)
			continue;
		if (received <= 0)
			fail("memcached ended the connection");
		bytes += received;
		length -= (size_t)received;
	}
}

static void set_value(uint64_t key)
{
	static const char stored[] = "STORED\r\n";
	char request[64 + VALUE_BYTES], answer[sizeof(stored)] = "";
	uint64_t value[VALUE_WORDS];
	int head;

	generations[key]++;
	value_make(value, key);
	head = snprintf(request, 64, "set %08" PRIx64 " 0 0 %d\r\n", key, VALUE_BYTES);
	memcpy(request + head, value, VALUE_BYTES);
	memcpy(request + head + VALUE_BYTES, "\r\n", 2);
	send_all(request, (size_t)head + VALUE_BYTES + 2);
	receive_all(answer, strlen(stored));
	if (strcmp(answer, stored))
		fail("page=%" PRIu64 " memcached does not store it: %s", key, answer);
	requests++;
	sets++;
}

static void check_value(uint64_t key, const char *got)
{
	uint64_t want[VALUE_WORDS];
	size_t i = 0;

	value_make(want, key);
	if (!memcmp(got, want, VALUE_BYTES))
		return;
	while (got[i] == ((char *)want)[i])
		i++;
	fail("page=%" PRIu64 " offset=%zu generation=%u", key, i, generations[key]);
}

static void get_value(uint64_t key)
{
	char request[32], want_head[40], answer[40 + VALUE_BYTES + sizeof("\r\nEND\r\n")];
	int head;

	send_all(request, (size_t)snprintf(request, sizeof(request), "get %08" PRIx64 "\r\n", key));
	head = snprintf(want_head, sizeof(want_head), "VALUE %08" PRIx64 " 0 %d\r\n", key, VALUE_BYTES);
	/* A miss is an answer of five bytes only. */
	receive_all(answer, strlen("END\r\n"));
	if (!memcmp(answer, "END\r\n", strlen("END\r\n")))
		fail("page=%" PRIu64 " memcached does not have it", key);
	receive_all(answer + strlen("END\r\n"), (size_t)head + VALUE_BYTES + strlen("\r\n"));
	if (memcmp(answer, want_head, (size_t)head))
		fail("page=%" PRIu64 " memcached answers something else", key);
	check_value(key, answer + head);
	requests++;
}

static uint64_t choose_key(void)
{
	uint64_t hot = keys * HOT_KEYS_PERCENT / 100;

	if (hot && next_random(&random_state) % 100 < HOT_REQUESTS_PERCENT)
		return next_random(&random_state) % hot;
	return next_random(&random_state) % keys;
}

static void show_progress(double started)
{
	static double last;
	double now = now_s();

	if (now - (last ? last : started) < 1)
		return;
	printf("MEMCHECK progress passes=%" PRIu64 " reads=%" PRIu64 " writes=%" PRIu64 " lost=0 seconds=%.1f\n",
	       requests / keys, requests, sets, now - started);
	last = now;
}

static void work(double started)
{
	uint64_t key;

	while (!end_early) {
		key = choose_key();
		if (next_random(&random_state) % 100 < set_percent)
			set_value(key);
		else
			get_value(key);
		if (requests % 16 == 0)
			show_progress(started);
	}
	for (key = 0; key < keys; key++)
		get_value(key);
}

static void usage(void)
{
	fputs("usage: kvcheck [--size MIB] [--write PERCENT]     (32, 60)\n", stderr);
	exit(2);
}

static void parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "size", required_argument, NULL, 's' },
		{ "write", required_argument, NULL, 'w' },
		{ 0 },
	};
	uint64_t mib = 32;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 's': mib = strtoull(optarg, NULL, 10); break;
		case 'w': set_percent = (unsigned int)strtoul(optarg, NULL, 10); break;
		default: usage();
		}
	}
	if (optind != argc || !mib || set_percent > 100)
		usage();
	keys = (mib << 20) / VALUE_BYTES;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_end_early };
	double started = now_s();
	uint64_t key;

	parse_options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	atexit(drain_output);
	generations = calloc(keys, sizeof(*generations));
	if (!generations)
		fail("no memory for %" PRIu64 " keys", keys);
	sigaction(SIGUSR1, &action, NULL);
	start_memcached(keys * VALUE_BYTES);
	connect_to_memcached();
	for (key = 0; key < keys; key++)
		set_value(key);
	printf("MEMCHECK filled pages=%" PRIu64 "\n", keys);
	work(started);
	printf("MEMCHECK PASS pages=%" PRIu64 " passes=%" PRIu64 " reads=%" PRIu64 " writes=%" PRIu64
	       " lost=0 seconds=%.1f\n", keys, requests / keys, requests, sets, now_s() - started);
	return 0;
}
