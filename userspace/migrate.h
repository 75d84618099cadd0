/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * smemv migrate in parts: what both ends are (migrate_end), what is missing and how the memory is split
 * (migrate_plan, pure), the migration itself (migrate_drive), QEMU's figures (migrate_status, pure), what
 * is shown meanwhile (migrate_progress) and afterwards (migrate_report). migrate.c joins them.
 */
#ifndef SMEMV_MIGRATE_H
#define SMEMV_MIGRATE_H

#include <signal.h>

#include "migrate_status.h"
#include "parse.h"
#include "print.h"
#include "qmp.h"
#include "snapshot.h"

#define MIGRATE_PROBLEMS_MAX	16

/* Exit statuses beside 0, EXIT_FAILURE (refused or failed) and EXIT_USAGE */
enum {
	EXIT_CANCELLED = 3,	/* by a signal or the time limit; the guest runs on at the source */
	EXIT_LOOK = 4,		/* somebody must look at the guest */
};

struct migrate_options {
	const char *from;
	const char *to;
	const char *uri;
	struct name_list servers;
	bool has_budget;
	uint64_t budget_bytes;
	const char *heat;		/* NULL: as QEMU thinks best */
	uint64_t bandwidth_bytes;	/* a second and target, 0: as QEMU is set */
	double warmup_s;		/* 0: as is good */
	uint32_t downtime_ms;		/* 0: as QEMU is set */
	double timeout_s;
	double patience_s;
	bool auto_converge;
	bool keep_source;
	bool check_only;
};

/* What one end says of itself */
struct migrate_end {
	struct qmp *qmp;
	const char *where;
	struct qmp_version version;
	pid_t pid;			/* 0: not known to be on this machine */
	char guest[64];
	char machine[64];
	char run_state[32];
	char migration[24];		/* status of the last one, "" when there was none */
	char blocked[256];		/* why it cannot be migrated, "" when it can */
	uint32_t cpus;
	uint64_t ram_bytes;
	uint64_t plugged_bytes;
	char ram_id[128];		/* of the memory backend */
	char ram_path[256];		/* of its file, "" for ordinary memory */
	bool ram_shared;
	bool ram_is_memory_file;
	json_t *capabilities;		/* name: whether it is on */
	json_t *former;			/* those that were changed, as they were; NULL: none */
	bool has_smemv;			/* the capability */
	bool connects;			/* still, for a migration that is over */
};

/* Asks everything above. @end->qmp is open. */
int migrate_end_ask(struct migrate_end *end, struct reason *why);

void migrate_end_close(struct migrate_end *end);

/* Whether QEMU is connecting, or connected, for a migration: asked anew. */
int migrate_end_ask_connects(struct migrate_end *end, struct reason *why);

/* The status of its last migration, and why it cannot be migrated: asked anew. */
int migrate_end_ask_migration(struct migrate_end *end, struct reason *why);

/* "running", "paused", "inmigrate" ...: asked anew. */
int migrate_end_ask_state(struct migrate_end *end, struct reason *why);

/* Its resident memory in bytes, 0: not known. */
uint64_t migrate_end_resident(const struct migrate_end *end);

/* Whether its memory files are those of this network namespace. */
bool migrate_end_is_here(const struct migrate_end *end);

struct migrate_problems {
	struct reason list[MIGRATE_PROBLEMS_MAX];
	int count;
};

struct migrate_plan {
	bool split;			/* else all of it goes to the main host, as ever */
	bool needs_space;		/* a space under construction has to be made here */
	char space[SMEMV_NAME_LEN];
	uint64_t ram_bytes;
	uint64_t budget_bytes;
	uint64_t main_bytes;		/* of a split: what of the budget is sent */
	struct name_list servers;
	uint64_t *server_free_bytes;	/* one for each */
};

/* What is looked at to make a plan; @module NULL: there is no module here, @no_module says why. */
struct migrate_facts {
	const struct migrate_options *options;
	const struct migrate_end *source;
	const struct migrate_end *destination;
	const struct snapshot *module;
	const struct reason *no_module;
	bool destination_is_here;
	uint64_t source_resident_bytes;	/* 0: not known */
};

/* Fills in @plan, and in @problems each thing that keeps it from being carried out. */
void migrate_plan_make(const struct migrate_facts *facts, struct migrate_plan *plan,
		       struct migrate_problems *problems);
void migrate_plan_free(struct migrate_plan *plan);

enum migrate_result {
	MIGRATE_DONE,
	MIGRATE_CHECKED,	/* nothing is missing, and no more was wanted */
	MIGRATE_REFUSED,	/* something is missing; nothing was begun */
	MIGRATE_FAILED,
	MIGRATE_CANCELLED,
	MIGRATE_TIMED_OUT,
};

/* Where the guest is in the end, as far as can be told. */
enum migrate_place {
	PLACE_SOURCE,			/* it runs (or is paused, as before) at the source */
	PLACE_DESTINATION,
	PLACE_SOURCE_STOPPED,		/* it was stopped there and is not running again */
	PLACE_DESTINATION_STOPPED,	/* it is complete there and does not run */
	PLACE_UNKNOWN,
};

struct migration {
	const struct call *call;
	struct migrate_options options;
	struct migrate_end source;
	struct migrate_end destination;
	struct migrate_plan plan;
	struct migrate_problems problems;
	sigset_t signals;		/* blocked: SIGINT, SIGTERM, SIGHUP */
	long long started_ms;
	json_t *former;			/* the source's parameters that were changed, as they were */
	char live_state[32];		/* "running" or "paused": the source's newest while the guest was there */
	bool listening;			/* the destination was told to, and takes no second time */
	struct migrate_status status;	/* QEMU's newest */
	enum migrate_result result;
	enum migrate_place place;
	struct reason lost;		/* why the destination cannot be asked any more, "" when it can */
	struct reason why;		/* of a failure, and what to do */
	struct reason warning;		/* of what was left, "" for nothing */
	double seconds;
	double destination_ready_s;	/* from the beginning until the guest ran there */
};

/* Carries the plan out; fills in from status on. */
void migrate_drive(struct migration *migration);

/* On standard error, in place on a terminal, else a line now and then. */
void migrate_progress_show(const struct migration *migration);
void migrate_progress_end(void);

void migrate_show_plan(const struct migration *migration, FILE *out);
void migrate_report(const struct migration *migration);
const char *migrate_result_text(enum migrate_result result);
const char *migrate_place_text(enum migrate_place place);

#endif
