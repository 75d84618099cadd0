// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "human.h"
#include "migrate.h"

#define BAR_WIDTH	24
#define LINE_EVERY_S	2.0
#define RATE_OVER_S	1.0	/* rates of less time jump about */

static struct {
	struct migrate_status before;	/* what rates are measured from */
	struct migrate_status last;
	double line_s;			/* when the last plain line was written */
	int height;			/* lines on the terminal that are written over */
} shown;

static const char *bar(double share)
{
	static char text[BAR_WIDTH + 1];
	int full = (int)(share * BAR_WIDTH + 0.5);

	memset(text, '.', BAR_WIDTH);
	memset(text, '#', (size_t)full);
	return text;
}

static double target_share(const struct migrate_target *target)
{
	uint64_t all = target->pages + target->zero + target->backlog;

	return all ? 1 - (double)target->backlog / (double)all : 0;
}

static void write_target(const char *name, double share, uint64_t bytes, double rate,
			 const char *state)
{
	fprintf(stderr, "  %-12.12s [%s] %8s sent %8s/s  %s\033[K\n", name, bar(share),
		human_size((double)bytes).text, human_size(rate).text, state);
	shown.height++;
}

/* Nothing is sent yet. */
static bool is_watching(const struct migrate_status *now)
{
	return now->is_split && !strcmp(now->status, "active") && !strcmp(now->state, "setup");
}

static void write_end(const struct migrate_status *now)
{
	double left_s = migrate_seconds_left(now, &shown.before);

	if (is_watching(now)) {
		fputs("watching which pages the guest uses (warmup)", stderr);
		return;
	}
	fprintf(stderr, "%.0f %%, pass %llu, ", 100 * migrate_share_done(now),
		(unsigned long long)now->passes);
	if (left_s >= 0)
		fprintf(stderr, "about %.0f s left", left_s);
	else
		fputs("time left not known", stderr);
	fprintf(stderr, ", the guest writes %s/s, downtime about %llu ms",
		human_size((double)now->dirty_pages_per_s * PAGE_BYTES).text,
		(unsigned long long)now->expected_downtime_ms);
	if (now->throttle_percent)
		fprintf(stderr, ", slowed by %llu %%", (unsigned long long)now->throttle_percent);
}

/* The main host gets what is not for servers. */
static double main_share(const struct migrate_status *now)
{
	double left = (double)now->ram_remaining_bytes, there;

	there = (double)(now->is_split ? now->main_bytes : now->stream_pages * PAGE_BYTES);
	if (!now->is_split)
		return migrate_share_done(now);
	return there + left > 0 ? there / (there + left) : 0;
}

static void write_terminal(const struct migrate_status *now)
{
	int i;

	if (shown.height)
		fprintf(stderr, "\033[%dA", shown.height);
	shown.height = 0;
	write_target("main host", main_share(now), now->stream_bytes,
		     migrate_stream_rate(now, &shown.before), now->status);
	for (i = 0; i < now->n_targets; i++)
		write_target(now->targets[i].server, target_share(&now->targets[i]),
			     now->targets[i].bytes, migrate_target_rate(now, &shown.before, i),
			     now->targets[i].state);
	fputs("  ", stderr);
	write_end(now);
	fputs("\033[K\n", stderr);
	shown.height++;
}

static void write_line(const struct migrate_status *now)
{
	int i;

	if (now->taken_s - shown.line_s < LINE_EVERY_S && !strcmp(now->status, shown.last.status) &&
	    is_watching(now) == is_watching(&shown.last))
		return;
	shown.line_s = now->taken_s;
	fprintf(stderr, "%s: main host %s", now->status, human_size((double)now->stream_bytes).text);
	for (i = 0; i < now->n_targets; i++)
		fprintf(stderr, ", %s %s", now->targets[i].server,
			human_size((double)now->targets[i].bytes).text);
	fputs("; ", stderr);
	write_end(now);
	fputc('\n', stderr);
}

void migrate_progress_show(const struct migration *migration)
{
	const struct migrate_status *now = &migration->status;

	if (!shown.before.taken_s)
		shown.before = *now;
	if (isatty(STDERR_FILENO))
		write_terminal(now);
	else
		write_line(now);
	if (now->taken_s - shown.before.taken_s > 2 * RATE_OVER_S)
		shown.before = shown.last;
	shown.last = *now;
}

void migrate_progress_end(void)
{
	fflush(stderr);
	memset(&shown, 0, sizeof(shown));
}
