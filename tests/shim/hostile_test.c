// SPDX-License-Identifier: Apache-2.0
/* A governor that is broken or hostile: whatever comes over the socket, the program goes on, nothing is set, and the target
 * leaves and comes back later. */

#include "tests/check.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "governor.h"
#include "rig.h"

static struct governor g;
static struct host h;

static const char *const *env(const char *more)
{
	static char socket_env[96];
	static const char *list[3];

	snprintf(socket_env, sizeof(socket_env), "MEMGOV_SOCKET=%s", scratch("control.sock"));
	list[0] = socket_env;
	list[1] = more;
	list[2] = NULL;
	return list;
}

static int begin(void **state)
{
	(void)state;
	scratch_make();
	governor_listen(&g, scratch("control.sock"));
	return 0;
}

static int end(void **state)
{
	(void)state;
	host_kill(&h);
	governor_stop(&g, false);
	scratch_remove();
	return 0;
}

static void start(const char *more)
{
	host_start(&h, "commands", env(more));
	check(host_says(&h, "ready", 5000), "the host program starts");
}

static void well(const char *after)
{
	host_tell(&h, "active\n");
	check(host_says(&h, "active 0", 2000), "after %s nothing is set, got '%s'", after, h.line);
}

#define LINE "memgov/1 "

static void test_garbage(void **state)
{
	static const struct { const char *data; size_t len; const char *code, *sentence; } rows[] = {
		{ "\0\0\0\0", 4, "malformed", "NUL bytes" },
		{ "hello\n", 6, "malformed", "another protocol" },
		{ LINE "SET", sizeof(LINE "SET") - 1, "malformed", "no final newline" },
		{ LINE "SET\nseq=1\nseq=2\n", sizeof(LINE "SET\nseq=1\nseq=2\n") - 1, "malformed", "a key twice" },
		{ LINE "DANCE\n", sizeof(LINE "DANCE\n") - 1, "verb", "a verb of a later version" },
		{ LINE "HELLO\n", sizeof(LINE "HELLO\n") - 1, "verb", "a target's verb" },
		{ LINE "SET\n!quantum=1\nseq=1\n", sizeof(LINE "SET\n!quantum=1\nseq=1\n") - 1, "must", "a must-understand key" },
		{ LINE "SET\nseq=99999999\nsent_ns=1\nlease_ms=18446744073709551614\nknob.gc_percent=x\n",
		  sizeof(LINE "SET\nseq=99999999\nsent_ns=1\nlease_ms=18446744073709551614\nknob.gc_percent=x\n") - 1, "malformed", "a knob that is no number" },
		{ LINE "WELCOME\nversion=1\n", sizeof(LINE "WELCOME\nversion=1\n") - 1, "verb", "WELCOME twice" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(NULL);
		check(governor_meet(&g, 5000) && governor_welcome(&g, ""), "the target dials");
		check(governor_send_raw(&g, rows[i].data, rows[i].len), "%s is sent", rows[i].sentence);
		check(governor_expect(&g, MG_WIRE_ERROR, 2000), "%s is answered with ERROR", rows[i].sentence);
		check(!strcmp(governor_text(&g, "code"), rows[i].code), "%s: code %s expected, got %s", rows[i].sentence, rows[i].code,
		      governor_text(&g, "code"));
		check(governor_closed(&g, 2000), "and the connection closes");
		well(rows[i].sentence);
		if (i + 1 < sizeof(rows) / sizeof(rows[0]))
			host_kill(&h);
	}
}

static void test_big_datagrams(void **state)
{
	static char junk[200000];

	(void)state;
	memset(junk, 'x', sizeof(junk));
	start(NULL);
	check(governor_meet(&g, 5000) && governor_welcome(&g, ""), "the target dials");
	check(governor_send_raw(&g, junk, sizeof(junk)), "a datagram of 200 kB is sent");
	check(governor_expect(&g, MG_WIRE_ERROR, 2000), "it is answered with ERROR, not read to its end");
	well("a datagram too big");
}

static void test_flood(void **state)
{
	static const char renew[] = LINE "RENEW\nseq=0\nsent_ns=0\nlease_ms=1\n";

	(void)state;
	start(NULL);
	check(governor_meet(&g, 5000) && governor_welcome(&g, ""), "the target dials");
	for (int i = 0; i < 2000; i++)
		if (!governor_send_raw(&g, renew, sizeof(renew) - 1))
			sleep_ms(1);
	check(governor_closed(&g, 5000), "a flood ends the connection");
	check(!governor_accept(&g, 2000), "and the target takes its time to come back");
	well("a flood");
}

static void test_silent_governor(void **state)
{
	(void)state;
	start(NULL);
	check(governor_meet(&g, 5000), "the target dials");
	check(governor_closed(&g, 7000), "a governor that never answers HELLO is left");
	well("silence");
}

static void test_command_before_welcome(void **state)
{
	(void)state;
	start(NULL);
	check(governor_meet(&g, 5000), "the target dials");
	governor_send(&g, "SET", "lease_ms=5000\nknob.gc_percent=50\n");
	check(governor_closed(&g, 2000), "a command before WELCOME ends the connection");
	well("a command before WELCOME");
}

static void test_close_mid_command(void **state)
{
	(void)state;
	start(NULL);
	check(governor_meet(&g, 5000) && governor_welcome(&g, ""), "the target dials");
	host_tell(&h, "burst\n");
	check(host_says(&h, "burst", 20000), "the heap is filled and emptied");
	governor_send(&g, "DO", "action=purge\nbytes=max\ndeadline_ms=9000\n");
	close(g.peer);
	g.peer = -1;
	check(governor_meet(&g, 8000) && governor_welcome(&g, ""), "a governor that closes mid-command is found again");
	well("a close mid-command");
}

/* Another uid than the program trusts: the process is governed by nobody. */
static void test_wrong_uid(void **state)
{
	char uid[48];

	(void)state;
	snprintf(uid, sizeof(uid), "MEMGOV_GOVERNOR_UID=%u", getuid() + 1);
	start(uid);
	check(governor_accept(&g, 5000), "the target connects, since the uid is known only then");
	check(!governor_expect(&g, MG_WIRE_HELLO, 2000), "but says nothing to a governor of another uid");
	well("a governor of another uid");
}

static void test_seq_goes_back(void **state)
{
	static const char old[] = LINE "SET\nseq=1\nsent_ns=18446744073709551614\nlease_ms=5000\nknob.gc_percent=50\n";
	uint64_t seq;

	(void)state;
	start(NULL);
	check(governor_meet(&g, 5000) && governor_welcome(&g, ""), "the target dials");
	g.seq = 100;
	seq = governor_send(&g, "RESTORE", "");
	check(governor_answered(&g, seq, MG_WIRE_ACK, 2000), "message 101 is handled");
	check(governor_send_raw(&g, old, sizeof(old) - 1), "message 1 comes late");
	check(!governor_answered(&g, 1, MG_WIRE_ACK, 1000), "and is dropped in silence");
	well("an old message");
}

int main(int argc, char *argv[])
{
#define T(t) cmocka_unit_test_setup_teardown(t, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_garbage), T(test_big_datagrams), T(test_flood), T(test_silent_governor), T(test_command_before_welcome),
		T(test_close_mid_command), T(test_wrong_uid), T(test_seq_goes_back),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
