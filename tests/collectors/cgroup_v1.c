/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroup collector on this machine's v1 memory controller: a group of two levels with limits, a process in it that
 * grows, is killed at the limit, and a group that is removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "tests/check.h"
#include "tests/unit/collectors/sink.h"

#define CONTROLLER "/sys/fs/cgroup/memory"
#define MIB        1048576.0
#define SKIP       77

static char outer[128], inner[160];

static void put(const char *dir, const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	check(fd >= 0, "%s opens: %s", path, strerror(errno));
	check(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "`%s` into %s: %s", text, path, strerror(errno));
	close(fd);
}

static int make_groups(void **state)
{
	(void)state;
	snprintf(outer, sizeof outer, CONTROLLER "/memgov-test-%d", getpid());
	snprintf(inner, sizeof inner, "%s/app", outer);
	check(mkdir(outer, 0755) == 0 && mkdir(inner, 0755) == 0, "two groups, one in the other: %s", strerror(errno));
	put(outer, "memory.limit_in_bytes", "134217728");
	put(inner, "memory.limit_in_bytes", "268435456");
	return 0;
}

static int remove_groups(void **state)
{
	(void)state;
	for (int i = 0; i < 100 && rmdir(inner) < 0 && errno == EBUSY; i++)
		usleep(50000);
	rmdir(outer);
	return 0;
}

struct grower { /* a process in the inner group that touches what it is told to */
	pid_t pid;
	int to, from;
};

