// SPDX-License-Identifier: GPL-2.0-only
/* The plan before a migration, and the report after it, in words and as JSON. */
#include <stdlib.h>

#include "human.h"
#include "migrate.h"

const char *migrate_result_text(enum migrate_result result)
{
	static const char *const texts[] = {
		[MIGRATE_DONE] = "migrated",
		[MIGRATE_CHECKED] = "checked",
		[MIGRATE_REFUSED] = "refused",
		[MIGRATE_FAILED] = "failed",
		[MIGRATE_CANCELLED] = "cancelled",
		[MIGRATE_TIMED_OUT] = "timed-out",
	};

	return texts[result];
}

const char *migrate_place_text(enum migrate_place place)
{
	static const char *const texts[] = {
		[PLACE_SOURCE] = "source",
		[PLACE_DESTINATION] = "destination",
		[PLACE_SOURCE_STOPPED] = "source-stopped",
		[PLACE_DESTINATION_STOPPED] = "destination-stopped",
		[PLACE_UNKNOWN] = "unknown",
	};

	return texts[place];
}

static void print_end(struct printer *printer, const char *key, const struct migrate_end *end)
{
	char version[40];

	snprintf(version, sizeof(version), "%d.%d.%d", end->version.major, end->version.minor,
		 end->version.micro);
	print_group(printer, key);
	print_text(printer, "qmp", NULL, end->where);
	print_text(printer, "qemu", NULL, version);
	print_text(printer, "memory", NULL, *end->ram_path ? end->ram_path : "anonymous");
	print_group_end(printer);
}

static void print_plan_server(struct printer *printer, const struct migrate_plan *plan, size_t i)
{
	uint64_t rest = plan->ram_bytes > plan->budget_bytes ? plan->ram_bytes - plan->budget_bytes : 0;

	print_item(printer);
	print_text(printer, "server", "TO", plan->servers.names[i]);
	print_text(printer, "what", "WHAT", "a share of the rest");
	print_bytes(printer, "at_most_about_bytes", "AT MOST ABOUT", rest / plan->servers.count);
	print_bytes(printer, "free_bytes", "FREE", plan->server_free_bytes[i]);
	print_item_end(printer);
}

static const char *what_goes_to_main(const struct migrate_plan *plan)
{
	if (!plan->split)
		return "everything";
	return plan->servers.count ? "CPUs, devices, hottest memory" :
				     "CPUs, devices, memory that is at no server";
}

static void print_plan_main(struct printer *printer, const struct migrate_plan *plan)
{
	uint64_t most = plan->budget_bytes < plan->ram_bytes ? plan->budget_bytes : plan->ram_bytes;

	print_item(printer);
	print_text(printer, "server", "TO", "(main host)");
	print_text(printer, "what", "WHAT", what_goes_to_main(plan));
	print_bytes(printer, "at_most_about_bytes", "AT MOST ABOUT", most);
	print_text(printer, NULL, "FREE", "");
	print_item_end(printer);
}

static void print_plan_json(struct printer *printer, const struct migration *m)
{
	size_t i;

	print_group(printer, "plan");
	print_text(printer, "mode", NULL, m->plan.split ? "split" : "whole");
	print_bytes(printer, "ram_bytes", NULL, m->plan.ram_bytes);
	print_bytes(printer, "budget_bytes", NULL, m->plan.budget_bytes);
	print_list(printer, "servers", NULL);
	for (i = 0; i < m->plan.servers.count; i++)
		print_plan_server(printer, &m->plan, i);
	print_list_end(printer);
	print_group_end(printer);
}

void migrate_show_plan(const struct migration *m, FILE *out)
{
	struct printer *printer = printer_new(out, PRINT_TABLE);
	size_t i;

	fprintf(out, "Guest %s, %s of memory, %s\n", *m->source.guest ? m->source.guest : "(no name)",
		human_size((double)m->plan.ram_bytes).text, m->source.run_state);
	fprintf(out, "  from %s (%s)\n  to   %s (%s)\n\n", m->source.where,
		*m->source.ram_path ? m->source.ram_path : "ordinary memory", m->destination.where,
		*m->destination.ram_path ? m->destination.ram_path : "ordinary memory");
	print_list(printer, NULL, "Plan");
	print_plan_main(printer, &m->plan);
	for (i = 0; i < m->plan.servers.count; i++)
		print_plan_server(printer, &m->plan, i);
	print_list_end(printer);
	printer_end(printer, false);
	fputc('\n', out);
}

