// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "content.h"
#include "diskcheck_work.h"

#define REPORTED_WRONG 20
#define REPORTED_UNREADABLE 40
#define TRIES 32

enum request_kind { REQUEST_READ, REQUEST_WRITE, REQUEST_DISCARD };

struct request {
	enum request_kind kind;
	uint64_t first;
	unsigned int pages;
	content_id id[MAX_REQUEST_PAGES];	/* writes and discards */
	struct contents may[MAX_REQUEST_PAGES]; /* reads */
};

struct worker {
	pthread_t thread;
	struct crew *crew;
	uint64_t random;
	uint64_t *buffer;
	struct request request;
};

/* The lock protects everything here, the book and the tally. */
struct crew {
	struct work *work;
	pthread_mutex_t lock;
	uint64_t cursor[3]; /* of sequential requests, by kind */
	double started;
	struct worker worker[MAX_DEPTH];
};

volatile sig_atomic_t work_stop;

static uint64_t below(struct worker *worker, uint64_t limit)
{
	return next_random(&worker->random) % limit;
}

static bool run_is_over(const struct crew *crew)
{
	const struct job *job = &crew->work->job;
	const struct tally *tally = &crew->work->tally;

	if (work_stop || (job->seconds && now_s() - crew->started >= job->seconds))
		return true;
	return (job->pages_out || job->pages_in) && tally->pages_out >= job->pages_out &&
	       tally->pages_in >= job->pages_in;
}

static enum request_kind choose_kind(struct worker *worker)
{
	const struct job *job = &worker->crew->work->job;
	uint64_t die = below(worker, 100);

	switch (job->kind) {
	case JOB_FILL: return REQUEST_WRITE;
	case JOB_VERIFY: return REQUEST_READ;
	case JOB_DISCARD: return REQUEST_DISCARD;
	default: break;
	}
	if (die < job->write_percent)
		return REQUEST_WRITE;
	return die < job->write_percent + job->discard_percent ? REQUEST_DISCARD : REQUEST_READ;
}

static void choose_random_range(struct worker *worker, struct request *request)
{
	const struct job *job = &worker->crew->work->job;
	uint64_t start = below(worker, job->count);

	request->pages = job->min_pages + below(worker, job->max_pages - job->min_pages + 1);
	if (request->pages > job->count - start)
		request->pages = job->count - start;
	request->first = job->first + start;
}

/* False: each page had its turn. */
static bool choose_next_range(struct worker *worker, struct request *request)
{
	const struct job *job = &worker->crew->work->job;
	uint64_t *cursor = &worker->crew->cursor[request->kind];

	if (*cursor == job->count) {
		if (job->kind != JOB_RUN)
			return false;
		*cursor = 0;
	}
	request->pages = job->max_pages;
	if (request->pages > job->count - *cursor)
		request->pages = job->count - *cursor;
	request->first = job->first + *cursor;
	*cursor += request->pages;
	return true;
}

static bool may_begin(const struct crew *crew, const struct request *request)
{
	unsigned int i, writers = crew->work->job.overlap ? MAX_WRITERS : 1;

	for (i = 0; request->kind != REQUEST_READ && i < request->pages; i++)
		if (!book_may_write(crew->work->book, request->first + i, writers))
			return false;
	return true;
}

static bool choose_request(struct worker *worker, struct request *request)
{
	const struct job *job = &worker->crew->work->job;

	request->kind = choose_kind(worker);
	if (job->kind == JOB_RUN && !job->sequential)
		choose_random_range(worker, request);
	else if (!choose_next_range(worker, request))
		return false;
	return true;
}

static void count_overlap(struct crew *crew, const struct request *request, uint64_t page)
{
	if (!crew->work->book->entry[page].writers)
		return;
	if (request->kind == REQUEST_WRITE)
		crew->work->tally.overwrites++;
	else
		crew->work->tally.overdiscards++;
}

static void enter_in_book(struct crew *crew, struct request *request)
{
	struct book *book = crew->work->book;
	unsigned int i;

	for (i = 0; i < request->pages; i++) {
		uint64_t page = request->first + i;

		if (request->kind == REQUEST_READ) {
			request->may[i] = book_begin_read(book, page);
		} else {
			count_overlap(crew, request, page);
			request->id[i] = book_begin_write(book, page, request->kind == REQUEST_DISCARD);
		}
	}
}

