/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One page of one space, one main host, two memory servers: the ordering and
 * fencing rules of docs/wire.md section 9, checked exhaustively by tests/model/check.
 *
 * Contents are not numbered. A content is NEW (what the guest wrote last) or OLD
 * (anything before, also everything that the guest gave back); a write turns each
 * NEW everywhere into OLD. So runs of any length have finitely many states, and
 * nothing here is bounded but the number of frames in flight (DEPTH).
 *
 * Each rule is a switch. With all on no assertion fails; with any one off, one does.
 */
#ifndef RULE1
#define RULE1 1		/* one page, one order */
#endif
#ifndef RULE2
#define RULE2 1		/* fence before retry */
#endif
#ifndef RULE3
#define RULE3 1		/* never delete on read */
#endif
#ifndef RULE4
#define RULE4 1		/* settled before again */
#endif
#ifndef RECONCILE
#define RECONCILE 1	/* LIST after giving up */
#endif
#ifndef LOCK
#define LOCK 1		/* reconcile locks the page against new stores */
#endif
#ifndef PROVEN
#define PROVEN 1	/* a later store's answer settles an invalidation before it */
#endif
#ifndef INCARNATION
#define INCARNATION 1	/* a restarted server is known by its new server_id */
#endif
#ifndef PUSH
#define PUSH 0		/* server 0 is drained to server 1, see push.pml */
#endif

#define DEPTH	3

/* contents */
#define NONE	0
#define OLD	1
#define NEW	2

/* frames; that of a store is its content, OLD or NEW */
#define INV	3
#define LOAD	4
#define LIST	5
#define PUSHED	6

/* replies */
#define R_STORED	1
#define R_FULL		2
#define R_INV		3
#define R_MISSING	4
#define R_OLD		(4 + OLD)
#define R_NEW		(4 + NEW)
#define R_UNHELD	7
#define R_HELD		8
#define R_PUSHED	9

typedef server {
	byte copy;		/* what it holds of the page */
	byte in[DEPTH];		/* frames of the connection, on the way or received */
	byte n_in;
	byte dead[DEPTH];	/* frames of an older connection, in its buffer */
	byte n_dead;
	byte out[DEPTH];	/* replies on the way */
	byte n_out;
	bit reborn		/* restarted since the client last connected */
};
server srv[2];

/* What the client knows about its connection to a server. */
typedef link {
	bit up;
	byte stores;		/* open requests for the page */
	bit inv;
	bit load;
	bit list;
	bit owe;		/* it may hold a copy that it must be told to forget */
	bit gave_up;		/* it must be reconciled first */
	bit reconciling		/* the invalidation of a reconcile is open */
};
link lnk[2];

#define NOWHERE	2

/* The client's page and its map entry. */
byte mine;		/* content in its own memory */
bit dirty;		/* no server is known to have that content */
byte where = NOWHERE;	/* server that the map attributes the page to */
bit exists;		/* the guest has content there, else zeros */

/* Scratch, 0 between steps. */
byte x;
byte i;

#define loading		(lnk[0].load || lnk[1].load)
#define storing		(lnk[0].stores + lnk[1].stores)
#define room(s)		(srv[s].n_in < DEPTH)
#define is_store(f)	(f == OLD || f == NEW)

/* rule 4 */
#define settled_before_again	(!RULE4 || storing == 0)
#define may_store_to(s)		(!lnk[s].gave_up || !LOCK)

inline send(s, frame) {
	srv[s].in[srv[s].n_in] = frame;
	srv[s].n_in++
}

/* Macros, because an inline takes no structure's member. */
#define pop(queue, n, at) \
	x = queue[at]; \
	for (i : at .. DEPTH - 2) { \
		queue[i] = queue[i + 1] \
	} \
	i = 0; \
	queue[DEPTH - 1] = 0; \
	n--

#define clear(queue, n) \
	for (i : 0 .. DEPTH - 1) { \
		queue[i] = 0 \
	} \
	i = 0; \
	n = 0

#define age(content) \
	if \
	:: content == NEW -> content = OLD \
	:: else \
	fi

#include "push.pml"

/* ---------------------------------------------------------------- the guest */

inline nothing_is_newest_now() {
	for (i : 0 .. DEPTH - 1) {
		age(srv[0].in[i]);
		age(srv[1].in[i]);
		age(srv[0].dead[i]);
		age(srv[1].dead[i])
	}
	i = 0;
	age(srv[0].copy);
	age(srv[1].copy);
	age_push()
}

