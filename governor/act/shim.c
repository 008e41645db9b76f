/* SPDX-License-Identifier: Apache-2.0 */
/* The actuator of the library in the target. Reads a want and what the governor believes of the target, gives one datagram of
 * protocol/SPEC.md; called by the tick. It says what it assumed (live, limit), so that the target can refuse what was decided on
 * numbers that no longer hold. */
#include "governor/act/act.h"

#include <errno.h>
#include <math.h>

#include "governor/serve/control.h"

#define NOT_SET_ABOVE 1.8e19 /* "max" as a double: just below 2^64 */
#define NS_PER_US     1000U

/* A whole number for the wire; whatever is too large, infinite or unknown is `max`. */
static uint64_t whole(double v)
{
	if (isnan(v) || v >= NOT_SET_ABOVE)
		return UINT64_MAX;
	return v > 0 ? (uint64_t)(v + 0.5) : 0;
}

/* The governor counts seconds where the wire counts milliseconds. */
static uint64_t wire_value(enum mg_knob knob, double v)
{
	return whole(mg_knob_info(knob)->unit == MG_UNIT_SECONDS ? v * 1e3 : v);
}

static int finish(struct mg_peer *p, struct mg_wire_out *o)
{
	long n = mg_wire_end(o);

	return n < 0 ? (int)n : mg_peer_send(p, o->buf, (size_t)n);
}

static void begin(struct mg_wire_out *o, char *buf, size_t cap, enum mg_wire_verb verb, uint64_t seq, uint64_t now_ns)
{
	mg_wire_begin(o, buf, cap, verb);
	mg_wire_put_u64(o, "seq", seq);
	mg_wire_put_u64(o, "sent_ns", now_ns);
}

static void put_assumed(struct mg_wire_out *o, const char *name, struct mg_value v)
{
	if (mg_known(v))
		mg_wire_put_u64_in(o, "assume", name, whole(v.v));
}

/* to: in the knob's unit; NAN or infinite: off. A knob that cannot be put back comes here only from a rule that accepts that. */
static int send_set(struct mg_peer *p, enum mg_knob knob, double to, const struct mg_view *v, uint64_t seq, uint64_t lease_ns,
		    uint64_t now_ns)
{
	char buf[512];
	struct mg_wire_out o;

	if (!v->knob[knob].supported)
		return -ENOTSUP;
	begin(&o, buf, sizeof buf, MG_WIRE_SET, seq, now_ns);
	mg_wire_put_u64(&o, "lease_ms", lease_ns / MG_NS_PER_MS);
	mg_wire_put_u64_in(&o, "knob", mg_knob_info(knob)->name, wire_value(knob, to));
	put_assumed(&o, "live", v->sig[MG_SIG_SHIM_LIVE]);
	put_assumed(&o, "limit", v->sig[MG_SIG_CGROUP_LIMIT]);
	if (v->knob[knob].restore == MG_RESTORE_NONE)
		mg_wire_put_u64(&o, "irreversible", 1);
	return finish(p, &o);
}

static int send_do(struct mg_peer *p, const struct mg_want *w, const struct mg_view *v, uint64_t seq, uint64_t lease_ns,
		   uint64_t now_ns)
{
	char buf[512];
	struct mg_wire_out o;

	if (!v->action[w->action])
		return -ENOTSUP;
	begin(&o, buf, sizeof buf, MG_WIRE_DO, seq, now_ns);
	mg_wire_put_str(&o, "action", mg_action_info(w->action)->name);
	mg_wire_put_u64(&o, "bytes", whole(w->bytes));
	mg_wire_put_u64(&o, "max_pause_us", w->max_pause_ns / NS_PER_US);
	mg_wire_put_u64(&o, "deadline_ms", lease_ns / MG_NS_PER_MS);
	return finish(p, &o);
}

/* One knob back to its baseline is a SET; where the target had none, the knob was off. */
static int send_baseline(struct mg_peer *p, enum mg_knob knob, const struct mg_view *v, uint64_t seq, uint64_t lease_ns,
			 uint64_t now_ns)
{
	struct mg_value baseline = v->knob[knob].baseline;

	return send_set(p, knob, mg_known(baseline) ? baseline.v : NAN, v, seq, lease_ns, now_ns);
}

static int shim_send(void *peer, const struct mg_want *w, const struct mg_view *v, uint64_t seq, uint64_t lease_ns,
		     uint64_t now_ns)
{
	switch (w->verb) {
	case MG_VERB_SET: return send_set(peer, w->knob, w->to, v, seq, lease_ns, now_ns);
	case MG_VERB_ACTION: return send_do(peer, w, v, seq, lease_ns, now_ns);
	case MG_VERB_RESTORE: return send_baseline(peer, w->knob, v, seq, lease_ns, now_ns);
	case MG_VERB_HOLD: break;
	}
	return -EINVAL;
}

static int shim_renew(void *peer, uint64_t seq, uint64_t lease_ns, uint64_t now_ns)
{
	char buf[256];
	struct mg_wire_out o;

	begin(&o, buf, sizeof buf, MG_WIRE_RENEW, seq, now_ns);
	mg_wire_put_u64(&o, "lease_ms", lease_ns / MG_NS_PER_MS);
	return finish(peer, &o);
}

static int shim_restore(void *peer, uint64_t seq, uint64_t now_ns)
{
	char buf[256];
	struct mg_wire_out o;

	begin(&o, buf, sizeof buf, MG_WIRE_RESTORE, seq, now_ns);
	return finish(peer, &o);
}

const struct mg_act_ops mg_act_shim = { .name = "shim", .send = shim_send, .renew = shim_renew, .restore = shim_restore };
