// SPDX-License-Identifier: GPL-2.0-only
/* smemv reclaim --daemon: looks each second, and pages out what the controller says. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "decode.h"
#include "human.h"
#include "print.h"
#include "process.h"
#include "reclaim.h"
#include "reclaim_signs.h"
#include "wait.h"

#define TICK_S		1.0
#define LINE_EVERY_S	10.0
#define STRETCH_MAX	10

struct hold {
	struct reclaim *r;
	struct control control;
	struct signs signs;
	struct control_look look;
	uint64_t out_before;
	uint64_t swapped_bytes;	/* of what went since, what the process's count of swap grew by */
	struct range_list tried;	/* last */
	uint64_t stayed_bytes;	/* of that */
	unsigned int stretch;	/* what is looked for is 1 << stretch of what is to go */
	uint64_t vain_bytes;	/* tried since something went */
	enum control_state shown;
	double line_s;
};

/* What was tried last, as far as it is here again; what stayed always was. */
static uint64_t came_back(const struct hold *hold)
{
	uint64_t pages = 0, bytes;
	struct reason ignored;

	if (reclaim_count_here(hold->r, hold->tried.ranges, hold->tried.count, &pages, &ignored))
		return 0;
	bytes = pages * PAGE_BYTES;
	return bytes > hold->stayed_bytes ? bytes - hold->stayed_bytes : 0;
}

static void look(struct hold *hold)
{
	struct reclaim *r = hold->r;

	hold->look.resident_bytes = process_resident_bytes((int)r->pid);
	hold->look.out_bytes = r->out_bytes - hold->out_before;
	hold->look.swapped_bytes = hold->swapped_bytes;
	hold->look.here_bytes = came_back(hold);
	hold->out_before = r->out_bytes;
	hold->swapped_bytes = 0;
	range_list_free(&hold->tried);
	signs_take(&hold->signs, clock_s(), &hold->look);
}

/* Its scan just began, or has had intervals so short for a while that it cannot tell. Each is said once. */
static bool tells_later(struct reclaim *r, int err, const struct reason *why)
{
	if (err == -ERANGE && !r->warned) {
		r->warned = true;
		call_fail(r->call, "nothing is paged out until intervals are longer: %s", why->text);
	}
	/* Before the first pass it is a matter of a moment. */
	if (err == -EAGAIN && r->passes && !r->awaits) {
		r->awaits = true;
		call_fail(r->call, "nothing is paged out yet: %s", why->text);
	}
	return err == -EAGAIN || err == -ERANGE;
}

/*
 * Nothing went. What is cold and cannot go may be much: the next list is longer. Of all that is cold there is
 * no use in another before the next pass. When nothing was tried the rate did not allow it.
 */
static void note_in_vain(struct hold *hold, bool was_all, bool was_tried)
{
	control_found_nothing(&hold->control);
	/* All of it, though perhaps by and by. */
	if (was_all || hold->vain_bytes >= hold->look.resident_bytes) {
		hold->r->in_vain = hold->r->passes;
		hold->vain_bytes = 0;
	} else if (was_tried && hold->stretch < STRETCH_MAX) {
		hold->stretch++;
	}
}

/* Shared memory that went does not show there, nor what came back at once. */
static uint64_t swap_grew(const struct reclaim *r, uint64_t before, uint64_t out_bytes)
{
	uint64_t now = process_swapped_bytes((int)r->pid);
	uint64_t grown = now > before ? now - before : 0;

	return grown < out_bytes ? grown : out_bytes;
}

