// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE	/* struct ucred */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "human.h"
#include "print.h"
#include "qmp.h"
#include "qmp_wire.h"
#include "wait.h"

struct qmp {
	struct qmp_wire wire;
	struct qmp_version version;
	int patience_ms;
	bool hangs;
	json_int_t last_id;
};

/* Messages taken at a time of a QEMU that may have no end of them. */
#define EVENTS_AT_ONCE			64

/* What did not answer in time once is not waited for as long again: commands would add up to minutes. */
#define PATIENCE_WITH_HANGING_MS	1000

static int patience_of(const struct qmp *qmp)
{
	if (qmp->hangs && qmp->patience_ms > PATIENCE_WITH_HANGING_MS)
		return PATIENCE_WITH_HANGING_MS;
	return qmp->patience_ms;
}

static int read_greeting(struct qmp *qmp, struct reason *why)
{
	json_t *greeting;
	int err = qmp_wire_receive(&qmp->wire, &greeting, qmp->patience_ms, why);

	if (err == -ETIMEDOUT)
		reason_set(why, "QEMU does not greet: it hangs, or somebody else uses this QMP socket");
	if (err)
		return err;
	if (json_unpack(greeting, "{s:{s:{s:{s:i, s:i, s:i}}}}", "QMP", "version", "qemu", "major",
			&qmp->version.major, "minor", &qmp->version.minor, "micro",
			&qmp->version.micro)) {
		reason_set(why, "its greeting is not that of a QMP socket");
		err = -EBADMSG;
	}
	json_decref(greeting);
	return err;
}

static int negotiate(struct qmp *qmp, struct reason *why)
{
	int err = read_greeting(qmp, why);

	return err ? err : qmp_run(qmp, "qmp_capabilities", NULL, NULL, why);
}

int qmp_open(struct qmp **made, const char *where, int patience_ms, struct reason *why)
{
	struct qmp *qmp = must(calloc(1, sizeof(*qmp)));
	struct reason detail;
	int err;

	qmp->patience_ms = patience_ms;
	err = qmp_wire_connect(&qmp->wire, where, patience_ms, why);
	if (!err) {
		err = negotiate(qmp, &detail);
		if (err)
			reason_set(why, "%s: %s", where, detail.text);
	}
	if (err) {
		qmp_close(qmp);
		return err;
	}
	*made = qmp;
	return 0;
}

void qmp_close(struct qmp *qmp)
{
	if (!qmp)
		return;
	qmp_wire_close(&qmp->wire);
	free(qmp);
}

struct qmp_version qmp_version(const struct qmp *qmp)
{
	return qmp->version;
}

bool qmp_hangs(const struct qmp *qmp)
{
	return qmp->hangs;
}

int qmp_fd(const struct qmp *qmp)
{
	return qmp->wire.fd;
}

static int send_command(struct qmp *qmp, const char *command, json_t *arguments, struct reason *why)
{
	json_t *message = must(json_pack("{s:s, s:I}", "execute", command, "id", ++qmp->last_id));
	int err;

	if (arguments)
		json_object_set_new(message, "arguments", arguments);
	err = qmp_wire_send(&qmp->wire, message, qmp->patience_ms, why);
	json_decref(message);
	return err;
}

static int take_error(const json_t *error, const char *command, struct reason *why)
{
	const char *class = json_string_value(json_object_get(error, "class"));
	const char *text = json_string_value(json_object_get(error, "desc"));

	if (class && !strcmp(class, "CommandNotFound")) {
		reason_set(why, "this QEMU does not know the command %s", command);
		return -ENOSYS;
	}
	reason_set(why, "%s: %s", command, text ? text : "QEMU refused and gave no reason");
	make_printable(why->text);
	return -EREMOTEIO;
}

/* An answer without "return" and "error" is none. */
static int take_answer(json_t *message, const char *command, json_t **result, struct reason *why)
{
	json_t *error = json_object_get(message, "error");
	json_t *value = json_object_get(message, "return");

	if (error)
		return take_error(error, command, why);
	if (!value) {
		reason_set(why, "%s: the answer is not QMP", command);
		return -EBADMSG;
	}
	if (result)
		*result = json_incref(value);
	return 0;
}

/* Events, and answers that came after we had lost patience, are not what is waited for. */
static bool is_answer(const struct qmp *qmp, const json_t *message)
{
	const json_t *id = json_object_get(message, "id");

	if (json_object_get(message, "event"))
		return false;
	return !id || json_integer_value(id) == qmp->last_id;
}

/* Also of a QEMU that never stops talking of something else. */
static int receive_until(struct qmp *qmp, long long deadline_ms, json_t **message, struct reason *why)
{
	long long left_ms = deadline_ms - clock_ms();

	return left_ms > 0 ? qmp_wire_receive(&qmp->wire, message, (int)left_ms, why) : -ETIMEDOUT;
}

static int await_answer(struct qmp *qmp, const char *command, json_t **result, struct reason *why)
{
	int patience_ms = patience_of(qmp);
	long long deadline_ms = clock_ms() + patience_ms;
	json_t *message;
	bool found;
	int err;

	do {
		err = receive_until(qmp, deadline_ms, &message, why);
		if (err == -ETIMEDOUT)
			reason_set(why, "QEMU does not answer %s within %.1f s", command, patience_ms / 1e3);
		qmp->hangs = err == -ETIMEDOUT;
		if (err)
			return err;
		found = is_answer(qmp, message);
		if (found)
			err = take_answer(message, command, result, why);
		json_decref(message);
	} while (!found);
	return err;
}

int qmp_run(struct qmp *qmp, const char *command, json_t *arguments, json_t **result,
	    struct reason *why)
{
	int err = send_command(qmp, command, arguments, why);

	return err ? err : await_answer(qmp, command, result, why);
}

int qmp_take_events(struct qmp *qmp, struct reason *why)
{
	json_t *message;
	int err = 0, i;

	for (i = 0; i < EVENTS_AT_ONCE && !err; i++) {
		err = qmp_wire_receive(&qmp->wire, &message, 0, why);
		if (!err)
			json_decref(message);
	}
	return err == -ETIMEDOUT ? 0 : err;
}

int qmp_wait_for_end(struct qmp *qmp, int timeout_ms)
{
	long long deadline_ms = clock_ms() + timeout_ms;
	struct reason why;
	json_t *message;
	int err;

	do {
		err = receive_until(qmp, deadline_ms, &message, &why);
		if (!err)
			json_decref(message);
	} while (!err);
	return err == -ETIMEDOUT ? err : 0;
}

/* A forwarder, or who made the socket on QEMU's behalf, is not it. */
static bool is_qemu(pid_t pid)
{
	char link[32], path[4096];
	const char *name;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	len = readlink(link, path, sizeof(path) - 1);
	if (len <= 0)
		return false;
	path[len] = '\0';
	name = strrchr(path, '/');
	return name && !strncmp(name + 1, "qemu", 4);
}

pid_t qmp_process(const struct qmp *qmp)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(qmp->wire.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) || peer.pid <= 0)
		return 0;
	return is_qemu(peer.pid) ? peer.pid : 0;
}
