/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who owns a space: two hosts that hand a guest to each other, the arbiter (server 0) and
 * the other servers of the space, rule 6 of docs/wire.md. Hosts die, servers are
 * restarted, answers get lost and requests of the dead are applied late, at any step.
 *
 * Searched with one other server and as many deaths as there may be, and with two others
 * (SERVERS=3), where any one of hosts, servers and links dies, once.
 *
 * Asserted: the guest never runs on both hosts, and no store is applied but those of the
 * host whose guest ran last: so a loser cannot write, and taking back loses nothing.
 *
 * Each rule is a switch. With all on no assertion fails; with any one off, one does.
 */
#ifndef CAS
#define CAS 1		/* a claim names the epoch that it believes current */
#endif
#ifndef COMMIT
#define COMMIT 1	/* the guest runs only when its claim is active */
#endif
#ifndef NEVER
#define NEVER 1		/* an active claim is never taken back */
#endif
#ifndef LOOK
#define LOOK 1		/* who is not active stores nothing */
#endif
#ifndef INFORM
#define INFORM 1	/* all servers know of a claim before it is activated */
#endif
#ifndef ARBITER
#define ARBITER 1	/* the word of a restarted arbiter counts for nothing */
#endif
#ifndef FORCE
#define FORCE 1		/* an epoch taken by force is above all claims that nobody knows of */
#endif

#ifndef SERVERS
#define SERVERS 2
#endif
#if SERVERS == 2
#define LAST_EPOCH	5	/* bounds the search: two hand-overs with a taking back each */
#define may_die		true
#define dies		skip
#else
#define LAST_EPOCH	3	/* a hand-over, and taking it back */
#define may_die		(!death)
#define dies		death = 1
bit death;
#endif
#define ALL		((1 << SERVERS) - 1)	/* a bit for each server */
#define ALL_OTHERS	(ALL - 1)		/* but the arbiter */

/* phases of a host */
#define IDLE	0	/* has nothing to do with the space, or lost it */
#define OWNER	1	/* its guest runs */
#define HANDED	2	/* it stopped its guest and handed it over */
#define CLAIM	3	/* asks for the space */
#define CLAIMED	4	/* may look, and wants to run */
#define STUCK	5	/* nobody can know: the operator is told */
#define FORCED	6	/* opens it by the operator's word */

/* requests */
#define R_CLAIM	1
#define R_BACK	2	/* CLAIM with TAKE_BACK */
#define R_ACT	3
#define R_OPEN	4	/* OPEN with CLAIMED */

/* answers */
#define A_OK	1
#define A_LOST	2	/* STALE_EPOCH or NOT_ACTIVE, and the epoch is a claim */
#define A_ACTIVE 3	/* ACTIVE, or STALE_EPOCH of an epoch that is active */
#define A_NONE	4	/* NO_SUCH_SPACE: it was restarted */

typedef server {
	byte epoch;	/* 0: restarted, and not opened since */
	bit claimed;
	byte last;	/* last active epoch */
	byte who;	/* claimant */
	byte claim_of	/* epoch that its claim named */
};
server srv[SERVERS];

typedef host {
	byte phase;
	bit runs;
	bit dead;
	byte own;	/* epoch in which it was active last, 0 never */
	byte want;	/* epoch that it claims */
	bit back;	/* by taking back */
	byte epoch;	/* its claim, or its own */
	byte informed;	/* servers but the arbiter that know of its claim, a bit each; by force all */
	byte hand;	/* epoch that it was handed */
	byte ask[SERVERS];	/* open request to each server, 0 none */
	byte arg[SERVERS];
	byte answer[SERVERS];
	byte told;	/* epoch in the arbiter's answer */
	byte store;	/* epoch of a store under way, 0 none */
	byte store_to	/* server that it goes to */
};
host h[2];

byte truth;		/* whose guest ran last */

/* Scratch, 0 between steps. */
byte x;
byte y;

#define alive(n)	(!h[n].dead)
#if SERVERS == 2
#define all_quiet(n)	(quiet(n, 0) && quiet(n, 1))
#else
#define all_quiet(n)	(quiet(n, 0) && quiet(n, 1) && quiet(n, 2))
#endif
#define quiet(n, s)	(h[n].ask[s] == 0 && h[n].answer[s] == 0)

/* Macros, because an inline takes no structure's member. */
#define request(n, s, what, e) \
	h[n].ask[s] = what; \
	h[n].arg[s] = e

/* ---------------------------------------------------------------- hosts */

