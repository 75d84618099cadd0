/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Part of page.pml: server 0 is drained to server 1 (feature PUSH, rule 5). The
 * client opens a drain at the target, orders server 0 to push the page, and closes
 * the drain; the pushed copy travels between the servers and may arrive whenever it
 * likes, also long after server 0 took it for lost. Without PUSH nothing is here.
 */
#if PUSH

#define STALE_PUSH	7	/* a PUSHED frame of a drain that was closed */
#define R_SKIPPED	10	/* the push failed, or nobody knows */

bit drain;		/* open, at the client and at server 1 */
bit push_open;		/* the client waits for server 0's reply */
bit push_unknown;	/* it will never hear it */
byte pushed;		/* content on its way from server 0 to 1 */
bit pushed_stale;	/* of a drain that was closed */
bit pushed_alive;	/* server 0 can still answer the client about it */
byte push_answer;	/* server 1's answer on its way back */
bit tombstone;		/* server 1: invalidated while the drain was open */

#define is_no_drain_source(s)	(!drain || s != 0)
#define may_reconcile(s)	(!drain)
#define may_apply(s, frame)	((frame != PUSHED && frame != STALE_PUSH) || \
				 (pushed == NONE && push_answer == 0))
#define no_push			(!drain && !push_open && !push_unknown && \
				 pushed == NONE && push_answer == 0)

inline age_push() {
	age(pushed)
}

/* The pushed copy may be at server 1 or get there: it must be told. */
inline leave_pushed_copy(to) {
	if
	:: push_open || push_unknown -> lnk[1].owe = (to != 1)
	:: else
	fi
}

inline remember_invalidation(s) {
	if
	:: s == 1 && drain -> tombstone = 1
	:: else
	fi
}

inline begin_push(frame, live) {
	if
	:: srv[0].copy == NONE -> x = (live -> R_SKIPPED : 0)
	:: else ->
		pushed = srv[0].copy;
		pushed_stale = (frame == STALE_PUSH);
		pushed_alive = live;
		x = 0
	fi
}

inline lose_push(s) {
	if
	:: s == 0 ->
		pushed_alive = 0;
		push_unknown = push_unknown || push_open;
		push_open = 0
	:: else
	fi
}

inline got_push_reply(applied) {
	push_open = 0;
	if
	:: applied && where == 0 ->
		where = 1;
		lnk[0].owe = 1
	:: applied && where != 0
	:: !applied -> push_unknown = 1
	fi
}

inline client_opens_drain() {
	d_step {
		!drain && lnk[1].up ->
		printf("client: opens a drain\n");
		drain = 1
	}
}

/* What is unsettled at the target would fall on the pushed copy. */
#define settled_at_target	(!lnk[1].inv && !lnk[1].owe && !lnk[1].gave_up && \
				 lnk[1].stores == 0)

inline client_pushes() {
	d_step {
		drain && !push_open && !push_unknown && where == 0 && lnk[0].up && room(0) &&
		settled_at_target ->
		printf("client: has server 0 push\n");
		send(0, PUSHED);
		push_open = 1
	}
}

#define make_stale(frame) \
	if \
	:: frame == PUSHED -> frame = STALE_PUSH \
	:: else \
	fi

inline client_closes_drain() {
	d_step {
		drain && !push_open && lnk[1].up ->
		printf("client: closes the drain\n");
		drain = 0;
		tombstone = 0;
		pushed_stale = (pushed != NONE);
		for (i : 0 .. DEPTH - 1) {
			make_stale(srv[0].in[i]);
			make_stale(srv[0].dead[i])
		}
		i = 0;
		if
		:: push_unknown && where != 1 && lnk[1].stores == 0 -> lnk[1].owe = 1
		:: else
		fi;
		push_unknown = 0
	}
}

inline push_arrives() {
	d_step {
		pushed != NONE && push_answer == 0 ->
		if
		:: !RULE5 || (srv[1].copy == NONE && drain && !tombstone && !pushed_stale) ->
			printf("server 1: keeps the pushed copy\n");
			srv[1].copy = pushed;
			push_answer = R_PUSHED
		:: else ->
			printf("server 1: refuses the pushed copy\n");
			push_answer = R_SKIPPED
		fi;
		pushed = NONE;
		pushed_stale = 0
	}
}

inline push_is_lost() {
	d_step {
		pushed != NONE ->
		printf("network: the pushed copy is lost\n");
		pushed = NONE;
		pushed_stale = 0;
		push_answer = R_SKIPPED
	}
}

inline push_is_answered() {
	d_step {
		push_answer != 0 && (!pushed_alive || srv[0].n_out < DEPTH) ->
		printf("server 0: hears about its push\n");
		if
		:: pushed_alive -> reply(0, push_answer)
		:: else
		fi;
		pushed_alive = 0;
		push_answer = 0
	}
}

/* It has waited long enough, while the copy is still on its way. */
inline server_gives_up_push() {
	d_step {
		pushed != NONE && pushed_alive && srv[0].n_out < DEPTH ->
		printf("server 0: takes its push for lost\n");
		reply(0, R_SKIPPED);
		pushed_alive = 0
	}
}

#define PUSH_STEPS \
	:: client_opens_drain() \
	:: client_pushes() \
	:: client_closes_drain() \
	:: push_arrives() \
	:: push_is_lost() \
	:: push_is_answered() \
	:: server_gives_up_push()

#else

#define PUSH_STEPS
#define is_no_drain_source(s)	1
#define may_reconcile(s)	1
#define may_apply(s, frame)	1
#define no_push			1
inline age_push() { skip }
inline leave_pushed_copy(to) { skip }
inline remember_invalidation(s) { skip }
inline lose_push(s) { skip }

#endif
