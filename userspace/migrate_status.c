// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "decode.h"
#include "human.h"
#include "migrate_status.h"

static void take_text(const json_t *object, const char *key, char *text, size_t room)
{
	const char *value = json_string_value(json_object_get(object, key));

	snprintf(text, room, "%s", value ? value : "");
	make_printable(text);
}

static uint64_t take_number(const json_t *object, const char *key)
{
	double value = json_number_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

/* Where a number of an answer goes. */
struct number {
	const char *key;
	size_t offset;
};

static void take_numbers(const json_t *object, const struct number *numbers, size_t count, void *into)
{
	size_t i;

	for (i = 0; i < count; i++)
		*(uint64_t *)((char *)into + numbers[i].offset) = take_number(object, numbers[i].key);
}

static void read_ram(const json_t *ram, struct migrate_status *status)
{
	static const struct number numbers[] = {
		{ "total", offsetof(struct migrate_status, ram_total_bytes) },
		{ "remaining", offsetof(struct migrate_status, ram_remaining_bytes) },
		{ "transferred", offsetof(struct migrate_status, stream_bytes) },
		{ "normal", offsetof(struct migrate_status, stream_pages) },
		{ "duplicate", offsetof(struct migrate_status, stream_zero) },
		{ "dirty-pages-rate", offsetof(struct migrate_status, dirty_pages_per_s) },
		{ "dirty-sync-count", offsetof(struct migrate_status, passes) },
	};

	take_numbers(ram, numbers, sizeof(numbers) / sizeof(numbers[0]), status);
}

static void read_target(const json_t *object, struct migrate_target *target)
{
	static const struct number numbers[] = {
		{ "pages", offsetof(struct migrate_target, pages) },
		{ "bytes", offsetof(struct migrate_target, bytes) },
		{ "zero", offsetof(struct migrate_target, zero) },
		{ "resent", offsetof(struct migrate_target, resent) },
		{ "backlog", offsetof(struct migrate_target, backlog) },
	};

	take_text(object, "server", target->server, sizeof(target->server));
	take_text(object, "state", target->state, sizeof(target->state));
	take_numbers(object, numbers, sizeof(numbers) / sizeof(numbers[0]), target);
}

static void read_split(const json_t *split, struct migrate_status *status)
{
	const json_t *targets = json_object_get(split, "targets");
	size_t i;

	status->is_split = json_is_object(split);
	status->main_pages = take_number(split, "main-pages");
	status->main_bytes = take_number(split, "main-bytes");
	status->warmup_ms = take_number(split, "warmup-time");
	take_text(split, "state", status->state, sizeof(status->state));
	take_text(split, "heat-source", status->heat_source, sizeof(status->heat_source));
	for (i = 0; i < json_array_size(targets) && i < MIGRATE_TARGETS_MAX; i++)
		read_target(json_array_get(targets, i), &status->targets[status->n_targets++]);
}

void migrate_status_read(const json_t *answer, double taken_s, struct migrate_status *status)
{
	memset(status, 0, sizeof(*status));
	status->taken_s = taken_s;
	take_text(answer, "status", status->status, sizeof(status->status));
	take_text(answer, "error-desc", status->error, sizeof(status->error));
	status->total_ms = take_number(answer, "total-time");
	status->setup_ms = take_number(answer, "setup-time");
	status->downtime_ms = take_number(answer, "downtime");
	status->expected_downtime_ms = take_number(answer, "expected-downtime");
	status->throttle_percent = take_number(answer, "cpu-throttle-percentage");
	read_ram(json_object_get(answer, "ram"), status);
	read_split(json_object_get(answer, "smemv"), status);
}

void migrate_status_renew(const json_t *answer, double taken_s, struct migrate_status *status)
{
	struct migrate_status now;

	migrate_status_read(answer, taken_s, &now);
	if (!migrate_status_is_final(&now) || json_object_get(answer, "ram")) {
		*status = now;
		return;
	}
	strcpy(status->status, now.status);
	strcpy(status->error, now.error);
	status->n_targets = 0;
	read_split(json_object_get(answer, "smemv"), status);
}

bool migrate_status_is_final(const struct migrate_status *status)
{
	return !strcmp(status->status, "completed") || !strcmp(status->status, "failed") ||
	       !strcmp(status->status, "cancelled");
}

uint64_t migrate_left_bytes(const struct migrate_status *status)
{
	uint64_t left = status->ram_remaining_bytes;
	int i;

	for (i = 0; i < status->n_targets; i++)
		left += status->targets[i].backlog * PAGE_BYTES;
	return left;
}

double migrate_share_done(const struct migrate_status *status)
{
	double left = (double)migrate_left_bytes(status), total = (double)status->ram_total_bytes;

	if (!strcmp(status->status, "completed"))
		return 1;
	if (total <= 0 || left >= total)
		return 0;
	return 1 - left / total;
}

static double per_second(uint64_t now, uint64_t before, const struct migrate_status *later,
			 const struct migrate_status *earlier)
{
	double seconds = later->taken_s - earlier->taken_s;

	return seconds > 0 && now > before ? (double)(now - before) / seconds : 0;
}

/* What is left shrinks by what is sent and grows by what is written: measured, not computed. */
double migrate_seconds_left(const struct migrate_status *now, const struct migrate_status *before)
{
	double left = (double)migrate_left_bytes(now);
	double shrinks = per_second(migrate_left_bytes(before), migrate_left_bytes(now), now, before);

	if (left <= 0 && now->ram_total_bytes)
		return 0;
	return shrinks > 0 ? left / shrinks : -1;
}

double migrate_stream_rate(const struct migrate_status *now, const struct migrate_status *before)
{
	return per_second(now->stream_bytes, before->stream_bytes, now, before);
}

double migrate_target_rate(const struct migrate_status *now, const struct migrate_status *before,
			   int i)
{
	if (i >= before->n_targets)
		return 0;
	return per_second(now->targets[i].bytes, before->targets[i].bytes, now, before);
}
