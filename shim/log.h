/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_LOG_H
#define MG_SHIM_LOG_H

#include "shim/env.h"

/* One line `memgov event=... key=value`. Any of the shim's threads; kept in a ring until the runtime thread writes it. */
void mg_log(enum mg_log_level level, const char *event, const char *key, const char *val);
/* Remembers which file descriptor 2 is; called before main. */
void mg_log_open(enum mg_log_level level);
/* Runtime thread: writes what is waiting. */
void mg_log_flush(void);

#endif
