/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroup trees (tests/fixtures/<case>/) and the signals they must give, descriptors taken by tag, and broken files. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "governor/util/signal.h"
#include "tests/check.h"
#include "tests/unit/collectors/allocations.h"
#include "tests/unit/collectors/sink.h"

#define MIB    1048576.0
#define ABSENT -1e300 /* no sample at all: the last one ages */

struct expected {
	enum mg_signal signal;
	double value;
};

struct tree_row {
	const char *path, *scope;
	int version;
	unsigned levels;
	struct expected expect[12];
};

static const struct tree_row trees[] = {
	{ "v2-limited/pod/app",
	  "visible-root",
	  2,
	  2,
	  { { MG_SIG_CGROUP_USAGE, 300 * MIB },
	    { MG_SIG_CGROUP_ANON, 200 * MIB },
	    { MG_SIG_CGROUP_FILE, 90 * MIB },
	    { MG_SIG_CGROUP_WORKING_SET, 240 * MIB },
	    { MG_SIG_CGROUP_SWAP, 5 * MIB },
	    { MG_SIG_CGROUP_LIMIT, 400 * MIB },
	    { MG_SIG_CGROUP_HEADROOM_BYTES, 160 * MIB },
	    { MG_SIG_CGROUP_HEADROOM, 0.4 },
	    { MG_SIG_CGROUP_EVENTS_HIGH, 7 },
	    { MG_SIG_CGROUP_EVENTS_MAX, 2 },
	    { MG_SIG_CGROUP_EVENTS_OOM_KILL, 1 } } },
	{ "v2-unlimited/app",
	  "own",
	  2,
	  1,
	  { { MG_SIG_CGROUP_WORKING_SET, 240 * MIB },
	    { MG_SIG_CGROUP_LIMIT, NAN },
	    { MG_SIG_CGROUP_HEADROOM_BYTES, NAN },
	    { MG_SIG_CGROUP_HEADROOM, NAN } } },
	/* the smallest limit is the own one, the least headroom is the parent's: siblings hold it */
	{ "v2-parent-full/pod/app",
	  "visible-root",
	  2,
	  2,
	  { { MG_SIG_CGROUP_LIMIT, 1024 * MIB },
	    { MG_SIG_CGROUP_HEADROOM_BYTES, 108 * MIB },
	    { MG_SIG_CGROUP_HEADROOM, 108.0 / 2048 } } },
	/* a broken max leaves limit and headroom to age; the other files are still read */
	{ "v2-broken/app",
	  "own",
	  2,
	  1,
	  { { MG_SIG_CGROUP_USAGE, 300 * MIB },
	    { MG_SIG_CGROUP_EVENTS_HIGH, 7 },
	    { MG_SIG_CGROUP_LIMIT, ABSENT },
	    { MG_SIG_CGROUP_HEADROOM, ABSENT },
	    { MG_SIG_CGROUP_WORKING_SET, ABSENT },
	    { MG_SIG_CGROUP_ANON, ABSENT },
	    { MG_SIG_PSI_SOME, ABSENT } } },
	/* v1: the hierarchy's limit is below the own one */
	{ "v1-limited/app",
	  "own",
	  1,
	  1,
	  { { MG_SIG_CGROUP_USAGE, 300 * MIB },
	    { MG_SIG_CGROUP_ANON, 200 * MIB },
	    { MG_SIG_CGROUP_FILE, 90 * MIB },
	    { MG_SIG_CGROUP_WORKING_SET, 240 * MIB },
	    { MG_SIG_CGROUP_SWAP, 8 * MIB },
	    { MG_SIG_CGROUP_LIMIT, 512 * MIB },
	    { MG_SIG_CGROUP_HEADROOM_BYTES, 272 * MIB },
	    { MG_SIG_CGROUP_HEADROOM, 272.0 / 512 },
	    { MG_SIG_CGROUP_EVENTS_MAX, 7 },
	    { MG_SIG_CGROUP_EVENTS_OOM_KILL, 2 },
	    { MG_SIG_CGROUP_EVENTS_HIGH, ABSENT } } },
	{ "v1-unlimited/app",
	  "own",
	  1,
	  1,
	  { { MG_SIG_CGROUP_WORKING_SET, 240 * MIB },
	    { MG_SIG_CGROUP_SWAP, 0 },
	    { MG_SIG_CGROUP_LIMIT, NAN },
	    { MG_SIG_CGROUP_HEADROOM, NAN } } },
};

