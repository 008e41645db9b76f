/* SPDX-License-Identifier: Apache-2.0 */
/* Reads lines from the loop, gives them to a file, a pipe or a terminal without ever making the loop wait: a bounded ring
 * and one thread that writes. A full ring drops the line and counts it; an error of the file is counted and the piece is
 * lost; nothing is retried for ever and nothing is synced. The file and its one predecessor stay under the cap together.
 * Called by log.c, audit.c and at start by run. */
#include "governor/audit/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "governor/util/str.h"

#define PIECE_BYTES  4096 /* PIPE_BUF: a pipe that polls writable takes this much without blocking */
#define POLL_MS      200  /* how soon a writer stuck on a pipe notices that it shall stop */
#define DRAIN_S      1    /* what is queued gets this long when the writer is freed */

struct mg_writer {
	pthread_t thread;
	pthread_mutex_t lock;   /* guards ring, head, used, stop, left; held for copies only */
	pthread_cond_t wake;
	char *ring;
	size_t head, used;
	bool stop, hurry;       /* stop: end when empty; hurry: end now */
	bool left;              /* the owner gave up waiting: the thread frees */
	_Atomic uint64_t dropped, errors;

	/* The thread's own. */
	int fd;                 /* -1 after a failed reopening */
	bool regular, torn;     /* torn: the last line was cut by an error, end it before the next */
	bool at_line_start;
	uint64_t size, max_bytes;
	ino_t ino;
	dev_t dev;
	char path[256];
};

static int open_file(struct mg_writer *w, struct mg_err *err)
{
	struct stat st;
	int fd = open(w->path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

	if (fd < 0 && errno == ELOOP)
		return mg_fail(err, -ELOOP, "%s is a symbolic link: name the file itself", w->path);
	if (fd < 0)
		return mg_fail(err, -errno, "cannot open %s for appending: %s", w->path, strerror(errno));
	if (fstat(fd, &st) < 0) {
		int r = -errno;
		close(fd);
		return mg_fail(err, r, "cannot stat %s: %s", w->path, strerror(-r));
	}
	w->fd = fd;
	w->regular = S_ISREG(st.st_mode);
	w->size = (uint64_t)st.st_size;
	w->ino = st.st_ino;
	w->dev = st.st_dev;
	return 0;
}

static void close_file(struct mg_writer *w)
{
	if (w->fd >= 0 && w->fd != STDERR_FILENO)
		close(w->fd);
	w->fd = -1;
}

/* Another program may have moved or removed the file (logrotate): follow the name, not the inode. */
static void follow_name(struct mg_writer *w)
{
	struct stat st;

	if (w->fd == STDERR_FILENO || (w->fd >= 0 && !w->regular))
		return;
	if (w->fd >= 0 && lstat(w->path, &st) == 0 && st.st_ino == w->ino && st.st_dev == w->dev) {
		w->size = (uint64_t)st.st_size;
		return;
	}
	close_file(w);
	if (open_file(w, NULL) == 0)
		w->torn = false;
}

/* Makes room for len bytes. False: the file could not be rotated and the cap holds. */
static bool rotate(struct mg_writer *w, size_t len)
{
	char old[sizeof w->path + 2];

	if (!w->regular || w->max_bytes == 0 || !w->at_line_start || w->size == 0 || w->size + len <= w->max_bytes / 2)
		return true;
	snprintf(old, sizeof old, "%s.1", w->path);
	if (rename(w->path, old) < 0)
		return false;
	close_file(w);
	w->torn = false;
	return open_file(w, NULL) == 0;
}

/* True when a write of one piece will not block. A stuck reader is waited for until the writer is to end. */
static bool writable(struct mg_writer *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLOUT };

	for (;;) {
		int n = w->regular ? 1 : poll(&p, 1, POLL_MS);
		if (n > 0)
			return true;
		pthread_mutex_lock(&w->lock);
		bool end = w->hurry;
		pthread_mutex_unlock(&w->lock);
		if (end || (n < 0 && errno != EINTR))
			return false;
	}
}

