// SPDX-License-Identifier: Apache-2.0
/* Without a governor: when the library does nothing at all, and the soft limit that the environment alone gives. */

#include "tests/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"

#define NOBODY 65534

static struct host h;

static int begin(void **state)
{
	(void)state;
	scratch_make();
	return 0;
}

static int end(void **state)
{
	(void)state;
	scratch_remove();
	return 0;
}

static void start(const char *const env[])
{
	host_start(&h, "commands", env);
	check(host_says(&h, "ready", 5000), "the host program starts");
}

static long ask(const char *command)
{
	char line[32];

	snprintf(line, sizeof(line), "%s\n", command);
	host_tell(&h, line);
	check(host_says(&h, command, 20000), "the program answers %s, got '%s'", command, h.line);
	return atol(h.line + strlen(command) + 1);
}

static void stop(void)
{
	int status = host_end(&h, 3000);

	check(status == 7, "the program ends with its own status, got %d", status);
}

static void test_threads(void **state)
{
	static const struct { const char *env[4]; int threads; const char *sentence; } rows[] = {
		{ { NULL }, 1, "no directory of a governor and no limit: nothing happens" },
		{ { "MEMGOV_SOCKET=/nonexistent/s" }, 3, "a socket named: the library waits for it" },
		{ { "MEMGOV_SOCKET=/nonexistent/s", "MEMGOV_DISABLE=1" }, 1, "MEMGOV_DISABLE" },
		{ { "MEMGOV_SOCKET=/nonexistent/s", "MEMGOV_DISABLE=0" }, 3, "MEMGOV_DISABLE=0 disables nothing" },
		{ { "MEMGOV_SOCKET=/nonexistent/s", "MEMGOV_EXE=redis*,nginx" }, 1, "another executable is meant" },
		{ { "MEMGOV_SOCKET=/nonexistent/s", "MEMGOV_EXE=redis*,shim_h?st" }, 3, "this executable is meant" },
		{ { "MEMGOV_MEMORY_LIMIT=1GiB" }, 3, "a limit of its own" },
		{ { "MEMGOV_GC_PERCENT=100" }, 3, "a pace of its own" },
		{ { "MEMGOV_GC_PERCENT=off", "MEMGOV_MEMORY_LIMIT=off" }, 1, "both off" },
		{ { "MEMGOV_MEMORY_LIMIT=much" }, 1, "a limit that is none counts as not set" },
	};

	(void)state;
	if (access("/run/memgov", F_OK) == 0) {
		fprintf(stderr, "skipped: this machine has a governor's directory\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(rows[i].env);
		check(ask("threads") == rows[i].threads, "%s: %d threads expected, got '%s'", rows[i].sentence, rows[i].threads, h.line);
		stop();
	}
}

/* The loader drops LD_PRELOAD of a setuid program by itself; a program may also be linked with the library. */
static void test_secure(void **state)
{
	static const char *const env[] = { "MEMGOV_SOCKET=/nonexistent/s", NULL };
	char command[512];

	(void)state;
	host_start_program(&h, MG_HOST_LINKED, "commands", env);
	check(host_says(&h, "ready", 5000), "the linked program starts");
	check(ask("threads") == 3, "linked instead of preloaded, the library works the same");
	stop();
	snprintf(command, sizeof(command), "cp '%s' '%s' && chmod 4755 '%s'", MG_HOST_LINKED, scratch("setuid"), scratch("setuid"));
	if (getuid() != 0 || system(command) != 0) {
		fprintf(stderr, "skipped: needs root to make a setuid program\n");
		skip();
	}
	snprintf(command, sizeof(command), "exec setpriv --reuid=%d --clear-groups '%s' commands", NOBODY, scratch("setuid"));
	const char *const argv_env[] = { "MEMGOV_SOCKET=/nonexistent/s", "PATH=/usr/bin:/bin", NULL };
	FILE *script = fopen(scratch("run"), "w");
	fprintf(script, "#!/bin/sh\n%s\n", command);
	fclose(script);
	chmod(scratch("run"), 0755);
	host_start_program(&h, scratch("run"), "commands", argv_env);
	if (!host_says(&h, "ready", 5000) || ask("secure") != 1) {
		fprintf(stderr, "skipped: setuid programs do not run from here\n");
		host_kill(&h);
		skip();
	}
	check(ask("threads") == 1, "under AT_SECURE the library does nothing");
	stop();
}

static long settle(long below)
{
	long rss = 0;

	for (int i = 0; i < 100; i++, sleep_ms(100)) {
		rss = ask("rss");
		if (rss < below)
			break;
	}
	return rss;
}

static void test_limit_alone(void **state)
{
	static const char *const with[] = { "MEMGOV_MEMORY_LIMIT=50MB", NULL };
	static const char *const without[] = { NULL };

	(void)state;
	start(without);
	check(ask("burst") > 90000000, "the burst leaves glibc holding its peak");
	sleep_ms(3000);
	check(ask("rss") > 90000000, "for ever, without memgov: %s", h.line);
	stop();
	start(with);
	(void)ask("burst");
	check(settle(50000000) < 50000000, "with the soft limit alone the program comes back below it: %s", h.line);
	stop();
}

static void test_pace_alone(void **state)
{
	static const char *const env[] = { "MEMGOV_GC_PERCENT=100", NULL };

	(void)state;
	start(env);
	sleep_ms(2500); /* the pace has seen the quiet program before the burst */
	(void)ask("burst");
	check(settle(50000000) < 50000000, "with the pace alone, what is free beyond live is returned: %s", h.line);
	stop();
}

static void test_musl(void **state)
{
	static const char *const env[] = { "MEMGOV_SOCKET=/nonexistent/s", NULL };

	(void)state;
	if (access(MG_HOST_MUSL, X_OK)) {
		fprintf(stderr, "skipped: no musl compiler\n");
		skip();
	}
	host_start_program(&h, MG_HOST_MUSL, "commands", env);
	check(host_says(&h, "ready", 5000), "a musl program loads the same library");
	check(threads_become(h.pid, 3, 1000), "and its threads start");
	check(host_says(&h, "sum 42", 8000), "it does its work for longer than the lazy delay");
	stop();
}

static void test_log(void **state)
{
	static const char *const env[] = { "MEMGOV_MEMORY_LIMIT=lots", "MEMGOV_LOG=error", "MEMGOV_SOCKET=/nonexistent/s", NULL };
	char line[256] = "";
	FILE *f;

	(void)state;
	host_start_program(&h, MG_HOST, "commands", env);
	check(host_says(&h, "ready", 5000), "the program starts");
	stop();
	f = popen("MEMGOV_MEMORY_LIMIT=lots MEMGOV_LOG=error MEMGOV_SOCKET=/nonexistent/s LD_PRELOAD=" MG_SHIM " sleep 0.2 2>&1", "r");
	check(f && fgets(line, sizeof(line), f), "MEMGOV_LOG=error says something about a bad variable");
	check(strstr(line, "MEMGOV_MEMORY_LIMIT"), "it names the variable: %s", line);
	pclose(f);
}

int main(int argc, char *argv[])
{
#define T(t) cmocka_unit_test_setup_teardown(t, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_threads), T(test_secure), T(test_limit_alone), T(test_pace_alone), T(test_musl), T(test_log),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