static void fixture(char *path, size_t cap, const char *name)
{
	int n = snprintf(path, cap, "%s/%s", MG_FIXTURES, name);

	check(n > 0 && (size_t)n < cap, "the fixture's path fits");
}

static void check_signal(const struct samples *s, const char *where, const struct expected *e)
{
	const char *name = mg_signal_info(e->signal)->name;
	const struct got *g = &s->at[e->signal];

	if (e->value == ABSENT) {
		check(g->n == 0, "%s: %s must not be sampled, got %g", where, name, g->value);
		return;
	}
	check(g->n == 1, "%s: one sample of %s expected, got %u", where, name, g->n);
	check(isnan(e->value) ? isnan(g->value) : fabs(g->value - e->value) < 1e-6, "%s: %s should be %.9g, got %.9g", where,
	      name, e->value, g->value);
	check(g->at_ns == 1000, "%s: %s carries the time it was read", where, name);
}

static void trees_give_signals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
		const struct tree_row *row = &trees[i];
		struct samples s = { 0 };
		struct mg_sink sink = samples_sink(&s);
		struct mg_err err = { "" };
		struct mg_cgroup g;
		char path[512];
		bool broken = strstr(row->path, "broken") != NULL;

		mg_cgroup_init(&g);
		fixture(path, sizeof path, row->path);
		check(mg_cgroup_open_path(&g, path, &err) == 0, "%s should open: %s", row->path, err.text);
		check(g.version == row->version && g.levels == row->levels, "%s: v%d with %u levels expected, got v%d with %u",
		      row->path, row->version, row->levels, g.version, g.levels);
		check(strcmp(g.scope, row->scope) == 0, "%s: scope %s expected, got %s", row->path, row->scope, g.scope);
		check(strcmp(g.source, "path") == 0, "%s: the source is a path, got %s", row->path, g.source);
		unsigned before = allocations;
		int r = mg_cgroup_read(&g, 1000, &sink, &err);
		check(allocations == before, "%s: a reading allocates nothing", row->path);
		check(r == (broken ? -EBADMSG : 0), "%s: reading gave %d: %s", row->path, r, err.text);
		check(!broken || strstr(err.text, "memory.max") != NULL, "%s: the error names the first file: %s", row->path,
		      err.text);
		for (size_t k = 0; k < 12 && (row->expect[k].signal || row->expect[k].value); k++)
			check_signal(&s, row->path, &row->expect[k]);
		mg_cgroup_close(&g);
	}
}

