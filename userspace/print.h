/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One call prints a field in all three styles, so that they cannot drift apart:
 *
 *	PRINT_TABLE	a column with a head, for people; fields without a head are left out
 *	PRINT_DETAIL	a line "key  value" with everything there is
 *	PRINT_LINE	one line; "head value", or the value alone
 *	PRINT_JSON	a member of an object
 *
 * A document is   [group {] list [ item { fields, groups, lists } ... ] [}]   or one item alone
 */
#ifndef SMEMV_PRINT_H
#define SMEMV_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum print_style { PRINT_TABLE, PRINT_DETAIL, PRINT_LINE, PRINT_JSON };

struct printer;

struct printer *printer_new(FILE *out, enum print_style style);

/* Writes what is still to be written and frees; @one_line: JSON for a stream of documents. */
void printer_end(struct printer *printer, bool one_line);

/* @key: NULL for the document itself. @title: a heading in text, NULL for none. */
void print_list(struct printer *printer, const char *key, const char *title);
void print_list_end(struct printer *printer);
void print_item(struct printer *printer);
void print_item_end(struct printer *printer);
void print_group(struct printer *printer, const char *key);
void print_group_end(struct printer *printer);

/* @head: of the column in a table, NULL: not in tables. Of a line: the word before the value. */
void print_text(struct printer *printer, const char *key, const char *head, const char *text);
void print_number(struct printer *printer, const char *key, const char *head, uint64_t number);
/* Where something is so; where it is not nothing is printed. */
void print_flag(struct printer *printer, const char *key);
void print_bytes(struct printer *printer, const char *key, const char *head, uint64_t bytes);
void print_rate(struct printer *printer, const char *key, const char *head, double per_second);
void print_byte_rate(struct printer *printer, const char *key, const char *head, double per_second);
/* @us: negative when there is none. */
void print_time_us(struct printer *printer, const char *key, const char *head, double us);
void print_counter(struct printer *printer, const char *key, uint64_t count, const char *what);

/* A column made of several fields, which are printed under their own keys beside it. */
void print_column(struct printer *printer, const char *head, const char *text, bool right);

/* A member of a list of plain values. */
void print_value_text(struct printer *printer, const char *text);

bool print_is_json(const struct printer *printer);

/* For allocations of a few bytes, where nothing better can be done than to say so and end. */
void *must(void *memory);

#endif
