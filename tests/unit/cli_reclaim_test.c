// SPDX-License-Identifier: GPL-2.0-only
/* How fast smemv reclaim pages out, and when its daemon lets the guest alone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* After those: */
#include <cmocka.h>

#include "../../userspace/reclaim_control.h"
#include "../../userspace/reclaim_signs.h"

#define PAGE	4096ull
#define MIB	(1ull << 20)
#define TARGET	(1024 * MIB)

static void a_bucket_gives_its_rate_and_no_more(void **state)
{
	struct bucket bucket;
	uint64_t sum = 0;
	int i;

	(void)state;
	bucket_init(&bucket, 10 * MIB, 5);
	assert_int_equal(bucket_take(&bucket, 64 * MIB, 5), 0);
	for (i = 1; i <= 100; i++)
		sum += bucket_take(&bucket, 64 * MIB, 5 + i * 0.1);
	assert_in_range(sum, 100 * MIB - PAGE, 100 * MIB);
}

static void a_bucket_gives_whole_pages_and_what_is_wanted(void **state)
{
	struct bucket bucket;

	(void)state;
	bucket_init(&bucket, 10 * PAGE, 0);
	assert_int_equal(bucket_take(&bucket, 64 * PAGE, 0.15), PAGE);
	assert_int_equal(bucket_take(&bucket, 64 * PAGE, 0.2), PAGE);
	assert_int_equal(bucket_take(&bucket, PAGE, 0.4), PAGE);
	assert_int_equal(bucket_take(&bucket, PAGE, 0.4), PAGE);
	assert_int_equal(bucket_take(&bucket, PAGE, 0.4), 0);
}

static void a_pause_is_not_made_up_for(void **state)
{
	struct bucket bucket;

	(void)state;
	bucket_init(&bucket, 8 * MIB, 0);
	assert_int_equal(bucket_take(&bucket, 64 * MIB, 3600), (uint64_t)(8 * MIB * BUCKET_S));
}

static void what_did_not_go_may_go_again(void **state)
{
	struct bucket bucket;

	(void)state;
	bucket_init(&bucket, 8 * MIB, 0);
	assert_int_equal(bucket_take(&bucket, MIB, 0.125), MIB);
	assert_int_equal(bucket_take(&bucket, MIB, 0.125), 0);
	bucket_give_back(&bucket, MIB);
	assert_int_equal(bucket_take(&bucket, MIB, 0.125), MIB);
}

static void no_rate_is_no_limit(void **state)
{
	struct bucket bucket;

	(void)state;
	bucket_init(&bucket, 0, 0);
	assert_int_equal(bucket_take(&bucket, 64 * MIB, 0), 64 * MIB);
}

/* A guest of which all that is asked for goes; @back: what part of that comes back at once. */
struct guest {
	struct control control;
	struct control_look look;
	double back;
};

static void guest_init(struct guest *guest, uint64_t resident_bytes)
{
	control_init(&guest->control, TARGET);
	guest->look = (struct control_look) { .seconds = 1, .resident_bytes = resident_bytes };
	guest->back = 0;
}

static uint64_t guest_step(struct guest *guest)
{
	uint64_t out = control_step(&guest->control, &guest->look);
	uint64_t back = (uint64_t)((double)out * guest->back);

	guest->look.out_bytes = out;
	guest->look.refault_bytes = back;
	guest->look.resident_bytes -= out - back;
	return out;
}

static void it_shrinks_to_the_target_and_holds(void **state)
{
	struct guest guest;
	int steps = 0;

	(void)state;
	guest_init(&guest, 4 * TARGET);
	while (guest_step(&guest)) {
		assert_int_equal(guest.control.state, CONTROL_SHRINKING);
		assert_int_not_equal(++steps, 20);
	}
	assert_int_equal(guest.look.resident_bytes, TARGET);
	assert_int_equal(guest.control.state, CONTROL_HOLDING);
	guest.look.resident_bytes += 3 * PAGE;
	assert_int_equal(guest_step(&guest), 3 * PAGE);
	assert_int_equal(guest_step(&guest), 0);
}

