/* SPDX-License-Identifier: Apache-2.0 */
/* `memgov doctor`: asks the kernel and the file system what is permitted here, gives one line per check, and for each
 * finding its fix. A note is worth knowing and needs no fix; only findings make the exit status 1. Nothing is changed but
 * one page of our own memory. Called through verbs.c. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "governor/audit/json.h"
#include "governor/cli/cli.h"
#include "governor/util/cleanup.h"
#include "governor/util/num.h"
#include "governor/util/unit.h"

#define JSON_BYTES       (16U << 10)
#define FDS_PER_TARGET   24   /* connection, statm, stat and a cgroup with its parents */
#define FDS_OF_GOVERNOR  64
#define MIN_TARGETS      32
#define SO_PASSRIGHTS_NR 83   /* asm-generic, since Linux 6.16; older headers lack it */

enum state { OK, NOTE, FINDING };
static const char *const state_names[] = { [OK] = "ok", [NOTE] = "note", [FINDING] = "FINDING" };

struct report {
	enum state state;
	char text[256], fix[256];
};

static void say(struct report *r, enum state state, const char *fix, const char *fmt, ...) MG_PRINTF(4, 5);
static void say(struct report *r, enum state state, const char *fix, const char *fmt, ...)
{
	va_list ap;

	r->state = state;
	mg_copy(r->fix, sizeof r->fix, fix);
	va_start(ap, fmt);
	(void)vsnprintf(r->text, sizeof r->text, fmt, ap);
	va_end(ap);
}

/* Reads a small file of /proc or /sys. Negative errno, with *buf empty. */
static ssize_t slurp(const char *path, char *buf, size_t cap)
{
	MG_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, cap - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n < 0 ? -errno : n;
}

/* ---- the kernel ---- */

static void check_kernel(const struct mg_cli *c, struct report *r)
{
	struct utsname u;

	(void)c;
	uname(&u);
	say(r, OK, "", "%s %s, %s, pages of %ld KiB", u.sysname, u.release, u.machine, sysconf(_SC_PAGESIZE) / 1024);
}

static bool batched_return_works(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	MG_CLOSE int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct { void *at; size_t len; } range = { p, page };

	if (p == MAP_FAILED)
		return false;
	long n = self < 0 ? -1 : syscall(SYS_process_madvise, self, &range, 1UL, MADV_DONTNEED, 0U);
	munmap(p, page);
	return n == (long)page;
}

static void check_madvise(const struct mg_cli *c, struct report *r)
{
	(void)c;
	if (batched_return_works())
		say(r, OK, "", "pages are returned in batches (process_madvise)");
	else
		say(r, NOTE, "",
		    "pages are returned one run at a time: batches need Linux 6.13 and a seccomp profile that lets "
		    "process_madvise pass");
}

static void check_rights(const struct mg_cli *c, struct report *r)
{
	int off = 0;
	MG_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)c;
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS_NR, &off, sizeof off) == 0)
		say(r, OK, "", "descriptors of strangers are refused by the kernel (SO_PASSRIGHTS)");
	else
		say(r, NOTE, "", "descriptors of strangers are refused by memgov itself: SO_PASSRIGHTS needs Linux 6.16");
}