static void grow(int in, int out)
{
	unsigned mib;

	while (read(in, &mib, sizeof mib) == sizeof mib) {
		char *p = mmap(NULL, (size_t)mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			_exit(1);
		memset(p, 1, (size_t)mib << 20);
		if (write(out, &mib, sizeof mib) != sizeof mib)
			_exit(1);
	}
	_exit(0);
}

static struct grower start_grower(void)
{
	int to[2], from[2];
	char pid[16];

	check(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0, "pipes");
	pid_t child = fork();
	if (child == 0) {
		close(to[1]);
		grow(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	snprintf(pid, sizeof pid, "%d", child);
	put(inner, "cgroup.procs", pid);
	return (struct grower){ child, to[1], from[0] };
}

/* False when the process was killed over it. */
static bool touch(const struct grower *g, unsigned mib)
{
	unsigned back;

	check(write(g->to, &mib, sizeof mib) == sizeof mib, "the process is told to grow");
	return read(g->from, &back, sizeof back) == sizeof back;
}

static void stop_grower(struct grower *g)
{
	close(g->to);
	close(g->from);
	kill(g->pid, SIGKILL);
	check(waitpid(g->pid, NULL, 0) == g->pid, "the process ends");
}

static struct samples read_group(struct mg_cgroup *g)
{
	struct samples s = { 0 };
	struct mg_sink sink = samples_sink(&s);
	struct mg_err err = { "" };

	check(mg_cgroup_read(g, MG_NS_PER_S, &sink, &err) == 0, "reading: %s", err.text);
	return s;
}

static double value(const struct samples *s, enum mg_signal signal)
{
	return s->at[signal].n ? s->at[signal].value : NAN;
}

static void a_process_grows(void **state)
{
	struct grower child = start_grower();
	struct mg_err err = { "" };
	struct mg_cgroup by_pid, by_path;

	(void)state;
	mg_cgroup_init(&by_pid);
	mg_cgroup_init(&by_path);
	check(mg_cgroup_open_pid(&by_pid, child.pid, &err) == 0, "found by pid: %s", err.text);
	check(mg_cgroup_open_path(&by_path, inner, &err) == 0, "found by path: %s", err.text);
	check(by_pid.version == 1 && strcmp(by_pid.source, "host-mount") == 0, "v1 from the own mount, got v%d from %s",
	      by_pid.version, by_pid.source);
	check(strcmp(by_pid.scope, "full") == 0 && by_pid.levels == 3, "up to the root: scope %s, %u levels", by_pid.scope,
	      by_pid.levels);
	check(by_pid.ino == by_path.ino && by_pid.dev == by_path.dev && by_pid.ino != 0, "both ways know it as the same group");

	struct samples before = read_group(&by_pid);
	check(touch(&child, 64), "64 MiB fit");
	struct samples after = read_group(&by_pid);
	double grown = value(&after, MG_SIG_CGROUP_USAGE) - value(&before, MG_SIG_CGROUP_USAGE);
	check(grown > 60 * MIB && grown < 72 * MIB, "the charge grew by what was touched, got %.1f MiB", grown / MIB);
	check(value(&after, MG_SIG_CGROUP_LIMIT) == 128 * MIB, "the outer limit is the smaller, got %.1f MiB",
	      value(&after, MG_SIG_CGROUP_LIMIT) / MIB);
	check(value(&after, MG_SIG_CGROUP_ANON) > 60 * MIB, "as anonymous memory");
	double room = value(&after, MG_SIG_CGROUP_HEADROOM_BYTES) / MIB;
	check(room > 40 && room < 68, "64 of 128 MiB are left, got %.1f", room);
	check(fabs(value(&after, MG_SIG_CGROUP_HEADROOM) - room / 128) < 1e-6, "and the share says the same");

	put(outer, "memory.limit_in_bytes", "201326592");
	after = read_group(&by_pid);
	check(value(&after, MG_SIG_CGROUP_LIMIT) == 192 * MIB, "a limit that was raised is seen at once");

	check(!touch(&child, 256), "256 MiB more do not fit: the process is killed");
	after = read_group(&by_pid);
	check(value(&after, MG_SIG_CGROUP_EVENTS_OOM_KILL) >= 1, "the kill is counted");
	stop_grower(&child);
	mg_cgroup_close(&by_pid);
	mg_cgroup_close(&by_path);
}

static void unlimited_is_unknown(void **state)
{
	struct mg_cgroup g;
	struct mg_err err = { "" };

	(void)state;
	put(inner, "memory.limit_in_bytes", "-1");
	put(outer, "memory.limit_in_bytes", "-1");
	mg_cgroup_init(&g);
	check(mg_cgroup_open_path(&g, outer, &err) == 0, "%s", err.text);
	struct samples s = read_group(&g);
	check(s.at[MG_SIG_CGROUP_LIMIT].n == 1 && isnan(s.at[MG_SIG_CGROUP_LIMIT].value), "no limit is unknown, not a number");
	mg_cgroup_close(&g);
}

static void a_removed_group(void **state)
{
	char gone[200];
	struct mg_cgroup g;
	struct mg_err err = { "" };
	struct samples s = { 0 };
	struct mg_sink sink = samples_sink(&s);

	(void)state;
	snprintf(gone, sizeof gone, "%s/gone", outer);
	check(mkdir(gone, 0755) == 0, "a group: %s", strerror(errno));
	mg_cgroup_init(&g);
	check(mg_cgroup_open_path(&g, gone, &err) == 0, "%s", err.text);
	check(rmdir(gone) == 0, "is removed");
	check(mg_cgroup_read(&g, MG_NS_PER_S, &sink, &err) == -ENODEV, "and says so: %s", err.text);
	mg_cgroup_close(&g);
}

/* Takes every cgroup mount out of this mount namespace: there may be more than those in /sys/fs/cgroup. */
static bool hide_cgroups(void)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char point[4096], type[64];

	if (!f)
		return false;
	while (fscanf(f, "%*s %4095s %63s %*[^\n]", point, type) == 2)
		if (strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0)
			(void)umount2(point, MNT_DETACH);
	fclose(f);
	return mount("none", "/sys/fs/cgroup", "tmpfs", 0, NULL) == 0;
}

/* In a mount namespace of its own without cgroups: the target's own mounts lead there. */
static int look_through_proc_root(pid_t target)
{
	struct mg_cgroup g;
	struct mg_err err = { "" };

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !hide_cgroups())
		return 10;
	mg_cgroup_init(&g);
	if (mg_cgroup_open_pid(&g, target, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 11;
	}
	int r = strcmp(g.source, "proc-root") != 0 ? 12 : g.levels != 3 ? 13 : 0;
	mg_cgroup_close(&g);
	return r;
}

static void through_proc_root(void **state)
{
	struct grower child = start_grower();
	int status = -1;

	(void)state;
	pid_t observer = fork();
	if (observer == 0)
		_exit(look_through_proc_root(child.pid));
	check(waitpid(observer, &status, 0) == observer && WIFEXITED(status), "the observer ends");
	check(WEXITSTATUS(status) == 0, "it finds the group through /proc/<pid>/root, step %d failed", WEXITSTATUS(status));
	stop_grower(&child);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");

	check(d != NULL, "/proc/self/fd opens");
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void nothing_stays_open(void **state)
{
	struct mg_cgroup g;
	struct mg_err err = { "" };

	(void)state;
	unsigned before = open_descriptors();
	for (int i = 0; i < 20; i++) {
		mg_cgroup_init(&g);
		check(mg_cgroup_open_pid(&g, getpid(), &err) == 0, "the own group: %s", err.text);
		mg_cgroup_close(&g);
	}
	check(open_descriptors() == before, "%u descriptors before, %u after", before, open_descriptors());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_grows),      cmocka_unit_test(through_proc_root),  cmocka_unit_test(a_removed_group),
		cmocka_unit_test(unlimited_is_unknown), cmocka_unit_test(nothing_stays_open),
	};

	if (geteuid() != 0 || access(CONTROLLER "/memory.limit_in_bytes", F_OK) < 0) {
		puts("skipped: needs root and a cgroup v1 memory controller at " CONTROLLER);
		return SKIP;
	}
	return cmocka_run_group_tests(tests, make_groups, remove_groups);
}