inline starts_guest(n) {
	printf("host %d: runs the guest\n", n);
	assert(!h[1 - n].runs);		/* never on both sides */
	h[n].runs = 1;
	h[n].own = 0;
	h[n].informed = 0;
	h[n].phase = OWNER;
	truth = n
}

inline host_hands_over(n) {
	d_step {
		alive(n) && h[n].runs && h[1 - n].hand == 0 && h[n].epoch < LAST_EPOCH ->
		printf("host %d: stops the guest and hands it over\n", n);
		h[n].runs = 0;
		h[n].phase = HANDED;
		h[n].own = h[n].epoch;
		h[1 - n].hand = h[n].epoch
	}
}

inline host_takes_over(n) {
	d_step {
		alive(n) && h[n].phase == IDLE && h[n].hand != 0 && all_quiet(n) ->
		printf("host %d: is handed the guest\n", n);
		h[n].want = h[n].hand;
		h[n].hand = 0;
		h[n].back = 0;
		h[n].own = 0;
		h[n].phase = CLAIM
	}
}

/* It heard nothing, and wants to run the guest again. */
inline host_wants_back(n) {
	d_step {
		alive(n) && h[n].phase == HANDED && all_quiet(n) ->
		printf("host %d: wants the guest back\n", n);
		h[n].want = h[n].own;
		h[n].back = 0;
		h[n].phase = CLAIM
	}
}

inline host_claims(n) {
	d_step {
		alive(n) && h[n].phase == CLAIM && quiet(n, 0) && h[n].want < LAST_EPOCH ->
		printf("host %d: claims epoch %d (taking back: %d)\n", n, h[n].want, h[n].back);
		request(n, 0, R_CLAIM + h[n].back, h[n].want)
	}
}

inline host_informs(n, s) {
	d_step {
		alive(n) && h[n].phase == CLAIMED && !(h[n].informed & (1 << s)) && quiet(n, s) ->
		printf("host %d: tells server %d of its claim\n", n, s);
		request(n, s, R_OPEN, h[n].epoch)
	}
}

inline host_activates(n) {
	d_step {
		alive(n) && h[n].phase == CLAIMED && (h[n].informed == ALL_OTHERS || !INFORM) && quiet(n, 0) ->
		printf("host %d: activates epoch %d\n", n, h[n].epoch);
		request(n, 0, R_ACT, h[n].epoch)
	}
}

/* The operator has seen to it that the other host does not run the guest, and never will. */
inline host_forces(n) {
	d_step {
		alive(n) && (h[n].phase == STUCK || h[n].phase == CLAIM) && h[n].own != 0 &&
		all_quiet(n) && !alive(1 - n) ->
		h[n].epoch = (FORCE -> LAST_EPOCH + 1 : h[n].own + 1);
		printf("host %d: takes epoch %d by force\n", n, h[n].epoch);
		h[n].want = 0;
		h[n].back = 0;
		h[n].informed = 0;
		h[n].phase = FORCED
	}
}

inline host_opens_by_force(n, s) {
	d_step {
		alive(n) && h[n].phase == FORCED && !(h[n].informed & (1 << s)) && quiet(n, s) ->
		printf("host %d: opens the space at server %d by force\n", n, s);
		request(n, s, R_OPEN, h[n].epoch)
	}
}

/* Before it stores there; the commit point was the arbiter's. */
inline host_activates_other(n, s) {
	d_step {
		alive(n) && h[n].runs && quiet(n, s) && srv[s].claimed && srv[s].epoch == h[n].epoch ->
		printf("host %d: activates epoch %d at server %d\n", n, h[n].epoch, s);
		request(n, s, R_ACT, h[n].epoch)
	}
}

/* Also a claimant whose evictor does not know better. */
inline host_stores(n, s) {
	d_step {
		alive(n) && (h[n].runs || h[n].phase == CLAIMED) && h[n].store == 0 ->
		printf("host %d: stores at server %d under epoch %d\n", n, s, h[n].epoch);
		h[n].store = h[n].epoch;
		h[n].store_to = s
	}
}

inline gives_up(n) {
	printf("host %d: lost\n", n);
	h[n].phase = IDLE;
	h[n].own = 0;
	h[n].want = 0;
	h[n].back = 0;
	h[n].epoch = 0;
	h[n].informed = 0
}

inline got_claim(n, said) {
	if
	:: said == A_OK ->
		h[n].epoch = h[n].told;
		h[n].informed = 0;
		h[n].want = 0;
		h[n].back = 0;
		h[n].phase = CLAIMED
	:: said == A_LOST && h[n].own != 0 ->
		/* somebody claimed and is not active */
		h[n].want = h[n].told;
		h[n].back = 1
	:: said == A_NONE -> h[n].phase = STUCK
	:: else -> gives_up(n)
	fi;
	if
	:: said == A_OK && !COMMIT -> starts_guest(n)
	:: else
	fi
}

