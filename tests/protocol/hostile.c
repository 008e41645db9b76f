/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that want to stall, starve or crash the governor. In every test the rig holds each tick to 200 ms and counts descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/protocol/rig.h"

static bool one_hello(struct rig *r) { return r->hellos == 1; }
static bool one_refusal(struct rig *r) { return r->refusals >= 1; }

static void greet(const struct rig *r)
{
	int fd = dial(r);

	demand(say(fd, RIG_HELLO) == 0, "HELLO cannot be sent");
	demand(say(fd, "memgov/1 REPORT\nseq=1\n") == 0, "REPORT cannot be sent");
	nap(100);
}

/* ---- descriptors that wait when they are closed ---- */

/* In place of /proc/self/statm. */
static void linger_in_hello(const struct rig *r)
{
	static const char hello[] = RIG_HELLO "fds=statm\n";
	int fd = dial(r), s = lingering_socket();

	demand(send_with(fd, hello, sizeof hello - 1, &s, 1) == 0, "the descriptor cannot be sent");
	close(s);
	const char *code = hear_error(fd);
	demand(strcmp(code, "denied") == 0, "a TCP socket is answered `%s`", code);
	nap(1000);
}

/* Behind a good HELLO, in messages that may carry none. The governor is stopped for a moment, so that all are queued before it
 * reads the first. */
static void linger_in_queue(const struct rig *r)
{
	static const char report[] = "memgov/1 REPORT\nseq=1\n";
	int s[8], passed = 0, fd = dial(r);

	for (unsigned i = 0; i < 8; i++)
		s[i] = lingering_socket();
	nap(100);
	kill(getppid(), SIGSTOP);
	(void)say(fd, RIG_HELLO);
	for (unsigned i = 0; i < 8; i++) {
		passed += send_once(fd, report, sizeof report - 1, &s[i], 1) == 0;
		close(s[i]);
	}
	kill(getppid(), SIGCONT);
	demand(passed == 8, "only %d of 8 lingering sockets were queued", passed);
	const char *code = hear_error(fd);
	demand(strcmp(code, "denied") == 0, "descriptors behind HELLO are answered `%s`", code);
	nap(1000);
}

/* Before anybody knows who is there, and gone at once. From Linux 6.16 on EPERM, and this end must not close: it would wait. */
static void linger_as_stranger(const struct rig *r)
{
	int s[6];

	for (unsigned i = 0; i < 6; i++)
		s[i] = lingering_socket();
	kill(getppid(), SIGSTOP);
	demand(seteuid(12345) == 0, "seteuid: %s", strerror(errno));
	for (unsigned i = 0; i < 6; i++) {
		int fd = dial(r);
		if (send_once(fd, "x", 1, &s[i], 1) == 0)
			close(s[i]);
		close(fd);
	}
	demand(seteuid(0) == 0, "seteuid: %s", strerror(errno));
	kill(getppid(), SIGCONT);
	nap(2500);
}

/* Many connections at once, each with one. */
static void linger_crowd(const struct rig *r)
{
	static const char hello[] = RIG_HELLO "fds=statm\n";
	int fd[16], s[16];

	for (unsigned i = 0; i < 16; i++)
		s[i] = lingering_socket();
	for (unsigned i = 0; i < 16; i++)
		fd[i] = dial(r);
	nap(100);
	kill(getppid(), SIGSTOP);
	for (unsigned i = 0; i < 16; i++) {
		(void)send_once(fd[i], hello, sizeof hello - 1, &s[i], 1);
		close(s[i]);
	}
	kill(getppid(), SIGCONT);
	nap(2000);
}

static void test_lingering(void **state)
{
	static const struct { const char *name; void (*f)(const struct rig *r); } attack[] = {
		{ "a lingering socket in HELLO", linger_in_hello },
		{ "lingering sockets behind HELLO", linger_in_queue },
		{ "lingering sockets of a stranger", linger_as_stranger },
		{ "a crowd with lingering sockets", linger_crowd },
	};
	(void)state;

	for (size_t i = 0; i < sizeof attack / sizeof attack[0]; i++) {
		struct rig r;
		rig_open(&r, NULL);
		rig_child(&r, attack[i].f, 15000, attack[i].name);
		check(r.refusals > 0 || r.hellos > 0, "%s: the attack did not reach the governor", attack[i].name);
		rig_run(&r, 500);
		rig_close(&r, attack[i].name);
	}
}

/* ---- too many descriptors ---- */

static void send_253(const struct rig *r)
{
	static const char hello[] = RIG_HELLO "fds=statm\n";
	int fds[253], fd = dial(r), null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (unsigned i = 0; i < 253; i++)
		fds[i] = null;
	demand(send_with(fd, hello, sizeof hello - 1, fds, 253) == 0, "253 descriptors cannot be sent");
	const char *code = hear_error(fd);
	demand(strcmp(code, "malformed") == 0, "253 descriptors are answered `%s`", code);
}

