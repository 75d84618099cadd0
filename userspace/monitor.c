// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "request.h"
#include "wait.h"

#define TIME_LEN	40

struct monitor {
	const struct call *call;
	uint32_t wanted;	/* events, 0: until a signal ends it */
	uint32_t seen;
};

/* ISO 8601 with milliseconds and the zone's offset */
static void present(char text[TIME_LEN])
{
	struct timespec now;
	struct tm local;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	len = strftime(text, TIME_LEN, "%Y-%m-%dT%H:%M:%S", &local);
	len += snprintf(text + len, TIME_LEN - len, ".%03ld", now.tv_nsec / 1000000);
	strftime(text + len, TIME_LEN - len, "%z", &local);
}

static void print_event(struct monitor *monitor, const struct event_info *event)
{
	struct printer *printer = printer_new(stdout, monitor->call->json ? PRINT_JSON : PRINT_LINE);
	char time[TIME_LEN];

	present(time);
	view_event(printer, event, time);
	printer_end(printer, true);
	fflush(stdout);
	monitor->seen++;
}

static int on_event(const struct nlmsghdr *msg, void *arg, struct reason *why)
{
	struct monitor *monitor = arg;
	struct event_info event;

	if (decode_event(msg, &event)) {
		reason_set(why, "an event cannot be understood: use the module and the program of one version");
		return -EBADMSG;
	}
	if (!monitor->wanted || monitor->seen < monitor->wanted)
		print_event(monitor, &event);
	return 0;
}

static int open_signals(void)
{
	sigset_t ends;

	ends_block(&ends, 0);
	return signalfd(-1, &ends, SFD_CLOEXEC);
}

static int read_events(struct monitor *monitor, struct link *link, struct reason *why)
{
	static const struct event_info lost = { .text = "events were lost: they came faster than they were read" };
	int err = link_read_events(link, on_event, monitor, why);

	if (err != -ENOBUFS)
		return err;
	print_event(monitor, &lost);
	return 0;
}

static int listen_on(struct monitor *monitor, struct link *link, int signals, struct reason *why)
{
	struct pollfd ready[] = {
		{ .fd = link_fd(link), .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	int err = 0;

	while (!err && !ferror(stdout) && (!monitor->wanted || monitor->seen < monitor->wanted)) {
		if (poll(ready, 2, -1) < 0 && errno != EINTR) {
			reason_set(why, "cannot wait for events: %s", strerror(errno));
			return -errno;
		}
		if (ready[1].revents)
			return 0;
		if (ready[0].revents)
			err = read_events(monitor, link, why);
	}
	return err;
}

int monitor(struct call *call)
{
	struct monitor monitor = { .call = call };
	struct keyword keywords[] = {
		{ "count", "N", parse_number, &monitor.wanted, false },
		{ 0 },
	};
	int status = parse_keywords(call, keywords), signals, err;
	struct reason why;
	struct link *link;

	if (status)
		return status;
	if (link_open(&link, &why))
		return call_fail(call, "%s", why.text);
	err = link_subscribe(link, &why);
	signals = open_signals();
	if (!err)
		err = listen_on(&monitor, link, signals, &why);
	close(signals);
	link_close(link);
	return err ? call_fail(call, "%s", why.text) : EXIT_SUCCESS;
}
