// SPDX-License-Identifier: GPL-2.0-only
/* Reader of the test vectors, see tests/vectors/README.md. */
#include <err.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vectors.h"

#define MAX_LINES	4096
#define MAX_BYTES	(2u << 20)

static void add_bytes(struct vector *v, unsigned int byte, unsigned long n)
{
	if (n > MAX_BYTES - v->n_bytes)
		errx(2, "%s: more than %u bytes", v->name, MAX_BYTES);
	memset(v->bytes + v->n_bytes, (int)byte, n);
	v->n_bytes += n;
}

/* "5a 00 a5*4032": bytes in hex, the last one 4032 times */
static void read_hex(struct vector *v, char *line)
{
	char *word, *save;

	for (word = strtok_r(line, " \n", &save); word;
	     word = strtok_r(NULL, " \n", &save)) {
		unsigned int byte;
		unsigned long n = 1;
		char end;
		int got = sscanf(word, "%2x*%lu%c", &byte, &n, &end);

		if (got != 2 && (got != 1 || strlen(word) != 2))
			errx(2, "%s: cannot read \"%s\" as bytes", v->name, word);
		add_bytes(v, byte, n);
	}
}

static void read_meaning(struct vector *v, const char *line)
{
	struct vector_line *l = &v->lines[v->n_lines];

	if (v->n_lines == MAX_LINES ||
	    sscanf(line, "%63s %79s", l->key, l->text) != 2)
		errx(2, "%s: cannot read \"%s\"", v->name, line);
	if (!strcmp(l->key, "expect"))
		snprintf(v->expect, sizeof(v->expect), "%.31s", l->text);
	else
		v->n_lines++;
}

static void read_one(struct vector *v, const char *path)
{
	const char *slash = strrchr(path, '/');
	FILE *in = fopen(path, "r");
	char line[512];
	int in_hex = 0;

	if (!in)
		err(2, "%s", path);
	snprintf(v->name, sizeof(v->name), "%s", slash ? slash + 1 : path);
	v->lines = calloc(MAX_LINES, sizeof(*v->lines));
	v->bytes = malloc(MAX_BYTES);
	if (!v->lines || !v->bytes)
		err(2, "%s", path);
	while (fgets(line, sizeof(line), in)) {
		if (line[0] == '#')
			continue;
		if (in_hex)
			read_hex(v, line);
		else if (!strcmp(line, "hex\n"))
			in_hex = 1;
		else
			read_meaning(v, line);
	}
	fclose(in);
	if (v->n_bytes < 40 || !v->expect[0])
		errx(2, "%s: no frame or no expectation", v->name);
	/* an exact allocation, so that a sanitizer sees each byte read beyond */
	v->bytes = realloc(v->bytes, v->n_bytes);
}

struct vector *vectors_read(const char *directory, size_t *n)
{
	char pattern[4096];
	struct vector *v;
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/*.hex", directory);
	if (glob(pattern, 0, NULL, &g))
		errx(2, "no test vectors in %s: run from the top of the tree",
		     directory);
	v = calloc(g.gl_pathc, sizeof(*v));
	if (!v)
		err(2, "%s", directory);
	for (*n = 0; *n < g.gl_pathc; (*n)++)
		read_one(&v[*n], g.gl_pathv[*n]);
	globfree(&g);
	return v;
}

void vectors_free(struct vector *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(v[i].lines);
		free(v[i].bytes);
	}
	free(v);
}
