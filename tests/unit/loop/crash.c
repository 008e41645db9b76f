/* SPDX-License-Identifier: Apache-2.0 */
/* The crash breaker's list by table, its file, and how the kernel tells of a death. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "governor/loop/crash.h"
#include "tests/check.h"

#define HOUR MG_CRASH_HOUR_NS
static char path[64];
static struct mg_crash list;

static void fresh(void)
{
	struct mg_err err;

	unlink(path);
	check(mg_crash_load(&list, path, &err) == 0, "a missing file is an empty list");
}

static void twice_in_an_hour(void **state)
{
	static const struct { const char *exe; uint64_t at_ns; bool news, quarantined; } table[] = {
		{ "/bin/a", 1 * HOUR, false, false },
		{ "/bin/a", 2 * HOUR + 1, false, false },          /* more than an hour later */
		{ "/bin/b", 2 * HOUR + 2, false, false },          /* another program */
		{ "/bin/a", 2 * HOUR + HOUR / 2, true, true },     /* the second within an hour */
		{ "/bin/a", 2 * HOUR + HOUR / 2 + 1, false, true },/* already there */
		{ "/bin/b", 9 * HOUR, false, false },
	};

	(void)state;
	fresh();
	for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
		check(mg_crash_note(&list, table[i].exe, table[i].at_ns) == table[i].news, "row %u: news or not", i);
		check(mg_crash_quarantined(&list, table[i].exe) == table[i].quarantined, "row %u: in quarantine or not", i);
	}
}

static void outlives_the_governor(void **state)
{
	static const char name[] = "/opt/my program\nwith a line";
	struct mg_crash again;
	struct mg_err err;

	(void)state;
	fresh();
	mg_crash_note(&list, name, HOUR);
	check(mg_crash_note(&list, name, HOUR + 1), "a newline in the name does not hide it");
	check(mg_crash_load(&again, path, &err) == 0, "the file is read back: %s", err.text);
	check(mg_crash_quarantined(&again, name), "the quarantine is remembered");
	check(mg_crash_release(&again, name), "resume takes it off");
	check(!mg_crash_release(&again, name), "once");
	check(mg_crash_load(&list, path, &err) == 0 && !mg_crash_quarantined(&list, name), "in the file too");
}

static void broken_lines_are_skipped(void **state)
{
	static const char text[] = "12 1 /bin/good\nnonsense\n0 1 /bin/zero\n13 2 /bin/flag\n99999999999999999999 1 /x\n14 1 /bin/last";
	struct mg_err err = { "" };

	(void)state;
	fresh();
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	check(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1, "the file can be written");
	close(fd);
	check(mg_crash_load(&list, path, &err) == -EBADMSG, "broken lines are told");
	check(strstr(err.text, ":5:") != NULL, "with the line's number: %s", err.text);
	check(mg_crash_quarantined(&list, "/bin/good") && mg_crash_quarantined(&list, "/bin/last"), "good lines count");
	check(!mg_crash_quarantined(&list, "/bin/zero") && !mg_crash_quarantined(&list, "/bin/flag"), "bad ones do not");
}

static void a_full_list_keeps_the_quarantined(void **state)
{
	(void)state;
	fresh();
	mg_crash_note(&list, "/bin/keep", 1);
	mg_crash_note(&list, "/bin/keep", 2);
	for (unsigned i = 0; i < 3 * MG_MAX_QUARANTINE; i++) {
		char exe[32];
		snprintf(exe, sizeof exe, "/bin/%u", i);
		mg_crash_note(&list, exe, 3 + 2ULL * HOUR * i);
	}
	check(mg_crash_quarantined(&list, "/bin/keep"), "single crashes do not push it out");
}

enum { BY_PIDFD, BY_STAT };

/* A child ends by sig (0: by itself); asked before it is reaped (stat) or after (pidfd). */
static enum mg_death end_of(int sig, int by)
{
	char stat[32];
	siginfo_t info;
	pid_t child = fork();

	if (child == 0) {
		raise(SIGSTOP);
		if (sig) {
			signal(sig, SIG_DFL); /* a sanitizer's handler would make it an exit */
			raise(sig);
		}
		_exit(3);
	}
	check(child > 0 && waitpid(child, NULL, WUNTRACED) == child, "a child can be made");
	int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	snprintf(stat, sizeof stat, "/proc/%d/stat", child);
	int stat_fd = open(stat, O_RDONLY);
	check(pidfd >= 0 && stat_fd >= 0, "its descriptors can be had");
	check(mg_crash_death(-1, stat_fd) == MG_DEATH_NOT_YET, "while it lives nothing is told");
	check(kill(child, SIGCONT) == 0 && waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0, "it ends");
	enum mg_death early = mg_crash_death(-1, stat_fd);
	check(waitpid(child, NULL, 0) == child, "it is reaped");
	enum mg_death late = mg_crash_death(pidfd, -1);
	check(mg_crash_death(-1, stat_fd) == MG_DEATH_UNKNOWN, "after that stat knows nothing");
	close(pidfd);
	close(stat_fd);
	return by == BY_STAT ? early : late;
}

static void the_kernel_tells(void **state)
{
	static const struct { int sig; enum mg_death death; } table[] = {
		{ 0, MG_DEATH_OTHER }, { SIGKILL, MG_DEATH_OTHER }, { SIGTERM, MG_DEATH_OTHER }, { SIGSEGV, MG_DEATH_FAULT }, { SIGABRT, MG_DEATH_FAULT },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
		check(end_of(table[i].sig, BY_STAT) == table[i].death, "signal %d, by stat", table[i].sig);
		enum mg_death d = end_of(table[i].sig, BY_PIDFD);
		check(d == table[i].death || d == MG_DEATH_UNKNOWN, "signal %d, by pidfd, where the kernel tells", table[i].sig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twice_in_an_hour),
		cmocka_unit_test(outlives_the_governor),
		cmocka_unit_test(broken_lines_are_skipped),
		cmocka_unit_test(a_full_list_keeps_the_quarantined),
		cmocka_unit_test(the_kernel_tells),
	};
	snprintf(path, sizeof path, "/tmp/mg-crash-%d", getpid());
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