static void print_target(struct printer *printer, const struct migrate_target *target)
{
	print_item(printer);
	print_text(printer, "server", "TO", target->server);
	print_number(printer, "pages", "PAGES", target->pages);
	print_number(printer, "zero_pages", "ZERO", target->zero);
	print_number(printer, "resent_pages", "RE-SENT", target->resent);
	print_bytes(printer, "bytes", "SENT", target->bytes);
	print_number(printer, "backlog_pages", NULL, target->backlog);
	print_text(printer, "state", NULL, target->state);
	print_item_end(printer);
}

static void print_targets(struct printer *printer, const struct migrate_status *status)
{
	int i;

	print_list(printer, "targets", "Servers");
	for (i = 0; i < status->n_targets; i++)
		print_target(printer, &status->targets[i]);
	print_list_end(printer);
}

static void print_figures(struct printer *printer, const struct migration *m)
{
	const struct migrate_status *status = &m->status;

	print_number(printer, "total_ms", NULL, status->total_ms);
	print_number(printer, "setup_ms", NULL, status->setup_ms);
	print_number(printer, "warmup_ms", NULL, status->warmup_ms);
	print_number(printer, "downtime_ms", NULL, status->downtime_ms);
	print_number(printer, "passes", NULL, status->passes);
	print_number(printer, "throttle_percent", NULL, status->throttle_percent);
	print_group(printer, "main");
	print_bytes(printer, "bytes", NULL, status->stream_bytes);
	print_number(printer, "pages", NULL, status->is_split ? status->main_pages : status->stream_pages);
	print_number(printer, "zero_pages", NULL, status->stream_zero);
	print_group_end(printer);
	print_text(printer, "heat_source", NULL, status->heat_source);
	print_targets(printer, status);
}

static void print_problems(struct printer *printer, const struct migrate_problems *problems)
{
	int i;

	print_list(printer, "problems", NULL);
	for (i = 0; i < problems->count; i++)
		print_value_text(printer, problems->list[i].text);
	print_list_end(printer);
}

static void report_json(const struct migration *m)
{
	struct printer *printer = printer_new(stdout, PRINT_JSON);

	print_item(printer);
	print_text(printer, "result", NULL, migrate_result_text(m->result));
	print_text(printer, "guest_is_at", NULL, migrate_place_text(m->place));
	print_text(printer, "reason", NULL, m->why.text);
	print_text(printer, "warning", NULL, m->warning.text);
	print_text(printer, "guest", NULL, m->source.guest);
	print_end(printer, "source", &m->source);
	print_end(printer, "destination", &m->destination);
	print_problems(printer, &m->problems);
	if (!m->problems.count)
		print_plan_json(printer, m);
	if (m->started_ms) {
		print_time_us(printer, "seconds_us", NULL, m->seconds * 1e6);
		print_figures(printer, m);
	}
	print_item_end(printer);
	printer_end(printer, false);
}

static void report_text(const struct migration *m)
{
	const struct migrate_status *status = &m->status;
	struct printer *printer;

	printf("%s runs at %s: %.1f s, of which it stood still for %llu ms",
	       *m->source.guest ? m->source.guest : "The guest", m->destination.where,
	       (double)(status->total_ms - status->warmup_ms) / 1e3, (unsigned long long)status->downtime_ms);
	if (status->warmup_ms)
		printf(", after it was watched for %.1f s", (double)status->warmup_ms / 1e3);
	putchar('\n');
	printf("%s went to the main host in %llu passes", human_size((double)status->stream_bytes).text,
	       (unsigned long long)status->passes);
	if (!status->is_split) {
		putchar('\n');
		return;
	}
	printf(": %llu pages, the hot ones chosen by %s\n\n", (unsigned long long)status->main_pages,
	       *status->heat_source ? status->heat_source : "QEMU");
	printer = printer_new(stdout, PRINT_TABLE);
	print_targets(printer, status);
	printer_end(printer, false);
}

void migrate_report(const struct migration *m)
{
	if (m->call->json)
		report_json(m);
	else if (m->result == MIGRATE_DONE)
		report_text(m);
}
