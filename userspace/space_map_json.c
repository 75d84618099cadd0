// SPDX-License-Identifier: GPL-2.0-only
/*
 * A map as JSON: what one main host tells another. Of a run "where" is an index into the
 * servers, or "absent" or "lost".
 */
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "human.h"
#include "print.h"
#include "space_map.h"

static json_t *server_json(const struct smemv_map_server *server)
{
	struct address address = { .len = sizeof(struct sockaddr_in) };
	char id[2 * sizeof(server->server_id) + 1], text[ADDRESS_TEXT_LEN];

	if (space_map_is_hole(server))
		return json_null();
	memcpy(&address.sockaddr, server->address, sizeof(server->address));
	if (address.sockaddr.ss_family == AF_INET6)
		address.len = sizeof(struct sockaddr_in6);
	address_text(&address, text);
	hex_text(server->server_id, sizeof(server->server_id), id);
	return json_pack("{s:s, s:s, s:s}", "name", (const char *)server->name, "id", id, "address", text);
}

static json_t *run_json(const struct smemv_map_run *run)
{
	json_t *json = json_pack("{s:I, s:I}", "first", (json_int_t)run->first, "count",
				 (json_int_t)run->count);

	if (run->where >= SMEMV_MAP_SERVER)
		json_object_set_new(json, "where", json_integer(run->where - SMEMV_MAP_SERVER));
	else
		json_object_set_new(json, "where", json_string(run->where == SMEMV_MAP_LOST ? "lost" : "absent"));
	if (run->flags & SMEMV_MAP_F_HERE)
		json_object_set_new(json, "here", json_true());
	if (run->flags & SMEMV_MAP_F_NEWER)
		json_object_set_new(json, "newer", json_true());
	return json;
}

int space_map_write(const struct space_map *map, FILE *out, struct reason *why)
{
	json_t *servers = json_array(), *runs = json_array(), *json;
	char uuid[37];
	size_t i;
	int err;

	uuid_text(map->space.uuid, uuid);
	for (i = 0; i < map->space.nr_servers; i++)
		json_array_append_new(servers, server_json(&map->servers[i]));
	for (i = 0; i < map->n_runs; i++)
		json_array_append_new(runs, run_json(&map->runs[i]));
	json = json_pack("{s:s, s:I, s:I, s:s, s:I, s:o, s:o}", "uuid", uuid, "epoch",
			 (json_int_t)map->space.epoch, "size_bytes", (json_int_t)map->space.size_bytes,
			 "owner", owner_text(map->space.state), "arbiter",
			 (json_int_t)map->space.arbiter, "servers", servers, "runs", runs);
	err = !json || json_dumpf(json, out, JSON_COMPACT | JSON_PRESERVE_ORDER) ? -ENOMEM : 0;
	if (err)
		reason_set(why, "the map could not be written");
	else
		fputc('\n', out);
	json_decref(json);
	return err;
}

/* Hexadecimal digits, dashes between them or not. */
static bool parse_bytes(const char *text, uint8_t *bytes, size_t len)
{
	size_t n = 0;
	unsigned int byte;
	int used;

	for (; *text; text += used) {
		if (*text == '-') {
			used = 1;
			continue;
		}
		if (n == len || strspn(text, "0123456789abcdefABCDEF") < 2 ||
		    sscanf(text, "%2x%n", &byte, &used) != 1)
			return false;
		bytes[n++] = byte;
	}
	return n == len;
}

/* The address is for people: what counts is the id. */
static bool read_server(json_t *json, struct smemv_map_server *server)
{
	const char *name, *id, *text;
	char host[ADDRESS_HOST_LEN];
	struct address address;
	struct reason why;
	uint16_t port;

	memset(server, 0, sizeof(*server));
	if (json_is_null(json))
		return true;
	if (json_unpack(json, "{s:s, s:s, s:s}", "name", &name, "id", &id, "address", &text) ||
	    !parse_bytes(id, server->server_id, sizeof(server->server_id)))
		return false;
	strncpy((char *)server->name, name, sizeof(server->name) - 1);
	if (!address_split(text, host, &port, &why) && !address_resolve(host, port, &address, &why) &&
	    address.len <= sizeof(server->address))
		memcpy(server->address, &address.sockaddr, address.len);
	return true;
}

