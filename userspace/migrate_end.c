// SPDX-License-Identifier: GPL-2.0-only
/* Asks QEMU what it runs and on which memory, and the machine whether that memory is a memory file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "human.h"
#include "migrate.h"
#include "process.h"
#include "vm_mount.h"

static void take(char *text, size_t room, const char *value)
{
	snprintf(text, room, "%s", value ? value : "");
	make_printable(text);
}

static int ask(struct migrate_end *end, const char *command, json_t *arguments, json_t **answer,
	       struct reason *why)
{
	struct reason detail;
	int err = qmp_run(end->qmp, command, arguments, answer, &detail);

	if (err)
		reason_set(why, "%s: %s", end->where, detail.text);
	return err;
}

/* One text of what a command answers. */
static int ask_for_text(struct migrate_end *end, const char *command, const char *key, char *text,
			size_t room, struct reason *why)
{
	json_t *answer;
	int err = ask(end, command, NULL, &answer, why);

	if (err)
		return err;
	take(text, room, json_string_value(json_object_get(answer, key)));
	json_decref(answer);
	return 0;
}

int migrate_end_ask_state(struct migrate_end *end, struct reason *why)
{
	return ask_for_text(end, "query-status", "status", end->run_state, sizeof(end->run_state), why);
}

static int ask_name(struct migrate_end *end, struct reason *why)
{
	return ask_for_text(end, "query-name", "name", end->guest, sizeof(end->guest), why);
}

static int ask_memory(struct migrate_end *end, struct reason *why)
{
	json_t *answer;
	int err = ask(end, "query-memory-size-summary", NULL, &answer, why);

	if (err)
		return err;
	end->ram_bytes = (uint64_t)json_integer_value(json_object_get(answer, "base-memory"));
	end->plugged_bytes = (uint64_t)json_integer_value(json_object_get(answer, "plugged-memory"));
	json_decref(answer);
	return 0;
}

static int ask_cpus(struct migrate_end *end, struct reason *why)
{
	json_t *answer;
	int err = ask(end, "query-cpus-fast", NULL, &answer, why);

	if (err)
		return err;
	end->cpus = (uint32_t)json_array_size(answer);
	json_decref(answer);
	return 0;
}

static int ask_capability(struct migrate_end *end, struct reason *why)
{
	json_t *answer, *entry;
	size_t i;
	int err = ask(end, "query-migrate-capabilities", NULL, &answer, why);

	if (err)
		return err;
	end->capabilities = must(json_object());
	json_array_foreach(answer, i, entry) {
		const char *name = json_string_value(json_object_get(entry, "capability"));

		if (name)
			json_object_set(end->capabilities, name, json_object_get(entry, "state"));
	}
	end->has_smemv = json_object_get(end->capabilities, "smemv") != NULL;
	json_decref(answer);
	return 0;
}

int migrate_end_ask_connects(struct migrate_end *end, struct reason *why)
{
	json_t *answer, *entry;
	size_t i;
	int err = ask(end, "query-yank", NULL, &answer, why);

	end->connects = false;
	if (err)
		return err == -ENOSYS ? 0 : err;	/* before 6.0 */
	json_array_foreach(answer, i, entry) {
		const char *type = json_string_value(json_object_get(entry, "type"));

		end->connects |= type && !strcmp(type, "migration");
	}
	json_decref(answer);
	return 0;
}

int migrate_end_ask_migration(struct migrate_end *end, struct reason *why)
{
	struct migrate_status status;
	json_t *answer, *blocked;
	int err = ask(end, "query-migrate", NULL, &answer, why);

	if (err)
		return err;
	migrate_status_read(answer, 0, &status);
	take(end->migration, sizeof(end->migration), status.status);
	blocked = json_object_get(answer, "blocked-reasons");
	take(end->blocked, sizeof(end->blocked), json_string_value(json_array_get(blocked, 0)));
	json_decref(answer);
	return 0;
}

/* A property of an object in QEMU's tree; NULL when there is none. */
static int ask_property(struct migrate_end *end, const char *path, const char *property,
			json_t **value, struct reason *why)
{
	json_t *arguments = must(json_pack("{s:s, s:s}", "path", path, "property", property));
	int err = ask(end, "qom-get", arguments, value, why);

	if (err == -EREMOTEIO) {
		*value = NULL;
		return 0;
	}
	return err;
}

static int ask_text(struct migrate_end *end, const char *path, const char *property, char *text,
		    size_t room, struct reason *why)
{
	json_t *value;
	int err = ask_property(end, path, property, &value, why);

	if (err)
		return err;
	take(text, room, json_string_value(value));
	json_decref(value);
	return 0;
}

static int ask_backend(struct migrate_end *end, struct reason *why)
{
	char path[128];
	json_t *shared;
	int err = ask_text(end, "/machine", "memory-backend", path, sizeof(path), why);

	if (err || !*path)
		return err;
	take(end->ram_id, sizeof(end->ram_id), strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
	err = ask_text(end, path, "mem-path", end->ram_path, sizeof(end->ram_path), why);
	if (!err)
		err = ask_property(end, path, "share", &shared, why);
	if (err)
		return err;
	end->ram_shared = json_is_true(shared);
	json_decref(shared);
	return 0;
}

/* Of a process elsewhere only the usual place of memory files tells. */
static bool is_memory_file(const struct migrate_end *end)
{
	char path[sizeof(end->ram_path) + 32];
	struct statfs fs;

	if (!*end->ram_path)
		return false;
	if (end->pid) {
		snprintf(path, sizeof(path), "/proc/%d/root%s", (int)end->pid, end->ram_path);
		if (!statfs(path, &fs))
			return fs.f_type == SMEMV_FS_MAGIC;
	}
	return !strncmp(end->ram_path, VM_MOUNT_POINT "/", strlen(VM_MOUNT_POINT "/"));
}

int migrate_end_ask(struct migrate_end *end, struct reason *why)
{
	static int (*const questions[])(struct migrate_end *end, struct reason *why) = {
		migrate_end_ask_state, ask_name, ask_memory, ask_cpus, ask_capability,
		migrate_end_ask_migration, migrate_end_ask_connects, ask_backend,
	};
	size_t i;
	int err;

	end->version = qmp_version(end->qmp);
	end->pid = qmp_process(end->qmp);
	for (i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		err = questions[i](end, why);
		if (err)
			return err;
	}
	err = ask_text(end, "/machine", "type", end->machine, sizeof(end->machine), why);
	if (!err)
		end->ram_is_memory_file = is_memory_file(end);
	return err;
}

void migrate_end_close(struct migrate_end *end)
{
	qmp_close(end->qmp);
	json_decref(end->capabilities);
	json_decref(end->former);
}

uint64_t migrate_end_resident(const struct migrate_end *end)
{
	return end->pid ? process_resident_bytes((int)end->pid) : 0;
}

bool migrate_end_is_here(const struct migrate_end *end)
{
	struct stat ours, theirs;
	char path[64];

	if (!end->pid || stat("/proc/self/ns/net", &ours))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)end->pid);
	return !stat(path, &theirs) && ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}
