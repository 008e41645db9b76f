/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CONFIG_WATCH_H
#define MG_CONFIG_WATCH_H

#include "governor/loop/loop.h"

/* Tells when a policy file was changed: written in place, renamed over (editors), linked anew, or swapped behind `..data`
 * (a Kubernetes ConfigMap). Changes that come together are told once, MG_WATCH_SETTLE_NS after the last. The directory may
 * vanish and come back. Whether the content differs is the caller's to see. */
#define MG_WATCH_SETTLE_NS (200 * 1000000ULL)

struct mg_config_watch;
/* Returns 0 and an owned *ret (mg_config_watch_free, before the loop). */
int mg_config_watch_new(struct mg_loop *l, const char *path, void (*changed)(void *ctx), void *ctx, struct mg_config_watch **ret,
			struct mg_err *err) MG_CHECK_RESULT;
struct mg_config_watch *mg_config_watch_free(struct mg_config_watch *w);

#endif
