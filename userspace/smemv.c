// SPDX-License-Identifier: GPL-2.0-only
/* The command smemv: its table of objects and actions, and its help. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

struct action {
	const char *name;
	int (*run)(struct call *call);
	const char *synopsis;
	const char *what;
};

/* An object has actions, or is itself the command. */
struct object {
	const char *name;
	const char *what;
	const struct action *actions;
	int (*run)(struct call *call);
	const char *synopsis;
};

static const struct action server_actions[] = {
	{ "add", server_add, "NAME ADDR[:PORT] [limit SIZE] [lanes N] [timeout MS]",
	  "use a memory server, at most SIZE of it, over N connections;\n"
	  "a connection whose answer is due for MS counts as dead" },
	{ "show", server_show, "[NAME]", "list the servers, or tell everything about one" },
	{ "del", server_del, "NAME", "use it no longer; it must hold no pages of ours" },
	{ "drain", server_drain, "NAME [to NAME[,NAME]]", "move its pages to other servers" },
	{ 0 },
};

static const struct action swap_actions[] = {
	{ "add", swap_add,
	  "SIZE [servers NAME[,NAME]] [name NAME] [policy error|suspend]\n"
	  "                       [deadline MS] [queues N]",
	  "make a disk for swapon(8) and print its path; a request that no\n"
	  "server answered within MS fails (error) or waits (suspend)" },
	{ "show", swap_show, "[NAME]", "list the swap disks, or tell everything about one" },
	{ "set", swap_set, "NAME [policy error|suspend] [deadline MS]", "change these" },
	{ "del", swap_del, "NAME", "remove a disk that is not in use" },
	{ 0 },
};

static const struct action vm_actions[] = {
	{ "create", vm_create,
	  "NAME size SIZE [budget SIZE] [servers NAME[,NAME]] [dma]\n"
	  "                          [overcommit] [policy error|suspend] [deadline MS]",
	  "make the memory file /dev/smemv/NAME for a guest, of which budget\n"
	  "SIZE may be on this host; dma: devices write to it (VFIO); overcommit:\n"
	  "the servers need not be able to hold the rest" },
	{ "show", vm_show, "[NAME]", "list the memory files, or tell everything about one" },
	{ "set", vm_set, "NAME [budget SIZE] [policy error|suspend] [deadline MS]", "change these" },
	{ "populate", vm_populate, "NAME", "bring its pages here as far as the budget goes, and wait for that" },
	{ "evict", vm_evict, "NAME SIZE", "move so much of it to the servers, and wait for that" },
	{ "map", vm_map, "NAME", "where its pages are; with --json: what another main host needs to adopt it" },
	{ "adopt", vm_adopt, "NAME FILE [budget SIZE] [policy error|suspend] [deadline MS]",
	  "claim the pages of another main host's file, as its map in FILE (-: standard\n"
	  "input) says; makes /dev/smemv/NAME unless it is there" },
	{ "activate", vm_activate, "NAME", "become the owner of what was adopted: now a guest may run on it" },
	{ "take-back", vm_take_back, "NAME [force]",
	  "own it again when the new owner never activated it; force: or when nobody\n"
	  "can know that, and you do" },
	{ "attach", vm_attach, "NAME pid PID",
	  "tell it how the KVM guest of that process uses its pages: scans it" },
	{ "heat", vm_heat, "NAME [--png FILE]",
	  "how much of it was accessed how long ago, and where; or a picture\n"
	  "of that in FILE. The guest must be attached" },
	{ "del", vm_del, "NAME", "remove a memory file that is not in use, and its content" },
	{ 0 },
};

static const struct action scan_actions[] = {
	{ "start", scan_start, "pid PID [interval MS]",
	  "watch which pages the KVM guest of a process accesses, each MS at\n"
	  "least (1000), as seldom as needed to use less than 1% of a processor" },
	{ "show", scan_show, "[PID]", "list the scans, or one with its pages by age" },
	{ "stop", scan_stop, "pid PID", "watch it no longer" },
	{ 0 },
};

static const struct object objects[] = {
	{ "server", "memory servers", server_actions, NULL, NULL },
	{ "swap", "swap disks whose pages are on memory servers", swap_actions, NULL, NULL },
	{ "vm", "memory files: guests whose memory is partly on memory servers", vm_actions, NULL, NULL },
	{ "migrate", "move a running guest: hot memory to its new main host, the rest straight to the\n"
	  "servers of this host; QMP is the path of a monitor socket, or HOST:PORT", NULL, migrate,
	  "from QMP to QMP via ADDR:PORT|uri URI [budget SIZE]\n"
	  "                  [servers NAME[,NAME]] [heat auto|scanner|dirty|address]\n"
	  "                  [bandwidth SIZE] [warmup SECONDS] [downtime MS] [timeout SECONDS]\n"
	  "                  [patience SECONDS] [auto-converge] [keep-source] [check]" },
	{ "show", "everything, once or refreshing", NULL, show,
	  "[--watch [SECONDS] [count N]] [pid PID[,PID]] | --metrics" },
	{ "monitor", "events as they happen", NULL, monitor, "[count N]" },
	{ "scan", "accessed pages of KVM guests", scan_actions, NULL, NULL },
	{ "reclaim", "page out what a scan found cold of a guest with ordinary memory, to swap: once, or with\n"
	  "--daemon again and again to hold the guest at a size", NULL, reclaim,
	  "pid PID [cold SECONDS] [rate SIZE] [--daemon target SIZE]" },
	{ 0 },
};

