/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket with peers that keep the rules or break one: who is let in, what is handed on, what is answered. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/protocol/rig.h"

static bool one_hello(struct rig *r) { return r->hellos == 1; }
static bool one_gone(struct rig *r) { return r->gones == 1; }
static bool one_message(struct rig *r) { return r->messages == 1; }

/* ---- a life in order ---- */

static void live(const struct rig *r)
{
	char text[MG_WIRE_MAX + 1];
	int fd = dial(r), statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	static const char hello[] = RIG_HELLO "exe=/bin/a%0Ab\nfds=statm\n";

	demand(send_with(fd, hello, sizeof hello - 1, &statm, 1) == 0, "HELLO cannot be sent");
	demand(hear(fd, text) > 0 && strncmp(text, "memgov/1 WELCOME\n", 17) == 0, "the answer is `%s`", text);
	demand(say(fd, "memgov/1 REPORT\nseq=1\nresident=1\nfuture=1\n") == 0, "REPORT cannot be sent");
	demand(say(fd, "memgov/1 ACK\nseq=1\n") == 0, "ACK cannot be sent");
	demand(say(fd, "memgov/1 NAK\nseq=1\ncode=floor\nwhy=a%0Ab\n") == 0, "NAK cannot be sent");
	demand(say(fd, "memgov/1 BYE\nwhy=done\n") == 0, "BYE cannot be sent");
}

static void test_life(void **state)
{
	struct rig r;
	char statm[64];
	(void)state;

	rig_open(&r, NULL);
	r.take_fd = r.welcome = true;
	rig_child(&r, live, 3000, "a life in order");
	rig_until(&r, one_gone, 2000, "the end of the connection");
	check(r.hellos == 1 && r.messages == 4 && r.verb == MG_WIRE_BYE, "%u hellos, %u messages, the last is %s", r.hellos,
	      r.messages, mg_wire_verb_name(r.verb));
	check(strcmp(r.text, "done") == 0, "the last why is `%s`", r.text);
	check(r.hello.uid == getuid() && r.hello.gid == getgid() && r.hello.pid == r.child,
	      "uid %u gid %u pid %d are not the child's", r.hello.uid, r.hello.gid, r.hello.pid);
	check(r.taken_fd >= 0 && fcntl(r.taken_fd, F_GETFD) == FD_CLOEXEC,
	      "the descriptor was not kept open for its taker, close-on-exec");
	check(pread(r.taken_fd, statm, sizeof statm, 0) < 0 && errno == ESRCH, "statm of an ended process reads as gone");
	close(r.taken_fd);
	struct mg_control_stats s;
	mg_control_stats(r.control, &s);
	check(s.accepted == 1 && s.messages == 5 && s.sent == 1 && s.peers == 0 && s.refused == 0 && s.malformed == 0,
	      "accepted %ju messages %ju sent %ju peers %u refused %ju malformed %ju", (uintmax_t)s.accepted,
	      (uintmax_t)s.messages, (uintmax_t)s.sent, s.peers, (uintmax_t)s.refused, (uintmax_t)s.malformed);
	rig_close(&r, "a life in order");
}

/* ---- rules broken by messages ---- */

#define MESSAGE_MAX 3

