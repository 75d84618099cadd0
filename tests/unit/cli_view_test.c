// SPDX-License-Identifier: GPL-2.0-only
/* From the module's messages to what the user sees. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* After those: */
#include <cmocka.h>

#include "../../userspace/view.h"
#include "cli_messages.h"

static struct snapshot one_of_each(void)
{
	struct nl_msg *server = message_server("s1"), *swap = message_swap("disk");
	struct snapshot snapshot = { .taken_s = 100 };
	struct reason why;

	snapshot.servers = test_calloc(1, sizeof(*snapshot.servers));
	assert_int_equal(decode_server(nlmsg_hdr(server), snapshot.servers), 0);
	snapshot.n_servers = 1;
	assert_int_equal(snapshot_add_swap(nlmsg_hdr(swap), &snapshot, &why), 0);
	nlmsg_free(server);
	nlmsg_free(swap);
	return snapshot;
}

static void release(struct snapshot *snapshot)
{
	test_free(snapshot->servers);
	snapshot->servers = NULL;
	snapshot_free(snapshot);
}

static char *printed(enum print_style style, const struct snapshot *now,
		     const struct snapshot *before)
{
	size_t len;
	char *text;
	FILE *out = open_memstream(&text, &len);
	struct printer *printer = printer_new(out, style);

	print_group(printer, NULL);
	view_servers(printer, "servers", now, before);
	view_swaps(printer, "swaps", now, before);
	if (now->n_vms)
		view_vms(printer, "vms", now, before);
	print_group_end(printer);
	printer_end(printer, false);
	fclose(out);
	return text;
}

static json_t *json_of(const struct snapshot *now, const struct snapshot *before)
{
	char *text = printed(PRINT_JSON, now, before);
	json_t *document = json_loads(text, 0, NULL);

	assert_non_null(document);
	free(text);
	return document;
}

static json_int_t number_at(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		fail_msg("%s is no number", key);
	return json_integer_value(value);
}

static const char *text_at(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_string(value))
		fail_msg("%s is no text", key);
	return json_string_value(value);
}

static json_t *first(json_t *document, const char *list)
{
	return json_array_get(json_object_get(document, list), 0);
}

static void a_server_has_all_fields_in_json(void **state)
{
	struct snapshot now = one_of_each();
	json_t *document = json_of(&now, NULL), *server = first(document, "servers");
	json_t *counters = json_object_get(server, "counters");

	(void)state;
	assert_string_equal(text_at(server, "name"), "s1");
	assert_string_equal(text_at(server, "address"), "10.0.0.2:7371");
	assert_string_equal(text_at(server, "state"), "full");
	assert_string_equal(text_at(server, "id"), "0123456789abcdef0011223344556677");
	assert_int_equal(number_at(server, "lanes"), 4);
	assert_int_equal(number_at(server, "lanes_up"), 3);
	assert_int_equal(number_at(server, "timeout_ms"), 4000);
	assert_int_equal(number_at(server, "limit_bytes"), 8ll << 30);
	assert_int_equal(number_at(server, "capacity_bytes"), 16ll << 30);
	assert_int_equal(number_at(server, "free_bytes"), 3ll << 30);
	assert_int_equal(number_at(server, "pages"), 1 << 18);
	assert_int_equal(number_at(server, "used_bytes"), 1 << 30);
	assert_int_equal(number_at(server, "inflight"), 7);
	assert_int_equal(json_object_size(counters), SMEMV_SC__MAX);
	assert_int_equal(number_at(counters, "store_pages"), 1000);
	assert_int_equal(number_at(counters, "send_queued"), 1000 + SMEMV_SC_SEND_QUEUED);
	json_decref(document);
	release(&now);
}

static void latencies_are_percentiles_and_buckets(void **state)
{
	struct snapshot now = one_of_each();
	json_t *document = json_of(&now, NULL);
	json_t *load = json_object_get(first(document, "servers"), "load_latency");
	json_t *buckets = json_object_get(load, "buckets_us");

	(void)state;
	assert_int_equal(number_at(load, "samples"), 100);
	assert_true(json_real_value(json_object_get(load, "p99_us")) == 80);
	assert_int_equal(json_object_size(buckets), 2);
	assert_int_equal(number_at(buckets, "64"), 99);
	assert_int_equal(number_at(buckets, "1024"), 1);
	json_decref(document);
	release(&now);
}