static void test_253(void **state)
{
	struct rig r;
	(void)state;

#ifdef MG_EMULATED
	print_message("skipped: the emulator loses the descriptors that do not fit our buffer\n");
	skip();
#endif
	rig_open(&r, NULL);
	rig_child(&r, send_253, 5000, "253 descriptors");
	check(r.hellos == 0 && r.refusals == 1, "%u hellos, %u refusals", r.hellos, r.refusals);
	rig_close(&r, "253 descriptors");
}

static void send_after_hello(const struct rig *r)
{
	static const char report[] = "memgov/1 REPORT\nseq=1\n";
	char text[MG_WIRE_MAX + 1];
	int fd = dial(r), statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	demand(say(fd, RIG_HELLO) == 0, "HELLO cannot be sent");
	demand(hear(fd, text) > 0, "no WELCOME");
	int res = send_with(fd, report, sizeof report - 1, &statm, 1);
	demand(res == 0 || res == -EPERM, "sending a descriptor after HELLO: %s", strerror(-res));
	if (res == 0)
		demand(strcmp(hear_error(fd), "denied") == 0, "a descriptor after HELLO was taken");
}

static void test_rights_after_hello(void **state)
{
	struct rig r;
	(void)state;

	rig_open(&r, NULL);
	r.welcome = true;
	rig_child(&r, send_after_hello, 8000, "a descriptor after HELLO");
	check(r.hellos == 1 && r.messages == 0, "%u hellos, %u messages", r.hellos, r.messages);
	rig_close(&r, "a descriptor after HELLO");
}

/* ---- a duplicate that the sender keeps ---- */

/* A cgroup file that epoll takes. */
static const char *pollable_file(void)
{
	static const char *const patterns[] = { "/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/*/memory.events",
						"/sys/fs/cgroup/memory/memory.stat" };
	static char path[256];
	glob_t g;

	path[0] = '\0';
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0] && !path[0]; i++) {
		if (glob(patterns[i], 0, NULL, &g) == 0)
			snprintf(path, sizeof path, "%s", g.gl_pathv[0]);
		globfree(&g);
	}
	return path;
}

static void keep_duplicate(const struct rig *r)
{
	const char *path = pollable_file(), *name = strrchr(path, '/') + 1;
	char hello[256];
	int fd = dial(r), file = open(path, O_RDONLY | O_CLOEXEC);

	int n = snprintf(hello, sizeof hello, RIG_HELLO "fds=%s\n",
			 strcmp(name, "memory.events") == 0 ? "v2.0.events" : "v1.0.stat");
	demand(send_with(fd, hello, (size_t)n, &file, 1) == 0, "the descriptor cannot be sent");
	nap(300);
	close(fd);
	nap(700); /* with the file still open */
}

static void woken(void *ctx, uint32_t events)
{
	(void)events;
	++*(unsigned *)ctx;
}

static bool one_gone(struct rig *r) { return r->gones == 1; }

static void test_kept_duplicate(void **state)
{
	struct rig r;
	mg_handle h;
	unsigned wakes = 0;
	(void)state;

	if (!pollable_file()[0]) {
		print_message("no cgroup file here that could be polled\n");
		skip();
	}
	rig_open(&r, NULL);
	r.take_fd = true;
	rig_start(&r, keep_duplicate);
	rig_until(&r, one_hello, 3000, "HELLO");
	check(r.taken_fd >= 0, "no descriptor was taken");
	check(mg_loop_add(r.loop, r.taken_fd, EPOLLIN, woken, &wakes, &h) == 0, "the file cannot be watched");
	rig_until(&r, one_gone, 3000, "the end of the connection");
	check(wakes > 0, "a watched file wakes the loop");
	mg_loop_del(r.loop, &h);
	close(r.taken_fd);
	wakes = 0;
	rig_join(&r, 3000, "a kept duplicate");
	check(wakes == 0, "a closed descriptor woke the loop %u times", wakes);
	rig_close(&r, "a kept duplicate");
}

/* ---- silence, floods, crowds ---- */

static void soon(struct mg_control_conf *c)
{
	c->hello_deadline_ns = 300000000;
}

static void stay_silent(const struct rig *r)
{
	int fd[3];

	for (unsigned i = 0; i < 3; i++)
		fd[i] = dial(r);
	for (unsigned i = 0; i < 3; i++) {
		const char *code = hear_error(fd[i]);
		demand(strcmp(code, "deadline") == 0, "silence is answered `%s`", code);
	}
}

static void test_silent(void **state)
{
	struct rig r;
	(void)state;

	rig_open(&r, soon);
	rig_child(&r, stay_silent, 3000, "silent connectors");
	check(r.refusals == 3 && r.hellos == 0, "%u refusals, %u hellos", r.refusals, r.hellos);
	rig_child(&r, greet, 3000, "a peer after silent ones");
	check(r.hellos == 1, "silence bans nobody");
	rig_close(&r, "silent connectors");
}