static const struct rule_row {
	const char *name;
	const char *say[MESSAGE_MAX];
	const char *code;       /* of the ERROR */
	bool banned;            /* and the user is refused for a while */
	unsigned kept;          /* hellos the owner saw */
} rules[] = {
	{ "garbage", { "\x01\x02\xff" }, "malformed", true, 0 },
	{ "another protocol", { "GET / HTTP/1.0\r\n\r\n" }, "malformed", true, 0 },
	{ "no final newline", { "memgov/1 HELLO\nmin=1\nmax=1" }, "malformed", true, 0 },
	{ "a key twice", { RIG_HELLO "min=1\n" }, "malformed", true, 0 },
	{ "a control byte", { RIG_HELLO "exe=a\tb\n" }, "malformed", true, 0 },
	{ "a report before HELLO", { "memgov/1 REPORT\nseq=1\n" }, "verb", true, 0 },
	{ "no versions", { "memgov/1 HELLO\nrole=target\n" }, "malformed", true, 0 },
	{ "no number as version", { "memgov/1 HELLO\nrole=target\nmin=a\nmax=b\n" }, "malformed", true, 0 },
	{ "only later versions", { "memgov/1 HELLO\nrole=target\nmin=9\nmax=9\n" }, "version", false, 0 },
	{ "an operator's role", { "memgov/1 HELLO\nrole=operator\nmin=1\nmax=1\n" }, "denied", true, 0 },
	{ "no role", { "memgov/1 HELLO\nmin=1\nmax=1\n" }, "denied", true, 0 },
	{ "tags without descriptors", { RIG_HELLO "fds=statm\n" }, "malformed", true, 0 },
	{ "a verb of a later version", { "memgov/1 GREET\nmin=1\n" }, "verb", false, 0 },
	{ "must understand in HELLO", { RIG_HELLO "!colour=red\n" }, "must", false, 0 },
	{ "must understand what is known", { RIG_HELLO "!label.app=x\n", "memgov/1 BYE\n!why=x\n" }, "", false, 1 },
	{ "a second HELLO", { RIG_HELLO, RIG_HELLO }, "verb", true, 1 },
	{ "a governor's verb", { RIG_HELLO, "memgov/1 SET\nseq=1\nlease_ms=1\nknob.gc_percent=50\n" }, "verb", true, 1 },
	{ "a later verb after HELLO", { RIG_HELLO, "memgov/1 EXPLAIN\n" }, "verb", false, 1 },
	{ "must understand in a report", { RIG_HELLO, "memgov/1 REPORT\nseq=1\n!colour=red\n" }, "must", false, 1 },
	{ "garbage after HELLO", { RIG_HELLO, "memgov/1 REPORT\nseq\n" }, "malformed", true, 1 },
	{ "an ERROR ends the connection", { RIG_HELLO, "memgov/1 ERROR\ncode=verb\nwhy=x\n" }, "", false, 1 },
	{ "BYE before HELLO", { "memgov/1 BYE\n" }, "", false, 0 },
};

static const struct rule_row *row;

static void break_rule(const struct rig *r)
{
	int fd = dial(r);

	for (unsigned i = 0; i < MESSAGE_MAX && row->say[i]; i++)
		(void)say(fd, row->say[i]); /* the connection may be closed already */
	if (!row->code[0])
		shutdown(fd, SHUT_WR);
	const char *code = hear_error(fd);
	demand(strcmp(code, row->code) == 0, "%s: the ERROR says `%s`, expected `%s`", row->name, code, row->code);
	fd = dial(r);
	(void)say(fd, RIG_HELLO);
	nap(50);
	shutdown(fd, SHUT_WR);
	code = hear_error(fd);
	demand(strcmp(code, row->banned ? "full" : "") == 0, "%s: the next connection is answered `%s`", row->name, code);
}

static void test_rules(void **state)
{
	(void)state;

	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		struct rig r;
		struct mg_control_stats s;
		row = &rules[i];
		rig_open(&r, NULL);
		rig_child(&r, break_rule, 5000, row->name);
		mg_control_stats(r.control, &s);
		check(r.hellos == row->kept + !row->banned, "%s: the owner saw %u hellos", row->name, r.hellos);
		check((s.banned > 0) == row->banned, "%s: banned %ju times", row->name, (uintmax_t)s.banned);
		check((row->code[0] != '\0') == (r.refusals > 0), "%s: %u refusals were told, the last `%s`", row->name,
		      r.refusals, r.why);
		rig_close(&r, row->name);
	}
}

