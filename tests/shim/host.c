// SPDX-License-Identifier: Apache-2.0
/* The program that hosts the shim in the hazard tests: reads commands, one a line, does what real programs do to a library
 * in them, and answers with one line. It knows nothing of memgov but the public header. Built without sanitizers. */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/memgov.h"

#define BLOCKS     100000
#define BLOCK      1000
#define LAST_FD    256
#define KEEP_EVERY 100

static char *program;
static pid_t copy;
static void *block[BLOCKS];

static void say(const char *what, long n)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "%s %ld\n", what, n);

	if (write(1, line, (size_t)len) < 0)
		_exit(9);
}

static long resident(void)
{
	char buf[128];
	long size, pages = 0;
	int fd = open("/proc/self/statm", O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	if (sscanf(buf, "%ld %ld", &size, &pages) != 2)
		return -1;
	return pages * sysconf(_SC_PAGESIZE);
}

static void cmd_ping(void) { say("ping", 0); }
static void cmd_rss(void) { say("rss", resident()); }
static void cmd_active(void) { say("active", memgov_active ? memgov_active() : -1); }
static void cmd_version(void) { say("version", memgov_version ? memgov_version() : -1); }
static void cmd_abi(void) { say("abi", memgov_abi ? memgov_abi() : -1); }
static void cmd_secure(void) { say("secure", (long)getauxval(AT_SECURE)); }

static void cmd_threads(void)
{
	struct stat st;

	say("threads", stat("/proc/self/task", &st) == 0 ? (long)st.st_nlink - 2 : -1);
}

/* 100 MB in small blocks, of which one in a hundred stays: what malloc keeps for ever. */
static void cmd_burst(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		free(block[i]);
		block[i] = malloc(BLOCK);
		memset(block[i], 1, BLOCK);
	}
	for (int i = 0; i < BLOCKS; i++) {
		if (i % KEEP_EVERY == 0)
			continue;
		free(block[i]);
		block[i] = NULL;
	}
	say("burst", resident());
}

static void cmd_fork(void)
{
	copy = fork();
	if (copy == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	say("fork", copy);
}

static void cmd_reap(void)
{
	kill(copy, SIGKILL);
	say("reap", waitpid(copy, NULL, 0) == copy);
}

static void cmd_exec(void)
{
	execl(program, program, "commands", NULL);
	say("exec", -errno);
}

static void cmd_closeall(void)
{
	for (int fd = 3; fd < LAST_FD; fd++)
		close(fd);
	say("closeall", 0);
}

static void cmd_dup2all(void)
{
	long n = 0;

	for (int fd = 3; fd < LAST_FD; fd++)
		n += dup2(0, fd) == fd;
	say("dup2all", n);
}

/* As daemons do it: fork, leave the terminal, fork again, close everything. The first process ends. */
static void cmd_daemon(void)
{
	if (fork() > 0)
		_exit(0);
	setsid();
	if (fork() > 0)
		_exit(0);
	for (int fd = 3; fd < LAST_FD; fd++)
		close(fd);
	say("daemon", getpid());
}

/* Where the allocator is jemalloc: its decay time, and the program setting its own. */
static int decay_call(ssize_t *old, ssize_t *set)
{
	int (*ctl)(const char *, void *, size_t *, void *, size_t) =
		(int (*)(const char *, void *, size_t *, void *, size_t))dlsym(RTLD_DEFAULT, "mallctl");
	size_t len = sizeof(*old);

	return ctl ? ctl("arenas.dirty_decay_ms", old, &len, set, set ? sizeof(*set) : 0) : ENOSYS;
}

static void cmd_decay(void)
{
	ssize_t ms = 0;

	say("decay", decay_call(&ms, NULL) == 0 ? (long)ms : -1);
}

static void cmd_own_decay(void)
{
	ssize_t ms = 7777, old;

	say("own_decay", decay_call(&old, &ms));
}

/* A copy that lives three seconds and then says what its decay time is. */
static void cmd_fork_decay(void)
{
	if (fork() > 0)
		return;
	usleep(3000000);
	cmd_threads();
	cmd_decay();
	_exit(0);
}

static volatile sig_atomic_t strangers;
static pid_t main_tid;

static void note_thread(int sig)
{
	(void)sig;
	strangers += (pid_t)syscall(SYS_gettid) != main_tid;
}

/* Signals to the process: a handler may run on the program's own threads alone, sigwait() must get each one. */
static void cmd_signals(void)
{
	sigset_t set;
	int sig, waited = 0;

	main_tid = (pid_t)syscall(SYS_gettid);
	signal(SIGUSR2, note_thread);
	for (int i = 0; i < 200; i++)
		kill(getpid(), SIGUSR2);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 200; i++) {
		kill(getpid(), SIGUSR1);
		waited += sigwait(&set, &sig) == 0 && sig == SIGUSR1;
	}
	say("signals", strangers == 0 ? waited : -strangers);
}

