// SPDX-License-Identifier: GPL-2.0-only
#include "ages.h"
#include "heat.h"

#define WAYS		4u
#define LEVEL_MAX	5u
#define SOON		16u	/* intervals: who comes back within them should not have gone */
#define BARELY		4u	/* intervals: with a little more memory it would be here still */
#define SLACK		1u	/* classes: what is nearly as cold goes in the same turn */
#define ONCE_UNIT	16u
#define ONCE_FIRST	(2 * ONCE_UNIT)
#define ONCE_MIN	ONCE_UNIT
#define ONCE_MAX	(4 * ONCE_UNIT)
#define LOOKED_AROUND	32u	/* runs, before pages go that are less cold */

/* How cold a page is: up to this it is young, and beyond by its class. */
#define YOUNG		17u
#define COLDEST		(YOUNG + SMEMV_HEAT_NEVER)
#define COLDNESSES	(YOUNG + SMEMV_HEAT_CLASSES)

#define NOTED		0x1	/* this note is in use */
#define WENT		0x2	/* the page went, else: it was used */
#define WENT_ONCE	0x4	/* and had been accessed in one interval only */
#define CAME		0x8	/* it came back when this was written */

u32 smemv_heat_notes(u64 pages)
{
	u32 nr = SMEMV_HEAT_NOTES_MIN;

	while (nr < SMEMV_HEAT_NOTES_MAX && nr < pages / 16)
		nr *= 2;
	return nr;
}

static void look_around_again(struct smemv_heat *heat, u32 bar)
{
	heat->bar = bar;
	heat->fruitless = 0;
	heat->coldest = 0;
}

void smemv_heat_init(struct smemv_heat *heat, u32 *next, u32 nr_runs,
		     struct smemv_heat_note *note, u32 nr_notes)
{
	memset(heat, 0, sizeof(*heat));
	heat->next = next;
	heat->nr_runs = nr_runs;
	heat->note = note;
	heat->nr_notes = nr_notes;
	heat->once = ONCE_FIRST;
	look_around_again(heat, COLDEST);
}

/* Queues */

static struct smemv_heat_queue *queue_of(struct smemv_heat *heat, u32 class)
{
	return &heat->queue[(heat->now - class) % SMEMV_HEAT_CLASSES];
}

static void enqueue(struct smemv_heat *heat, u32 run, u32 class)
{
	struct smemv_heat_queue *queue = queue_of(heat, class);

	heat->next[run] = run + 1;
	if (queue->last)
		heat->next[queue->last - 1] = run + 1;
	else
		queue->first = run;
	queue->last = run + 1;
	heat->nr_queued++;
}

static u32 dequeue(struct smemv_heat *heat, struct smemv_heat_queue *queue)
{
	u32 run = queue->first;

	if (queue->last == run + 1)
		queue->last = 0;
	else
		queue->first = heat->next[run] - 1;
	heat->next[run] = 0;
	heat->nr_queued--;
	return run;
}

/* The class of the coldest run that waits, and whether there is one. */
static bool coldest(struct smemv_heat *heat, u32 *class)
{
	u32 c = SMEMV_HEAT_CLASSES;

	while (c--) {
		if (!queue_of(heat, c)->last)
			continue;
		*class = c;
		return true;
	}
	return false;
}

/* The oldest queue is of all that is as old or older: the next one joins it. */
static void pass_interval(struct smemv_heat *heat)
{
	struct smemv_heat_queue *oldest = queue_of(heat, SMEMV_HEAT_CLASSES - 1);
	struct smemv_heat_queue *joins = queue_of(heat, SMEMV_HEAT_CLASSES - 2);

	if (oldest->last) {
		if (joins->last)
			heat->next[oldest->last - 1] = joins->first + 1;
		else
			joins->last = oldest->last;
		joins->first = oldest->first;
		oldest->last = 0;
	}
	heat->now++;
}

void smemv_heat_tick(struct smemv_heat *heat, u32 now)
{
	u32 passed = now - heat->now;

	if (passed > SMEMV_HEAT_CLASSES) {
		/* All are as cold as can be by now, or the count began anew. */
		passed = SMEMV_HEAT_CLASSES;
	}
	while (passed--)
		pass_interval(heat);
	/* Queues are found by the number of the interval. */
	if (heat->now != now) {
		struct smemv_heat_queue all = *queue_of(heat,
							SMEMV_HEAT_CLASSES - 1);

		memset(heat->queue, 0, sizeof(heat->queue));
		heat->now = now;
		*queue_of(heat, SMEMV_HEAT_CLASSES - 1) = all;
	}
}

void smemv_heat_add(struct smemv_heat *heat, u32 run)
{
	/* As cold as can be: it is looked at soon. */
	if (!heat->next[run])
		enqueue(heat, run, SMEMV_HEAT_CLASSES - 1);
}

