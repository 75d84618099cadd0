// SPDX-License-Identifier: GPL-2.0-only
/* What a migration needs, how it is planned, and what QEMU's figures mean. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* After those: */
#include <cmocka.h>

#include "../../userspace/migrate.h"

#define MIB (1ull << 20)

/* Two ends that fit, and a module with two servers; tests spoil one thing each. */
struct scene {
	struct migrate_options options;
	struct migrate_end source;
	struct migrate_end destination;
	struct server_info servers[2];
	struct vm_info vm;
	struct snapshot module;
	struct reason no_module;
	struct migrate_facts facts;
	struct migrate_plan plan;
	struct migrate_problems problems;
};

static void make_end(struct migrate_end *end, const char *where, const char *state)
{
	end->where = where;
	strcpy(end->guest, "web 1");
	strcpy(end->machine, "pc");
	strcpy(end->run_state, state);
	strcpy(end->ram_id, "pc.ram");
	end->cpus = 1;
	end->ram_bytes = 1024 * MIB;
	end->has_smemv = true;
}

static void make_server(struct server_info *server, const char *name)
{
	strcpy(server->name, name);
	server->state = SMEMV_SERVER_UP;
	server->free_bytes = 4096 * MIB;
}

static int set_up(void **state)
{
	struct scene *scene = test_calloc(1, sizeof(*scene));

	make_end(&scene->source, "A", "running");
	make_end(&scene->destination, "B", "inmigrate");
	strcpy(scene->destination.ram_path, "/dev/smemv/web1");
	scene->destination.ram_is_memory_file = true;
	scene->destination.ram_shared = true;
	make_server(&scene->servers[0], "one");
	make_server(&scene->servers[1], "two");
	strcpy(scene->vm.name, "web1");
	scene->vm.budget_bytes = 256 * MIB;
	scene->module.servers = scene->servers;
	scene->module.n_servers = 2;
	scene->module.vms = &scene->vm;
	scene->module.n_vms = 1;
	scene->facts.options = &scene->options;
	scene->facts.source = &scene->source;
	scene->facts.destination = &scene->destination;
	scene->facts.module = &scene->module;
	scene->facts.no_module = &scene->no_module;
	scene->facts.destination_is_here = true;
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	migrate_plan_free(&scene->plan);
	test_free(scene);
	return 0;
}

static void plan(struct scene *scene)
{
	migrate_plan_make(&scene->facts, &scene->plan, &scene->problems);
}

static void assert_fits(const struct scene *scene)
{
	if (scene->problems.count)
		fail_msg("%s", scene->problems.list[0].text);
}

static void assert_problem(struct scene *scene, const char *text)
{
	plan(scene);
	assert_int_equal(scene->problems.count, 1);
	if (!strstr(scene->problems.list[0].text, text))
		fail_msg("%s", scene->problems.list[0].text);
}

static void splits_over_all_servers(void **state)
{
	struct scene *scene = *state;

	plan(scene);
	assert_fits(scene);
	assert_true(scene->plan.split);
	assert_true(scene->plan.needs_space);
	assert_string_equal(scene->plan.space, "web_1.out");
	assert_int_equal(scene->plan.budget_bytes, 256 * MIB);
	assert_int_equal(scene->plan.servers.count, 2);
	assert_string_equal(scene->plan.servers.names[1], "two");
}

/* Its evictor must have nothing to do while the guest arrives. */
static void leaves_the_spare_room_of_the_file(void **state)
{
	struct scene *scene = *state;

	plan(scene);
	assert_int_equal(scene->plan.main_bytes, 252 * MIB);
	migrate_plan_free(&scene->plan);
	scene->vm.budget_bytes = 32 << 10;
	plan(scene);
	assert_int_equal(scene->plan.main_bytes, 0);
}

