/* SPDX-License-Identifier: GPL-2.0-only */
/* Rows of text, aligned when all of them are known. */
#ifndef SMEMV_TABLE_H
#define SMEMV_TABLE_H

#include <stdbool.h>
#include <stdio.h>

struct table;

struct table *table_new(void);
void table_free(struct table *table);

/* Cells come row by row; all rows have the same columns in the same order. */
void table_cell(struct table *table, const char *head, const char *text, bool right);
void table_row_end(struct table *table);

bool table_empty(const struct table *table);
void table_write(const struct table *table, FILE *out);

#endif
