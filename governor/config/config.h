/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CONFIG_H
#define MG_CONFIG_H

#include <sys/types.h>

#include "governor/decide/rule.h"
#include "governor/guard/guard.h"

/* Modes. mg_config.mode is the file's, which --enforce and --dry-run replace; mg_target_spec.mode and mg_rule.mode are caps
 * (enforce where the file gives none). What holds is the lowest of the three, which the engine takes. */

#define MG_MAX_SOURCES        32
#define MG_MAX_TARGET_RULES   16
#define MG_MAX_TARGET_SPECS   64
#define MG_MAX_IDS            64
#define MG_MAX_CONFIG_BYTES   (1U << 20)
#define MG_MAX_CONFIG_DEPTH   16
#define MG_MAX_FINDINGS       64
#define MG_MAX_LABELS         8

enum mg_source_kind { MG_SOURCE_PROMETHEUS, MG_SOURCE_PROMQL };

/* One signal of a source: `heap_inuse: go_memstats_heap_inuse_bytes`, or with { series, unit, kind }. */
struct mg_source_signal {
	char name[2 * MG_NAME_MAX];          /* "app.heap_inuse" */
	char query[MG_EXPR_MAX_TEXT];        /* selector or PromQL */
	enum mg_unit unit;                   /* guessed from the metric's suffix unless given */
	enum mg_signal_kind kind;            /* _total, _count: counter */
	uint16_t source;                     /* index into sources */
};

struct mg_source {
	char name[MG_NAME_MAX];
	enum mg_source_kind kind;
	char url[512];
	uint64_t every_ns, timeout_ns, max_age_ns;
	char ca_file[256], cert_file[256], key_file[256], bearer_token_file[256];
	bool insecure_token;                 /* send the token over http to loopback */
	bool allow_link_local;
	uint64_t range_ns;                   /* promql: 0 = instant query, else a range query over this span, newest point */
};

struct mg_match {
	char exe[256], cmdline[256], runtime[32], allocator[32]; /* globs, "" = any */
	int64_t uid;                          /* -1: any */
	struct { char key[64], value[128]; } label[MG_MAX_LABELS];
	uint8_t n_labels;
};

struct mg_target_spec {
	char name[MG_NAME_MAX];
	struct mg_match match;
	enum mg_mode mode;                    /* a cap */
	struct mg_bounds bounds;
	struct mg_guard_conf guards;
	bool workers;                         /* govern forked children too */
	struct mg_rule *rules;                /* [n_rules] */
	uint8_t n_rules;
};

struct mg_config {
	char file[256];
	char hash[17];                        /* of the file's bytes, hex */
	enum mg_mode mode;                    /* the file's */
	uint64_t interval_ns, lease_ns;
	char socket[108];
	uid_t allow_uids[MG_MAX_IDS]; uint8_t n_uids;
	gid_t allow_gids[MG_MAX_IDS]; uint8_t n_gids;
	uint32_t socket_mode;
	char listen[128];                     /* "" = not served */
	char admin[128];                      /* "unix:PATH" or ADDR:PORT; "" = unix:SOCKET.admin */
	char audit_file[256];                 /* "" = stderr */
	double audit_max_bytes;
	struct mg_source sources[MG_MAX_SOURCES]; uint8_t n_sources;
	struct mg_source_signal signals[MG_MAX_SOURCE_SIGNALS]; uint16_t n_signals;
	struct mg_target_spec *targets; uint8_t n_targets; /* in file order; the first match wins */
};

enum mg_severity { MG_SEV_ERROR, MG_SEV_WARNING };
struct mg_finding {
	enum mg_severity severity;
	unsigned line, column;                /* 1-based */
	char text[MG_ERR_MAX];                /* what is wrong and what to do, with a did-you-mean where one is near */
};
struct mg_findings {
	struct mg_finding at[MG_MAX_FINDINGS];
	unsigned n, errors, warnings;         /* errors and warnings count past the cap */
};

/* Loads a policy file: all findings at once. Returns 0 and an owned *ret (mg_config_free) when there are no errors
 * (warnings allowed), -EINVAL when the file is invalid, another negative errno when it cannot be read. */
int mg_config_load(const char *path, struct mg_config **ret, struct mg_findings *findings, struct mg_err *err) MG_CHECK_RESULT;
/* The file's bytes, for mg_config_parse and mg_findings_print: *ret is owned (free). Not a regular file: -EINVAL; one byte
 * more than MG_MAX_CONFIG_BYTES at most, which mg_config_parse refuses. */
int mg_config_read(const char *path, char **ret, size_t *ret_len, struct mg_err *err) MG_CHECK_RESULT;
/* The same from memory; `path` names it in findings. For fuzzing and tests. */
int mg_config_parse(const char *path, const char *text, size_t len, struct mg_config **ret,
		    struct mg_findings *findings) MG_CHECK_RESULT;
struct mg_config *mg_config_free(struct mg_config *c);
/* As root: 0 when only root can change the file (owner and mode of the file, every directory above, every link on the
 * way), else -EPERM and what to do. Not root: 0. For run, before it loads. */
int mg_config_check_owner(const char *path, struct mg_err *err) MG_CHECK_RESULT;
/* How names in expressions resolve against c (borrowed). */
struct mg_names mg_config_names(struct mg_config *c);
/* Writes `file:line:col: error: text`, the source line and a caret, for every finding. */
void mg_findings_print(const struct mg_findings *f, const char *path, const char *text, size_t len, int fd);
/* The same, with the text read from path again; where that fails, without source lines. */
void mg_findings_print_file(const struct mg_findings *f, const char *path, int fd);
/* Writes the JSON schema of the policy file, from the same tables that parse it. */
int mg_config_schema(int fd) MG_CHECK_RESULT;
/* Writes the reference of the policy file, from the same tables: the man page memgov.yaml(5), or Markdown. */
enum mg_manual { MG_MANUAL_MAN, MG_MANUAL_MARKDOWN };
int mg_config_manual(int fd, enum mg_manual format) MG_CHECK_RESULT;

#endif
