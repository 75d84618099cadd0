// SPDX-License-Identifier: GPL-2.0-only
/* Pure: whether two ends fit, what is missing, and which part of the memory goes where. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "human.h"
#include "migrate.h"
#include "vm_mount.h"

#define SPACE_SUFFIX	".out"

__attribute__((format(printf, 2, 3)))
static void problem(struct migrate_problems *problems, const char *format, ...)
{
	va_list args;

	if (problems->count == MIGRATE_PROBLEMS_MAX)
		return;
	va_start(args, format);
	vsnprintf(problems->list[problems->count].text, sizeof(problems->list[0].text), format, args);
	va_end(args);
	problems->count++;
}

static bool is(const char *text, const char *wanted)
{
	return !strcmp(text, wanted);
}

static bool is_under_way(const char *migration)
{
	static const char *const at_rest[] = { "", "none", "completed", "failed", "cancelled" };
	size_t i;

	for (i = 0; i < sizeof(at_rest) / sizeof(at_rest[0]); i++)
		if (is(migration, at_rest[i]))
			return false;
	return true;
}

static void check_source(const struct migrate_end *source, struct migrate_problems *problems)
{
	if (!is(source->run_state, "running") && !is(source->run_state, "paused"))
		problem(problems, "the guest at %s is in state %s: only one that runs or is paused can be migrated",
			source->where, source->run_state);
	if (is_under_way(source->migration))
		problem(problems, "a migration from %s is under way already (%s)", source->where,
			source->migration);
	else if (source->connects)
		problem(problems, "QEMU at %s still tries to connect for its last migration: wait until it gives up, about two minutes",
			source->where);
	if (*source->blocked)
		problem(problems, "QEMU at %s does not migrate: %s", source->where, source->blocked);
}

static void check_fit(const struct migrate_end *source, const struct migrate_end *destination,
		      struct migrate_problems *problems)
{
	if (!is(destination->run_state, "inmigrate"))
		problem(problems, "QEMU at %s is in state %s, and does not wait for a migration: start it with -incoming defer",
			destination->where, destination->run_state);
	if (source->ram_bytes != destination->ram_bytes)
		problem(problems, "the guest has %s of memory (%" PRIu64 " bytes), the destination %s (%" PRIu64 "): start it with the same -m",
			human_size((double)source->ram_bytes).text, source->ram_bytes,
			human_size((double)destination->ram_bytes).text, destination->ram_bytes);
	if (source->plugged_bytes != destination->plugged_bytes)
		problem(problems, "%s of memory are plugged into the guest, %s into the destination",
			human_size((double)source->plugged_bytes).text,
			human_size((double)destination->plugged_bytes).text);
	if (!is(source->machine, destination->machine))
		problem(problems, "the guest's machine is %s, the destination's %s: start it with the same -machine",
			source->machine, destination->machine);
	if (source->cpus != destination->cpus)
		problem(problems, "the guest has %" PRIu32 " processors, the destination %" PRIu32 ": start it with the same -smp",
			source->cpus, destination->cpus);
	if (!is(source->ram_id, destination->ram_id))
		problem(problems, "the guest's memory backend is called \"%s\", the destination's \"%s\": give it id=%s",
			source->ram_id, destination->ram_id, source->ram_id);
}

static const struct vm_info *file_of(const struct migrate_end *end, const struct snapshot *module)
{
	return module && end->ram_is_memory_file ? snapshot_vm(module, vm_name(end->ram_path)) : NULL;
}

static void keep_to_file(const struct vm_info *file, const struct migrate_plan *plan,
			 struct migrate_problems *problems)
{
	if (plan->budget_bytes > file->budget_bytes)
		problem(problems, "the budget %s is more than the destination's memory file may keep (%s): smemv vm set %s budget SIZE",
			human_size((double)plan->budget_bytes).text,
			human_size((double)file->budget_bytes).text, file->name);
}

/* What the options say, else the destination file's own budget, where it can be asked. */
static void find_budget(const struct migrate_facts *facts, struct migrate_plan *plan,
			struct migrate_problems *problems)
{
	const struct migrate_options *options = facts->options;
	const struct vm_info *file = NULL;