/* 1: begun, 0: others are at these pages, -1: there is nothing more to do. */
static int try_begin(struct worker *worker)
{
	struct request *request = &worker->request;
	struct crew *crew = worker->crew;
	int tries, result = 0;

	pthread_mutex_lock(&crew->lock);
	if (crew->work->job.kind == JOB_RUN && run_is_over(crew))
		result = -1;
	for (tries = 0; !result && tries < TRIES; tries++) {
		if (!choose_request(worker, request)) {
			result = -1;
		} else if (may_begin(crew, request)) {
			enter_in_book(crew, request);
			result = 1;
		}
	}
	pthread_mutex_unlock(&crew->lock);
	return result;
}

static bool begin(struct worker *worker)
{
	int result;

	while (!(result = try_begin(worker)))
		usleep(1000);
	return result > 0;
}

/* 0, or -1 with errno set. */
static int discard(int disk, uint64_t range[2])
{
	if (!ioctl(disk, BLKDISCARD, range))
		return 0;
	if (errno != ENOTTY)
		return -1;
	return fallocate(disk, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, range[0], range[1]);
}

/* 0 or an errno. */
static int transfer(struct worker *worker, uint64_t first, unsigned int pages)
{
	size_t bytes = (size_t)pages * PAGE_BYTES;
	uint64_t range[2] = { first * PAGE_BYTES, bytes };
	int disk = worker->crew->work->disk;
	ssize_t done = bytes;

	switch (worker->request.kind) {
	case REQUEST_READ:
		/* What the disk does not fill in must not look right. */
		memset(worker->buffer, 0xa5, bytes);
		done = pread(disk, worker->buffer, bytes, range[0]);
		break;
	case REQUEST_WRITE:
		done = pwrite(disk, worker->buffer, bytes, range[0]);
		break;
	case REQUEST_DISCARD:
		if (discard(disk, range))
			done = -1;
		break;
	}
	if (done == (ssize_t)bytes)
		return 0;
	return done < 0 ? errno : ENODATA;
}

static void report_wrong(const struct book *book, const struct request *request, unsigned int i,
			 const uint64_t *words)
{
	const struct contents *may = &request->may[i];
	size_t offset = content_compare(book, request->first + i, may->id[0], words);
	char text[80];

	content_describe(book, words, text, sizeof(text));
	printf("DISKCHECK wrong: page=%" PRIu64 " offset=%zu want=", request->first + i,
	       offset * sizeof(*words));
	for (unsigned int k = 0; k < may->n; k++)
		printf("%s%s-%u", k ? "|" : "", may->id[k] & CONTENT_ZEROS ? "zeros" : "write",
		       may->id[k] & ~CONTENT_ZEROS);
	printf(" got=%s\n", text);
}

static void note_found(struct worker *worker, unsigned int i, content_id id)
{
	const struct request *request = &worker->request;
	struct crew *crew = worker->crew;

	if (!request->may[i].settled || request->may[i].n == 1)
		return;
	pthread_mutex_lock(&crew->lock);
	book_found(crew->work->book, request->first + i, id);
	pthread_mutex_unlock(&crew->lock);
}

/* Verifies page i of the request, which is page k of the buffer; returns whether it is right. */
static bool verify_page(struct worker *worker, unsigned int i, unsigned int k)
{
	const struct request *request = &worker->request;
	const uint64_t *words = worker->buffer + k * PAGE_WORDS;
	struct work *work = worker->crew->work;
	unsigned int c;

	for (c = 0; c < request->may[i].n; c++) {
		if (content_compare(work->book, request->first + i, request->may[i].id[c], words) == PAGE_WORDS) {
			note_found(worker, i, request->may[i].id[c]);
			return true;
		}
	}
	pthread_mutex_lock(&worker->crew->lock);
	if (work->tally.wrong++ < REPORTED_WRONG)
		report_wrong(work->book, request, i, words);
	pthread_mutex_unlock(&worker->crew->lock);
	return false;
}

static void count_error(struct work *work, const struct request *request, unsigned int pages, int err)
{
	struct tally *tally = &work->tally;

	if (request->kind == REQUEST_WRITE && err == ENOSPC)
		tally->no_space += pages;
	else if (request->kind == REQUEST_WRITE && err == EIO)
		tally->write_errors += pages;
	else if (request->kind == REQUEST_READ && err == EIO)
		tally->read_errors += pages;
	else if (tally->other_errors++ < REPORTED_WRONG)
		printf("DISKCHECK error: %s of page %" PRIu64 " and %u more: %s\n",
		       request->kind == REQUEST_READ ? "read" :
		       request->kind == REQUEST_WRITE ? "write" : "discard",
		       request->first, pages - 1, strerror(err));
}

