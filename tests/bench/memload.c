// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load generator for 4 KiB values: S-memV, memcached and Redis with the very same
 * loop, depth and checks, so that what differs is the server. Each value that comes
 * back is compared in full.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "memload_proto.h"

#define DEPTH_MAX	256u
#define RX_SIZE		(512u << 10)
#define SUB_BITS	5
#define BUCKETS		(64u << SUB_BITS)

static struct {
	const struct proto *proto;
	const char *addr;
	uint16_t port;
	unsigned int conns, depth, threads;
	uint32_t keys;
	unsigned int gets;	/* percent */
	double seconds, warmup;
	int cpus[64];
	unsigned int n_cpus;
	bool json, load;
	const char *label;
} opt = {
	.addr = "127.0.0.1", .conns = 50, .depth = 1, .threads = 1, .keys = 20000,
	.gets = 100, .seconds = 5, .warmup = 1, .load = true,
};

struct request {
	uint64_t sent_ns;
	uint32_t key;
	bool get;
};

struct conn {
	int fd;
	struct request open[DEPTH_MAX];		/* oldest first: replies keep the order */
	uint32_t head, n_open;
	uint8_t *rx;
	size_t rx_len;
	uint8_t *tx[2];
	size_t tx_len[2];
	unsigned int filling;
	bool sending;
};

struct worker {
	pthread_t thread;
	unsigned int index;
	struct io_uring ring;
	struct conn *conns;
	unsigned int n_conns;
	uint64_t rng;
	uint32_t next_key, end_key;		/* while loading */
	bool loading, measuring;
	uint64_t ops, bad, misses;
	uint64_t *hist;
	uint64_t begin_ns, end_ns;
	unsigned int live;			/* requests under way */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static __attribute__((noreturn)) void die(const char *what)
{
	fprintf(stderr, "memload: %s\n", what);
	exit(1);
}

static uint64_t next_random(struct worker *w)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return w->rng;
}

/* 32 steps in each power of two: 3 % wide. */
static unsigned int bucket_of(uint64_t ns)
{
	unsigned int log;

	if (ns < 1u << SUB_BITS)
		return (unsigned int)ns;
	log = 63 - (unsigned int)__builtin_clzll(ns);
	return (unsigned int)(((uint64_t)(log - SUB_BITS + 1) << SUB_BITS) |
			      (ns >> (log - SUB_BITS) & ((1u << SUB_BITS) - 1)));
}

static uint64_t bucket_ns(unsigned int b)
{
	unsigned int log = b >> SUB_BITS;

	if (!log)
		return b;
	return (uint64_t)((b & ((1u << SUB_BITS) - 1)) | 1u << SUB_BITS) << (log - 1);
}

static bool choose(struct worker *w, struct request *r, uint64_t now)
{
	if (w->loading) {
		if (w->next_key == w->end_key)
			return false;
		r->key = w->next_key++;
		r->get = false;
	} else {
		uint64_t x = next_random(w);

		if (now >= w->end_ns)
			return false;
		r->key = (uint32_t)((x >> 16) % opt.keys);
		r->get = (x & 0xffff) % 100 < opt.gets;
	}
	r->sent_ns = now;
	return true;
}

static void fill(struct worker *w, struct conn *c)
{
	uint64_t now = now_ns();
	unsigned int b = c->filling;

	while (c->n_open < opt.depth) {
		uint32_t slot = (c->head + c->n_open) % DEPTH_MAX;
		struct request *r = &c->open[slot];
		uint8_t *to = c->tx[b] + c->tx_len[b];

		if (!choose(w, r, now))
			break;
		c->tx_len[b] += r->get ? opt.proto->put_get(to, r->key, slot)
				       : opt.proto->put_set(to, r->key, slot);
		c->n_open++;
		w->live++;
	}
}

static struct io_uring_sqe *get_sqe(struct worker *w)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&w->ring)))
		io_uring_submit(&w->ring);
	return sqe;
}

static void start_send(struct worker *w, struct conn *c)
{
	struct io_uring_sqe *sqe;
	unsigned int b = c->filling;

	if (c->sending || !c->tx_len[b])
		return;
	sqe = get_sqe(w);
	io_uring_prep_send(sqe, c->fd, c->tx[b], c->tx_len[b], MSG_WAITALL | MSG_NOSIGNAL);
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)c | 1);
	c->sending = true;
	c->filling = !b;
}

static void start_recv(struct worker *w, struct conn *c, bool wait)
{
	struct io_uring_sqe *sqe = get_sqe(w);

	io_uring_prep_recv(sqe, c->fd, c->rx + c->rx_len, RX_SIZE - c->rx_len, 0);
	if (wait)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)c);
}

