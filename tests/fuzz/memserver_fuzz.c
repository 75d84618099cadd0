// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: what clients send, through the memory server's parser and all its
 * operations on a real, small store. The first byte of the input chooses:
 *
 *   bit 0     the connections have said HELLO and opened a space as handle 1
 *   bit 1     each frame's magic, lengths, page CRCs and CRC are repaired
 *   bit 2     odd tags travel on a second connection
 *   bits 3-7  size of the pieces in which the bytes arrive; 0: as much as there is
 *
 * With bit 1 page data is made up here, so that small inputs store pages.
 */
#include "fuzz.h"
#include "loop_double.h"
#include "memserver/log.h"
#include "memserver/request.h"

#define HDR		sizeof(struct smemv_wire_hdr)
#define STREAM_MAX	(4u << 20)
#define CONTENT_PAGES	64u
#define SPACE_PAGES	4096u

enum { READY = 1, REPAIR = 2, TWO = 4 };

static struct server server;
static struct loop loop;

/* A client: what it sends, and how many replies it may expect. */
struct client {
	struct conn *conn;
	u32 requests;		/* good frames that were sent */
	u32 replies;
	bool malformed;		/* the server has to close */
	bool incomplete;	/* the last frame is not whole */
	u8 *stream;
	u32 len;
};

static struct client clients[2];
static u8 output[STREAM_MAX];

static void start_server(void)
{
	struct slab_options opt = {
		.content_pages = CONTENT_PAGES, .threads = 2,
		.no_hugepages = true, .no_mlock = true,
	};
	char err[256];

	log_init(LOG_L_ERROR);
	REQUIRE(!store_create(&server.store, &opt, err, sizeof(err)));
	REQUIRE(!spaces_init(&server.spaces, &server.store, &server.store.thread[1]));
	double_init(&loop, &server, &server.store.thread[0]);
	clients[0].stream = malloc(STREAM_MAX);
	clients[1].stream = malloc(STREAM_MAX);
	REQUIRE(clients[0].stream && clients[1].stream);
}

/* Making the frames that are sent */

static u8 *append(struct client *cl, const void *bytes, u32 len)
{
	u8 *to = cl->stream + cl->len;

	if (len > STREAM_MAX - cl->len)
		return NULL;
	memcpy(to, bytes, len);
	cl->len += len;
	return to;
}

static void append_sealed(struct client *cl, struct smemv_frame *f, const void *body, u32 body_len)
{
	u8 frame[HDR + 128] = { 0 };

	memcpy(frame + HDR, body, body_len);
	smemv_frame_seal(frame, f);
	REQUIRE(f->meta_len == body_len);
	append(cl, frame, (u32)HDR + body_len);
	cl->requests++;
}

static void say_hello(struct client *cl, u8 number)
{
	struct smemv_wire_hello hello = {
		.client_id = { 1 + number }, .generation = cpu_to_le64(1),
		.features = cpu_to_le64(SERVER_FEATURES),
		.max_pages = cpu_to_le32(SMEMV_WIRE_MAX_PAGES), .name = "fuzz",
	};
	struct smemv_wire_open o = {
		.uuid = { 42 }, .size_pages = cpu_to_le64(SPACE_PAGES),
		.epoch = cpu_to_le64(1), .flags = cpu_to_le32(SMEMV_OPEN_F_CREATE),
	};
	struct smemv_frame f = { .opcode = SMEMV_OP_HELLO };
	struct smemv_frame g = { .opcode = SMEMV_OP_OPEN, .space = 1 };

	append_sealed(cl, &f, &hello, sizeof(hello));
	append_sealed(cl, &g, &o, sizeof(o));
}

static const u8 *made_up_page(u64 index)
{
	static u8 page[SMEMV_WIRE_PAGE_SIZE];

	memset(page, (int)(index | 1), sizeof(page));
	return page;
}

/* Descriptors get the CRC of the page that will follow; some stay wrong. */
static u32 repair_pages(u8 *meta, u32 count)
{
	u32 i, data_len = 0;

	for (i = 0; i < count; i++, meta += sizeof(struct smemv_wire_page)) {
		struct smemv_wire_page p;

		memcpy(&p, meta, sizeof(p));
		if (!smemv_page_has_data(&p))
			continue;
		if ((le32_to_cpu(p.crc) & 0xff) != 0xbc)
			p.crc = cpu_to_le32(smemv_crc32c_page(made_up_page(le64_to_cpu(p.index))));
		memcpy(meta, &p, sizeof(p));
		data_len += SMEMV_WIRE_PAGE_SIZE;
	}
	return data_len;
}

