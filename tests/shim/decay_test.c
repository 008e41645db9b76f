// SPDX-License-Identifier: Apache-2.0
/* The one knob that lives in the allocator: set through the runtime thread, put back at the lease's end, left alone where the
 * program changed it, and not inherited by a forked child. jemalloc in a real process. */

#include "tests/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "governor.h"
#include "rig.h"

#define JEMALLOC_DEFAULT_MS 10000

static struct governor g;
static struct host h;

static int begin(void **state)
{
	static char socket_env[96];
	const char *const env[] = { socket_env, NULL };

	(void)state;
	if (access(MG_HOST_JEMALLOC, X_OK)) {
		fprintf(stderr, "skipped: no jemalloc\n");
		exit(77);
	}
	scratch_make();
	snprintf(socket_env, sizeof(socket_env), "MEMGOV_SOCKET=%s", scratch("control.sock"));
	governor_listen(&g, scratch("control.sock"));
	host_start_program(&h, MG_HOST_JEMALLOC, "commands", env);
	check(host_says(&h, "ready", 5000), "the host program starts under jemalloc");
	check(governor_meet(&g, 5000), "the target dials");
	check(!strcmp(governor_text(&g, "allocator"), "jemalloc"), "and says jemalloc, got %s", governor_text(&g, "allocator"));
	check(strstr(governor_text(&g, "knobs"), "decay:exact"), "decay is offered, got %s", governor_text(&g, "knobs"));
	check(governor_number(&g, "baseline.decay") == JEMALLOC_DEFAULT_MS, "its baseline is jemalloc's ten seconds");
	check(governor_welcome(&g, ""), "it is welcomed");
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

static long ask(const char *command)
{
	char line[32];

	snprintf(line, sizeof(line), "%s\n", command);
	host_tell(&h, line);
	check(host_says(&h, command, 20000), "the program answers %s, got '%s'", command, h.line);
	return atol(h.line + strlen(command) + 1);
}

static void set(const char *keys)
{
	check(governor_answered(&g, governor_send(&g, "SET", keys), MG_WIRE_ACK, 3000), "SET of %s is acknowledged", keys);
}

static bool becomes(long want, int timeout_ms)
{
	for (int waited = 0; waited < timeout_ms; waited += 100, sleep_ms(100))
		if (ask("decay") == want)
			return true;
	return false;
}

static void test_lease(void **state)
{
	(void)state;
	set("lease_ms=1000\nknob.decay=5000\nknob.gc_percent=50\n");
	check(governor_number(&g, "knob.decay") == 5000 && governor_number(&g, "knob.gc_percent") == 50, "the ACK names both knobs");
	check(ask("decay") == 5000, "the allocator has it");
	check(becomes(JEMALLOC_DEFAULT_MS, 3000), "and its own again when the lease ends");
}

static void test_restore(void **state)
{
	(void)state;
	set("lease_ms=60000\nknob.decay=5000\n");
	check(governor_answered(&g, governor_send(&g, "RESTORE", ""), MG_WIRE_ACK, 3000), "RESTORE is acknowledged");
	check(becomes(JEMALLOC_DEFAULT_MS, 1000), "and done at once");
}

static void test_contended(void **state)
{
	uint64_t seq;

	(void)state;
	set("lease_ms=60000\nknob.decay=5000\n");
	check(ask("own_decay") == 0, "the program sets the knob itself");
	seq = governor_send(&g, "SET", "lease_ms=60000\nknob.decay=4000\n");
	check(governor_answered(&g, seq, MG_WIRE_NAK, 3000) && !strcmp(governor_text(&g, "code"), "contended"), "the next SET is refused as contended");
	check(governor_expect(&g, MG_WIRE_REPORT, 2000), "a report follows");
	check(!strcmp(governor_text(&g, "contended"), "decay") && governor_number(&g, "baseline.decay") == 7777, "what the program set is the baseline");
	check(governor_answered(&g, governor_send(&g, "RESTORE", ""), MG_WIRE_ACK, 3000), "RESTORE is acknowledged");
	sleep_ms(300);
	check(ask("decay") == 7777, "and leaves the program's value alone");
}

static void test_fork(void **state)
{
	struct governor other;

	(void)state;
	set("lease_ms=60000\nknob.decay=5000\n");
	host_tell(&h, "fork_decay\n");
	other = g;
	other.peer = -1;
	check(!governor_accept(&other, 2500), "a child that the policy does not want dials nobody");
	check(host_says(&h, "threads", 3000) && atoi(h.line + 8) == 1, "its threads have left: %s", h.line);
	check(host_says(&h, "decay", 1000) && atol(h.line + 6) == JEMALLOC_DEFAULT_MS, "when they had put the knob back: %s", h.line);
	check(ask("decay") == 5000, "the parent keeps its own");
}

int main(int argc, char *argv[])
{
#define T(t) cmocka_unit_test_setup_teardown(t, begin, end)
	const struct CMUnitTest tests[] = { T(test_lease), T(test_restore), T(test_contended), T(test_fork) };

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