/* Seconds until it pages out again. */
static int rest_of(struct guest *guest)
{
	int seconds = 0;

	while (!guest_step(guest))
		assert_int_not_equal(++seconds, 1000);
	return seconds;
}

static void refaults_make_it_rest_ever_longer_and_step_less(void **state)
{
	struct guest guest;
	uint64_t first, second;
	int rest, last = 0, i;

	(void)state;
	guest_init(&guest, 4 * TARGET);
	guest.back = 0.9;
	first = guest_step(&guest);
	for (i = 0; i < 5; i++) {
		guest.look.refault_bytes = guest.look.out_bytes;
		assert_int_equal(guest_step(&guest), 0);
		assert_int_equal(guest.control.state, CONTROL_REFAULTS);
		rest = rest_of(&guest);
		second = guest.look.out_bytes;
		assert_true(rest > last);
		assert_true(second < first);
		first = second;
		last = rest;
	}
}

static void rests_have_an_end(void **state)
{
	struct guest guest;
	int i;

	(void)state;
	guest_init(&guest, 4 * TARGET);
	guest.back = 1;
	for (i = 0; i < 30; i++)
		assert_true(rest_of(&guest) <= 1 + CONTROL_REST_MAX_S);
	assert_true(guest.control.share >= CONTROL_SHARE_MIN);
	guest.back = 0;
	for (i = 0; i < 600 && guest.look.resident_bytes > TARGET; i++)
		guest_step(&guest);
	assert_int_equal(guest.look.resident_bytes, TARGET);
}

static void few_refaults_are_no_reason(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, 4 * TARGET);
	guest.back = 0.1;
	guest_step(&guest);
	assert_true(guest_step(&guest) > 0);
	assert_int_equal(guest.control.state, CONTROL_SHRINKING);
}

static void pressure_makes_it_rest_as_long_as_it_lasts(void **state)
{
	struct guest guest;
	int i;

	(void)state;
	guest_init(&guest, 4 * TARGET);
	guest.look.pressure = CONTROL_PRESSURE_MAX + 0.01;
	for (i = 0; i < 100; i++) {
		assert_int_equal(guest_step(&guest), 0);
		assert_int_equal(guest.control.state, CONTROL_PRESSURE);
	}
	guest.look.pressure = 0;
	assert_true(rest_of(&guest) <= CONTROL_REST_MAX_S);
}

static void a_guest_below_its_target_is_let_alone(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, TARGET / 2);
	guest.look.refault_bytes = TARGET;
	guest.look.pressure = 1;
	assert_int_equal(control_step(&guest.control, &guest.look), 0);
	assert_int_equal(guest.control.state, CONTROL_HOLDING);
}

/* Of a process of which @out_bytes went, and of these @swapped_bytes to its swap; MiB. */
static uint64_t refaults(uint64_t out, uint64_t swapped, uint64_t before, uint64_t now, uint64_t counted)
{
	struct control_look look = { .out_bytes = out * MIB, .swapped_bytes = swapped * MIB };
	struct control_swap swap = { before * MIB, now * MIB };

	return control_refaults(&look, &swap, counted * MIB) / MIB;
}

static void what_is_not_swapped_any_more_came_back(void **state)
{
	(void)state;
	assert_int_equal(refaults(0, 0, 0, 0, 0), 0);
	assert_int_equal(refaults(4, 4, 1, 5, 0), 0);
	assert_int_equal(refaults(4, 4, 1, 2, 0), 3);
	assert_int_equal(refaults(0, 0, 5, 2, 1), 3);
	/* The kernel swapped more by itself. */
	assert_int_equal(refaults(4, 4, 1, 9, 2), 2);
}

