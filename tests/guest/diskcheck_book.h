/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each page of a disk may contain: the writes (a discard writes zeros) that no later one
 * has replaced. The caller serialises all calls.
 */
#ifndef DISKCHECK_BOOK_H
#define DISKCHECK_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096
#define PAGE_WORDS (PAGE_BYTES / sizeof(uint64_t))

/*
 * At most two writes of a page overlap, so at most two that have ended and two that have not can
 * be what it contains.
 */
#define MAX_WRITERS 2
#define MAX_CONTENTS 4

/* Names a content of a page: a number that rises with each write, and whether it is zeros. */
typedef uint32_t content_id;
#define CONTENT_ZEROS 0x80000000u

struct contents {
	content_id id[MAX_CONTENTS];
	unsigned int n;
	bool settled; /* no write is under way: all reads find the same one */
};

struct book_entry {
	struct {
		content_id id;
		uint32_t started, ended; /* 0: has not ended */
	} write[MAX_CONTENTS];
	uint32_t last_number;
	uint8_t n_writes, writers, readers;
};

struct book {
	uint64_t pages, seed;
	unsigned int zero_percent;
	uint32_t clock;
	struct book_entry *entry;
};

struct book book_make(uint64_t pages, uint64_t seed, unsigned int zero_percent);

bool book_may_write(const struct book *book, uint64_t page, unsigned int max_writers);
content_id book_begin_write(struct book *book, uint64_t page, bool discard);

/* Whether or not it succeeded: a write that failed may have been done, and what was there before is gone. */
void book_end_write(struct book *book, uint64_t page, content_id id);

/* What a read that starts now may find; no write of the page may start before its end. */
struct contents book_begin_read(struct book *book, uint64_t page);
void book_end_read(struct book *book, uint64_t page);

/*
 * Such a read found this one: from now on the page contains no other. Which of two overlapping
 * writes was the last is up to the disk, but it must not change its mind.
 */
void book_found(struct book *book, uint64_t page, content_id id);

/* Pages that certainly have been written and not discarded since; all, once each was verified. */
uint64_t book_count_written(const struct book *book);

void content_make(const struct book *book, uint64_t page, content_id id, uint64_t *words);

/* The first of PAGE_WORDS that differs, PAGE_WORDS when none does. */
size_t content_compare(const struct book *book, uint64_t page, content_id id, const uint64_t *words);

/* Says whose content this is, for people. */
void content_describe(const struct book *book, const uint64_t *words, char *text, size_t size);

#endif
