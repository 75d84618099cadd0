// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "table.h"

#define COLUMNS_MAX	32

struct column {
	char *head;
	bool right;
	int width;
};

struct table {
	struct column columns[COLUMNS_MAX];
	int n_columns;
	int column;		/* of the next cell */
	char **cells;
	size_t n_cells;
	size_t room;
	size_t n_rows;
};

struct table *table_new(void)
{
	return must(calloc(1, sizeof(struct table)));
}

void table_free(struct table *table)
{
	int i;
	size_t cell;

	for (i = 0; i < table->n_columns; i++)
		free(table->columns[i].head);
	for (cell = 0; cell < table->n_cells; cell++)
		free(table->cells[cell]);
	free(table->cells);
	free(table);
}

static struct column *column_at(struct table *table, const char *head, bool right)
{
	struct column *column = &table->columns[table->column];

	if (table->column == COLUMNS_MAX)
		abort();
	if (table->column++ == table->n_columns) {
		table->n_columns++;
		column->head = must(strdup(head));
		column->right = right;
		column->width = (int)strlen(head);
	}
	return column;
}

void table_cell(struct table *table, const char *head, const char *text, bool right)
{
	struct column *column = column_at(table, head, right);
	int width = (int)strlen(text);

	if (column->width < width)
		column->width = width;
	if (table->n_cells == table->room) {
		table->room = table->room ? 2 * table->room : 64;
		table->cells = must(realloc(table->cells, table->room * sizeof(*table->cells)));
	}
	table->cells[table->n_cells++] = must(strdup(text));
}

void table_row_end(struct table *table)
{
	table->column = 0;
	table->n_rows++;
}

bool table_empty(const struct table *table)
{
	return !table->n_rows;
}

static void write_cell(const struct table *table, int i, const char *text, FILE *out)
{
	const struct column *column = &table->columns[i];
	bool last = i == table->n_columns - 1;

	if (column->right)
		fprintf(out, "%*s", column->width, text);
	else
		fprintf(out, "%-*s", last ? 0 : column->width, text);
	fputs(last ? "\n" : "  ", out);
}

void table_write(const struct table *table, FILE *out)
{
	size_t cell;
	int i;

	for (i = 0; i < table->n_columns; i++)
		write_cell(table, i, table->columns[i].head, out);
	for (cell = 0; cell < table->n_cells; cell++)
		write_cell(table, (int)(cell % table->n_columns), table->cells[cell], out);
}
