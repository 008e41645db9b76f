// SPDX-License-Identifier: Apache-2.0
/* Reads /proc/self/cgroup and /proc/self/mountinfo, gives the directory of the process's memory cgroup under v1 or v2 and
 * the open files of every level that is visible; called by the link thread before HELLO. The path in /proc/self/cgroup is
 * relative to the cgroup namespace, the mount's root to that of whoever mounted it: the own level is the mount point plus
 * the path behind the mount's root, and where the path is not below that root, the mount point itself is all there is. */

#include "shim/cgroup.h"

#include <errno.h>
#include <string.h>

#include "shim/proc.h"
#include "shim/sys.h"
#include "shim/text.h"

#define V1_UNLIMITED ((uint64_t)INT64_MAX / 4096 * 4096 - 65536) /* above any page size's rounding of "no limit" */

static const struct { const char *tag, *file; } v2_files[] = {
	{ "current", "memory.current" }, { "max", "memory.max" }, { "high", "memory.high" }, /* of each level */
	{ "stat", "memory.stat" }, { "events", "memory.events" }, { "pressure", "memory.pressure" },
	{ "swap", "memory.swap.current" },
}, v1_files[] = {
	{ "usage", "memory.usage_in_bytes" }, { "limit", "memory.limit_in_bytes" }, /* of each level */
	{ "stat", "memory.stat" }, { "failcnt", "memory.failcnt" }, { "oom_control", "memory.oom_control" },
	{ "memsw", "memory.memsw.usage_in_bytes" },
};
#define V2_UPPER 3u
#define V1_UPPER 2u
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool in_list(const char *list, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list, *end = list + len; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t m = (size_t)((comma ? comma : end) - p);

		if (m == n && !memcmp(p, word, n))
			return true;
		p += m + 1;
	}
	return false;
}

static const char *find_char(const char *s, char c)
{
	while (*s && *s != c)
		s++;
	return *s ? s : NULL;
}

static bool copy_text(char *dst, size_t cap, const char *src)
{
	size_t n = strlen(src);

	if (n >= cap)
		return false;
	memcpy(dst, src, n + 1);
	return true;
}

/* `ID:controllers:path`; v2 is `0::path`. */
void mg_cgroup_find_line(struct mg_cgroup_find *f, const char *line)
{
	const char *list = find_char(line, ':'), *path = list ? find_char(list + 1, ':') : NULL;

	if (!path)
		return;
	if (!strncmp(line, "0::", 3))
		f->has_v2 = copy_text(f->v2_path, sizeof(f->v2_path), path + 1);
	else if (in_list(list + 1, (size_t)(path - list - 1), "memory"))
		f->has_v1 = copy_text(f->v1_path, sizeof(f->v1_path), path + 1);
}

/* \040 and its like, in place. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		bool octal = s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7';

		*out++ = (char)(octal ? (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0') : *s);
		s += octal ? 3 : 0;
	}
	*out = '\0';
}

/* What of path lies behind root; NULL when it is not below it. */
static const char *behind(const char *path, const char *root)
{
	size_t n = strlen(root);

	if (!strncmp(path, "/..", 3))
		return NULL;
	if (!strcmp(root, "/"))
		return path[1] ? path : "";
	if (strncmp(path, root, n) || (path[n] && path[n] != '/'))
		return NULL;
	return path[n + (path[n] == '/')] ? path + n : "";
}

static void place(struct mg_cgroup_place *p, unsigned version, const char *root, const char *mount, const char *path)
{
	const char *rest = behind(path, root);
	struct mg_text t;

	mg_text_init(&t, p->dir, sizeof(p->dir));
	mg_text_str(&t, mount);
	p->mount_len = t.len;
	mg_text_str(&t, rest ? rest : "");
	p->scope = rest ? MG_SCOPE_VISIBLE_ROOT : MG_SCOPE_OWN;
	p->version = t.cut ? 0 : version;
}

#define MOUNT_FIELDS 40

