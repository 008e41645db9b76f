// SPDX-License-Identifier: Apache-2.0
/* What programs do that a library with threads and descriptors in them must survive, and not be noticed by: fork, exec,
 * becoming a daemon, closing or overwriting every descriptor, signals, a sandbox, the main thread's end, other users, rlimits,
 * namespaces, exit. Each row runs a real process under a governor. */

#include "tests/check.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "governor.h"
#include "rig.h"

#define NOBODY 65534

static struct governor g;
static struct host h;

static const char *const *env(void)
{
	static char socket_env[96];
	static const char *list[] = { socket_env, NULL };

	snprintf(socket_env, sizeof(socket_env), "MEMGOV_SOCKET=%s", scratch("control.sock"));
	return list;
}

static int begin(void **state)
{
	(void)state;
	scratch_make();
	governor_listen(&g, scratch("control.sock"));
	chmod(scratch("control.sock"), 0666);
	h.pid = 0;
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

static void start(void)
{
	host_start(&h, "commands", env());
	check(host_says(&h, "ready", 5000), "the host program starts with the shim in it");
}

static void up(const char *welcome)
{
	start();
	check(governor_meet(&g, 5000), "the target dials");
	check(governor_welcome(&g, welcome), "it is welcomed and reports");
}

static long ask(const char *command)
{
	char line[32];

	snprintf(line, sizeof(line), "%s\n", command);
	host_tell(&h, line);
	check(host_says(&h, command, 20000), "the program answers %s, got '%s'", command, h.line);
	return atol(h.line + strlen(command) + 1);
}

static void still_governed(const char *after)
{
	uint64_t seq = governor_send(&g, "SET", "lease_ms=20000\nknob.gc_percent=50\n");

	check(governor_answered(&g, seq, MG_WIRE_ACK, 3000), "after %s the target still answers", after);
}

static void test_fork(void **state)
{
	(void)state;
	up("");
	pid_t child = (pid_t)ask("fork");
	check(threads_of(child) == 1, "the child has one thread, as if the shim were not there");
	struct governor other = g;
	other.peer = -1;
	check(!governor_accept(&other, 2500), "and dials nobody");
	still_governed("fork");
	uint64_t seq = governor_send(&g, "DO", "action=purge\nbytes=max\ndeadline_ms=5000\n");
	check(governor_answered(&g, seq, MG_WIRE_NAK, 3000) && !strcmp(governor_text(&g, "code"), "cow"), "no purge while a copy lives");
	check(governor_expect(&g, MG_WIRE_REPORT, 2000) && governor_number(&g, "cow") == 1, "and the report says why");
	check(ask("reap") == 1, "the child ends");
	seq = governor_send(&g, "DO", "action=purge\nbytes=max\ndeadline_ms=5000\n");
	check(governor_answered(&g, seq, MG_WIRE_ACK, 6000), "then a purge runs");
}

static void test_fork_workers(void **state)
{
	struct governor child_side = g;
	char id[32];

	(void)state;
	up("workers=1\n");
	child_side = g;
	pid_t child = (pid_t)ask("fork");
	child_side.peer = -1;
	snprintf(id, sizeof(id), "%s", governor_text(&g, "id"));
	check(governor_meet(&child_side, 6000), "where the policy wants workers, the child dials");
	check((pid_t)governor_number(&child_side, "pid") == child, "for itself");
	check(strcmp(governor_text(&child_side, "id"), id), "with an id of its own");
	check(governor_number(&child_side, "knob.gc_percent") == UINT64_MAX, "and at its baseline");
	close(child_side.peer);
	governor_close_fds(&child_side);
	still_governed("a worker was forked");
	check(ask("reap") == 1, "the worker ends");
}

static void test_exec(void **state)
{
	(void)state;
	up("");
	host_tell(&h, "exec\n");
	check(host_says(&h, "ready", 5000), "the program starts anew");
	check(governor_closed(&g, 2000), "the old connection ends with the old image");
	check(governor_meet(&g, 5000) && governor_welcome(&g, ""), "the new image dials");
	still_governed("exec");
}

static void test_daemon(void **state)
{
	(void)state;
	start();
	pid_t daemon = (pid_t)ask("daemon");
	check(governor_meet(&g, 6000), "a daemon that forked twice and closed everything dials");
	check((pid_t)governor_number(&g, "pid") == daemon, "as the last child");
	check(governor_welcome(&g, ""), "and is welcomed");
	still_governed("becoming a daemon");
	check(kill(daemon, SIGKILL) == 0, "the daemon is there to be ended");
}

static void test_descriptors(void **state)
{
	int before;

	(void)state;
	start();
	before = descriptors_of(h.pid);
	check(governor_meet(&g, 5000) && governor_welcome(&g, ""), "the target dials");
	check(descriptors_of(h.pid) == before, "the program's table holds no descriptor of memgov: %d before, %d now", before, descriptors_of(h.pid));
	(void)ask("closeall");
	still_governed("closing every descriptor");
	check(ask("dup2all") > 200, "every number is overwritten");
	still_governed("dup2 over every descriptor");
}

static void test_signals(void **state)
{
	(void)state;
	up("");
	long n = ask("signals");
	check(n == 200, "handlers run on the program's threads and sigwait gets all 200, got %ld", n);
	still_governed("400 signals");
}

static void test_seccomp_while_connected(void **state)
{
	(void)state;
	up("");
	still_governed("start");
	check(ask("seal") == 0, "the program installs its sandbox");
	bool sealed = false;
	while (!sealed && governor_expect(&g, MG_WIRE_REPORT, 2000))
		sealed = governor_number(&g, "sealed") == 1;
	check(sealed, "a last report says so");
	check(governor_number(&g, "knob.gc_percent") == UINT64_MAX, "with the baseline restored");
	governor_send(&g, "DO", "action=purge\nbytes=max\ndeadline_ms=5000\n");
	check(!governor_expect(&g, MG_WIRE_ACK, 1500), "and then silence");
	check(ask("ping") == 0, "the program lives");
}

static void test_seccomp_then_governor_dies(void **state)
{
	(void)state;
	up("");
	check(ask("seal") == 0, "the program installs its sandbox");
	sleep_ms(500);
	governor_stop(&g, true);
	governor_listen(&g, scratch("control.sock"));
	check(!governor_accept(&g, 3000), "a sealed target never dials again");
	check(ask("ping") == 0, "the program lives");
}

static void test_seccomp_before_dial(void **state)
{
	(void)state;
	start();
	check(ask("seal") == 0, "the program installs its sandbox in its first moments");
	check(!governor_accept(&g, 3000), "a sealed target never dials");
	check(ask("ping") == 0, "the program lives");
}

static void test_main_thread_exits(void **state)
{
	(void)state;
	up("");
	host_tell(&h, "main_exit\n");
	check(host_says(&h, "worker", 3000), "the other thread goes on");
	check(host_says(&h, "atexit", 1500), "and when it ends the process ends in order");
	int status = host_end(&h, 2000);
	h.pid = 0;
	check(status == 0, "with status 0, got %d", status);
}

static void test_main_thread_exits_undialled(void **state)
{
	(void)state;
	start();
	host_tell(&h, "main_exit\n");
	check(host_says(&h, "atexit", 1500), "a program that never met a governor ends as promptly");
	int status = host_end(&h, 2000);
	h.pid = 0;
	check(status == 0, "with status 0, got %d", status);
}

static void test_setuid(void **state)
{
	(void)state;
	if (getuid() != 0) {
		fprintf(stderr, "skipped: needs root to drop it\n");
		skip();
	}
	up("");
	check(ask("setuid") == 0, "the program drops root");
	check(threads_uid(h.pid) == NOBODY, "in every thread");
	check(governor_meet(&g, 6000) && governor_welcome(&g, ""), "the threads come back and dial");
	still_governed("setuid");
}

/* The C library aborts a process whose threads cannot all follow. */
static void test_keepcaps(void **state)
{
	(void)state;
	if (getuid() != 0) {
		fprintf(stderr, "skipped: needs root to drop it\n");
		skip();
	}
	up("");
	check(ask("keepcaps") == 0, "a program that keeps capabilities over setuid() can use them");
	check(ask("ping") == 0, "and lives");
}

static void test_nproc(void **state)
{
	(void)state;
	if (getuid() != 0) {
		fprintf(stderr, "skipped: needs root to become another user\n");
		skip();
	}
	host_start_as(&h, NOBODY, "nproc", env());
	check(host_says(&h, "ready", 5000), "a program that may have no second thread starts");
	check(ask("threads") == 1, "alone");
	check(!governor_accept(&g, 2500), "and silent");
	check(ask("ping") == 0, "and well");
}

static void test_nofile(void **state)
{
	(void)state;
	host_start(&h, "nofile", env());
	check(host_says(&h, "ready", 5000), "a program of five descriptors starts");
	sleep_ms(2500);
	check(ask("ping") == 0, "and is well after the time of the first dial");
}

static void namespaces(const char *command)
{
	(void)ask("ping");
	long r = ask(command);
	if (r == -1) {
		fprintf(stderr, "skipped: %s is not permitted here\n", command);
		skip();
	}
	check(r == 0, "%s works as in a program of one thread, got %ld", command, r);
}

static void test_unshare(void **state)
{
	(void)state;
	up("");
	namespaces("unshare");
	check(governor_meet(&g, 6000) && governor_welcome(&g, ""), "the threads come back and dial");
	still_governed("unshare(CLONE_NEWUSER)");
}

static void test_unshare_pid(void **state)
{
	(void)state;
	up("");
	namespaces("unshare_pid");
	check(threads_of(h.pid) == 1, "no thread can follow into a new pid namespace: the shim stays away");
	check(ask("ping") == 0, "and the program is well");
}

static void test_setns(void **state)
{
	(void)state;
	up("");
	namespaces("setns");
	check(governor_meet(&g, 6000) && governor_welcome(&g, ""), "the threads come back and dial");
	still_governed("setns()");
}

static void test_exit_during_purge(void **state)
{
	(void)state;
	up("");
	(void)ask("burst");
	governor_send(&g, "DO", "action=purge\nbytes=max\ndeadline_ms=5000\n");
	host_tell(&h, "exit\n");
	int status = host_end(&h, 5000);
	h.pid = 0;
	check(status == 3, "exit() during a purge ends the process with its own status, got %d", status);
	check(governor_closed(&g, 2000), "and the connection");
}

static void test_killed_target(void **state)
{
	(void)state;
	up("");
	host_kill(&h);
	h.pid = 0;
	check(governor_closed(&g, 2000), "a killed target's connection closes");
}

int main(int argc, char *argv[])
{
#define T(t) cmocka_unit_test_setup_teardown(t, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_fork), T(test_fork_workers), T(test_exec), T(test_daemon), T(test_descriptors), T(test_signals),
		T(test_seccomp_while_connected), T(test_seccomp_then_governor_dies), T(test_seccomp_before_dial),
		T(test_main_thread_exits), T(test_main_thread_exits_undialled), T(test_setuid), T(test_keepcaps), T(test_nproc), T(test_nofile),
		T(test_unshare), T(test_unshare_pid), T(test_setns), T(test_exit_during_purge), T(test_killed_target),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
