// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"

#define FORGET_TRIES	8u

int clients_init(struct clients *c)
{
	memset(c, 0, sizeof(*c));
	c->bucket = calloc(CLIENTS_BUCKETS, sizeof(*c->bucket));
	if (!c->bucket)
		return -ENOMEM;
	TAILQ_INIT(&c->idle);
	pthread_mutex_init(&c->lock, NULL);
	return 0;
}

void clients_free(struct clients *c)
{
	u32 i;

	for (i = 0; i < CLIENTS_BUCKETS; i++) {
		struct client_lane *l;

		while ((l = LIST_FIRST(&c->bucket[i]))) {
			LIST_REMOVE(l, bucket);
			free(l);
		}
	}
	free(c->bucket);
	pthread_mutex_destroy(&c->lock);
}

static struct client_bucket *bucket_of(struct clients *c, const u8 client_id[16], u32 lane)
{
	u64 a, b;

	memcpy(&a, client_id, 8);
	memcpy(&b, client_id + 8, 8);
	a = (a ^ (b * 0x9e3779b97f4a7c15ull) ^ lane) * 0xff51afd7ed558ccdull;
	return &c->bucket[a >> 40 & (CLIENTS_BUCKETS - 1)];
}

static struct client_lane *find(struct clients *c, const u8 client_id[16], u32 lane)
{
	struct client_lane *l;

	LIST_FOREACH(l, bucket_of(c, client_id, lane), bucket)
		if (l->lane == lane && !memcmp(l->client_id, client_id, 16))
			return l;
	return NULL;
}

static bool is_connected(struct clients *c, const u8 client_id[16])
{
	u32 lane;

	for (lane = 0; lane < SMEMV_WIRE_MAX_LANES; lane++) {
		struct client_lane *l = find(c, client_id, lane);

		if (l && l->session)
			return true;
	}
	return false;
}

/* Rule 2: not one of a client that has another lane connected. These are few, but may be the oldest. */
static void forget_oldest(struct clients *c)
{
	u32 tries;

	for (tries = 0; tries < FORGET_TRIES; tries++) {
		struct client_lane *l = TAILQ_FIRST(&c->idle);

		TAILQ_REMOVE(&c->idle, l, idle);
		if (is_connected(c, l->client_id)) {
			TAILQ_INSERT_TAIL(&c->idle, l, idle);
			continue;
		}
		LIST_REMOVE(l, bucket);
		c->n_idle--;
		free(l);
		return;
	}
}

static void set_idle(struct clients *c, struct client_lane *l)
{
	l->session = NULL;
	TAILQ_INSERT_TAIL(&c->idle, l, idle);
	if (++c->n_idle > CLIENTS_REMEMBERED)
		forget_oldest(c);
}

static struct client_lane *find_or_add(struct clients *c, const u8 client_id[16], u32 lane)
{
	struct client_lane *l = find(c, client_id, lane);

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	memcpy(l->client_id, client_id, 16);
	l->lane = lane;
	LIST_INSERT_HEAD(bucket_of(c, client_id, lane), l, bucket);
	set_idle(c, l);
	return l;
}

/* Rule 2: from here on the older connection's thread applies nothing new of it. */
static void fence(struct session *old)
{
	atomic_store(&old->fenced, true);
	old->lane = NULL;
	old->kick(old);
}

static enum smemv_wire_status hello_locked(struct clients *c, struct session *s,
					   const u8 client_id[16], u32 lane,
					   u64 generation, u64 *newest)
{
	struct client_lane *l = find_or_add(c, client_id, lane);

	if (!l)
		return SMEMV_ST_NO_SPACE;
	*newest = l->generation;
	if (generation <= l->generation)
		return SMEMV_ST_FENCED;
	l->generation = generation;
	if (l->session) {
		fence(l->session);
	} else {
		TAILQ_REMOVE(&c->idle, l, idle);
		c->n_idle--;
	}
	l->session = s;
	s->lane = l;
	memcpy(s->client_id, client_id, sizeof(s->client_id));
	return SMEMV_ST_OK;
}

enum smemv_wire_status clients_hello(struct clients *c, struct session *s,
				     const u8 client_id[16], u32 lane,
				     u64 generation, u64 *newest)
{
	enum smemv_wire_status status;

	pthread_mutex_lock(&c->lock);
	status = hello_locked(c, s, client_id, lane, generation, newest);
	pthread_mutex_unlock(&c->lock);
	return status;
}

void clients_bye(struct clients *c, struct session *s)
{
	pthread_mutex_lock(&c->lock);
	if (s->lane) {
		set_idle(c, s->lane);
		s->lane = NULL;
	}
	pthread_mutex_unlock(&c->lock);
}
