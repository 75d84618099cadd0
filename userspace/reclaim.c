// SPDX-License-Identifier: GPL-2.0-only
/* smemv reclaim: pages out the memory of a scanned guest that is cold, once or to hold it at a size. */
#include <errno.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "command.h"
#include "decode.h"
#include "human.h"
#include "print.h"
#include "reclaim.h"
#include "wait.h"

#define RATE_DEFAULT	(256ull << 20)

/* After so long what is cold is asked for anew. */
#define ROUND_S		10.0
#define LINE_EVERY_S	2.0

static struct {
	double began_s;
	double line_s;
} shown;

static double rate_so_far(const struct reclaim *r)
{
	double seconds = clock_s() - shown.began_s;

	return seconds > 0 ? (double)r->out_bytes / seconds : 0;
}

static void write_progress(const struct reclaim *r, uint64_t left_bytes)
{
	uint64_t all = r->out_bytes + r->stayed_bytes + left_bytes;
	double rate = rate_so_far(r);

	fprintf(stderr, "paged out %s of %s, %s/s, ", human_size((double)r->out_bytes).text,
		human_size((double)all).text, human_size(rate).text);
	if (rate > 0)
		fprintf(stderr, "about %.0f s left", (double)left_bytes / rate);
	else
		fputs("time left not known", stderr);
}

static void show_progress(struct reclaim *r, uint64_t left_bytes)
{
	bool terminal = isatty(STDERR_FILENO);
	double now_s = clock_s();

	if (now_s - shown.line_s < (terminal ? 0.2 : LINE_EVERY_S))
		return;
	shown.line_s = now_s;
	if (terminal)
		fputc('\r', stderr);
	write_progress(r, left_bytes);
	fputs(terminal ? "\033[K" : "\n", stderr);
}

static void end_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	fflush(stderr);
}

/* What is cold at the beginning: a guest that brings pages back as fast as they go has no end of it. */
struct goal {
	bool is_known;
	uint64_t bytes;
	uint64_t tried_bytes;
};

/* One list of what is cold, as far as it is worth to believe it. *@more: there was more of it. */
static int run_round(struct reclaim *r, struct goal *goal, uint64_t *left, bool *more, struct reason *why)
{
	uint64_t out_before = r->out_bytes, listed;
	struct range_list list = { 0 };
	int err = reclaim_find(r, UINT64_MAX, &list, why);

	listed = list.pages * PAGE_BYTES;
	if (!err && !goal->is_known)
		*goal = (struct goal) { .is_known = true, .bytes = listed };
	r->stayed_bytes = 0;
	if (!err)
		err = reclaim_work(r, &list, UINT64_MAX, ROUND_S, show_progress, left, why);
	range_list_free(&list);
	goal->tried_bytes += listed - *left;
	*more = *left && r->out_bytes > out_before && goal->tried_bytes < goal->bytes;
	return err;
}

static void report(const struct reclaim *r, uint64_t left_bytes, double seconds)
{
	struct printer *printer;

	if (!r->call->json) {
		printf("%s%s paged out in %.1f s, %s stayed\n", r->interrupted ? "interrupted: " : "",
		       human_size((double)r->out_bytes).text, seconds,
		       human_size((double)(r->stayed_bytes + left_bytes)).text);
		return;
	}
	printer = printer_new(stdout, PRINT_JSON);
	print_item(printer);
	print_number(printer, "pid", NULL, r->pid);
	print_text(printer, "state", NULL, r->gone ? "ended" : r->interrupted ? "interrupted" : "done");
	print_bytes(printer, "paged_out_bytes", NULL, r->out_bytes);
	print_bytes(printer, "stayed_bytes", NULL, r->stayed_bytes);
	print_bytes(printer, "left_bytes", NULL, left_bytes);
	print_rate(printer, "seconds", NULL, seconds);
	print_item_end(printer);
	printer_end(printer, false);
}

static bool has_free_swap(void)
{
	struct sysinfo info;

	return sysinfo(&info) || info.freeswap;
}

static int run_once(struct reclaim *r)
{
	struct goal goal = { 0 };
	uint64_t left = 0;
	struct reason why;
	bool more;
	int err;

	shown.began_s = shown.line_s = clock_s();
	do
		err = run_round(r, &goal, &left, &more, &why);
	while (!err && more && !r->interrupted);
	end_progress();
	/* Its scan ends with it, so it may be the scan that is missed first. */
	if (err && reclaim_is_gone(r))
		reason_set(&why, "process %u ended", r->pid);
	if (!err || r->out_bytes)
		report(r, left, clock_s() - shown.began_s);
	if (err)
		return call_fail(r->call, "%s", why.text);
	if (r->stayed_bytes && !has_free_swap())
		return call_fail(r->call, "there is no free swap: see swapon --show, and smemv swap add");
	return EXIT_SUCCESS;
}

static int check(struct reclaim *r, const struct keyword *pid, const struct keyword *target)
{
	if (!pid->seen)
		return call_usage(r->call, "pid PID is missing");
	if (r->daemon && !target->seen)
		return call_usage(r->call, "--daemon needs target SIZE");
	if (target->seen && !r->daemon)
		return call_usage(r->call, "target needs --daemon");
	if (!r->rate)
		return call_usage(r->call, "a rate of 0 never ends");
	return 0;
}

static int parse_reclaim(struct call *call, struct reclaim *r)
{
	struct keyword keywords[] = {
		{ "pid", "PID", parse_number, &r->pid, false },
		{ "cold", "SECONDS", parse_seconds, &r->cold_s, false },
		{ "rate", "SIZE", parse_size, &r->rate, false },
		{ "target", "SIZE", parse_size, &r->target_bytes, false },
		{ "--daemon", NULL, NULL, NULL, false },
		{ 0 },
	};
	int status = parse_keywords(call, keywords);

	r->daemon = keywords[4].seen;
	return status ? status : check(r, &keywords[0], &keywords[3]);
}

static int run(struct reclaim *r)
{
	struct reason why;
	int status;

	if (reclaim_open(r, &why))
		status = call_fail(r->call, "%s", why.text);
	else if (link_open(&r->link, &why))
		status = call_fail(r->call, "%s", why.text);
	else
		status = r->daemon ? reclaim_daemon(r) : run_once(r);
	if (r->link)
		link_close(r->link);
	reclaim_close(r);
	return status;
}

int reclaim(struct call *call)
{
	struct reclaim r = { .call = call, .rate = RATE_DEFAULT };
	int status = parse_reclaim(call, &r);

	if (status)
		return status;
	ends_block(&r.ends, 0);
	bucket_init(&r.bucket, (double)r.rate, clock_s());
	return run(&r);
}