static void a_swap_disk_has_all_fields_in_json(void **state)
{
	struct snapshot now = one_of_each();
	json_t *document = json_of(&now, NULL), *swap = first(document, "swaps");
	json_t *servers = json_object_get(swap, "servers"), *where = json_object_get(swap, "where");

	(void)state;
	assert_string_equal(text_at(swap, "name"), "disk");
	assert_string_equal(text_at(swap, "device"), "/dev/smemv0");
	assert_string_equal(text_at(swap, "policy"), "suspend");
	assert_string_equal(text_at(swap, "uuid"), "01234567-89ab-cdef-0011-223344556677");
	assert_int_equal(number_at(swap, "size_bytes"), 4ll << 30);
	assert_int_equal(number_at(swap, "deadline_ms"), 30000);
	assert_int_equal(number_at(swap, "queues"), 2);
	assert_int_equal(number_at(swap, "openers"), 1);
	assert_int_equal(number_at(swap, "epoch"), 5);
	assert_int_equal(number_at(swap, "pages"), 384);
	assert_int_equal(number_at(swap, "lost_pages"), 6);
	assert_int_equal(number_at(swap, "waiting"), 8);
	assert_string_equal(json_string_value(json_array_get(servers, 1)), "s2");
	assert_int_equal(number_at(where, "s1"), 256);
	assert_int_equal(number_at(where, "s2"), 128);
	assert_int_equal(number_at(json_object_get(swap, "counters"), "conflicts"),
			 2000 + SMEMV_PC_CONFLICTS);
	json_decref(document);
	release(&now);
}

static void a_table_is_aligned(void **state)
{
	struct snapshot now = one_of_each();
	char *text = printed(PRINT_TABLE, &now, NULL);

	(void)state;
	assert_string_equal(text,
		"Servers\n"
		"NAME  ADDRESS        STATE  LANES  INFLIGHT  USED  FREE  CAPACITY  LIMIT  STORE p50/p99  LOAD p50/p99\n"
		"s1    10.0.0.2:7371  full     3/4         7  1.0G  3.0G     16.0G   8.0G    144us/160us     72us/80us\n"
		"\n"
		"Swap disks\n"
		"NAME  DEVICE       SIZE  POLICY   DEADLINE  IN USE  REMOTE  LOST  WAITING  WHERE\n"
		"disk  /dev/smemv0  4.0G  suspend     30.0s  yes       1.5M     6        8  s1=1.0M s2=512K\n");
	free(text);
	release(&now);
}

static void details_name_every_counter(void **state)
{
	struct snapshot now = one_of_each();
	char *text = printed(PRINT_DETAIL, &now, NULL);

	(void)state;
	assert_non_null(strstr(text, "\nlimit_bytes           8589934592      8.0G\n"));
	assert_non_null(strstr(text, "\ncounters\n  store_pages         1000            pages stored and acknowledged\n"));
	assert_non_null(strstr(text, "\nwhere\n  s1                  256             pages\n"));
	assert_non_null(strstr(text, "\nservers\n  s1 s2\n"));
	free(text);
	release(&now);
}

static void rates_are_since_the_last_look(void **state)
{
	struct snapshot before = one_of_each(), now = one_of_each();
	json_t *document, *server;

	(void)state;
	now.taken_s += 2;
	now.servers[0].counters[SMEMV_SC_TX_BYTES] += 8192;
	now.servers[0].counters[SMEMV_SC_LOAD_PAGES] += 3;
	now.servers[0].load.bucket[4 * 9] += 5;		/* [512, 640) us */
	now.swaps[0].counters[SMEMV_PC_STORE_PAGES] += 10;
	document = json_of(&now, &before);
	server = first(document, "servers");
	assert_true(json_real_value(json_object_get(server, "tx_bytes_per_s")) == 4096);
	assert_true(json_real_value(json_object_get(server, "rx_bytes_per_s")) == 0);
	assert_true(json_real_value(json_object_get(server, "load_pages_per_s")) == 1.5);
	assert_int_equal(number_at(json_object_get(server, "recent_load_latency"), "samples"), 5);
	assert_int_equal(number_at(json_object_get(server, "load_latency"), "samples"), 105);
	assert_true(json_is_null(json_object_get(json_object_get(server, "recent_store_latency"), "p50_us")));
	assert_true(json_real_value(json_object_get(first(document, "swaps"), "store_pages_per_s")) == 5);
	json_decref(document);
	release(&before);
	release(&now);
}

