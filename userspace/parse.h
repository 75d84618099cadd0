/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What users type: each parse_*() returns 0, or a negative errno and a reason
 * that tells what would have been right.
 */
#ifndef SMEMV_PARSE_H
#define SMEMV_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "../kernel/uapi/smemv.h"
#include "call.h"

struct name_list {
	char (*names)[SMEMV_NAME_LEN];
	size_t count;
};

int parse_name(const char *text, void *name, struct reason *why);	/* char[SMEMV_NAME_LEN] */
int parse_names(const char *text, void *list, struct reason *why);	/* struct name_list */
int parse_size(const char *text, void *bytes, struct reason *why);	/* uint64_t */
int parse_number(const char *text, void *number, struct reason *why);	/* uint32_t */
int parse_seconds(const char *text, void *seconds, struct reason *why);	/* double */
int parse_policy(const char *text, void *policy, struct reason *why);	/* uint32_t */

void name_list_free(struct name_list *list);

const char *policy_text(uint32_t policy);

/* "limit SIZE": a word, and a value that @parse puts into @value; without @operand the word alone. */
struct keyword {
	const char *word;
	const char *operand;
	int (*parse)(const char *text, void *value, struct reason *why);
	void *value;
	bool seen;
};

/*
 * Consumes the rest of the arguments, which must be keywords of @table (its
 * end: word == NULL), each at most once. Returns 0, or the exit status after
 * the complaint was printed.
 */
int parse_keyword(struct call *call, struct keyword *table);	/* one */
int parse_keywords(struct call *call, struct keyword *table);

/* The argument that must come next; NULL after the complaint was printed. */
const char *parse_required(struct call *call, const char *operand);

/* As parse_required(), and it must be a name; it becomes the call's subject. */
const char *parse_subject(struct call *call);

/* The same of a memory file: its path below the mount point. What names one object of any kind is such a path, too. */
const char *parse_file_subject(struct call *call);

/* No argument may be left. Returns 0 or the exit status. */
int parse_end(struct call *call);

#endif
