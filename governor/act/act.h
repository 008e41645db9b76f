/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_ACT_H
#define MG_ACT_H

#include "governor/decide/decision.h"
#include "governor/observe/view.h"

/* How decided changes reach a target. Dry run is the null actuator, not an `if`. The shim actuator sends datagrams
 * through the control socket; results come back later as ACK or NAK carrying the sequence number. */
struct mg_act_ops {
	const char *name;
	/* Sends one want under sequence number seq. Never blocks. Returns 0; -EAGAIN when the target's queue is full (the
	 * want is dropped and counted, the next tick decides anew); -ENOTSUP when the target lacks the knob. */
	int (*send)(void *peer, const struct mg_want *w, const struct mg_view *v, uint64_t seq, uint64_t lease_ns, uint64_t now_ns);
	/* Extends the lease of everything set so far. Renewals are no decisions. */
	int (*renew)(void *peer, uint64_t seq, uint64_t lease_ns, uint64_t now_ns);
	/* Puts every knob back to its baseline, at once. */
	int (*restore)(void *peer, uint64_t seq, uint64_t now_ns);
};
extern const struct mg_act_ops mg_act_shim; /* peer: struct mg_peer of governor/serve/control.h */
extern const struct mg_act_ops mg_act_null; /* answers 0 to everything and does nothing */

#endif