static int open_fixture(const char *name)
{
	char path[512];

	fixture(path, sizeof path, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	check(fd >= 0, "%s should open", path);
	return fd;
}

/* What a shim sends: own level whole, of the parent current, max and high; and things that are not ours. */
static void descriptors_are_taken_by_tag(void **state)
{
	static const char tags[] =
		"statm,v2.0.current,v2.0.max,v2.0.stat,v2.1.current,v2.1.max,v1.0.usage,v2.0.max,v2.9.max,v2.0.bogus";
	int fds[] = {
		open_fixture("v2-limited/pod/app/memory.current"),    open_fixture("v2-parent-full/pod/app/memory.current"),
		open_fixture("v2-parent-full/pod/app/memory.max"),    open_fixture("v2-parent-full/pod/app/memory.stat"),
		open_fixture("v2-parent-full/pod/memory.current"),    open_fixture("v2-parent-full/pod/memory.max"),
		open_fixture("v1-limited/app/memory.usage_in_bytes"), open_fixture("v2-limited/pod/app/memory.max"),
		open_fixture("v2-limited/pod/app/memory.max"),        open_fixture("v2-limited/pod/app/memory.max"),
	};
	struct samples s = { 0 };
	struct mg_sink sink = samples_sink(&s);
	struct mg_err err = { "" };
	struct mg_cgroup g;
	struct stat st;

	(void)state;
	mg_cgroup_init(&g);
	int taken = mg_cgroup_take(&g, tags, sizeof tags - 1, fds, 10);
	check(taken == 5, "five descriptors are ours, %d were taken", taken);
	for (unsigned i = 0; i < 10; i++) {
		check((fds[i] == -1) == (i >= 1 && i <= 5), "descriptor %u should be %s", i, i >= 1 && i <= 5 ? "taken" : "left");
		if (fds[i] >= 0)
			close(fds[i]);
	}
	check(g.version == 2 && g.levels == 2 && strcmp(g.source, "shim-fds") == 0, "v2, two levels, from the shim");
	check(fstat(g.fd[0][MG_CG_CURRENT], &st) == 0 && g.ino == st.st_ino, "the group is known by its usage file's inode");
	check(mg_cgroup_read(&g, 1000, &sink, &err) == 0, "reading: %s", err.text);
	/* the parent's stat was not sent: its page cache is at least ours, 4 MiB */
	check_signal(&s, "shim-fds", &(struct expected){ MG_SIG_CGROUP_HEADROOM_BYTES, (2048 - 1950 + 4) * MIB });
	check_signal(&s, "shim-fds", &(struct expected){ MG_SIG_CGROUP_EVENTS_HIGH, ABSENT });
	mg_cgroup_close(&g);
	check(g.version == 0 && g.fd[0][MG_CG_CURRENT] == -1, "closed is as new");
}

static void more_tags_than_descriptors(void **state)
{
	int fds[] = { -1, open_fixture("v2-unlimited/app/memory.max") };
	static const char tags[] = "v2.0.current,v2.0.max,v2.0.high,";
	struct mg_cgroup g;

	(void)state;
	mg_cgroup_init(&g);
	check(mg_cgroup_take(&g, tags, sizeof tags - 1, fds, 2) == 1, "only the descriptor that is there is taken");
	check(mg_cgroup_take(&g, "", 0, fds, 2) == 0, "no tags, nothing taken");
	mg_cgroup_close(&g);
}

static void no_such_path(void **state)
{
	struct mg_err err = { "" };
	struct mg_cgroup g;
	char path[512];

	(void)state;
	mg_cgroup_init(&g);
	check(mg_cgroup_open_path(&g, "/nonexistent", &err) == -ENOENT && strstr(err.text, "/nonexistent"),
	      "a missing path is named: %s", err.text);
	fixture(path, sizeof path, "v2-limited");
	check(mg_cgroup_open_path(&g, path, &err) == -ENOENT && strstr(err.text, "memory.current"), "no memory files: %s",
	      err.text);
	check(mg_cgroup_open_pid(&g, 0, &err) == -EINVAL, "pid 0 is a peer in another namespace");
	check(mg_cgroup_open_pid(&g, 0x3fffffff, &err) == -ENODEV, "no such process: %s", err.text);
	check(g.fd[0][MG_CG_CURRENT] == -1 && g.version == 0, "nothing is left open");
	check(mg_cgroup_read(&g, 1, &(struct mg_sink){ 0 }, &err) == 0, "a target without a cgroup has nothing to read");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees_give_signals),
		cmocka_unit_test(descriptors_are_taken_by_tag),
		cmocka_unit_test(more_tags_than_descriptors),
		cmocka_unit_test(no_such_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
