// SPDX-License-Identifier: GPL-2.0-only
/*
 * memcheck: a workload that knows what every byte of its memory must be.
 *
 * A page's content follows from (seed, page, generation); each write raises the page's generation,
 * and each visit first verifies all 4096 bytes. At the end, or after SIGUSR1, it verifies each page
 * once more. Of several threads each has every so manyth page, and reads a word of the next one's
 * meanwhile, so that several processors may want one page at once. The last line is the verdict:
 *	MEMCHECK PASS pages=... passes=...
 *	MEMCHECK FAIL page=... offset=... want=... got=...
 */
#define _GNU_SOURCE
#include <errno.h>
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
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "content.h"

#define PAGE_BYTES 4096
#define PAGE_WORDS (PAGE_BYTES / sizeof(uint64_t))

enum pattern { PATTERN_RANDOM, PATTERN_SEQUENTIAL, PATTERN_8020, PATTERN_7030, PATTERN_FRONT, PATTERN_TURNS };

static struct {
	uint64_t size_bytes;
	uint64_t passes;
	uint64_t duration_s;
	uint64_t seed;
	uint64_t flip_after;
	uint64_t work;
	uint64_t rest_us;
	unsigned int write_percent;
	unsigned int zero_percent;
	unsigned int progress_s;
	unsigned int threads;
	enum pattern pattern;
	bool allow_lost;
	bool huge;
} options = {
	.size_bytes = 64 << 20,
	.passes = 2,
	.seed = 1,
	.work = 1,
	.write_percent = 50,
	.progress_s = 5,
	.threads = 1,
	.pattern = PATTERN_RANDOM,
};

static uint64_t *memory;
static uint32_t *generations;
static bool *lost;
static uint64_t pages;
static double started;
static volatile sig_atomic_t end_early;

/* What a thread did; others read it for the lines that tell of all. */
struct worker {
	pthread_t thread;
	uint64_t number;
	uint64_t random_state;
	uint64_t passes_done, reads, writes, pages_lost;
};
static struct worker workers[16];
static __thread sigjmp_buf bus_error;

static const char usage_text[] =
	"usage: memcheck [OPTION...]\n"
	"  --size SIZE        memory to use, with K, M or G (default 64M)\n"
	"  --passes N         visits, in multiples of the number of pages (default 2)\n"
	"  --duration SECONDS go on until this long has passed instead\n"
	"  --pattern NAME     random (default), sequential, 8020: 80 % of the visits to 20 %,\n"
	"                     7030, front: the first eighth only, until the end, or turns: a pass\n"
	"                     at random, one in sequence, one of 8020, and again\n"
	"  --write PERCENT    how many visits also write (default 50)\n"
	"  --work N           verify the page N times at each visit (default 1)\n"
	"  --rest US          pause after each visit before the last ones, in microseconds (default 0)\n"
	"  --zero PERCENT     how many contents are a page of zeros (default 0)\n"
	"  --threads N        so many go through it, at most 16 (default 1)\n"
	"  --seed N           another content and order\n"
	"  --huge             ask for huge pages (default: ask for none)\n"
	"  --allow-lost       count pages that cannot be read (SIGBUS) and go on\n"
	"  --flip-after N     alter one bit behind its own back after N visits, to see it fail\n"
	"  --progress SECONDS between progress lines (default 5; 0: none)\n";

static struct worker all_workers(void)
{
	/* The passes are the first one's: all have as many pages, but for one. */
	struct worker all = { .passes_done = __atomic_load_n(&workers[0].passes_done, __ATOMIC_RELAXED) };

	for (unsigned int i = 0; i < options.threads; i++) {
		all.reads += __atomic_load_n(&workers[i].reads, __ATOMIC_RELAXED);
		all.writes += __atomic_load_n(&workers[i].writes, __ATOMIC_RELAXED);
		all.pages_lost += __atomic_load_n(&workers[i].pages_lost, __ATOMIC_RELAXED);
	}
	return all;
}