/* `36 35 98:0 /root /mount options optional... - type source super`; the last matching mount is the one on top. */
void mg_cgroup_find_mount(struct mg_cgroup_find *f, char *line)
{
	char *field[MOUNT_FIELDS];
	unsigned n = 0, dash;

	for (char *p = line; *p && n < MOUNT_FIELDS;) {
		field[n++] = p;
		while (*p && *p != ' ')
			p++;
		if (*p)
			*p++ = '\0';
	}
	for (dash = 6; dash < n && strcmp(field[dash], "-"); dash++)
		;
	if (dash + 3 >= n)
		return;
	unescape(field[3]);
	unescape(field[4]);
	if (f->has_v2 && !strcmp(field[dash + 1], "cgroup2"))
		place(&f->v2, 2, field[3], field[4], f->v2_path);
	if (f->has_v1 && !strcmp(field[dash + 1], "cgroup") && in_list(field[dash + 3], strlen(field[dash + 3]), "memory"))
		place(&f->v1, 1, field[3], field[4], f->v1_path);
}

typedef void line_fn(struct mg_cgroup_find *f, char *line);

static void as_cgroup(struct mg_cgroup_find *f, char *line) { mg_cgroup_find_line(f, line); }

/* Calls fn for each line that fits the buffer; longer ones are not mounts of a cgroup. */
static int each_line(const char *path, struct mg_cgroup_find *f, line_fn *fn)
{
	char buf[4096];
	size_t len = 0;
	bool skip = false;
	long fd = mg_sys_open(path, O_RDONLY | O_CLOEXEC), n;

	if (fd < 0)
		return (int)fd;
	while ((n = mg_sys_read((int)fd, buf + len, sizeof(buf) - len)) > 0) {
		char *start = buf, *end;

		len += (size_t)n;
		while ((end = memchr(start, '\n', len - (size_t)(start - buf)))) {
			*end = '\0';
			if (!skip)
				fn(f, start);
			skip = false;
			start = end + 1;
		}
		len -= (size_t)(start - buf);
		memmove(buf, start, len);
		skip = skip || len == sizeof(buf);
		len = skip ? 0 : len;
	}
	(void)mg_sys_close((int)fd);
	return (int)n;
}

static bool exists(const char *dir, size_t dir_len, const char *file)
{
	char path[MG_CGROUP_MAX_PATH + 64];
	struct mg_text t;
	struct stat st;

	mg_text_init(&t, path, sizeof(path));
	mg_text_strn(&t, dir, dir_len);
	mg_text_str(&t, "/");
	mg_text_str(&t, file);
	return !t.cut && mg_sys_stat(path, &st) == 0;
}

/* The true root of a hierarchy is the one without cgroup.type (v2), with release_agent (v1). */
static void find_scope(struct mg_cgroup_place *p)
{
	bool root = p->version == 2 ? !exists(p->dir, p->mount_len, "cgroup.type") : exists(p->dir, p->mount_len, "release_agent");

	if (p->scope == MG_SCOPE_VISIBLE_ROOT && root)
		p->scope = MG_SCOPE_FULL;
}

int mg_cgroup_locate(struct mg_cgroup_place *ret)
{
	static struct mg_cgroup_find f; /* too big for the link thread's stack, which alone calls this */
	struct mg_cgroup_place *p;

	f = (struct mg_cgroup_find){ 0 };
	if (each_line("/proc/self/cgroup", &f, as_cgroup) < 0 || each_line("/proc/self/mountinfo", &f, mg_cgroup_find_mount) < 0)
		return -ENOENT;
	p = f.v1.version && exists(f.v1.dir, strlen(f.v1.dir), "memory.usage_in_bytes") ? &f.v1 : &f.v2;
	if (p->version == 2 && !exists(p->dir, strlen(p->dir), "memory.stat"))
		return -ENOENT;
	if (p->version == 0)
		return -ENOENT;
	find_scope(p);
	*ret = *p;
	return 0;
}

