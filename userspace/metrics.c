// SPDX-License-Identifier: GPL-2.0-only
/*
 * Samples are gathered by family, as the format wants those of a family together: an object of
 * arrays of lines, in the order in which the families were met.
 */
#define _GNU_SOURCE	/* vasprintf() */
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "print.h"

static const struct {
	const char *list;
	const char *object;
} objects[] = {
	{ "servers", "server" }, { "swaps", "swap" }, { "vms", "vm" }, { "scans", "scan" },
};

/* Texts that say how an object is; the others say which one it is, or why. */
static const char *const states[] = { "state", "policy", "owner", "method" };

static const struct {
	const char *key;
	const char *quantile;
} quantiles[] = {
	{ "p50_us", "0.5" }, { "p99_us", "0.99" }, { "p999_us", "0.999" },
};

static void add(json_t *families, const char *family, const char *type, const char *labels,
		double value)
{
	json_t *lines = json_object_get(families, family);

	if (!lines) {
		lines = must(json_array());
		json_array_append_new(lines, must(json_sprintf("# TYPE %s %s", family, type)));
		json_object_set_new(families, family, lines);
	}
	/* As whole numbers are: %g may tell them by powers of ten. */
	json_array_append_new(lines, must(json_sprintf(value == floor(value) ? "%s{%s} %.0f" :
						       "%s{%s} %.10g", family, labels, value)));
}

/* All of these are the caller's to free. */
__attribute__((format(printf, 1, 2)))
static char *text(const char *format, ...)
{
	char *made = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&made, format, args);
	va_end(args);
	return must(len < 0 ? NULL : made);
}

static char *with_label(const char *labels, const char *name, const char *value)
{
	char *made;
	size_t len;
	FILE *out = must(open_memstream(&made, &len));

	fprintf(out, "%s%s%s=\"", labels, *labels ? "," : "", name);
	for (; *value; value++) {
		if (strchr("\\\"\n", *value))
			fputc('\\', out);
		fputc(*value == '\n' ? 'n' : *value, out);
	}
	fputc('"', out);
	fclose(out);
	return must(made);
}

static void add_labelled(json_t *families, const char *family, const char *type,
			 const char *labels, const char *name, const char *value, double number)
{
	char *more = with_label(labels, name, value);

	add(families, family, type, more, number);
	free(more);
}

/* "store_latency" becomes a summary in seconds. */
static void add_latency(json_t *families, const char *family, const char *labels, json_t *latency)
{
	char *name = text("%s_seconds", family);
	size_t i;

	for (i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++) {
		json_t *us = json_object_get(latency, quantiles[i].key);

		if (json_is_number(us))
			add_labelled(families, name, "summary", labels, "quantile",
				     quantiles[i].quantile, json_number_value(us) / 1e6);
	}
	free(name);
}

/* Since the object was made. The word itself is no part of their names. */
static void add_counters(json_t *families, const char *family, const char *labels, json_t *counters)
{
	int prefix = (int)(strstr(family, "counters") - family);
	const char *member;
	json_t *value;

	json_object_foreach(counters, member, value) {
		char *name = text("%.*s%s_total", prefix, family, member);

		add(families, name, "counter", labels, json_number_value(value));
		free(name);
	}
}

/* A label tells the members apart. */
static void add_members(json_t *families, const char *family, const char *labels, const char *name,
			json_t *group)
{
	const char *member;
	json_t *value;

	json_object_foreach(group, member, value) {
		add_labelled(families, family, "gauge", labels, name, member,
			     json_number_value(value));
	}
}

static void add_group(json_t *families, const char *family, const char *key, const char *labels,
		      json_t *group)
{
	if (json_object_get(group, "samples"))
		add_latency(families, family, labels, group);
	else if (strstr(key, "counters"))
		add_counters(families, family, labels, group);
	else
		add_members(families, family, labels, strcmp(key, "where") ? "age" : "server", group);
}

static void add_state(json_t *families, const char *family, const char *key, const char *labels,
		      const char *state)
{
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (!strcmp(key, states[i]))
			add_labelled(families, family, "gauge", labels, key, state, 1);
}

static void add_member(json_t *families, const char *object, const char *key, const char *labels,
		       json_t *value)
{
	char *family = text("smemv_%s_%s", object, key);

	if (json_is_number(value))
		add(families, family, "gauge", labels, json_number_value(value));
	else if (json_is_string(value))
		add_state(families, family, key, labels, json_string_value(value));
	else if (json_is_object(value))
		add_group(families, family, key, labels, value);
	free(family);
}

/* What names the object: it is no figure of its own. */
static char *labels_of(json_t *item)
{
	json_t *name = json_object_get(item, "name");
	char *labels, *pid;

	if (name)
		return with_label("", "name", json_string_value(name));
	pid = text("%lld", (long long)json_integer_value(json_object_get(item, "pid")));
	labels = with_label("", "pid", pid);
	free(pid);
	return labels;
}

/* A file that was deleted while it is in use may have a successor of its name: two samples of one label are none. */
static void add_item(json_t *families, const char *object, json_t *item)
{
	char *labels;
	const char *key;
	json_t *value;

	if (json_is_true(json_object_get(item, "deleted")))
		return;
	labels = labels_of(item);
	json_object_foreach(item, key, value) {
		if (strcmp(key, "pid"))
			add_member(families, object, key, labels, value);
	}
	free(labels);
}

void metrics_write(FILE *out, const char *document)
{
	json_t *root = must(json_loads(document, 0, NULL)), *families = must(json_object());
	json_t *item, *lines, *line;
	const char *family;
	size_t i, n;

	for (i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
		json_array_foreach(json_object_get(root, objects[i].list), n, item) {
			add_item(families, objects[i].object, item);
		}
	}
	json_object_foreach(families, family, lines) {
		json_array_foreach(lines, n, line) {
			fprintf(out, "%s\n", json_string_value(line));
		}
	}
	json_decref(families);
	json_decref(root);
}
