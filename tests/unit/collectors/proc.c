/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/<pid>: rates from two readings of prepared files, and this very process. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "tests/check.h"
#include "tests/unit/collectors/allocations.h"
#include "tests/unit/collectors/sink.h"

static int file_with(const char *text)
{
	int fd = memfd_create("proc", MFD_CLOEXEC);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "a file in memory");
	return fd;
}

static void rewrite(int fd, const char *text)
{
	check(ftruncate(fd, 0) == 0 && pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text), "the file is rewritten");
}

#define STAT(comm, minflt, majflt, utime, stime, threads) \
	"42 (" comm ") S 1 42 42 0 -1 4194304 " minflt " 0 " majflt " 0 " utime " " stime " 0 0 20 0 " threads " 0 100 1 2 3\n"

static void rates_of_two_readings(void **state)
{
	int stat_fd = file_with(STAT("a) S (b", "1000", "10", "300", "100", "5"));
	int fds[] = { file_with("5000 1234 50 1 0 600 0\n"), stat_fd,
		      file_with("0 - 1 ---p 0 0 0 [rollup]\nRss:  9 kB\nPss:     777 kB\nPss_Dirty: 1 kB\n") };
	static const char tags[] = "statm,stat,smaps_rollup";
	struct samples s = { 0 };
	struct mg_sink sink = samples_sink(&s);
	struct mg_err err = { "" };
	struct mg_proc p;

	(void)state;
	mg_proc_init(&p);
	p.page_size = 16384; /* the target's, not ours */
	p.clock_ticks = 100;
	check(mg_proc_take(&p, tags, sizeof tags - 1, fds, 3) == 3 && fds[0] == -1 && fds[1] == -1 && fds[2] == -1,
	      "all three are taken");
	check(mg_proc_read(&p, 10 * MG_NS_PER_S, false, &sink, &err) == 0, "first reading: %s", err.text);
	check(s.at[MG_SIG_PROC_RSS].value == 1234.0 * 16384, "rss counts the target's pages, got %g",
	      s.at[MG_SIG_PROC_RSS].value);
	check(s.at[MG_SIG_PROC_THREADS].value == 5, "threads after a command with parentheses, got %g",
	      s.at[MG_SIG_PROC_THREADS].value);
	check(s.at[MG_SIG_PROC_CPU].n == 0 && s.at[MG_SIG_PROC_PSS].n == 0, "no rate from one reading, no PSS unless wanted");

	rewrite(stat_fd, STAT("a) S (b", "1500", "12", "350", "150", "6"));
	unsigned before = allocations;
	check(mg_proc_read(&p, 12 * MG_NS_PER_S, true, &sink, &err) == 0, "second reading: %s", err.text);
	check(allocations == before, "a reading allocates nothing");
	check(s.at[MG_SIG_PROC_MINFLT_RATE].value == 250 && s.at[MG_SIG_PROC_MAJFLT_RATE].value == 1, "faults a second");
	check(s.at[MG_SIG_PROC_CPU].value == 0.5, "one second of CPU in two, got %g", s.at[MG_SIG_PROC_CPU].value);
	check(s.at[MG_SIG_PROC_PSS].n == 1 && s.at[MG_SIG_PROC_PSS].value == 777 * 1024, "PSS, got %g",
	      s.at[MG_SIG_PROC_PSS].value);

	check(mg_proc_read(&p, 71 * MG_NS_PER_S, true, &sink, &err) == 0 && s.at[MG_SIG_PROC_PSS].n == 1,
	      "PSS is read once a minute");
	check(mg_proc_read(&p, 72 * MG_NS_PER_S, true, &sink, &err) == 0 && s.at[MG_SIG_PROC_PSS].n == 2, "and again after it");
	unsigned rates = s.at[MG_SIG_PROC_CPU].n;
	rewrite(stat_fd, STAT("b", "3", "0", "1", "1", "1"));
	check(mg_proc_read(&p, 74 * MG_NS_PER_S, false, &sink, &err) == 0 && s.at[MG_SIG_PROC_CPU].n == rates,
	      "counters that shrink give no rate");
	mg_proc_close(&p);
}

static void malformed_files(void **state)
{
	static const struct {
		const char *statm, *stat, *says;
	} rows[] = {
		{ "5000\n", STAT("a", "1", "1", "1", "1", "1"), "statm" },
		{ "5000 x 1\n", STAT("a", "1", "1", "1", "1", "1"), "statm" },
		{ "5000 -1 1\n", STAT("a", "1", "1", "1", "1", "1"), "statm" },
		{ "1 1 1\n", "42 (a) S 1 2\n", "/stat" },
		{ "1 1 1\n", "42 a S 1 2\n", "/stat" },
		{ "1 1 1\n", "42 (a)", "/stat" },
		{ "1 1 1\n", STAT("a", "1x", "1", "1", "1", "1"), "/stat" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct samples s = { 0 };
		struct mg_sink sink = samples_sink(&s);
		struct mg_err err = { "" };
		struct mg_proc p;
		mg_proc_init(&p);
		p.statm = file_with(rows[i].statm);
		p.stat = file_with(rows[i].stat);
		check(mg_proc_read(&p, 1000, false, &sink, &err) == -EBADMSG, "row %zu does not parse", i);
		check(strstr(err.text, rows[i].says), "row %zu: `%s` should name %s", i, err.text, rows[i].says);
		check(s.at[MG_SIG_PROC_RSS].n + s.at[MG_SIG_PROC_THREADS].n == 1, "row %zu: the other file is still read", i);
		mg_proc_close(&p);
	}
}

static void a_real_process_and_its_end(void **state)
{
	struct samples s = { 0 };
	struct mg_sink sink = samples_sink(&s);
	struct mg_err err = { "" };
	struct mg_proc p;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		for (;;)
			pause();
	mg_proc_init(&p);
	check(mg_proc_open_pid(&p, child, &err) == 0, "the child's files open: %s", err.text);
	check(mg_proc_read(&p, 1000, true, &sink, &err) == 0, "and read: %s", err.text);
	check(s.at[MG_SIG_PROC_RSS].value > 4096 && s.at[MG_SIG_PROC_THREADS].value >= 1,
	      "a live process has pages and a thread");
	check(s.at[MG_SIG_PROC_PSS].n == 1, "its PSS is read when wanted");
	kill(child, SIGKILL);
	check(waitpid(child, NULL, 0) == child, "the child ends");
	check(mg_proc_read(&p, 2000, true, &sink, &err) == -ENODEV, "a process that is gone says so: %s", err.text);
	mg_proc_close(&p);
	check(mg_proc_open_pid(&p, 0x3fffffff, &err) == -ENODEV, "no such process: %s", err.text);
	check(mg_proc_open_pid(&p, 0, &err) == -EINVAL, "pid 0 is a peer in another namespace");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_of_two_readings),
		cmocka_unit_test(malformed_files),
		cmocka_unit_test(a_real_process_and_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
