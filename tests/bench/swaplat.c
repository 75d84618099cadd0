// SPDX-License-Identifier: GPL-2.0-only
/*
 * swaplat: what paging costs on the one swap disk that is on, or (--file) in a memory file.
 *
 * Fills memory, pages all of it out (timed until the disk has answered the last write, or nothing of the
 * file is here), and touches every page once (timed each, and together). Afterwards verifies every
 * byte. Prints one line of JSON. CPU time is the whole machine's, both ends of the link: idle time is what the kernel
 * accounts to the microsecond, so busy time is what the idle loop did not get.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "samples.h"

#define PAGE_BYTES	4096
#define PAGE_WORDS	(PAGE_BYTES / sizeof(uint64_t))
#define OUT_LIMIT_NS	(60 * 1000000000ULL)

static struct {
	uint64_t size_bytes;
	unsigned int threads;
	uint64_t seed;
	bool sequential;
	const char *disk;
	const char *cgroup;
	const char *file;
	const char *evict;
	json_t *labels;
} options = {
	.size_bytes = 16 << 20,
	.threads = 1,
	.seed = 1,
};

/* A thread's share of the touches, and what it saw. */
struct toucher {
	pthread_t thread;
	size_t first, count;
	uint64_t *waited_ns;	/* touches that were major faults */
	size_t waited;
};

struct cost {
	size_t pages;
	double seconds;
	double cpu_seconds;
};

static uint64_t *memory;
static size_t pages;
static uint32_t *order;
static pthread_barrier_t start_line;

static const char usage_text[] =
	"usage: swaplat --disk NAME --cgroup DIR [OPTION...]\n"
	"       swaplat --file PATH --evict COMMAND [OPTION...]\n"
	"  --disk NAME         the swap disk, as in /sys/block\n"
	"  --cgroup DIR        this process's memory cgroup (version 2, without limits)\n"
	"  --file PATH         this memory file instead, which is as large at least\n"
	"  --evict COMMAND     sends all of it away\n"
	"  --size SIZE         memory to swap, with K, M or G (default 16M)\n"
	"  --order NAME        random (default) or sequential touches\n"
	"  --threads N         so many touch at once, each its share (default 1)\n"
	"  --seed N            another random order\n"
	"  --label NAME=VALUE  to be part of the result\n";

static uint64_t word_of(size_t page, size_t word)
{
	return ((uint64_t)page << 32 | word) * 0x9e3779b97f4a7c15ULL;
}

static void fill(void)
{
	for (size_t page = 0; page < pages; page++)
		for (size_t word = 0; word < PAGE_WORDS; word++)
			memory[page * PAGE_WORDS + word] = word_of(page, word);
}

static void verify(void)
{
	for (size_t page = 0; page < pages; page++) {
		for (size_t word = 0; word < PAGE_WORDS; word++) {
			uint64_t got = memory[page * PAGE_WORDS + word];

			if (got == word_of(page, word))
				continue;
			fprintf(stderr, "swaplat: page %zu is WRONG at byte %zu: %016" PRIx64
				" instead of %016" PRIx64 "\n", page, word * sizeof(word), got,
				word_of(page, word));
			exit(1);
		}
	}
}

static void make_order(void)
{
	uint64_t state = options.seed;

	for (size_t i = 0; i < pages; i++)
		order[i] = (uint32_t)i;
	for (size_t i = pages - 1; !options.sequential && i > 0; i--) {
		size_t other;
		uint32_t page = order[i];

		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		other = (state >> 33) % (i + 1);
		order[i] = order[other];
		order[other] = page;
	}
}

/* Seconds that the processors of this machine spent in the idle loop. */
static double idle_seconds(void)
{
	unsigned long long idle, iowait;
	FILE *file = fopen("/proc/stat", "re");

	if (!file || fscanf(file, "cpu %*u %*u %*u %llu %llu", &idle, &iowait) != 2)
		die("/proc/stat cannot be understood");
	fclose(file);
	return (double)(idle + iowait) / (double)sysconf(_SC_CLK_TCK);
}

static void cost_begin(struct cost *cost)
{
	cost->pages = pages;
	cost->cpu_seconds = idle_seconds();
	cost->seconds = (double)now_ns() / 1e9;
}

static void cost_end(struct cost *cost)
{
	cost->seconds = (double)now_ns() / 1e9 - cost->seconds;
	cost->cpu_seconds = cost->seconds * (double)sysconf(_SC_NPROCESSORS_ONLN) -
			    (idle_seconds() - cost->cpu_seconds);
}