inline got_activation(n, said) {
	if
	:: said == A_OK -> starts_guest(n)
	:: said == A_NONE -> h[n].phase = STUCK
	:: else -> gives_up(n)
	fi
}

inline got_opened(n, s) {
	h[n].informed = h[n].informed | (1 << s);
	if
	:: h[n].informed == ALL -> starts_guest(n)
	:: else
	fi
}

inline host_hears(n, s) {
	d_step {
		alive(n) && h[n].answer[s] != 0 ->
		printf("host %d: answer %d from server %d\n", n, h[n].answer[s], s);
		x = h[n].answer[s];
		y = h[n].ask[s];
		h[n].answer[s] = 0;
		h[n].ask[s] = 0;
		h[n].arg[s] = 0;
		if
		:: s == 0 && (y == R_CLAIM || y == R_BACK) && h[n].phase == CLAIM -> got_claim(n, x)
		:: s == 0 && y == R_ACT && h[n].phase == CLAIMED -> got_activation(n, x)
		:: s != 0 && y == R_OPEN && h[n].phase == CLAIMED && x == A_OK ->
			h[n].informed = h[n].informed | (1 << s)
		:: s != 0 && y == R_OPEN && h[n].phase == CLAIMED && x != A_OK -> gives_up(n)
		:: y == R_OPEN && h[n].phase == FORCED && x == A_OK -> got_opened(n, s)
		:: else
		fi;
		h[n].told = (s == 0 -> 0 : h[n].told);
		x = 0;
		y = 0
	}
}

/* An open request of a dead host may be applied yet. */
#define clear_answered(n, s) \
	if \
	:: h[n].answer[s] != 0 -> h[n].ask[s] = 0; h[n].arg[s] = 0; h[n].answer[s] = 0 \
	:: else \
	fi

inline host_dies(n) {
	d_step {
		alive(n) && alive(1 - n) && may_die ->
		printf("host %d: dies\n", n);
		dies;
		h[n].dead = 1;
		h[n].runs = 0;
		h[n].phase = IDLE;
		h[n].hand = 0;
		h[n].want = 0;
		h[n].informed = 0;
		h[n].told = 0;
		clear_answered(n, 0);
		clear_answered(n, 1)
#if SERVERS > 2
		; clear_answered(n, 2)
#endif
	}
}

/* ---------------------------------------------------------------- servers */

#define enter(s, n) \
	srv[s].who = n; \
	srv[s].claim_of = srv[s].epoch; \
	srv[s].epoch++; \
	srv[s].claimed = 1; \
	x = A_OK

#define same_claim(s, n, e)	(srv[s].claimed && srv[s].epoch == e + 1 && \
				 srv[s].claim_of == e && srv[s].who == n)

inline loses(s) {
	x = (srv[s].claimed -> A_LOST : A_ACTIVE)
}

inline apply_claim(n, e) {
	if
	:: srv[0].epoch == 0 && ARBITER -> x = A_NONE
	:: else ->
		if
		:: srv[0].epoch == 0 -> srv[0].epoch = e; srv[0].claimed = 0; srv[0].last = e
		:: else
		fi;
		if
		:: same_claim(0, n, e) -> x = A_OK
		:: else ->
			if
			:: srv[0].epoch != e && CAS -> loses(0)
			:: (srv[0].epoch == e || !CAS) && h[n].ask[0] == R_CLAIM ->
				if
				:: !srv[0].claimed || !CAS -> enter(0, n)
				:: else -> loses(0)
				fi
			:: (srv[0].epoch == e || !CAS) && h[n].ask[0] == R_BACK ->
				if
				:: (srv[0].claimed || !NEVER) &&
				   (h[n].own == srv[0].last || !NEVER) -> enter(0, n)
				:: else -> loses(0)
				fi
			fi
		fi
	fi
}

inline apply_activate(s, e) {
	if
	:: srv[s].epoch == 0 -> x = A_NONE
	:: srv[s].epoch != 0 && srv[s].epoch == e ->
		srv[s].claimed = 0;
		srv[s].who = 0;
		srv[s].claim_of = 0;
		srv[s].last = e;
		x = A_OK
	:: else -> loses(s)
	fi
}

