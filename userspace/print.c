// SPDX-License-Identifier: GPL-2.0-only
#include <jansson.h>
#include <stdlib.h>

#include "human.h"
#include "print.h"
#include "table.h"

#define DEPTH_MAX	8
#define LABEL_WIDTH	20

struct printer {
	FILE *out;
	enum print_style style;
	json_t *stack[DEPTH_MAX];	/* JSON: the open containers, the document first */
	int depth;
	int item_depth;			/* of what is nested in the present item, 0: outside */
	bool written;			/* text was written: the next list needs a space */
	const char *title;
	struct table *table;
	int values;			/* detail and line: values on the present line */
};

void *must(void *memory)
{
	if (!memory) {
		fputs("smemv: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return memory;
}

struct printer *printer_new(FILE *out, enum print_style style)
{
	struct printer *printer = must(calloc(1, sizeof(*printer)));

	printer->out = out;
	printer->style = style;
	return printer;
}

void printer_end(struct printer *printer, bool one_line)
{
	if (printer->stack[0]) {
		json_dumpf(printer->stack[0], printer->out, one_line ? JSON_COMPACT : JSON_INDENT(2));
		fputc('\n', printer->out);
		json_decref(printer->stack[0]);
	}
	if (printer->style == PRINT_LINE)
		fputc('\n', printer->out);
	free(printer);
}

bool print_is_json(const struct printer *printer)
{
	return printer->style == PRINT_JSON;
}

static void json_add(struct printer *printer, const char *key, json_t *value)
{
	json_t *parent = printer->depth ? printer->stack[printer->depth - 1] : NULL;

	must(value);
	if (json_is_array(parent))
		json_array_append_new(parent, value);
	else if (parent)
		json_object_set_new(parent, key, value);
	else
		printer->stack[0] = value;
}

static void json_open(struct printer *printer, const char *key, json_t *container)
{
	if (printer->depth == DEPTH_MAX)
		abort();
	json_add(printer, key, container);
	printer->stack[printer->depth++] = container;
}

static void json_close(struct printer *printer)
{
	printer->depth--;
}

/* Nested lists and groups: only the detail style shows them as text. */
static void text_nest(struct printer *printer, const char *key)
{
	if (printer->style == PRINT_DETAIL)
		fprintf(printer->out, "%*s%s\n", 2 * (printer->item_depth - 1), "", key);
	printer->item_depth++;
	printer->values = 0;
}

static void text_unnest(struct printer *printer)
{
	if (printer->values)
		fputc('\n', printer->out);
	printer->values = 0;
	printer->item_depth--;
}

void print_list(struct printer *printer, const char *key, const char *title)
{
	if (printer->style == PRINT_JSON) {
		json_open(printer, key, json_array());
	} else if (printer->item_depth) {
		text_nest(printer, key);
	} else {
		printer->title = title;
		printer->table = table_new();
	}
}

static void finish_table(struct printer *printer)
{
	if (printer->written)
		fputc('\n', printer->out);
	printer->written = true;
	if (table_empty(printer->table)) {
		fprintf(printer->out, "%s: none\n", printer->title);
		return;
	}
	fprintf(printer->out, "%s\n", printer->title);
	table_write(printer->table, printer->out);
}

void print_list_end(struct printer *printer)
{
	if (printer->style == PRINT_JSON) {
		json_close(printer);
	} else if (printer->item_depth) {
		text_unnest(printer);
	} else {
		if (printer->style == PRINT_TABLE)
			finish_table(printer);
		table_free(printer->table);
		printer->table = NULL;
	}
}

void print_item(struct printer *printer)
{
	if (printer->style == PRINT_JSON)
		json_open(printer, NULL, json_object());
	else
		printer->item_depth++;
}

void print_item_end(struct printer *printer)
{
	if (printer->style == PRINT_JSON) {
		json_close(printer);
		return;
	}
	if (--printer->item_depth)
		return;
	if (printer->style == PRINT_TABLE)
		table_row_end(printer->table);
}

void print_group(struct printer *printer, const char *key)
{
	if (printer->style == PRINT_JSON)
		json_open(printer, key, json_object());
	else if (key)
		text_nest(printer, key);
}

void print_group_end(struct printer *printer)
{
	if (printer->style == PRINT_JSON)
		json_close(printer);
	else if (printer->item_depth)
		text_unnest(printer);
}

static void detail_line(struct printer *printer, const char *key, const char *text,
			const char *note)
{
	int indent = 2 * (printer->item_depth - 1);

	fprintf(printer->out, "%*s%-*s  ", indent, "", LABEL_WIDTH - indent, key);
	if (note)
		fprintf(printer->out, "%-14s  %s\n", text, note);
	else
		fprintf(printer->out, "%s\n", text);
}

static void line_field(struct printer *printer, const char *head, const char *text)
{
	fprintf(printer->out, "%s%s%s%s", printer->values++ ? " " : "", head ? head : "",
		head ? " " : "", text);
}

static void text_field(struct printer *printer, const char *key, const char *head,
		       const char *text, const char *note, bool right)
{
	if (printer->style == PRINT_DETAIL)
		detail_line(printer, key, text, note);
	else if (printer->style == PRINT_LINE)
		line_field(printer, head, text);
	else if (printer->item_depth == 1 && head)
		table_cell(printer->table, head, text, right);
}

void print_text(struct printer *printer, const char *key, const char *head, const char *text)
{
	if (printer->style == PRINT_JSON)
		json_add(printer, key, json_string(text));
	else
		text_field(printer, key, head, text, NULL, false);
}

static struct human plain(uint64_t number)
{
	struct human human;

	snprintf(human.text, sizeof(human.text), "%llu", (unsigned long long)number);
	return human;
}

void print_number(struct printer *printer, const char *key, const char *head, uint64_t number)
{
	if (printer->style == PRINT_JSON)
		json_add(printer, key, json_integer((json_int_t)number));
	else
		text_field(printer, key, head, plain(number).text, NULL, true);
}

void print_flag(struct printer *printer, const char *key)
{
	if (printer->style == PRINT_JSON)
		json_add(printer, key, json_true());
	else
		text_field(printer, key, NULL, "yes", NULL, false);
}

void print_bytes(struct printer *printer, const char *key, const char *head, uint64_t bytes)
{
	struct human human = human_size((double)bytes);

	if (printer->style == PRINT_JSON)
		json_add(printer, key, json_integer((json_int_t)bytes));
	else if (printer->style == PRINT_DETAIL)
		text_field(printer, key, head, plain(bytes).text, human.text, true);
	else
		text_field(printer, key, head, human.text, NULL, true);
}

static void print_real(struct printer *printer, const char *key, const char *head, double value,
		       struct human human)
{
	if (printer->style == PRINT_JSON)
		json_add(printer, key, json_real(value));
	else
		text_field(printer, key, head, human.text, NULL, true);
}

void print_rate(struct printer *printer, const char *key, const char *head, double per_second)
{
	print_real(printer, key, head, per_second, human_count(per_second));
}

void print_byte_rate(struct printer *printer, const char *key, const char *head, double per_second)
{
	print_real(printer, key, head, per_second, human_size(per_second));
}

void print_time_us(struct printer *printer, const char *key, const char *head, double us)
{
	if (us < 0 && printer->style == PRINT_JSON)
		json_add(printer, key, json_null());
	else if (us < 0)
		text_field(printer, key, head, "-", NULL, true);
	else
		print_real(printer, key, head, us, human_time_us(us));
}

void print_counter(struct printer *printer, const char *key, uint64_t count, const char *what)
{
	if (printer->style == PRINT_JSON)
		json_add(printer, key, json_integer((json_int_t)count));
	else
		text_field(printer, key, NULL, plain(count).text, what, true);
}

void print_column(struct printer *printer, const char *head, const char *text, bool right)
{
	if (head && printer->style == PRINT_TABLE && printer->item_depth == 1)
		table_cell(printer->table, head, text, right);
}

static void detail_value(struct printer *printer, const char *text)
{
	if (printer->style != PRINT_DETAIL)
		return;
	fprintf(printer->out, "%*s%s", printer->values ? 1 : 2 * (printer->item_depth - 1), "", text);
	printer->values++;
}

void print_value_text(struct printer *printer, const char *text)
{
	if (printer->style == PRINT_JSON)
		json_add(printer, NULL, json_string(text));
	else
		detail_value(printer, text);
}
