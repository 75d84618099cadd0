// SPDX-License-Identifier: GPL-2.0-only
/*
 * filecheck: threads that map a memory file, know what every byte of it must be, and write, verify
 * and punch holes at the same time. Pages belong to a thread in blocks of 64, side by side.
 *
 * A page's content follows from (seed, page, generation); generation 0 is a page of zeros. Each visit
 * verifies all 4096 bytes; at the end each page is verified once more. The last line is the verdict:
 *	FILECHECK PASS pages=... visits=...
 *	FILECHECK FAIL page=... offset=... want=... got=...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "content.h"

#define PAGE_BYTES	4096
#define PAGE_WORDS	(PAGE_BYTES / sizeof(uint64_t))
#define BLOCK_PAGES	64
#define PUNCH_MAX	16
#define MAX_THREADS	64

static struct {
	uint64_t passes;
	uint64_t duration_s;
	uint64_t seed;
	unsigned int threads;
	unsigned int write_percent;
	unsigned int punch_percent;
	bool sequential;
	bool allow_lost;
	bool hold;
	bool verify;
	bool private;
	bool scattered;
	bool fork;
	uint64_t rounds;
	uint64_t mlock_pages;
	const char *direct;
} options = {
	.passes = 3,
	.seed = 1,
	.threads = 2,
	.write_percent = 50,
	.rounds = 1,
};

struct worker {
	pthread_t thread;
	unsigned int nr;
	uint64_t page;		/* being visited */
	uint64_t random_state;
	uint64_t visits;
	uint64_t writes;
	uint64_t punches;
	uint64_t lost;
};

static int fd, direct_fd = -1;
static uint64_t *memory;
static uint64_t pages;
static uint32_t *generations;
static bool *lost;
static uint64_t *order;		/* of verifying, or NULL */
static double started;
static volatile sig_atomic_t told_to_end;
static __thread sigjmp_buf bus_error;

static const char usage_text[] =
	"usage: filecheck [OPTION...] FILE\n"
	"  --passes N         visits, in multiples of the number of pages (default 3)\n"
	"  --duration SECONDS go on until this long has passed instead, or until SIGTERM\n"
	"  --threads N        side by side (default 2)\n"
	"  --write PERCENT    how many visits also write (default 50)\n"
	"  --punch PERCENT    how many visits punch a hole of up to 16 pages (default 0)\n"
	"  --sequential       in the order of the file (default: random)\n"
	"  --seed N           another content and order\n"
	"  --allow-lost       count pages that cannot be read (SIGBUS) and go on\n"
	"  --direct DEVICE    half of the writes come from DEVICE by direct I/O into the file's pages\n"
	"  --mlock PAGES      lock the first PAGES in memory, and see at the end that they are there\n"
	"  --fork             with --hold: a child verifies at the same time\n"
	"  --verify           write nothing: the file is as --hold with this seed left it elsewhere\n"
	"  --private          map the file privately; it is, and stays, as --hold with this seed left it elsewhere\n"
	"  --hold             after the first pass wait for a line on stdin, then verify and end\n"
	"  --rounds N         with --hold: wait and verify so often (default 1); what could not be read is tried again\n"
	"  --scattered        verify in an order without a trend\n";

