// SPDX-License-Identifier: GPL-2.0-only
/*
 * The heat policy: kernel/core/heat.c with a scanner and an evictor around it that behave as the
 * module's do (evict_heat.c). A page that is to go is unmapped first; who uses it meanwhile shows it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/heat.h"
#include "sim.h"

#define AGED_MAX	8u

/* A run whose pages were unmapped and wait for their turn. */
struct aged {
	uint32_t run;
	uint64_t go[SMEMV_HEAT_WORDS];
};

static struct {
	const struct trace *trace;
	struct smemv_heat heat;
	uint32_t *next;
	struct smemv_heat_note *note;
	uint32_t intervals;
	uint8_t *history;
	bool *accessed;		/* since the scanner looked: by the guest */
	bool *here;
	bool *mapped;		/* used since it was unmapped: by whomever */
	bool *fresh;		/* has come, and no interval ended since it was looked at */
	struct aged aged[AGED_MAX];
	uint32_t head, nr;
	uint32_t apart;		/* runs that are unmapped at a time */
	uint32_t pos;		/* in the oldest */
} sim;

static uint32_t rounded(uint32_t pages)
{
	return (pages + SMEMV_HEAT_RUN - 1) / SMEMV_HEAT_RUN * SMEMV_HEAT_RUN;
}

static void heat_begin(const struct trace *trace, uint32_t memory)
{
	uint32_t pages = rounded(trace->pages), notes = smemv_heat_notes(pages);

	memset(&sim, 0, sizeof(sim));
	sim.trace = trace;
	sim.next = sim_alloc(pages / SMEMV_HEAT_RUN, sizeof(*sim.next));
	sim.note = sim_alloc(notes, sizeof(*sim.note));
	sim.history = sim_alloc(pages, sizeof(*sim.history));
	sim.accessed = sim_alloc(pages, sizeof(*sim.accessed));
	sim.here = sim_alloc(pages, sizeof(*sim.here));
	sim.mapped = sim_alloc(pages, sizeof(*sim.mapped));
	sim.fresh = sim_alloc(pages, sizeof(*sim.fresh));
	sim.apart = memory / SMEMV_HEAT_RUN / 8;
	sim.apart = sim.apart < 1 ? 1 : sim.apart > AGED_MAX ? AGED_MAX : sim.apart;
	smemv_heat_init(&sim.heat, sim.next, pages / SMEMV_HEAT_RUN, sim.note, notes);
}

static void heat_used(size_t at)
{
	uint32_t access = sim.trace->access[at];

	sim.mapped[SIM_PAGE(access)] = true;
	if (!(access & SIM_HOST))
		sim.accessed[SIM_PAGE(access)] = true;
}

static void heat_came(size_t at)
{
	uint32_t page = SIM_PAGE(sim.trace->access[at]);

	sim.here[page] = true;
	sim.fresh[page] = true;
	smemv_heat_add(&sim.heat, page / SMEMV_HEAT_RUN);
	heat_used(at);
}

static void heat_interval(void)
{
	uint32_t page;

	for (page = 0; page < sim.trace->pages; page++) {
		sim.history[page] = (uint8_t)(sim.history[page] >> 1 | sim.accessed[page] << 7);
		sim.accessed[page] = false;
	}
	smemv_heat_tick(&sim.heat, ++sim.intervals);
}

static void see(uint32_t run, struct smemv_heat_view *view)
{
	uint32_t first = run * SMEMV_HEAT_RUN, i;

	memset(view, 0, sizeof(*view));
	memcpy(view->history, sim.history + first, sizeof(view->history));
	for (i = 0; i < SMEMV_HEAT_RUN; i++) {
		if (!sim.here[first + i])
			continue;
		smemv_heat_set(view->here, i);
		if (sim.accessed[first + i])
			smemv_heat_set(view->young, i);
		else if (sim.fresh[first + i])
			smemv_heat_came(&sim.heat, first + i);
		sim.fresh[first + i] = false;
	}
}

/* The next run with pages that go; false: all are young. */
static bool find_run(struct aged *aged, bool forced)
{
	struct smemv_heat_view view;

	while (smemv_heat_take(&sim.heat, forced, &aged->run)) {
		see(aged->run, &view);
		if (smemv_heat_judge(&sim.heat, aged->run, &view, forced, aged->go))
			return true;
	}
	return false;
}

/* Its pages are unmapped: who uses them from here on shows it. */
static bool age_run(bool forced)
{
	struct aged *aged = &sim.aged[(sim.head + sim.nr) % AGED_MAX];
	uint32_t i;

	if (!find_run(aged, forced))
		return false;
	for (i = 0; i < SMEMV_HEAT_RUN; i++)
		if (smemv_heat_test(aged->go, i))
			sim.mapped[aged->run * SMEMV_HEAT_RUN + i] = false;
	sim.nr++;
	return true;
}

/* One that was to go, is here, and was not used since it was unmapped. */
static bool take_page(const struct aged *aged, uint32_t at)
{
	uint32_t page = aged->run * SMEMV_HEAT_RUN + at;

	if (!smemv_heat_test(aged->go, at) || !sim.here[page])
		return false;
	if (sim.mapped[page]) {
		smemv_heat_in_use(&sim.heat, page);
		return false;
	}
	smemv_heat_going(&sim.heat, page, sim.history[page]);
	sim.here[page] = false;
	return true;
}

static uint32_t heat_victim(size_t at)
{
	struct aged *oldest;
	bool forced = false;

	(void)at;
	for (;;) {
		while (sim.nr < sim.apart && age_run(false))
			;
		forced |= !sim.nr;
		while (forced && sim.nr < sim.apart && age_run(true))
			;
		oldest = &sim.aged[sim.head];
		while (sim.pos < SMEMV_HEAT_RUN) {
			if (take_page(oldest, sim.pos++))
				return oldest->run * SMEMV_HEAT_RUN + sim.pos - 1;
		}
		sim.head = (sim.head + 1) % AGED_MAX;
		sim.nr--;
		sim.pos = 0;
	}
}

static void heat_end(void)
{
	free(sim.next);
	free(sim.note);
	free(sim.history);
	free(sim.accessed);
	free(sim.here);
	free(sim.mapped);
	free(sim.fresh);
}

const struct policy policy_heat = {
	"heat", heat_begin, heat_used, heat_came, heat_victim, heat_interval, heat_end,
};
