// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "migrate_setup.h"
#include "qmp_wire.h"
#include "vm.h"
#include "vm_mount.h"
#include "wait.h"

/* A server in trouble may keep the guest stopped for so long, and then what it got is sent to another. */
#define DEADLINE_MS	10000
#define REMOVE_MS	10000	/* the source closes the space when it has ended its migration */

static int run(struct migration *m, struct migrate_end *end, const char *command,
	       json_t *arguments)
{
	struct reason why;
	int err = qmp_run(end->qmp, command, arguments, NULL, &why);

	if (err)
		reason_set(&m->why, "%s: %s", end->where, why.text);
	return err;
}

static void add_capability(json_t *list, const char *name, bool on)
{
	json_array_append_new(list, must(json_pack("{s:s, s:b}", "capability", name, "state", on)));
}

static int send_capabilities(const struct migrate_end *end, json_t *list, struct reason *why)
{
	return qmp_run(end->qmp, "migrate-set-capabilities",
		       must(json_pack("{s:o}", "capabilities", list)), NULL, why);
}

/* Notes how it was, and what it is to be. */
static void change(struct migrate_end *end, json_t *list, const char *name, bool on)
{
	add_capability(end->former, name, json_is_true(json_object_get(end->capabilities, name)));
	add_capability(list, name, on);
}

/*
 * With a return path the source waits for the destination's word, while the guest may run there. Cancelled in that
 * state it runs the guest again, too, but of a split, for which it has to ask the arbiter. Without a return path the
 * source is done with its last byte, and a cancel that comes later does nothing.
 */
static void change_return_path(const struct migration *m, struct migrate_end *end, json_t *list)
{
	static const char *const need_it[] = { "postcopy-ram", "postcopy-preempt", "switchover-ack" };
	size_t i;

	change(end, list, "return-path", m->plan.split);
	for (i = 0; i < sizeof(need_it) / sizeof(need_it[0]) && !m->plan.split; i++)
		if (json_is_true(json_object_get(end->capabilities, need_it[i])))
			change(end, list, need_it[i], false);
}

static int set_capabilities(struct migration *m, struct migrate_end *end)
{
	json_t *list = must(json_array());
	struct reason why;
	int err;

	end->former = must(json_array());
	change(end, list, "events", true);
	change_return_path(m, end, list);
	if (m->source.has_smemv && m->destination.has_smemv)
		change(end, list, "smemv", m->plan.split);
	if (end == &m->source)
		change(end, list, "auto-converge", m->options.auto_converge);
	/* Nobody would tell QEMU to go on. */
	if (end == &m->source && json_object_get(end->capabilities, "pause-before-switchover"))
		change(end, list, "pause-before-switchover", false);
	err = send_capabilities(end, list, &why);
	if (err)
		reason_set(&m->why, "%s: %s", end->where, why.text);
	return err;
}

static void restore_capabilities(struct migrate_end *end)
{
	struct reason ignored;

	if (end->former)
		send_capabilities(end, json_incref(end->former), &ignored);
}

static void set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, must(json_string(text)));
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, must(json_integer((json_int_t)number)));
}

static json_t *server_names(const struct name_list *servers)
{
	json_t *list = must(json_array());
	size_t i;

	for (i = 0; i < servers->count; i++)
		json_array_append_new(list, must(json_string(servers->names[i])));
	return list;
}

/* Long enough for eight intervals that tell something of a busy guest. */
#define WARMUP_S	5

/* 0: as QEMU is set. Where all that is here is hot, or writes tell, nothing is gained by watching. */
static double warmup_s(const struct migration *m)
{
	const char *heat = m->options.heat;

	if (m->options.warmup_s > 0)
		return m->options.warmup_s;
	return m->plan.needs_space && (!heat || !strcmp(heat, "auto") || !strcmp(heat, "scanner")) ? WARMUP_S : 0;
}

static void set_split(const struct migration *m, json_t *parameters)
{
	const struct migrate_options *options = &m->options;

	set_text(parameters, "smemv-space", m->plan.needs_space ? vm_path(m->plan.space).text : "");
	set_number(parameters, "smemv-main-budget", m->plan.main_bytes);
	json_object_set_new(parameters, "smemv-servers", server_names(&m->plan.servers));
	set_text(parameters, "smemv-heat", options->heat ? options->heat : "auto");
	set_number(parameters, "smemv-bandwidth", options->bandwidth_bytes);
	if (warmup_s(m) > 0)
		set_number(parameters, "smemv-warmup", (uint64_t)(warmup_s(m) * 1e3));
}

static json_t *source_parameters(const struct migration *m)
{
	json_t *parameters = must(json_object());

	if (m->options.downtime_ms)
		set_number(parameters, "downtime-limit", m->options.downtime_ms);
	if (m->options.bandwidth_bytes)
		set_number(parameters, "max-bandwidth", m->options.bandwidth_bytes);
	if (m->plan.split)
		set_split(m, parameters);
	return parameters;
}