static bool read_where(json_t *json, uint16_t *where)
{
	const char *text = json_string_value(json);
	json_int_t index = json_integer_value(json);

	if (text && !strcmp(text, "absent"))
		*where = SMEMV_MAP_ABSENT;
	else if (text && !strcmp(text, "lost"))
		*where = SMEMV_MAP_LOST;
	else if (json_is_integer(json) && index >= 0 && index < SPACE_MAP_SERVERS)
		*where = (uint16_t)(SMEMV_MAP_SERVER + index);
	else
		return false;
	return true;
}

static bool read_run(json_t *json, struct smemv_map_run *run)
{
	int here = 0, newer = 0;
	json_int_t first, count;
	json_t *where;

	memset(run, 0, sizeof(*run));
	if (json_unpack(json, "{s:I, s:I, s:o, s?b, s?b}", "first", &first, "count", &count, "where",
			&where, "here", &here, "newer", &newer) ||
	    first < 0 || count < 1 || count > UINT32_MAX || !read_where(where, &run->where))
		return false;
	run->first = (uint64_t)first;
	run->count = (uint32_t)count;
	run->flags = (uint16_t)((here ? SMEMV_MAP_F_HERE : 0) | (newer ? SMEMV_MAP_F_NEWER : 0));
	return true;
}

static bool read_lists(json_t *servers, json_t *runs, struct space_map *map, struct reason *why)
{
	size_t i;

	if (!json_is_array(servers) || json_array_size(servers) > SPACE_MAP_SERVERS) {
		reason_set(why, "\"servers\" is not a list of at most %d", SPACE_MAP_SERVERS);
		return false;
	}
	map->space.nr_servers = (uint32_t)json_array_size(servers);
	for (i = 0; i < json_array_size(servers); i++) {
		if (read_server(json_array_get(servers, i), &map->servers[i]))
			continue;
		reason_set(why, "server %zu of the map has no proper name, id and address", i);
		return false;
	}
	map->runs = must(calloc(json_array_size(runs) + 1, sizeof(*map->runs)));
	map->n_runs = json_array_size(runs);
	for (i = 0; i < map->n_runs; i++) {
		if (read_run(json_array_get(runs, i), &map->runs[i]))
			continue;
		reason_set(why, "run %zu of the map makes no sense", i);
		return false;
	}
	return true;
}

static bool read_map(json_t *json, struct space_map *map, struct reason *why)
{
	json_int_t epoch, size, arbiter;
	json_t *servers, *runs;
	const char *uuid;

	if (json_unpack(json, "{s:s, s:I, s:I, s:I, s:o, s:o}", "uuid", &uuid, "epoch", &epoch,
			"size_bytes", &size, "arbiter", &arbiter, "servers", &servers, "runs", &runs) ||
	    !parse_bytes(uuid, map->space.uuid, sizeof(map->space.uuid)) || epoch < 1 || size < 1 ||
	    arbiter < 0 || arbiter >= SPACE_MAP_SERVERS || !json_is_array(runs)) {
		reason_set(why, "it is no map as smemv vm map --json prints one");
		return false;
	}
	map->space.epoch = (uint64_t)epoch;
	map->space.size_bytes = (uint64_t)size;
	map->space.arbiter = (uint32_t)arbiter;
	return read_lists(servers, runs, map, why);
}

int space_map_read(FILE *in, struct space_map *map, struct reason *why)
{
	json_error_t error;
	json_t *json = json_loadf(in, JSON_REJECT_DUPLICATES, &error);
	bool good;

	memset(map, 0, sizeof(*map));
	if (!json) {
		reason_set(why, "it is no JSON: %s, line %d", error.text, error.line);
		return -EINVAL;
	}
	good = read_map(json, map, why);
	json_decref(json);
	return good ? 0 : -EINVAL;
}