/* Returns how many bytes of s were written. */
static size_t write_all(struct mg_writer *w, const char *s, size_t len)
{
	size_t done = 0;

	while (done < len && writable(w)) {
		ssize_t n = write(w->fd, s + done, len - done);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	w->size += done;
	return done;
}

static void emit(struct mg_writer *w, const char *s, size_t len)
{
	follow_name(w);
	if (w->fd < 0 || !rotate(w, len)) {
		atomic_fetch_add(&w->errors, 1);
		w->at_line_start = s[len - 1] == '\n';
		return;
	}
	if (w->torn && write_all(w, "\n", 1) == 1)
		w->torn = false;
	size_t done = w->torn ? 0 : write_all(w, s, len);
	if (done < len) {
		atomic_fetch_add(&w->errors, 1);
		w->torn |= done > 0 && s[done - 1] != '\n';
	}
	w->at_line_start = s[len - 1] == '\n';
}

/* Takes up to a piece of the ring, whole lines where one fits. Called with the lock held. */
static size_t take(struct mg_writer *w, char piece[static PIECE_BYTES])
{
	size_t n = w->used < PIECE_BYTES ? w->used : PIECE_BYTES, first = MG_WRITER_RING_BYTES - w->head;

	memcpy(piece, w->ring + w->head, n < first ? n : first);
	if (n > first)
		memcpy(piece + first, w->ring, n - first);
	const char *end = memrchr(piece, '\n', n);
	if (end)
		n = (size_t)(end - piece) + 1;
	w->head = (w->head + n) % MG_WRITER_RING_BYTES;
	w->used -= n;
	return n;
}

static void destroy(struct mg_writer *w)
{
	close_file(w);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w->ring);
	free(w);
}

static void *run(void *arg)
{
	struct mg_writer *w = arg;
	char piece[PIECE_BYTES];

	pthread_mutex_lock(&w->lock);
	while (!w->hurry && !(w->stop && w->used == 0)) {
		if (w->used == 0) {
			pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		size_t n = take(w, piece);
		pthread_mutex_unlock(&w->lock);
		emit(w, piece, n);
		pthread_mutex_lock(&w->lock);
	}
	bool left = w->left;
	pthread_mutex_unlock(&w->lock);
	if (left)
		destroy(w);
	return NULL;
}

/* Signals belong to the loop's signalfd; SIGPIPE must stay an EPIPE. */
static int start_thread(struct mg_writer *w)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

int mg_writer_new(const char *path, uint64_t max_bytes, struct mg_writer **ret, struct mg_err *err)
{
	struct mg_writer *w = calloc(1, sizeof *w);
	int r = 0;

	if (!w || !(w->ring = malloc(MG_WRITER_RING_BYTES))) {
		free(w);
		return mg_fail(err, -ENOMEM, "out of memory for a log's ring");
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	w->fd = STDERR_FILENO;
	w->max_bytes = max_bytes;
	w->at_line_start = true;
	if (*path != '\0' && !mg_copy(w->path, sizeof w->path, path))
		r = mg_fail(err, -ENAMETOOLONG, "the path %.40s... is longer than %zu bytes", path, sizeof w->path - 1);
	else if (*path != '\0')
		r = open_file(w, err);
	if (r == 0 && (r = start_thread(w)) < 0)
		(void)mg_fail(err, r, "cannot start the writer thread: %s", strerror(-r));
	if (r < 0) {
		destroy(w);
		return r;
	}
	*ret = w;
	return 0;
}

/* Tells the thread to end, at once or when the ring is empty. True: it ended within the time and was joined. */
static bool join(struct mg_writer *w, bool hurry, time_t seconds)
{
	struct timespec until;

	pthread_mutex_lock(&w->lock);
	w->stop = true;
	w->hurry = hurry;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	clock_gettime(CLOCK_REALTIME, &until); /* what pthread_timedjoin_np counts in; decides nothing */
	until.tv_sec += seconds;
	return pthread_timedjoin_np(w->thread, NULL, &until) == 0;
}

struct mg_writer *mg_writer_free(struct mg_writer *w)
{
	if (!w)
		return NULL;
	if (join(w, false, DRAIN_S) || join(w, true, DRAIN_S)) {
		destroy(w);
		return NULL;
	}
	/* The thread hangs in write() on a dead file system: it frees, should it ever return. */
	pthread_mutex_lock(&w->lock);
	w->left = true;
	pthread_detach(w->thread);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void ring_put(struct mg_writer *w, const char *s, size_t len)
{
	size_t tail = (w->head + w->used) % MG_WRITER_RING_BYTES, first = MG_WRITER_RING_BYTES - tail;

	memcpy(w->ring + tail, s, len < first ? len : first);
	if (len > first)
		memcpy(w->ring, s + first, len - first);
	w->used += len;
}

void mg_writer_line(struct mg_writer *w, const char *line, size_t len)
{
	pthread_mutex_lock(&w->lock);
	if (len >= MG_WRITER_RING_BYTES - w->used) {
		atomic_fetch_add(&w->dropped, 1);
	} else {
		ring_put(w, line, len);
		ring_put(w, "\n", 1);
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->lock);
}

uint64_t mg_writer_dropped(const struct mg_writer *w)
{
	return atomic_load(&w->dropped);
}

uint64_t mg_writer_errors(const struct mg_writer *w)
{
	return atomic_load(&w->errors);
}
