/* SPDX-License-Identifier: Apache-2.0 */
/* The writer never makes its caller wait: what happens with a full disk, a stuck pipe, a link, a rotation. */
#include "governor/audit/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/check.h"

static char dir[64];

static int in_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/memgov-writer-XXXXXX");
	return mkdtemp(dir) ? chdir(dir) : -1;
}

static int out_of_dir(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return chdir("/") == 0 ? system(command) : -1;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static struct mg_writer *open_writer(const char *path, uint64_t max_bytes)
{
	struct mg_writer *w = NULL;
	struct mg_err err = { "" };

	check(mg_writer_new(path, max_bytes, &w, &err) == 0, "%s opens: %s", path, err.text);
	return w;
}

static void slurp(const char *path, char *buf, size_t cap)
{
	FILE *f = fopen(path, "r");

	check(f != NULL, "%s is there", path);
	buf[fread(buf, 1, cap - 1, f)] = '\0';
	fclose(f);
}

static void lines_arrive_in_order(void **state)
{
	char text[4096];
	struct stat st;
	struct mg_writer *w = open_writer("a.jsonl", 0);

	(void)state;
	mg_writer_line(w, "one", 3);
	mg_writer_line(w, "two", 3);
	w = mg_writer_free(w);
	slurp("a.jsonl", text, sizeof text);
	check(strcmp(text, "one\ntwo\n") == 0, "both lines in order, got %s", text);
	check(stat("a.jsonl", &st) == 0 && (st.st_mode & 0777) == 0640, "the file has mode 0640, not %o", st.st_mode & 0777);
}

static void a_second_start_appends(void **state)
{
	char text[64];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct mg_writer *w = open_writer("b.jsonl", 0);
		mg_writer_line(w, "x", 1);
		mg_writer_free(w);
	}
	slurp("b.jsonl", text, sizeof text);
	check(strcmp(text, "x\nx\n") == 0, "the first run's line is kept, got %s", text);
}

static void rotation_keeps_the_total_under_the_cap(void **state)
{
	char line[100], text[8192];
	struct mg_writer *w = open_writer("c.jsonl", 8000);

	(void)state;
	memset(line, 'x', sizeof line);
	for (int i = 0; i < 500; i++) {
		mg_writer_line(w, line, sizeof line);
		usleep(100);
		check(size_of("c.jsonl") + (size_of("c.jsonl.1") > 0 ? size_of("c.jsonl.1") : 0) <= 8000,
		      "file and .1 together stay under the cap");
	}
	w = mg_writer_free(w);
	check(size_of("c.jsonl.1") > 0, "there was a rotation");
	slurp("c.jsonl.1", text, sizeof text);
	check(strlen(text) % 101 == 0, "rotation happens between lines, the old file has %zu bytes", strlen(text));
}

static void a_moved_file_is_followed_by_name(void **state)
{
	char text[64];
	struct mg_writer *w = open_writer("d.jsonl", 0);

	(void)state;
	mg_writer_line(w, "old", 3);
	for (int i = 0; i < 200 && size_of("d.jsonl") < 4; i++)
		usleep(5000);
	check(rename("d.jsonl", "d.moved") == 0, "the file can be moved away");
	mg_writer_line(w, "new", 3);
	w = mg_writer_free(w);
	slurp("d.jsonl", text, sizeof text);
	check(strcmp(text, "new\n") == 0, "the new line is in the new file, got %s", text);
}

static void a_symbolic_link_is_refused(void **state)
{
	struct mg_writer *w = NULL;
	struct mg_err err = { "" };

	(void)state;
	check(symlink("/etc/passwd", "link") == 0, "a link can be made");
	check(mg_writer_new("link", 0, &w, &err) == -ELOOP, "a link is not followed");
	check(strstr(err.text, "symbolic link") != NULL, "the error says why: %s", err.text);
}

