// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "human.h"
#include "wait.h"

#define LOOK_EVERY_S	0.05

double clock_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

long long clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static struct timespec timespec_of(double seconds)
{
	struct timespec time = { .tv_sec = (time_t)seconds };

	time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
	return time;
}

void wait_s(double seconds)
{
	const struct timespec time = timespec_of(seconds);

	nanosleep(&time, NULL);
}

void ends_block(sigset_t *ends, int also)
{
	sigemptyset(ends);
	sigaddset(ends, SIGINT);
	sigaddset(ends, SIGTERM);
	if (also)
		sigaddset(ends, also);
	sigprocmask(SIG_BLOCK, ends, NULL);
}

bool ends_wait(const sigset_t *ends, double seconds)
{
	const struct timespec time = timespec_of(seconds);

	return sigtimedwait(ends, NULL, &time) > 0;
}

void progress_text(const struct progress *progress, char *text, size_t size)
{
	uint64_t all = progress->all_bytes, left = progress->left_bytes;
	double rate = 0;
	int len;

	if (all > left && progress->seconds > 0)
		rate = (double)(all - left) / progress->seconds;
	len = snprintf(text, size, "%s%s left of %s, %s/s", progress->at_most ? "at most " : "",
		       human_size((double)left).text, human_size((double)all).text,
		       human_size(rate).text);
	if (rate > 0 && (size_t)len < size)
		snprintf(text + len, size - (size_t)len, ", %.0f s to go", (double)left / rate);
}

static void show(const struct progress *progress)
{
	char text[128];

	progress_text(progress, text, sizeof(text));
	fprintf(stderr, "\r%s\033[K", text);
}

int background_wait(struct background *background, const sigset_t *ends)
{
	struct progress *progress = &background->progress;
	bool terminal = isatty(STDERR_FILENO), shown = false, goes_on = true;
	double began_s = clock_s();
	int status = 0;

	while (goes_on && !status) {
		if (ends_wait(ends, LOOK_EVERY_S) && !background->stopped) {
			background->stopped = true;
			status = background->stop(background->arg);
		}
		if (!status)
			status = background->look(background->arg, progress, &goes_on);
		progress->seconds = clock_s() - began_s;
		if (terminal && !status) {
			show(progress);
			shown = true;
		}
	}
	if (shown)
		fputc('\n', stderr);
	return status;
}
