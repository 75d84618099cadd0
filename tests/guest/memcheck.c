// SPDX-License-Identifier: GPL-2.0-only
/*
 * memcheck: a workload that knows what every byte of its memory must be.
 *
 * A page's content follows from (seed, page, generation); each write raises the page's generation,
 * and each visit first verifies all 4096 bytes. At the end, or after SIGUSR1, it verifies each page
 * once more. The last line is the verdict:
 *	MEMCHECK PASS pages=... passes=...
 *	MEMCHECK FAIL page=... offset=... want=... got=...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
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
	.pattern = PATTERN_RANDOM,
};

static uint64_t *memory;
static uint32_t *generations;
static bool *lost;
static uint64_t pages, passes_done, reads, writes, pages_lost;
static uint64_t random_state;
static sigjmp_buf bus_error;
static volatile sig_atomic_t end_early;

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
	"  --seed N           another content and order\n"
	"  --huge             ask for huge pages (default: ask for none)\n"
	"  --allow-lost       count pages that cannot be read (SIGBUS) and go on\n"
	"  --flip-after N     alter one bit behind its own back after N visits, to see it fail\n"
	"  --progress SECONDS between progress lines (default 5; 0: none)\n";

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
	       page, offset, want, got, generations[page], pages, passes_done);
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

static void page_cannot_be_read(uint64_t page)
{
	if (!options.allow_lost) {
		printf("MEMCHECK FAIL page=%" PRIu64 " offset=0 want=readable got=SIGBUS\n", page);
		exit(1);
	}
	lost[page] = true;
	pages_lost++;
}

static void visit(uint64_t page, bool also_write)
{
	if (lost[page])
		return;
	if (sigsetjmp(bus_error, 1)) {
		page_cannot_be_read(page);
		return;
	}
	for (uint64_t i = 0; i < options.work; i++)
		verify_page(page);
	reads++;
	if (also_write) {
		write_page(page);
		writes++;
	}
}

/* So much of the visits to so much of the pages, and the rest to any. */
static uint64_t choose_hot_or_any(unsigned int visits_percent, unsigned int pages_percent)
{
	uint64_t hot = pages * pages_percent / 100;

	if (hot && next_random(&random_state) % 100 < visits_percent)
		return next_random(&random_state) % hot;
	return next_random(&random_state) % pages;
}

static enum pattern pattern_of_pass(uint64_t pass)
{
	static const enum pattern turns[] = { PATTERN_RANDOM, PATTERN_SEQUENTIAL, PATTERN_8020 };

	return options.pattern == PATTERN_TURNS ? turns[pass % (sizeof(turns) / sizeof(*turns))] : options.pattern;
}

static uint64_t choose_page(uint64_t visit_number)
{
	switch (pattern_of_pass(visit_number / pages)) {
	case PATTERN_SEQUENTIAL:
		return visit_number % pages;
	case PATTERN_FRONT:
		return next_random(&random_state) % (pages / 8 + 1);
	case PATTERN_8020:
		return choose_hot_or_any(80, 20);
	case PATTERN_7030:
		return choose_hot_or_any(70, 30);
	default:
		return next_random(&random_state) % pages;
	}
}

static void show_progress(double started)
{
	static double last;
	double now = now_s();

	if (!options.progress_s || now - (last ? last : started) < options.progress_s)
		return;
	printf("MEMCHECK progress passes=%" PRIu64 " reads=%" PRIu64 " writes=%" PRIu64
	       " lost=%" PRIu64 " seconds=%.1f\n", passes_done, reads, writes, pages_lost, now - started);
	last = now;
}

static bool enough(double started)
{
	if (end_early)
		return true;
	if (options.duration_s)
		return now_s() - started >= options.duration_s;
	return passes_done >= options.passes;
}

static void work(void)
{
	double started = now_s();

	for (uint64_t n = 0; !enough(started);) {
		uint64_t lost_before = pages_lost;

		visit(choose_page(n), next_random(&random_state) % 100 < options.write_percent);
		if (options.rest_us)
			usleep(options.rest_us);
		if (++n % pages == 0)
			passes_done++;
		if (n == options.flip_after)
			memory[next_random(&random_state) % (pages * PAGE_WORDS)] ^= 1ULL << 17;
		/* A page that is lost took seconds. */
		if (n % 64 == 0 || pages_lost != lost_before)
			show_progress(started);
	}
	for (uint64_t page = 0; page < pages; page++) {
		visit(page, false);
		show_progress(started);
	}
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
	random_state = mix(options.seed);
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
		case 'f': options.flip_after = parse_size(optarg); break;
		case 'l': options.allow_lost = true; break;
		case 'g': options.huge = true; break;
		case 'h': fputs(usage_text, stdout); exit(0);
		default: fputs(usage_text, stderr); exit(2);
		}
	}
	if (optind != argc || options.size_bytes < PAGE_BYTES) {
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
	double started = now_s();

	parse_options(argc, argv);
	lock_program();
	atexit(drain_output);
	prepare();
	work();
	printf("MEMCHECK PASS pages=%" PRIu64 " passes=%" PRIu64 " reads=%" PRIu64 " writes=%" PRIu64
	       " lost=%" PRIu64 " seconds=%.1f\n", pages, passes_done, reads, writes, pages_lost,
	       now_s() - started);
	return 0;
}
