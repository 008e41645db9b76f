// SPDX-License-Identifier: Apache-2.0
/* Where a process's memory cgroup is, from the two files that say so, as hosts and containers show them; and what is read out
 * of /proc beside. */

#include "tests/check.h"

#include <string.h>

#include "shim/cgroup.h"
#include "shim/proc.h"

static void test_place(void **state)
{
	static const struct { const char *cgroup, *mount; unsigned version; const char *dir; size_t mount_len; enum mg_cgroup_scope scope; const char *sentence; } rows[] = {
		{ "0::/system.slice/a.service", "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate", 2,
		  "/sys/fs/cgroup/system.slice/a.service", 14, MG_SCOPE_VISIBLE_ROOT, "v2 on a host" },
		{ "0::/", "31 23 0:28 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw", 2, "/sys/fs/cgroup", 14, MG_SCOPE_VISIBLE_ROOT,
		  "v2 in a container with its own cgroup namespace" },
		{ "0::/kubepods/pod1/c1", "31 23 0:28 /kubepods/pod1/c1 /sys/fs/cgroup ro - cgroup2 cgroup rw", 2, "/sys/fs/cgroup", 14,
		  MG_SCOPE_VISIBLE_ROOT, "v2 with the host's namespace and only the own group mounted" },
		{ "0::/../other", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", 2, "/sys/fs/cgroup", 14, MG_SCOPE_OWN,
		  "v2 moved out of the namespace's root" },
		{ "0::/kubepods/pod2", "31 23 0:28 /kubepods/pod1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw", 2, "/sys/fs/cgroup", 14, MG_SCOPE_OWN,
		  "v2 where the mount shows another group" },
		{ "0::/kubepods/pod10", "31 23 0:28 /kubepods/pod1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw", 2, "/sys/fs/cgroup", 14, MG_SCOPE_OWN,
		  "a root that is only the beginning of a name" },
		{ "4:memory:/docker/abc", "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory", 1, "/sys/fs/cgroup/memory", 21,
		  MG_SCOPE_VISIBLE_ROOT, "v1 in a container" },
		{ "4:memory:/a/b", "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 master:2 - cgroup cgroup rw,memory", 1,
		  "/sys/fs/cgroup/memory/a/b", 21, MG_SCOPE_VISIBLE_ROOT, "v1 on a host, with optional fields" },
		{ "4:hugetlb,memory:/a", "35 31 0:32 / /mnt/my\\040cgroup rw - cgroup cgroup rw,memory,hugetlb", 1, "/mnt/my cgroup/a", 14,
		  MG_SCOPE_VISIBLE_ROOT, "v1 with controllers together, under a name with a blank" },
		{ "4:memoryless:/a", "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory", 0, "", 0, MG_SCOPE_OWN, "another controller" },
		{ "4:memory:/a", "35 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", 0, "", 0, MG_SCOPE_OWN, "another hierarchy" },
		{ "0::/a", "27 1 254:0 / / rw - ext4 /dev/vda rw", 0, "", 0, MG_SCOPE_OWN, "no cgroup mounted" },
		{ "nonsense", "35 31", 0, "", 0, MG_SCOPE_OWN, "nonsense" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mg_cgroup_find f = { 0 };
		struct mg_cgroup_place *p;
		char line[256];

		snprintf(line, sizeof(line), "%s", rows[i].mount);
		mg_cgroup_find_line(&f, rows[i].cgroup);
		mg_cgroup_find_mount(&f, line);
		p = f.v1.version ? &f.v1 : &f.v2;
		check(p->version == rows[i].version, "%s: version %u, got %u", rows[i].sentence, rows[i].version, p->version);
		if (rows[i].version == 0)
			continue;
		check(!strcmp(p->dir, rows[i].dir), "%s: %s, got %s", rows[i].sentence, rows[i].dir, p->dir);
		check(p->mount_len == rows[i].mount_len && p->scope == rows[i].scope, "%s: the mount point and how far up it shows", rows[i].sentence);
	}
}

static void test_proc_text(void **state)
{
	(void)state;
	check(mg_proc_filters("Seccomp:\t2\nSeccomp_filters:\t4\n") == 4, "the number of filters is read");
	check(mg_proc_filters("Seccomp:\t2\n") == UINT64_MAX, "an old kernel does not say it");
	check(mg_proc_start_ns("42 (a) b ) (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 250 99\n", 100) == 2500000000u,
	      "the start is read behind the last bracket of a strange name");
	check(mg_proc_start_ns("42 (a) S 1", 100) == 0, "a cut line has none");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_place), cmocka_unit_test(test_proc_text) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
