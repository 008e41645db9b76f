/* SPDX-License-Identifier: Apache-2.0 */
/* The watch over a policy file: each way a file changes is told once, what is beside it never. Real files, the real loop. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "governor/config/watch.h"
#include "governor/util/value.h"
#include "tests/check.h"

static char dir[64];

static void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0, "%s can be written", name);
	check(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s takes its text", name);
	close(fd);
}

static void link_as(const char *to, const char *name)
{
	check(symlink(to, name) == 0, "a link %s -> %s: %s", name, to, strerror(errno));
}

static void move(const char *from, const char *to)
{
	check(rename(from, to) == 0, "%s becomes %s: %s", from, to, strerror(errno));
}

static void make(const char *name)
{
	check(mkdir(name, 0700) == 0, "a directory %s: %s", name, strerror(errno));
}

/* ---- before the watch starts, and what is then done to the files ---- */

static void plain(void) { put("p.yaml", "a"); }
static void write_in_place(void) { put("p.yaml", "b"); }
static void rename_over(void) { put("p.yaml.tmp", "b"); move("p.yaml.tmp", "p.yaml"); }
static void write_neighbour(void) { put("q.yaml", "b"); put("p.yaml~", "b"); }
static void write_thrice(void) { put("p.yaml", "b"); put("p.yaml", "c"); rename_over(); }

static void config_map(void)
{
	make("..one");
	put("..one/p.yaml", "a");
	link_as("..one", "..data");
	link_as("..data/p.yaml", "p.yaml");
}

static void swap_config_map(void)
{
	make("..two");
	put("..two/p.yaml", "b");
	link_as("..two", "..data_tmp");
	move("..data_tmp", "..data");
	check(unlink("..one/p.yaml") == 0 && rmdir("..one") == 0, "the old one goes");
}

static void linked(void)
{
	make("releases");
	put("releases/one", "a");
	put("releases/two", "b");
	link_as("releases/one", "p.yaml");
}

static void write_behind_link(void) { put("releases/one", "c"); }
static void relink(void) { link_as("releases/two", "new"); move("new", "p.yaml"); }
static void write_beside_link(void) { put("releases/two", "c"); }
static void below(void) { make("sub"); put("sub/p.yaml", "a"); }

static void vanish(void)
{
	check(unlink("sub/p.yaml") == 0 && rmdir("sub") == 0, "the directory goes");
	below();
}

static void move_away(void)
{
	move("sub", "old");
	below();
}

/* ---- the rows ---- */

static const struct row {
	const char *name, *path;
	void (*before)(void), (*change)(void);
	unsigned wait_ms, told;
} rows[] = {
	{ "nothing happens", "p.yaml", plain, NULL, 400, 0 },
	{ "written in place", "p.yaml", plain, write_in_place, 600, 1 },
	{ "renamed over, as editors do", "p.yaml", plain, rename_over, 600, 1 },
	{ "a neighbour is written", "p.yaml", plain, write_neighbour, 400, 0 },
	{ "three changes at once", "p.yaml", plain, write_thrice, 600, 1 },
	{ "a ConfigMap is swapped", "p.yaml", config_map, swap_config_map, 600, 1 },
	{ "the file behind a link is written", "p.yaml", linked, write_behind_link, 600, 1 },
	{ "the link leads elsewhere", "p.yaml", linked, relink, 600, 1 },
	{ "a file beside the link's is written", "p.yaml", linked, write_beside_link, 400, 0 },
	{ "the directory goes and comes back", "sub/p.yaml", below, vanish, 1800, 1 },
	{ "the directory is replaced", "sub/p.yaml", below, move_away, 1800, 1 },
};

struct run {
	struct mg_loop *loop;
	void (*change)(void);
	unsigned told;
};

static void on_change(void *ctx)
{
	struct run *r = ctx;
	r->told++;
}

static void on_start(void *ctx, uint64_t now_ns)
{
	struct run *r = ctx;

	(void)now_ns;
	if (r->change)
		r->change();
}

static void on_end(void *ctx, uint64_t now_ns)
{
	struct run *r = ctx;

	(void)now_ns;
	mg_loop_stop(r->loop);
}

static void enter(void)
{
	snprintf(dir, sizeof dir, "/tmp/mg-watch-XXXXXX");
	check(mkdtemp(dir) != NULL, "a directory for the test");
	check(chdir(dir) == 0, "entered");
}

static void leave(void)
{
	char command[128];

	check(chdir("/") == 0, "left");
	snprintf(command, sizeof command, "rm -rf %s", dir);
	check(system(command) == 0, "removed");
}

static unsigned run_row(const struct row *row)
{
	struct run r = { .change = row->change };
	struct mg_timer start = { .f = on_start, .ctx = &r, .slot = -1 }, end = { .f = on_end, .ctx = &r, .slot = -1 };
	struct mg_config_watch *w = NULL;
	struct mg_err err = { "" };

	row->before();
	check(mg_loop_new(&r.loop, &err) == 0, "a loop: %s", err.text);
	check(mg_config_watch_new(r.loop, row->path, on_change, &r, &w, &err) == 0, "a watch: %s", err.text);
	check(mg_loop_timer(r.loop, &start, mg_loop_now(r.loop) + 1) == 0, "the change is due");
	check(mg_loop_timer(r.loop, &end, mg_loop_now(r.loop) + row->wait_ms * MG_NS_PER_MS) == 0, "and the end");
	check(mg_loop_run(r.loop, &err) == 0, "the loop runs: %s", err.text);
	w = mg_config_watch_free(w);
	mg_loop_free(r.loop);
	return r.told;
}

static void test_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enter();
		unsigned told = run_row(&rows[i]);
		leave();
		check(told == rows[i].told, "%s: told %u times, expected %u", rows[i].name, told, rows[i].told);
	}
}

static void test_refused_paths(void **state)
{
	static const char *const paths[] = { "/no/such/directory/p.yaml", "/tmp/", "" };
	struct mg_config_watch *w = NULL;
	struct mg_loop *l;
	struct mg_err err = { "" };

	(void)state;
	check(mg_loop_new(&l, &err) == 0, "a loop: %s", err.text);
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		err.text[0] = '\0';
		check(mg_config_watch_new(l, paths[i], on_change, NULL, &w, &err) < 0 && !w, "`%s` cannot be watched", paths[i]);
		check(err.text[0] != '\0', "and `%s` gets a reason", paths[i]);
	}
	mg_loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_refused_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