static void die(const char *what)
{
	fprintf(stderr, "filecheck: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void *allocate(size_t bytes)
{
	void *area = calloc(1, bytes);

	if (!area)
		die("cannot allocate");
	return area;
}

/* 0: the page is zeros. */
static uint64_t page_key(uint64_t page)
{
	uint32_t generation = generations[page];

	return generation ? mix(options.seed ^ mix(page + 1) ^ mix((uint64_t)generation << 32)) | 1 : 0;
}

static void fill_words(uint64_t *words, uint64_t word)
{
	for (size_t i = 0; i < PAGE_WORDS; i++) {
		words[i] = word;
		word = next_word(word);
	}
}

static void write_page(uint64_t page)
{
	generations[page]++;
	fill_words(memory + page * PAGE_WORDS, page_key(page));
}

/* The kernel pins the page and writes to it past all page tables. */
static void write_page_directly(uint64_t page)
{
	uint64_t buffer[PAGE_WORDS] __attribute__((aligned(PAGE_BYTES)));
	off_t offset = (off_t)(page * PAGE_BYTES);

	generations[page]++;
	fill_words(buffer, page_key(page));
	if (pwrite(direct_fd, buffer, PAGE_BYTES, offset) != PAGE_BYTES ||
	    pread(direct_fd, memory + page * PAGE_WORDS, PAGE_BYTES, offset) != PAGE_BYTES)
		die("direct I/O");
}

static void report_wrong_page(uint64_t page, size_t word, uint64_t want, uint64_t got)
{
	printf("FILECHECK FAIL page=%" PRIu64 " offset=%zu want=%016" PRIx64 " got=%016" PRIx64
	       " generation=%u pages=%" PRIu64 "\n",
	       page, word * sizeof(uint64_t), want, got, generations[page], pages);
	fflush(stdout);
	_exit(1);
}

static void verify_page(uint64_t page)
{
	const uint64_t *words = memory + page * PAGE_WORDS;
	uint64_t key = page_key(page), word = key;

	for (size_t i = 0; i < PAGE_WORDS; i++) {
		uint64_t want = key ? word : 0;

		if (words[i] != want)
			report_wrong_page(page, i, want, words[i]);
		word = next_word(word);
	}
}

static void on_bus_error(int signal)
{
	siglongjmp(bus_error, signal);
}

static void on_termination(int signal)
{
	told_to_end = signal;
}

/* The holes stay within the block, that is with one thread. */
static void punch(struct worker *worker, uint64_t page)
{
	uint64_t end = page + 1 + next_random(&worker->random_state) % PUNCH_MAX;
	uint64_t limit = (page / BLOCK_PAGES + 1) * BLOCK_PAGES;

	if (end > limit)
		end = limit;
	if (end > pages)
		end = pages;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(page * PAGE_BYTES),
		      (off_t)((end - page) * PAGE_BYTES)))
		die("cannot punch a hole");
	for (; page < end; page++) {
		generations[page] = 0;
		lost[page] = false;
	}
	worker->punches++;
}

static void __attribute__((noinline)) visit_readable(struct worker *worker, uint64_t page, bool change)
{
	uint64_t dice = next_random(&worker->random_state) % 100;

	worker->visits++;
	if (change && dice < options.punch_percent) {
		punch(worker, page);
		return;
	}
	if (lost[page])
		return;
	verify_page(page);
	if (change && dice >= 100 - options.write_percent) {
		if (direct_fd >= 0 && dice % 2)
			write_page_directly(page);
		else
			write_page(page);
		worker->writes++;
	}
}

static void lose_page(struct worker *worker)
{
	if (!options.allow_lost) {
		printf("FILECHECK FAIL page=%" PRIu64 " cannot be read (SIGBUS)\n", worker->page);
		fflush(stdout);
		_exit(1);
	}
	worker->lost += !lost[worker->page];
	lost[worker->page] = true;
}

static void visit(struct worker *worker, uint64_t page, bool change)
{
	worker->page = page;
	if (sigsetjmp(bus_error, 1))
		lose_page(worker);
	else
		visit_readable(worker, worker->page, change);
}

/* The n-th page of a thread: its blocks are every threads-th of the file. */
static uint64_t own_page(const struct worker *worker, uint64_t n)
{
	uint64_t block = n / BLOCK_PAGES * options.threads + worker->nr;

	return block * BLOCK_PAGES + n % BLOCK_PAGES;
}

static uint64_t own_pages(void)
{
	uint64_t blocks = (pages + BLOCK_PAGES - 1) / BLOCK_PAGES;

	return (blocks + options.threads - 1) / options.threads * BLOCK_PAGES;
}

