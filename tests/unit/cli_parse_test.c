// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After those: */
#include <cmocka.h>

#include "../../userspace/address.h"
#include "../../userspace/parse.h"

static uint64_t size_of(const char *text)
{
	struct reason why;
	uint64_t bytes;

	assert_int_equal(parse_size(text, &bytes, &why), 0);
	return bytes;
}

static void sizes_have_units_of_1024(void **state)
{
	(void)state;
	assert_int_equal(size_of("0"), 0);
	assert_int_equal(size_of("4096"), 4096);
	assert_int_equal(size_of("1K"), 1024);
	assert_int_equal(size_of("3k"), 3072);
	assert_int_equal(size_of("2M"), 2 << 20);
	assert_int_equal(size_of("5G"), 5ull << 30);
	assert_int_equal(size_of("4T"), 4ull << 40);
	assert_true(size_of("18446744073709551615") == UINT64_MAX);
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "G", "-1", "+1", " 1", "1 ", "1.5G", "1GB", "0x10", "1E", "1KK", "abc",
	};
	static const char *const large[] = {
		"18446744073709551616", "16777216T", "99999999999999999999999",
	};
	struct reason why;
	uint64_t bytes;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse_size(bad[i], &bytes, &why), -EINVAL);
		assert_non_null(strstr(why.text, "is not a size"));
	}
	for (i = 0; i < sizeof(large) / sizeof(*large); i++) {
		assert_int_equal(parse_size(large[i], &bytes, &why), -ERANGE);
		assert_non_null(strstr(why.text, "too large"));
	}
}

static void numbers_fit_32_bits(void **state)
{
	struct reason why;
	uint32_t number;

	(void)state;
	assert_int_equal(parse_number("4294967295", &number, &why), 0);
	assert_int_equal(number, UINT32_MAX);
	assert_int_equal(parse_number("4294967296", &number, &why), -ERANGE);
	assert_int_equal(parse_number("-1", &number, &why), -EINVAL);
	assert_int_equal(parse_number("1x", &number, &why), -EINVAL);
	assert_int_equal(parse_number("", &number, &why), -EINVAL);
}

static void names_have_31_characters_of_a_set(void **state)
{
	const char *longest = "abcdefghijklmnopqrstuvwxyz.-_09";
	struct reason why;
	char name[SMEMV_NAME_LEN];
	char too_long[33];

	(void)state;
	assert_int_equal(parse_name(longest, name, &why), 0);
	assert_string_equal(name, longest);
	memset(too_long, 'a', 32);
	too_long[32] = '\0';
	assert_int_equal(parse_name(too_long, name, &why), -EINVAL);
	assert_int_equal(parse_name("", name, &why), -EINVAL);
	assert_int_equal(parse_name("a/b", name, &why), -EINVAL);
	assert_int_equal(parse_name("a b", name, &why), -EINVAL);
	assert_int_equal(parse_name("\xc3\xa4", name, &why), -EINVAL);
}

static void name_lists_are_split_at_commas(void **state)
{
	struct name_list list;
	struct reason why;

	(void)state;
	assert_int_equal(parse_names("s1,s2,s3", &list, &why), 0);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.names[0], "s1");
	assert_string_equal(list.names[2], "s3");
	name_list_free(&list);
	assert_int_equal(parse_names("s1,", &list, &why), -EINVAL);
	assert_int_equal(parse_names("", &list, &why), -EINVAL);
	assert_int_equal(parse_names("s1,s1", &list, &why), -EINVAL);
	assert_non_null(strstr(why.text, "twice"));
}

static void seconds_are_within_reason(void **state)
{
	struct reason why;
	double seconds;

	(void)state;
	assert_int_equal(parse_seconds("0.5", &seconds, &why), 0);
	assert_true(seconds == 0.5);
	assert_int_equal(parse_seconds("0", &seconds, &why), -EINVAL);
	assert_int_equal(parse_seconds("nan", &seconds, &why), -EINVAL);
	assert_int_equal(parse_seconds("1e99", &seconds, &why), -EINVAL);
	assert_int_equal(parse_seconds("2s", &seconds, &why), -EINVAL);
}

