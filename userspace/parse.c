// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

#define SECONDS_MAX	86400.0

static bool name_char(char c)
{
	return isascii((unsigned char)c) &&
	       (isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-');
}

static bool name_valid(const char *text, size_t len, size_t room)
{
	size_t i;

	if (!len || len >= room)
		return false;
	for (i = 0; i < len; i++)
		if (!name_char(text[i]))
			return false;
	return true;
}

static int take_name(const char *text, size_t len, char *name, struct reason *why)
{
	if (!name_valid(text, len, SMEMV_NAME_LEN)) {
		reason_set(why, "\"%.*s\" is not a name (1 to %d of A-Z a-z 0-9 . _ -)",
			   (int)len, text, SMEMV_NAME_LEN - 1);
		return -EINVAL;
	}
	memcpy(name, text, len);
	name[len] = '\0';
	return 0;
}

int parse_name(const char *text, void *name, struct reason *why)
{
	return take_name(text, strlen(text), name, why);
}

/* Of a memory file below the mount point; nothing that leads out of it. */
static bool path_valid(const char *text)
{
	size_t len;

	if (strlen(text) >= SMEMV_PATH_LEN)
		return false;
	for (;; text += len + 1) {
		len = strcspn(text, "/");
		if (!name_valid(text, len, SMEMV_PATH_LEN) || strspn(text, ".") == len)
			return false;
		if (!text[len])
			return true;
	}
}

static size_t count_commas(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == ',';
	return n;
}

static bool name_listed(const struct name_list *list, const char *name)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (!strcmp(list->names[i], name))
			return true;
	return false;
}

static int name_list_append(struct name_list *list, const char *text, size_t len,
			    struct reason *why)
{
	char name[SMEMV_NAME_LEN];
	int err = take_name(text, len, name, why);

	if (err)
		return err;
	if (name_listed(list, name)) {
		reason_set(why, "\"%s\" is named twice", name);
		return -EINVAL;
	}
	memcpy(list->names[list->count++], name, sizeof(name));
	return 0;
}

int parse_names(const char *text, void *value, struct reason *why)
{
	struct name_list *list = value;
	int err;

	list->count = 0;
	list->names = calloc(count_commas(text) + 1, sizeof(*list->names));
	if (!list->names) {
		reason_set(why, "out of memory");
		return -ENOMEM;
	}
	for (;;) {
		size_t len = strcspn(text, ",");

		err = name_list_append(list, text, len, why);
		if (err || !text[len])
			break;
		text += len + 1;
	}
	if (err)
		name_list_free(list);
	return err;
}

void name_list_free(struct name_list *list)
{
	free(list->names);
	list->names = NULL;
	list->count = 0;
}

static int size_shift(const char *suffix)
{
	static const char units[] = "KMGT";
	const char *unit;

	if (!*suffix)
		return 0;
	unit = strchr(units, toupper((unsigned char)*suffix));
	if (!unit || suffix[1])
		return -1;
	return 10 * (int)(unit - units + 1);
}

/* strtoull() also takes signs, spaces and hexadecimal, which no size has. */
static int parse_digits(const char *text, uint64_t *number, const char **end)
{
	unsigned long long value;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, (char **)end, 10);
	if (errno)
		return -ERANGE;
	*number = value;
	return 0;
}

int parse_size(const char *text, void *value, struct reason *why)
{
	uint64_t *bytes = value, number;
	const char *end = text;
	int err, shift;

	err = parse_digits(text, &number, &end);
	shift = err == -EINVAL ? -1 : size_shift(end);
	if (shift < 0) {
		reason_set(why, "\"%s\" is not a size (bytes, or a number with K, M, G or T)", text);
		return -EINVAL;
	}
	if (err || number > UINT64_MAX >> shift) {
		reason_set(why, "\"%s\" is too large for a size", text);
		return -ERANGE;
	}
	*bytes = number << shift;
	return 0;
}

int parse_number(const char *text, void *value, struct reason *why)
{
	const char *end = text;
	uint64_t number;
	int err;

	err = parse_digits(text, &number, &end);
	if (err == -EINVAL || *end) {
		reason_set(why, "\"%s\" is not a number", text);
		return -EINVAL;
	}
	if (err || number > UINT32_MAX) {
		reason_set(why, "\"%s\" is too large a number", text);
		return -ERANGE;
	}
	*(uint32_t *)value = number;
	return 0;
}

int parse_seconds(const char *text, void *value, struct reason *why)
{
	double seconds;
	char *end;

	seconds = strtod(text, &end);
	if (!isdigit((unsigned char)*text) || *end || !isfinite(seconds) ||
	    seconds < 0.1 || seconds > SECONDS_MAX) {
		reason_set(why, "\"%s\" is not a number of seconds (0.1 to %g)", text, SECONDS_MAX);
		return -EINVAL;
	}
	*(double *)value = seconds;
	return 0;
}

static const char *const policies[] = {
	[SMEMV_POLICY_ERROR] = "error",
	[SMEMV_POLICY_SUSPEND] = "suspend",
};

const char *policy_text(uint32_t policy)
{
	return policy < __SMEMV_POLICY_END ? policies[policy] : "unknown";
}

int parse_policy(const char *text, void *value, struct reason *why)
{
	uint32_t policy;

	for (policy = 0; policy < __SMEMV_POLICY_END; policy++) {
		if (strcmp(text, policies[policy]))
			continue;
		*(uint32_t *)value = policy;
		return 0;
	}
	reason_set(why, "\"%s\" is not a policy (error or suspend)", text);
	return -EINVAL;
}

static struct keyword *keyword_find(struct keyword *table, const char *word)
{
	for (; table->word; table++)
		if (!strcmp(table->word, word))
			return table;
	return NULL;
}

int parse_keyword(struct call *call, struct keyword *table)
{
	const char *word = call_next(call), *text;
	struct keyword *keyword = keyword_find(table, word);
	struct reason why;

	if (!keyword)
		return call_usage(call, "\"%s\" is not expected here", word);
	if (keyword->seen)
		return call_usage(call, "\"%s\" is given twice", word);
	keyword->seen = true;
	if (!keyword->operand)
		return 0;
	text = call_next(call);
	if (!text)
		return call_usage(call, "%s %s: the value is missing", word, keyword->operand);
	if (keyword->parse(text, keyword->value, &why))
		return call_usage(call, "%s: %s", word, why.text);
	return 0;
}

int parse_keywords(struct call *call, struct keyword *table)
{
	int status = 0;

	while (!status && call_peek(call))
		status = parse_keyword(call, table);
	return status;
}

const char *parse_required(struct call *call, const char *operand)
{
	const char *text = call_next(call);

	if (!text)
		call_usage(call, "%s is missing", operand);
	return text;
}

const char *parse_subject(struct call *call)
{
	const char *text = parse_required(call, "NAME");
	struct reason why;
	char name[SMEMV_NAME_LEN];

	if (!text)
		return NULL;
	if (parse_name(text, name, &why)) {
		call_usage(call, "%s", why.text);
		return NULL;
	}
	call->subject = text;
	return text;
}

const char *parse_file_subject(struct call *call)
{
	const char *text = parse_required(call, "NAME");

	if (!text)
		return NULL;
	if (!path_valid(text)) {
		call_usage(call, "\"%s\" is not a file's name (1 to %d of A-Z a-z 0-9 . _ -, with / below folders)",
			   text, SMEMV_PATH_LEN - 1);
		return NULL;
	}
	call->subject = text;
	return text;
}

int parse_end(struct call *call)
{
	const char *text = call_next(call);

	return text ? call_usage(call, "\"%s\" is not expected here", text) : 0;
}
