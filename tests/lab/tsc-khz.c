// SPDX-License-Identifier: GPL-2.0-only
/*
 * Print how many kHz this machine's time stamp counter has. The lab's processors show the same counter, and a
 * kernel that measures it while the machine is busy can be wrong by a factor: all its timers are then.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define SAMPLES 64
#define APART_NS 100000000

struct moment {
	uint64_t ticks;
	uint64_t ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Of several readings the one that was interrupted least. */
static struct moment read_both(void)
{
	struct moment best = { 0, 0 };
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < SAMPLES; i++) {
		uint64_t before = __rdtsc();
		uint64_t ns = now_ns();
		uint64_t after = __rdtsc();

		if (after - before < least) {
			least = after - before;
			best.ticks = before + least / 2;
			best.ns = ns;
		}
	}
	return best;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = APART_NS };
	struct moment first, last;

	first = read_both();
	nanosleep(&pause, NULL);
	last = read_both();
	printf("%.0f\n", (double)(last.ticks - first.ticks) * 1000000 / (double)(last.ns - first.ns));
	return 0;
}
