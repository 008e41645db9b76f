// SPDX-License-Identifier: Apache-2.0
/* Reads /proc/self from kept descriptors, gives resident bytes, whether the process was sealed by a seccomp filter, whether
 * its main thread is gone and whether a copy-on-write child lives; called by the link thread on its private descriptor
 * table (the constructor reads one status file before main). No allocation. */

#include "shim/proc.h"

#include <errno.h>
#include <string.h>

#include "shim/sys.h"
#include "shim/text.h"

long mg_file_pread(int fd, char *buf, size_t cap)
{
	size_t len = 0;
	long n = 1;

	while (n > 0 && len < cap - 1) {
		n = mg_sys_pread(fd, buf + len, cap - 1 - len, len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0)
		return n;
	buf[len] = '\0';
	return (long)len;
}

long mg_file_read(const char *path, char *buf, size_t cap)
{
	long fd = mg_sys_open(path, O_RDONLY | O_CLOEXEC), n;

	if (fd < 0)
		return fd;
	n = mg_file_pread((int)fd, buf, cap);
	(void)mg_sys_close((int)fd);
	return n;
}

int mg_file_u64(int fd, uint64_t *ret)
{
	char buf[32];
	long n = mg_file_pread(fd, buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	if (!strncmp(buf, "max", 3)) {
		*ret = UINT64_MAX;
		return 0;
	}
	return mg_text_u64(buf, ret) ? 0 : -EINVAL;
}

static int keep(const char *path)
{
	return (int)mg_sys_open(path, O_RDONLY | O_CLOEXEC);
}

void mg_proc_open(struct mg_proc *p, uint64_t page_size, uint64_t filters_at_load)
{
	*p = (struct mg_proc){
		.leader_statm = keep("/proc/self/statm"),
		.statm = keep("/proc/thread-self/statm"),
		.leader_status = keep("/proc/self/status"),
		.status = keep("/proc/thread-self/status"),
		.page_size = page_size,
		.filters = filters_at_load,
	};
}

/* Size, resident and shared. One read: the kernel renders statm at once. */
static bool read_statm(int fd, uint64_t field[3])
{
	char buf[96];
	long n = fd < 0 ? -EBADF : mg_sys_pread(fd, buf, sizeof(buf) - 1, 0);
	const char *p = buf;

	if (n <= 0)
		return false;
	buf[n] = '\0';
	for (int i = 0; p && i < 3; i++) {
		p = mg_text_u64(p, &field[i]);
		p += p && *p == ' ';
	}
	return p != NULL;
}

uint64_t mg_proc_resident(const struct mg_proc *p)
{
	uint64_t field[3];

	return read_statm(p->statm, field) ? field[1] * p->page_size : UINT64_MAX;
}

bool mg_proc_leader_gone(const struct mg_proc *p)
{
	uint64_t field[3];

	return read_statm(p->leader_statm, field) && field[0] == 0;
}

bool mg_proc_statm(const struct mg_proc *p, uint64_t field[3])
{
	return read_statm(p->statm, field);
}

uint64_t mg_proc_filters(const char *status)
{
	uint64_t n;

	return mg_text_field(status, "Seccomp_filters:", &n) ? n : UINT64_MAX;
}

/* The line is near the end of the file, behind the signal masks, well within this buffer. */
static bool raised(int fd, uint64_t before)
{
	char buf[3072];
	uint64_t n;

	if (fd < 0 || mg_file_pread(fd, buf, sizeof(buf)) < 0)
		return true;
	n = mg_proc_filters(buf);
	return n == UINT64_MAX ? before != UINT64_MAX : n > before;
}

bool mg_proc_sealed(const struct mg_proc *p)
{
	return raised(p->status, p->filters) || raised(p->leader_status, p->filters);
}

long mg_proc_threads(void)
{
	struct stat st;
	long r = mg_sys_stat("/proc/self/task", &st);

	if (r < 0)
		return r;
	return st.st_nlink > 2 ? (long)st.st_nlink - 2 : -ENOTSUP;
}

/* Field 22, counted behind the name, which may hold blanks and brackets. */
uint64_t mg_proc_start_ns(const char *stat, uint64_t ticks_per_s)
{
	const char *p = NULL;
	uint64_t ticks;

	for (const char *s = stat; *s; s++)
		if (*s == ')')
			p = s;
	for (int field = 2; p && field < 22; field++) {
		while (*p && *p != ' ')
			p++;
		p = *p ? p + 1 : NULL;
	}
	if (!p || !mg_text_u64(p, &ticks) || ticks_per_s == 0)
		return 0;
	return ticks / ticks_per_s * MG_NS_PER_S + ticks % ticks_per_s * MG_NS_PER_S / ticks_per_s;
}

#define MAX_AUXV 1024

static long read_auxv(const char *pid, size_t n, char *buf)
{
	char path[48];
	struct mg_text t;

	mg_text_init(&t, path, sizeof(path));
	mg_text_str(&t, "/proc/");
	mg_text_strn(&t, pid, n);
	mg_text_str(&t, "/auxv");
	return t.cut ? -ENAMETOOLONG : mg_file_read(path, buf, MAX_AUXV);
}

/* The auxiliary vector is made by exec and copied by fork: equal vectors (they hold randomised addresses) are one image. */
static bool same_image(uint32_t pid, const char *own, long own_len)
{
	char auxv[MAX_AUXV], digits[24];
	struct mg_text t;

	mg_text_init(&t, digits, sizeof(digits));
	mg_text_num(&t, pid);
	return own_len > 0 && read_auxv(digits, t.len, auxv) == own_len && !memcmp(auxv, own, (size_t)own_len);
}

static void add_kids(struct mg_cow *c, const char *list, const char *own, long own_len)
{
	uint64_t pid;

	for (const char *p = list; *p && c->n < MG_COW_MAX_KIDS;) {
		const char *end = mg_text_u64(p, &pid);

		if (end && same_image((uint32_t)pid, own, own_len))
			c->kid[c->n++] = (uint32_t)pid;
		p = (end ? end : p) + 1;
	}
}

static void add_thread(struct mg_cow *c, const char *tid, const char *own, long own_len)
{
	char path[64], list[512];
	struct mg_text t;

	mg_text_init(&t, path, sizeof(path));
	mg_text_str(&t, "/proc/self/task/");
	mg_text_str(&t, tid);
	mg_text_str(&t, "/children");
	if (!t.cut && mg_file_read(path, list, sizeof(list)) > 0)
		add_kids(c, list, own, own_len);
}

static void look_at_all(struct mg_cow *c, const char *own, long own_len)
{
	_Alignas(8) char buf[2048];
	long fd = mg_sys_open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n;
	unsigned threads = 0;

	if (fd < 0)
		return;
	while (threads < MG_COW_MAX_THREADS && (n = mg_sys_getdents((int)fd, buf, sizeof(buf))) > 0) {
		for (long off = 0; off < n;) {
			const struct mg_dirent *d = (const void *)(buf + off);

			if (d->name[0] != '.' && threads++ < MG_COW_MAX_THREADS)
				add_thread(c, d->name, own, own_len);
			off += d->reclen;
		}
	}
	(void)mg_sys_close((int)fd);
}

bool mg_cow_lives(struct mg_cow *c, uint32_t forks)
{
	char own[MAX_AUXV];
	long own_len;
	unsigned n = 0;

	if (c->n == 0 && c->forks_seen == forks)
		return false;
	own_len = read_auxv("self", 4, own);
	for (unsigned i = 0; i < c->n; i++)
		if (same_image(c->kid[i], own, own_len))
			c->kid[n++] = c->kid[i];
	c->n = n;
	if (c->n == 0 && c->forks_seen != forks) {
		c->forks_seen = forks;
		look_at_all(c, own, own_len);
	}
	return c->n > 0;
}