static void counters_that_start_anew_give_no_huge_rate(void **state)
{
	struct snapshot before = one_of_each(), now = one_of_each();
	json_t *document;

	(void)state;
	now.taken_s += 1;
	now.servers[0].counters[SMEMV_SC_TX_BYTES] = 5;
	document = json_of(&now, &before);
	assert_true(json_real_value(json_object_get(first(document, "servers"), "tx_bytes_per_s")) == 5);
	json_decref(document);
	release(&before);
	release(&now);
}

/* One that was deleted while it is in use, and those that came after it. */
static void a_deleted_file_does_not_hide_the_one_of_its_name(void **state)
{
	struct vm_info vms[] = {
		{ .name = "web1", .uuid = "a", .deleted = true, .openers = 1 },
		{ .name = "web1", .uuid = "b" },
		{ .name = "web1", .uuid = "c", .deleted = true, .openers = 1 },
		{ .name = "gone", .uuid = "d", .deleted = true, .openers = 1 },
	};
	struct snapshot now = { .vms = vms, .n_vms = 4 };

	(void)state;
	assert_ptr_equal(snapshot_vm(&now, "web1"), &vms[1]);
	assert_ptr_equal(snapshot_vm(&now, "gone"), &vms[3]);
	assert_null(snapshot_vm(&now, "none"));
}

static void a_deleted_file_is_said_to_be_deleted(void **state)
{
	struct vm_info vms[] = {
		{ .name = "web1", .uuid = "a", .deleted = true, .openers = 1 },
		{ .name = "web1", .uuid = "b" },
	};
	struct vm_info earlier[] = { vms[0], vms[1] };
	struct snapshot now = { .vms = vms, .n_vms = 2, .taken_s = 101 };
	struct snapshot before = { .vms = earlier, .n_vms = 2, .taken_s = 100 };
	json_t *document, *list;
	char *text;

	(void)state;
	vms[0].counters[SMEMV_PC_LOAD_PAGES] = 7;
	document = json_of(&now, &before);
	list = json_object_get(document, "vms");
	assert_true(json_is_true(json_object_get(json_array_get(list, 0), "deleted")));
	assert_null(json_object_get(json_array_get(list, 1), "deleted"));
	assert_true(json_real_value(json_object_get(json_array_get(list, 0), "load_pages_per_s")) == 7);
	assert_true(json_real_value(json_object_get(json_array_get(list, 1), "load_pages_per_s")) == 0);
	json_decref(document);
	now.n_vms = 1;
	text = printed(PRINT_DETAIL, &now, NULL);
	assert_non_null(strstr(text, "\ndeleted               yes\n"));
	free(text);
}

static void nothing_is_said_to_be_nothing(void **state)
{
	struct snapshot nothing = { 0 };
	char *text = printed(PRINT_TABLE, &nothing, NULL);
	json_t *document = json_of(&nothing, NULL);

	(void)state;
	assert_string_equal(text, "Servers: none\n\nSwap disks: none\n");
	assert_int_equal(json_array_size(json_object_get(document, "swaps")), 0);
	json_decref(document);
	free(text);
}

/* A newer or older module has more or fewer counters, or attributes that are not known here. */
static void other_versions_messages_are_understood(void **state)
{
	uint64_t counters[SMEMV_SC__MAX + 4];
	struct nl_msg *msg = message_new(SMEMV_CMD_SERVER_GET);
	struct server_info server;
	int i;

	(void)state;
	for (i = 0; i < SMEMV_SC__MAX + 4; i++)
		counters[i] = 10 + i;
	nla_put_string(msg, SMEMV_A_SERVER_NAME, "s1");
	nla_put(msg, SMEMV_A_SERVER_COUNTERS, sizeof(counters), counters);
	nla_put_u32(msg, SMEMV_A_SERVER_STATE, 77);
	nla_put_u32(msg, SMEMV_A_SERVER_MAX + 5, 1);
	assert_int_equal(decode_server(nlmsg_hdr(msg), &server), 0);
	assert_int_equal(server.counters[SMEMV_SC__MAX - 1], 10 + SMEMV_SC__MAX - 1);
	assert_string_equal(server_state_text(server.state), "unknown");
	nlmsg_free(msg);

	msg = message_new(SMEMV_CMD_SERVER_GET);
	nla_put_string(msg, SMEMV_A_SERVER_NAME, "s1");
	nla_put(msg, SMEMV_A_SERVER_COUNTERS, 3 * sizeof(*counters), counters);
	assert_int_equal(decode_server(nlmsg_hdr(msg), &server), 0);
	assert_int_equal(server.counters[2], 12);
	assert_int_equal(server.counters[3], 0);
	nlmsg_free(msg);
}