bool smemv_heat_take(struct smemv_heat *heat, bool forced, u32 *run)
{
	u32 class;

	if (!coldest(heat, &class) || (!class && !forced))
		return false;
	*run = dequeue(heat, queue_of(heat, class));
	return true;
}

/* Notes */

static u64 hash(u64 index)
{
	index *= 0x9e3779b97f4a7c15ULL;
	index ^= index >> 32;
	return index * 0xd6e8feb86659fd93ULL;
}

static u32 since(const struct smemv_heat *heat,
		 const struct smemv_heat_note *note)
{
	return (u16)(heat->now - note->when);
}

static struct smemv_heat_note *ways_of(struct smemv_heat *heat, u64 key)
{
	return &heat->note[(u32)key & (heat->nr_notes - 1) & ~(WAYS - 1)];
}

static struct smemv_heat_note *find_note(struct smemv_heat *heat, u64 index)
{
	u64 key = hash(index);
	struct smemv_heat_note *note = ways_of(heat, key);
	u32 i;

	for (i = 0; i < WAYS; i++)
		if (note[i].flags && note[i].tag == key >> 32)
			return &note[i];
	return NULL;
}

/* What is missed least: nothing, then what was written long ago, seen from its level. */
static u32 staleness(const struct smemv_heat *heat,
		     const struct smemv_heat_note *note)
{
	return note->flags ? (since(heat, note) + 1)
				<< 2 * (LEVEL_MAX - note->level) : ~0u;
}

static struct smemv_heat_note *make_note(struct smemv_heat *heat, u64 index)
{
	u64 key = hash(index);
	struct smemv_heat_note *ways = ways_of(heat, key);
	struct smemv_heat_note *worst = &ways[key >> 62];	/* of equals any */
	u32 i;

	for (i = 0; i < WAYS; i++)
		if (staleness(heat, &ways[i]) > staleness(heat, worst))
			worst = &ways[i];
	*worst = (struct smemv_heat_note){ .tag = key >> 32 };
	return worst;
}

static struct smemv_heat_note *get_note(struct smemv_heat *heat, u64 index)
{
	return find_note(heat, index) ?: make_note(heat, index);
}

static void write_note(struct smemv_heat *heat, struct smemv_heat_note *note,
		       u8 flags)
{
	note->when = heat->now;
	note->flags = NOTED | flags;
}

/* Trust in a page that had to be protected fades when there was no need for long. */
static void fade(struct smemv_heat *heat, struct smemv_heat_note *note)
{
	u32 idle = since(heat, note) / SOON;

	note->level -= idle < note->level ? idle : note->level;
}

/* Not by the compiler: where the CPU cannot, that calls a library the kernel has not. */
static u32 intervals_in(u8 history)
{
	u32 nr = 0;

	for (; history; history &= history - 1)
		nr++;
	return nr;
}

static bool accessed_once(u8 history)
{
	return intervals_in(history) == 1;
}

/* As in ARC: what comes back shows which kind of pages was taken for too cold. */
static void learn(struct smemv_heat *heat, bool once)
{
	if (once && heat->once > ONCE_MIN)
		heat->once--;
	else if (!once && heat->once < ONCE_MAX)
		heat->once++;
}

static void came_back(struct smemv_heat *heat, struct smemv_heat_note *note)
{
	bool soon = since(heat, note) <= SOON;

	if (since(heat, note) <= BARELY)
		learn(heat, note->flags & WENT_ONCE);
	fade(heat, note);
	if (soon && note->level < LEVEL_MAX)
		note->level++;
	write_note(heat, note, CAME);
}

void smemv_heat_going(struct smemv_heat *heat, u64 index, u8 history)
{
	struct smemv_heat_note *note = get_note(heat, index);

	fade(heat, note);
	write_note(heat, note,
		   accessed_once(history) ? WENT | WENT_ONCE : WENT);
}

void smemv_heat_came(struct smemv_heat *heat, u64 index)
{
	struct smemv_heat_note *note = get_note(heat, index);

	if (note->flags & WENT) {
		came_back(heat, note);
	} else {
		fade(heat, note);
		write_note(heat, note, 0);
	}
}

void smemv_heat_in_use(struct smemv_heat *heat, u64 index)
{
	struct smemv_heat_note *note = get_note(heat, index);

	fade(heat, note);
	if (note->level < LEVEL_MAX)
		note->level++;
	write_note(heat, note, 0);
}

static bool is_trusted(const struct smemv_heat *heat,
		       const struct smemv_heat_note *note)
{
	return note && since(heat, note) < 1u << note->level;
}

/* Judging */

static u32 class_of(const struct smemv_heat *heat, u8 history)
{
	u32 class = smemv_age(history);

	if (!history)
		return SMEMV_HEAT_NEVER;
	/* What was accessed in the newest interval is young, whatever was before. */
	if (class && accessed_once(history))
		class += heat->once / ONCE_UNIT;
	return class;
}