/* Also the rescue: a page whose store is in flight is written in local memory. */
inline guest_writes() {
	d_step {
		!loading && (mine != NONE || (!exists && where == NOWHERE)) ->
		printf("guest: writes\n");
		nothing_is_newest_now();
		mine = NEW;
		dirty = 1;
		exists = 1
	}
}

/* Hole punch, discard, balloon. */
inline guest_gives_back() {
	d_step {
		!loading && exists ->
		printf("guest: gives the page back\n");
		nothing_is_newest_now();
		mine = NONE;
		dirty = 0;
		exists = 0;
		leave_old_home(NOWHERE)
	}
}

inline guest_reads_zeros() {
	d_step {
		!loading && mine == NONE && where == NOWHERE ->
		assert(!exists)		/* the only copy was dropped */
	}
}

/* ---------------------------------------------------------------- the client */

/* The copy where the map says is worthless now; `to` overwrites its own. */
inline leave_old_home(to) {
	if
	:: where != NOWHERE && where != to -> lnk[where].owe = 1
	:: else
	fi;
	leave_pushed_copy(to);
	where = NOWHERE
}

inline client_stores(s) {
	d_step {
		lnk[s].up && room(s) && mine != NONE && dirty && !loading &&
		settled_before_again && may_store_to(s) && is_no_drain_source(s) &&
		lnk[s].stores < 2 ->
		printf("client: stores to server %d\n", s);
		send(s, mine);
		dirty = 0;
		leave_old_home(s);
		lnk[s].owe = 0;
		lnk[s].stores++
	}
}

inline client_invalidates(s) {
	d_step {
		lnk[s].up && room(s) && lnk[s].owe && !lnk[s].inv &&
		settled_before_again && !lnk[s].gave_up ->
		printf("client: invalidates at server %d\n", s);
		send(s, INV);
		lnk[s].owe = 0;
		lnk[s].inv = 1
	}
}

inline client_evicts_clean() {
	d_step {
		mine != NONE && !dirty && where != NOWHERE ->
		printf("client: drops its clean copy\n");
		mine = NONE
	}
}

inline client_loads(s) {
	d_step {
		lnk[s].up && room(s) && mine == NONE && where == s && !loading ->
		printf("client: loads from server %d\n", s);
		send(s, LOAD);
		lnk[s].load = 1
	}
}

/* The second half of a take: safe and newer here, so the server's copy may go. */
inline client_takes() {
	d_step {
		mine != NONE && where != NOWHERE && !loading ->
		printf("client: takes the page\n");
		dirty = 1;
		leave_old_home(NOWHERE)
	}
}

inline only_here_is_dirty() {
	if
	:: mine != NONE && where == NOWHERE -> dirty = 1
	:: else
	fi
}

inline got_store_reply(s, kept) {
	lnk[s].stores--;
	if
	:: kept && exists && !dirty -> where = s
	:: else ->
		/* refused, rescued and changed, or given back meanwhile */
		lnk[s].owe = 1;
		only_here_is_dirty()
	fi
}

inline got_page(s, content) {
	assert(content == NEW);		/* never an older content, never nothing */
	mine = content;
	lnk[s].load = 0;
	if
	:: RULE3
	:: !RULE3 -> dirty = 1; where = NOWHERE
	fi
}

inline got_list_reply(s, held) {
	lnk[s].list = 0;
	if
	:: held && where != s ->
		send(s, INV);
		lnk[s].owe = 0;
		lnk[s].inv = 1;
		lnk[s].reconciling = 1
	:: else -> lnk[s].gave_up = 0
	fi
}

inline got_inv_reply(s) {
	lnk[s].inv = 0;
	if
	:: lnk[s].reconciling -> lnk[s].reconciling = 0; lnk[s].gave_up = 0
	:: else
	fi
}

/* Replies arrive in any order: `at` is any of those on the way. */
inline client_receives(s, at) {
	d_step {
		at < srv[s].n_out && (srv[s].out[at] != R_HELD || room(s)) ->
		pop(srv[s].out, srv[s].n_out, at);
		printf("client: reply %d from server %d\n", x, s);
		if
		:: x == R_STORED -> got_store_reply(s, 1)
		:: x == R_FULL -> got_store_reply(s, 0)
		:: x == R_INV -> got_inv_reply(s)
		:: x == R_MISSING -> got_page(s, NONE)
		:: x == R_OLD -> got_page(s, OLD)
		:: x == R_NEW -> got_page(s, NEW)
		:: x == R_UNHELD -> got_list_reply(s, 0)
		:: x == R_HELD -> got_list_reply(s, 1)
#if PUSH
		:: x == R_PUSHED || x == R_SKIPPED || x == R_UNKNOWN -> got_push_reply(x)
#endif
		fi;
		x = 0
	}
}

