/* SPDX-License-Identifier: Apache-2.0 */
/* Which descriptors the governor takes: a table of files, the tags they came under, and the verdict. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "governor/serve/control_rights.h"
#include "tests/protocol/rig.h"

#define V1 "/sys/fs/cgroup/memory/"
#define V2 "/sys/fs/cgroup/"

static const struct {
	const char *name, *tag, *path;
	int flags;
	int want;      /* 0, -EPERM */
	bool closed;   /* taken, but under an unknown tag */
} rows[] = {
	{ "statm", "statm", "/proc/self/statm", O_RDONLY, 0, false },
	{ "stat", "stat", "/proc/self/stat", O_RDONLY, 0, false },
	{ "smaps_rollup", "smaps_rollup", "/proc/self/smaps_rollup", O_RDONLY, 0, false },
	{ "a tag of a later version", "oom_score", "/proc/self/oom_score", O_RDONLY, 0, true },
	{ "a level too high", "v1.8.usage", "/proc/self/stat", O_RDONLY, 0, true },
	{ "another file of the process", "statm", "/proc/self/maps", O_RDONLY, -EPERM, false },
	{ "a file of procfs that is no process's", "stat", "/proc/stat", O_RDONLY, -EPERM, false },
	{ "a file that waits when it is read", "statm", "/proc/kmsg", O_RDONLY, -EPERM, false },
	{ "a file of procfs as one of a cgroup", "v1.0.stat", "/proc/self/stat", O_RDONLY, -EPERM, false },
	{ "no regular file of procfs", "statm", "/proc/self", O_RDONLY | O_DIRECTORY, -EPERM, false },
	{ "a path without rights", "statm", "/proc/self/statm", O_PATH, -EPERM, false },
	{ "a file open for writing", "statm", "/proc/self/comm", O_RDWR, -EPERM, false },
	{ "a file on a disk", "statm", "/etc/passwd", O_RDONLY, -EPERM, false },
	{ "a device", "statm", "/dev/null", O_RDONLY, -EPERM, false },
	{ "a file of sysfs", "statm", "/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY, -EPERM, false },
	{ "v1 usage", "v1.0.usage", V1 "memory.usage_in_bytes", O_RDONLY, 0, false },
	{ "v1 limit of a parent", "v1.7.limit", V1 "memory.limit_in_bytes", O_RDONLY, 0, false },
	{ "v1 stat", "v1.0.stat", V1 "memory.stat", O_RDONLY, 0, false },
	{ "v1 stat as v2", "v2.0.stat", V1 "memory.stat", O_RDONLY, -EPERM, false },
	{ "v1 usage as limit", "v1.0.limit", V1 "memory.usage_in_bytes", O_RDONLY, -EPERM, false },
	{ "v1 limit open for writing", "v1.0.limit", V1 "memory.limit_in_bytes", O_RDWR, -EPERM, false },
	{ "v2 stat", "v2.0.stat", V2 "memory.stat", O_RDONLY, 0, false },
	{ "v2 pressure", "v2.0.pressure", V2 "memory.pressure", O_RDONLY, 0, false },
	{ "v2 stat as events", "v2.0.events", V2 "memory.stat", O_RDONLY, -EPERM, false },
};

static void wait_over(struct mg_errand *e, const char *what)
{
	for (unsigned i = 0; i < 100 && !mg_errand_over(e); i++)
		nap(20);
	check(mg_errand_over(e), "%s: the errand is not over after 2 s", what);
	mg_errand_forget(e);
}

/* own: with the governor's mounts known (at once), or as in another container's procfs (by the thread). */
static void check_rows(const struct mg_rights *own, const char *how)
{
	unsigned tried = 0;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_errand *errand;
		const char *why = "";
		int fd = open(rows[i].path, rows[i].flags | O_CLOEXEC), first = fd;
		if (fd < 0 || (fcntl(fd, F_GETFL) & O_ACCMODE) != (rows[i].flags & O_ACCMODE)) {
			close(fd); /* cgroups of the other version, a container without this file, an emulator that makes it up */
			continue;
		}
		tried++;
		int r = mg_rights_check(own, rows[i].tag, &fd, 1, &errand, &why);
		check(r == rows[i].want, "%s, %s: %d (%s), expected %d", how, rows[i].name, r, why, rows[i].want);
		check((fd == -1) == (r < 0 || rows[i].closed), "%s, %s: the descriptor is %d afterwards", how, rows[i].name, fd);
		check((errand != NULL) == (r < 0), "%s, %s: the wrong one closes it", how, rows[i].name);
		check(r == 0 || strncmp(why, "a descriptor ", 13) == 0, "%s, %s: the reason is `%s`", how, rows[i].name, why);
		if (errand)
			wait_over(errand, rows[i].name);
		if (fd >= 0)
			close(fd);
		check(fcntl(first, F_GETFD) < 0 && errno == EBADF, "%s, %s: the descriptor is still open", how, rows[i].name);
	}
	check(tried >= 12, "%s: only %u of the files are here", how, tried);
}

static void test_rows(void **state)
{
	static struct mg_rights own, none;
	(void)state;

	mg_rights_init(&own);
	check(own.n_own > 0, "procfs is not among the own mounts");
	check_rows(&own, "own mounts");
	check_rows(&none, "by the thread");
}

/* One bad descriptor takes the good ones with it. */
static void test_set(void **state)
{
	static struct mg_rights own;
	struct mg_errand *errand;
	const char *why = "";
	unsigned before = count_fds();
	int fd[3] = { open("/proc/self/statm", O_RDONLY | O_CLOEXEC), open("/proc/self/oom_score", O_RDONLY | O_CLOEXEC),
		      socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
	(void)state;

	mg_rights_init(&own);
	check(mg_rights_check(&own, "statm,later,stat", fd, 3, &errand, &why) == -EPERM, "a socket among files was taken");
	check(fd[0] == -1 && fd[1] == -1 && fd[2] == -1, "descriptors are left: %d %d %d", fd[0], fd[1], fd[2]);
	wait_over(errand, "a mixed set");
	check(count_fds() == before, "%u descriptors are open, %u were before", count_fds(), before);
	check(mg_rights_refuse(fd, 3) == NULL, "there is nothing left to close");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_set) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
