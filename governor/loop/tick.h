/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_TICK_H
#define MG_TICK_H

#include "governor/loop/engine.h"

/* The pipeline's private side, between engine.c and tick.c. */

/* An ACK or NAK: closes the pending command, its audit record and the judgement. */
void mg_tick_answer(struct mg_engine *e, struct mg_target *t, const struct mg_wire_msg *m, uint64_t now_ns);
/* Sends RESTORE when something was set; no-op otherwise. */
void mg_tick_restore(struct mg_engine *e, struct mg_target *t, uint64_t now_ns);
/* The target ends: what was under way is recorded as it stands. */
void mg_tick_gone(struct mg_engine *e, struct mg_target *t);
/* True while a target is only watched: it has not reported yet, or it (or the governor) is new. */
bool mg_engine_watching(const struct mg_engine *e, const struct mg_target *t, uint64_t now_ns);

#endif
