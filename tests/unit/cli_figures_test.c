// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* After those: */
#include <cmocka.h>

#include "../../userspace/human.h"
#include "../../userspace/latency.h"

static struct latency latency;

static int empty_latency(void **state)
{
	(void)state;
	memset(&latency, 0, sizeof(latency));
	return 0;
}

static void check_us(double p, double want)
{
	double got = latency_percentile_us(&latency, p);

	if (got < want - 0.001 || got > want + 0.001)
		fail_msg("percentile %g is %g us, not %g", p, got, want);
}

static void no_samples_give_no_figure(void **state)
{
	(void)state;
	assert_true(latency_percentile_us(&latency, 0.5) < 0);
	assert_int_equal(latency_samples(&latency), 0);
}

static void a_bucket_is_taken_as_evenly_filled(void **state)
{
	(void)state;
	latency.bucket[4 * 6 + 1] = 100;	/* [80, 96) us */
	assert_int_equal(latency_samples(&latency), 100);
	check_us(0.5, 88);
	check_us(0.25, 84);
	check_us(1, 96);
}

static void the_rank_finds_its_bucket(void **state)
{
	(void)state;
	latency.bucket[4 * 6] = 98;		/* [64, 80) us */
	latency.bucket[4 * 10] = 2;		/* [1024, 1280) us */
	check_us(0.98, 80);
	check_us(0.99, 1152);
	check_us(1, 1280);
}

static void one_sample_is_every_percentile(void **state)
{
	(void)state;
	latency.bucket[4 * 3 + 2] = 1;		/* [12, 14) us */
	check_us(0.5, 14);
	check_us(0.01, 14);
	check_us(0.999, 14);
}

static void the_first_bucket_starts_at_zero(void **state)
{
	(void)state;
	latency.bucket[0] = 4;			/* [0, 1.25) us */
	check_us(0.5, 0.625);
}

static void the_last_bucket_is_within_range(void **state)
{
	(void)state;
	latency.bucket[SMEMV_LATENCY_BUCKETS - 1] = 1;
	check_us(0.5, (double)(8ull << 23) / 4);
}

static void buckets_meet_without_gaps(void **state)
{
	double high = 0;
	int i;

	(void)state;
	for (i = 0; i < SMEMV_LATENCY_BUCKETS; i++) {
		memset(&latency, 0, sizeof(latency));
		latency.bucket[i] = 1ull << 40;
		check_us(0, high);
		high = latency_percentile_us(&latency, 1);
	}
}

static void only_what_is_new_counts(void **state)
{
	struct latency before, since;

	(void)state;
	latency.bucket[3] = 10;
	before = latency;
	latency.bucket[3] = 12;
	latency.bucket[9] = 5;
	since = latency_since(&latency, &before);
	assert_int_equal(since.bucket[3], 2);
	assert_int_equal(since.bucket[9], 5);
	assert_int_equal(latency_samples(&since), 7);

	before.bucket[9] = 6;
	since = latency_since(&latency, &before);
	assert_int_equal(latency_samples(&since), 17);
}

static void check_text(struct human human, const char *want)
{
	assert_string_equal(human.text, want);
}

static void sizes_are_short(void **state)
{
	(void)state;
	check_text(human_size(0), "0");
	check_text(human_size(1023), "1023");
	check_text(human_size(1024), "1.0K");
	check_text(human_size(1536 * 1024), "1.5M");
	check_text(human_size(99.96 * 1024), "100K");
	check_text(human_size(1023.7 * 1024 * 1024), "1.0G");
	check_text(human_size(4096.0 * 1024 * 1024 * 1024), "4.0T");
	check_text(human_size(18446744073709551615.0), "16.0E");
}

static void times_and_counts_are_short(void **state)
{
	(void)state;
	check_text(human_time_us(85.4), "85us");
	check_text(human_time_us(999.7), "1.0ms");
	check_text(human_time_us(3.4e6), "3.4s");
	check_text(human_count(17), "17");
	check_text(human_count(12345), "12.3k");
	check_text(human_percentiles(85, 1200), "85us/1.2ms");
}

static void identifiers_are_hexadecimal(void **state)
{
	const uint8_t uuid[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
				   0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10 };
	char text[37];

	(void)state;
	uuid_text(uuid, text);
	assert_string_equal(text, "01234567-89ab-cdef-fedc-ba9876543210");
	hex_text(uuid, 4, text);
	assert_string_equal(text, "01234567");
}

static void foreign_text_cannot_steer_the_terminal(void **state)
{
	char text[] = "a\033[2J\n\233b\377";

	(void)state;
	make_printable(text);
	assert_string_equal(text, "a?[2J??b?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_samples_give_no_figure, empty_latency),
		cmocka_unit_test_setup(a_bucket_is_taken_as_evenly_filled, empty_latency),
		cmocka_unit_test_setup(the_rank_finds_its_bucket, empty_latency),
		cmocka_unit_test_setup(one_sample_is_every_percentile, empty_latency),
		cmocka_unit_test_setup(the_first_bucket_starts_at_zero, empty_latency),
		cmocka_unit_test_setup(the_last_bucket_is_within_range, empty_latency),
		cmocka_unit_test_setup(buckets_meet_without_gaps, empty_latency),
		cmocka_unit_test_setup(only_what_is_new_counts, empty_latency),
		cmocka_unit_test(sizes_are_short),
		cmocka_unit_test(times_and_counts_are_short),
		cmocka_unit_test(identifiers_are_hexadecimal),
		cmocka_unit_test(foreign_text_cannot_steer_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
