// SPDX-License-Identifier: Apache-2.0
/* The rig of the hazard tests: processes, pipes and a directory of their own. MG_SHIM and MG_HOST are the paths that CMake
 * gives. */

#include "rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ENV 16

static char directory[32];

void scratch_make(void)
{
	signal(SIGPIPE, SIG_IGN); /* a host that died is a failed check, not the end of the tests */
	snprintf(directory, sizeof(directory), "/tmp/mg-shim-XXXXXX");
	if (!mkdtemp(directory) || chmod(directory, 0755) < 0)
		abort();
}

void scratch_remove(void)
{
	DIR *d = opendir(directory);

	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(directory);
}

const char *scratch(const char *name)
{
	static char path[2][96];
	static unsigned turn;
	char *out = path[turn++ % 2];

	snprintf(out, sizeof(path[0]), "%s/%s", directory, name);
	return out;
}

void sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

static void run(const char *program, const char *mode, const char *const env[], uid_t uid)
{
	char *list[MAX_ENV] = { "LD_PRELOAD=" MG_SHIM };
	char *argv[] = { (char *)program, (char *)mode, NULL };

	for (int i = 0; env[i] && i < MAX_ENV - 2; i++)
		list[i + 1] = (char *)env[i];
	if (uid && (setgid(uid) < 0 || setuid(uid) < 0))
		_exit(126);
	execve(program, argv, list);
	_exit(127);
}

static void start(struct host *h, const char *program, const char *mode, const char *const env[], uid_t uid)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		abort();
	h->pid = fork();
	if (h->pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		run(program, mode, env, uid);
	}
	close(to[0]);
	close(from[1]);
	h->in = to[1];
	h->out = from[0];
}

void host_start(struct host *h, const char *mode, const char *const env[])
{
	start(h, MG_HOST, mode, env, 0);
}

void host_start_program(struct host *h, const char *program, const char *mode, const char *const env[])
{
	start(h, program, mode, env, 0);
}

void host_start_as(struct host *h, uid_t uid, const char *mode, const char *const env[])
{
	start(h, MG_HOST, mode, env, uid);
}

bool host_line(struct host *h, int timeout_ms)
{
	struct pollfd p = { .fd = h->out, .events = POLLIN };
	size_t n = 0;

	while (n < sizeof(h->line) - 1 && poll(&p, 1, timeout_ms) > 0 && read(h->out, h->line + n, 1) == 1) {
		if (h->line[n] == '\n') {
			h->line[n] = '\0';
			return true;
		}
		n++;
	}
	h->line[n] = '\0';
	return false;
}

bool host_says(struct host *h, const char *begin, int timeout_ms)
{
	while (host_line(h, timeout_ms))
		if (!strncmp(h->line, begin, strlen(begin)))
			return true;
	return false;
}

void host_tell(struct host *h, const char *line)
{
	if (write(h->in, line, strlen(line)) < 0)
		perror("host_tell");
}

int host_end(struct host *h, int timeout_ms)
{
	int status = 0;

	close(h->in);
	for (int waited = 0; waited <= timeout_ms; waited += 5, sleep_ms(5)) {
		if (waitpid(h->pid, &status, WNOHANG) != h->pid)
			continue;
		close(h->out);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	close(h->out);
	kill(h->pid, SIGKILL);
	waitpid(h->pid, &status, 0);
	return -1;
}

void host_kill(struct host *h)
{
	kill(h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
	close(h->in);
	close(h->out);
}

static int entries(const char *what, pid_t pid)
{
	char path[64];
	int n = -2; /* . and .. */
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	d = opendir(path);
	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

int threads_of(pid_t pid) { return entries("task", pid); }
int descriptors_of(pid_t pid) { return entries("fd", pid); }

bool threads_become(pid_t pid, int n, int timeout_ms)
{
	for (int waited = 0; waited <= timeout_ms; waited += 5, sleep_ms(5))
		if (threads_of(pid) == n)
			return true;
	return false;
}

static int uid_of(pid_t pid, const char *tid)
{
	char path[320], line[128];
	int uid = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, tid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f) && sscanf(line, "Uid: %d", &uid) != 1)
		;
	if (f)
		fclose(f);
	return uid;
}

int threads_uid(pid_t pid)
{
	char path[64];
	int uid = -2;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		int one = e->d_name[0] == '.' ? uid : uid_of(pid, e->d_name);

		uid = uid == -2 || uid == one ? one : -1;
	}
	if (d)
		closedir(d);
	return uid;
}
