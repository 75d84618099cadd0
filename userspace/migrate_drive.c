// SPDX-License-Identifier: GPL-2.0-only
/*
 * Carries a migration out. Whatever happens, it ends with what QEMU itself says about where the guest is:
 * the commit point is QEMU's and the module's, not ours, so that this program may die at any moment.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "human.h"
#include "migrate.h"
#include "migrate_setup.h"
#include "qmp_wire.h"
#include "wait.h"

#define LOOK_EVERY_MS	250

/* For what QEMU does after it answered: giving the guest back, starting it, ending. */
static long long settle_deadline_ms(const struct migration *m)
{
	return clock_ms() + (long long)(2e3 * m->options.patience_s);
}

static void look_at_end(struct migrate_end *end)
{
	struct reason ignored;

	if (migrate_end_ask_state(end, &ignored))
		end->run_state[0] = '\0';	/* gone, or it does not answer */
}

static bool in_state(const struct migrate_end *end, const char *state)
{
	return !strcmp(end->run_state, state);
}

/* Somebody may pause or continue it while it migrates, and it arrives as it was in the end. */
static void note_live_state(struct migration *m)
{
	if (in_state(&m->source, "running") || in_state(&m->source, "paused"))
		strcpy(m->live_state, m->source.run_state);
}

static bool was_paused(const struct migration *m)
{
	return !strcmp(m->live_state, "paused");
}

static bool lives_on_at_source(const struct migration *m)
{
	return in_state(&m->source, "running") || (was_paused(m) && in_state(&m->source, "paused"));
}

/* The destination first: what runs there runs nowhere else, that is what the commit point is for. */
static enum migrate_place find_guest(struct migration *m)
{
	look_at_end(&m->destination);
	look_at_end(&m->source);
	if (in_state(&m->destination, "running"))
		return PLACE_DESTINATION;
	if (lives_on_at_source(m))
		return PLACE_SOURCE;
	if (in_state(&m->source, ""))
		return PLACE_UNKNOWN;
	return PLACE_SOURCE_STOPPED;
}

static int look(struct migration *m)
{
	struct reason detail;
	json_t *answer;
	int err = qmp_run(m->source.qmp, "query-migrate", NULL, &answer, &detail);

	if (err) {
		reason_set(&m->why, "%s: %s", m->source.where, detail.text);
		return err;
	}
	migrate_status_renew(answer, (double)clock_ms() / 1e3, &m->status);
	json_decref(answer);
	err = migrate_end_ask_state(&m->source, &m->why);
	if (!err)
		note_live_state(m);
	return err;
}

/* A guest that is given back by QEMU runs again a moment later; one that is busy with that may not answer. */
static bool may_settle(const struct migration *m)
{
	return m->place == PLACE_SOURCE_STOPPED ||
	       (m->place == PLACE_UNKNOWN && qmp_hangs(m->source.qmp));
}

/* It asked whose the guest is: the destination's, though that may wait to be told to run it. */
static bool says_moved(struct migration *m)
{
	struct reason why = m->why;
	bool moved = m->place == PLACE_SOURCE_STOPPED && m->plan.split && !look(m) &&
		     !strcmp(m->status.state, "moved");

	m->why = why;
	return moved;
}

static void settle_at_source(struct migration *m)
{
	long long deadline_ms = settle_deadline_ms(m);

	do {
		m->place = find_guest(m);
		if (!may_settle(m) || says_moved(m))
			return;
		poll(NULL, 0, LOOK_EVERY_MS);
	} while (clock_ms() < deadline_ms);
}

/* Until QEMU says something, a signal comes, or it is time to look. True: a signal came. */
static bool pause_for_signal(struct migration *m)
{
	struct pollfd event = { .fd = qmp_fd(m->source.qmp), .events = POLLIN };
	long long until_ms = clock_ms() + LOOK_EVERY_MS;
	struct reason ignored;

	do {
		if (ends_wait(&m->signals, 0))
			return true;
		if (poll(&event, 1, 50) > 0) {
			/* Of one that is gone there would be something to read at once, again and again. */
			if (qmp_take_events(m->source.qmp, &ignored))
				poll(NULL, 0, LOOK_EVERY_MS);
			return false;
		}
	} while (clock_ms() < until_ms);
	return false;
}