static void splits_over_named_servers(void **state)
{
	struct scene *scene = *state;
	char names[1][SMEMV_NAME_LEN] = { "two" };

	scene->options.servers = (struct name_list){ names, 1 };
	plan(scene);
	assert_fits(scene);
	assert_int_equal(scene->plan.servers.count, 1);
	assert_string_equal(scene->plan.servers.names[0], "two");
}

static void names_servers_that_are_not_there(void **state)
{
	struct scene *scene = *state;
	char names[1][SMEMV_NAME_LEN] = { "three" };

	scene->options.servers = (struct name_list){ names, 1 };
	assert_problem(scene, "there is no server three here");
}

static void passes_over_servers_that_take_nothing(void **state)
{
	struct scene *scene = *state;

	scene->servers[0].state = SMEMV_SERVER_DRAINING;
	plan(scene);
	assert_fits(scene);
	assert_int_equal(scene->plan.servers.count, 1);
	assert_string_equal(scene->plan.servers.names[0], "two");
}

static void wants_a_server(void **state)
{
	struct scene *scene = *state;

	scene->servers[0].state = SMEMV_SERVER_DOWN;
	scene->servers[1].free_bytes = 0;
	assert_problem(scene, "no server here takes pages");
}

static void wants_room_for_what_is_used(void **state)
{
	struct scene *scene = *state;

	scene->servers[0].free_bytes = 64 * MIB;
	scene->servers[1].free_bytes = 64 * MIB;
	scene->facts.source_resident_bytes = 512 * MIB;
	assert_problem(scene, "the guest uses 512M, but the budget (256M) and the servers (128M free)");
}

static void wants_no_room_for_what_is_not(void **state)
{
	struct scene *scene = *state;

	scene->servers[0].free_bytes = 64 * MIB;
	scene->servers[1].free_bytes = 64 * MIB;
	scene->facts.source_resident_bytes = 300 * MIB;
	plan(scene);
	assert_fits(scene);
}

static void keeps_to_the_budget_of_the_file(void **state)
{
	struct scene *scene = *state;

	scene->options.has_budget = true;
	scene->options.budget_bytes = 512 * MIB;
	assert_problem(scene, "more than the destination's memory file may keep (256M)");
}

static void asks_for_a_budget_elsewhere(void **state)
{
	struct scene *scene = *state;

	scene->facts.destination_is_here = false;
	assert_problem(scene, "say budget SIZE");
}

static void needs_no_module_for_a_whole_guest(void **state)
{
	struct scene *scene = *state;

	scene->facts.module = NULL;
	scene->destination.ram_is_memory_file = false;
	scene->destination.ram_path[0] = '\0';
	scene->source.has_smemv = false;
	plan(scene);
	assert_fits(scene);
	assert_false(scene->plan.split);
	assert_false(scene->plan.needs_space);
	assert_int_equal(scene->plan.budget_bytes, 1024 * MIB);
}

static void needs_the_module_for_a_split(void **state)
{
	struct scene *scene = *state;

	scene->facts.module = NULL;
	scene->facts.destination_is_here = false;
	scene->options.has_budget = true;
	strcpy(scene->no_module.text, "the kernel module is not loaded");
	assert_problem(scene, "on this host the kernel module is not loaded");
}

static void takes_no_second_space(void **state)
{
	struct scene *scene = *state;

	strcpy(scene->source.guest, "web1");
	scene->facts.destination_is_here = false;
	scene->options.has_budget = true;
	strcpy(scene->vm.name, "web1.out");
	scene->vm.deleted = true;
	plan(scene);
	assert_fits(scene);
	migrate_plan_free(&scene->plan);
	scene->vm.deleted = false;
	assert_problem(scene, "smemv vm del web1.out");
}

static struct scene *scene_with_source_on_file(void **state)
{
	struct scene *scene = *state;

	strcpy(scene->source.ram_path, "/dev/smemv/web1");
	scene->source.ram_is_memory_file = true;
	scene->source.ram_shared = true;
	return scene;
}

