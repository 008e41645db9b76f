/* SPDX-License-Identifier: Apache-2.0 */
/* Who could change a policy file besides root: modes, links and directories, as rows. The tests' own uid stands for root's. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "governor/config/owner.h"
#include "tests/check.h"

#define STRANGER 12345 /* an owner that is neither root nor the tests' */

static char dir[64];

static void enter(void)
{
	snprintf(dir, sizeof dir, "/tmp/mg-owner-XXXXXX"); /* /tmp is sticky, which is accepted */
	check(mkdtemp(dir) != NULL && chdir(dir) == 0, "a directory for the test");
	check(mkdir("d", 0755) == 0, "and one in it");
	int fd = open("d/p.yaml", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	check(fd >= 0, "and a file");
	close(fd);
	check(symlink("d/p.yaml", "link") == 0 && symlink("loop", "loop") == 0, "and links");
	check(symlink(dir, "d/up") == 0, "and one back up");
}

static void leave(void)
{
	char command[128];

	check(chdir("/") == 0, "left");
	snprintf(command, sizeof command, "rm -rf %s", dir);
	check(system(command) == 0, "removed");
}

static const struct row {
	const char *name, *path;
	mode_t dir_mode, file_mode;
	int r;
	const char *says;
} rows[] = {
	{ "the owner's alone", "d/p.yaml", 0755, 0644, 0, NULL },
	{ "read by nobody else", "d/p.yaml", 0700, 0600, 0, NULL },
	{ "by a link", "link", 0755, 0644, 0, NULL },
	{ "by a link to a directory", "d/up/d/p.yaml", 0755, 0644, 0, NULL },
	{ "the group may write the file", "d/p.yaml", 0755, 0664, -EPERM, "chmod go-w" },
	{ "all may write the file", "d/p.yaml", 0755, 0646, -EPERM, "chmod go-w" },
	{ "the group may replace the file", "d/p.yaml", 0775, 0644, -EPERM, "/d can be written by others" },
	{ "all may replace the file, seen through a link", "link", 0757, 0644, -EPERM, "/d can be written by others" },
	{ "a sticky directory", "d/p.yaml", 01777, 0644, 0, NULL },
	{ "no such file", "d/none", 0755, 0644, -ENOENT, "No such file" },
	{ "a link to itself", "loop", 0755, 0644, -ELOOP, "too many links" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		struct mg_err err = { "" };

		enter();
		check(chmod("d", row->dir_mode) == 0 && chmod("d/p.yaml", row->file_mode) == 0, "%s: modes", row->name);
		int r = mg_owner_check(row->path, geteuid(), &err);
		leave();
		check(r == row->r, "%s: %d, expected %d (%s)", row->name, r, row->r, err.text);
		check(!row->says || strstr(err.text, row->says), "%s: `%s` says `%s`", row->name, err.text, row->says);
	}
}

/* Root gives the directory away; anybody else asks on a stranger's behalf, to whom the file is not his own. */
static void test_a_stranger_owns_it(void **state)
{
	struct mg_err err = { "" };
	bool root = geteuid() == 0;

	(void)state;
	enter();
	check(!root || chown("d", STRANGER, 0) == 0, "given away");
	int r = mg_owner_check("d/p.yaml", root ? 0 : STRANGER, &err);
	leave();
	check(r == -EPERM && strstr(err.text, "belongs to uid"), "a stranger's directory is refused: %d %s", r, err.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_a_stranger_owns_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