static void cancel(struct migration *m, enum migrate_result result)
{
	struct reason ignored;

	m->result = result;
	qmp_run(m->source.qmp, "migrate_cancel", NULL, NULL, &ignored);
}

/*
 * No page goes over its QMP connection, which may be forwarded. But past the commit point without it nobody would
 * see whether the guest arrived, or let it run.
 */
static bool lost_destination(struct migration *m)
{
	struct reason detail;

	if (!qmp_take_events(m->destination.qmp, &detail))
		return false;
	reason_set(&m->lost, "%s: %s", m->destination.where, detail.text);
	return true;
}

/* MIGRATE_DONE: it may go on. */
static enum migrate_result look_for_trouble(struct migration *m, bool interrupted, long long deadline_ms)
{
	if (interrupted)
		return MIGRATE_CANCELLED;
	if (lost_destination(m))
		return MIGRATE_FAILED;
	return clock_ms() < deadline_ms ? MIGRATE_DONE : MIGRATE_TIMED_OUT;
}

/* 0 when QEMU has ended the migration, one way or the other. */
static int follow(struct migration *m)
{
	long long deadline_ms = m->started_ms + (long long)(m->options.timeout_s * 1e3);
	long long settled_ms = 0;
	enum migrate_result trouble;
	bool interrupted;
	int err;

	for (;;) {
		err = look(m);
		if (err || migrate_status_is_final(&m->status))
			return err;
		migrate_progress_show(m);
		interrupted = pause_for_signal(m);
		if (settled_ms && clock_ms() > settled_ms) {
			reason_set(&m->why, "QEMU at %s does not end the migration that was cancelled",
				   m->source.where);
			m->result = MIGRATE_FAILED;
			return -ETIMEDOUT;
		}
		trouble = settled_ms ? MIGRATE_DONE : look_for_trouble(m, interrupted, deadline_ms);
		if (trouble == MIGRATE_DONE)
			continue;
		settled_ms = settle_deadline_ms(m);
		cancel(m, trouble);
	}
}

static void explain_standstill(struct migration *m, const struct reason *refusal)
{
	if (*refusal->text)
		reason_set(&m->why, "QEMU at %s has the whole guest, but does not run it: %s",
			   m->destination.where, refusal->text);
	else
		reason_set(&m->why, "QEMU at %s was sent the whole guest, but is in state %s",
			   m->destination.where, m->destination.run_state);
}

/* What it got it could not take in, and will never run. A split's source has its word that it could. */
static bool destination_gave_up(struct migration *m)
{
	struct reason ignored;

	if (m->plan.split || !in_state(&m->destination, "inmigrate") ||
	    migrate_end_ask_migration(&m->destination, &ignored) ||
	    strcmp(m->destination.migration, "failed"))
		return false;
	reason_set(&m->why, "QEMU at %s cannot use what it got", m->destination.where);
	return true;
}

static bool waits_there(const struct migration *m)
{
	return in_state(&m->destination, "paused") || in_state(&m->destination, "prelaunch");
}

/*
 * Until the guest is there as it was at the source, which need not know: its last bytes may be under way. A
 * destination that was started with -S waits to be told; one that cannot have a disk refuses until it can.
 */
static int await_destination(struct migration *m)
{
	long long deadline_ms = settle_deadline_ms(m);

	for (;;) {
		struct reason refusal = { 0 };
		int err = migrate_end_ask_state(&m->destination, &m->why);

		if (err)
			return err;
		if (in_state(&m->destination, "running") || (was_paused(m) && waits_there(m)))
			return 0;
		if (destination_gave_up(m))
			return -ECANCELED;
		if (waits_there(m))
			qmp_run(m->destination.qmp, "cont", NULL, NULL, &refusal);
		if (clock_ms() > deadline_ms) {
			explain_standstill(m, &refusal);
			return -ETIMEDOUT;
		}
		poll(NULL, 0, *refusal.text ? LOOK_EVERY_MS : 50);
	}
}

