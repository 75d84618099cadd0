// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "human.h"
#include "print.h"
#include "qmp_wire.h"
#include "wait.h"

/* No answer that we ask for comes near this; what does is not QMP. */
#define MESSAGE_MAX	(1 << 20)
#define READ_STEP	4096

/* 0 when @events came, -ETIMEDOUT when they did not until @deadline_ms. */
static int wait_for(int fd, short events, long long deadline_ms)
{
	struct pollfd ready = { .fd = fd, .events = events };
	long long left = deadline_ms - clock_ms();
	int n;

	do {
		n = poll(&ready, 1, left > 0 ? (int)left : 0);
		left = deadline_ms - clock_ms();
	} while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : -ETIMEDOUT;
}

static int unix_address(const char *path, struct address *address, struct reason *why)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&address->sockaddr;

	if (strlen(path) >= sizeof(sun->sun_path)) {
		reason_set(why, "the path %s is too long for a socket (%zu characters at most)", path,
			   sizeof(sun->sun_path) - 1);
		return -ENAMETOOLONG;
	}
	sun->sun_family = AF_UNIX;
	strcpy(sun->sun_path, path);
	address->len = sizeof(*sun);
	return 0;
}

static int find_address(const char *where, struct address *address, struct reason *why)
{
	char host[ADDRESS_HOST_LEN];
	uint16_t port;
	int err;

	memset(address, 0, sizeof(*address));
	if (strchr(where, '/'))
		return unix_address(where, address, why);
	err = address_split(where, host, &port, why);
	return err ? err : address_resolve(host, port, address, why);
}

static int finish_connect(int fd, long long deadline_ms)
{
	socklen_t len = sizeof(int);
	int err = wait_for(fd, POLLOUT, deadline_ms);

	if (err)
		return err;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

static int connect_to(int fd, const struct address *address, int timeout_ms)
{
	long long deadline_ms = clock_ms() + timeout_ms;

	while (connect(fd, (const struct sockaddr *)&address->sockaddr, address->len)) {
		if (errno == EINPROGRESS)
			return finish_connect(fd, deadline_ms);
		/* A unix socket whose queue is full: QEMU serves one client at a time. */
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (clock_ms() >= deadline_ms)
			return -ETIMEDOUT;
		poll(NULL, 0, 50);
	}
	return 0;
}

/* A unix socket without QEMU behind it is made by an option that is easily forgotten. */
static void tell_failure(const char *where, int err, struct reason *why)
{
	bool unheard = strchr(where, '/') && (err == ENOENT || err == ECONNREFUSED);

	reason_set(why, unheard ?
		   "cannot connect to %s: %s; start QEMU with -qmp unix:%s,server=on,wait=off" :
		   "cannot connect to %s: %s", where, strerror(err), where);
}

int qmp_wire_connect(struct qmp_wire *wire, const char *where, int timeout_ms, struct reason *why)
{
	struct address address;
	int err = find_address(where, &address, why);

	memset(wire, 0, sizeof(*wire));
	wire->fd = -1;
	if (err)
		return err;
	wire->fd = socket(address.sockaddr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = wire->fd < 0 ? -errno : connect_to(wire->fd, &address, timeout_ms);
	if (err)
		tell_failure(where, -err, why);
	return err;
}

void qmp_wire_close(struct qmp_wire *wire)
{
	if (wire->fd >= 0)
		close(wire->fd);
	free(wire->text);
}

static int gone(struct reason *why)
{
	reason_set(why, "the connection ended: QEMU, or what forwards its socket, is gone");
	return -EPIPE;
}

static int send_all(struct qmp_wire *wire, const char *text, size_t len, long long deadline_ms,
		    struct reason *why)
{
	while (len) {
		ssize_t sent = send(wire->fd, text, len, MSG_NOSIGNAL);

		if (sent >= 0) {
			text += sent;
			len -= (size_t)sent;
		} else if (errno != EAGAIN && errno != EINTR) {
			return gone(why);
		} else if (wait_for(wire->fd, POLLOUT, deadline_ms)) {
			reason_set(why, "QEMU does not read its commands");
			return -ETIMEDOUT;
		}
	}
	return 0;
}

int qmp_wire_send(struct qmp_wire *wire, const json_t *message, int timeout_ms, struct reason *why)
{
	char *text = must(json_dumps(message, JSON_COMPACT));
	int err = send_all(wire, text, strlen(text), clock_ms() + timeout_ms, why);

	if (!err)
		err = send_all(wire, "\n", 1, clock_ms() + timeout_ms, why);
	free(text);
	return err;
}

static void forget(struct qmp_wire *wire, size_t len)
{
	wire->len -= len;
	memmove(wire->text, wire->text + len, wire->len);
}

static void skip_blanks(struct qmp_wire *wire)
{
	forget(wire, wire->len ? strspn(wire->text, " \t\r\n") : 0);
}

/*
 * QEMU ends each message by a new line. Before that a message may be cut anywhere, also within
 * "true" or a letter: then the parser does not say that it wants more, but that it cannot read it.
 */
static bool may_go_on(const struct qmp_wire *wire, const json_error_t *error)
{
	if (wire->len >= MESSAGE_MAX || wire->text[0] != '{')
		return false;
	return json_error_code(error) == json_error_premature_end_of_input ||
	       wire->text[wire->len - 1] != '\n';
}

static int not_qmp(const json_error_t *error, struct reason *why)
{
	reason_set(why, "what it says is not QMP (%s): is it a QMP socket (-qmp), not that of a human monitor?",
		   error->text);
	make_printable(why->text);
	return -EBADMSG;
}

/* 1: an object was complete, 0: more must come. */
static int take_message(struct qmp_wire *wire, json_t **message, struct reason *why)
{
	json_error_t error;

	skip_blanks(wire);
	if (!wire->len)
		return 0;
	*message = json_loadb(wire->text, wire->len, JSON_DISABLE_EOF_CHECK, &error);
	if (json_is_object(*message)) {
		forget(wire, (size_t)error.position);
		return 1;
	}
	json_decref(*message);
	*message = NULL;
	return may_go_on(wire, &error) ? 0 : not_qmp(&error, why);
}

/* The text stays terminated, for strspn(). */
static int read_more(struct qmp_wire *wire, struct reason *why)
{
	ssize_t got;

	if (wire->room < wire->len + READ_STEP + 1) {
		wire->room = 2 * wire->room + READ_STEP + 1;
		wire->text = must(realloc(wire->text, wire->room));
	}
	got = recv(wire->fd, wire->text + wire->len, wire->room - wire->len - 1, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (got <= 0)
		return gone(why);
	wire->len += (size_t)got;
	wire->text[wire->len] = '\0';
	return 0;
}

int qmp_wire_receive(struct qmp_wire *wire, json_t **message, int timeout_ms, struct reason *why)
{
	long long deadline_ms = clock_ms() + timeout_ms;
	int err;

	for (;;) {
		err = take_message(wire, message, why);
		if (err)
			return err < 0 ? err : 0;
		err = read_more(wire, why);
		if (err && err != -EAGAIN)
			return err;
		if (err && wait_for(wire->fd, POLLIN, deadline_ms)) {
			reason_set(why, "QEMU does not answer within %d s", timeout_ms / 1000);
			return -ETIMEDOUT;
		}
	}
}