/* What @wanted is going to change, as it is now. */
static int keep_former(struct migration *m, const json_t *wanted)
{
	json_t *answer, *value;
	const char *key;
	struct reason why;
	int err = qmp_run(m->source.qmp, "query-migrate-parameters", NULL, &answer, &why);

	if (err) {
		reason_set(&m->why, "%s: %s", m->source.where, why.text);
		return err;
	}
	m->former = must(json_object());
	json_object_foreach(answer, key, value)
		if (json_object_get(wanted, key))
			json_object_set(m->former, key, value);
	json_decref(answer);
	return 0;
}

static int set_parameters(struct migration *m)
{
	json_t *wanted = source_parameters(m);
	int err = keep_former(m, wanted);

	if (!err)
		return run(m, &m->source, "migrate-set-parameters", wanted);
	json_decref(wanted);
	return err;
}

static int make_space(struct migration *m)
{
	struct new_vm space = {
		.size_bytes = m->plan.ram_bytes,
		.servers = m->plan.servers,
		/* The plan has looked at what the guest uses. */
		.overcommit = true,
		/* Whatever the mount says: a server that takes nothing is to be left for another. */
		.settings = {
			.has_policy = true, .policy = SMEMV_POLICY_ERROR,
			.has_deadline = true, .deadline_ms = DEADLINE_MS,
		},
	};
	struct snapshot made = { 0 };
	int err = vm_file_make(m->plan.space, &space, &made, &m->why);

	snapshot_free(&made);
	if (!err)
		close(space.fd);
	m->plan.needs_space = !err;	/* what was not made need not be removed */
	return err;
}

static json_t *uri(const struct migration *m)
{
	return must(json_pack("{s:s}", "uri", m->options.uri));
}

/* After a failure it is to say why before it ends; QEMU before 9.1 ends by itself. */
static json_t *incoming(const struct migration *m)
{
	const struct qmp_version *version = &m->destination.version;
	json_t *arguments = uri(m);

	if (version->major > 9 || (version->major == 9 && version->minor >= 1))
		json_object_set_new(arguments, "exit-on-error", json_false());
	return arguments;
}

/* One that did not answer may listen; one that refused waits on. */
static int begin_to_listen(struct migration *m)
{
	int err = run(m, &m->destination, "migrate-incoming", incoming(m));

	m->listening = err != -EREMOTEIO;
	return err;
}

int migrate_setup(struct migration *m)
{
	int err = m->plan.needs_space ? make_space(m) : 0;

	if (!err)
		err = set_capabilities(m, &m->destination);
	if (!err)
		err = set_capabilities(m, &m->source);
	if (!err)
		err = set_parameters(m);
	if (!err)
		err = begin_to_listen(m);
	if (!err)
		err = run(m, &m->source, "migrate", uri(m));
	return err;
}

void migrate_setup_end(struct migration *m)
{
	struct reason ignored;
	json_t *list;

	if (!m->plan.split)
		return;
	list = must(json_array());
	add_capability(list, "smemv", false);
	send_capabilities(&m->destination, list, &ignored);
}

static void ask_destination_why(struct migration *m)
{
	struct migrate_status status;
	struct reason ignored, why = m->why;
	json_t *answer;

	if (qmp_run(m->destination.qmp, "query-migrate", NULL, &answer, &ignored))
		return;
	migrate_status_read(answer, 0, &status);
	json_decref(answer);
	if (*status.error)
		reason_set(&m->why, "%.200s (the destination: %s)", why.text, status.error);
}

void migrate_setup_undo(struct migration *m)
{
	struct reason ignored;

	restore_capabilities(&m->source);
	if (m->former)
		qmp_run(m->source.qmp, "migrate-set-parameters", json_incref(m->former), NULL, &ignored);
	if (!m->listening) {
		restore_capabilities(&m->destination);
		return;
	}
	ask_destination_why(m);
	if (qmp_run(m->destination.qmp, "quit", NULL, NULL, &ignored) && *m->lost.text)
		reason_set(&m->warning, "QEMU at %s could not be told to end: if it is still there end it, it takes no second migration",
			   m->destination.where);
}

void migrate_setup_remove_space(struct migration *m)
{
	long long deadline_ms = clock_ms() + REMOVE_MS;
	struct reason why;
	int err;

	if (!m->plan.needs_space)
		return;
	while ((err = vm_file_remove(m->plan.space, &why)) && clock_ms() < deadline_ms)
		poll(NULL, 0, 100);
	if (err)
		reason_set(&m->warning, "the space of the migration stays: %s; later: smemv vm del %s",
			   why.text, m->plan.space);
}
