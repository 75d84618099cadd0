// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "call.h"

void reason_set(struct reason *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
}

const char *call_peek(const struct call *call)
{
	return call->n_args ? call->args[0] : NULL;
}

const char *call_next(struct call *call)
{
	if (!call->n_args)
		return NULL;
	call->n_args--;
	return *call->args++;
}

static void complain(const struct call *call, const char *format, va_list args)
{
	fflush(stdout);
	fputs("smemv", stderr);
	if (call->object)
		fprintf(stderr, ": %s", call->object);
	if (call->action)
		fprintf(stderr, " %s", call->action);
	if (call->subject)
		fprintf(stderr, " %s", call->subject);
	fputs(": ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int call_fail(const struct call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(call, format, args);
	va_end(args);
	return EXIT_FAILURE;
}

int call_usage(const struct call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(call, format, args);
	va_end(args);
	fprintf(stderr, "Try 'smemv help%s%s'.\n", call->object ? " " : "",
		call->object ? call->object : "");
	return EXIT_USAGE;
}