	if (facts->destination_is_here)
		file = file_of(facts->destination, facts->module);
	plan->budget_bytes = plan->ram_bytes;
	if (options->has_budget)
		plan->budget_bytes = options->budget_bytes;
	else if (file)
		plan->budget_bytes = file->budget_bytes;
	else if (facts->destination->ram_is_memory_file)
		problem(problems, "how much may be on the destination's main host is not known here: say budget SIZE");
	if (file)
		keep_to_file(file, plan, problems);
}

static void check_glue(const struct migrate_end *end, struct migrate_problems *problems)
{
	if (!end->has_smemv)
		problem(problems, "QEMU %d.%d.%d at %s has no capability smemv: use the one that 'make qemu' builds",
			end->version.major, end->version.minor, end->version.micro, end->where);
}

static void check_destination_memory(const struct migrate_end *end,
				     struct migrate_problems *problems)
{
	if (!end->ram_is_memory_file)
		problem(problems, "the memory at %s is %s, not a memory file: start it with -object memory-backend-file,id=%s,share=on,align=2M,size=...,mem-path=/dev/smemv/NAME, or let it have all of the guest (budget)",
			end->where, *end->ram_path ? end->ram_path : "ordinary memory",
			*end->ram_id ? end->ram_id : "pc.ram");
	else if (!end->ram_shared)
		problem(problems, "the memory at %s is a private mapping of its file: add share=on", end->where);
}

/* Of a private mapping the file has not what the guest wrote. */
static bool lives_on_file(const struct migrate_end *end)
{
	return end->ram_is_memory_file && end->ram_shared;
}

static bool takes_pages(const struct server_info *server)
{
	return server->state == SMEMV_SERVER_UP && server->free_bytes;
}

static void check_server(const struct server_info *server, struct migrate_problems *problems)
{
	if (server->state != SMEMV_SERVER_UP)
		problem(problems, "server %s is %s", server->name, server_state_text(server->state));
	else if (!server->free_bytes)
		problem(problems, "server %s has no room", server->name);
}

static void add_server(struct migrate_plan *plan, const struct server_info *server)
{
	size_t i = plan->servers.count++;

	plan->servers.names = must(realloc(plan->servers.names,
					   plan->servers.count * sizeof(*plan->servers.names)));
	plan->server_free_bytes = must(realloc(plan->server_free_bytes,
					       plan->servers.count * sizeof(*plan->server_free_bytes)));
	strcpy(plan->servers.names[i], server->name);
	plan->server_free_bytes[i] = server->free_bytes;
}

static void choose_named(const struct migrate_facts *facts, struct migrate_plan *plan,
			 struct migrate_problems *problems)
{
	const struct name_list *wanted = &facts->options->servers;
	size_t i;

	for (i = 0; i < wanted->count; i++) {
		const struct server_info *server = snapshot_server(facts->module, wanted->names[i]);

		if (!server) {
			problem(problems, "there is no server %s here: smemv server add %s ADDR",
				wanted->names[i], wanted->names[i]);
			continue;
		}
		check_server(server, problems);
		add_server(plan, server);
	}
}

static void choose_all(const struct migrate_facts *facts, struct migrate_plan *plan,
		       struct migrate_problems *problems)
{
	size_t i;

	for (i = 0; i < facts->module->n_servers; i++)
		if (takes_pages(&facts->module->servers[i]))
			add_server(plan, &facts->module->servers[i]);
	if (!plan->servers.count)
		problem(problems, "no server here takes pages: smemv server add NAME ADDR, smemv server show");
}

/* Memory that the guest never touched goes nowhere; what QEMU itself needs makes the estimate safe. */
static void check_room(const struct migrate_facts *facts, const struct migrate_plan *plan,
		       struct migrate_problems *problems)
{
	uint64_t used = plan->ram_bytes, room = 0;
	size_t i;

	if (!plan->servers.count)
		return;
	if (facts->source_resident_bytes && facts->source_resident_bytes < used)
		used = facts->source_resident_bytes;
	for (i = 0; i < plan->servers.count; i++)
		room += plan->server_free_bytes[i];
	if (facts->source_resident_bytes && used > plan->budget_bytes && used - plan->budget_bytes > room)
		problem(problems, "the guest uses %s, but the budget (%s) and the servers (%s free) have room for less",
			human_size((double)used).text, human_size((double)plan->budget_bytes).text,
			human_size((double)room).text);
}

static void name_space(const struct migrate_facts *facts, struct migrate_plan *plan,
		       struct migrate_problems *problems)
{
	const char *guest = facts->source->guest;
	const struct vm_info *left;
	size_t i;

