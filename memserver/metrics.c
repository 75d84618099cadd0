// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "metrics.h"

struct metrics {
	struct server *server;
	struct MHD_Daemon *daemon;
};

/* Sums the counter at this place of each loop's stats. */
static u64 sum_at(struct server *srv, size_t offset)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < srv->n_loops; i++)
		sum += stats_read((counter *)((char *)srv->loops[i].stats + offset));
	return sum;
}

#define SUM(srv, field)	sum_at(srv, offsetof(struct loop_stats, field))

static void put(FILE *f, const char *name, const char *type, const char *help, u64 value)
{
	fprintf(f, "# HELP smemv_%s %s\n# TYPE smemv_%s %s\nsmemv_%s %" PRIu64 "\n",
		name, help, name, type, name, value);
}

static void put_store(FILE *f, struct server *srv)
{
	struct store_figures s = store_figures(&srv->store);

	put(f, "capacity_pages", "gauge", "Pages with content that fit.", srv->store.capacity);
	put(f, "used_pages", "gauge", "Pages with content held.", s.used);
	put(f, "zero_pages", "gauge", "Zero pages held.", s.zero);
	put(f, "free_pages", "gauge", "Pages with content that still fit.", s.free);
	put(f, "metadata_bytes", "gauge", "Memory of the page tables.", s.nodes * SLAB_FRAME_SIZE);
	put(f, "spaces", "gauge", "Spaces held.", spaces_count(&srv->spaces));
	put(f, "stopping", "gauge", "1 when no new pages are taken.",
	    atomic_load(&srv->store.stopping));
	put(f, "uptime_seconds", "gauge", "Time since the start.",
	    (now_ms() - srv->started_ms) / 1000);
}

static void put_traffic(FILE *f, struct server *srv)
{
	put(f, "connections", "gauge", "Connections.", SUM(srv, connections));
	put(f, "connections_accepted_total", "counter", "Connections accepted.", SUM(srv, accepted));
	put(f, "connections_refused_total", "counter", "Connections above the limit.",
	    SUM(srv, refused));
	put(f, "connections_fenced_total", "counter", "Connections ended by a newer one.",
	    SUM(srv, fenced));
	put(f, "connections_slow_total", "counter", "Connections closed as they took no replies.",
	    SUM(srv, slow_closed));
	put(f, "hello_timeouts_total", "counter", "Connections closed as no HELLO came.",
	    SUM(srv, hello_timeouts));
	put(f, "received_bytes_total", "counter", "Bytes received.", SUM(srv, bytes_in));
	put(f, "sent_bytes_total", "counter", "Bytes sent.", SUM(srv, bytes_out));
	put(f, "pages_stored_total", "counter", "Pages stored.", SUM(srv, pages_stored));
	put(f, "pages_loaded_total", "counter", "Pages loaded.", SUM(srv, pages_loaded));
	put(f, "pages_invalidated_total", "counter", "Pages invalidated.", SUM(srv, pages_forgotten));
	put(f, "pages_pushed_total", "counter", "Pages that other servers took from this one.",
	    SUM(srv, pages_pushed));
	put(f, "pages_delivered_total", "counter", "Pages taken from other servers.",
	    SUM(srv, pages_delivered));
}

/* A label's value from a text for people: letters and underscores only. */
static void label(char *out, size_t len, const char *text)
{
	size_t i;

	for (i = 0; text[i] && i + 1 < len; i++)
		out[i] = (text[i] >= 'a' && text[i] <= 'z') ? text[i] :
			 (text[i] >= 'A' && text[i] <= 'Z') ? (char)(text[i] + 32) : '_';
	out[i] = '\0';
}

static void put_labelled(FILE *f, struct server *srv, const char *name, const char *help,
			 const char *key, size_t offset, unsigned int first, unsigned int end,
			 const char *(*text_of)(unsigned int))
{
	unsigned int i;
	char value[64];

	fprintf(f, "# HELP smemv_%s %s\n# TYPE smemv_%s counter\n", name, help, name);
	for (i = first; i < end; i++) {
		label(value, sizeof(value), text_of(i));
		fprintf(f, "smemv_%s{%s=\"%s\"} %" PRIu64 "\n", name, key, value,
			sum_at(srv, offset + i * sizeof(counter)));
	}
}

