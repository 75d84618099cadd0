// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CLI against a module that is played here: what is sent is kept, what is "received" was put
 * together by the test. libnl is the real one; the socket is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* After those: */
#include <cmocka.h>

#include "../../userspace/extack.h"
#include "../../userspace/reclaim.h"
#include "../../userspace/snapshot.h"
#include "cli_messages.h"

int __wrap_genl_connect(struct nl_sock *sock);
int __wrap_genl_ctrl_resolve(struct nl_sock *sock, const char *name);
int __wrap_nl_send_auto(struct nl_sock *sock, struct nl_msg *msg);
struct nl_cb *__real_nl_cb_alloc(enum nl_cb_kind kind);
struct nl_cb *__wrap_nl_cb_alloc(enum nl_cb_kind kind);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len);

#define READS_MAX	4

static int family = MESSAGE_FAMILY;
static int options_set;
static struct {
	unsigned char bytes[65536];
	size_t len;
} reads[READS_MAX];			/* each is what one recvmsg() returns */
static int n_reads, next_read;
static unsigned char sent[65536];
static uint32_t sequence;

int __wrap_genl_connect(struct nl_sock *sock)
{
	(void)sock;
	return 0;
}

int __wrap_genl_ctrl_resolve(struct nl_sock *sock, const char *name)
{
	(void)sock;
	assert_string_equal(name, SMEMV_GENL_NAME);
	return family;
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	(void)fd;
	(void)len;
	assert_int_equal(level, SOL_NETLINK);
	assert_int_equal(*(const int *)value, 1);
	options_set |= 1 << option;
	return 0;
}

static void patch_sequence(unsigned char *bytes, size_t len)
{
	struct nlmsghdr *msg = (struct nlmsghdr *)bytes;
	int left = (int)len;

	for (; nlmsg_ok(msg, left); msg = nlmsg_next(msg, &left))
		msg->nlmsg_seq = sequence;
}