/* Of what only this thread counts. */
static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static uint64_t page_key(uint64_t page, uint32_t generation)
{
	return mix(options.seed ^ mix(page + 1) ^ mix((uint64_t)generation << 32));
}

static bool is_zero_page(uint64_t key)
{
	return key % 100 < options.zero_percent;
}

static void write_page(uint64_t page)
{
	uint64_t *words = memory + page * PAGE_WORDS;
	uint64_t key = page_key(page, ++generations[page]);
	uint64_t word = key;

	if (is_zero_page(key)) {
		memset(words, 0, PAGE_BYTES);
		return;
	}
	for (size_t i = 0; i < PAGE_WORDS; i++) {
		words[i] = word;
		word = next_word(word);
	}
}

static void report_wrong_page(uint64_t page, size_t offset, uint64_t want, uint64_t got)
{
	printf("MEMCHECK FAIL page=%" PRIu64 " offset=%zu want=%016" PRIx64 " got=%016" PRIx64
	       " generation=%u pages=%" PRIu64 " passes=%" PRIu64 "\n",
	       page, offset, want, got, generations[page], pages, all_workers().passes_done);
	exit(1);
}

static void verify_page(uint64_t page)
{
	const uint64_t *words = memory + page * PAGE_WORDS;
	uint64_t key = page_key(page, generations[page]);
	uint64_t word = is_zero_page(key) ? 0 : key;

	for (size_t i = 0; i < PAGE_WORDS; i++) {
		if (words[i] != word)
			report_wrong_page(page, i * sizeof(word), word, words[i]);
		if (word || !is_zero_page(key))
			word = next_word(word);
	}
}

static void on_bus_error(int signal)
{
	(void)signal;
	siglongjmp(bus_error, 1);
}

static void on_end_early(int signal)
{
	(void)signal;
	end_early = 1;
}

static void page_cannot_be_read(struct worker *worker, uint64_t page)
{
	if (!options.allow_lost) {
		printf("MEMCHECK FAIL page=%" PRIu64 " offset=0 want=readable got=SIGBUS\n", page);
		exit(1);
	}
	lost[page] = true;
	count(&worker->pages_lost);
}

/* At another thread's page, which it may be writing: no word of it is known. That it is lost is its owner's affair. */
static void glance_at(uint64_t page)
{
	if (page >= pages || sigsetjmp(bus_error, 1))
		return;
	__atomic_load_n(memory + page * PAGE_WORDS, __ATOMIC_RELAXED);
}

static void visit(struct worker *worker, uint64_t page, bool also_write)
{
	if (lost[page])
		return;
	if (sigsetjmp(bus_error, 1)) {
		page_cannot_be_read(worker, page);
		return;
	}
	for (uint64_t i = 0; i < options.work; i++)
		verify_page(page);
	count(&worker->reads);
	if (also_write) {
		write_page(page);
		count(&worker->writes);
	}
}

/* So much of the visits to so much of the pages, and the rest to any. */
static uint64_t choose_hot_or_any(uint64_t *state, uint64_t among, unsigned int visits_percent,
				  unsigned int pages_percent)
{
	uint64_t hot = among * pages_percent / 100;

	if (hot && next_random(state) % 100 < visits_percent)
		return next_random(state) % hot;
	return next_random(state) % among;
}

static enum pattern pattern_of_pass(uint64_t pass)
{
	static const enum pattern turns[] = { PATTERN_RANDOM, PATTERN_SEQUENTIAL, PATTERN_8020 };

	return options.pattern == PATTERN_TURNS ? turns[pass % (sizeof(turns) / sizeof(*turns))] : options.pattern;
}

/* One of so many. */
static uint64_t choose(uint64_t *state, uint64_t among, uint64_t visit_number)
{
	switch (pattern_of_pass(visit_number / among)) {
	case PATTERN_SEQUENTIAL:
		return visit_number % among;
	case PATTERN_FRONT:
		return next_random(state) % (among / 8 + 1);
	case PATTERN_8020:
		return choose_hot_or_any(state, among, 80, 20);
	case PATTERN_7030:
		return choose_hot_or_any(state, among, 70, 30);
	default:
		return next_random(state) % among;
	}
}