/* ------------------------------------------------- lost links, section 8 */

inline forget_open_requests(s) {
	lnk[s].stores = 0;
	lnk[s].inv = 0;
	only_here_is_dirty()
}

/* Frames in flight stay in the server's buffer, or get lost by `tail_is_lost`. */
inline cut_link(s) {
	lnk[s].up = 0;
	clear(srv[s].out, srv[s].n_out);
	lnk[s].load = 0;
	lnk[s].list = 0;
	lnk[s].reconciling = 0;
	lose_push(s)
}

inline link_dies(s) {
	d_step {
		lnk[s].up && srv[s].n_in + srv[s].n_dead <= DEPTH ->
		printf("network: link to server %d dies\n", s);
		do
		:: srv[s].n_in > 0 ->
			pop(srv[s].in, srv[s].n_in, 0);
			srv[s].dead[srv[s].n_dead] = x;
			srv[s].n_dead++
		:: else -> break
		od;
		x = 0;
		cut_link(s)
	}
}

/* A new incarnation: it holds nothing, and nothing of its connections is left. */
inline server_restarts(s) {
	d_step {
		!srv[s].reborn ->
		printf("server %d: is restarted\n", s);
		srv[s].copy = NONE;
		srv[s].reborn = 1;
		clear(srv[s].in, srv[s].n_in);
		clear(srv[s].dead, srv[s].n_dead);
		cut_link(s);
		restart_push(s)
	}
}

/* A load of the page that is open elsewhere (it was pushed meanwhile) is waited for. */
#define still_coming(s)	(where == s && lnk[1 - s].load)

/* What the map attributes to it is lost, and its owner is told; it never comes back. */
inline found_restarted(s) {
	printf("client: server %d is another one\n", s);
	forget_open_requests(s);
	lnk[s].owe = 0;
	lnk[s].gave_up = 0;
	if
	:: where == s ->
		leave_pushed_copy(s);
		where = NOWHERE;
		if
		:: mine == NONE -> nothing_is_newest_now(); exists = 0
		:: else -> dirty = 1
		fi
	:: else
	fi;
	found_push_restarted(s)
}

inline tail_is_lost(s) {
	d_step {
		!lnk[s].up && srv[s].n_dead > 0 ->
		printf("network: a frame to server %d is lost\n", s);
		srv[s].n_dead--;
		srv[s].dead[srv[s].n_dead] = 0
	}
}

/* HELLO with a higher generation is answered. */
inline link_returns(s) {
	d_step {
		!lnk[s].up && !(srv[s].reborn && still_coming(s)) ->
		printf("client: is connected to server %d again\n", s);
		lnk[s].up = 1;
		if
		:: RULE2 -> clear(srv[s].dead, srv[s].n_dead)
		:: !RULE2
		fi;
		if
		:: srv[s].reborn && INCARNATION -> found_restarted(s)
		:: else
		fi;
		srv[s].reborn = 0;
		if
		:: (lnk[s].stores > 0 || lnk[s].inv) && (where != s || !PROVEN) ->
			lnk[s].owe = 1
		:: else
		fi;
		if
		:: lnk[s].stores > 0 || lnk[s].inv -> forget_open_requests(s)
		:: else
		fi;
		if
		:: RECONCILE
		:: !RECONCILE -> lnk[s].gave_up = 0
		fi
	}
}

/* Policy "error": the page may go elsewhere, s is asked about it later. */
inline client_gives_up(s) {
	d_step {
		!lnk[s].up && !lnk[s].gave_up && where != s &&
		(lnk[s].stores > 0 || lnk[s].inv || lnk[s].owe) ->
		printf("client: gives up on server %d\n", s);
		forget_open_requests(s);
		lnk[s].owe = 0;
		lnk[s].gave_up = 1
	}
}

inline client_reconciles(s) {
	d_step {
		lnk[s].up && room(s) && lnk[s].gave_up && !lnk[s].list &&
		!lnk[s].reconciling && !lnk[s].inv && lnk[s].stores == 0 &&
		may_reconcile(s) ->
		printf("client: lists server %d\n", s);
		send(s, LIST);
		lnk[s].list = 1
	}
}

/* ---------------------------------------------------------------- the servers */