static void count_done(struct work *work, const struct request *request)
{
	if (request->kind == REQUEST_READ)
		work->tally.pages_in += request->pages;
	else if (request->kind == REQUEST_WRITE)
		work->tally.pages_out += request->pages;
	else
		work->tally.discarded += request->pages;
}

/* Transfers, times and counts. */
static int perform(struct worker *worker, uint64_t first, unsigned int pages)
{
	struct crew *crew = worker->crew;
	struct tally *tally = &crew->work->tally;
	double started = now_s();
	int err = transfer(worker, first, pages);
	uint64_t ms = (now_s() - started) * 1000;

	pthread_mutex_lock(&crew->lock);
	if (ms > tally->max_ms)
		tally->max_ms = ms;
	if (err)
		count_error(crew->work, &worker->request, pages, err);
	pthread_mutex_unlock(&crew->lock);
	return err;
}

/* Which of them cannot be read? The rest is verified. */
static void read_one_by_one(struct worker *worker)
{
	const struct request *request = &worker->request;
	struct tally *tally = &worker->crew->work->tally;
	unsigned int i;

	for (i = 0; i < request->pages; i++) {
		if (!perform(worker, request->first + i, 1)) {
			verify_page(worker, i, 0);
			continue;
		}
		pthread_mutex_lock(&worker->crew->lock);
		if (tally->unreadable++ < REPORTED_UNREADABLE)
			printf("DISKCHECK unreadable: page=%" PRIu64 "\n", request->first + i);
		pthread_mutex_unlock(&worker->crew->lock);
	}
}

static void check_what_was_read(struct worker *worker, int err)
{
	unsigned int i;

	for (i = 0; !err && i < worker->request.pages; i++)
		verify_page(worker, i, i);
	if (err && worker->crew->work->job.kind == JOB_VERIFY)
		read_one_by_one(worker);
}

static void end(struct worker *worker, int err)
{
	struct request *request = &worker->request;
	struct work *work = worker->crew->work;
	unsigned int i;

	pthread_mutex_lock(&worker->crew->lock);
	if (!err)
		count_done(work, request);
	for (i = 0; i < request->pages; i++) {
		if (request->kind == REQUEST_READ)
			book_end_read(work->book, request->first + i);
		else
			book_end_write(work->book, request->first + i, request->id[i]);
	}
	pthread_mutex_unlock(&worker->crew->lock);
}

static void *work_in_thread(void *arg)
{
	struct worker *worker = arg;
	struct request *request = &worker->request;
	unsigned int i;
	int err;

	while (begin(worker)) {
		for (i = 0; request->kind == REQUEST_WRITE && i < request->pages; i++)
			content_make(worker->crew->work->book, request->first + i, request->id[i],
				     worker->buffer + i * PAGE_WORDS);
		err = perform(worker, request->first, request->pages);
		if (request->kind == REQUEST_READ)
			check_what_was_read(worker, err);
		end(worker, err);
		if (worker->crew->work->job.rest_us)
			usleep(worker->crew->work->job.rest_us);
	}
	return NULL;
}

static void start_worker(struct crew *crew, unsigned int i)
{
	struct worker *worker = &crew->worker[i];

	worker->crew = crew;
	worker->random = mix(crew->work->book->seed ^ mix(i + 1) ^ crew->work->book->clock);
	worker->buffer = aligned_alloc(PAGE_BYTES, (size_t)crew->work->job.max_pages * PAGE_BYTES);
	if (!worker->buffer || pthread_create(&worker->thread, NULL, work_in_thread, worker)) {
		fprintf(stderr, "diskcheck: no thread or buffer for a depth of %u\n", crew->work->job.depth);
		exit(2);
	}
}

void work_run(struct work *work)
{
	struct crew *crew = calloc(1, sizeof(*crew));
	unsigned int i;

	if (!crew) {
		fprintf(stderr, "diskcheck: no memory\n");
		exit(2);
	}
	crew->work = work;
	crew->started = now_s();
	pthread_mutex_init(&crew->lock, NULL);
	for (i = 0; i < work->job.depth; i++)
		start_worker(crew, i);
	for (i = 0; i < work->job.depth; i++) {
		pthread_join(crew->worker[i].thread, NULL);
		free(crew->worker[i].buffer);
	}
	free(crew);
}