static void leaves_what_a_memory_file_has_at_servers(void **state)
{
	struct scene *scene = scene_with_source_on_file(state);

	plan(scene);
	assert_fits(scene);
	assert_true(scene->plan.split);
	assert_false(scene->plan.needs_space);
	assert_int_equal(scene->plan.servers.count, 0);
}

static void chooses_no_servers_for_a_memory_file(void **state)
{
	struct scene *scene = scene_with_source_on_file(state);
	char names[1][SMEMV_NAME_LEN] = { "two" };

	scene->options.servers = (struct name_list){ names, 1 };
	assert_problem(scene, "leave out servers");
}

static void wants_a_budget_for_what_is_here_of_a_memory_file(void **state)
{
	struct scene *scene = scene_with_source_on_file(state);

	/* Of 256 MiB there, 252 can come before its evictor has work. */
	scene->vm.resident_bytes = 253 * MIB;
	assert_problem(scene, "smemv vm set web1 budget SIZE");
	assert_int_equal(scene->plan.main_bytes, 252 * MIB);
}

static void wants_all_servers_of_a_memory_file(void **state)
{
	struct scene *scene = scene_with_source_on_file(state);
	char names[2][SMEMV_NAME_LEN] = { "one", "two" };

	scene->vm.servers = (struct name_list){ names, 2 };
	scene->servers[1].state = SMEMV_SERVER_DOWN;
	assert_problem(scene, "server two of the guest's memory file web1 is down");
}

static void shortens_long_names(void **state)
{
	struct scene *scene = *state;

	strcpy(scene->source.guest, "a-name-of-more-than-thirty-one-characters");
	plan(scene);
	assert_fits(scene);
	assert_string_equal(scene->plan.space, "a-name-of-more-than-thirty-.out");
}

static void wants_ends_that_fit(void **state)
{
	struct scene *scene = *state;

	scene->destination.cpus = 2;
	assert_problem(scene, "start it with the same -smp");
}

static void wants_a_shared_mapping(void **state)
{
	struct scene *scene = *state;

	scene->destination.ram_shared = false;
	assert_problem(scene, "add share=on");
}

static struct migrate_status status_of(const char *text, double taken_s)
{
	struct migrate_status status;
	json_t *answer = json_loads(text, 0, NULL);

	assert_non_null(answer);
	migrate_status_read(answer, taken_s, &status);
	json_decref(answer);
	return status;
}

static const char split_text[] =
	"{\"status\":\"active\",\"ram\":{\"total\":1048576,\"remaining\":262144,\"transferred\":100000},"
	"\"smemv\":{\"main-pages\":10,\"main-bytes\":40960,\"heat-source\":\"scanner\",\"state\":\"active\","
	"\"targets\":[{\"server\":\"one\",\"pages\":64,\"bytes\":262144,\"zero\":2,\"resent\":1,\"backlog\":64,\"state\":\"active\"},"
	"{\"server\":\"t\\u001bwo\"}]}}";

static void reads_a_split(void **state)
{
	struct migrate_status status = status_of(split_text, 1);

	(void)state;
	assert_true(status.is_split);
	assert_int_equal(status.n_targets, 2);
	assert_string_equal(status.targets[0].server, "one");
	assert_int_equal(status.targets[0].backlog, 64);
	assert_string_equal(status.targets[1].server, "t?wo");
	assert_int_equal(migrate_left_bytes(&status), 262144 + 64 * 4096);
	assert_true(migrate_share_done(&status) == 0.5);
	assert_false(migrate_status_is_final(&status));
}

