/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages go first, by what the scanner saw. Pure: also built into the unit
 * tests and the simulator (tests/sim), which shows what it is worth.
 *
 * Runs of 512 pages wait in queues by how cold the coldest of their pages is.
 * The coldest run is taken out, looked at (judged), and goes back to where it
 * belongs now; so a run that became hotter is found when its turn comes, and
 * nobody has to tell. One that became colder got there by the passing of time: the
 * queues are named by the interval of the last access, not by an age. So what it
 * costs to find pages does not depend on how many there are.
 *
 * The class of a page: intervals since it was accessed, 0 being the newest. A page
 * that was accessed in one interval only is taken for colder than others are (a
 * copied file, a scan of a table); how much so is learned from the pages that come
 * back.
 *
 * The scanner does not see everything. A table remembers pages that went and pages
 * that were found in use; a page that came back soon after it went, or that the
 * host uses, is taken for accessed for a while, which gets longer each time.
 */
#ifndef SMEMV_CORE_HEAT_H
#define SMEMV_CORE_HEAT_H

#include "shim.h"

#define SMEMV_HEAT_RUN		512u	/* pages */
#define SMEMV_HEAT_WORDS	(SMEMV_HEAT_RUN / 64)
#define SMEMV_HEAT_CLASSES	16u
#define SMEMV_HEAT_NEVER	12u	/* class of what was not accessed in 8 intervals */
#define SMEMV_HEAT_NOTES_MIN	256u
#define SMEMV_HEAT_NOTES_MAX	65536u

/**
 * struct smemv_heat_note - what is remembered of a page
 * @tag: tells it from other pages
 * @when: interval in which it was written, modulo 2^16
 * @level: a page is taken for accessed for 1 << @level intervals
 * @flags: see heat.c; 0: nothing is remembered here
 */
struct smemv_heat_note {
	u32 tag;
	u16 when;
	u8 level;
	u8 flags;
};

/**
 * struct smemv_heat_queue - runs, first in, first out
 * @first: position in smemv_heat.next, valid if @last is
 * @last: the same plus 1, 0: there is none
 */
struct smemv_heat_queue {
	u32 first;
	u32 last;
};

/**
 * struct smemv_heat - of one VM; only one thread uses it
 * @now: intervals that have ended
 * @nr_runs: of the VM
 * @nr_queued: runs that are in a queue
 * @nr_notes: power of two
 * @next: for each run: 0 it is in no queue, or what comes after it plus 1, or
 *	  itself plus 1: nothing does
 * @note: see there
 * @once: classes by which a page accessed once is colder, in 16ths
 * @bar: how cold pages must be to go
 * @fruitless: runs that were judged since some did
 * @coldest: the coldest page in them
 * @queue: by interval of the last access of the coldest page
 */
struct smemv_heat {
	u32 now;
	u32 nr_runs;
	u32 nr_queued;
	u32 nr_notes;
	u32 *next;
	struct smemv_heat_note *note;
	u32 once;
	u32 bar;
	u32 fruitless;
	u32 coldest;
	struct smemv_heat_queue queue[SMEMV_HEAT_CLASSES];
};

/**
 * struct smemv_heat_view - a run as it is now
 * @history: of each page, as the scanner gives it: bit 7 is the newest interval
 * @here: bitmap of pages that are here and could go
 * @young: bitmap of those of them that were accessed since the newest interval
 *	   ended, so that @history does not tell it yet
 */
struct smemv_heat_view {
	u8 history[SMEMV_HEAT_RUN];
	u64 here[SMEMV_HEAT_WORDS];
	u64 young[SMEMV_HEAT_WORDS];
};

/**
 * enum smemv_heat_fate - what becomes of a folio of many pages
 * @SMEMV_HEAT_STAY: none of its pages goes
 * @SMEMV_HEAT_GO: all of them do
 * @SMEMV_HEAT_SPLIT: some do: it is to be split first
 */
enum smemv_heat_fate { SMEMV_HEAT_STAY, SMEMV_HEAT_GO, SMEMV_HEAT_SPLIT };

/* Notes that are worth having for a VM of so many pages: a power of two. */
u32 smemv_heat_notes(u64 pages);

/*
 * @next and @note are the caller's, all zeros; @nr_notes is what
 * smemv_heat_notes() said.
 */
void smemv_heat_init(struct smemv_heat *heat, u32 *next, u32 nr_runs,
		     struct smemv_heat_note *note, u32 nr_notes);

/* So many intervals have ended by now. */
void smemv_heat_tick(struct smemv_heat *heat, u32 now);

/* A run has pages here. May be said again. */
void smemv_heat_add(struct smemv_heat *heat, u32 run);

/*
 * Takes the coldest run out of its queue, to be judged. False: there is none, or
 * all pages were accessed in the newest interval and this is not @forced.
 */
bool smemv_heat_take(struct smemv_heat *heat, bool forced, u32 *run);

/*
 * Puts a run that was taken back into the queues, unless nothing of it is here, and
 * says which of its pages are to go now: how many, and which ones in @go. 0: none, others
 * are colder, or all are young and this is not @forced.
 */
u32 smemv_heat_judge(struct smemv_heat *heat, u32 run,
		     const struct smemv_heat_view *view, bool forced,
		     u64 go[SMEMV_HEAT_WORDS]);

/* Of the pages [first, first + nr) of a run that was judged: one folio. */
enum smemv_heat_fate smemv_heat_fate(const u64 go[SMEMV_HEAT_WORDS], u32 first,
				     u32 nr);

/* A page is about to go. @history: what its being cold was concluded from. */
void smemv_heat_going(struct smemv_heat *heat, u64 index, u8 history);

/* A page was touched, and not by the guest's processors: it may happen once. */
void smemv_heat_came(struct smemv_heat *heat, u64 index);

/* A page that was to go was found in use: by the host, or since it was judged. */
void smemv_heat_in_use(struct smemv_heat *heat, u64 index);

static inline bool smemv_heat_test(const u64 *bitmap, u32 bit)
{
	return bitmap[bit / 64] >> (bit % 64) & 1;
}

static inline void smemv_heat_clear(u64 *bitmap, u32 bit)
{
	bitmap[bit / 64] &= ~(1ULL << (bit % 64));
}

static inline void smemv_heat_set(u64 *bitmap, u32 bit)
{
	bitmap[bit / 64] |= 1ULL << (bit % 64);
}

#endif