int __wrap_nl_send_auto(struct nl_sock *sock, struct nl_msg *msg)
{
	nl_complete_msg(sock, msg);
	memcpy(sent, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
	sequence = nlmsg_hdr(msg)->nlmsg_seq;
	return (int)nlmsg_hdr(msg)->nlmsg_len;
}

static int play_read(struct nl_sock *sock, struct sockaddr_nl *from, unsigned char **buffer,
		     struct ucred **creds)
{
	int len;

	(void)sock;
	(void)creds;
	if (next_read == n_reads)
		fail_msg("more was read than the module said");
	memset(from, 0, sizeof(*from));
	from->nl_family = AF_NETLINK;
	len = (int)reads[next_read].len;
	patch_sequence(reads[next_read].bytes, len);
	*buffer = malloc(len);
	memcpy(*buffer, reads[next_read].bytes, len);
	next_read++;
	return len;
}

struct nl_cb *__wrap_nl_cb_alloc(enum nl_cb_kind kind)
{
	struct nl_cb *cb = __real_nl_cb_alloc(kind);

	nl_cb_overwrite_recv(cb, play_read);
	return cb;
}

static void say(const void *bytes, size_t len)
{
	size_t room = NLMSG_ALIGN(len);

	assert_true(reads[n_reads - 1].len + room <= sizeof(reads[0].bytes));
	memcpy(reads[n_reads - 1].bytes + reads[n_reads - 1].len, bytes, len);
	reads[n_reads - 1].len += room;
}

static void new_read(void)
{
	assert_true(n_reads < READS_MAX);
	reads[n_reads++].len = 0;
}

static void say_message(struct nl_msg *msg, int flags)
{
	nlmsg_hdr(msg)->nlmsg_flags |= flags;
	say(nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
	nlmsg_free(msg);
}

static void put_extack(struct nl_msg *answer, const char *text, int offset)
{
	nlmsg_hdr(answer)->nlmsg_flags |= NLM_F_ACK_TLVS;
	if (text)
		nla_put_string(answer, NLMSGERR_ATTR_MSG, text);
	if (offset)
		nla_put_u32(answer, NLMSGERR_ATTR_OFFS, offset);
}

/* @echo: the request comes back in the error, as kernels do unless told not to. */
static void say_error(int error, const char *text, int offset, const struct nl_msg *echo)
{
	struct nlmsgerr failure = { .error = error };
	struct nl_msg *answer = nlmsg_alloc_simple(NLMSG_ERROR, echo ? 0 : NLM_F_CAPPED);

	if (echo)
		failure.msg = *nlmsg_hdr((struct nl_msg *)echo);
	nlmsg_append(answer, &failure, sizeof(failure), NLMSG_ALIGNTO);
	if (echo)
		nlmsg_append(answer, nlmsg_data(nlmsg_hdr((struct nl_msg *)echo)),
			     nlmsg_datalen(nlmsg_hdr((struct nl_msg *)echo)), NLMSG_ALIGNTO);
	if (text || offset)
		put_extack(answer, text, offset);
	say_message(answer, 0);
}

static void say_done(int error, const char *text, int flags)
{
	struct nl_msg *answer = nlmsg_alloc_simple(NLMSG_DONE, NLM_F_MULTI | flags);

	nlmsg_append(answer, &error, sizeof(error), NLMSG_ALIGNTO);
	if (text)
		put_extack(answer, text, 0);
	say_message(answer, 0);
}

static struct link *link_with_nothing_said(void)
{
	struct reason why;
	struct link *link;

	n_reads = 0;
	next_read = 0;
	family = MESSAGE_FAMILY;
	options_set = 0;
	assert_int_equal(link_open(&link, &why), 0);
	return link;
}

static void the_socket_asks_for_extended_acks(void **state)
{
	struct link *link = link_with_nothing_said();

	(void)state;
	assert_true(options_set & 1 << NETLINK_EXT_ACK);
	assert_true(options_set & 1 << NETLINK_GET_STRICT_CHK);
	link_close(link);
}

static void a_missing_module_is_said_to_be_missing(void **state)
{
	struct reason why;
	struct link *link;

	(void)state;
	family = -NLE_OBJ_NOTFOUND;
	assert_int_equal(link_open(&link, &why), -ENODEV);
	assert_non_null(strstr(why.text, "not loaded"));
	assert_non_null(strstr(why.text, "modprobe smemv"));
}

static void an_ack_ends_a_request(void **state)
{
	struct link *link = link_with_nothing_said();
	struct nl_msg *request = link_request(link, SMEMV_CMD_SERVER_DEL, NLM_F_ACK);
	const struct genlmsghdr *genl = nlmsg_data((struct nlmsghdr *)sent);
	struct reason why;

	(void)state;
	nla_put_string(request, SMEMV_A_SERVER_NAME, "s1");
	new_read();
	say_error(0, NULL, 0, NULL);
	assert_int_equal(link_exchange(link, request, NULL, NULL, &why), 0);
	assert_int_equal(genl->cmd, SMEMV_CMD_SERVER_DEL);
	assert_int_equal(((struct nlmsghdr *)sent)->nlmsg_type, MESSAGE_FAMILY);
	link_close(link);
}

static void check_error(int error, const char *text, int attribute, bool echo, const char *want)
{
	struct link *link = link_with_nothing_said();
	struct nl_msg *request = link_request(link, SMEMV_CMD_SERVER_ADD, NLM_F_ACK);
	struct nlattr *attr;
	struct reason why;
	int offset = 0;

	nla_put_string(request, SMEMV_A_SERVER_NAME, "s1");
	nla_put_u32(request, SMEMV_A_SERVER_LANES, 1000);
	attr = nlmsg_find_attr(nlmsg_hdr(request), GENL_HDRLEN, attribute);
	if (attr)
		offset = (int)((char *)attr - (char *)nlmsg_hdr(request));
	new_read();
	say_error(error, text, offset, echo ? request : NULL);
	assert_int_equal(link_exchange(link, request, NULL, NULL, &why), error);
	assert_string_equal(why.text, want);
	link_close(link);
}

static void the_kernels_text_reaches_the_user(void **state)
{
	(void)state;
	check_error(-EEXIST, "a server of this name exists already", 0, false,
		    "a server of this name exists already");
	check_error(-EEXIST, "a server of this name exists already", 0, true,
		    "a server of this name exists already");
}

static void the_offending_word_is_named(void **state)
{
	(void)state;
	check_error(-ERANGE, "integer out of range", SMEMV_A_SERVER_LANES, true,
		    "integer out of range (lanes)");
	check_error(-ERANGE, "integer out of range", SMEMV_A_SERVER_LANES, false,
		    "integer out of range (lanes)");
	check_error(-EINVAL, "too many lanes for this machine", SMEMV_A_SERVER_LANES, false,
		    "too many lanes for this machine");
	check_error(-EBUSY, "it is in use", SMEMV_A_SERVER_NAME, false, "it is in use");
}

/* Of a request of @command with one attribute, which the kernel blames. */
static void check_word(uint8_t command, int attribute, const char *want)
{
	struct link *link = link_with_nothing_said();
	struct nl_msg *request = link_request(link, command, NLM_F_ACK);
	struct reason why;

	nla_put_u32(request, attribute, 1);
	new_read();
	say_error(-ERANGE, "integer out of range", GENL_HDRLEN + NLMSG_HDRLEN, NULL);
	assert_int_equal(link_exchange(link, request, NULL, NULL, &why), -ERANGE);
	assert_string_equal(why.text, want);
	link_close(link);
}

static void each_object_has_its_words(void **state)
{
	(void)state;
	check_word(SMEMV_CMD_SERVER_ADD, SMEMV_A_SERVER_TIMEOUT, "integer out of range (timeout)");
	check_word(SMEMV_CMD_SWAP_ADD, SMEMV_A_SWAP_QUEUES, "integer out of range (queues)");
	check_word(SMEMV_CMD_VM_ADD, SMEMV_A_VM_DEADLINE, "integer out of range (deadline)");
	check_word(SMEMV_CMD_VM_SET, SMEMV_A_VM_POLICY, "integer out of range (policy)");
	check_word(SMEMV_CMD_VM_ATTACH, SMEMV_A_VM_PID, "integer out of range (pid)");
	check_word(SMEMV_CMD_VM_ADD, SMEMV_A_VM_FD, "integer out of range");
	check_word(SMEMV_CMD_SCAN_START, SMEMV_A_SCAN_INTERVAL, "integer out of range (interval)");
	check_word(SMEMV_CMD_SCAN_RANGES, SMEMV_A_SCAN_COLD, "integer out of range (cold)");
}

static void an_error_without_text_is_explained(void **state)
{
	(void)state;
	check_error(-EBUSY, NULL, 0, false, "Device or resource busy");
	check_error(-EINVAL, NULL, SMEMV_A_SERVER_LANES, true, "Invalid argument (lanes)");
	check_error(-EPERM, NULL, 0, true,
		    "not permitted: this needs CAP_NET_ADMIN and CAP_SYS_ADMIN, so run it as root (not in a user namespace)");
	check_error(-EOPNOTSUPP, NULL, 0, true,
		    "the loaded module does not know this command: load the module of the same version as this program");
}

static void a_list_comes_in_several_reads(void **state)
{
	struct link *link = link_with_nothing_said();
	struct snapshot snapshot = { 0 };
	struct reason why;

	(void)state;
	new_read();
	say_message(message_server("s1"), NLM_F_MULTI);
	say_message(message_server("s2"), NLM_F_MULTI);
	new_read();
	say_message(message_server("s3"), NLM_F_MULTI);
	new_read();
	say_done(0, NULL, 0);
	assert_int_equal(snapshot_servers(link, NULL, &snapshot, &why), 0);
	assert_int_equal(snapshot.n_servers, 3);
	assert_string_equal(snapshot.servers[2].name, "s3");
	assert_non_null(snapshot_server(&snapshot, "s2"));
	assert_null(snapshot_server(&snapshot, "s4"));
	snapshot_free(&snapshot);
	link_close(link);
}

static void a_list_can_fail_at_its_end(void **state)
{
	struct link *link = link_with_nothing_said();
	struct snapshot snapshot = { 0 };
	struct reason why;

	(void)state;
	new_read();
	say_message(message_swap("d1"), NLM_F_MULTI);
	say_done(-ENOMEM, "no memory for the list", 0);
	assert_int_equal(snapshot_swaps(link, NULL, &snapshot, &why), -ENOMEM);
	assert_string_equal(why.text, "no memory for the list");
	snapshot_free(&snapshot);
	link_close(link);
}

static void an_interrupted_list_is_made_again(void **state)
{
	struct link *link = link_with_nothing_said();
	struct snapshot snapshot = { 0 };
	struct reason why;

	(void)state;
	new_read();
	say_message(message_swap("d1"), NLM_F_MULTI);
	say_message(message_swap("d1"), NLM_F_MULTI | NLM_F_DUMP_INTR);
	say_done(0, NULL, 0);
	new_read();
	say_message(message_swap("d1"), NLM_F_MULTI);
	say_done(0, NULL, 0);
	assert_int_equal(snapshot_swaps(link, NULL, &snapshot, &why), 0);
	assert_int_equal(snapshot.n_swaps, 1);
	assert_int_equal(next_read, 2);
	snapshot_free(&snapshot);
	link_close(link);
}

static void one_object_is_asked_for_by_name(void **state)
{
	struct link *link = link_with_nothing_said();
	struct snapshot snapshot = { 0 };
	struct nlattr *name;
	struct reason why;

	(void)state;
	new_read();
	say_message(message_swap("disk"), 0);
	new_read();
	say_error(0, NULL, 0, NULL);
	assert_int_equal(snapshot_swaps(link, "disk", &snapshot, &why), 0);
	assert_int_equal(snapshot.n_swaps, 1);
	assert_false(((struct nlmsghdr *)sent)->nlmsg_flags & NLM_F_ROOT);
	name = nlmsg_find_attr((struct nlmsghdr *)sent, GENL_HDRLEN, SMEMV_A_SWAP_NAME);
	assert_string_equal(nla_get_string(name), "disk");
	snapshot_free(&snapshot);
	link_close(link);
}

static struct nl_msg *message_scan(uint32_t pid, uint64_t scans)
{
	struct nl_msg *msg = message_new(SMEMV_CMD_SCAN_GET);

	nla_put_u32(msg, SMEMV_A_SCAN_PID, pid);
	nla_put_u64(msg, SMEMV_A_SCAN_SCANS, scans);
	return msg;
}

static struct nl_msg *message_ranges(const struct smemv_scan_range *ranges, size_t count)
{
	struct nl_msg *msg = message_new(SMEMV_CMD_SCAN_RANGES);

	nla_put(msg, SMEMV_A_SCAN_RANGES, (int)(count * sizeof(*ranges)), ranges);
	return msg;
}

static void say_scan(uint64_t scans)
{
	n_reads = 0;
	next_read = 0;
	new_read();
	say_message(message_scan(4711, scans), 0);
	new_read();
	say_error(0, NULL, 0, NULL);
	new_read();
}

/* The module's answers to a reclaim_find() after @scans passes: each range of these. */
static void say_cold(uint64_t scans, const struct smemv_scan_range *ranges, size_t count)
{
	say_scan(scans);
	say_message(message_ranges(ranges, count), NLM_F_MULTI);
	say_done(0, NULL, 0);
}

static uint8_t command_sent(void)
{
	return ((struct genlmsghdr *)nlmsg_data((struct nlmsghdr *)sent))->cmd;
}

/* What of @attribute a reclaim sent for ranges that were cold for @cold_s. */
static struct nlattr *sent_for_ranges(double cold_s, int attribute)
{
	struct reclaim r = { .link = link_with_nothing_said(), .pid = 4711, .cold_s = cold_s };
	struct range_list list = { 0 };
	struct reason why;

	say_cold(20, NULL, 0);
	assert_int_equal(reclaim_find(&r, UINT64_MAX, &list, &why), 0);
	range_list_free(&list);
	link_close(r.link);
	assert_int_equal(command_sent(), SMEMV_CMD_SCAN_RANGES);
	return nlmsg_find_attr((struct nlmsghdr *)sent, GENL_HDRLEN, attribute);
}

static void what_was_in_vain_is_not_asked_again_before_the_next_pass(void **state)
{
	struct reclaim r = { .link = link_with_nothing_said(), .pid = 4711, .in_vain = 20 };
	struct range_list list = { 0 };
	struct reason why;

	(void)state;
	say_cold(20, NULL, 0);
	assert_int_equal(reclaim_find(&r, UINT64_MAX, &list, &why), 0);
	assert_int_equal(command_sent(), SMEMV_CMD_SCAN_GET);
	say_cold(21, NULL, 0);
	assert_int_equal(reclaim_find(&r, UINT64_MAX, &list, &why), 0);
	assert_int_equal(command_sent(), SMEMV_CMD_SCAN_RANGES);
	assert_int_equal(r.passes, 21);
	range_list_free(&list);
	link_close(r.link);
}

static void no_more_is_looked_for_than_is_wanted(void **state)
{
	struct reclaim r = { .link = link_with_nothing_said(), .pid = 4711 };
	char *memory = aligned_alloc(4096, 4 * 4096);
	struct smemv_scan_range ranges[] = {
		{ (uintptr_t)memory, 1 }, { (uintptr_t)memory + 2 * 4096, 1 },
	};
	struct range_list list = { 0 };
	struct reason why;

	(void)state;
	memset(memory, 1, 4 * 4096);
	r.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	say_cold(20, ranges, 2);
	assert_int_equal(reclaim_find(&r, 4096, &list, &why), 0);
	assert_int_equal(list.pages, 1);
	range_list_free(&list);
	say_cold(20, ranges, 2);
	assert_int_equal(reclaim_find(&r, 4097, &list, &why), 0);
	assert_int_equal(list.pages, 2);
	range_list_free(&list);
	close(r.pagemap);
	free(memory);
	link_close(r.link);
}

static void a_scan_that_has_not_watched_long_enough_is_told(void **state)
{
	struct reclaim r = { .link = link_with_nothing_said(), .pid = 4711 };
	struct range_list list = { 0 };
	struct reason why;

	(void)state;
	say_scan(3);
	say_done(-EAGAIN, "not yet", 0);
	assert_int_equal(reclaim_find(&r, UINT64_MAX, &list, &why), -EAGAIN);
	assert_non_null(strstr(why.text, "has looked 3 of 8 times"));
	r.cold_s = 600;
	say_scan(4);
	say_done(-EAGAIN, "not yet", 0);
	assert_int_equal(reclaim_find(&r, UINT64_MAX, &list, &why), -EAGAIN);
	assert_non_null(strstr(why.text, "has not watched for 600 s yet"));
	link_close(r.link);
}

/* As of a guest whose upper memory is lower on the host; what is before the place to go on at is last. */
static void a_list_goes_on_where_the_last_ended(void **state)
{
	static char memory[8 * 4096] __attribute__((aligned(4096)));
	struct reclaim r = { .link = link_with_nothing_said(), .pid = 4711, .next = (uintptr_t)memory + 3 * 4096 };
	struct smemv_scan_range ranges[] = {
		{ (uintptr_t)memory + 6 * 4096, 1 }, { (uintptr_t)memory, 1 }, { (uintptr_t)memory + 2 * 4096, 3 },
	};
	const unsigned int wanted[][2] = { { 3, 2 }, { 6, 1 }, { 0, 1 }, { 2, 1 } };
	struct range_list list = { 0 };
	struct reason why;
	size_t i;

	(void)state;
	memset(memory, 1, sizeof(memory));
	r.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	say_cold(20, ranges, 3);
	assert_int_equal(reclaim_find(&r, UINT64_MAX, &list, &why), 0);
	assert_int_equal(list.count, 4);
	for (i = 0; i < list.count; i++)
		assert_true(list.ranges[i].address == (uintptr_t)memory + wanted[i][0] * 4096 &&
			    list.ranges[i].pages == wanted[i][1]);
	range_list_cut(&list, 1);
	assert_true(list.count == 1 && list.pages == 1 && list.ranges[0].pages == 1);
	range_list_free(&list);
	close(r.pagemap);
	link_close(r.link);
}

static void only_a_time_that_was_said_is_asked_for(void **state)
{
	(void)state;
	assert_int_equal(nla_get_u32(sent_for_ranges(70, SMEMV_A_SCAN_COLD)), 70000);
	assert_null(sent_for_ranges(0, SMEMV_A_SCAN_COLD));
	assert_int_equal(nla_get_u32(sent_for_ranges(0, SMEMV_A_SCAN_PID)), 4711);
}

static void a_reply_that_makes_no_sense_is_an_error(void **state)
{
	struct link *link = link_with_nothing_said();
	struct snapshot snapshot = { 0 };
	struct reason why;

	(void)state;
	new_read();
	say_message(message_new(SMEMV_CMD_SERVER_GET), NLM_F_MULTI);
	say_done(0, NULL, 0);
	assert_int_equal(snapshot_servers(link, NULL, &snapshot, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "one version"));
	snapshot_free(&snapshot);
	link_close(link);
}

static void a_damaged_extended_ack_is_survived(void **state)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr failure;
		struct nlattr attr;
	} answer = {
		.header = { .nlmsg_type = NLMSG_ERROR, .nlmsg_len = sizeof(answer),
			    .nlmsg_flags = NLM_F_ACK_TLVS },
		.failure = { .error = -EBUSY, .msg = { .nlmsg_len = 5000 } },
		.attr = { .nla_len = 300, .nla_type = NLMSGERR_ATTR_MSG },
	};
	struct reason why;

	(void)state;
	assert_int_equal(extack_reason(&answer.header, (struct nlmsghdr *)sent, &why), -EBUSY);
	assert_string_equal(why.text, "Device or resource busy");
	answer.header.nlmsg_flags |= NLM_F_CAPPED;
	assert_int_equal(extack_reason(&answer.header, (struct nlmsghdr *)sent, &why), -EBUSY);
	assert_string_equal(why.text, "Device or resource busy");
	answer.header.nlmsg_len = NLMSG_HDRLEN + 2;
	assert_int_equal(extack_reason(&answer.header, (struct nlmsghdr *)sent, &why), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_socket_asks_for_extended_acks),
		cmocka_unit_test(a_missing_module_is_said_to_be_missing),
		cmocka_unit_test(an_ack_ends_a_request),
		cmocka_unit_test(the_kernels_text_reaches_the_user),
		cmocka_unit_test(the_offending_word_is_named),
		cmocka_unit_test(each_object_has_its_words),
		cmocka_unit_test(an_error_without_text_is_explained),
		cmocka_unit_test(a_list_comes_in_several_reads),
		cmocka_unit_test(a_list_can_fail_at_its_end),
		cmocka_unit_test(an_interrupted_list_is_made_again),
		cmocka_unit_test(one_object_is_asked_for_by_name),
		cmocka_unit_test(only_a_time_that_was_said_is_asked_for),
		cmocka_unit_test(what_was_in_vain_is_not_asked_again_before_the_next_pass),
		cmocka_unit_test(no_more_is_looked_for_than_is_wanted),
		cmocka_unit_test(a_scan_that_has_not_watched_long_enough_is_told),
		cmocka_unit_test(a_list_goes_on_where_the_last_ended),
		cmocka_unit_test(a_reply_that_makes_no_sense_is_an_error),
		cmocka_unit_test(a_damaged_extended_ack_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
