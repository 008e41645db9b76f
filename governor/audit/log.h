/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_LOG_H
#define MG_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "governor/util/err.h"

/* Output that never blocks the loop: a bounded ring of lines and one writer thread per file (the one exception to the
 * single thread). A full ring drops the line and counts it; no fsync; O_NOFOLLOW; rotation keeps the total under max. */
struct mg_writer;
#define MG_WRITER_RING_BYTES (256U << 10)

/* path "" = stderr. max_bytes is the total over the file and its one rotated predecessor; 0: no cap. */
int mg_writer_new(const char *path, uint64_t max_bytes, struct mg_writer **ret, struct mg_err *err) MG_CHECK_RESULT;
/* Writes what is queued (at most one second), then frees. */
struct mg_writer *mg_writer_free(struct mg_writer *w);
void mg_writer_line(struct mg_writer *w, const char *line, size_t len); /* the newline is added */
uint64_t mg_writer_dropped(const struct mg_writer *w);
uint64_t mg_writer_errors(const struct mg_writer *w);

/* Structured log lines: an event name and key/value pairs, JSON or (on a terminal) text. Errors are never sampled;
 * warnings and info are rate-limited per event name (burst 5, then one a minute, with `suppressed=N`). */
enum mg_level { MG_LOG_ERROR, MG_LOG_WARN, MG_LOG_INFO, MG_LOG_DEBUG };
struct mg_log;
extern struct mg_log *mg_the_log; /* NULL: silent */

int mg_log_open(struct mg_writer *w, int text, enum mg_level max, struct mg_err *err) MG_CHECK_RESULT;
void mg_log_close(void);
/* mg_log(now, MG_LOG_INFO, "target.hello", "exe", MG_S(exe), "uid", MG_U(uid)) */
enum mg_log_kind { MG_LOG_STR = 1, MG_LOG_U64, MG_LOG_F64 };
struct mg_log_val { enum mg_log_kind kind; const char *s; uint64_t u; double f; };
struct mg_log_kv { const char *key; struct mg_log_val val; };
void mg_log_event(uint64_t now_ns, uint64_t wall_ns, enum mg_level level, const char *event, const struct mg_log_kv *kv,
		  unsigned n);
#define MG_S(x) ((struct mg_log_val){ .kind = MG_LOG_STR, .s = (x) })
#define MG_U(x) ((struct mg_log_val){ .kind = MG_LOG_U64, .u = (uint64_t)(x) })
#define MG_F(x) ((struct mg_log_val){ .kind = MG_LOG_F64, .f = (x) })
#define mg_log(now, wall, level, event, ...) \
	mg_log_event(now, wall, level, event, (const struct mg_log_kv[]){ __VA_ARGS__ }, \
		     sizeof((const struct mg_log_kv[]){ __VA_ARGS__ }) / sizeof(struct mg_log_kv))

#endif