static bool enough(uint64_t visits)
{
	if (options.duration_s)
		return told_to_end || now_s() - started >= options.duration_s;
	return visits >= options.passes * own_pages();
}

static void verify_all(struct worker *worker)
{
	uint64_t n, page;

	for (n = 0; n < own_pages(); n++) {
		page = own_page(worker, order ? order[n] : n);
		if (page < pages)
			visit(worker, page, false);
	}
}

/* The same for all threads: each has its own pages. */
static void make_order(void)
{
	uint64_t dice = mix(options.seed);
	uint64_t n, other;

	order = allocate(own_pages() * sizeof(*order));
	for (n = 0; n < own_pages(); n++) {
		other = next_random(&dice) % (n + 1);
		order[n] = order[other];
		order[other] = n;
	}
}

static void write_first(struct worker *worker, uint64_t page)
{
	worker->page = page;
	if (sigsetjmp(bus_error, 1))
		lose_page(worker);
	else
		write_page(worker->page);
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	uint64_t n, page;

	for (n = 0; !options.private && n < own_pages(); n++) {
		page = own_page(worker, n);
		if (page < pages)
			write_first(worker, page);
	}
	for (n = 0; !options.hold && !enough(n); n++) {
		page = options.sequential ? n % own_pages() : next_random(&worker->random_state) % own_pages();
		page = own_page(worker, page);
		if (page < pages)
			visit(worker, page, true);
	}
	if (!options.hold)
		verify_all(worker);
	return NULL;
}

static void *verify(void *arg)
{
	verify_all(arg);
	return NULL;
}

static void expect_first_pass(void)
{
	for (uint64_t page = 0; page < pages; page++)
		generations[page] = 1;
}

static void open_file(const char *path)
{
	struct stat stat;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &stat))
		die(path);
	pages = (uint64_t)stat.st_size / PAGE_BYTES;
	memory = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
		      options.private ? MAP_PRIVATE : MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		die("cannot map the file");
	generations = allocate(pages * sizeof(*generations));
	lost = allocate(pages * sizeof(*lost));
}

static void open_device(void)
{
	if (options.direct) {
		direct_fd = open(options.direct, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (direct_fd < 0)
			die(options.direct);
	}
}

static void lock_pages(void)
{
	if (options.mlock_pages && mlock(memory, options.mlock_pages * PAGE_BYTES))
		die("cannot lock pages");
}

static void check_locked_pages(void)
{
	unsigned char *resident = allocate(options.mlock_pages + 1);

	if (mincore(memory, options.mlock_pages * PAGE_BYTES, resident))
		die("mincore");
	for (uint64_t page = 0; page < options.mlock_pages; page++) {
		if (resident[page] & 1)
			continue;
		printf("FILECHECK FAIL page=%" PRIu64 " was locked and is not in memory\n", page);
		exit(1);
	}
	free(resident);
}

static void run_all(struct worker *workers, void *(*run)(void *arg))
{
	unsigned int i;

	for (i = 0; i < options.threads; i++)
		if (pthread_create(&workers[i].thread, NULL, run, &workers[i]))
			die("cannot start a thread");
	for (i = 0; i < options.threads; i++)
		pthread_join(workers[i].thread, NULL);
}

/* The child's pages are the parent's; what it knows about them is a copy. */
static void verify_in_both(struct worker *workers)
{
	pid_t child = options.fork ? fork() : 0;
	int status = 0;

	if (options.fork && child < 0)
		die("fork");
	run_all(workers, verify);
	if (options.fork && !child)
		_exit(0);
	if (options.fork && (waitpid(child, &status, 0) != child || status)) {
		printf("FILECHECK FAIL the child found a wrong page\n");
		exit(1);
	}
}

static void print_verdict(const struct worker *workers)
{
	struct worker sum = { 0 };
	unsigned int i;

	for (i = 0; i < options.threads; i++) {
		sum.visits += workers[i].visits;
		sum.writes += workers[i].writes;
		sum.punches += workers[i].punches;
		sum.lost += workers[i].lost;
	}
	printf("FILECHECK PASS pages=%" PRIu64 " visits=%" PRIu64 " writes=%" PRIu64 " punches=%" PRIu64
	       " lost=%" PRIu64 " seconds=%.1f\n",
	       pages, sum.visits, sum.writes, sum.punches, sum.lost, now_s() - started);
}

static uint64_t forget_lost(struct worker *workers)
{
	uint64_t forgotten = 0;
	unsigned int i;

	for (i = 0; i < options.threads; i++) {
		forgotten += workers[i].lost;
		workers[i].lost = 0;
	}
	memset(lost, 0, pages * sizeof(*lost));
	return forgotten;
}

static void hold(struct worker *workers)
{
	uint64_t round;

	for (round = 0; round < options.rounds; round++) {
		printf("FILECHECK holding pages=%" PRIu64 " lost=%" PRIu64 "\n", pages, forget_lost(workers));
		while (getchar() != '\n' && !feof(stdin))
			;
		verify_in_both(workers);
	}
}

static uint64_t parse_number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (end == text || *end || *text == '-') {
		fprintf(stderr, "filecheck: not a number: %s\n", text);
		exit(2);
	}
	return value;
}