/* Data that strings cannot hold: too long by one, a NUL, nothing. */
static void odd_datagrams(const struct rig *r)
{
	static char text[70000];
	static const struct {
		size_t len;
		const char *code;
	} odd[] = { { 4097, "malformed" }, { 70000, "malformed" }, { 0, "" } };

	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		memset(text, 'x', sizeof text);
		memcpy(text, "memgov/1 HELLO\nexe=", 19);
		text[odd[i].len ? odd[i].len - 1 : 0] = '\n';
		int fd = dial(r);
		demand(send_with(fd, text, odd[i].len, NULL, 0) == 0, "%zu bytes cannot be sent", odd[i].len);
		const char *code = hear_error(fd);
		demand(strcmp(code, odd[i].code) == 0, "%zu bytes are answered `%s`", odd[i].len, code);
		nap(i == 0 ? 1200 : 2300); /* the bans: 1 s, 2 s */
	}
}

static void test_odd_datagrams(void **state)
{
	struct rig r;
	(void)state;

	rig_open(&r, NULL);
	rig_child(&r, odd_datagrams, 9000, "odd datagrams");
	check(r.hellos == 0 && r.refusals == 2, "%u hellos and %u refusals", r.hellos, r.refusals);
	rig_close(&r, "odd datagrams");
}

/* ---- who ---- */

static void as_stranger(const struct rig *r)
{
	static const char hello[] = RIG_HELLO "fds=statm\n";
	int fd, statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	demand(setuid(12345) == 0, "setuid: %s", strerror(errno)); /* the group stays root's, so that the socket lets it in */
	fd = dial(r);
	(void)send_with(fd, hello, sizeof hello - 1, &statm, 1);
	const char *code = hear_error(fd);
	demand(strcmp(code, "denied") == 0, "a stranger is answered `%s`", code);
}

static void as_nobody(const struct rig *r)
{
	demand(setuid(65534) == 0, "setuid: %s", strerror(errno));
	const char *code = hear_error(dial(r));
	demand(strcmp(code, "denied") == 0, "the overflow uid is answered `%s`", code);
}

static void allow_nobody(struct mg_control_conf *c)
{
	static const uid_t uids[] = { 65534 };

	c->allow_uids = uids;
	c->n_uids = 1;
}

static void test_strangers(void **state)
{
	struct rig r;
	(void)state;

	rig_open(&r, NULL);
	rig_child(&r, as_stranger, 5000, "a stranger");
	check(r.hellos == 0 && strcmp(r.line, "add 12345 to control.allow_uids") == 0, "the line to add is `%s`", r.line);
	rig_close(&r, "a stranger");
	rig_open(&r, allow_nobody);
	rig_child(&r, as_nobody, 5000, "the overflow uid");
	check(r.hellos == 0 && strstr(r.line, "control.allow_gids"), "the line to add is `%s`", r.line);
	rig_close(&r, "the overflow uid");
}

static const gid_t groups[] = { 2000 };

static void allow_group(struct mg_control_conf *c)
{
	c->allow_gids = groups;
	c->n_gids = 1;
}

static void allow_user(struct mg_control_conf *c)
{
	static const uid_t uids[] = { 1000, 12345 };

	c->allow_uids = uids;
	c->n_uids = 2;
}

static void greet(const struct rig *r)
{
	int fd = dial(r);

	demand(say(fd, RIG_HELLO) == 0, "HELLO cannot be sent");
	nap(100);
	shutdown(fd, SHUT_WR);
	const char *code = hear_error(fd);
	demand(code[0] == '\0', "an allowed user is answered `%s`", code);
}

static void as_member(const struct rig *r)
{
	demand(setgroups(1, groups) == 0 && setgid(54321) == 0 && setuid(12345) == 0, "cannot become a member: %s",
	       strerror(errno));
	greet(r);
}

static void as_group(const struct rig *r)
{
	demand(setgroups(0, NULL) == 0 && setgid(groups[0]) == 0 && setuid(12345) == 0, "cannot take the group: %s",
	       strerror(errno));
	greet(r);
}

