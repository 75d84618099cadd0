// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rule 6 as seen by an owner. States of a space on a host:
 *
 *   ACTIVE  -> LOST      a server answers STALE_EPOCH: somebody claimed it
 *   CLAIMED -> ACTIVE    the arbiter's OK to ACTIVATE: the commit point
 *   CLAIMED -> LOST      the arbiter's STALE_EPOCH to it
 *   ACTIVE, LOST -> CLAIMED -> ACTIVE   taking back
 *
 * A file becomes CLAIMED by adopting (adopt.c). What the arbiter says counts only
 * while it is the run that was told when the space was handed over: one that
 * was restarted, or made the space anew, does not know who was active.
 *
 * Before the commit point the new owner looks whether all pages are still where its map
 * says: what a server lost since, the old owner may have.
 */
#include <linux/slab.h>

#include "bind.h"
#include "claim.h"
#include "conn.h"
#include "drain.h"
#include "event.h"
#include "io.h"

#define TRIES	8	/* others may take back and claim meanwhile */
#define FORCED_STEP	1024	/* epochs: more than all claims together that nobody knows of */

#define NO_ANSWER	"the arbiter does not answer; ask again when it does"
#define NOT_BELIEVED	"the arbiter was restarted and does not know any more who the owner is"
#define PAGES_MISSING	"a server with pages of it does not answer, or has lost some"

/**
 * struct answer - of an arbiter, or of any server to ACTIVATE
 * @status: enum smemv_wire_status
 * @epoch: of the space now, where the status has one
 * @active: it is active, else claimed
 */
struct answer {
	u16 status;
	u64 epoch;
	bool active;
};

/* What OK means says in which epoch the space is then. */
static bool makes_sense(u8 opcode, const struct smemv_wire_claim *claim,
			const struct answer *answer)
{
	u64 epoch = le64_to_cpu(claim->epoch);

	if (answer->status != SMEMV_ST_OK)
		return true;
	return opcode == SMEMV_OP_CLAIM ?
	       answer->epoch == epoch + 1 && !answer->active :
	       answer->epoch == epoch && answer->active;
}

static int ask_on_lane(struct smemv_lane *lane, struct smemv_req *req, u8 opcode,
		       const struct smemv_wire_claim *claim, struct answer *answer)
{
	struct smemv_wire_claim_reply reply = {};

	req->opcode = opcode;
	req->reply = &reply;
	req->reply_size = sizeof(reply);
	memcpy(req->frame.body, claim, sizeof(*claim));
	if (smemv_lane_call(lane, req))
		return -EIO;
	answer->status = req->status;
	answer->epoch = le64_to_cpu(reply.epoch);
	answer->active = le32_to_cpu(reply.flags) & SMEMV_CLAIMED_F_ACTIVE;
	if (makes_sense(opcode, claim, answer))
		return 0;
	smemv_lane_blame(lane, "reply about the owner of a space contradicts itself");
	return -EIO;
}

/* On the first lane that answers: asking again changes nothing. 0, or -EIO. */
static int ask(struct smemv_server *server, u8 opcode,
	       const struct smemv_wire_claim *claim, struct answer *answer)
{
	struct smemv_req *req = kzalloc(sizeof(*req), GFP_KERNEL);
	int err = -EIO;
	u32 i;

	if (!req)
		return -ENOMEM;
	for (i = 0; i < server->nr_lanes && err; i++)
		err = ask_on_lane(server->lane[i], req, opcode, claim, answer);
	kfree(req);
	return err;
}

static struct smemv_wire_claim claim_of(const u8 *uuid, u64 epoch)
{
	struct smemv_wire_claim claim = { .epoch = cpu_to_le64(epoch) };

	memcpy(claim.uuid, uuid, sizeof(claim.uuid));
	return claim;
}

/*
 * The latest epoch after @epoch in which another file of this host than that of @own, which may be
 * NULL, has the space; 0: none. The arbiter takes both for one client, and what one asks for a
 * repetition of what the other did.
 */
