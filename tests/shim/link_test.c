// SPDX-License-Identifier: Apache-2.0
/* The protocol as a governor meets it: registration with descriptors, settings under a lease, what ends a lease, what a
 * target refuses. Real processes, the built library, a governor of a few lines. */

#include "tests/check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "governor.h"
#include "rig.h"

static struct governor g;
static struct host h;
static char socket_env[96];

static const char *const *env(void)
{
	static const char *list[] = { socket_env, "MEMGOV_LABELS=team=core,zone=b", "PATH=/bin", NULL };

	snprintf(socket_env, sizeof(socket_env), "MEMGOV_SOCKET=%s", scratch("control.sock"));
	return list;
}

static int begin(void **state)
{
	(void)state;
	scratch_make();
	governor_listen(&g, scratch("control.sock"));
	host_start(&h, "commands", env());
	check(host_says(&h, "ready", 5000), "the host program starts with the shim in it");
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (h.pid)
		host_kill(&h);
	governor_stop(&g, false);
	scratch_remove();
	return 0;
}

static void up(const char *welcome)
{
	check(governor_meet(&g, 5000), "the target dials and says HELLO within the lazy delay");
	check(governor_welcome(&g, welcome), "a REPORT follows WELCOME");
}

static uint64_t set(const char *keys)
{
	return governor_send(&g, "SET", keys);
}

static bool active(int want)
{
	host_tell(&h, "active\n");
	return host_says(&h, "active", 2000) && h.line[7] - '0' == want;
}

static void test_hello(void **state)
{
	char tags[2048], *save, buf[256];
	unsigned i = 0;

	(void)state;
	check(governor_meet(&g, 5000), "the target dials within the lazy delay");
	check(!strcmp(governor_text(&g, "role"), "target"), "its role is target");
	check(strlen(governor_text(&g, "id")) == 16, "its id is 64 bits in hex, got %s", governor_text(&g, "id"));
	check(!strcmp(governor_text(&g, "exe"), MG_HOST), "exe is the program's path, got %s", governor_text(&g, "exe"));
	check((pid_t)governor_number(&g, "pid") == h.pid, "pid is its own");
	check(!strcmp(governor_text(&g, "allocator"), "glibc"), "the allocator is glibc's, got %s", governor_text(&g, "allocator"));
	check(!strcmp(governor_text(&g, "label.team"), "core") && !strcmp(governor_text(&g, "label.zone"), "b"), "labels arrive");
	check(strstr(governor_text(&g, "knobs"), "gc_percent:exact,memory_limit:exact"), "both in-process knobs are offered");
	check(!strcmp(governor_text(&g, "actions"), "purge"), "purge is offered");
	check(governor_number(&g, "baseline.memory_limit") == UINT64_MAX, "without a local limit the baseline is max");
	check(boot_ns() - governor_number(&g, "start_ns") < 20000000000u, "start_ns is a moment ago");
	snprintf(tags, sizeof(tags), "%s", governor_text(&g, "fds"));
	for (char *t = strtok_r(tags, ",", &save); t; t = strtok_r(NULL, ",", &save), i++) {
		check(i < g.n_fds, "tag %s has a descriptor", t);
		check((fcntl(g.fds[i], F_GETFL) & O_ACCMODE) == O_RDONLY, "the descriptor of %s is read-only", t);
		check(pread(g.fds[i], buf, sizeof(buf), 0) > 0, "the descriptor of %s can be read", t);
		check(i != 0 || !strcmp(t, "statm"), "the first is statm, got %s", t);
	}
	check(i == g.n_fds && i >= 3, "as many tags as descriptors, statm, stat and smaps_rollup among them, got %u and %u", i, g.n_fds);
}

static void test_cgroup_descriptors(void **state)
{
	(void)state;
	if (access("/sys/fs/cgroup/memory/memory.usage_in_bytes", R_OK) && access("/sys/fs/cgroup/cgroup.controllers", R_OK)) {
		fprintf(stderr, "skipped: no memory cgroup is mounted here\n");
		skip();
	}
	check(governor_meet(&g, 5000), "the target dials");
	check(strstr(governor_text(&g, "fds"), "v1.0.usage") || strstr(governor_text(&g, "fds"), "v2.0.current"),
	      "the own cgroup's charge is among the descriptors, got %s", governor_text(&g, "fds"));
}

static void test_set_and_restore(void **state)
{
	uint64_t seq;

	(void)state;
	up("");
	check(governor_number(&g, "resident") > 100000, "the report says what is resident");
	seq = set("lease_ms=3000\nknob.gc_percent=50\nknob.memory_limit=600000000\n");
	check(governor_answered(&g, seq, MG_WIRE_ACK, 2000), "SET is acknowledged");
	check(governor_number(&g, "knob.gc_percent") == 50, "the ACK says what was applied");
	check(active(1), "memgov_active() is 1 under a lease");
	seq = governor_send(&g, "RESTORE", "");
	check(governor_answered(&g, seq, MG_WIRE_ACK, 2000), "RESTORE is acknowledged");
	check(governor_expect(&g, MG_WIRE_REPORT, 2000) && governor_number(&g, "knob.gc_percent") == UINT64_MAX, "gc_percent is off again");
	check(active(0), "memgov_active() is 0 without a lease");
}

