/* SPDX-License-Identifier: Apache-2.0 */
/* How findings look: every NAME.yaml here prints what NAME.expected holds. With MG_GOLDEN_UPDATE=1 these
 * are written instead. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "governor/config/config.h"
#include "tests/check.h"

static struct mg_findings findings;

/* What check-config prints of a file; owned. */
static char *report(const char *name, const char *path, size_t *ret_len)
{
	struct mg_config *c = NULL;
	struct mg_err err = { "" };
	char *text = NULL;
	size_t len;
	int fd = memfd_create("report", MFD_CLOEXEC);

	check(fd >= 0, "a memory file can be made");
	check(mg_config_read(path, &text, &len, &err) == 0, "%s can be read: %s", name, err.text);
	int r = mg_config_parse(name, text, len, &c, &findings);
	check((r == 0) == (findings.errors == 0), "%s: errors refuse, warnings do not: %d with %u errors", name, r, findings.errors);
	mg_findings_print(&findings, name, text, len, fd);
	c = mg_config_free(c);
	free(text);
	*ret_len = (size_t)lseek(fd, 0, SEEK_END);
	char *out = calloc(1, *ret_len + 1);
	check(out && pread(fd, out, *ret_len, 0) == (ssize_t)*ret_len, "%s: the report reads back", name);
	close(fd);
	return out;
}

static void update(const char *path, const char *out, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	check(fd >= 0 && write(fd, out, len) == (ssize_t)len, "%s is written", path);
	close(fd);
}

static void check_file(const char *name)
{
	char yaml[512], kept[512], *expected = NULL;
	struct mg_err err = { "" };
	size_t len, expected_len;

	snprintf(yaml, sizeof yaml, "%s/%s", GOLDEN_DIR, name);
	snprintf(kept, sizeof kept, "%s/%.*s.expected", GOLDEN_DIR, (int)strlen(name) - 5, name);
	char *out = report(name, yaml, &len);
	if (getenv("MG_GOLDEN_UPDATE"))
		update(kept, out, len);
	check(mg_config_read(kept, &expected, &expected_len, &err) == 0, "%s: %s", name, err.text);
	check(len == expected_len && memcmp(out, expected, len) == 0, "%s prints\n%s\ninstead of\n%.*s", name, out, (int)expected_len,
		expected);
	free(expected);
	free(out);
}

static void test_every_file(void **state)
{
	unsigned files = 0;
	DIR *d = opendir(GOLDEN_DIR);

	(void)state;
	check(d != NULL, "the golden files can be listed");
	for (struct dirent *e; (e = readdir(d));) {
		size_t len = strlen(e->d_name);
		if (len < 5 || strcmp(e->d_name + len - 5, ".yaml") != 0)
			continue;
		check_file(e->d_name);
		files++;
	}
	closedir(d);
	check(files >= 4, "the four golden files are there, found %u", files);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_file) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