static u64 later_epoch_here(struct smemv_server *arbiter, const u8 *uuid,
			    const struct smemv_bind *own, u64 epoch)
{
	struct smemv_bind *bind;
	u64 latest = 0;

	mutex_lock(&arbiter->bind_lock);
	list_for_each_entry(bind, &arbiter->binds, link)
		if (bind != own && bind->epoch > epoch &&
		    !memcmp(bind->uuid, uuid, sizeof(bind->uuid)))
			latest = max(latest, bind->epoch);
	mutex_unlock(&arbiter->bind_lock);
	return latest;
}

int smemv_claim(struct smemv_server *arbiter, const u8 *uuid, u64 epoch,
		u64 *claimed, const char **why)
{
	struct smemv_wire_claim claim = claim_of(uuid, epoch);
	struct answer answer;
	int err;

	lockdep_assert_held(&arbiter->ns->lock);
	if (later_epoch_here(arbiter, uuid, NULL, epoch)) {
		*why = "another file of this host claimed the space";
		return -ESTALE;
	}
	err = ask(arbiter, SMEMV_OP_CLAIM, &claim, &answer);
	if (err) {
		*why = NO_ANSWER;
		return err;
	}
	switch (answer.status) {
	case SMEMV_ST_OK:
		*claimed = answer.epoch;
		return 0;
	case SMEMV_ST_STALE_EPOCH:
	case SMEMV_ST_NOT_ACTIVE:
		*why = "somebody else claimed the space, or its owner took it back";
		return -ESTALE;
	case SMEMV_ST_NO_SUCH_SPACE:
		*why = "the arbiter does not know the space";
		return -ENOENT;
	default:
		*why = smemv_status_name(answer.status);
		return -EREMOTEIO;
	}
}

enum smemv_owner smemv_space_owner(const struct smemv_space *space)
{
	if (READ_ONCE(space->fenced))
		return SMEMV_OWNER_LOST;
	return READ_ONCE(space->claimed) ? SMEMV_OWNER_CLAIMED :
					   SMEMV_OWNER_ACTIVE;
}

static bool was_restarted(const struct smemv_space *space)
{
	return memcmp(space->bind[space->arbiter].server->server_id,
		      space->arbiter_id, sizeof(space->arbiter_id));
}

/* After its answer: a restarted one says hello before it says anything else. */
static bool is_believed(const struct smemv_space *space)
{
	return !READ_ONCE(space->bind[space->arbiter].made_anew) &&
	       !was_restarted(space);
}

static void report(const struct smemv_space *space, u32 type, const char *text)
{
	smemv_event_send(space->ns->net, &(struct smemv_event_msg){
		.type = type, .space = space->name, .page = SMEMV_NO_PAGE,
		.count = atomic64_read(&space->map.remote), .text = text,
	});
}

void smemv_space_set_claimed(struct smemv_space *space, bool claimed)
{
	u32 i;

	WRITE_ONCE(space->claimed, claimed);
	if (claimed)
		return;
	smemv_forget_resume(space);
	for (i = 0; i < space->nr_binds; i++)
		if (space->bind[i].server)
			smemv_reconcile_lane_up(space, i);
}

/* Servers that do not know are told in the background: the guest need not wait for that. */
static void become_active(struct smemv_space *space, bool arbiter_knows)
{
	u32 i;

	for (i = 0; i < space->nr_binds; i++) {
		WRITE_ONCE(space->bind[i].standing,
			   i == space->arbiter && arbiter_knows ?
			   SMEMV_STANDING_ACTIVE : SMEMV_STANDING_UNTOLD);
		WRITE_ONCE(space->bind[i].may_create, true);
	}
	space->active_epoch = space->epoch;
	space->told = false;
	WRITE_ONCE(space->claimed, false);
	queue_work(smemv_wq, &space->announce);
}