static void policies_are_words(void **state)
{
	struct reason why;
	uint32_t policy;

	(void)state;
	assert_int_equal(parse_policy("suspend", &policy, &why), 0);
	assert_int_equal(policy, SMEMV_POLICY_SUSPEND);
	assert_int_equal(parse_policy("error", &policy, &why), 0);
	assert_int_equal(policy, SMEMV_POLICY_ERROR);
	assert_int_equal(parse_policy("retry", &policy, &why), -EINVAL);
	assert_string_equal(policy_text(99), "unknown");
}

static void check_split(const char *text, const char *want_host, uint16_t want_port)
{
	char host[ADDRESS_HOST_LEN];
	struct reason why;
	uint16_t port;

	assert_int_equal(address_split(text, host, &port, &why), 0);
	assert_string_equal(host, want_host);
	assert_int_equal(port, want_port);
}

static void addresses_may_have_a_port(void **state)
{
	(void)state;
	check_split("10.0.0.1", "10.0.0.1", 7371);
	check_split("10.0.0.1:80", "10.0.0.1", 80);
	check_split("host.example:65535", "host.example", 65535);
	check_split("2001:db8::1", "2001:db8::1", 7371);
	check_split("::", "::", 7371);
	check_split("[2001:db8::1]", "2001:db8::1", 7371);
	check_split("[fe80::1%eth0]:99", "fe80::1%eth0", 99);
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {
		"", ":80", "a:", "a:0", "a:65536", "a:x", "[::1", "[]:80", "[::1]80", "[::1]:",
	};
	char host[ADDRESS_HOST_LEN];
	struct reason why;
	uint16_t port;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(address_split(bad[i], host, &port, &why), -EINVAL);
}

static void addresses_come_back_as_text(void **state)
{
	char text[ADDRESS_TEXT_LEN];
	struct address address;
	struct reason why;

	(void)state;
	assert_int_equal(address_resolve("192.0.2.7", 7371, &address, &why), 0);
	address_text(&address, text);
	assert_string_equal(text, "192.0.2.7:7371");
	assert_int_equal(address_resolve("2001:db8::1", 80, &address, &why), 0);
	address_text(&address, text);
	assert_string_equal(text, "[2001:db8::1]:80");
	memset(&address, 0, sizeof(address));
	address_text(&address, text);
	assert_string_equal(text, "unknown");
}

struct limits {
	uint64_t limit;
	uint32_t lanes;
	struct keyword keywords[3];
};

static int parse_limits(struct limits *limits, const char *words)
{
	char copy[64], *args[8], *rest = copy;
	struct call call = { .object = "server", .args = args };

	*limits = (struct limits) {
		.keywords = {
			{ "limit", "SIZE", parse_size, &limits->limit, false },
			{ "lanes", "N", parse_number, &limits->lanes, false },
		},
	};
	snprintf(copy, sizeof(copy), "%s", words);
	while ((args[call.n_args] = strsep(&rest, " ")))
		call.n_args++;
	return parse_keywords(&call, limits->keywords);
}

static void keywords_come_in_any_order(void **state)
{
	struct limits limits;

	(void)state;
	assert_int_equal(parse_limits(&limits, "lanes 4 limit 1G"), 0);
	assert_int_equal(limits.limit, 1 << 30);
	assert_int_equal(limits.lanes, 4);
	assert_int_equal(parse_limits(&limits, "lanes 4"), 0);
	assert_true(limits.keywords[1].seen);
	assert_false(limits.keywords[0].seen);
}

static void wrong_keywords_are_wrong_usage(void **state)
{
	struct limits limits;

	(void)state;
	assert_int_equal(parse_limits(&limits, "size 4"), EXIT_USAGE);
	assert_int_equal(parse_limits(&limits, "lanes 4 lanes 4"), EXIT_USAGE);
	assert_int_equal(parse_limits(&limits, "limit"), EXIT_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_have_units_of_1024),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(numbers_fit_32_bits),
		cmocka_unit_test(names_have_31_characters_of_a_set),
		cmocka_unit_test(name_lists_are_split_at_commas),
		cmocka_unit_test(seconds_are_within_reason),
		cmocka_unit_test(policies_are_words),
		cmocka_unit_test(addresses_may_have_a_port),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(addresses_come_back_as_text),
		cmocka_unit_test(keywords_come_in_any_order),
		cmocka_unit_test(wrong_keywords_are_wrong_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