static void show_progress(void)
{
	static double last;
	double now = now_s();
	struct worker all;

	if (!options.progress_s || now - (last ? last : started) < options.progress_s)
		return;
	all = all_workers();
	printf("MEMCHECK progress passes=%" PRIu64 " reads=%" PRIu64 " writes=%" PRIu64
	       " lost=%" PRIu64 " seconds=%.1f\n", all.passes_done, all.reads, all.writes, all.pages_lost,
	       now - started);
	last = now;
}

static bool enough(const struct worker *worker)
{
	if (end_early)
		return true;
	if (options.duration_s)
		return now_s() - started >= options.duration_s;
	return worker->passes_done >= options.passes;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	bool tells = worker == workers;
	uint64_t own = (pages - worker->number + options.threads - 1) / options.threads;
	uint64_t *state = &worker->random_state;

	for (uint64_t n = 0; !enough(worker);) {
		uint64_t lost_before = worker->pages_lost;
		uint64_t page = choose(state, own, n) * options.threads + worker->number;

		visit(worker, page, next_random(state) % 100 < options.write_percent);
		if (options.threads > 1)
			glance_at(page + 1);
		if (options.rest_us)
			usleep(options.rest_us);
		if (++n % own == 0)
			count(&worker->passes_done);
		if (n == options.flip_after && tells)
			memory[next_random(state) % (pages * PAGE_WORDS)] ^= 1ULL << 17;
		/* A page that is lost took seconds. */
		if (tells && (n % 64 == 0 || worker->pages_lost != lost_before))
			show_progress();
	}
	for (uint64_t page = worker->number; page < pages; page += options.threads) {
		visit(worker, page, false);
		if (tells)
			show_progress();
	}
	return NULL;
}

static void work_all(void)
{
	int error;

	started = now_s();
	for (unsigned int i = 1; i < options.threads; i++) {
		error = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		if (error) {
			fprintf(stderr, "memcheck: no thread: %s\n", strerror(error));
			exit(2);
		}
	}
	work(&workers[0]);
	for (unsigned int i = 1; i < options.threads; i++)
		pthread_join(workers[i].thread, NULL);
}

static void *allocate(size_t bytes)
{
	void *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED) {
		fprintf(stderr, "memcheck: cannot allocate %zu bytes: %s\n", bytes, strerror(errno));
		exit(2);
	}
	return area;
}

/* The program's own books stay in memory: they must not be what paging altered. */
static void *allocate_locked(size_t bytes)
{
	void *area = allocate(bytes);

	if (mlock(area, bytes))
		fprintf(stderr, "memcheck: cannot lock its tables, going on: %s\n", strerror(errno));
	return area;
}

/*
 * So do the program itself and its stack: a handler whose own page is lost cannot tell of it. The
 * memory under test is made later and stays free to go.
 */
static void lock_program(void)
{
	static char stdout_buffer[BUFSIZ];

	setvbuf(stdout, stdout_buffer, _IOLBF, sizeof(stdout_buffer));
	if (mlockall(MCL_CURRENT))
		fprintf(stderr, "memcheck: cannot lock itself into memory, going on: %s\n", strerror(errno));
}