/* A server that cannot be told now is when its lanes connect again (handshake.c). */
static void announce_to(struct smemv_space *space, struct smemv_bind *bind)
{
	struct smemv_wire_claim claim = claim_of(space->uuid, space->epoch);
	struct answer answer;

	if (ask(bind->server, SMEMV_OP_ACTIVATE, &claim, &answer))
		return;
	if (answer.status == SMEMV_ST_OK)
		WRITE_ONCE(bind->standing, SMEMV_STANDING_ACTIVE);
	else if (answer.status == SMEMV_ST_STALE_EPOCH)
		bind->fenced_out(bind);
	else
		pr_warn("%s: server %s does not accept that this host is the owner: %s\n",
			space->name, bind->server->name,
			smemv_status_name(answer.status));
}

/*
 * Afterwards what was kept back is done: pages given up are invalidated, and servers
 * asked whether they hold what the map does not know.
 */
void smemv_announce_work(struct work_struct *work)
{
	struct smemv_space *space = container_of(work, struct smemv_space,
						 announce);
	u32 i;

	for (i = 0; i < space->nr_binds; i++)
		if (space->bind[i].server &&
		    READ_ONCE(space->bind[i].standing) == SMEMV_STANDING_UNTOLD)
			announce_to(space, &space->bind[i]);
	for (i = 0; i < space->nr_binds; i++)
		if (space->bind[i].server)
			smemv_reconcile(space, i);
	smemv_forget_resume(space);
	smemv_space_kick(space);
}

static int activate(struct smemv_space *space, u32 event, const char **why)
{
	struct smemv_wire_claim claim = claim_of(space->uuid, space->epoch);
	struct smemv_bind *bind = &space->bind[space->arbiter];
	struct answer answer;
	int err = ask(bind->server, SMEMV_OP_ACTIVATE, &claim, &answer);

	if (err) {
		*why = NO_ANSWER;
		return err;
	}
	if (!is_believed(space)) {
		*why = NOT_BELIEVED;
		return -EIO;
	}
	switch (answer.status) {
	case SMEMV_ST_OK:
		become_active(space, true);
		pr_info("%s: this host is the owner of space %pUb, epoch %llu\n",
			space->name, space->uuid, space->epoch);
		report(space, event, NULL);
		return 0;
	case SMEMV_ST_STALE_EPOCH:
		*why = "somebody else claimed the space, or its owner took it back";
		bind->fenced_out(bind);
		return -ESTALE;
	default:
		*why = smemv_status_name(answer.status);
		return -EIO;
	}
}

/*
 * Asked once: nobody's guest runs meanwhile. Where it is a newer owner's, the arbiter is to
 * say so; of one that is silent itself activate() finds out.
 */
static bool has_pages(const struct smemv_bind *bind, bool is_arbiter)
{
	struct smemv_lane *lane = smemv_server_any_lane(bind->server);
	struct smemv_wire_stat_reply reply = {};
	struct smemv_req *req;
	bool all;

	req = lane ? kzalloc(sizeof(*req), GFP_KERNEL) : NULL;
	if (!req)
		return is_arbiter;
	req->opcode = SMEMV_OP_STAT;
	req->handle = bind->handle;
	req->reply = &reply;
	req->reply_size = sizeof(reply);
	if (smemv_lane_call(lane, req))
		all = is_arbiter;
	else if (req->status == SMEMV_ST_OK)
		all = le64_to_cpu(reply.space_pages) >= atomic64_read(&bind->pages);
	else
		all = req->status == SMEMV_ST_STALE_EPOCH || is_arbiter;
	kfree(req);
	return all;
}

/*
 * Nothing is decided when one has not: the old owner can take the space back. An old owner that
 * still drained a server moved pages away after it told where they are.
 */
static int find_pages(const struct smemv_space *space, const char **why)
{
	u32 i;

	for (i = 0; i < space->nr_binds; i++) {
		const struct smemv_bind *bind = &space->bind[i];

		if (!bind->server || !atomic64_read(&bind->pages) ||
		    has_pages(bind, i == space->arbiter))
			continue;
		pr_warn_ratelimited("%s: server %s does not answer, or has not all of the %lld pages that it got\n",
				    space->name, bind->server->name,
				    atomic64_read(&bind->pages));
		*why = PAGES_MISSING;
		return -ENODEV;
	}
	return 0;
}