/* Kills the process at any of the calls a strict sandbox of this program would not list. */
static void cmd_seal(void)
{
	static const int forbidden[] = { SYS_sendmsg, SYS_sendto, SYS_connect, SYS_socket, SYS_openat, SYS_clone, SYS_clone3, SYS_close,
					 SYS_newfstatat, SYS_getdents64, SYS_process_madvise };
	enum { N = sizeof(forbidden) / sizeof(forbidden[0]) };
	struct sock_filter f[2 * N + 2] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)) };
	struct sock_fprog prog = { 2 * N + 2, f };

	for (unsigned i = 0; i < N; i++) {
		f[1 + 2 * i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)forbidden[i], 0, 1);
		f[2 + 2 * i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	}
	f[2 * N + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	say("seal", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog));
}

static void cmd_setuid(void)
{
	int r = setgid(65534) < 0 || setuid(65534) < 0;

	say("setuid", r ? -errno : 0);
}

/* Keeps its capabilities over setuid(), as setpriv and its like do, and uses one: no other thread of the process could. */
static void cmd_keepcaps(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	prctl(PR_SET_KEEPCAPS, 1);
	if (setresuid(65534, 65534, 65534) < 0 || syscall(SYS_capget, &head, data) < 0) {
		say("keepcaps", -errno);
		return;
	}
	data[0].effective = data[0].permitted;
	syscall(SYS_capset, &head, data);
	say("keepcaps", setgroups(0, NULL) < 0 ? -errno : 0);
}

static void cmd_unshare(void)
{
	int r = unshare(CLONE_NEWUSER);

	say("unshare", r < 0 ? -errno : r);
}

static void cmd_unshare_pid(void)
{
	int r = unshare(CLONE_NEWUSER | CLONE_NEWPID);

	say("unshare_pid", r < 0 ? -errno : r);
}

static void cmd_setns(void)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY), r = setns(fd, 0);

	say("setns", r < 0 ? -errno : r);
}

static void *worker(void *arg)
{
	(void)arg;
	usleep(300000);
	say("worker", 0);
	return NULL;
}

static void last_words(void) { say("atexit", 0); }

static void cmd_main_exit(void)
{
	pthread_t t;

	atexit(last_words);
	pthread_create(&t, NULL, worker, NULL);
	pthread_exit(NULL);
}

static void cmd_exit(void)
{
	exit(3);
}

static const struct { const char *name; void (*run)(void); } commands[] = {
	{ "ping", cmd_ping }, { "rss", cmd_rss }, { "active", cmd_active }, { "version", cmd_version }, { "abi", cmd_abi },
	{ "secure", cmd_secure }, { "threads", cmd_threads }, { "burst", cmd_burst }, { "decay", cmd_decay }, { "own_decay", cmd_own_decay },
	{ "fork_decay", cmd_fork_decay }, { "fork", cmd_fork }, { "reap", cmd_reap },
	{ "exec", cmd_exec }, { "closeall", cmd_closeall }, { "dup2all", cmd_dup2all }, { "daemon", cmd_daemon },
	{ "signals", cmd_signals }, { "seal", cmd_seal }, { "setuid", cmd_setuid }, { "keepcaps", cmd_keepcaps }, { "unshare", cmd_unshare },
	{ "unshare_pid", cmd_unshare_pid }, { "setns", cmd_setns }, { "main_exit", cmd_main_exit }, { "exit", cmd_exit },
};

static void obey(const char *line)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(line, commands[i].name))
			commands[i].run();
}

/* Modes set a limit and begin again, so that the library is loaded under it. */
static int limited(int what, rlim_t n)
{
	struct rlimit r = { n, n };

	if (setrlimit(what, &r) < 0)
		return 1;
	execl(program, program, "commands", NULL);
	return 1;
}

int main(int argc, char *argv[])
{
	char line[64];
	size_t n = 0;

	program = argv[0];
	if (argc > 1 && !strcmp(argv[1], "nproc"))
		return limited(RLIMIT_NPROC, 1);
	if (argc > 1 && !strcmp(argv[1], "nofile"))
		return limited(RLIMIT_NOFILE, 5);
	say("ready", getpid());
	while (n < sizeof(line) && read(0, line + n, 1) == 1) {
		if (line[n++] != '\n')
			continue;
		line[n - 1] = '\0';
		n = 0;
		obey(line);
	}
	return 7;
}