static void test_refusals(void **state)
{
	static const struct { const char *verb, *keys, *code, *sentence; } rows[] = {
		{ "SET", "lease_ms=2000\nknob.gc_percent=5\n", "floor", "gc_percent below 10" },
		{ "SET", "lease_ms=2000\nknob.memory_limit=4096\n", "floor", "a limit below what is held" },
		{ "SET", "lease_ms=600000\nknob.gc_percent=50\n", "floor", "a lease above five minutes" },
		{ "SET", "lease_ms=0\nknob.gc_percent=50\n", "expired", "a lease of nothing" },
		{ "SET", "lease_ms=2000\nknob.heap_ratio=50\n", "unsupported", "a knob from another world" },
		{ "SET", "lease_ms=2000\nknob.decay=50\n", "unsupported", "decay, which glibc does not have" },
		{ "DO", "action=gc\ndeadline_ms=1000\n", "unsupported", "an action that the target lacks" },
		{ "DO", "action=purge\ndeadline_ms=0\n", "expired", "an action too late" },
	};
	uint64_t seq;

	(void)state;
	up("");
	sleep_ms(300);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		seq = governor_send(&g, rows[i].verb, rows[i].keys);
		check(governor_answered(&g, seq, MG_WIRE_NAK, 2000), "%s is refused", rows[i].sentence);
		check(!strcmp(governor_text(&g, "code"), rows[i].code), "%s: the code is %s, got %s", rows[i].sentence, rows[i].code,
		      governor_text(&g, "code"));
	}
	check(active(0), "after all that no lease is held");
}

static void test_step_is_bounded(void **state)
{
	uint64_t seq;

	(void)state;
	up("");
	seq = set("lease_ms=3000\nknob.gc_percent=100\n");
	check(governor_answered(&g, seq, MG_WIRE_ACK, 2000), "the first value is free");
	seq = set("lease_ms=3000\nknob.gc_percent=40\n");
	check(governor_answered(&g, seq, MG_WIRE_NAK, 2000), "less than half in one step is refused");
	seq = set("lease_ms=3000\nknob.gc_percent=50\n");
	check(governor_answered(&g, seq, MG_WIRE_ACK, 2000), "half in one step is accepted");
}

static void test_lease_expires(void **state)
{
	uint64_t seq, from;

	(void)state;
	up("");
	seq = set("lease_ms=700\nknob.gc_percent=50\n");
	check(governor_answered(&g, seq, MG_WIRE_ACK, 2000), "SET is acknowledged");
	from = boot_ns();
	while (governor_expect(&g, MG_WIRE_REPORT, 2000) && governor_number(&g, "knob.gc_percent") != UINT64_MAX)
		check(boot_ns() - from < 4000000000u, "the lease ends by itself");
	check(boot_ns() - from > 500000000u, "not before its time");
	check(boot_ns() - from < 2300000000u, "and within its jitter of a second");
	seq = governor_send(&g, "RENEW", "lease_ms=2000\n");
	check(governor_answered(&g, seq, MG_WIRE_NAK, 2000) && !strcmp(governor_text(&g, "code"), "expired"), "a lapsed lease cannot be renewed");
}

static void test_renew_keeps(void **state)
{
	(void)state;
	up("");
	check(governor_answered(&g, set("lease_ms=900\nknob.gc_percent=50\n"), MG_WIRE_ACK, 2000), "SET is acknowledged");
	for (int i = 0; i < 10; i++) {
		uint64_t seq = governor_send(&g, "RENEW", "lease_ms=900\n");

		check(governor_answered(&g, seq, MG_WIRE_ACK, 2000), "RENEW %d is acknowledged", i);
		sleep_ms(300);
	}
	check(active(1), "after three leases' time the setting is still there");
}

/* The connection is dropped as by SIGKILL; a second governor comes to the same path and renews. */
static void test_second_governor(void **state)
{
	char id[32];
	uint64_t seq;

	(void)state;
	check(governor_meet(&g, 5000), "the target dials");
	snprintf(id, sizeof(id), "%s", governor_text(&g, "id"));
	check(governor_welcome(&g, ""), "it is welcomed");
	check(governor_answered(&g, set("lease_ms=8000\nknob.gc_percent=50\n"), MG_WIRE_ACK, 2000), "a setting is in force");
	governor_stop(&g, true);
	sleep_ms(200);
	check(active(1), "a closed connection does not end the lease");
	governor_listen(&g, scratch("control.sock"));
	check(governor_meet(&g, 6000), "the target finds the new governor");
	check(!strcmp(governor_text(&g, "id"), id), "with the same id");
	check(governor_number(&g, "knob.gc_percent") == 50, "and says what is in force");
	check(governor_number(&g, "baseline.gc_percent") == UINT64_MAX, "and what was there before");
	check(governor_welcome(&g, ""), "the new governor welcomes it");
	seq = governor_send(&g, "RENEW", "lease_ms=2000\n");
	check(governor_answered(&g, seq, MG_WIRE_ACK, 2000), "and renews the lease of the old one");
}