static const struct object *object_find(const char *name)
{
	const struct object *object;

	for (object = objects; object->name; object++)
		if (!strcmp(object->name, name))
			return object;
	return NULL;
}

static void help_lines(const char *text)
{
	size_t len;

	for (;; text += len + 1) {
		len = strcspn(text, "\n");
		printf("        %.*s\n", (int)len, text);
		if (!text[len])
			return;
	}
}

static void help_object(const struct object *object)
{
	const struct action *action;

	if (object->run) {
		printf("    smemv %s %s\n", object->name, object->synopsis);
		help_lines(object->what);
	}
	for (action = object->actions; action && action->name; action++) {
		printf("    smemv %s %s %s\n", object->name, action->name, action->synopsis);
		help_lines(action->what);
	}
}

static int help_all(void)
{
	const struct object *object;

	puts("Usage: smemv [--json] OBJECT [ACTION] [ARGUMENTS]\n"
	     "Bare smemv is smemv show.\n");
	for (object = objects; object->name; object++)
		help_object(object);
	puts("    smemv help [OBJECT] | --help | --version\n"
	     "\n"
	     "--json  makes JSON of what is printed.\n"
	     "SIZE    is in bytes, or with K, M, G or T (powers of 1024).\n"
	     "ADDR    is an IPv4 address, an IPv6 address ([ADDR]:PORT) or a host name; PORT is 7371\n"
	     "        unless given.\n"
	     "NAME    is 1 to 31 of A-Z a-z 0-9 . _ -\n"
	     "Exit status: 0 done, 1 failed, 2 wrong usage; migrate: see smemv(8).");
	return EXIT_SUCCESS;
}

static int help(struct call *call)
{
	const char *name = call_next(call);
	const struct object *object;

	if (!name)
		return help_all();
	object = object_find(name);
	if (!object)
		return call_usage(call, "there is no object \"%s\"", name);
	help_object(object);
	return EXIT_SUCCESS;
}

static int run_action(struct call *call, const struct object *object)
{
	const struct action *action;
	const char *name = call_next(call);

	if (!name)
		return call_usage(call, "the action is missing");
	for (action = object->actions; action->name; action++) {
		if (strcmp(action->name, name))
			continue;
		call->action = action->name;
		return action->run(call);
	}
	return call_usage(call, "there is no action \"%s\"", name);
}

static int run(struct call *call, bool wants_help)
{
	const char *name = call_next(call);
	const struct object *object;

	if (!name)
		return wants_help ? help_all() : show(call);
	if (!strcmp(name, "help"))
		return help(call);
	object = object_find(name);
	if (!object)
		return call_usage(call, "there is no object \"%s\"", name);
	call->object = object->name;
	if (wants_help) {
		help_object(object);
		return EXIT_SUCCESS;
	}
	return object->run ? object->run(call) : run_action(call, object);
}

struct options {
	bool help;
	bool version;
};

/* Options that every command has may stand anywhere; "--" ends them. */
static void take_options(struct call *call, struct options *options)
{
	bool open = true;
	int i, kept = 0;

	for (i = 0; i < call->n_args; i++) {
		const char *arg = call->args[i];

		if (open && !strcmp(arg, "--json"))
			call->json = true;
		else if (open && (!strcmp(arg, "--help") || !strcmp(arg, "-h")))
			options->help = true;
		else if (open && (!strcmp(arg, "--version") || !strcmp(arg, "-V")))
			options->version = true;
		else if (open && !strcmp(arg, "--"))
			open = false;
		else
			call->args[kept++] = call->args[i];
	}
	call->n_args = kept;
}

/* What was promised on stdout must have got there; what else went wrong says more. */
static int close_output(const struct call *call, int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	call_fail(call, "cannot write the output");
	return status ? status : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct call call = { .args = argv + 1, .n_args = argc ? argc - 1 : 0 };
	struct options options = { false, false };

	take_options(&call, &options);
	if (options.version) {
		puts("smemv " SMEMV_VERSION);
		return close_output(&call, EXIT_SUCCESS);
	}
	return close_output(&call, run(&call, options.help));
}