static const char *codec_text(unsigned int err)
{
	return smemv_codec_strerror((int)err);
}

static void put_service_time(FILE *f, struct server *srv)
{
	u64 sum = 0;
	unsigned int i;

	fputs("# HELP smemv_service_seconds From the arrival of a request's batch to its reply.\n"
	      "# TYPE smemv_service_seconds histogram\n", f);
	for (i = 0; i < STATS_BUCKETS; i++) {
		sum += sum_at(srv, offsetof(struct loop_stats, service) + i * sizeof(counter));
		if (i < STATS_BUCKETS - 1)
			fprintf(f, "smemv_service_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
				(double)(1u << i) / 1e6, sum);
	}
	fprintf(f, "smemv_service_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n"
		"smemv_service_seconds_sum %.9f\nsmemv_service_seconds_count %" PRIu64 "\n",
		sum, (double)SUM(srv, service_ns) / 1e9, sum);
}

char *metrics_text(struct server *srv, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (!f)
		return NULL;
	put_store(f, srv);
	put_traffic(f, srv);
	put_labelled(f, srv, "requests_total", "Requests by operation.", "op",
		     offsetof(struct loop_stats, requests), SMEMV_OP_HELLO, SMEMV_OP__END,
		     smemv_op_name);
	put_labelled(f, srv, "replies_total", "Replies by status.", "status",
		     offsetof(struct loop_stats, status), 0, SMEMV_ST__END, smemv_status_name);
	put_labelled(f, srv, "page_errors_total", "Single pages that failed, by status.", "status",
		     offsetof(struct loop_stats, page_status), SMEMV_ST_NO_SPACE, SMEMV_ST__END,
		     smemv_status_name);
	put_labelled(f, srv, "malformed_total", "Malformed frames by kind.", "kind",
		     offsetof(struct loop_stats, malformed), 1, SMEMV_CODEC__END, codec_text);
	put_service_time(f, srv);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static enum MHD_Result reply(struct MHD_Connection *conn, unsigned int code,
			     char *text, size_t len, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, text, mode);
	enum MHD_Result ret;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
	ret = MHD_queue_response(conn, code, r);
	MHD_destroy_response(r);
	return ret;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *conn, const char *url,
			      const char *method, const char *version,
			      const char *upload, size_t *upload_len, void **state)
{
	static char not_found[] = "not here: the metrics are at /metrics\n";
	struct metrics *m = arg;
	size_t len = 0;
	char *text;

	(void)version;
	(void)upload;
	(void)upload_len;
	(void)state;
	if (strcmp(method, "GET") || (strcmp(url, "/metrics") && strcmp(url, "/")))
		return reply(conn, MHD_HTTP_NOT_FOUND, not_found, strlen(not_found),
			     MHD_RESPMEM_PERSISTENT);
	text = metrics_text(m->server, &len);
	if (!text)
		return MHD_NO;
	return reply(conn, MHD_HTTP_OK, text, len, MHD_RESPMEM_MUST_FREE);
}

struct metrics *metrics_start(struct server *srv, const struct address *a,
			      char *err, size_t err_len)
{
	struct metrics *m = calloc(1, sizeof(*m));
	unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO;
	char text[ADDRESS_TEXT_LEN];

	if (!m) {
		snprintf(err, err_len, "out of memory");
		return NULL;
	}
	if (a->ss.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	m->server = srv;
	m->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, m,
				     MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)&a->ss,
				     MHD_OPTION_CONNECTION_LIMIT, 16u,
				     MHD_OPTION_CONNECTION_TIMEOUT, 10u,
				     MHD_OPTION_END);
	if (!m->daemon) {
		address_format(text, sizeof(text), a);
		snprintf(err, err_len, "cannot serve metrics on %s: %s", text, strerror(errno));
		free(m);
		return NULL;
	}
	return m;
}

void metrics_stop(struct metrics *m)
{
	MHD_stop_daemon(m->daemon);
	free(m);
}