static void test_killed_governor(void **state)
{
	(void)state;
	up("");
	check(governor_answered(&g, set("lease_ms=800\nknob.gc_percent=50\n"), MG_WIRE_ACK, 2000), "a setting is in force");
	governor_stop(&g, true);
	check(active(1), "it is there when the governor is killed");
	sleep_ms(1900);
	check(active(0), "one lease and its jitter later it is gone");
}

static void test_four_governors(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		up("");
		check(governor_answered(&g, set("lease_ms=20000\nknob.gc_percent=50\n"), MG_WIRE_ACK, 2000), "governor %d sets", i);
		governor_stop(&g, true);
		governor_listen(&g, scratch("control.sock"));
	}
	check(governor_meet(&g, 8000), "the target dials a fourth time");
	check(governor_number(&g, "governors") == 3, "and says how many governors it has seen");
	check(!governor_welcome(&g, "") && active(0), "the fourth within ten minutes gets no report, and the baseline is back");
	check(!governor_accept(&g, 1500), "and the target holds off");
}

static void test_stopped_past_lease(void **state)
{
	(void)state;
	up("");
	check(governor_answered(&g, set("lease_ms=1000\nknob.gc_percent=50\n"), MG_WIRE_ACK, 2000), "a setting is in force");
	kill(h.pid, SIGSTOP);
	for (int i = 0; i < 5; i++)
		governor_send(&g, "SET", "lease_ms=500\nknob.gc_percent=60\n");
	sleep_ms(2500);
	kill(h.pid, SIGCONT);
	sleep_ms(300);
	check(active(0), "after a stop longer than lease and jitter the baseline is back, and what was queued does not count");
	check(threads_of(h.pid) == 3, "and the program is whole");
}

static void test_purge(void **state)
{
	uint64_t seq;

	(void)state;
	up("");
	host_tell(&h, "burst\n");
	check(host_says(&h, "burst", 20000), "the program filled and emptied its heap");
	check(atol(h.line + 6) > 90000000, "and kept it, as glibc does: %s", h.line);
	seq = governor_send(&g, "DO", "action=purge\nbytes=max\ndeadline_ms=20000\n");
	check(governor_answered(&g, seq, MG_WIRE_ACK, 20000), "the purge is acknowledged");
	check(governor_number(&g, "returned") > 50000000, "with what it returned, got %llu", (unsigned long long)governor_number(&g, "returned"));
	host_tell(&h, "rss\n");
	check(host_says(&h, "rss", 2000) && atol(h.line + 4) < 60000000, "and resident memory fell: %s", h.line);
}

static void test_pace(void **state)
{
	uint64_t seq;

	(void)state;
	up("");
	host_tell(&h, "burst\n");
	check(host_says(&h, "burst", 20000), "the program filled and emptied its heap");
	seq = set("lease_ms=20000\nknob.memory_limit=60000000\n");
	check(governor_answered(&g, seq, MG_WIRE_ACK, 3000), "a soft limit below what is resident is accepted: most of it can be returned");
	for (int i = 0; i < 60; i++) {
		check(governor_expect(&g, MG_WIRE_REPORT, 2000), "reports keep coming");
		if (governor_number(&g, "resident") < 60000000)
			break;
	}
	check(governor_number(&g, "resident") < 60000000, "the target brings itself below the limit, got %llu",
	      (unsigned long long)governor_number(&g, "resident"));
	check(governor_expect(&g, MG_WIRE_REPORT, 2000) && governor_number(&g, "purges") > 0, "and reports its purges");
}

static void test_api(void **state)
{
	(void)state;
	host_tell(&h, "version\nabi\n");
	check(host_says(&h, "version 100", 2000), "memgov_version() is 0.1.0: %s", h.line);
	check(host_says(&h, "abi 1", 2000), "memgov_abi() is 1: %s", h.line);
}

int main(int argc, char *argv[])
{
#define T(t) cmocka_unit_test_setup_teardown(t, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_hello), T(test_cgroup_descriptors), T(test_set_and_restore), T(test_refusals), T(test_step_is_bounded),
		T(test_lease_expires), T(test_renew_keeps), T(test_second_governor), T(test_killed_governor), T(test_four_governors),
		T(test_stopped_past_lease), T(test_purge), T(test_pace), T(test_api),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