static void a_message_without_a_name_is_refused(void **state)
{
	struct nl_msg *msg = message_new(SMEMV_CMD_SERVER_GET);
	struct server_info server;
	struct swap_info swap;

	(void)state;
	assert_true(decode_server(nlmsg_hdr(msg), &server) < 0);
	assert_true(decode_swap(nlmsg_hdr(msg), &swap) < 0);
	nlmsg_free(msg);
}

static char *event_line(enum print_style style, struct nl_msg *msg)
{
	struct event_info event;
	size_t len;
	char *text;
	FILE *out = open_memstream(&text, &len);
	struct printer *printer = printer_new(out, style);

	assert_int_equal(decode_event(nlmsg_hdr(msg), &event), 0);
	view_event(printer, &event, "2026-01-02T03:04:05.678+0000");
	printer_end(printer, true);
	fclose(out);
	return text;
}

static void an_event_is_one_line(void **state)
{
	struct nl_msg *msg = message_new(SMEMV_CMD_EVENT);
	char *text;

	(void)state;
	nla_put_u32(msg, SMEMV_A_EVENT_TYPE, SMEMV_EV_PAGE_LOST);
	nla_put_string(msg, SMEMV_A_EVENT_SERVER, "s1");
	nla_put_string(msg, SMEMV_A_EVENT_SPACE, "disk");
	nla_put_u64(msg, SMEMV_A_EVENT_PAGE, 0);
	nla_put_string(msg, SMEMV_A_EVENT_TEXT, "gone\nfor \"good\"");
	text = event_line(PRINT_LINE, msg);
	assert_string_equal(text, "2026-01-02T03:04:05.678+0000 page-lost server s1 space disk page 0 reason gone?for \"good\"\n");
	free(text);
	text = event_line(PRINT_JSON, msg);
	assert_string_equal(text, "{\"time\":\"2026-01-02T03:04:05.678+0000\",\"event\":\"page-lost\",\"server\":\"s1\",\"space\":\"disk\",\"swap\":\"disk\",\"page\":0,\"reason\":\"gone?for \\\"good\\\"\"}\n");
	free(text);
	nlmsg_free(msg);
}

static void what_moves_is_told_also_when_nothing_moved_yet(void **state)
{
	struct nl_msg *msg = message_new(SMEMV_CMD_EVENT);
	char *text;

	(void)state;
	nla_put_u32(msg, SMEMV_A_EVENT_TYPE, SMEMV_EV_EVICTING);
	nla_put_string(msg, SMEMV_A_EVENT_SPACE, "web1");
	nla_put_u64(msg, SMEMV_A_EVENT_COUNT, 0);
	nla_put_u64(msg, SMEMV_A_EVENT_LEFT, 512);
	text = event_line(PRINT_LINE, msg);
	assert_string_equal(text, "2026-01-02T03:04:05.678+0000 evicting space web1 count 0 left 512\n");
	free(text);
	nlmsg_free(msg);
}

static void every_event_has_a_name(void **state)
{
	uint32_t type;

	(void)state;
	for (type = SMEMV_EV_SERVER_ADDED; type < __SMEMV_EV_END; type++)
		assert_string_not_equal(event_text(type), "unknown");
	assert_string_equal(event_text(0), "unknown");
	assert_string_equal(event_text(__SMEMV_EV_END), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_has_all_fields_in_json),
		cmocka_unit_test(latencies_are_percentiles_and_buckets),
		cmocka_unit_test(a_swap_disk_has_all_fields_in_json),
		cmocka_unit_test(a_table_is_aligned),
		cmocka_unit_test(details_name_every_counter),
		cmocka_unit_test(rates_are_since_the_last_look),
		cmocka_unit_test(counters_that_start_anew_give_no_huge_rate),
		cmocka_unit_test(a_deleted_file_does_not_hide_the_one_of_its_name),
		cmocka_unit_test(a_deleted_file_is_said_to_be_deleted),
		cmocka_unit_test(nothing_is_said_to_be_nothing),
		cmocka_unit_test(other_versions_messages_are_understood),
		cmocka_unit_test(a_message_without_a_name_is_refused),
		cmocka_unit_test(an_event_is_one_line),
		cmocka_unit_test(what_moves_is_told_also_when_nothing_moved_yet),
		cmocka_unit_test(every_event_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
