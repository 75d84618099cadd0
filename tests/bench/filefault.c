// SPDX-License-Identifier: GPL-2.0-only
/*
 * filefault: what the faults of a mapped file cost whose pages need nobody else: the first touch of each
 * page, and the first through a new mapping. For memory files, tmpfs and hugetlbfs. One line of JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "samples.h"

#define PAGE_BYTES 4096

static uint64_t size_bytes = 16 << 20;
static unsigned int repeats = 5;
static int advice = MADV_NOHUGEPAGE;

static const char usage_text[] =
	"usage: filefault [OPTION...] FILE\n"
	"  --size SIZE         of the file, which is made so large (default 16M)\n"
	"  --repeat N          new mappings (default 5)\n"
	"  --huge              with huge pages, which else are declined\n"
	"  --label NAME=VALUE  to be part of the result\n";

static uint8_t *map(int file)
{
	uint8_t *area = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	if (area == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	madvise(area, size_bytes, advice);
	return area;
}

/* Microseconds for each 4 KiB. */
static double touch(uint8_t *area)
{
	uint64_t begin = now_ns();

	for (uint64_t at = 0; at < size_bytes; at += PAGE_BYTES)
		*(volatile uint8_t *)(area + at) = 1;
	return (double)(now_ns() - begin) / 1e3 / (double)(size_bytes / PAGE_BYTES);
}

static double touch_again(int file)
{
	double sum = 0;

	for (unsigned int i = 0; i < repeats; i++) {
		uint8_t *area = map(file);

		sum += touch(area);
		munmap(area, size_bytes);
	}
	return sum / repeats;
}

static json_t *parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "size", required_argument, NULL, 's' },
		{ "repeat", required_argument, NULL, 'r' },
		{ "huge", no_argument, NULL, 'u' },
		{ "label", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	json_t *labels = json_object();
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 's': size_bytes = parse_size(optarg); break;
		case 'r': repeats = (unsigned int)parse_size(optarg); break;
		case 'u': advice = MADV_HUGEPAGE; break;
		case 'l': label_add(labels, optarg); break;
		case 'h': fputs(usage_text, stdout); exit(0);
		default: fputs(usage_text, stderr); exit(2);
		}
	}
	if (optind + 1 != argc || !repeats || size_bytes < PAGE_BYTES) {
		fputs(usage_text, stderr);
		exit(2);
	}
	return labels;
}

int main(int argc, char **argv)
{
	json_t *labels = parse_options(argc, argv);
	int file = open(argv[optind], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint8_t *area;

	if (file < 0 || ftruncate(file, (off_t)size_bytes))
		die("%s: %s", argv[optind], strerror(errno));
	area = map(file);
	json_object_set_new(labels, "first_us", json_real(touch(area)));
	munmap(area, size_bytes);
	json_object_set_new(labels, "again_us", json_real(touch_again(file)));
	json_print(labels);
	return 0;
}