static void as_user(const struct rig *r)
{
	demand(setuid(12345) == 0, "setuid: %s", strerror(errno));
	greet(r);
}

static void test_allowed(void **state)
{
	static const struct {
		const char *name;
		void (*conf)(struct mg_control_conf *c);
		void (*as)(const struct rig *r);
	} who[] = {
		{ "a listed user", allow_user, as_user },
		{ "a user of a listed group", allow_group, as_group },
		{ "a user with a listed supplementary group", allow_group, as_member },
	};
	(void)state;

	for (size_t i = 0; i < sizeof who / sizeof who[0]; i++) {
		struct rig r;
		rig_open(&r, who[i].conf);
		rig_child(&r, who[i].as, 5000, who[i].name);
		check(r.hellos == 1 && r.refusals == 0, "%s: %u hellos, %u refusals `%s`", who[i].name, r.hellos, r.refusals,
		      r.why);
		rig_close(&r, who[i].name);
	}
}

/* ---- bans ---- */

static const char *try_hello(const struct rig *r)
{
	int fd = dial(r);

	(void)say(fd, RIG_HELLO);
	nap(30);
	shutdown(fd, SHUT_WR);
	return hear_error(fd);
}

static void offend(const struct rig *r)
{
	static const struct { unsigned wait_ms; const char *code; } then[] = { { 400, "full" }, { 800, "" } };

	for (unsigned i = 0; i < 2; i++) {
		int fd = dial(r);
		(void)say(fd, "junk\n");
		const char *code = hear_error(fd);
		demand(strcmp(code, "malformed") == 0, "offence %u is answered `%s`", i, code);
		for (unsigned j = 0; j < 2; j++) {
			nap(then[j].wait_ms << i); /* 1 s, then 2 s */
			code = try_hello(r);
			demand(strcmp(code, then[j].code) == 0, "after offence %u, try %u is answered `%s`", i, j, code);
		}
	}
}

static void test_back_off(void **state)
{
	struct rig r;
	(void)state;

	rig_open(&r, NULL);
	rig_child(&r, offend, 12000, "bans double");
	rig_close(&r, "bans double");
}

/* ---- the owner's side ---- */

static void be_denied(const struct rig *r)
{
	int fd = dial(r);

	demand(say(fd, RIG_HELLO) == 0, "HELLO cannot be sent");
	const char *code = hear_error(fd);
	demand(strcmp(code, "denied") == 0, "a peer its owner refuses is answered `%s`", code);
}

static void test_refused_by_owner(void **state)
{
	struct rig r;
	(void)state;

	rig_open(&r, NULL);
	r.hello_answer = -ENOSPC;
	rig_child(&r, be_denied, 3000, "refused by the owner");
	check(r.hellos == 1 && strstr(r.why, "does not take it"), "the refusal says `%s`", r.why);
	r.hellos = r.hello_answer = 0;
	rig_child(&r, greet, 3000, "after a refusal of the owner");
	check(r.hellos == 1, "the owner's refusal bans nobody");
	rig_close(&r, "refused by the owner");
}

static void dropped(const struct rig *r)
{
	int fd = dial(r);

	(void)say(fd, RIG_HELLO);
	(void)say(fd, "memgov/1 REPORT\nseq=1\n");
	(void)say(fd, "memgov/1 REPORT\nseq=2\n");
	const char *code = hear_error(fd);
	demand(strcmp(code, "denied") == 0, "a dropped peer is answered `%s`", code);
}

static void test_drop_inside(void **state)
{
	(void)state;

	for (unsigned in_message = 0; in_message < 2; in_message++) {
		struct rig r;
		rig_open(&r, NULL);
		r.drop_in_hello = !in_message;
		r.drop_in_message = in_message;
		rig_child(&r, dropped, 3000, "dropped by its owner");
		rig_until(&r, one_gone, 1000, "the end");
		check(r.messages == in_message, "%u messages came of a peer dropped in %s", r.messages,
		      in_message ? "message" : "hello");
		rig_close(&r, "dropped by its owner");
	}
}