/* Turns the input at hdr into a frame that a receiver takes, if its fields allow. */
static int repair(u8 *hdr, u32 size, struct smemv_frame *f)
{
	struct smemv_wire_hdr h;
	int err;

	memcpy(&h, hdr, HDR);
	h.magic = cpu_to_le32(SMEMV_WIRE_MAGIC);
	h.version = SMEMV_WIRE_VERSION;
	h.reserved = 0;
	memcpy(hdr, &h, HDR);
	err = smemv_frame_decode(f, hdr);
	if ((err && err != SMEMV_CODEC_LENGTH) || size < HDR + f->meta_len)
		return err;
	f->data_len = 0;
	if ((f->opcode == SMEMV_OP_STORE || f->opcode == SMEMV_OP_DELIVER) && !f->flags)
		f->data_len = repair_pages(hdr + HDR + f->body_len, f->count);
	smemv_frame_seal(hdr, f);
	return smemv_frame_decode(f, hdr);
}

static void append_data(struct client *cl, const struct smemv_frame *f, const u8 *meta)
{
	u32 i;

	for (i = 0; i < f->count; i++, meta += sizeof(struct smemv_wire_page)) {
		struct smemv_wire_page p;

		memcpy(&p, meta, sizeof(p));
		if (smemv_page_has_data(&p) &&
		    !append(cl, made_up_page(le64_to_cpu(p.index)), SMEMV_WIRE_PAGE_SIZE))
			cl->incomplete = true;
	}
}

/* What becomes of the frame at `in`; returns the bytes of input that it took, 0 at the end. */
static u32 add_frame(u8 *in, u32 size, int how)
{
	struct client *cl = &clients[how & TWO ? in[8] & 1 : 0];
	struct smemv_frame f = { 0 };
	u32 len;
	int err;

	if (cl->malformed || cl->incomplete)
		return 0;
	err = how & REPAIR ? repair(in, size, &f) : smemv_frame_decode(&f, in);
	if (err) {
		/* a version that is not ours is answered, and closed as well */
		cl->malformed = true;
		append(cl, in, HDR);
		return 0;
	}
	len = (u32)HDR + f.meta_len + (how & REPAIR ? 0 : f.data_len);
	if (size < len) {
		cl->incomplete = true;
		append(cl, in, size);
		return 0;
	}
	cl->malformed = smemv_frame_check(&f, in, in + HDR) != 0 ||
			(f.flags & SMEMV_WIRE_F_REPLY);
	if (!append(cl, in, len))
		cl->incomplete = true;
	else if (how & REPAIR && f.data_len && !cl->malformed)
		append_data(cl, &f, in + HDR + f.body_len);
	if (!cl->malformed && !cl->incomplete)
		cl->requests++;
	return len;
}

static void make_streams(const uint8_t *data, size_t size, int how)
{
	u8 *in = malloc(size);
	u32 at = 0, used;

	REQUIRE(in);
	memcpy(in, data, size);
	while (size - at >= HDR) {
		used = add_frame(in + at, (u32)size - at, how);
		if (!used)
			break;
		at += used;
	}
	free(in);
}

/* What comes back */

static void check_replies(struct client *cl)
{
	size_t len = double_take_output(cl->conn, output, sizeof(output)), at = 0;

	while (at < len) {
		struct smemv_frame f;

		REQUIRE(len - at >= HDR);
		/* a reply to an opcode that nobody knows goes under its number */
		if (cl->malformed && (!output[at + 5] || output[at + 5] >= SMEMV_OP__END)) {
			at += HDR;
			continue;
		}
		REQUIRE(!smemv_frame_decode(&f, output + at));
		REQUIRE(f.flags & SMEMV_WIRE_F_REPLY);
		REQUIRE(len - at >= HDR + f.payload_len);
		REQUIRE(!smemv_frame_check(&f, output + at, output + at + HDR));
		at += HDR + f.payload_len;
		cl->replies++;
	}
	REQUIRE(cl->replies <= cl->requests + 1);
}