/* QEMU tells no figures of RAM with these. */
static void keeps_its_figures_at_a_bad_end(void **state)
{
	struct migrate_status status = status_of(split_text, 1);
	json_t *end = json_loads("{\"status\":\"failed\",\"error-desc\":\"no\",\"smemv\":{\"main-pages\":12,"
				 "\"targets\":[{\"server\":\"one\",\"backlog\":32}]}}", 0, NULL);

	(void)state;
	migrate_status_renew(end, 2, &status);
	json_decref(end);
	assert_true(migrate_status_is_final(&status));
	assert_string_equal(status.error, "no");
	assert_int_equal(status.main_pages, 12);
	assert_int_equal(status.n_targets, 1);
	assert_int_equal(migrate_left_bytes(&status), 262144 + 32 * 4096);
	assert_int_equal(status.stream_bytes, 100000);
}

static void renews_all_figures_meanwhile(void **state)
{
	struct migrate_status status = status_of(split_text, 1);
	json_t *later = json_loads("{\"status\":\"active\",\"ram\":{\"remaining\":4096}}", 0, NULL);

	(void)state;
	migrate_status_renew(later, 2, &status);
	json_decref(later);
	assert_int_equal(status.n_targets, 0);
	assert_int_equal(migrate_left_bytes(&status), 4096);
}

static void refuses_a_source_that_is_busy(void **state)
{
	struct scene *scene = *state;

	strcpy(scene->source.migration, "pre-switchover");
	assert_problem(scene, "under way already (pre-switchover)");
}

static void refuses_a_source_that_still_connects(void **state)
{
	struct scene *scene = *state;

	strcpy(scene->source.migration, "cancelled");
	scene->source.connects = true;
	assert_problem(scene, "still tries to connect for its last migration");
}

static void survives_nonsense(void **state)
{
	struct migrate_status status = status_of(
		"{\"status\":7,\"ram\":[1],\"smemv\":{\"targets\":{\"a\":1},\"main-pages\":-4}}", 1);

	(void)state;
	assert_string_equal(status.status, "");
	assert_int_equal(status.n_targets, 0);
	assert_int_equal(status.main_pages, 0);
	assert_true(migrate_share_done(&status) == 0);
}

static void tells_the_time_left(void **state)
{
	struct migrate_status before = status_of(split_text, 1), now = status_of(split_text, 3);

	(void)state;
	assert_true(migrate_seconds_left(&now, &before) < 0);
	now.ram_remaining_bytes -= 131072;
	now.stream_bytes += 131072;
	assert_true(migrate_seconds_left(&now, &before) == 6);
	assert_true(migrate_stream_rate(&now, &before) == 65536);
	assert_true(migrate_target_rate(&now, &before, 0) == 0);
	assert_true(migrate_target_rate(&now, &before, 7) == 0);
}

#define scene_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		scene_test(splits_over_all_servers),
		scene_test(leaves_the_spare_room_of_the_file),
		scene_test(splits_over_named_servers),
		scene_test(names_servers_that_are_not_there),
		scene_test(passes_over_servers_that_take_nothing),
		scene_test(wants_a_server),
		scene_test(wants_room_for_what_is_used),
		scene_test(wants_no_room_for_what_is_not),
		scene_test(keeps_to_the_budget_of_the_file),
		scene_test(asks_for_a_budget_elsewhere),
		scene_test(needs_no_module_for_a_whole_guest),
		scene_test(needs_the_module_for_a_split),
		scene_test(takes_no_second_space),
		scene_test(leaves_what_a_memory_file_has_at_servers),
		scene_test(chooses_no_servers_for_a_memory_file),
		scene_test(wants_a_budget_for_what_is_here_of_a_memory_file),
		scene_test(wants_all_servers_of_a_memory_file),
		scene_test(shortens_long_names),
		scene_test(wants_ends_that_fit),
		scene_test(wants_a_shared_mapping),
		scene_test(refuses_a_source_that_is_busy),
		scene_test(refuses_a_source_that_still_connects),
		cmocka_unit_test(reads_a_split),
		cmocka_unit_test(keeps_its_figures_at_a_bad_end),
		cmocka_unit_test(renews_all_figures_meanwhile),
		cmocka_unit_test(survives_nonsense),
		cmocka_unit_test(tells_the_time_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