static void deaf(const struct rig *r)
{
	int fd = dial(r);

	demand(say(fd, RIG_HELLO) == 0, "HELLO cannot be sent");
	nap(1500);
}

static void test_deaf(void **state)
{
	static const char text[] = "memgov/1 RENEW\nseq=1\nsent_ns=1\nlease_ms=30000\n";
	struct rig r;
	struct mg_control_stats s;
	int res = 0;
	(void)state;

	rig_open(&r, NULL);
	rig_start(&r, deaf);
	rig_until(&r, one_hello, 3000, "HELLO");
	for (unsigned i = 0; i < 100000 && res == 0; i++)
		res = mg_peer_send(r.peer, text, sizeof text - 1);
	check(res == -EAGAIN, "sending to a peer that does not read ends with %d", res);
	mg_control_stats(r.control, &s);
	check(s.send_dropped == 1, "%ju drops were counted", (uintmax_t)s.send_dropped);
	rig_join(&r, 5000, "a deaf peer");
	rig_close(&r, "a deaf peer");
}

/* ---- out of descriptors ---- */

static void knock(const struct rig *r)
{
	nap(200);
	for (unsigned i = 0; i < 4; i++) {
		const char *code = hear_error(dial(r));
		demand(strcmp(code, "full") == 0, "without descriptors a connection is answered `%s`", code);
	}
}

static void test_no_descriptors(void **state)
{
	struct rlimit was, few;
	struct rig r;
	(void)state;

	rig_open(&r, NULL);
	check(getrlimit(RLIMIT_NOFILE, &was) == 0, "getrlimit: %s", strerror(errno));
	rig_start(&r, knock);
	few = was;
	int next = dup(0);
	close(next);
	few.rlim_cur = (rlim_t)next;
	check(setrlimit(RLIMIT_NOFILE, &few) == 0, "setrlimit: %s", strerror(errno));
	rig_join(&r, 8000, "out of descriptors");
	check(setrlimit(RLIMIT_NOFILE, &was) == 0, "setrlimit: %s", strerror(errno));
	check(r.refusals == 4 && strstr(r.line, "LimitNOFILE"), "%u refusals, the line to add is `%s`", r.refusals, r.line);
	rig_child(&r, greet, 3000, "with descriptors again");
	check(r.hellos == 1, "the socket works again");
	rig_close(&r, "out of descriptors");
}

static void reports_late(const struct rig *r)
{
	int fd = dial(r);

	demand(say(fd, RIG_HELLO) == 0, "HELLO cannot be sent");
	nap(900); /* three times the HELLO deadline of this test */
	demand(say(fd, "memgov/1 REPORT\nseq=1\n") == 0, "REPORT cannot be sent");
	nap(100);
}

static void soon(struct mg_control_conf *c)
{
	c->hello_deadline_ns = 300000000;
}

static void test_deadline_is_for_hello(void **state)
{
	struct rig r;
	(void)state;

	rig_open(&r, soon);
	rig_start(&r, reports_late);
	rig_until(&r, one_message, 3000, "a report after the deadline");
	rig_join(&r, 3000, "a quiet peer");
	rig_close(&r, "a quiet peer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life), cmocka_unit_test(test_rules), cmocka_unit_test(test_odd_datagrams),
		cmocka_unit_test(test_strangers), cmocka_unit_test(test_allowed), cmocka_unit_test(test_back_off),
		cmocka_unit_test(test_refused_by_owner), cmocka_unit_test(test_drop_inside), cmocka_unit_test(test_deaf),
		cmocka_unit_test(test_no_descriptors), cmocka_unit_test(test_deadline_is_for_hello),
	};

	if (geteuid() != 0) {
		puts("skipped: peers of other users need root");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