static int page_out(struct hold *hold, uint64_t bytes, struct reason *why)
{
	struct reclaim *r = hold->r;
	struct range_list list = { 0 };
	uint64_t wanted = bytes << hold->stretch, listed, left;
	uint64_t before = r->out_bytes, stayed_before = r->stayed_bytes, swapped;
	int err = reclaim_find(r, wanted, &list, why);

	if (tells_later(r, err, why))
		err = 0;
	listed = list.pages * PAGE_BYTES;
	swapped = process_swapped_bytes((int)r->pid);
	if (!err)
		err = reclaim_work(r, &list, bytes, TICK_S, NULL, &left, why);
	if (err) {
		range_list_free(&list);
		return err;
	}
	range_list_cut(&list, (listed - left) / PAGE_BYTES);
	hold->tried = list;
	hold->stayed_bytes = r->stayed_bytes - stayed_before;
	hold->swapped_bytes = swap_grew(r, swapped, r->out_bytes - before);
	hold->vain_bytes += listed - left;
	if (r->out_bytes == before) {
		note_in_vain(hold, listed < wanted && !left, hold->stayed_bytes);
	} else {
		hold->stretch = 0;
		hold->vain_bytes = 0;
	}
	return 0;
}

static void print_json(const struct hold *hold)
{
	struct printer *printer = printer_new(stdout, PRINT_JSON);
	const struct reclaim *r = hold->r;

	print_item(printer);
	print_number(printer, "pid", NULL, r->pid);
	print_text(printer, "state", NULL, r->gone ? "ended" : r->interrupted ? "interrupted" :
		   control_state_text(hold->control.state));
	print_bytes(printer, "resident_bytes", NULL, hold->look.resident_bytes);
	print_bytes(printer, "target_bytes", NULL, r->target_bytes);
	print_bytes(printer, "paged_out_bytes", NULL, r->out_bytes);
	print_bytes(printer, "refault_bytes", NULL, hold->look.refault_bytes);
	print_rate(printer, "pressure_percent", NULL, 100 * hold->look.pressure);
	print_item_end(printer);
	printer_end(printer, true);
}

static void print_line(const struct hold *hold)
{
	printf("%s: %s here, target %s, %s paged out so far\n", control_state_text(hold->control.state),
	       human_size((double)hold->look.resident_bytes).text,
	       human_size((double)hold->r->target_bytes).text,
	       human_size((double)hold->r->out_bytes).text);
}

static void show(struct hold *hold)
{
	double now_s = clock_s();
	bool is_news = hold->control.state != hold->shown || now_s - hold->line_s >= LINE_EVERY_S;

	if (hold->r->call->json)
		print_json(hold);
	else if (is_news)
		print_line(hold);
	if (is_news)
		hold->line_s = now_s;
	hold->shown = hold->control.state;
	fflush(stdout);
}

/* Why it ended otherwise than by a failure. */
static void report_end(struct hold *hold)
{
	const struct reclaim *r = hold->r;

	if (r->call->json)
		print_json(hold);
	else
		printf("%s, %s paged out\n", r->gone ? "the process ended" : "interrupted",
		       human_size((double)r->out_bytes).text);
}

static int hold_at_target(struct hold *hold, struct reason *why)
{
	struct reclaim *r = hold->r;
	uint64_t bytes;
	int err = 0;

	while (!err && !reclaim_is_gone(r) && !ferror(stdout)) {
		look(hold);
		bytes = control_step(&hold->control, &hold->look);
		if (bytes)
			err = page_out(hold, bytes, why);
		if (!err)
			show(hold);
		if (r->interrupted || reclaim_pause(r, TICK_S))
			break;
	}
	range_list_free(&hold->tried);
	return err;
}

int reclaim_daemon(struct reclaim *r)
{
	struct hold hold = { .r = r, .shown = (enum control_state)-1 };
	struct range_list list = { 0 };
	struct reason why;
	int err;

	control_init(&hold.control, r->target_bytes);
	signs_open(&hold.signs, r->pid, clock_s());
	/* What cannot work is told now, not when the guest is too large. */
	err = reclaim_find(r, 0, &list, &why);
	range_list_free(&list);
	if (!err || (err == -EAGAIN && tells_later(r, err, &why)))
		err = hold_at_target(&hold, &why);
	/* A process that ended has no scan any more either: which is noticed first is chance. */
	if (err && !reclaim_is_gone(r))
		return call_fail(r->call, "%s", why.text);
	report_end(&hold);
	return EXIT_SUCCESS;
}
