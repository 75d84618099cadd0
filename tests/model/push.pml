/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Part of page.pml: server 0 is drained to server 1 (feature PUSH, rule 5). The client
 * opens a drain at the target, orders server 0 to push the page, and closes the drain;
 * meanwhile the guest writes, the page is stored, loaded, taken and given back as always.
 * The pushed copy travels between the servers and may arrive whenever it likes, also long
 * after server 0 took it for lost. Without PUSH nothing is here.
 */
#if PUSH

#ifndef ABSENT
#define ABSENT 1	/* applied only where nothing is held */
#endif
#ifndef TOMB
#define TOMB 1		/* applied only if not invalidated since the drain was opened */
#endif
#ifndef OPEN
#define OPEN 1		/* applied only while the drain that ordered it is open */
#endif
#ifndef VOID
#define VOID 1		/* a push that was open when its target was found restarted failed */
#endif

#define STALE_PUSH	7	/* a PUSHED frame of an earlier drain */
#define R_SKIPPED	10	/* surely not applied: held, full, unreachable, missing */
#define R_UNKNOWN	11	/* sent, and no answer came */

bit drain;		/* the client: it has one open */
bit open;		/* server 1: it is open here */
bit tombstone;		/* server 1: the page was invalidated while it was open */
bit push_open;		/* the client waits for server 0's reply */
bit push_void;		/* and whatever it says, server 1 was restarted */
bit push_unknown;	/* server 1 may have the copy, or get it until the drain is closed */
byte pushed;		/* content on its way from server 0 to 1 */
bit pushed_stale;	/* of an earlier drain */
bit pushed_alive;	/* server 0 can still answer the client about it */
byte push_answer;	/* what server 0 hears */

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
	:: s == 1 && open && TOMB -> tombstone = 1
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
		push_unknown = push_unknown || (push_open && !push_void);
		push_open = 0;
		push_void = 0
	:: else
	fi
}

inline got_push_reply(answer) {
	push_open = 0;
	if
	:: push_void
	:: !push_void && answer == R_PUSHED && where == 0 ->
		where = 1;
		lnk[0].owe = 1
	:: !push_void && answer == R_UNKNOWN -> push_unknown = 1
	:: else
	fi;
	push_void = 0
}

#define make_stale(frame) \
	if \
	:: frame == PUSHED -> frame = STALE_PUSH \
	:: else \
	fi

/* Under a new number and token: what is on the way belongs to an earlier one. */
inline client_opens_drain() {
	d_step {
		!drain && !push_open && lnk[1].up ->
		printf("client: opens a drain\n");
		drain = 1;
		open = 1;
		tombstone = 0;
		pushed_stale = (pushed != NONE);
		for (i : 0 .. DEPTH - 1) {
			make_stale(srv[0].in[i]);
			make_stale(srv[0].dead[i])
		}
		i = 0
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

/* The invalidation is remembered, so that the late copy finds no place. */
inline client_settles_unknown() {
	d_step {
		drain && push_unknown && !push_open && where != 1 && lnk[1].stores == 0 ->
		printf("client: does not wait for the pushed copy\n");
		lnk[1].owe = 1;
		push_unknown = 0
	}
}

inline client_closes_drain() {
	d_step {
		drain && !push_open && lnk[1].up ->
		printf("client: closes the drain\n");
		drain = 0;
		open = 0;
		tombstone = 0;
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
		:: (srv[1].copy == NONE || !ABSENT) && !tombstone &&
		   ((open && !pushed_stale) || !OPEN) ->
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

inline push_finds_no_space() {
	d_step {
		pushed != NONE && push_answer == 0 ->
		printf("server 1: has no space for the pushed copy\n");
		pushed = NONE;
		pushed_stale = 0;
		push_answer = R_SKIPPED
	}
}

inline push_is_lost() {
	d_step {
		pushed != NONE && push_answer == 0 ->
		printf("network: the pushed copy is lost\n");
		pushed = NONE;
		pushed_stale = 0;
		push_answer = R_UNKNOWN
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
		reply(0, R_UNKNOWN);
		pushed_alive = 0
	}
}

/* It cannot remember one more invalidation. */
inline target_ends_drain() {
	d_step {
		open ->
		printf("server 1: ends the drain\n");
		open = 0;
		tombstone = 0
	}
}

/* A copy that was sent to it died with its connection. */
inline restart_push(s) {
	if
	:: s == 1 ->
		open = 0;
		tombstone = 0;
		if
		:: pushed != NONE -> pushed = NONE; pushed_stale = 0; push_answer = R_UNKNOWN
		:: else
		fi
	:: else
	fi
}

inline found_push_restarted(s) {
	if
	:: s == 1 ->
		drain = 0;
		push_unknown = 0;
		push_void = push_open && VOID
	:: else
	fi
}

#define PUSH_STEPS \
	:: client_opens_drain() \
	:: client_pushes() \
	:: client_settles_unknown() \
	:: client_closes_drain() \
	:: push_arrives() \
	:: push_finds_no_space() \
	:: push_is_lost() \
	:: push_is_answered() \
	:: server_gives_up_push() \
	:: target_ends_drain()

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
inline restart_push(s) { skip }
inline found_push_restarted(s) { skip }

#endif