static size_t resident_pages(void)
{
	unsigned char present[512];
	size_t resident = 0;

	for (size_t first = 0; first < pages; first += sizeof(present)) {
		size_t count = pages - first < sizeof(present) ? pages - first : sizeof(present);

		if (mincore(memory + first * PAGE_WORDS, count * PAGE_BYTES, present))
			die("mincore: %s", strerror(errno));
		for (size_t i = 0; i < count; i++)
			resident += present[i] & 1;
	}
	return resident;
}

static unsigned int writes_inflight(void)
{
	unsigned int reads, writes;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/block/%s/inflight", options.disk);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%u %u", &reads, &writes) != 2)
		die("%s cannot be read: is there such a disk?", path);
	fclose(file);
	return writes;
}

static void pause_ms(long milliseconds)
{
	nanosleep(&(struct timespec){ .tv_nsec = milliseconds * 1000000 }, NULL);
}

/* Some, when the command's own beginning is over. */
static void wait_for_first(uint64_t limit)
{
	while (resident_pages() == pages && now_ns() < limit)
		pause_ms(1);
}

/*
 * What went before the first look at it counts as if it went at the same speed. The command has ended before the
 * pages are asked for again: it would be in their way.
 */
static void evict_file(struct cost *cost)
{
	uint64_t limit = now_ns() + OUT_LIMIT_NS;
	FILE *command = popen(options.evict, "w");
	size_t left;

	if (!command)
		die("%s: %s", options.evict, strerror(errno));
	wait_for_first(limit);
	cost_begin(cost);
	left = resident_pages();
	while (resident_pages()) {
		if (now_ns() > limit)
			die("%zu of %zu pages of %s do not leave", resident_pages(), pages, options.file);
		pause_ms(1);
	}
	cost_end(cost);
	if (pclose(command))
		die("%s failed", options.evict);
	cost->pages = left;
}

/* Writes all of it out; the pages themselves stay in the swap cache for now. */
static void write_out(struct cost *cost)
{
	uint64_t limit = now_ns() + OUT_LIMIT_NS;

	cost_begin(cost);
	if (madvise(memory, pages * PAGE_BYTES, MADV_PAGEOUT))
		die("MADV_PAGEOUT: %s", strerror(errno));
	while (writes_inflight()) {
		if (now_ns() > limit)
			die("%s does not answer its writes", options.disk);
		pause_ms(1);
	}
	cost_end(cost);
}

static void reclaim(size_t bytes)
{
	char path[512], text[32];
	int file, length = snprintf(text, sizeof(text), "%zu", bytes);

	snprintf(path, sizeof(path), "%s/memory.reclaim", options.cgroup);
	file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		die("%s: %s", path, strerror(errno));
	/* EAGAIN: less than that; the caller counts for himself. */
	if (write(file, text, (size_t)length) < 0 && errno != EAGAIN)
		die("%s: %s", path, strerror(errno));
	close(file);
}

static void run_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity: %s", strerror(errno));
}

/* From each CPU in turn: it holds some pages on their way to the LRU lists, which only it lets go of. */
static void drop_swap_cache(void)
{
	uint64_t limit = now_ns() + OUT_LIMIT_NS;
	cpu_set_t mine;
	size_t resident;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(mine), &mine))
		die("sched_getaffinity: %s", strerror(errno));
	while ((resident = resident_pages())) {
		if (now_ns() > limit)
			die("%zu of %zu pages do not leave: is the swap disk too small?", resident, pages);
		while (!CPU_ISSET(cpu, &mine))
			cpu = (cpu + 1) % CPU_SETSIZE;
		run_on(cpu);
		reclaim(resident * PAGE_BYTES);
		cpu = (cpu + 1) % CPU_SETSIZE;
	}
	sched_setaffinity(0, sizeof(mine), &mine);
}

static uint64_t major_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)usage.ru_majflt;
}

static void *touch(void *context)
{
	struct toucher *self = context;
	uint64_t faults = major_faults();

	pthread_barrier_wait(&start_line);
	for (size_t i = 0; i < self->count; i++) {
		const volatile uint64_t *page = memory + order[self->first + i] * PAGE_WORDS;
		uint64_t begin = now_ns(), end, now_faults;

		(void)*page;
		end = now_ns();
		now_faults = major_faults();
		if (now_faults != faults)
			self->waited_ns[self->waited++] = end - begin;
		faults = now_faults;
	}
	return NULL;
}

static void start_touchers(struct toucher *touchers, uint64_t *waited_ns)
{
	size_t first = 0;

	pthread_barrier_init(&start_line, NULL, options.threads + 1);
	for (unsigned int i = 0; i < options.threads; i++) {
		struct toucher *toucher = &touchers[i];

		toucher->first = first;
		toucher->count = pages * (i + 1) / options.threads - first;
		toucher->waited_ns = waited_ns + first;
		toucher->waited = 0;
		first += toucher->count;
		if (pthread_create(&toucher->thread, NULL, touch, toucher))
			die("cannot start %u threads", options.threads);
	}
}

