/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_ENV_H
#define MG_SHIM_ENV_H

/* The shim's environment, read once when the library is loaded. */

#include <stdbool.h>
#include <stdint.h>

#define MG_ENV_OFF          UINT64_MAX
#define MG_ENV_MAX_LABELS   8
#define MG_ENV_MAX_LABEL    64   /* bytes of a label's value */
#define MG_ENV_MAX_VALUE    768  /* longer values are not ours */
#define MG_ENV_SOCKET       "/run/memgov/control.sock"
#define MG_ENV_PATH_MAX     108  /* sun_path */

enum mg_log_level { MG_LOG_OFF, MG_LOG_ERROR, MG_LOG_INFO };

struct mg_env {
	bool disabled;
	bool socket_set;               /* MEMGOV_SOCKET was given: wait for it even when its directory is missing */
	bool governor_uid_set;
	uint32_t governor_uid;
	enum mg_log_level log;
	uint64_t gc_percent;           /* MG_ENV_OFF: not set */
	uint64_t limit_bytes;          /* MG_ENV_OFF: not set */
	uint32_t limit_percent;        /* of the cgroup's limit; 0: not a share */
	char socket[MG_ENV_PATH_MAX];
	char exe[MG_ENV_MAX_VALUE];    /* globs, separated by commas; "" all */
	char labels[MG_ENV_MAX_VALUE]; /* k=v,k=v */
	const char *bad;               /* first variable whose value could not be used; it counts as not set */
};

typedef const char *mg_env_get_fn(const char *name);
void mg_env_read(struct mg_env *ret, mg_env_get_fn *get);
/* True when the executable may be governed: no globs, or one matches the base name. */
bool mg_env_wants_exe(const struct mg_env *e, const char *base);
/* Walks MEMGOV_LABELS: *at starts at e->labels. False at the end. Malformed labels are skipped. */
bool mg_env_label(const char **at, char key[MG_ENV_MAX_LABEL], char val[MG_ENV_MAX_LABEL + 1]);
/* True when the environment alone asks for a soft limit or a pace. */
bool mg_env_limits(const struct mg_env *e);

#endif
