// SPDX-License-Identifier: GPL-2.0-only
/* migrate: checks both ends, shows the plan, carries it out, reports. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "human.h"
#include "migrate.h"
#include "wait.h"

#define TIMEOUT_DEFAULT_S	86400.0
#define PATIENCE_DEFAULT_S	30.0

enum {
	FROM, TO, URI, VIA, BUDGET, SERVERS, HEAT, BANDWIDTH, WARMUP, DOWNTIME, TIMEOUT, PATIENCE,
	AUTO_CONVERGE, KEEP_SOURCE, CHECK, N_KEYWORDS
};

static int parse_text(const char *text, void *value, struct reason *why)
{
	if (!*text) {
		reason_set(why, "it is empty");
		return -EINVAL;
	}
	*(const char **)value = text;
	return 0;
}

/* PATH of a socket, or HOST:PORT */
static int parse_qmp(const char *text, void *value, struct reason *why)
{
	if (!strchr(text, '/') && !strchr(text, ':')) {
		reason_set(why, "\"%s\" is not a QMP socket (a path with a \"/\", or HOST:PORT)", text);
		return -EINVAL;
	}
	return parse_text(text, value, why);
}

static int parse_heat(const char *text, void *value, struct reason *why)
{
	static const char *const sources[] = { "auto", "scanner", "dirty", "address" };
	size_t i;

	for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (!strcmp(text, sources[i]))
			return parse_text(text, value, why);
	reason_set(why, "\"%s\" is not a source of heat (auto, scanner, dirty or address)", text);
	return -EINVAL;
}

static int parse_via(const char *text, void *value, struct reason *why)
{
	char **uri = value;

	if (!strchr(text, ':')) {
		reason_set(why, "\"%s\" has no port (ADDR:PORT)", text);
		return -EINVAL;
	}
	*uri = must(malloc(strlen(text) + sizeof("tcp:")));
	strcat(strcpy(*uri, "tcp:"), text);
	return 0;
}

static int check_keywords(struct call *call, const struct keyword *keywords)
{
	if (!keywords[FROM].seen)
		return call_usage(call, "from QMP is missing");
	if (!keywords[TO].seen)
		return call_usage(call, "to QMP is missing");
	if (keywords[URI].seen && keywords[VIA].seen)
		return call_usage(call, "either uri or via, not both");
	if (!keywords[URI].seen && !keywords[VIA].seen && !keywords[CHECK].seen)
		return call_usage(call, "via ADDR:PORT (or uri URI) is missing: where the destination is to listen");
	return 0;
}

/* @via is the caller's to free. */
static int parse_migrate(struct call *call, struct migrate_options *options, char **via)
{
	struct keyword keywords[N_KEYWORDS + 1] = {
		[FROM] = { "from", "QMP", parse_qmp, &options->from, false },
		[TO] = { "to", "QMP", parse_qmp, &options->to, false },
		[URI] = { "uri", "URI", parse_text, &options->uri, false },
		[VIA] = { "via", "ADDR:PORT", parse_via, via, false },
		[BUDGET] = { "budget", "SIZE", parse_size, &options->budget_bytes, false },
		[SERVERS] = { "servers", "NAME[,NAME]", parse_names, &options->servers, false },
		[HEAT] = { "heat", "auto|scanner|dirty|address", parse_heat, &options->heat, false },
		[BANDWIDTH] = { "bandwidth", "SIZE", parse_size, &options->bandwidth_bytes, false },
		[WARMUP] = { "warmup", "SECONDS", parse_seconds, &options->warmup_s, false },
		[DOWNTIME] = { "downtime", "MS", parse_number, &options->downtime_ms, false },
		[TIMEOUT] = { "timeout", "SECONDS", parse_seconds, &options->timeout_s, false },
		[PATIENCE] = { "patience", "SECONDS", parse_seconds, &options->patience_s, false },
		[AUTO_CONVERGE] = { "auto-converge", NULL, NULL, NULL, false },
		[KEEP_SOURCE] = { "keep-source", NULL, NULL, NULL, false },
		[CHECK] = { "check", NULL, NULL, NULL, false },
	};
	int status = parse_keywords(call, keywords);

	if (!status)
		status = check_keywords(call, keywords);
	options->has_budget = keywords[BUDGET].seen;
	options->auto_converge = keywords[AUTO_CONVERGE].seen;
	options->keep_source = keywords[KEEP_SOURCE].seen;
	options->check_only = keywords[CHECK].seen;
	if (*via)
		options->uri = *via;
	return status;
}

static int open_end(const struct migrate_options *options, const char *where,
		    struct migrate_end *end, struct reason *why)
{
	int err;

	end->where = where;
	err = qmp_open(&end->qmp, where, (int)(options->patience_s * 1e3), why);
	return err ? err : migrate_end_ask(end, why);
}

