// SPDX-License-Identifier: GPL-2.0-only
/* What Prometheus gets of what "smemv show --json" prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* After those: */
#include <cmocka.h>

#include "../../userspace/metrics.h"

static void gives(const char *document, const char *wanted)
{
	size_t len;
	char *text;
	FILE *out = open_memstream(&text, &len);

	metrics_write(out, document);
	fclose(out);
	assert_string_equal(text, wanted);
	free(text);
}

static void a_family_is_told_as_one(void **state)
{
	(void)state;
	gives("{\"servers\": [{\"name\": \"one\", \"pages\": 7, \"free_bytes\": 4096},"
	      " {\"name\": \"two\", \"pages\": 8, \"free_bytes\": 0}],"
	      " \"vms\": [{\"name\": \"web1\", \"pages\": 18014398509481984}]}",
	      "# TYPE smemv_server_pages gauge\n"
	      "smemv_server_pages{name=\"one\"} 7\n"
	      "smemv_server_pages{name=\"two\"} 8\n"
	      "# TYPE smemv_server_free_bytes gauge\n"
	      "smemv_server_free_bytes{name=\"one\"} 4096\n"
	      "smemv_server_free_bytes{name=\"two\"} 0\n"
	      "# TYPE smemv_vm_pages gauge\n"
	      "smemv_vm_pages{name=\"web1\"} 18014398509481984\n");
}

static void members_are_told_apart(void **state)
{
	(void)state;
	gives("{\"vms\": [{\"name\": \"web1\", \"where\": {\"one\": 3, \"two\": 4},"
	      " \"counters\": {\"stores\": 5}, \"file_counters\": {\"faults\": 6}}],"
	      " \"scans\": [{\"pid\": 42, \"pages_by_age\": {\"0\": 1, \"older\": 2}}]}",
	      "# TYPE smemv_vm_where gauge\n"
	      "smemv_vm_where{name=\"web1\",server=\"one\"} 3\n"
	      "smemv_vm_where{name=\"web1\",server=\"two\"} 4\n"
	      "# TYPE smemv_vm_stores_total counter\n"
	      "smemv_vm_stores_total{name=\"web1\"} 5\n"
	      "# TYPE smemv_vm_file_faults_total counter\n"
	      "smemv_vm_file_faults_total{name=\"web1\"} 6\n"
	      "# TYPE smemv_scan_pages_by_age gauge\n"
	      "smemv_scan_pages_by_age{pid=\"42\",age=\"0\"} 1\n"
	      "smemv_scan_pages_by_age{pid=\"42\",age=\"older\"} 2\n");
}

static void states_and_latencies_have_their_own_form(void **state)
{
	(void)state;
	gives("{\"servers\": [{\"name\": \"one\", \"state\": \"up\", \"address\": \"192.0.2.1:7371\","
	      " \"load_latency\": {\"samples\": 9, \"p50_us\": 250.0, \"p99_us\": null, \"buckets_us\": {\"1\": 9}}}]}",
	      "# TYPE smemv_server_state gauge\n"
	      "smemv_server_state{name=\"one\",state=\"up\"} 1\n"
	      "# TYPE smemv_server_load_latency_seconds summary\n"
	      "smemv_server_load_latency_seconds{name=\"one\",quantile=\"0.5\"} 0.00025\n");
}

static void names_are_quoted(void **state)
{
	(void)state;
	gives("{\"vms\": [{\"name\": \"a\\\"b\\\\c\\nd\", \"pages\": 1}], \"processes\": [{\"pid\": 1, \"rss\": 2}]}",
	      "# TYPE smemv_vm_pages gauge\n"
	      "smemv_vm_pages{name=\"a\\\"b\\\\c\\nd\"} 1\n");
}

static void a_deleted_file_is_left_out(void **state)
{
	(void)state;
	gives("{\"vms\": [{\"name\": \"web1\", \"deleted\": true, \"pages\": 1}, {\"name\": \"web1\", \"pages\": 2}]}",
	      "# TYPE smemv_vm_pages gauge\n"
	      "smemv_vm_pages{name=\"web1\"} 2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_is_told_as_one),
		cmocka_unit_test(members_are_told_apart),
		cmocka_unit_test(states_and_latencies_have_their_own_form),
		cmocka_unit_test(names_are_quoted),
		cmocka_unit_test(a_deleted_file_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
