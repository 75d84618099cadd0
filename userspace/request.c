// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"

int request_put_names(struct nl_msg *request, int attr, const struct name_list *names)
{
	struct nlattr *nest = nla_nest_start(request, NLA_F_NESTED | attr);
	size_t i;

	if (!nest)
		return -1;
	for (i = 0; i < names->count; i++)
		if (nla_put_string(request, SMEMV_A_SERVER_NAME, names->names[i]))
			return -1;
	return nla_nest_end(request, nest);
}

static int exchange(struct link *link, uint8_t command, request_put_fn put, const void *put_arg,
		    link_reply_fn reply, void *reply_arg, struct reason *why)
{
	struct nl_msg *request = must(link_request(link, command, NLM_F_ACK));

	if (put(request, put_arg)) {
		nlmsg_free(request);
		reason_set(why, "the request is too long: name fewer objects");
		return -EMSGSIZE;
	}
	return link_exchange(link, request, reply, reply_arg, why);
}

int request_exchange(uint8_t command, request_put_fn put, const void *put_arg, link_reply_fn reply,
		     void *reply_arg, struct reason *why)
{
	struct link *link;
	int err = link_open(&link, why);

	if (err)
		return err;
	err = exchange(link, command, put, put_arg, reply, reply_arg, why);
	link_close(link);
	return err;
}

int request_run(struct call *call, uint8_t command, request_put_fn put, const void *put_arg,
		link_reply_fn reply, void *reply_arg)
{
	struct reason why;

	if (request_exchange(command, put, put_arg, reply, reply_arg, &why))
		return call_fail(call, "%s", why.text);
	return EXIT_SUCCESS;
}

int request_look(request_snapshot_fn take, const char *name, struct snapshot *snapshot,
		 struct reason *why)
{
	struct link *link;
	int err;

	memset(snapshot, 0, sizeof(*snapshot));
	err = link_open(&link, why);
	if (err)
		return err;
	err = take(link, name, snapshot, why);
	link_close(link);
	return err;
}

static void print_objects(const struct call *call, const struct snapshot *snapshot,
			  request_view_fn view)
{
	enum print_style text_style = call->subject ? PRINT_DETAIL : PRINT_TABLE;
	struct printer *printer = printer_new(stdout, call->json ? PRINT_JSON : text_style);

	view(printer, NULL, snapshot, NULL);
	printer_end(printer, false);
}

int request_show(struct call *call, request_snapshot_fn take, request_view_fn view)
{
	struct snapshot snapshot;
	struct reason why;
	int err;

	if (call_peek(call) && !parse_file_subject(call))
		return EXIT_USAGE;
	if (parse_end(call))
		return EXIT_USAGE;
	err = request_look(take, call->subject, &snapshot, &why);
	if (!err)
		print_objects(call, &snapshot, view);
	snapshot_free(&snapshot);
	return err ? call_fail(call, "%s", why.text) : EXIT_SUCCESS;
}