static void take_reply(struct worker *w, struct conn *c, const struct reply *r, uint64_t now)
{
	struct request *q = &c->open[c->head];

	if (!c->n_open)
		die("a reply to nothing");
	if (r->kind == REPLY_MISS)
		w->misses++;
	else if (q->get ? r->kind != REPLY_VALUE || !value_check(r->value, q->key)
			: r->kind != REPLY_DONE)
		w->bad++;
	if (w->measuring && q->sent_ns >= w->begin_ns && now <= w->end_ns) {
		w->ops++;
		w->hist[bucket_of(now - q->sent_ns)]++;
	}
	c->head = (c->head + 1) % DEPTH_MAX;
	c->n_open--;
	w->live--;
}

static void take_replies(struct worker *w, struct conn *c)
{
	uint64_t now = now_ns();
	size_t at = 0;

	for (;;) {
		struct reply r = opt.proto->parse(c->rx + at, c->rx_len - at);

		if (r.kind == REPLY_PARTLY)
			break;
		if (r.kind == REPLY_BAD)
			die("the server answered something unexpected");
		take_reply(w, c, &r, now);
		at += r.len;
	}
	if (at)
		memmove(c->rx, c->rx + at, c->rx_len - at);
	c->rx_len -= at;
}

static void on_completion(struct worker *w, const struct io_uring_cqe *cqe)
{
	struct conn *c = (struct conn *)(uintptr_t)(cqe->user_data & ~(uint64_t)1);

	if (cqe->res <= 0)
		die("the server closed a connection");
	if (cqe->user_data & 1) {
		c->sending = false;
		c->tx_len[!c->filling] = 0;
		start_send(w, c);
		return;
	}
	c->rx_len += (size_t)cqe->res;
	take_replies(w, c);
	fill(w, c);
	start_send(w, c);
	start_recv(w, c, true);
}

static void run_phase(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < w->n_conns; i++) {
		fill(w, &w->conns[i]);
		start_send(w, &w->conns[i]);
	}
	while (w->live) {
		struct io_uring_cqe *cqe;
		unsigned int head, n = 0;

		/* Spins: a generator that sleeps makes the server pay for waking it. */
		io_uring_submit_and_get_events(&w->ring);
		io_uring_for_each_cqe(&w->ring, head, cqe) {
			on_completion(w, cqe);
			n++;
		}
		io_uring_cq_advance(&w->ring, n);
	}
}

static int open_conn(unsigned int lane)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(opt.port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (inet_pton(AF_INET, opt.addr, &in.sin_addr) != 1)
		die("--addr is not an IPv4 address");
	if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof(in)))
		die("cannot connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (opt.proto->setup(fd, lane))
		die("the server refused the connection");
	return fd;
}

static void set_up(struct worker *w)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	size_t tx_size = (size_t)opt.depth * REQUEST_MAX;
	unsigned int i;

	if (opt.n_cpus) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(opt.cpus[w->index % opt.n_cpus], &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	if (io_uring_queue_init_params(1024, &w->ring, &p))
		die("io_uring is not available");
	w->n_conns = opt.conns / opt.threads + (w->index < opt.conns % opt.threads);
	w->conns = calloc(w->n_conns, sizeof(*w->conns));
	w->hist = calloc(BUCKETS, sizeof(*w->hist));
	w->rng = 0x9e3779b97f4a7c15ull * (w->index + 1);
	for (i = 0; i < w->n_conns; i++) {
		struct conn *c = &w->conns[i];

		c->fd = open_conn(w->index + i * opt.threads);
		c->rx = malloc(RX_SIZE);
		c->tx[0] = malloc(tx_size);
		c->tx[1] = malloc(tx_size);
		start_recv(w, c, true);
	}
}

static pthread_barrier_t barrier;

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t start;

	if (opt.load) {
		w->loading = true;
		w->next_key = (uint32_t)((uint64_t)opt.keys * w->index / opt.threads);
		w->end_key = (uint32_t)((uint64_t)opt.keys * (w->index + 1) / opt.threads);
	}
	/* One after the other: set-up uses a shared client id. */
	static pthread_mutex_t setup_lock = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&setup_lock);
	set_up(w);
	pthread_mutex_unlock(&setup_lock);
	pthread_barrier_wait(&barrier);
	if (opt.load)
		run_phase(w);
	pthread_barrier_wait(&barrier);
	start = now_ns();
	w->loading = false;
	w->measuring = true;
	w->begin_ns = start + (uint64_t)(opt.warmup * 1e9);
	w->end_ns = w->begin_ns + (uint64_t)(opt.seconds * 1e9);
	run_phase(w);
	return NULL;
}

static double percentile_us(const uint64_t *hist, uint64_t total, double share)
{
	uint64_t want = (uint64_t)((double)total * share), seen = 0;
	unsigned int b;

	if (!total)
		return 0;
	for (b = 0; b < BUCKETS; b++) {
		seen += hist[b];
		if (seen > want)
			break;
	}
	return (double)bucket_ns(b < BUCKETS ? b : BUCKETS - 1) / 1e3;
}