/* It is in no process's count of swap. */
static void shared_memory_that_went_did_not_come_back(void **state)
{
	struct control_look look = { .out_bytes = 4 * MIB };
	struct control_swap swap = { MIB, MIB };

	(void)state;
	assert_int_equal(refaults(4, 0, 1, 1, 0), 0);
	assert_int_equal(refaults(4, 1, 1, 2, 0), 0);
	look.here_bytes = 3 * MIB;
	assert_int_equal(control_refaults(&look, &swap, 0), 3 * MIB);
}

static void nothing_cold_is_told(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest, 2 * TARGET);
	assert_true(control_step(&guest.control, &guest.look) > 0);
	control_found_nothing(&guest.control);
	assert_string_equal(control_state_text(guest.control.state), "nothing is cold");
	assert_true(control_step(&guest.control, &guest.look) > 0);
}

static char root[] = "/tmp/signs.XXXXXX";

static void put_file(const char *name, const char *text)
{
	char path[512], *slash;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (slash = path + strlen(root); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int make_root(void **state)
{
	(void)state;
	strcpy(strchr(root, '.'), ".XXXXXX");
	return !mkdtemp(root);
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void signs_are(const char *counters, const char *pressure)
{
	struct signs signs;

	signs_find(&signs, root, 77);
	assert_int_equal(strncmp(signs.counters, root, strlen(root)), 0);
	assert_string_equal(signs.counters + strlen(root), counters);
	assert_string_equal(signs.pressure + strlen(root), pressure);
}

#define SCOPE	"sys/fs/cgroup/machine.slice/machine-qemu.scope/"

static void signs_are_those_of_the_group_that_counts_memory(void **state)
{
	(void)state;
	put_file("proc/77/cgroup", "0::/machine.slice/machine-qemu.scope/libvirt/emulator\n");
	put_file(SCOPE "libvirt/emulator/memory.pressure", "");
	put_file(SCOPE "libvirt/memory.pressure", "");
	put_file(SCOPE "memory.pressure", "");
	put_file(SCOPE "memory.stat", "");
	put_file("sys/fs/cgroup/memory.stat", "");
	signs_are("/" SCOPE "memory.stat", "/" SCOPE "memory.pressure");
	put_file(SCOPE "libvirt/emulator/memory.stat", "");
	signs_are("/" SCOPE "libvirt/emulator/memory.stat", "/" SCOPE "libvirt/emulator/memory.pressure");
}

static void signs_are_the_hosts_where_no_group_counts(void **state)
{
	(void)state;
	put_file("proc/77/cgroup", "12:cpu:/a\n0::/a/b\n");
	put_file("sys/fs/cgroup/a/b/cgroup.procs", "");
	signs_are("/proc/vmstat", "/proc/pressure/memory");
	put_file("proc/77/cgroup", "0::/\n");
	put_file("sys/fs/cgroup/memory.stat", "");
	signs_are("/sys/fs/cgroup/memory.stat", "/proc/pressure/memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_gives_its_rate_and_no_more),
		cmocka_unit_test(a_bucket_gives_whole_pages_and_what_is_wanted),
		cmocka_unit_test(a_pause_is_not_made_up_for),
		cmocka_unit_test(what_did_not_go_may_go_again),
		cmocka_unit_test(no_rate_is_no_limit),
		cmocka_unit_test(it_shrinks_to_the_target_and_holds),
		cmocka_unit_test(refaults_make_it_rest_ever_longer_and_step_less),
		cmocka_unit_test(rests_have_an_end),
		cmocka_unit_test(few_refaults_are_no_reason),
		cmocka_unit_test(pressure_makes_it_rest_as_long_as_it_lasts),
		cmocka_unit_test(a_guest_below_its_target_is_let_alone),
		cmocka_unit_test(what_is_not_swapped_any_more_came_back),
		cmocka_unit_test(shared_memory_that_went_did_not_come_back),
		cmocka_unit_test(nothing_cold_is_told),
		cmocka_unit_test_setup_teardown(signs_are_those_of_the_group_that_counts_memory,
						make_root, remove_root),
		cmocka_unit_test_setup_teardown(signs_are_the_hosts_where_no_group_counts,
						make_root, remove_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