static void ask_module(struct snapshot *snapshot, bool *there, struct reason *why)
{
	struct link *link;

	*there = false;
	if (link_open(&link, why))
		return;
	*there = !snapshot_all(link, snapshot, why);
	link_close(link);
}

static void make_plan(struct migration *m)
{
	struct snapshot snapshot = { 0 };
	struct reason no_module;
	struct migrate_facts facts = {
		.options = &m->options,
		.source = &m->source,
		.destination = &m->destination,
		.no_module = &no_module,
	};
	bool there;

	ask_module(&snapshot, &there, &no_module);
	facts.module = there ? &snapshot : NULL;
	facts.destination_is_here = migrate_end_is_here(&m->destination);
	facts.source_resident_bytes = migrate_end_resident(&m->source);
	migrate_plan_make(&facts, &m->plan, &m->problems);
	snapshot_free(&snapshot);
}

static int refuse(const struct migration *m)
{
	int i;

	migrate_report(m);
	for (i = 0; i < m->problems.count; i++)
		call_fail(m->call, "%s", m->problems.list[i].text);
	return call_fail(m->call, "nothing was begun; the guest is at %s as before", m->source.where);
}

static void tell_place(const struct migration *m, struct reason *text)
{
	switch (m->place) {
	case PLACE_SOURCE:
		reason_set(text, "the guest goes on at %s", m->source.where);
		break;
	case PLACE_DESTINATION:
		reason_set(text, "the guest runs at %s", m->destination.where);
		break;
	case PLACE_SOURCE_STOPPED:
		reason_set(text, "the guest is STOPPED, and complete at %s: unless it runs at %s, 'cont' there lets it go on",
			   m->source.where, m->destination.where);
		break;
	case PLACE_DESTINATION_STOPPED:
		reason_set(text, "the guest is STOPPED, and complete at %s: 'cont' there lets it go on, once nothing keeps it any more",
			   m->destination.where);
		break;
	case PLACE_UNKNOWN:
		reason_set(text, "where the guest is cannot be told from here: look at both ends before one is continued");
		break;
	}
}

/* Who has no report is not to take a guest that has moved for one that has not: main() says what is wrong. */
static bool report_is_written(void)
{
	return !fflush(stdout) && !ferror(stdout);
}

static int exit_status(const struct migration *m)
{
	if (m->place != PLACE_SOURCE && m->place != PLACE_DESTINATION)
		return EXIT_LOOK;
	if (m->result == MIGRATE_DONE)
		return *m->warning.text || !report_is_written() ? EXIT_LOOK : EXIT_SUCCESS;
	if (m->place == PLACE_DESTINATION)
		return EXIT_LOOK;
	return m->result == MIGRATE_FAILED ? EXIT_FAILURE : EXIT_CANCELLED;
}

static int conclude(const struct migration *m)
{
	struct reason place;

	migrate_report(m);
	tell_place(m, &place);
	if (m->result != MIGRATE_DONE)
		call_fail(m->call, "%s; %s", m->why.text, place.text);
	if (*m->warning.text)
		call_fail(m->call, "%s", m->warning.text);
	return exit_status(m);
}

static int run(struct migration *m)
{
	m->result = MIGRATE_REFUSED;
	m->place = PLACE_SOURCE;
	if (open_end(&m->options, m->options.from, &m->source, &m->why) ||
	    open_end(&m->options, m->options.to, &m->destination, &m->why))
		return call_fail(m->call, "%s", m->why.text);
	make_plan(m);
	if (m->problems.count)
		return refuse(m);
	if (!m->call->json || !m->options.check_only)
		migrate_show_plan(m, m->call->json ? stderr : stdout);
	if (m->options.check_only) {
		m->result = MIGRATE_CHECKED;
		if (m->call->json)
			migrate_report(m);
		return EXIT_SUCCESS;
	}
	fflush(stdout);
	ends_block(&m->signals, SIGHUP);
	migrate_drive(m);
	return conclude(m);
}

int migrate(struct call *call)
{
	struct migration *m = must(calloc(1, sizeof(*m)));
	char *via = NULL;
	int status;

	/* A reader of our output that goes away is not to end us in the middle. */
	signal(SIGPIPE, SIG_IGN);
	m->call = call;
	m->options.timeout_s = TIMEOUT_DEFAULT_S;
	m->options.patience_s = PATIENCE_DEFAULT_S;
	status = parse_migrate(call, &m->options, &via);
	if (!status)
		status = run(m);
	migrate_end_close(&m->source);
	migrate_end_close(&m->destination);
	migrate_plan_free(&m->plan);
	name_list_free(&m->options.servers);
	json_decref(m->former);
	free(via);
	free(m);
	return status;
}