static int report(struct worker *w)
{
	uint64_t *hist = calloc(BUCKETS, sizeof(*hist)), ops = 0, bad = 0, misses = 0;
	unsigned int i, b;
	double rate, p50, p99, p999;

	for (i = 0; i < opt.threads; i++) {
		ops += w[i].ops;
		bad += w[i].bad;
		misses += w[i].misses;
		for (b = 0; b < BUCKETS; b++)
			hist[b] += w[i].hist[b];
	}
	rate = (double)ops / opt.seconds;
	p50 = percentile_us(hist, ops, 0.5);
	p99 = percentile_us(hist, ops, 0.99);
	p999 = percentile_us(hist, ops, 0.999);
	printf(opt.json ? "{\"server\": \"%s\", \"conns\": %u, \"depth\": %u, \"gets\": %u, \"ops_per_s\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"bad\": %" PRIu64 ", \"misses\": %" PRIu64 "}\n"
			: "%-15s %3u x %-3u %3u%% get  %9.0f/s  p50 %7.1f  p99 %7.1f  p99.9 %7.1f us  bad %" PRIu64 "  misses %" PRIu64 "\n",
	       opt.label ? opt.label : opt.proto->name, opt.conns, opt.depth, opt.gets,
	       rate, p50, p99, p999, bad, misses);
	free(hist);
	return bad || misses || !ops;
}

static const char help[] =
"usage: memload --proto smemv|memcached|memcached-text|redis [OPTION...]\n"
"  --addr ADDR --port PORT     the server (127.0.0.1, the protocol's port)\n"
"  --conns N                   connections (50)\n"
"  --depth N                   requests under way on each (1)\n"
"  --threads N --cpus A,B,..   of this program (1, any)\n"
"  --keys N                    pages in use (20000)\n"
"  --gets PERCENT              the others are sets (100)\n"
"  --seconds S --warmup S      (5, 1)\n"
"  --no-load                   the keys are there already\n"
"  --label TEXT --json\n";

static void parse_cpus(char *text)
{
	char *part;

	for (part = strtok(text, ","); part && opt.n_cpus < 64; part = strtok(NULL, ","))
		opt.cpus[opt.n_cpus++] = atoi(part);
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "proto", 1, NULL, 'p' }, { "addr", 1, NULL, 'a' }, { "port", 1, NULL, 'P' },
		{ "conns", 1, NULL, 'c' }, { "depth", 1, NULL, 'd' }, { "threads", 1, NULL, 't' },
		{ "cpus", 1, NULL, 'C' }, { "keys", 1, NULL, 'k' }, { "gets", 1, NULL, 'g' },
		{ "seconds", 1, NULL, 's' }, { "warmup", 1, NULL, 'w' }, { "no-load", 0, NULL, 'n' },
		{ "label", 1, NULL, 'l' }, { "json", 0, NULL, 'j' }, { "help", 0, NULL, 'h' }, { 0 }
	};
	int o;

	while ((o = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (o) {
		case 'p': opt.proto = proto_find(optarg); break;
		case 'a': opt.addr = optarg; break;
		case 'P': opt.port = (uint16_t)atoi(optarg); break;
		case 'c': opt.conns = (unsigned int)atoi(optarg); break;
		case 'd': opt.depth = (unsigned int)atoi(optarg); break;
		case 't': opt.threads = (unsigned int)atoi(optarg); break;
		case 'C': parse_cpus(optarg); break;
		case 'k': opt.keys = (uint32_t)atoi(optarg); break;
		case 'g': opt.gets = (unsigned int)atoi(optarg); break;
		case 's': opt.seconds = atof(optarg); break;
		case 'w': opt.warmup = atof(optarg); break;
		case 'n': opt.load = false; break;
		case 'l': opt.label = optarg; break;
		case 'j': opt.json = true; break;
		case 'h': fputs(help, stdout); exit(0);
		default: fputs(help, stderr); exit(2);
		}
	}
	if (!opt.proto || !opt.conns || !opt.depth || opt.depth > DEPTH_MAX || !opt.threads ||
	    opt.threads > opt.conns || !opt.keys || opt.gets > 100 || opt.seconds <= 0) {
		fputs(help, stderr);
		exit(2);
	}
	if (!opt.port)
		opt.port = opt.proto->port;
}

int main(int argc, char **argv)
{
	struct worker *w;
	unsigned int i;

	parse_options(argc, argv);
	w = calloc(opt.threads, sizeof(*w));
	pthread_barrier_init(&barrier, NULL, opt.threads);
	for (i = 0; i < opt.threads; i++) {
		w[i].index = i;
		if (pthread_create(&w[i].thread, NULL, worker_main, &w[i]))
			die("cannot start a thread");
	}
	for (i = 0; i < opt.threads; i++)
		pthread_join(w[i].thread, NULL);
	return report(w);
}