/* Its guest must never run again. Without an answer it may have gone by itself. */
static void end_source(struct migration *m)
{
	struct reason ignored;

	if (m->options.keep_source)
		return;
	qmp_run(m->source.qmp, "quit", NULL, NULL, &ignored);
	if (qmp_wait_for_end(m->source.qmp, (int)(1e3 * m->options.patience_s)))
		reason_set(&m->warning, "QEMU at %s does not end: end it, its guest must not run again",
			   m->source.where);
}

static void conclude(struct migration *m)
{
	m->result = MIGRATE_DONE;
	m->place = PLACE_DESTINATION;
	m->why.text[0] = '\0';
	m->destination_ready_s = (double)(clock_ms() - m->started_ms) / 1e3;
	migrate_setup_end(m);
	end_source(m);
}

/* The source is done, and stopped; what it has is the only guest there is. */
static void go_on_at_source(struct migration *m)
{
	struct reason ignored;

	migrate_setup_undo(m);
	qmp_wait_for_end(m->destination.qmp, (int)(1e3 * m->options.patience_s));
	m->place = PLACE_SOURCE;
	if (was_paused(m))
		return;	/* and stands still, as before, though QEMU calls it "postmigrate" now */
	qmp_run(m->source.qmp, "cont", NULL, NULL, &ignored);
	settle_at_source(m);
}

/* One that still takes in what it got may yet run it. */
static enum migrate_place place_of_standstill(struct migration *m)
{
	look_at_end(&m->destination);
	if (in_state(&m->destination, "") || (!m->plan.split && in_state(&m->destination, "inmigrate")))
		return PLACE_UNKNOWN;
	return PLACE_DESTINATION_STOPPED;
}

static void finish(struct migration *m)
{
	int err = await_destination(m);

	if (!err) {
		conclude(m);
		return;
	}
	m->result = MIGRATE_FAILED;
	if (err == -ECANCELED) {
		go_on_at_source(m);
		return;
	}
	migrate_setup_end(m);
	m->place = place_of_standstill(m);
}

static void explain_timeout(struct migration *m)
{
	if (m->status.ram_total_bytes)
		reason_set(&m->why, "not finished within %g s (%s left); say auto-converge, or a longer timeout or downtime",
			   m->options.timeout_s, human_size((double)migrate_left_bytes(&m->status)).text);
	else
		reason_set(&m->why, "nothing was sent within %g s", m->options.timeout_s);
}

static void explain_end(struct migration *m)
{
	if (m->result == MIGRATE_CANCELLED)
		reason_set(&m->why, "cancelled");
	else if (m->result == MIGRATE_TIMED_OUT)
		explain_timeout(m);
	else if (*m->lost.text)
		reason_set(&m->why, "%s", m->lost.text);
	else if (*m->status.error)
		reason_set(&m->why, "%s", m->status.error);
	else
		reason_set(&m->why, "QEMU gave up and did not say why; its standard error may");
}

/* What is cancelled before it has a connection leaves QEMU trying to make one. */
static void warn_of_connecting(struct migration *m)
{
	struct reason ignored;

	if (!migrate_end_ask_connects(&m->source, &ignored) && m->source.connects)
		reason_set(&m->warning, "QEMU at %s still tries to connect: before it gives up, in about two minutes, no other migration can begin",
			   m->source.where);
}

/* @err: QEMU's own end of it was not seen, so it may still be going on. */
static void undo(struct migration *m, int err)
{
	if (err)
		cancel(m, m->result);
	settle_at_source(m);
	if (m->place == PLACE_SOURCE) {
		migrate_setup_undo(m);
		warn_of_connecting(m);
	} else if (m->place == PLACE_DESTINATION && !err) {
		conclude(m);	/* what was to end it came too late */
	} else if (says_moved(m)) {
		finish(m);
	}
}

void migrate_drive(struct migration *m)
{
	int err;

	note_live_state(m);
	m->started_ms = clock_ms();
	m->result = MIGRATE_FAILED;
	err = migrate_setup(m);
	if (!err)
		err = follow(m);
	migrate_progress_end();
	m->seconds = (double)(clock_ms() - m->started_ms) / 1e3;
	if (!err && !strcmp(m->status.status, "completed")) {
		finish(m);
	} else {
		if (!err)
			explain_end(m);
		undo(m, err);
	}
	migrate_setup_remove_space(m);
}
