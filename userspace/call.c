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

/* In one write, so that what several processes say is not mixed. */
static void complain(const struct call *call, const char *hint, const char *format, va_list args)
{
	char text[1024];
	FILE *out = fmemopen(text, sizeof(text) - 1, "w");

	fflush(stdout);
	if (!out)
		return;
	fprintf(out, "smemv%s%s%s%s%s%s: ", call->object ? ": " : "",
		call->object ? call->object : "", call->action ? " " : "",
		call->action ? call->action : "", call->subject ? " " : "",
		call->subject ? call->subject : "");
	vfprintf(out, format, args);
	fprintf(out, "\n%s", hint);
	fclose(out);
	text[sizeof(text) - 1] = '\0';
	fputs(text, stderr);
}

int call_fail(const struct call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(call, "", format, args);
	va_end(args);
	return EXIT_FAILURE;
}

int call_usage(const struct call *call, const char *format, ...)
{
	char hint[64];
	va_list args;

	snprintf(hint, sizeof(hint), "Try 'smemv help%s%s'.\n", call->object ? " " : "",
		 call->object ? call->object : "");
	va_start(args, format);
	complain(call, hint, format, args);
	va_end(args);
	return EXIT_USAGE;
}