inline apply_open(s, e) {
	if
	:: srv[s].epoch < e -> srv[s].epoch = e; srv[s].claimed = 1; x = A_OK
	:: srv[s].epoch == e -> x = A_OK
	:: else -> loses(s)
	fi
}

/* Also of a host that died meanwhile: the request was in the server's buffer. */
inline server_applies(s, n) {
	d_step {
		h[n].ask[s] != 0 && h[n].answer[s] == 0 && (alive(n) || h[n].arg[s] != 0) ->
		if
		:: h[n].ask[s] == R_OPEN -> y = h[n].arg[s]; apply_open(s, y)
		:: h[n].ask[s] == R_ACT -> y = h[n].arg[s]; apply_activate(s, y)
		:: h[n].ask[s] == R_CLAIM || h[n].ask[s] == R_BACK -> y = h[n].arg[s]; apply_claim(n, y)
		fi;
		printf("server %d: request %d of host %d, answer %d\n", s, h[n].ask[s], n, x);
		if
		:: alive(n) ->
			h[n].answer[s] = x;
			h[n].told = (s == 0 -> srv[0].epoch : h[n].told)
		:: else -> h[n].ask[s] = 0; h[n].arg[s] = 0
		fi;
		x = 0;
		y = 0
	}
}

/* Before or after it was applied; rule 2 keeps it from being applied later. */
inline link_dies(s, n) {
	d_step {
		alive(n) && h[n].ask[s] != 0 && may_die ->
		printf("network: link of host %d to server %d dies\n", n, s);
		dies;
		h[n].ask[s] = 0;
		h[n].arg[s] = 0;
		h[n].answer[s] = 0;
		h[n].told = (s == 0 -> 0 : h[n].told)
	}
}

inline server_applies_store(n) {
	d_step {
		h[n].store != 0 ->
		y = h[n].store_to;
		if
		:: srv[y].epoch == h[n].store && (!srv[y].claimed || !LOOK) ->
			printf("server %d: keeps a store of host %d\n", y, n);
			assert(truth == n)	/* nobody else may write */
		:: else -> printf("server %d: refuses a store of host %d\n", y, n)
		fi;
		y = 0;
		h[n].store_to = 0;
		h[n].store = 0
	}
}

inline server_restarts(s) {
	d_step {
		srv[s].epoch != 0 && may_die ->
		printf("server %d: is restarted\n", s);
		dies;
		srv[s].epoch = 0;
		srv[s].claimed = 0;
		srv[s].last = 0;
		srv[s].who = 0;
		srv[s].claim_of = 0;
		if
		:: h[0].store_to == s -> h[0].store = 0; h[0].store_to = 0
		:: else
		fi;
		if
		:: h[1].store_to == s -> h[1].store = 0; h[1].store_to = 0
		:: else
		fi
	}
}

#define with_server(s) \
	:: host_opens_by_force(0, s) \
	:: host_opens_by_force(1, s) \
	:: host_informs(0, s) \
	:: host_informs(1, s) \
	:: host_activates_other(0, s) \
	:: host_activates_other(1, s) \
	:: host_stores(0, s) \
	:: host_stores(1, s) \
	:: host_hears(0, s) \
	:: host_hears(1, s) \
	:: server_applies(s, 0) \
	:: server_applies(s, 1) \
	:: link_dies(s, 0) \
	:: link_dies(s, 1) \
	:: server_restarts(s)

active proctype world() {
	d_step {
		srv[0].epoch = 1;
		srv[0].last = 1;
		srv[1].epoch = 1;
		srv[1].last = 1;
#if SERVERS > 2
		srv[2].epoch = 1;
		srv[2].last = 1;
#endif
		h[0].phase = OWNER;
		h[0].epoch = 1;
		h[0].runs = 1
	}
end:
	do
	:: host_hands_over(0)
	:: host_hands_over(1)
	:: host_takes_over(0)
	:: host_takes_over(1)
	:: host_wants_back(0)
	:: host_wants_back(1)
	:: host_claims(0)
	:: host_claims(1)
	:: host_activates(0)
	:: host_activates(1)
	:: host_forces(0)
	:: host_forces(1)
	:: host_opens_by_force(0, 0)
	:: host_opens_by_force(1, 0)
	:: host_dies(0)
	:: host_dies(1)
	:: server_applies_store(0)
	:: server_applies_store(1)
	:: host_hears(0, 0)
	:: host_hears(1, 0)
	:: server_applies(0, 0)
	:: server_applies(0, 1)
	:: link_dies(0, 0)
	:: link_dies(0, 1)
	:: server_restarts(0)
	with_server(1)
#if SERVERS > 2
	with_server(2)
#endif
	od
}