static void parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "passes", required_argument, NULL, 'n' },
		{ "duration", required_argument, NULL, 'd' },
		{ "threads", required_argument, NULL, 't' },
		{ "write", required_argument, NULL, 'w' },
		{ "punch", required_argument, NULL, 'p' },
		{ "seed", required_argument, NULL, 'r' },
		{ "direct", required_argument, NULL, 'i' },
		{ "mlock", required_argument, NULL, 'm' },
		{ "fork", no_argument, NULL, 'f' },
		{ "sequential", no_argument, NULL, 's' },
		{ "allow-lost", no_argument, NULL, 'l' },
		{ "hold", no_argument, NULL, 'o' },
		{ "verify", no_argument, NULL, 'v' },
		{ "private", no_argument, NULL, 'x' },
		{ "rounds", required_argument, NULL, 'c' },
		{ "scattered", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'n': options.passes = parse_number(optarg); break;
		case 'd': options.duration_s = parse_number(optarg); break;
		case 't': options.threads = parse_number(optarg); break;
		case 'w': options.write_percent = parse_number(optarg); break;
		case 'p': options.punch_percent = parse_number(optarg); break;
		case 'r': options.seed = parse_number(optarg); break;
		case 'i': options.direct = optarg; break;
		case 'm': options.mlock_pages = parse_number(optarg); break;
		case 'f': options.fork = true; break;
		case 's': options.sequential = true; break;
		case 'l': options.allow_lost = true; break;
		case 'o': options.hold = true; break;
		case 'v': options.verify = true; break;
		case 'x': options.private = true; break;
		case 'c': options.rounds = parse_number(optarg); break;
		case 'a': options.scattered = true; break;
		case 'h': fputs(usage_text, stdout); exit(0);
		default: fputs(usage_text, stderr); exit(2);
		}
	}
	if (optind + 1 != argc || !options.threads || options.threads > MAX_THREADS) {
		fputs(usage_text, stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_bus_error };
	struct sigaction termination = { .sa_handler = on_termination };
	struct worker workers[MAX_THREADS] = { 0 };
	unsigned int i;

	parse_options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	open_file(argv[optind]);
	open_device();
	lock_pages();
	sigaction(SIGBUS, &action, NULL);
	if (options.duration_s)
		sigaction(SIGTERM, &termination, NULL);
	for (i = 0; i < options.threads; i++) {
		workers[i].nr = i;
		workers[i].random_state = mix(options.seed + i);
	}
	started = now_s();
	if (options.verify || options.private)
		expect_first_pass();
	if (options.scattered)
		make_order();
	run_all(workers, options.verify ? verify : work);
	if (options.hold)
		hold(workers);
	check_locked_pages();
	print_verdict(workers);
	return 0;
}
