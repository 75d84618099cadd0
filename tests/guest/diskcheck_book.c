// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "content.h"
#include "diskcheck_book.h"

/* A content starts with whose it is, so that one in the wrong place can be told. */
enum { WORD_SEED, WORD_PAGE, WORD_NUMBER, HEADER_WORDS };

struct book book_make(uint64_t pages, uint64_t seed, unsigned int zero_percent)
{
	struct book book = { .pages = pages, .seed = mix(seed + 1), .zero_percent = zero_percent };
	size_t bytes = pages * sizeof(*book.entry);
	uint64_t page;

	book.entry = aligned_alloc(PAGE_BYTES, (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES);
	if (!book.entry) {
		fprintf(stderr, "diskcheck: no memory for the book of %" PRIu64 " pages\n", pages);
		exit(2);
	}
	memset(book.entry, 0, bytes);
	/* The book itself must not be what paging alters. */
	if (mlock(book.entry, bytes))
		perror("diskcheck: the book cannot be locked into memory, going on");
	for (page = 0; page < pages; page++) {
		book.entry[page].n_writes = 1;
		book.entry[page].write[0].id = CONTENT_ZEROS;
		book.entry[page].write[0].ended = ++book.clock;
	}
	return book;
}

bool book_may_write(const struct book *book, uint64_t page, unsigned int max_writers)
{
	const struct book_entry *entry = &book->entry[page];

	return !entry->readers && entry->writers < max_writers;
}

content_id book_begin_write(struct book *book, uint64_t page, bool discard)
{
	struct book_entry *entry = &book->entry[page];
	content_id id = ++entry->last_number | (discard ? CONTENT_ZEROS : 0);

	entry->write[entry->n_writes].id = id;
	entry->write[entry->n_writes].started = ++book->clock;
	entry->write[entry->n_writes].ended = 0;
	entry->n_writes++;
	entry->writers++;
	return id;
}

static uint32_t end_and_tell_start(struct book *book, struct book_entry *entry, content_id id)
{
	unsigned int i;

	for (i = 0; entry->write[i].id != id; i++)
		;
	entry->write[i].ended = ++book->clock;
	return entry->write[i].started;
}

void book_end_write(struct book *book, uint64_t page, content_id id)
{
	struct book_entry *entry = &book->entry[page];
	uint32_t started = end_and_tell_start(book, entry, id);
	unsigned int i, kept = 0;

	for (i = 0; i < entry->n_writes; i++)
		if (!entry->write[i].ended || entry->write[i].ended > started)
			entry->write[kept++] = entry->write[i];
	entry->n_writes = kept;
	entry->writers--;
}

struct contents book_begin_read(struct book *book, uint64_t page)
{
	struct book_entry *entry = &book->entry[page];
	struct contents may = { .n = entry->n_writes, .settled = !entry->writers };
	unsigned int i;

	for (i = 0; i < may.n; i++)
		may.id[i] = entry->write[i].id;
	entry->readers++;
	return may;
}

void book_end_read(struct book *book, uint64_t page)
{
	book->entry[page].readers--;
}

void book_found(struct book *book, uint64_t page, content_id id)
{
	struct book_entry *entry = &book->entry[page];
	unsigned int i;

	for (i = 0; i < entry->n_writes; i++)
		if (entry->write[i].id == id)
			entry->write[0] = entry->write[i];
	entry->n_writes = 1;
}

uint64_t book_count_written(const struct book *book)
{
	uint64_t page, written = 0;
	unsigned int i;

	for (page = 0; page < book->pages; page++) {
		const struct book_entry *entry = &book->entry[page];
		bool all = true;

		for (i = 0; i < entry->n_writes; i++)
			all = all && !(entry->write[i].id & CONTENT_ZEROS);
		written += all;
	}
	return written;
}

static uint64_t key_of(const struct book *book, uint64_t page, content_id id)
{
	return mix(book->seed ^ mix(page + 1) ^ mix((uint64_t)id << 32));
}

static bool is_zeros(const struct book *book, uint64_t key, content_id id)
{
	return id & CONTENT_ZEROS || key % 100 < book->zero_percent;
}

void content_make(const struct book *book, uint64_t page, content_id id, uint64_t *words)
{
	uint64_t word = key_of(book, page, id);
	size_t i;

	if (is_zeros(book, word, id)) {
		memset(words, 0, PAGE_BYTES);
		return;
	}
	words[WORD_SEED] = book->seed;
	words[WORD_PAGE] = page;
	words[WORD_NUMBER] = id;
	for (i = HEADER_WORDS; i < PAGE_WORDS; i++) {
		words[i] = word;
		word = next_word(word);
	}
}

static size_t compare_zeros(const uint64_t *words)
{
	size_t i;

	for (i = 0; i < PAGE_WORDS && !words[i]; i++)
		;
	return i;
}

size_t content_compare(const struct book *book, uint64_t page, content_id id, const uint64_t *words)
{
	uint64_t word = key_of(book, page, id);
	size_t i;

	if (is_zeros(book, word, id))
		return compare_zeros(words);
	if (words[WORD_SEED] != book->seed)
		return WORD_SEED;
	if (words[WORD_PAGE] != page)
		return WORD_PAGE;
	if (words[WORD_NUMBER] != id)
		return WORD_NUMBER;
	for (i = HEADER_WORDS; i < PAGE_WORDS && words[i] == word; i++)
		word = next_word(word);
	return i;
}

void content_describe(const struct book *book, const uint64_t *words, char *text, size_t size)
{
	if (compare_zeros(words) == PAGE_WORDS)
		snprintf(text, size, "zeros");
	else if (words[WORD_SEED] == book->seed)
		snprintf(text, size, "write-%" PRIu64 "-of-page-%" PRIu64, words[WORD_NUMBER], words[WORD_PAGE]);
	else
		snprintf(text, size, "garbage-%016" PRIx64, words[WORD_SEED]);
}