static void prepare(void)
{
	struct sigaction action = { .sa_handler = on_bus_error };

	pages = options.size_bytes / PAGE_BYTES;
	for (unsigned int i = 0; i < options.threads; i++) {
		workers[i].number = i;
		workers[i].random_state = mix(options.seed + i);
	}
	memory = allocate(pages * PAGE_BYTES);
	if (madvise(memory, pages * PAGE_BYTES, options.huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		fprintf(stderr, "memcheck: this kernel knows no huge pages, going on\n");
	generations = allocate_locked(pages * sizeof(*generations));
	lost = allocate_locked(pages * sizeof(*lost));
	sigaction(SIGBUS, &action, NULL);
	action.sa_handler = on_end_early;
	sigaction(SIGUSR1, &action, NULL);
	for (uint64_t page = 0; page < pages; page++)
		write_page(page);
	printf("MEMCHECK filled pages=%" PRIu64 "\n", pages);
}

static uint64_t parse_size(const char *text)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end == 'K')
		value <<= 10, end++;
	else if (*end == 'M')
		value <<= 20, end++;
	else if (*end == 'G')
		value <<= 30, end++;
	if (errno || end == text || *end || *text == '-') {
		fprintf(stderr, "memcheck: not a number: %s\n", text);
		exit(2);
	}
	return value;
}

static enum pattern parse_pattern(const char *name)
{
	static const char *const names[] = {
		[PATTERN_RANDOM] = "random",
		[PATTERN_SEQUENTIAL] = "sequential",
		[PATTERN_8020] = "8020",
		[PATTERN_7030] = "7030",
		[PATTERN_FRONT] = "front",
		[PATTERN_TURNS] = "turns",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i], name))
			return i;
	fprintf(stderr, "memcheck: no such pattern: %s (random, sequential, 8020, 7030, front, turns)\n", name);
	exit(2);
}

static void parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "size", required_argument, NULL, 's' },
		{ "passes", required_argument, NULL, 'n' },
		{ "duration", required_argument, NULL, 'd' },
		{ "pattern", required_argument, NULL, 'p' },
		{ "write", required_argument, NULL, 'w' },
		{ "zero", required_argument, NULL, 'z' },
		{ "seed", required_argument, NULL, 'r' },
		{ "progress", required_argument, NULL, 'i' },
		{ "work", required_argument, NULL, 'o' },
		{ "rest", required_argument, NULL, 'e' },
		{ "threads", required_argument, NULL, 't' },
		{ "flip-after", required_argument, NULL, 'f' },
		{ "allow-lost", no_argument, NULL, 'l' },
		{ "huge", no_argument, NULL, 'g' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 's': options.size_bytes = parse_size(optarg); break;
		case 'n': options.passes = parse_size(optarg); break;
		case 'd': options.duration_s = parse_size(optarg); break;
		case 'p': options.pattern = parse_pattern(optarg); break;
		case 'w': options.write_percent = parse_size(optarg); break;
		case 'z': options.zero_percent = parse_size(optarg); break;
		case 'r': options.seed = parse_size(optarg); break;
		case 'i': options.progress_s = parse_size(optarg); break;
		case 'o': options.work = parse_size(optarg); break;
		case 'e': options.rest_us = parse_size(optarg); break;
		case 't': options.threads = parse_size(optarg); break;
		case 'f': options.flip_after = parse_size(optarg); break;
		case 'l': options.allow_lost = true; break;
		case 'g': options.huge = true; break;
		case 'h': fputs(usage_text, stdout); exit(0);
		default: fputs(usage_text, stderr); exit(2);
		}
	}
	if (optind != argc || !options.threads || options.threads > sizeof(workers) / sizeof(*workers) ||
	    options.size_bytes < options.threads * PAGE_BYTES) {
		fputs(usage_text, stderr);
		exit(2);
	}
}

/* A guest is turned off as soon as this ends; what its serial line has not sent by then is lost. */
static void drain_output(void)
{
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}

int main(int argc, char **argv)
{
	double begun = now_s();
	struct worker all;

	parse_options(argc, argv);
	lock_program();
	atexit(drain_output);
	prepare();
	work_all();
	all = all_workers();
	printf("MEMCHECK PASS pages=%" PRIu64 " passes=%" PRIu64 " reads=%" PRIu64 " writes=%" PRIu64
	       " lost=%" PRIu64 " seconds=%.1f\n", pages, all.passes_done, all.reads, all.writes, all.pages_lost,
	       now_s() - begun);
	return 0;
}