static void check_thp(const struct mg_cli *c, struct report *r)
{
	char text[128];

	(void)c;
	if (slurp("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text) < 0)
		say(r, NOTE, "", "transparent huge pages: not readable here");
	else if (strstr(text, "[always]"))
		say(r, NOTE, "",
		    "transparent huge pages are on for everything: resident memory falls before the cgroup's charge does");
	else
		say(r, OK, "", "transparent huge pages: %.*s", (int)strcspn(text, "\n"), text);
}

static void check_swap(const struct mg_cli *c, struct report *r)
{
	char text[512];
	ssize_t n = slurp("/proc/swaps", text, sizeof text);
	const char *line = strchr(text, '\n');

	(void)c;
	if (n < 0)
		say(r, NOTE, "", "swap: /proc/swaps is not readable here");
	else if (line && line[1] != '\0')
		say(r, OK, "", "swap is there");
	else
		say(r, NOTE, "",
		    "no swap: memory pressure (PSI) stays near zero until shortly before an OOM kill, trust cgroup.headroom");
}

static void check_psi(const struct mg_cli *c, struct report *r)
{
	char text[256];
	ssize_t n = slurp("/proc/pressure/memory", text, sizeof text);

	(void)c;
	if (n > 0)
		say(r, OK, "", "pressure stall information is there");
	else
		say(r, NOTE, "", "no pressure stall information (%s): rules on psi.* hold; boot with psi=1 to have it",
		    strerror(n < 0 ? (int)-n : EOPNOTSUPP));
}

/* ---- the cgroup ---- */

struct own_cgroup {
	double usage, limit;
};

static void on_sample(void *ctx, struct mg_signal_ref ref, double value, uint64_t at_ns)
{
	struct own_cgroup *own = ctx;

	(void)at_ns;
	if (ref.id == MG_SIG_CGROUP_USAGE)
		own->usage = value;
	else if (ref.id == MG_SIG_CGROUP_LIMIT)
		own->limit = value;
}

static void on_failed(void *ctx, const char *source, const char *why)
{
	(void)ctx;
	(void)source;
	(void)why;
}

static void check_cgroup(const struct mg_cli *c, struct report *r)
{
	struct own_cgroup own = { NAN, NAN };
	struct mg_sink sink = { .sample = on_sample, .failed = on_failed, .ctx = &own };
	struct mg_cgroup g;
	struct mg_err err = { "" };
	char usage[48], limit[48];

	(void)c;
	mg_cgroup_init(&g);
	int status = mg_cgroup_open_pid(&g, getpid(), &err);
	if (status == 0)
		status = mg_cgroup_read(&g, 1, &sink, &err);
	if (status < 0)
		say(r, FINDING,
		    "give the container or service a memory controller: on v1 mount it, on v2 add +memory to "
		    "cgroup.subtree_control of the parent",
		    "the memory cgroup cannot be read: %s", err.text);
	else
		say(r, OK, "", "cgroup v%d, seen %s: usage %s, limit %s", g.version, g.scope,
		    mg_unit_show(own.usage, MG_UNIT_BYTES, usage, sizeof usage),
		    isnan(own.limit) ? "none" : mg_unit_show(own.limit, MG_UNIT_BYTES, limit, sizeof limit));
	mg_cgroup_close(&g);
}

/* ---- the library and the sockets ---- */

static void check_library(const struct mg_cli *c, struct report *r)
{
	char path[1024];
	struct mg_err err;
	struct stat st;

	(void)c;
	if (mg_cli_find_lib(path, sizeof path, &err) < 0)
		say(r, FINDING, "install memgov whole, or set MEMGOV_LIB to the library's path", "%s", err.text);
	else if (stat(path, &st) < 0)
		say(r, FINDING, "make the library readable for every user", "%.160s: %s", path, strerror(errno));
	else if (st.st_mode & (S_IWGRP | S_IWOTH))
		say(r, FINDING, "chmod 0555 the library: whoever can write it runs code in every program that preloads it",
		    "%.160s is writable by others (mode %04o)", path, st.st_mode & 07777);
	else if (!(st.st_mode & S_IROTH))
		say(r, NOTE, "", "%.160s is not readable for other users (mode %04o): their programs cannot preload it", path,
		    st.st_mode & 07777);
	else
		say(r, OK, "", "%.160s, mode %04o", path, st.st_mode & 07777);
}

static void socket_directory(const struct mg_cli *c, char *ret, size_t cap)
{
	const char *path = mg_cli_socket(c), *slash = strrchr(path, '/');

	mg_copyn(ret, cap, slash ? path : ".", slash == path ? 1 : slash ? (size_t)(slash - path) : 1);
}

static void check_directory(const struct mg_cli *c, struct report *r)
{
	char dir[256];
	struct stat st;

	socket_directory(c, dir, sizeof dir);
	if (stat(dir, &st) < 0)
		say(r, FINDING,
		    "create it for the governor's user (systemd: RuntimeDirectory=memgov; pod: an emptyDir), or name another "
		    "with --socket",
		    "%s, for the control socket: %s", dir, strerror(errno));
	else if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		say(r, FINDING, "chmod o-w the directory: anybody may replace the control socket in it",
		    "%s is writable for everybody (mode %04o)", dir, st.st_mode & 07777);
	else if (access(dir, W_OK) < 0)
		say(r, NOTE, "",
		    "%s is not writable for uid %u: programs can connect, a governor of this user cannot serve there", dir,
		    (unsigned)geteuid());
	else
		say(r, OK, "", "%s, mode %04o, writable for uid %u", dir, st.st_mode & 07777, (unsigned)geteuid());
}

static int try_connect(const char *path, int type)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	MG_CLOSE int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || !mg_copy(a.sun_path, sizeof a.sun_path, path))
		return -ENAMETOOLONG;
	return connect(fd, (struct sockaddr *)&a, sizeof a) < 0 ? -errno : 0;
}

static void check_socket(const struct mg_cli *c, struct report *r)
{
	const char *path = mg_cli_socket(c);
	int status = try_connect(path, SOCK_SEQPACKET);

	if (status == 0 || status == -EAGAIN)
		say(r, OK, "", "a governor listens at %s", path);
	else if (status == -EACCES)
		say(r, FINDING,
		    "add this uid to control.allow_uids, or this user to the socket's group, in the governor's policy",
		    "%s refuses uid %u", path, (unsigned)geteuid());
	else
		say(r, NOTE, "", "no governor listens at %s (%s): start one with memgov run", path, strerror(-status));
}

