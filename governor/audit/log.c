/* SPDX-License-Identifier: Apache-2.0 */
/* Reads events (a name and key/value pairs), gives lines to a writer: JSON, or text on a terminal. Errors are never
 * sampled; warnings and info pass a token bucket per event name. Allocates nothing per line. Called by loop and main. */
#include "governor/audit/log.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "governor/audit/stamp.h"
#include "governor/util/value.h"

#define LINE_BYTES 4096
#define TAIL_BYTES 64   /* kept free for `suppressed` and the closing brace */
#define EVENTS     64   /* event names whose rate is remembered; the one unused longest makes room */
#define BURST      5
#define REFILL_NS  (60 * MG_NS_PER_S)

struct event {
	uint64_t name_hash;     /* 0: free */
	uint64_t refill_ns, used_ns;
	unsigned tokens;
	uint64_t suppressed;
};

struct mg_log {
	struct mg_writer *w;    /* borrowed */
	bool text;
	enum mg_level max;
	struct event event[EVENTS];
};

static struct mg_log the_log;
struct mg_log *mg_the_log;

static const char *const level_names[] = {
	[MG_LOG_ERROR] = "error", [MG_LOG_WARN] = "warn", [MG_LOG_INFO] = "info", [MG_LOG_DEBUG] = "debug",
};

int mg_log_open(struct mg_writer *w, int text, enum mg_level max, struct mg_err *err)
{
	if (mg_the_log)
		return mg_fail(err, -EALREADY, "the log is open already");
	the_log = (struct mg_log){ .w = w, .text = text != 0, .max = max };
	mg_the_log = &the_log;
	return 0;
}

void mg_log_close(void)
{
	mg_the_log = NULL;
}

static struct event *find_event(struct mg_log *l, const char *name, uint64_t now_ns)
{
	uint64_t h = mg_hash(name, strlen(name), 0) | 1;
	struct event *oldest = &l->event[0];

	for (struct event *e = l->event; e < l->event + EVENTS; e++) {
		if (e->name_hash == h)
			return e;
		if (e->used_ns < oldest->used_ns) /* free ones were never used */
			oldest = e;
	}
	*oldest = (struct event){ .name_hash = h, .refill_ns = now_ns, .tokens = BURST };
	return oldest;
}

/* True: the event may be written now. A burst of five, then one a minute; a minute of silence gives one token back. */
static bool allow(struct event *e, uint64_t now_ns)
{
	uint64_t due = now_ns > e->refill_ns ? (now_ns - e->refill_ns) / REFILL_NS : 0;

	e->used_ns = now_ns;
	if (due > 0) {
		e->tokens = due >= BURST - e->tokens ? BURST : e->tokens + (unsigned)due;
		e->refill_ns += due * REFILL_NS;
	}
	if (e->tokens == 0) {
		e->suppressed++;
		return false;
	}
	if (e->tokens == BURST)
		e->refill_ns = now_ns; /* a full bucket gains nothing while it waits */
	e->tokens--;
	return true;
}

static bool needs_quotes(const char *s)
{
	return *s == '\0' || strpbrk(s, " \t\"=") != NULL;
}

static void put_text_string(struct mg_buf *b, const char *s)
{
	if (!needs_quotes(s)) {
		mg_buf_plain(b, s);
		return;
	}
	mg_buf_put(b, "\"", 1);
	mg_buf_plain(b, s);
	mg_buf_put(b, "\"", 1);
}

static void put_value(struct mg_buf *b, bool text, const struct mg_log_val *v)
{
	switch (v->kind) {
	case MG_LOG_STR:
		if (text)
			put_text_string(b, v->s ? v->s : "");
		else
			mg_buf_json(b, v->s ? v->s : "");
		break;
	case MG_LOG_U64: mg_buf_printf(b, "%llu", (unsigned long long)v->u); break;
	case MG_LOG_F64: mg_buf_json_number(b, v->f); break;
	}
}

/* Appends one pair, whole or not at all: a cut JSON line would not parse. */
static void put_pair(struct mg_buf *b, bool text, const struct mg_log_kv *kv)
{
	struct mg_buf before = *b;

	if (text) {
		mg_buf_printf(b, " %s=", kv->key);
	} else {
		mg_buf_put(b, ",", 1);
		mg_buf_json(b, kv->key);
		mg_buf_put(b, ":", 1);
	}
	put_value(b, text, &kv->val);
	if (b->full) {
		*b = before;
		b->at[b->len] = '\0';
	}
}

static void put_head(struct mg_buf *b, bool text, uint64_t wall_ns, enum mg_level level, const char *event)
{
	mg_buf_put(b, "{\"ts\":\"", text ? 0 : 7);
	mg_buf_stamp(b, wall_ns);
	if (text) {
		mg_buf_printf(b, " %-5s %s", level_names[level], event);
		return;
	}
	mg_buf_printf(b, "\",\"level\":\"%s\",\"event\":", level_names[level]);
	mg_buf_json(b, event);
}

void mg_log_event(uint64_t now_ns, uint64_t wall_ns, enum mg_level level, const char *event, const struct mg_log_kv *kv,
		  unsigned n)
{
	struct mg_log *l = mg_the_log;
	char line[LINE_BYTES];
	struct mg_buf b = mg_buf(line, sizeof line - TAIL_BYTES);

	if (!l || level > l->max)
		return;
	struct event *e = level == MG_LOG_ERROR ? NULL : find_event(l, event, now_ns);
	if (e && !allow(e, now_ns))
		return;
	put_head(&b, l->text, wall_ns, level, event);
	for (unsigned i = 0; i < n && kv[i].key; i++)
		put_pair(&b, l->text, &kv[i]);
	b.cap = sizeof line;
	if (e && e->suppressed > 0) {
		put_pair(&b, l->text, &(struct mg_log_kv){ "suppressed", MG_U(e->suppressed) });
		e->suppressed = 0;
	}
	mg_buf_put(&b, "}", l->text ? 0 : 1);
	mg_writer_line(l->w, line, b.len);
}