inline apply(s, frame, live) {
	if
	:: is_store(frame) -> srv[s].copy = frame; x = R_STORED
	:: frame == INV ->
		srv[s].copy = NONE;
		remember_invalidation(s);
		x = R_INV
	:: frame == LOAD ->
		x = R_MISSING + srv[s].copy;
		if
		:: RULE3
		:: !RULE3 -> srv[s].copy = NONE
		fi
	:: frame == LIST -> x = (srv[s].copy == NONE -> R_UNHELD : R_HELD)
#if PUSH
	:: frame == PUSHED || frame == STALE_PUSH -> begin_push(frame, live)
#endif
	fi
}

inline reply(s, what) {
	if
	:: what != 0 ->
		srv[s].out[srv[s].n_out] = what;
		srv[s].n_out++
	:: else
	fi
}

inline server_applies(s) {
	d_step {
		lnk[s].up && srv[s].n_in > 0 && srv[s].n_out < DEPTH &&
		may_apply(s, srv[s].in[0]) ->
		pop(srv[s].in, srv[s].n_in, 0);
		printf("server %d: applies frame %d\n", s, x);
		apply(s, x, 1);
		reply(s, x);
		x = 0
	}
}

inline server_is_full(s) {
	d_step {
		lnk[s].up && srv[s].n_in > 0 && srv[s].n_out < DEPTH &&
		is_store(srv[s].in[0]) ->
		pop(srv[s].in, srv[s].n_in, 0);
		printf("server %d: has no space\n", s);
		reply(s, R_FULL);
		x = 0
	}
}

/* A frame that outlived its connection; with rule 2 only until the next HELLO. */
inline server_applies_dead(s) {
	d_step {
		srv[s].n_dead > 0 && (!RULE2 || !lnk[s].up) &&
		may_apply(s, srv[s].dead[0]) ->
		pop(srv[s].dead, srv[s].n_dead, 0);
		printf("server %d: applies frame %d of a dead connection\n", s, x);
		apply(s, x, 0);
		x = 0
	}
}

/* Two lanes for one page: a later frame is applied first. */
inline frame_overtakes(s) {
	d_step {
		!RULE1 && srv[s].n_in > 1 ->
		printf("network: a frame to server %d overtakes\n", s);
		x = srv[s].in[0];
		srv[s].in[0] = srv[s].in[1];
		srv[s].in[1] = x;
		x = 0
	}
}

/* ---------------------------------------------------------------- properties */

#define idle(s)	(lnk[s].up && srv[s].n_in == 0 && srv[s].n_out == 0 && \
		 srv[s].n_dead == 0 && lnk[s].stores == 0 && !lnk[s].inv && \
		 !lnk[s].load && !lnk[s].list && !lnk[s].owe && !lnk[s].gave_up)

/* Nothing comes back: when all is settled, a server holds what the map says. */
inline all_is_settled() {
	d_step {
		idle(0) && idle(1) && no_push ->
		assert(srv[0].copy == NONE || where == 0);
		assert(srv[1].copy == NONE || where == 1);
		assert(where == NOWHERE || srv[where].copy != NONE);
		assert(!exists || mine == NEW || srv[where].copy == NEW)
	}
}

active proctype world() {
	lnk[0].up = 1;
	lnk[1].up = 1;
	do
	:: guest_writes()
	:: guest_gives_back()
	:: guest_reads_zeros()
	:: client_stores(0)
	:: client_stores(1)
	:: client_invalidates(0)
	:: client_invalidates(1)
	:: client_evicts_clean()
	:: client_loads(0)
	:: client_loads(1)
	:: client_takes()
	:: client_receives(0, 0)
	:: client_receives(0, 1)
	:: client_receives(0, 2)
	:: client_receives(1, 0)
	:: client_receives(1, 1)
	:: client_receives(1, 2)
	:: client_gives_up(0)
	:: client_gives_up(1)
	:: client_reconciles(0)
	:: client_reconciles(1)
	:: server_applies(0)
	:: server_applies(1)
	:: server_is_full(0)
	:: server_is_full(1)
	:: server_applies_dead(0)
	:: server_applies_dead(1)
	:: frame_overtakes(0)
	:: frame_overtakes(1)
	:: link_dies(0)
	:: link_dies(1)
	:: tail_is_lost(0)
	:: tail_is_lost(1)
	:: link_returns(0)
	:: link_returns(1)
	:: server_restarts(0)
	:: server_restarts(1)
	:: all_is_settled()
	PUSH_STEPS
	od
}