/*
 * What was asked for since the map was adopted, and was not there, is not expected any more: the
 * numbers would fit, and the old owner may have moved it to where the map does not look.
 */
static int find_none_lost(const struct smemv_space *space, const char **why)
{
	if (space->active_epoch || atomic64_read(&space->map.lost) <= space->lost_told)
		return 0;
	*why = PAGES_MISSING;
	return -ENODEV;
}

int smemv_space_activate(struct smemv_space *space, const char **why)
{
	int err;

	lockdep_assert_held(&space->ns->lock);
	if (READ_ONCE(space->fenced)) {
		/* That a restarted arbiter does not know the space says nothing of its owner. */
		if (READ_ONCE(space->claimed) && was_restarted(space)) {
			*why = NOT_BELIEVED;
			return -EIO;
		}
		*why = "another main host owns the space";
		return -ESTALE;
	}
	if (!READ_ONCE(space->claimed))
		return 0;
	/* The answer to an earlier call may be lost, and have been yes. */
	if (space->asked_epoch != space->epoch) {
		err = find_none_lost(space, why) ?: find_pages(space, why);
		if (err)
			return err;
		space->asked_epoch = space->epoch;
	}
	return activate(space, SMEMV_EV_VM_ACTIVATED, why);
}

/* Of a later owner. */
static struct smemv_wire_claim claim_back_of(const struct smemv_space *space,
					     u64 epoch)
{
	struct smemv_wire_claim claim = claim_of(space->uuid, epoch);

	claim.own = cpu_to_le64(space->active_epoch);
	claim.flags = cpu_to_le32(SMEMV_CLAIM_F_TAKE_BACK);
	return claim;
}

/* It tells of another claim; all other refusals would be the same again. */
static bool tells_of_claim(const struct answer *answer)
{
	return answer->status == SMEMV_ST_STALE_EPOCH ||
	       answer->status == SMEMV_ST_NOT_ACTIVE ||
	       answer->status == SMEMV_ST_ACTIVE;
}

/*
 * Of the new owner's claim, or whatever there is by now, until this host's own stands. Nobody
 * here claims it meanwhile (ns->lock).
 */
static int claim_back(struct smemv_space *space, u64 *epoch, const char **why)
{
	struct smemv_bind *bind = &space->bind[space->arbiter];
	u64 here = later_epoch_here(bind->server, space->uuid, bind, space->active_epoch);
	struct smemv_wire_claim claim = here ?
		claim_back_of(space, here) :
		claim_of(space->uuid, space->active_epoch);
	struct answer answer;
	u32 i;

	lockdep_assert_held(&space->ns->lock);
	for (i = 0; i < TRIES; i++) {
		if (ask(bind->server, SMEMV_OP_CLAIM, &claim, &answer)) {
			*why = NO_ANSWER;
			return -EIO;
		}
		if (!is_believed(space) ||
		    answer.status == SMEMV_ST_NO_SUCH_SPACE) {
			*why = NOT_BELIEVED;
			return -EIO;
		}
		*epoch = answer.epoch;
		if (answer.status == SMEMV_ST_OK)
			return 0;
		if (answer.active && answer.epoch > space->active_epoch) {
			*why = "the new owner is active: its guest may run, so this one must not";
			bind->fenced_out(bind);
			return -EBUSY;
		}
		if (!tells_of_claim(&answer)) {
			*why = smemv_status_name(answer.status);
			return -EIO;
		}
		claim = claim_back_of(space, answer.epoch);
	}
	*why = "others claim it all the time; ask again";
	return -EIO;
}

static int reopen_all(struct smemv_space *space, u64 epoch, const char **why)
{
	int err = 0;
	u32 i;

	for (i = 0; i < space->nr_binds && !err; i++)
		if (space->bind[i].server)
			err = smemv_server_reopen(&space->bind[i], epoch, why);
	return err ? -EIO : 0;
}