/*
 * Of young pages: what was accessed in many intervals is hotter than what has just come,
 * so that a stream of new pages does not drive the hot ones out. What came back again and
 * again is as hot as that: the host uses it. Of equals what came back just now goes first:
 * so a working set that is too big does not drive itself out page after page.
 */
static u32 coldness_of_young(const struct smemv_heat *heat,
			     const struct smemv_heat_note *note, u8 history)
{
	bool came = note && note->flags & CAME && !since(heat, note);
	u32 seen = intervals_in(history);

	if (note && note->level > seen)
		seen = note->level;
	return YOUNG - 2 * seen - !came;
}

static u32 coldness_of(struct smemv_heat *heat, u64 index, u8 history, bool young)
{
	struct smemv_heat_note *note = find_note(heat, index);
	u32 class;

	/* It is here: so it came back, and nobody has said it yet. */
	if (note && note->flags & WENT)
		came_back(heat, note);
	class = young || is_trusted(heat, note) ? 0 : class_of(heat, history);
	return class ? YOUNG + class : coldness_of_young(heat, note, history);
}

/**
 * struct verdict - on the pages of a run
 * @cold: how cold each is that is here
 * @nr: how many are here, by that
 */
struct verdict {
	u8 cold[SMEMV_HEAT_RUN];
	u16 nr[COLDNESSES];
};

static void look(struct smemv_heat *heat, u32 run,
		 const struct smemv_heat_view *view, struct verdict *verdict)
{
	u64 first = (u64)run * SMEMV_HEAT_RUN;
	u32 i;

	memset(verdict->nr, 0, sizeof(verdict->nr));
	for (i = 0; i < SMEMV_HEAT_RUN; i++) {
		if (!smemv_heat_test(view->here, i))
			continue;
		verdict->cold[i] = coldness_of(heat, first + i, view->history[i],
					       smemv_heat_test(view->young, i));
		verdict->nr[verdict->cold[i]]++;
	}
}

/* False: there is no page that is less cold than that. */
static bool coldest_page(const struct verdict *verdict, u32 below, u32 *cold)
{
	while (below--) {
		if (!verdict->nr[below])
			continue;
		*cold = below;
		return true;
	}
	return false;
}

static u32 class_for(u32 cold)
{
	return cold > YOUNG ? cold - YOUNG : 0;
}

static u32 choose(const struct smemv_heat_view *view,
		  const struct verdict *verdict, u32 cut, u64 go[SMEMV_HEAT_WORDS])
{
	u32 i, nr = 0;

	for (i = 0; i < SMEMV_HEAT_RUN; i++) {
		if (!smemv_heat_test(view->here, i) || verdict->cold[i] < cut)
			continue;
		smemv_heat_set(go, i);
		nr++;
	}
	return nr;
}

/*
 * The queues know how cold runs were taken for, not how cold they are: their pages may be used
 * again, trust in them may have ended, or they turn out to have been accessed once. So pages
 * go when they are as cold as can be, or the coldest of as many runs as there are, or as can
 * be looked at for that.
 */
static bool is_cold_enough(struct smemv_heat *heat, u32 cold)
{
	if (cold > heat->coldest)
		heat->coldest = cold;
	if (cold < heat->bar) {
		if (++heat->fruitless >= LOOKED_AROUND ||
		    heat->fruitless > heat->nr_queued)
			look_around_again(heat, heat->coldest);
		return false;
	}
	look_around_again(heat, cold < COLDEST ? cold + 1 : COLDEST);
	return true;
}

static u32 cut_below(u32 cold)
{
	return cold > YOUNG + SLACK ? cold - SLACK : cold;
}

u32 smemv_heat_judge(struct smemv_heat *heat, u32 run,
		     const struct smemv_heat_view *view, bool forced,
		     u64 go[SMEMV_HEAT_WORDS])
{
	struct verdict verdict;
	u32 cold, stays, cut;

	memset(go, 0, SMEMV_HEAT_WORDS * sizeof(*go));
	look(heat, run, view, &verdict);
	if (!coldest_page(&verdict, COLDNESSES, &cold))
		return 0;
	if ((cold <= YOUNG && !forced) || !is_cold_enough(heat, cold)) {
		enqueue(heat, run, class_for(cold));
		return 0;
	}
	cut = cut_below(cold);
	if (!coldest_page(&verdict, cut, &stays))
		stays = 0;
	enqueue(heat, run, class_for(stays));
	return choose(view, &verdict, cut, go);
}

enum smemv_heat_fate smemv_heat_fate(const u64 go[SMEMV_HEAT_WORDS], u32 first,
				     u32 nr)
{
	u32 i, going = 0;

	for (i = first; i < first + nr; i++)
		going += smemv_heat_test(go, i);
	if (!going)
		return SMEMV_HEAT_STAY;
	return going == nr ? SMEMV_HEAT_GO : SMEMV_HEAT_SPLIT;
}
