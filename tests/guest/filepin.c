// SPDX-License-Identifier: GPL-2.0-only
/*
 * filepin: pins the first pages of a memory file for long, as devices do (VFIO): as a fixed buffer of
 * io_uring. What is written to them comes from a block device by direct I/O, past all page tables.
 *
 * usage: filepin FILE DEVICE PAGES
 *
 * It says "pinned", or "refused: REASON" and ends with 1. Commands come by standard input, one a
 * line, and each is answered by a line:
 *	write SEED   new content, through the pin
 *	unpin
 *	check        says "right" if the pages have the content, as the mapping shows them
 *	here         how many of the pages are in memory
 * At the end of its input it ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "content.h"

#define PAGE_BYTES	4096

static struct io_uring ring;
static uint64_t *memory, *content;
static size_t pages, bytes;
static int device;

static void die(const char *what, int error)
{
	fprintf(stderr, "filepin: %s: %s\n", what, strerror(error));
	exit(2);
}

static void *map(size_t size, int flags, int fd)
{
	void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (area == MAP_FAILED)
		die("mmap", errno);
	return area;
}

static int must_open(const char *path, int flags)
{
	int fd = open(path, flags | O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die(path, errno);
	return fd;
}

static void pin(void)
{
	struct iovec area = { .iov_base = memory, .iov_len = bytes };
	int err = io_uring_queue_init(4, &ring, 0);

	if (err)
		die("io_uring", -err);
	err = io_uring_register_buffers(&ring, &area, 1);
	if (err) {
		printf("refused: %s\n", strerror(-err));
		exit(1);
	}
}

static void write_through_pin(uint64_t seed)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	struct io_uring_cqe *cqe;
	uint64_t word = mix(seed);
	int err;

	for (size_t i = 0; i < bytes / sizeof(*content); i++, word = next_word(word))
		content[i] = word;
	if (pwrite(device, content, bytes, 0) != (ssize_t)bytes)
		die("cannot write to the device", errno);
	io_uring_prep_read_fixed(sqe, device, memory, (unsigned int)bytes, 0, 0);
	io_uring_submit(&ring);
	err = io_uring_wait_cqe(&ring, &cqe);
	if (err)
		die("io_uring_wait_cqe", -err);
	if (cqe->res != (int)bytes)
		die("fixed read", cqe->res < 0 ? -cqe->res : EIO);
	io_uring_cqe_seen(&ring, cqe);
}

static void unpin(void)
{
	int err = io_uring_unregister_buffers(&ring);

	if (err)
		die("unpin", -err);
}

static void check(void)
{
	for (size_t page = 0; page < pages; page++) {
		if (memcmp((char *)memory + page * PAGE_BYTES, (char *)content + page * PAGE_BYTES, PAGE_BYTES)) {
			printf("wrong: page %zu\n", page);
			exit(1);
		}
	}
	puts("right");
}

static void tell_here(void)
{
	unsigned char *resident = calloc(1, pages);
	size_t here = 0;

	if (!resident || mincore(memory, bytes, resident))
		die("mincore", errno);
	for (size_t page = 0; page < pages; page++)
		here += resident[page] & 1;
	printf("here=%zu\n", here);
	free(resident);
}

static void obey(const char *line)
{
	uint64_t seed;

	if (sscanf(line, "write %" SCNu64, &seed) == 1) {
		write_through_pin(seed);
		puts("written");
	} else if (!strcmp(line, "unpin\n")) {
		unpin();
		puts("unpinned");
	} else if (!strcmp(line, "check\n")) {
		check();
	} else if (!strcmp(line, "here\n")) {
		tell_here();
	} else {
		die(line, EINVAL);
	}
}

int main(int argc, char **argv)
{
	char line[64];

	if (argc != 4) {
		fputs("usage: filepin FILE DEVICE PAGES\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	pages = strtoul(argv[3], NULL, 0);
	bytes = pages * PAGE_BYTES;
	memory = map(bytes, MAP_SHARED, must_open(argv[1], 0));
	content = map(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	device = must_open(argv[2], O_DIRECT);
	pin();
	puts("pinned");
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	return 0;
}
