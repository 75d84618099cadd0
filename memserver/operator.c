// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../kernel/core/codec.h"
#include "address.h"
#include "operator.h"
#include "options.h"

#define TIMEOUT_MS	10000
#define HDR_LEN		sizeof(struct smemv_wire_hdr)

struct link {
	int fd;
	char server[ADDRESS_TEXT_LEN];
	u64 tag;
	struct smemv_frame reply;
	u8 meta[SMEMV_WIRE_MAX_META];
};

static __attribute__((noreturn, format(printf, 1, 2))) void fail(const char *fmt, ...)
{
	va_list ap;

	fputs("smemv-memserver: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static void send_all(struct link *l, const u8 *data, size_t len)
{
	while (len) {
		ssize_t n = send(l->fd, data, len, MSG_NOSIGNAL);

		if (n < 0)
			fail("%s: cannot send: %s", l->server, strerror(errno));
		data += n;
		len -= (size_t)n;
	}
}

static void recv_all(struct link *l, u8 *data, size_t len)
{
	while (len) {
		ssize_t n = recv(l->fd, data, len, 0);

		if (!n)
			fail("%s closed the connection; see its log", l->server);
		if (n < 0)
			fail("%s: %s", l->server, errno == EAGAIN || errno == EWOULDBLOCK ?
			     "no answer in time" : strerror(errno));
		data += n;
		len -= (size_t)n;
	}
}

/* One request, one reply; returns the reply's status. */
static enum smemv_wire_status ask(struct link *l, unsigned int op, unsigned int flags,
				  const void *body, size_t body_len)
{
	u8 buf[HDR_LEN + 128], hdr[HDR_LEN];
	struct smemv_frame f = { .opcode = (u8)op, .flags = (u16)flags, .tag = ++l->tag };
	int err;

	memcpy(buf + HDR_LEN, body, body_len);
	smemv_frame_seal(buf, &f);
	send_all(l, buf, HDR_LEN + body_len);
	recv_all(l, hdr, sizeof(hdr));
	err = smemv_frame_decode(&l->reply, hdr);
	if (!err && l->reply.data_len)
		err = SMEMV_CODEC_LENGTH;
	if (!err) {
		recv_all(l, l->meta, l->reply.meta_len);
		err = smemv_frame_check(&l->reply, hdr, l->meta);
	}
	if (err)
		fail("%s answered, but not in the S-memV protocol (%s); check address and port",
		     l->server, smemv_codec_strerror(err));
	if (l->reply.tag != f.tag || l->reply.opcode != op || !(l->reply.flags & SMEMV_WIRE_F_REPLY))
		fail("%s answered something that was not asked", l->server);
	return l->reply.status;
}

static void hello(struct link *l)
{
	struct smemv_wire_hello h = {
		.generation = cpu_to_le64(1),
		.features = cpu_to_le64(SMEMV_FEAT_LIST),
		.required = cpu_to_le64(SMEMV_FEAT_LIST),
		.max_pages = cpu_to_le32(SMEMV_WIRE_MAX_PAGES),
		.name = "operator",
	};
	enum smemv_wire_status status;

	if (getrandom(h.client_id, sizeof(h.client_id), 0) != sizeof(h.client_id))
		fail("cannot get random numbers");
	status = ask(l, SMEMV_OP_HELLO, 0, &h, sizeof(h));
	if (status == SMEMV_ST_VERSION) {
		struct smemv_wire_hello_reply r;

		memcpy(&r, l->meta, sizeof(r));
		fail("%s speaks protocol versions %u to %u, this command %u; install matching releases",
		     l->server, le32_to_cpu(r.version_min), le32_to_cpu(r.version_max),
		     SMEMV_WIRE_VERSION);
	}
	if (status == SMEMV_ST_FEATURES)
		fail("%s lacks the feature LIST; update the server", l->server);
	if (status)
		fail("%s refused the connection: %s", l->server, smemv_status_name(status));
}

static void open_link(struct link *l, const char *server)
{
	struct address a;
	char err[512];

	memset(l, 0, sizeof(*l));
	if (address_parse(&a, server, SMEMV_WIRE_PORT, err, sizeof(err)))
		usage_error("--server: %s", err);
	address_format(l->server, sizeof(l->server), &a);
	l->fd = address_connect(&a, TIMEOUT_MS, err, sizeof(err));
	if (l->fd < 0)
		fail("%s", err);
	hello(l);
}

static json_t *space_json(const struct smemv_wire_space_entry *e)
{
	u32 flags = le32_to_cpu(e->flags);
	char uuid[UUID_TEXT_LEN];

	uuid_format(uuid, e->uuid);
	return json_pack("{s:s, s:I, s:I, s:I, s:b, s:b, s:i}", "uuid", uuid,
			 "size_pages", (json_int_t)le64_to_cpu(e->size_pages),
			 "epoch", (json_int_t)le64_to_cpu(e->epoch),
			 "pages", (json_int_t)le64_to_cpu(e->pages),
			 "owned", flags & SMEMV_SPACE_F_OWNED ? 1 : 0,
			 "claimed", flags & SMEMV_SPACE_F_CLAIMED ? 1 : 0,
			 "idle_seconds", (int)le32_to_cpu(e->idle_s));
}

static json_t *get_spaces(struct link *l)
{
	struct smemv_wire_spaces body = { 0 };
	json_t *spaces = json_array();
	enum smemv_wire_status status;

	do {
		u32 i;

		status = ask(l, SMEMV_OP_SPACES, 0, &body, sizeof(body));
		if (status)
			fail("%s: spaces: %s", l->server, smemv_status_name(status));
		for (i = 0; i < l->reply.count; i++) {
			struct smemv_wire_space_entry e;

			memcpy(&e, l->meta + i * sizeof(e), sizeof(e));
			memcpy(body.after, e.uuid, sizeof(body.after));
			json_array_append_new(spaces, space_json(&e));
		}
	} while (l->reply.flags & SMEMV_WIRE_F_MORE && l->reply.count);
	return spaces;
}

static void print_json(json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
}

static void print_spaces(json_t *spaces)
{
	json_t *s;
	size_t i;

	if (!json_array_size(spaces)) {
		puts("no spaces");
		return;
	}
	printf("%-36s  %10s  %10s  %6s  %s\n", "UUID", "SIZE", "HELD", "EPOCH", "OWNER");
	json_array_foreach(spaces, i, s) {
		char size[32], held[32], owner[64] = "connected";

		size_format(size, sizeof(size), (u64)json_integer_value(json_object_get(s, "size_pages")) * 4096);
		size_format(held, sizeof(held), (u64)json_integer_value(json_object_get(s, "pages")) * 4096);
		if (!json_is_true(json_object_get(s, "owned")))
			snprintf(owner, sizeof(owner), "none for %lld s",
				 (long long)json_integer_value(json_object_get(s, "idle_seconds")));
		printf("%-36s  %10s  %10s  %6lld  %s%s\n",
		       json_string_value(json_object_get(s, "uuid")), size, held,
		       (long long)json_integer_value(json_object_get(s, "epoch")), owner,
		       json_is_true(json_object_get(s, "claimed")) ? ", claimed and not active" : "");
	}
}

static int cmd_spaces(struct link *l, const char *arg, bool json)
{
	json_t *spaces = get_spaces(l);

	(void)arg;
	if (json)
		print_json(spaces);
	else
		print_spaces(spaces);
	json_decref(spaces);
	return EXIT_SUCCESS;
}

static int cmd_drop(struct link *l, const char *arg, bool json)
{
	struct smemv_wire_pages_reply r;
	struct smemv_wire_drop body = { 0 };
	enum smemv_wire_status status;

	uuid_parse(body.uuid, arg);
	status = ask(l, SMEMV_OP_DROP, SMEMV_WIRE_F_FORCE, &body, sizeof(body));
	if (status == SMEMV_ST_BUSY)
		fail("space %s: a main host is connected and has it open; delete the disk or VM there, or disconnect it first", arg);
	if (status == SMEMV_ST_NO_SUCH_SPACE)
		fail("space %s: %s holds no such space", arg, l->server);
	if (status)
		fail("space %s: %s", arg, smemv_status_name(status));
	memcpy(&r, l->meta, sizeof(r));
	if (json)
		printf("{\"uuid\": \"%s\", \"pages\": %" PRIu64 "}\n", arg, le64_to_cpu(r.pages));
	else
		printf("dropped %s: %" PRIu64 " pages\n", arg, le64_to_cpu(r.pages));
	return EXIT_SUCCESS;
}

static int cmd_stat(struct link *l, const char *arg, bool json)
{
	enum smemv_wire_status status = ask(l, SMEMV_OP_STAT, 0, "", 0);
	struct smemv_wire_stat_reply r;
	char capacity[32], used[32], free_text[32];
	u64 free_bytes = (u64)l->reply.free_pages * 4096;

	(void)arg;
	if (status)
		fail("%s: stat: %s", l->server, smemv_status_name(status));
	memcpy(&r, l->meta, sizeof(r));
	if (json) {
		json_t *j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "server", l->server,
				      "capacity_pages", (json_int_t)le64_to_cpu(r.capacity_pages),
				      "used_pages", (json_int_t)le64_to_cpu(r.used_pages),
				      "zero_pages", (json_int_t)le64_to_cpu(r.zero_pages),
				      "free_pages", (json_int_t)l->reply.free_pages,
				      "spaces", (json_int_t)le64_to_cpu(r.spaces));

		print_json(j);
		json_decref(j);
		return EXIT_SUCCESS;
	}
	size_format(capacity, sizeof(capacity), le64_to_cpu(r.capacity_pages) * 4096);
	size_format(used, sizeof(used), le64_to_cpu(r.used_pages) * 4096);
	size_format(free_text, sizeof(free_text), free_bytes);
	printf("%s: %s, used %s, free %s, %" PRIu64 " pages, %" PRIu64 " zero pages, %" PRIu64 " spaces\n",
	       l->server, capacity, used, free_text, le64_to_cpu(r.used_pages),
	       le64_to_cpu(r.zero_pages), le64_to_cpu(r.spaces));
	return EXIT_SUCCESS;
}

static const struct command {
	const char *name;
	const char *arg;	/* what must follow, or NULL */
	int (*run)(struct link *l, const char *arg, bool json);
} commands[] = {
	{ "spaces", NULL, cmd_spaces },
	{ "drop", "UUID", cmd_drop },
	{ "stat", NULL, cmd_stat },
};

static const struct command *find_command(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, word))
			return &commands[i];
	return NULL;
}

bool operator_is_command(const char *word)
{
	return find_command(word);
}

int operator_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "server", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	const struct command *cmd = find_command(argv[0]);
	const char *server = "127.0.0.1", *arg = NULL;
	bool json = false;
	struct link l;
	u8 uuid[16];
	int opt;

	while ((opt = getopt_long(argc, argv, "s:j", options, NULL)) >= 0) {
		if (opt == 's')
			server = optarg;
		else if (opt == 'j')
			json = true;
		else
			exit(EXIT_USAGE);
	}
	if (cmd->arg && optind < argc)
		arg = argv[optind++];
	if (cmd->arg && !arg)
		usage_error("%s needs a %s", cmd->name, cmd->arg);
	if (optind < argc)
		usage_error("%s: '%s' is too much", cmd->name, argv[optind]);
	if (arg && uuid_parse(uuid, arg))
		usage_error("%s: '%s' is not a UUID", cmd->name, arg);
	open_link(&l, server);
	return cmd->run(&l, arg, json);
}