static void work_until_idle(struct client *cl)
{
	struct conn *c = cl->conn;

	do {
		if (c->work.kind != WORK_NONE && !atomic_load(&c->session.fenced))
			request_work_step(c);
		check_replies(cl);
	} while (conn_paused(c) && !atomic_load(&c->session.fenced));
	double_finish_drops(&loop);
	check_replies(cl);
}

/* An exact copy in its own memory: what lies behind a received piece is not there. */
static u32 feed(struct client *cl, u32 at, u32 len)
{
	u8 *piece = malloc(len);
	u32 used;

	REQUIRE(piece);
	memcpy(piece, cl->stream + at, len);
	used = conn_input(cl->conn, piece, len);
	REQUIRE(used <= len && (used || conn_paused(cl->conn)));
	free(piece);
	return used;
}

static void deliver(struct client *cl, u32 *at, u32 piece)
{
	u32 len = cl->len - *at;

	if (piece && piece < len)
		len = piece;
	if (!len || cl->conn->state == CONN_CLOSED)
		return;
	*at += feed(cl, *at, len);
	work_until_idle(cl);
}

static void everything_was_answered(struct client *cl)
{
	struct conn *c = cl->conn;

	if (cl->malformed)
		REQUIRE(c->state > CONN_READY || atomic_load(&c->session.fenced));
	else if (c->state == CONN_READY && !atomic_load(&c->session.fenced))
		/* a STORE may be refused before its data is there */
		REQUIRE(cl->replies == cl->requests ||
			(cl->incomplete && cl->replies == cl->requests + 1));
}

/* Starting and cleaning up */

static void swept(struct sweep *sw)
{
	struct drop_job *job = container_of(sw, struct drop_job, sweep);

	loop_drop_done(&loop, job);
}

static void drop_all_spaces(void)
{
	static const u8 first[16];
	struct space_info info;
	bool more = true;

	/* the space with the UUID of zeros is above none: the list starts after it */
	while (more) {
		const u8 *uuid = first;
		struct drop_job *job = calloc(1, sizeof(*job));

		REQUIRE(job);
		if (spaces_list(&server.spaces, first, &info, 1, &more))
			uuid = info.uuid;
		if (spaces_drop(&server.spaces, uuid, NULL, true, &job->sweep.space)) {
			REQUIRE(uuid == first);
			free(job);
			break;
		}
		job->loop = &loop;
		job->sweep.done = swept;
		loop_add_drop(&loop, job);
		spaces_sweep(&server.spaces, &job->sweep);
		more = true;
	}
	double_finish_drops(&loop);
}

static void nothing_is_left(void)
{
	struct store_figures left = store_figures(&server.store);

	REQUIRE(!spaces_count(&server.spaces));
	REQUIRE(!left.used && !left.zero && !left.nodes);
}

static void connect_client(struct client *cl)
{
	cl->conn = conn_new(&loop, -1);
	REQUIRE(cl->conn);
	cl->requests = 0;
	cl->replies = 0;
	cl->malformed = false;
	cl->incomplete = false;
	cl->len = 0;
}

static void disconnect_client(struct client *cl)
{
	conn_close(cl->conn);
	conn_free(cl->conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u32 at[2] = { 0 }, piece, i;

	if (size < 1 + HDR)
		return 0;
	if (!server.store.capacity)
		start_server();
	REQUIRE(!clients_init(&server.clients));
	for (i = 0; i < 2; i++) {
		connect_client(&clients[i]);
		if (data[0] & READY)
			say_hello(&clients[i], (u8)i);
	}
	make_streams(data + 1, size - 1, data[0] & 7);

	piece = (u32)(data[0] >> 3) * 29;
	while (at[0] < clients[0].len || at[1] < clients[1].len)
		for (i = 0; i < 2; i++) {
			if (clients[i].conn->state > CONN_READY)
				at[i] = clients[i].len;
			deliver(&clients[i], &at[i], piece);
		}
	for (i = 0; i < 2; i++)
		everything_was_answered(&clients[i]);
	for (i = 0; i < 2; i++)
		disconnect_client(&clients[i]);
	drop_all_spaces();
	clients_free(&server.clients);
	nothing_is_left();
	return 0;
}