const char *mg_cgroup_scope_name(enum mg_cgroup_scope s)
{
	static const char *const names[] = { [MG_SCOPE_OWN] = "own", [MG_SCOPE_VISIBLE_ROOT] = "visible-root", [MG_SCOPE_FULL] = "full" };

	return names[s];
}

/* Length of the next level's directory; 0 above the mount point. */
static size_t parent_of(const struct mg_cgroup_place *p, size_t len)
{
	if (len <= p->mount_len)
		return 0;
	while (len > p->mount_len && p->dir[len - 1] != '/')
		len--;
	return len > p->mount_len ? len - 1 : len;
}

static int open_in(const struct mg_cgroup_place *p, size_t dir_len, const char *file)
{
	char path[MG_CGROUP_MAX_PATH + 64];
	struct mg_text t;

	mg_text_init(&t, path, sizeof(path));
	mg_text_strn(&t, p->dir, dir_len);
	mg_text_str(&t, "/");
	mg_text_str(&t, file);
	return t.cut ? -ENAMETOOLONG : (int)mg_sys_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static void put_tag(struct mg_text *t, unsigned version, unsigned level, const char *name)
{
	mg_text_str(t, t->len ? "," : "");
	mg_text_str(t, version == 2 ? "v2." : "v1.");
	mg_text_num(t, level);
	mg_text_str(t, ".");
	mg_text_str(t, name);
}

unsigned mg_cgroup_open_all(const struct mg_cgroup_place *p, int *fds, unsigned max, char *tags, size_t tags_cap)
{
	unsigned n = 0, level = 0;
	struct mg_text t = { .buf = tags, .cap = tags_cap, .len = strlen(tags) };

	for (size_t len = strlen(p->dir); len > 0 && level < MG_CGROUP_MAX_LEVELS; len = parent_of(p, len), level++) {
		size_t all = p->version == 2 ? COUNT(v2_files) : COUNT(v1_files);
		size_t upper = p->version == 2 ? V2_UPPER : V1_UPPER;

		for (size_t i = 0; i < (level == 0 ? all : upper) && n < max; i++) {
			int fd = open_in(p, len, p->version == 2 ? v2_files[i].file : v1_files[i].file);

			if (fd < 0)
				continue;
			put_tag(&t, p->version, level, p->version == 2 ? v2_files[i].tag : v1_files[i].tag);
			fds[n++] = fd;
		}
	}
	return n;
}

void mg_cgroup_keep(struct mg_cgroup_kept *k, const struct mg_cgroup_place *p)
{
	size_t len = strlen(p->dir);

	for (k->levels = 0; len > 0 && k->levels < MG_CGROUP_MAX_LEVELS; len = parent_of(p, len), k->levels++) {
		k->charge[k->levels] = open_in(p, len, p->version == 2 ? "memory.current" : "memory.usage_in_bytes");
		k->max[k->levels] = open_in(p, len, p->version == 2 ? "memory.max" : "memory.limit_in_bytes");
		k->high[k->levels] = p->version == 2 ? open_in(p, len, "memory.high") : -1;
	}
}

static uint64_t read_limit(int fd)
{
	uint64_t v;

	if (fd < 0 || mg_file_u64(fd, &v) < 0 || v >= V1_UNLIMITED)
		return UINT64_MAX;
	return v;
}

void mg_cgroup_look(const struct mg_cgroup_kept *k, uint64_t *ret_limit, uint64_t *ret_charge)
{
	uint64_t limit = UINT64_MAX, charge = UINT64_MAX;
	unsigned at = 0;

	for (unsigned i = 0; i < k->levels; i++) {
		uint64_t max = read_limit(k->max[i]), high = read_limit(k->high[i]), least = max < high ? max : high;

		if (least < limit) {
			limit = least;
			at = i;
		}
	}
	if (k->levels > 0 && (k->charge[at] < 0 || mg_file_u64(k->charge[at], &charge) < 0))
		charge = UINT64_MAX;
	*ret_limit = limit;
	*ret_charge = charge;
}
