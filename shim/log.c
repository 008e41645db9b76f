// SPDX-License-Identifier: Apache-2.0
/* Reads events of the link thread, gives lines on the program's standard error, off by default. The link thread has no
 * descriptor 2, so lines wait in a ring and the runtime thread writes them. Two rules keep the program safe: a line is
 * written only while descriptor 2 still is the file it was at load (a daemon may have reopened it as its database), and
 * only when it can be written at once. */

#include "shim/log.h"

#include <stdatomic.h>
#include <string.h>

#include "shim/shim.h"
#include "shim/sys.h"
#include "shim/text.h"

#define LINES    32u
#define LINE_MAX 192u

static struct {
	enum mg_log_level level;
	dev_t dev;
	ino_t ino;
	_Atomic uint32_t written, flushed;
	char line[LINES][LINE_MAX];
} ring;

static bool stat_stderr(struct stat *st)
{
	return mg_sys2(__NR_fstat, 2, st) == 0;
}

void mg_log_open(enum mg_log_level level)
{
	struct stat st;

	if (level == MG_LOG_OFF || !stat_stderr(&st))
		return;
	ring.level = level;
	ring.dev = st.st_dev;
	ring.ino = st.st_ino;
}

/* One writer (the link thread; before it starts, the constructor), one reader: a full ring drops the line. */
void mg_log(enum mg_log_level level, const char *event, const char *key, const char *val)
{
	uint32_t at = atomic_load(&ring.written);
	struct mg_text t;

	if (ring.level < level || at - atomic_load(&ring.flushed) >= LINES)
		return;
	mg_text_init(&t, ring.line[at % LINES], LINE_MAX - 1);
	mg_text_str(&t, "memgov event=");
	mg_text_str(&t, event);
	mg_text_str(&t, " ");
	mg_text_str(&t, key);
	mg_text_str(&t, "=");
	mg_text_str(&t, val);
	memcpy(t.buf + t.len, "\n", 2);
	atomic_store(&ring.written, at + 1);
	mg_mailbox_ring(&mg_shim.box);
}

void mg_log_flush(void)
{
	uint32_t at = atomic_load(&ring.flushed);
	struct pollfd out = { .fd = 2, .events = POLLOUT };
	struct stat st;

	for (; at != atomic_load(&ring.written); at++) {
		const char *line = ring.line[at % LINES];

		if (stat_stderr(&st) && st.st_dev == ring.dev && st.st_ino == ring.ino && mg_sys_poll(&out, 1, 0) == 1)
			(void)mg_sys_write(2, line, strlen(line));
		atomic_store(&ring.flushed, at + 1);
	}
}