/* Nobody reads the pipe: the lines beyond pipe and ring are dropped and counted, and nobody waits. */
static void a_stuck_pipe_drops_and_counts(void **state)
{
	char line[1000];

	(void)state;
	memset(line, 'x', sizeof line);
	check(mkfifo("pipe", 0600) == 0, "a pipe can be made");
	int reader = open("pipe", O_RDONLY | O_NONBLOCK);
	struct mg_writer *w = open_writer("pipe", 0);
	double start = seconds();
	for (int i = 0; i < 2000; i++)
		mg_writer_line(w, line, sizeof line);
	check(seconds() - start < 1, "2 MB into a stuck pipe took %.3f s", seconds() - start);
	check(mg_writer_dropped(w) > 1000, "most were dropped, counted: %llu", (unsigned long long)mg_writer_dropped(w));
	start = seconds();
	w = mg_writer_free(w);
	check(seconds() - start < 2.5, "freeing waits about a second, not %.1f", seconds() - start);
	close(reader);
}

static void a_reader_that_leaves_is_no_signal(void **state)
{
	(void)state;
	check(mkfifo("pipe2", 0600) == 0, "a pipe can be made");
	int reader = open("pipe2", O_RDONLY | O_NONBLOCK);
	struct mg_writer *w = open_writer("pipe2", 0);
	close(reader);
	mg_writer_line(w, "x", 1);
	for (int i = 0; i < 200 && mg_writer_errors(w) == 0; i++)
		usleep(5000);
	check(mg_writer_errors(w) > 0, "the broken pipe is an error that is counted, and no SIGPIPE");
	w = mg_writer_free(w);
}

static void a_full_device_counts_errors(void **state)
{
	struct mg_writer *w = open_writer("/dev/full", 0);

	(void)state;
	for (int i = 0; i < 100; i++)
		mg_writer_line(w, "x", 1);
	for (int i = 0; i < 200 && mg_writer_errors(w) == 0; i++)
		usleep(5000);
	check(mg_writer_errors(w) > 0, "ENOSPC is counted");
	w = mg_writer_free(w);
}

/* A line that was cut by the full disk is ended before the next, so that at most one line of the file does not parse. */
static void a_full_disk_heals(void **state)
{
	char line[900], text[70000];

	(void)state;
	if (mkdir("disk", 0700) < 0 || mount("tmpfs", "disk", "tmpfs", 0, "size=64k") < 0) {
		print_message("skipped: mounting a small tmpfs needs root\n");
		skip();
	}
	memset(line, 'x', sizeof line);
	struct mg_writer *w = open_writer("disk/e.jsonl", 0);
	for (int i = 0; i < 100; i++)
		mg_writer_line(w, line, sizeof line);
	for (int i = 0; i < 200 && mg_writer_errors(w) == 0; i++)
		usleep(5000);
	check(mg_writer_errors(w) > 0, "the full disk is counted");
	usleep(100000);
	check(truncate("disk/e.jsonl", 1000) == 0, "room can be made");
	mg_writer_line(w, "after", 5);
	w = mg_writer_free(w);
	slurp("disk/e.jsonl", text, sizeof text);
	int r = umount("disk");
	check(strlen(text) > 7 && strcmp(text + strlen(text) - 7, "\nafter\n") == 0, "the line after the gap stands alone");
	check(r == 0, "the disk can be unmounted: no descriptor is left");
}

static void a_line_longer_than_the_ring_is_dropped(void **state)
{
	static char line[MG_WRITER_RING_BYTES];
	struct mg_writer *w = open_writer("f.jsonl", 0);

	(void)state;
	memset(line, 'x', sizeof line);
	mg_writer_line(w, line, sizeof line);
	check(mg_writer_dropped(w) == 1, "it is dropped and counted");
	w = mg_writer_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_arrive_in_order),
		cmocka_unit_test(a_second_start_appends),
		cmocka_unit_test(rotation_keeps_the_total_under_the_cap),
		cmocka_unit_test(a_moved_file_is_followed_by_name),
		cmocka_unit_test(a_symbolic_link_is_refused),
		cmocka_unit_test(a_stuck_pipe_drops_and_counts),
		cmocka_unit_test(a_reader_that_leaves_is_no_signal),
		cmocka_unit_test(a_full_device_counts_errors),
		cmocka_unit_test(a_full_disk_heals),
		cmocka_unit_test(a_line_longer_than_the_ring_is_dropped),
	};

	return cmocka_run_group_tests(tests, in_dir, out_of_dir);
}