static void check_admin(const struct mg_cli *c, struct report *r)
{
	char path[160];
	struct stat st;
	struct mg_buf b = mg_buf(path, sizeof path);

	mg_buf_printf(&b, "%s.admin", mg_cli_socket(c));
	int status = try_connect(path, SOCK_STREAM);
	if (stat(path, &st) == 0 && (st.st_mode & 0077))
		say(r, FINDING, "chmod 0600 the socket: others may try to command the governor", "%s has mode %04o", path,
		    st.st_mode & 07777);
	else if (status == 0 || status == -EAGAIN)
		say(r, OK, "", "the operator's API answers at %s", path);
	else
		say(r, NOTE, "", "no operator's API at %s (%s)", path, strerror(-status));
}

/* ---- this process ---- */

/* The number behind `Name:` in /proc/self/status, -1 when there is none. */
static long status_number(const char *name)
{
	char text[4096], *line;
	uint64_t v;

	if (slurp("/proc/self/status", text, sizeof text) < 0 || !(line = strstr(text, name)))
		return -1;
	line += strlen(name) + strspn(line + strlen(name), " \t");
	return mg_scan_u64(line, strcspn(line, "\n"), &v) == 0 ? (long)v : -1;
}

static void check_seccomp(const struct mg_cli *c, struct report *r)
{
	long mode = status_number("\nSeccomp:"), filters = status_number("\nSeccomp_filters:");

	(void)c;
	if (mode <= 0)
		say(r, OK, "", "no seccomp filter");
	else
		say(r, OK, "", "%ld seccomp filter%s, as containers have: a program that adds one later makes its shim go silent",
		    filters, filters == 1 ? "" : "s");
}

static void check_fds(const struct mg_cli *c, struct report *r)
{
	struct rlimit l = { 0, 0 };

	(void)c;
	getrlimit(RLIMIT_NOFILE, &l);
	unsigned long targets = l.rlim_cur > FDS_OF_GOVERNOR ? (unsigned long)(l.rlim_cur - FDS_OF_GOVERNOR) / FDS_PER_TARGET : 0;
	if (targets < MIN_TARGETS)
		say(r, FINDING, "raise the limit of open files (ulimit -n 4096, systemd: LimitNOFILE=)",
		    "%lu open files are enough for %lu targets only", (unsigned long)l.rlim_cur, targets);
	else
		say(r, OK, "", "%lu open files, enough for about %lu targets", (unsigned long)l.rlim_cur, targets);
}

static void check_user(const struct mg_cli *c, struct report *r)
{
	(void)c;
	if (geteuid() == 0)
		say(r, NOTE, "",
		    "running as root: memgov needs no privilege, its targets' uids in control.allow_uids are enough");
	else
		say(r, OK, "", "uid %u, no privilege needed", (unsigned)geteuid());
}

/* ---- the list ---- */

static const struct {
	const char *name;
	void (*run)(const struct mg_cli *c, struct report *r);
} checks[] = {
	{ "kernel", check_kernel },       { "batched return", check_madvise }, { "descriptor passing", check_rights },
	{ "cgroup", check_cgroup },       { "pressure", check_psi },           { "swap", check_swap },
	{ "huge pages", check_thp },      { "seccomp", check_seccomp },        { "open files", check_fds },
	{ "user", check_user },           { "library", check_library },        { "socket directory", check_directory },
	{ "control socket", check_socket }, { "operator's API", check_admin },
};

static void print_text(const char *name, const struct report *r)
{
	printf("%-8s %-18s %s\n", state_names[r->state], name, r->text);
	if (r->state == FINDING)
		printf("%-8s %-18s fix: %s\n", "", "", r->fix);
}

static void put_json(struct mg_json *j, const char *name, const struct report *r)
{
	mg_json_open(j, NULL, '{');
	mg_json_str(j, "check", name);
	mg_json_str(j, "state", r->state == FINDING ? "finding" : state_names[r->state]);
	mg_json_str(j, "text", r->text);
	mg_json_str(j, "fix", r->fix);
	mg_json_close(j, '}');
}

int mg_cli_doctor(const struct mg_cli *c)
{
	static char text[JSON_BYTES];
	struct mg_buf b = mg_buf(text, sizeof text);
	struct mg_json j = { .b = &b };
	unsigned findings = 0;

	mg_json_open(&j, NULL, '{');
	mg_json_open(&j, "checks", '[');
	for (unsigned i = 0; i < sizeof checks / sizeof checks[0]; i++) {
		struct report r = { OK, "", "" };
		checks[i].run(c, &r);
		findings += r.state == FINDING;
		if (c->json)
			put_json(&j, checks[i].name, &r);
		else
			print_text(checks[i].name, &r);
	}
	mg_json_close(&j, ']');
	mg_json_u64(&j, "findings", findings);
	mg_json_close(&j, '}');
	if (c->json)
		puts(text);
	else
		printf("%u finding%s\n", findings, findings == 1 ? "" : "s");
	return findings ? MG_EXIT_FINDING : MG_EXIT_OK;
}