	snprintf(plan->space, sizeof(plan->space), "%.*s" SPACE_SUFFIX,
		 (int)(sizeof(plan->space) - sizeof(SPACE_SUFFIX)), *guest ? guest : "migration");
	for (i = 0; plan->space[i]; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-",
			    plan->space[i]))
			plan->space[i] = '_';
	left = facts->module ? snapshot_vm(facts->module, plan->space) : NULL;
	if (left && !left->deleted)
		problem(problems, "a memory file %s is left from another migration: smemv vm del %s",
			plan->space, plan->space);
}

/* Each is asked for the space when the guest is stopped already, and one of them decides whose it is. */
static void check_servers_of(const struct vm_info *file, const struct snapshot *module,
			     struct migrate_problems *problems)
{
	const struct server_info *server;
	size_t i;

	for (i = 0; i < file->servers.count; i++) {
		server = snapshot_server(module, file->servers.names[i]);
		if (server && server->state == SMEMV_SERVER_DOWN)
			problem(problems, "server %s of the guest's memory file %s is down: the next host could not have the guest's pages from it",
				server->name, file->name);
	}
}

/*
 * Of the budget of a file whose evictor must have nothing to do while the guest arrives: one that had,
 * has pages at servers and cannot adopt the guest's any more.
 */
static uint64_t without_spare_room(const struct migrate_plan *plan)
{
	uint64_t spare = smemv_spare_bytes(plan->budget_bytes, plan->ram_bytes);

	return plan->budget_bytes > spare ? plan->budget_bytes - spare : 0;
}

/* Of a guest on a memory file what is here takes the stream, and what is at servers stays there. */
static void plan_file(const struct migrate_facts *facts, const struct migrate_plan *plan,
		      struct migrate_problems *problems)
{
	const struct vm_info *file = file_of(facts->source, facts->module);
	uint64_t room = without_spare_room(plan);

	if (!file) {
		problem(problems, "the guest's memory file %s is not in this network namespace: run smemv where it was made",
			facts->source->ram_path);
		return;
	}
	if (facts->options->servers.count)
		problem(problems, "the guest is on the memory file %s: what it has at servers stays there, and no more goes to any; leave out servers",
			file->name);
	if (file->resident_bytes > room)
		problem(problems, "%s of the guest are on this host, and go to the next one, whose budget has room for %s; before that: smemv vm set %s budget SIZE",
			human_size((double)file->resident_bytes).text, human_size((double)room).text, file->name);
	check_servers_of(file, facts->module, problems);
}

static void plan_ordinary(const struct migrate_facts *facts, struct migrate_plan *plan,
			  struct migrate_problems *problems)
{
	if (facts->options->servers.count)
		choose_named(facts, plan, problems);
	else
		choose_all(facts, plan, problems);
	check_room(facts, plan, problems);
	plan->needs_space = true;
	name_space(facts, plan, problems);
}

static void plan_split(const struct migrate_facts *facts, struct migrate_plan *plan,
		       struct migrate_problems *problems)
{
	check_glue(facts->source, problems);
	check_glue(facts->destination, problems);
	check_destination_memory(facts->destination, problems);
	if (!facts->module) {
		problem(problems, "on this host %s", facts->no_module->text);
		return;
	}
	if (lives_on_file(facts->source))
		plan_file(facts, plan, problems);
	else
		plan_ordinary(facts, plan, problems);
}

void migrate_plan_make(const struct migrate_facts *facts, struct migrate_plan *plan,
		       struct migrate_problems *problems)
{
	plan->ram_bytes = facts->source->ram_bytes;
	check_source(facts->source, problems);
	check_fit(facts->source, facts->destination, problems);
	find_budget(facts, plan, problems);
	/* A destination with a memory file needs its map, even when all fits. */
	plan->split = plan->budget_bytes < plan->ram_bytes ||
		      (facts->destination->ram_is_memory_file && lives_on_file(facts->source));
	if (plan->split)
		plan_split(facts, plan, problems);
	plan->main_bytes = plan->split ? without_spare_room(plan) : plan->budget_bytes;
}

void migrate_plan_free(struct migrate_plan *plan)
{
	name_list_free(&plan->servers);
	free(plan->server_free_bytes);
	plan->server_free_bytes = NULL;
}
