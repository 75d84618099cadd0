// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "metrics.h"
#include "process.h"
#include "request.h"
#include "wait.h"

#define WATCH_DEFAULT_S	2.0

struct watch {
	bool on;
	bool metrics;		/* once, for Prometheus */
	double seconds;
	uint32_t refreshes;	/* 0: until a signal ends it */
	struct process_list processes;
};

/* "--watch", "--watch=SECONDS", "--watch SECONDS" */
static int parse_watch(struct call *call, struct watch *watch)
{
	const char *option = call_next(call), *value = strchr(option, '=');
	struct reason why;

	watch->on = true;
	if (value)
		value++;
	else if (call_peek(call) && isdigit((unsigned char)*call_peek(call)))
		value = call_next(call);
	if (value && parse_seconds(value, &watch->seconds, &why))
		return call_usage(call, "--watch: %s", why.text);
	return 0;
}

static bool is_watch(const char *arg)
{
	return !strcmp(arg, "--watch") || !strncmp(arg, "--watch=", 8);
}

static int parse_show(struct call *call, struct watch *watch)
{
	struct keyword keywords[] = {
		{ "count", "N", parse_number, &watch->refreshes, false },
		{ "pid", "PID[,PID]", parse_processes, &watch->processes, false },
		{ 0 },
	};
	int status = 0;

	while (!status && call_peek(call)) {
		if (is_watch(call_peek(call)))
			status = parse_watch(call, watch);
		else if (!strcmp(call_peek(call), "--metrics"))
			watch->metrics = call_next(call);
		else
			status = parse_keyword(call, keywords);
	}
	if (!status && keywords[0].seen && !watch->on)
		status = call_usage(call, "count needs --watch");
	if (!status && watch->metrics && (watch->on || call->json || watch->processes.count))
		status = call_usage(call, "--metrics goes with neither --watch nor --json nor pid");
	return status;
}

static void view_all(FILE *out, const struct call *call, const struct watch *watch,
		     const struct snapshot *now, const struct snapshot *before)
{
	struct printer *printer = printer_new(out, call->json ? PRINT_JSON : PRINT_TABLE);

	print_group(printer, NULL);
	view_servers(printer, "servers", now, before);
	view_swaps(printer, "swaps", now, before);
	view_vms(printer, "vms", now, before);
	view_scans(printer, "scans", now, before);
	if (watch->processes.count)
		view_processes(printer, "processes", &watch->processes);
	print_group_end(printer);
	printer_end(printer, watch->on);
}

/* One write for the whole screen, so that it does not flicker. */
static void refresh(const struct call *call, const struct watch *watch,
		    const struct snapshot *now, const struct snapshot *before)
{
	const time_t seconds = time(NULL);
	char clock[16], *text;
	size_t len;
	FILE *out = must(open_memstream(&text, &len));

	if (!call->json) {
		strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&seconds));
		fprintf(out, "%sS-memV at %s, every %g s\n\n",
			isatty(STDOUT_FILENO) ? "\033[H\033[J" : "", clock, watch->seconds);
	}
	view_all(out, call, watch, now, before);
	if (!call->json && !isatty(STDOUT_FILENO))
		fputc('\n', out);
	fclose(out);
	fwrite(text, 1, len, stdout);
	fflush(stdout);
	free(text);
}

static int watch_loop(struct call *call, struct link *link, const struct watch *watch)
{
	struct snapshot now = { 0 }, before = { 0 };
	uint32_t refreshes = 0;
	struct reason why;
	sigset_t ends;
	int err;

	ends_block(&ends, 0);
	do {
		memset(&now, 0, sizeof(now));
		err = snapshot_all(link, &now, &why);
		if (!err)
			refresh(call, watch, &now, refreshes ? &before : &now);
		snapshot_free(&before);
		before = now;
	} while (!err && !ferror(stdout) && ++refreshes != watch->refreshes &&
		 !ends_wait(&ends, watch->seconds));
	snapshot_free(&before);
	return err ? call_fail(call, "%s", why.text) : EXIT_SUCCESS;
}

static void view_metrics(const struct call *call, const struct watch *watch,
			 const struct snapshot *now)
{
	struct call as_json = *call;
	char *text;
	size_t len;
	FILE *out = must(open_memstream(&text, &len));

	as_json.json = true;
	view_all(out, &as_json, watch, now, NULL);
	fclose(out);
	metrics_write(stdout, text);
	free(text);
}

static int show_once(struct call *call, struct link *link, const struct watch *watch)
{
	struct snapshot now = { 0 };
	struct reason why;
	int err = snapshot_all(link, &now, &why);

	if (!err && watch->metrics)
		view_metrics(call, watch, &now);
	else if (!err)
		view_all(stdout, call, watch, &now, NULL);
	snapshot_free(&now);
	return err ? call_fail(call, "%s", why.text) : EXIT_SUCCESS;
}

int show(struct call *call)
{
	struct watch watch = { .seconds = WATCH_DEFAULT_S };
	int status = parse_show(call, &watch);
	struct reason why;
	struct link *link;

	if (status)
		return status;
	if (link_open(&link, &why))
		return call_fail(call, "%s", why.text);
	status = watch.on ? watch_loop(call, link, &watch) : show_once(call, link, &watch);
	link_close(link);
	return status;
}
