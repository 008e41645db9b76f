/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_TESTS_SERVE_WORLD_H
#define MG_TESTS_SERVE_WORLD_H

#include "governor/serve/pages.h"

#define WORLD_NOW  (1000 * MG_NS_PER_S)
#define WORLD_WALL 1772366400250000000ULL /* 2026-03-01T12:00:00.250Z */

/* A real engine with one policy and one or more processes, two ticks old, to be shown by the pages. */
struct world {
	struct mg_engine engine;
	struct mg_audit *audit;
	struct mg_serve_ctx ctx;
	struct mg_request q;
	unsigned paused, resumed; /* calls of the operator's verb */
};

void world_open(struct world *w);
void world_close(struct world *w);
/* HELLO of one process, then its samples. */
struct mg_target *world_hello(struct world *w, const char *id, const char *exe);
void world_tick(struct world *w, uint64_t now_ns);

#endif