static void flood(const struct rig *r)
{
	int fd = dial(r), sent = 0;

	demand(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "fcntl: %s", strerror(errno));
	demand(say(fd, RIG_HELLO) == 0, "HELLO cannot be sent");
	for (unsigned i = 0; i < 200000; i++) {
		sent += say(fd, "memgov/1 REPORT\nseq=1\nresident=1\n") == 0;
		if (i % 100 == 0)
			nap(1);
	}
	demand(sent > 200, "only %d reports went out", sent);
}

static uint64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void test_flood(void **state)
{
	struct rig r;
	(void)state;

	rig_open(&r, NULL);
	rig_start(&r, flood);
	rig_until(&r, one_hello, 3000, "HELLO");
	unsigned messages = r.messages;
	uint64_t before_us = cpu_us();
	rig_run(&r, 1000);
	uint64_t spent_us = cpu_us() - before_us;
	check(r.messages - messages >= 50 && r.messages - messages <= 64 + 110, "%u messages of a flood were handled in a second",
	      r.messages - messages);
	check(spent_us < 300000, "a flood costs %ju ms of CPU a second", (uintmax_t)spent_us / 1000);
	rig_join(&r, 20000, "a flood");
	rig_close(&r, "a flood");
}

/* A flood does not keep others from being heard. */
static void flood_and_greet(const struct rig *r)
{
	if (fork() == 0) {
		flood(r);
		_exit(0);
	}
	nap(200);
	greet(r);
}

static bool two_hellos(struct rig *r) { return r->hellos == 2; }

static void test_flood_beside(void **state)
{
	struct rig r;
	(void)state;

	rig_open(&r, NULL);
	rig_start(&r, flood_and_greet);
	rig_until(&r, two_hellos, 3000, "the HELLO of another peer during a flood");
	rig_join(&r, 3000, "a peer beside a flood");
	rig_close(&r, "a peer beside a flood");
}

static void half_open(const struct rig *r)
{
	const struct rlimit many = { 4096, 4096 };

	(void)setrlimit(RLIMIT_NOFILE, &many);
	for (unsigned i = 0; i < 1500; i++)
		(void)dial(r);
	nap(200);
}

static void test_half_open(void **state)
{
	struct rig r;
	struct mg_control_stats s;
	(void)state;

	rig_open(&r, soon);
	rig_start(&r, half_open);
	rig_until(&r, one_refusal, 5000, "the first refusal");
	mg_control_stats(r.control, &s);
	check(s.peers <= r.conf.max_per_uid, "%u connections of one user are open", s.peers);
	rig_join(&r, 20000, "half-open connections");
	mg_control_stats(r.control, &s);
	check(s.peers <= r.conf.max_per_uid && r.hellos == 0, "%u connections, %u hellos", s.peers, r.hellos);
	rig_run(&r, 600);
	mg_control_stats(r.control, &s);
	check(s.peers == 0, "%u half-open connections are left after the deadline", s.peers);
	rig_child(&r, greet, 3000, "a peer after half-open ones");
	check(r.hellos == 1, "the socket works again");
	rig_close(&r, "half-open connections");
}

static void stranger_crowd(const struct rig *r)
{
	demand(setuid(12345) == 0, "setuid: %s", strerror(errno));
	for (unsigned i = 0; i < 2000; i++) {
		int fd = dial(r);
		(void)say(fd, RIG_HELLO);
		close(fd);
	}
}

static void test_stranger_crowd(void **state)
{
	struct rig r;
	(void)state;

	rig_open(&r, NULL);
	rig_child(&r, stranger_crowd, 20000, "a crowd of strangers");
	rig_run(&r, 300);
	check(r.hellos == 0 && r.refusals == 2000, "%u hellos, %u refusals", r.hellos, r.refusals);
	rig_child(&r, greet, 3000, "a peer after the crowd");
	check(r.hellos == 1, "strangers ban nobody");
	rig_close(&r, "a crowd of strangers");
}

static void die_halfway(const struct rig *r)
{
	for (unsigned i = 0; i < 50; i++) {
		int fd = dial(r);
		(void)say(fd, RIG_HELLO);
		if (i % 2)
			(void)say(fd, "memgov/1 REPORT\nseq=1\n");
		close(fd);
	}
}

static bool fifty_gone(struct rig *r) { return r->hellos == 50 && r->gones == 50; }

static void test_short_lives(void **state)
{
	struct rig r;
	(void)state;

	rig_open(&r, NULL);
	rig_start(&r, die_halfway);
	rig_until(&r, fifty_gone, 8000, "fifty short lives");
	rig_join(&r, 1000, "fifty short lives");
	check(r.messages == 25, "%u reports of 25 came", r.messages);
	rig_close(&r, "fifty short lives");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lingering), cmocka_unit_test(test_253), cmocka_unit_test(test_rights_after_hello),
		cmocka_unit_test(test_kept_duplicate), cmocka_unit_test(test_silent), cmocka_unit_test(test_flood),
		cmocka_unit_test(test_flood_beside), cmocka_unit_test(test_half_open), cmocka_unit_test(test_stranger_crowd),
		cmocka_unit_test(test_short_lives),
	};

	if (geteuid() != 0) {
		puts("skipped: peers of other users need root");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
