// SPDX-License-Identifier: GPL-2.0-only
#include <netlink/attr.h>
#include <stdlib.h>

#include "command.h"
#include "request.h"

enum { LIMIT, LANES, TIMEOUT, N_OPTIONS };

struct new_server {
	const char *name;
	struct address address;
	uint64_t limit_bytes;
	uint32_t lanes;
	uint32_t timeout_ms;
	struct keyword keywords[N_OPTIONS + 1];
};

static int put_new_server(struct nl_msg *request, const void *arg)
{
	const struct new_server *server = arg;
	int err;

	err = nla_put_string(request, SMEMV_A_SERVER_NAME, server->name);
	err |= nla_put(request, SMEMV_A_SERVER_ADDR, (int)server->address.len,
		       &server->address.sockaddr);
	if (server->keywords[LIMIT].seen)
		err |= nla_put_u64(request, SMEMV_A_SERVER_LIMIT, server->limit_bytes);
	if (server->keywords[LANES].seen)
		err |= nla_put_u32(request, SMEMV_A_SERVER_LANES, server->lanes);
	if (server->keywords[TIMEOUT].seen)
		err |= nla_put_u32(request, SMEMV_A_SERVER_TIMEOUT, server->timeout_ms);
	return err;
}

int server_add(struct call *call)
{
	struct new_server server = {
		.keywords = {
			[LIMIT] = { "limit", "SIZE", parse_size, &server.limit_bytes, false },
			[LANES] = { "lanes", "N", parse_number, &server.lanes, false },
			[TIMEOUT] = { "timeout", "MS", parse_number, &server.timeout_ms, false },
		},
	};
	char host[ADDRESS_HOST_LEN];
	struct reason why;
	const char *text;
	uint16_t port;
	int status;

	server.name = parse_subject(call);
	if (!server.name)
		return EXIT_USAGE;
	text = parse_required(call, "ADDR[:PORT]");
	if (!text)
		return EXIT_USAGE;
	if (address_split(text, host, &port, &why))
		return call_usage(call, "%s", why.text);
	status = parse_keywords(call, server.keywords);
	if (status)
		return status;
	if (address_resolve(host, port, &server.address, &why))
		return call_fail(call, "%s", why.text);
	return request_run(call, SMEMV_CMD_SERVER_ADD, put_new_server, &server, NULL, NULL);
}

int server_show(struct call *call)
{
	return request_show(call, snapshot_servers, view_servers);
}

static int put_name(struct nl_msg *request, const void *name)
{
	return nla_put_string(request, SMEMV_A_SERVER_NAME, name);
}

int server_del(struct call *call)
{
	if (!parse_subject(call) || parse_end(call))
		return EXIT_USAGE;
	return request_run(call, SMEMV_CMD_SERVER_DEL, put_name, call->subject, NULL, NULL);
}