static int may_take_back(struct smemv_space *space, const char **why)
{
	u32 i;

	if (!space->active_epoch) {
		*why = "this host was never its active owner";
		return -EINVAL;
	}
	if (!space->bind[space->arbiter].server) {
		*why = "it has no memory server that could tell";
		return -EIO;
	}
	for (i = 0; i < space->nr_binds; i++) {
		if (space->bind[i].server && !space->bind[i].server->can_claim) {
			*why = "a server knows nothing of owners; update it";
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

/* Nothing of it is under way at servers afterwards. */
static void quiesce(struct smemv_space *space)
{
	u32 i;

	cancel_work_sync(&space->announce);
	smemv_forget_flush(space);
	for (i = 0; i < space->nr_binds; i++)
		if (space->bind[i].server)
			smemv_reconcile_flush(space, i);
}

/* Whatever fails from here on, it is claimed: asking again goes on. */
static int open_in(struct smemv_space *space, u64 epoch, const char **why)
{
	int err;

	WRITE_ONCE(space->claimed, true);
	space->epoch = epoch;
	err = reopen_all(space, epoch, why);
	WRITE_ONCE(space->fenced, false);
	return err;
}

/* An earlier call got so far, and did not hear whether it is the owner. */
static bool claim_stands(const struct smemv_space *space)
{
	return space->epoch > space->active_epoch && !READ_ONCE(space->fenced);
}

/*
 * As if the earlier call went on: what it asked for may have been done, and this host must not
 * claim from itself.
 */
static int go_on(struct smemv_space *space, const char **why)
{
	return open_in(space, space->epoch, why) ?:
	       activate(space, SMEMV_EV_VM_TAKEN_BACK, why);
}

int smemv_space_take_back(struct smemv_space *space, const char **why)
{
	int err = may_take_back(space, why);
	u64 epoch;

	lockdep_assert_held(&space->ns->lock);
	if (err)
		return err;
	/* The new epoch ends it at the servers as well. */
	smemv_space_drain_end(space);
	quiesce(space);
	if (!space->told)
		smemv_space_note_told(space);
	if (claim_stands(space)) {
		err = go_on(space, why);
		if (err != -ESTALE)
			return err;
	}
	err = claim_back(space, &epoch, why);
	if (err)
		return err;
	return open_in(space, epoch, why) ?:
	       activate(space, SMEMV_EV_VM_TAKEN_BACK, why);
}

int smemv_space_force_back(struct smemv_space *space, const char **why)
{
	int err = smemv_space_take_back(space, why);

	if (err != -EIO)
		return err;
	err = may_take_back(space, why);
	if (err)
		return err;
	err = open_in(space, space->epoch + FORCED_STEP, why);
	if (err)
		return err;
	become_active(space, false);
	smemv_space_note_told(space);
	pr_warn("%s: this host was made the owner of space %pUb by force, epoch %llu\n",
		space->name, space->uuid, space->epoch);
	report(space, SMEMV_EV_VM_TAKEN_BACK, "by force");
	return 0;
}

void smemv_space_note_told(struct smemv_space *space)
{
	struct smemv_bind *bind = &space->bind[space->arbiter];

	/* Only its active owner knows whether the arbiter may be believed from now on. */
	if (READ_ONCE(space->fenced) || space->epoch != space->active_epoch ||
	    !bind->server)
		return;
	/* One that was restarted since it was told is not believed again by asking once more. */
	if (space->told && !is_believed(space))
		return;
	memcpy(space->arbiter_id, bind->server->server_id,
	       sizeof(space->arbiter_id));
	WRITE_ONCE(bind->made_anew, false);
	space->told = true;
}

/*
 * Nobody had claimed it there, nor can any more who was told of it: the next arbiter may be
 * believed. One that was restarted since may have forgotten a claim.
 */
void smemv_space_arbiter_leaves(struct smemv_space *space, bool dropped)
{
	lockdep_assert_held(&space->ns->lock);
	if (dropped && is_believed(space))
		space->told = false;
}
