/* SPDX-License-Identifier: Apache-2.0 */
/* Notices that the policy file has changed. Watches the file's directory and not the file, whose inode is replaced by
 * editors and by ConfigMap updates; where the path is a link, also the directory it leads to. Reads inotify events, gives
 * one callback per burst. Called by run, which then reloads. */
#include "governor/config/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "governor/util/str.h"

#define WATCH_MASK (IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVE_SELF | IN_ONLYDIR)
#define RETRY_NS   (1000 * 1000000ULL) /* between two looks for a directory that is gone */

/* One watched directory: the path's own, and the one its link leads to. */
struct place {
	char dir[PATH_MAX], name[NAME_MAX + 1];
	int wd; /* -1: not watched */
};
enum { OWN, LINKED, PLACES };

struct mg_config_watch {
	struct mg_loop *loop;
	int fd;
	mg_handle handle;
	struct mg_timer settle, retry;
	struct place at[PLACES];
	char path[PATH_MAX];
	void (*changed)(void *ctx);
	void *ctx;
};

static bool split(const char *path, struct place *ret)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	bool fits = slash ? mg_copyn(ret->dir, sizeof ret->dir, path, slash == path ? 1 : (size_t)(slash - path)) :
		    mg_copy(ret->dir, sizeof ret->dir, ".");

	return mg_copy(ret->name, sizeof ret->name, name) && fits && name[0] != '\0';
}

static void arm(struct mg_config_watch *w, struct mg_timer *t, uint64_t after_ns)
{
	/* Only memory for the loop's first timers can lack; then this change goes unseen, and SIGHUP remains. */
	int r = mg_loop_timer(w->loop, t, mg_loop_now(w->loop) + after_ns);
	(void)r;
}

static void disarm(struct mg_config_watch *w, struct mg_timer *t)
{
	int r = mg_loop_timer(w->loop, t, 0); /* taking away cannot fail */
	(void)r;
}

static void drop(struct mg_config_watch *w, struct place *p)
{
	if (p->wd >= 0)
		(void)inotify_rm_watch(w->fd, p->wd);
	p->wd = -1;
}

/* Follows the link the path may be: to a directory of its own, or to none. */
static void watch_link(struct mg_config_watch *w)
{
	struct place *p = &w->at[LINKED];
	char real[PATH_MAX];

	drop(w, p);
	if (!realpath(w->path, real) || !split(real, p))
		return;
	int wd = inotify_add_watch(w->fd, p->dir, WATCH_MASK);
	if (wd != w->at[OWN].wd) /* the same directory has the same descriptor, which is not to be removed */
		p->wd = wd;
}

static int watch_places(struct mg_config_watch *w)
{
	struct place *own = &w->at[OWN];

	own->wd = inotify_add_watch(w->fd, own->dir, WATCH_MASK);
	if (own->wd < 0)
		return -errno;
	watch_link(w);
	return 0;
}

static bool concerns(const struct place *p, const struct inotify_event *e)
{
	return e->len > 0 && (strcmp(e->name, p->name) == 0 || strcmp(e->name, "..data") == 0);
}

static void handle_event(struct mg_config_watch *w, const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW)
		arm(w, &w->settle, MG_WATCH_SETTLE_NS);
	for (unsigned i = 0; i < PLACES; i++) {
		struct place *p = &w->at[i];
		if (p->wd < 0 || e->wd != p->wd)
			continue;
		if (concerns(p, e))
			arm(w, &w->settle, MG_WATCH_SETTLE_NS);
		if (e->mask & IN_MOVE_SELF)
			drop(w, p);
		if (e->mask & IN_IGNORED)
			p->wd = -1;
	}
	if (w->at[OWN].wd < 0)
		arm(w, &w->retry, RETRY_NS);
}

static void on_ready(void *ctx, uint32_t events)
{
	struct mg_config_watch *w = ctx;
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n;

	(void)events;
	while ((n = read(w->fd, buf, sizeof buf)) > 0) {
		const struct inotify_event *e;
		for (char *p = buf; p < buf + n; p += sizeof *e + e->len) {
			e = (const void *)p;
			handle_event(w, e);
		}
	}
}

static void on_settled(void *ctx, uint64_t now_ns)
{
	struct mg_config_watch *w = ctx;

	(void)now_ns;
	if (w->at[OWN].wd >= 0)
		watch_link(w);
	w->changed(w->ctx);
}

static void on_retry(void *ctx, uint64_t now_ns)
{
	struct mg_config_watch *w = ctx;

	(void)now_ns;
	if (watch_places(w) < 0)
		arm(w, &w->retry, RETRY_NS);
	else
		arm(w, &w->settle, MG_WATCH_SETTLE_NS);
}

static int start(struct mg_config_watch *w, struct mg_err *err)
{
	int r;

	if (w->fd < 0)
		return mg_fail(err, -errno, "cannot watch %s: %s", w->path, strerror(errno));
	r = watch_places(w);
	if (r < 0)
		return mg_fail(err, r, "cannot watch the directory %s: %s", w->at[OWN].dir, strerror(-r));
	r = mg_loop_add(w->loop, w->fd, EPOLLIN, on_ready, w, &w->handle);
	return r < 0 ? mg_fail(err, r, "cannot watch %s: %s", w->path, strerror(-r)) : 0;
}

int mg_config_watch_new(struct mg_loop *l, const char *path, void (*changed)(void *ctx), void *ctx, struct mg_config_watch **ret,
			struct mg_err *err)
{
	struct mg_config_watch *w = calloc(1, sizeof *w);

	if (!w)
		return mg_fail(err, -ENOMEM, "no memory to watch %s", path);
	*w = (struct mg_config_watch){ .loop = l, .changed = changed, .ctx = ctx, .fd = -1, .at = { { .wd = -1 }, { .wd = -1 } } };
	w->settle = (struct mg_timer){ .f = on_settled, .ctx = w, .slot = -1 };
	w->retry = (struct mg_timer){ .f = on_retry, .ctx = w, .slot = -1 };
	if (!mg_copy(w->path, sizeof w->path, path) || !split(path, &w->at[OWN])) {
		mg_config_watch_free(w);
		return mg_fail(err, -EINVAL, "%s is not the path of a file", path);
	}
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int r = start(w, err);
	if (r < 0) {
		mg_config_watch_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct mg_config_watch *mg_config_watch_free(struct mg_config_watch *w)
{
	if (!w)
		return NULL;
	mg_loop_del(w->loop, &w->handle);
	disarm(w, &w->settle);
	disarm(w, &w->retry);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
	return NULL;
}