/* Returns how many touches were major faults; their times are moved together. */
static size_t bring_in(struct toucher *touchers, uint64_t *waited_ns, struct cost *cost)
{
	size_t waited = 0;

	start_touchers(touchers, waited_ns);
	pause_ms(20);
	cost_begin(cost);
	pthread_barrier_wait(&start_line);
	for (unsigned int i = 0; i < options.threads; i++)
		pthread_join(touchers[i].thread, NULL);
	cost_end(cost);
	for (unsigned int i = 0; i < options.threads; i++) {
		memmove(waited_ns + waited, touchers[i].waited_ns,
			touchers[i].waited * sizeof(*waited_ns));
		waited += touchers[i].waited;
	}
	return waited;
}

static json_t *cost_json(const struct cost *cost)
{
	return json_pack("{s:f, s:f, s:f, s:f}", "seconds", cost->seconds,
			 "pages_per_s", (double)cost->pages / cost->seconds,
			 "mib_per_s", (double)(cost->pages * PAGE_BYTES >> 10) / 1024.0 / cost->seconds,
			 "cpu_us_per_page", cost->cpu_seconds * 1e6 / (double)cost->pages);
}

static void *allocate(size_t bytes)
{
	void *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		die("cannot allocate %zu bytes: %s", bytes, strerror(errno));
	return area;
}

static void *map_file(void)
{
	int file = open(options.file, O_RDWR | O_CLOEXEC);
	void *area;

	if (file < 0)
		die("%s: %s", options.file, strerror(errno));
	area = mmap(NULL, options.size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (area == MAP_FAILED)
		die("%s cannot be mapped: %s", options.file, strerror(errno));
	close(file);
	return area;
}

static void send_out(struct cost *cost)
{
	if (options.file) {
		evict_file(cost);
		return;
	}
	write_out(cost);
	drop_swap_cache();
}

static void measure(void)
{
	struct toucher *touchers;
	uint64_t *waited_ns;
	struct cost out, in;
	size_t waited;

	pages = options.size_bytes / PAGE_BYTES;
	order = allocate(pages * sizeof(*order));
	waited_ns = allocate(pages * sizeof(*waited_ns));
	touchers = allocate(options.threads * sizeof(*touchers));
	/* The tool itself must not be what is swapped. */
	if (mlockall(MCL_CURRENT))
		die("mlockall: %s", strerror(errno));
	memory = options.file ? map_file() : allocate(pages * PAGE_BYTES);
	madvise(memory, pages * PAGE_BYTES, MADV_NOHUGEPAGE);
	make_order();
	fill();

	send_out(&out);
	waited = bring_in(touchers, waited_ns, &in);
	verify();

	json_object_set_new(options.labels, "order",
			    json_string(options.sequential ? "sequential" : "random"));
	json_object_set_new(options.labels, "threads", json_integer(options.threads));
	json_object_set_new(options.labels, "pages", json_integer((json_int_t)pages));
	json_object_set_new(options.labels, "out", cost_json(&out));
	json_object_set_new(options.labels, "in", cost_json(&in));
	json_object_set_new(options.labels, "latency_us", samples_json(waited_ns, waited));
	json_print(options.labels);
}

static bool parse_order(const char *name)
{
	if (strcmp(name, "random") && strcmp(name, "sequential"))
		die("no such order: %s (random, sequential)", name);
	return !strcmp(name, "sequential");
}

static void parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "disk", required_argument, NULL, 'd' },
		{ "cgroup", required_argument, NULL, 'c' },
		{ "file", required_argument, NULL, 'f' },
		{ "evict", required_argument, NULL, 'e' },
		{ "size", required_argument, NULL, 's' },
		{ "order", required_argument, NULL, 'o' },
		{ "threads", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 'r' },
		{ "label", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	options.labels = json_object();
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'd': options.disk = optarg; break;
		case 'c': options.cgroup = optarg; break;
		case 'f': options.file = optarg; break;
		case 'e': options.evict = optarg; break;
		case 's': options.size_bytes = parse_size(optarg); break;
		case 'o': options.sequential = parse_order(optarg); break;
		case 't': options.threads = (unsigned int)parse_size(optarg); break;
		case 'r': options.seed = parse_size(optarg); break;
		case 'l': label_add(options.labels, optarg); break;
		case 'h': fputs(usage_text, stdout); exit(0);
		default: fputs(usage_text, stderr); exit(2);
		}
	}
	if (optind != argc || !options.threads || options.size_bytes < PAGE_BYTES ||
	    !(options.file ? options.evict : options.disk && options.cgroup ? options.disk : NULL)) {
		fputs(usage_text, stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	measure();
	return 0;
}
