// SPDX-License-Identifier: Apache-2.0
/* Reads a SET as the client parsed it and what the target knows of itself, gives a verdict, the state of each knob and the
 * end of the lease; called by the link thread (client.c, link.c). The shim does not trust the governor blindly: the floors
 * here are lifted by no message. Pure: no system call, no clock, no allocation. */

#include "shim/lease.h"

#include <stddef.h>

#define FLOOR_LIVE_PERCENT 110u /* a limit below this share of live would make the program fight for every page */
#define MISMATCH_PERCENT   25u

static const char *const nak_codes[] = {
#define ROW(id, code, why) [MG_NAK_##id] = code,
	MG_NAK_TABLE(ROW)
#undef ROW
};
static const char *const nak_whys[] = {
#define ROW(id, code, why) [MG_NAK_##id] = why,
	MG_NAK_TABLE(ROW)
#undef ROW
};
static const uint64_t knob_floors[] = {
#define ROW(id, name, unit, floor, ...) [MG_KNOB_##id] = floor,
	MG_KNOB_TABLE(ROW)
#undef ROW
};
static const char *const knob_names[] = {
#define ROW(id, name, ...) [MG_KNOB_##id] = name,
	MG_KNOB_TABLE(ROW)
#undef ROW
};

const char *mg_nak_code(enum mg_nak nak) { return nak_codes[nak]; }
const char *mg_nak_why(enum mg_nak nak) { return nak_whys[nak]; }
const char *mg_knob_wire_name(enum mg_knob knob) { return knob_names[knob]; }

/* A sender's clock may run ahead by its time namespace: then the message counts as sent now. */
static uint64_t lease_end(uint64_t sent_ns, uint64_t life_ns, uint64_t now_ns)
{
	uint64_t from = sent_ns < now_ns ? sent_ns : now_ns;

	return life_ns > UINT64_MAX - from ? UINT64_MAX : from + life_ns;
}

enum mg_fresh mg_lease_fresh(struct mg_lease *l, uint64_t seq, uint64_t sent_ns, uint64_t life_ns, uint64_t now_ns)
{
	if (seq <= l->seq)
		return MG_FRESH_OLD;
	l->seq = seq;
	return lease_end(sent_ns, life_ns, now_ns) <= now_ns ? MG_FRESH_EXPIRED : MG_FRESH;
}

static struct mg_verdict refuse(enum mg_nak nak, int knob, const char *why)
{
	return (struct mg_verdict){ .nak = nak, .knob = knob, .why = why };
}

static bool far_off(uint64_t assumed, uint64_t known)
{
	uint64_t off = assumed > known ? assumed - known : known - assumed;

	return assumed != MG_KNOB_OFF && known != UINT64_MAX && off > known / 100 * MISMATCH_PERCENT;
}

static bool step_too_big(const struct mg_knob_state *k, uint64_t value)
{
	if (!k->present_known || k->present == 0 || k->present == MG_KNOB_OFF || value == k->baseline)
		return false;
	return value / MG_MAX_STEP > k->present || value < k->present / MG_MAX_STEP;
}

/* Off is always allowed for the two knobs the shim itself executes: it is doing nothing. */
static struct mg_verdict judge_limit(uint64_t value, const struct mg_lease_facts *f)
{
	if (f->live != UINT64_MAX) {
		if (value < f->live / 100 * FLOOR_LIVE_PERCENT)
			return refuse(MG_NAK_FLOOR, MG_KNOB_MEMORY_LIMIT, "memory_limit below 1.1 times live");
	} else if (f->resident != UINT64_MAX && f->returnable != UINT64_MAX && f->returnable <= f->resident) {
		if (value < f->resident - f->returnable)
			return refuse(MG_NAK_FLOOR, MG_KNOB_MEMORY_LIMIT, "memory_limit below what is held and cannot be returned");
	}
	return refuse(MG_NAK_NONE, -1, NULL);
}

static struct mg_verdict judge_knob(const struct mg_lease *l, const struct mg_set *s, const struct mg_lease_facts *f,
				    enum mg_knob knob)
{
	const struct mg_knob_state *k = &l->knob[knob];
	uint64_t value = s->value[knob];

	if (!k->offered)
		return refuse(MG_NAK_UNSUPPORTED, knob, NULL);
	if (k->restore == MG_RESTORE_NONE && !s->irreversible)
		return refuse(MG_NAK_IRREVERSIBLE, knob, NULL);
	if (k->pending)
		return refuse(MG_NAK_BUSY, knob, "the restore of this knob is still running");
	if (value == MG_KNOB_OFF && knob != MG_KNOB_DECAY)
		return refuse(MG_NAK_NONE, -1, NULL);
	if (value == MG_KNOB_OFF && k->baseline != MG_KNOB_OFF)
		return refuse(MG_NAK_FLOOR, knob, "decay may be switched off only where it was off");
	if (value < knob_floors[knob])
		return refuse(MG_NAK_FLOOR, knob, "below the least value of this knob");
	if (step_too_big(k, value))
		return refuse(MG_NAK_FLOOR, knob, "a step of more than 2x");
	return knob == MG_KNOB_MEMORY_LIMIT ? judge_limit(value, f) : refuse(MG_NAK_NONE, -1, NULL);
}

struct mg_verdict mg_lease_judge(const struct mg_lease *l, const struct mg_set *s, const struct mg_lease_facts *f)
{
	if (s->lease_ns > MG_LEASE_MAX_NS)
		return refuse(MG_NAK_FLOOR, -1, "a lease of more than five minutes");
	if (far_off(s->assume_live, f->live))
		return refuse(MG_NAK_MISMATCH, -1, "assume.live is more than a quarter off");
	if (far_off(s->assume_limit, f->limit))
		return refuse(MG_NAK_MISMATCH, -1, "assume.limit is more than a quarter off");
	for (int i = 0; i < MG_KNOB__COUNT; i++) {
		struct mg_verdict v = refuse(MG_NAK_NONE, -1, NULL);

		if (s->has[i])
			v = judge_knob(l, s, f, (enum mg_knob)i);
		if (v.nak != MG_NAK_NONE)
			return v;
	}
	return refuse(MG_NAK_NONE, -1, NULL);
}

static void extend(struct mg_lease *l, uint64_t sent_ns, uint64_t life_ns, uint64_t now_ns, uint64_t jitter_ns)
{
	l->end_ns = lease_end(sent_ns, life_ns, now_ns);
	l->restore_ns = l->end_ns + jitter_ns % MG_LEASE_JITTER_NS;
}

void mg_lease_apply(struct mg_lease *l, const struct mg_set *s, uint64_t now_ns, uint64_t jitter_ns)
{
	for (int i = 0; i < MG_KNOB__COUNT; i++) {
		if (!s->has[i])
			continue;
		l->knob[i].present = s->value[i];
		l->knob[i].present_known = true;
		l->knob[i].contended = false;
	}
	l->lapsed = false;
	extend(l, s->sent_ns, s->lease_ns, now_ns, jitter_ns);
}

bool mg_lease_renew(struct mg_lease *l, uint64_t sent_ns, uint64_t life_ns, uint64_t now_ns, uint64_t jitter_ns)
{
	if (l->lapsed || life_ns > MG_LEASE_MAX_NS)
		return false;
	extend(l, sent_ns, life_ns, now_ns, jitter_ns);
	return true;
}

bool mg_lease_due(const struct mg_lease *l, uint64_t now_ns)
{
	return l->end_ns != 0 && now_ns >= l->restore_ns;
}

void mg_lease_end(struct mg_lease *l, bool lapsed)
{
	for (int i = 0; i < MG_KNOB__COUNT; i++) {
		struct mg_knob_state *k = &l->knob[i];

		if (i != MG_KNOB_DECAY)
			k->present = k->baseline;
		else if (k->offered && !k->contended && k->restore != MG_RESTORE_NONE && k->present != k->baseline)
			k->pending = true;
	}
	l->lapsed = lapsed && l->end_ns != 0;
	l->end_ns = 0;
	l->restore_ns = 0;
}

bool mg_lease_held(const struct mg_lease *l)
{
	return l->end_ns != 0;
}

unsigned mg_governors_count(const struct mg_governors *g, uint64_t now_ns)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MG_GOVERNORS_MAX + 1; i++)
		n += g->at_ns[i] != 0 && now_ns - g->at_ns[i] < MG_GOVERNORS_WINDOW_NS;
	return n;
}

bool mg_governors_note(struct mg_governors *g, uint64_t now_ns)
{
	g->at_ns[g->next] = now_ns;
	g->next = (g->next + 1) % (MG_GOVERNORS_MAX + 1);
	return mg_governors_count(g, now_ns) > MG_GOVERNORS_MAX;
}

/* Slots that went by since the last call are emptied. */
static void turn(struct mg_budget *b, uint64_t now_ns)
{
	uint64_t slot = now_ns / MG_BUDGET_SLOT_NS, behind = slot - b->slot;

	for (uint64_t i = 0; i < behind && i < MG_BUDGET_SLOTS; i++)
		b->spent_ns[(slot - i) % MG_BUDGET_SLOTS] = 0;
	b->slot = slot;
}

uint64_t mg_budget_left(struct mg_budget *b, uint64_t now_ns)
{
	uint64_t spent = 0;

	turn(b, now_ns);
	for (unsigned i = 0; i < MG_BUDGET_SLOTS; i++)
		spent += b->spent_ns[i];
	return spent < MG_BUDGET_NS ? MG_BUDGET_NS - spent : 0;
}

void mg_budget_spend(struct mg_budget *b, uint64_t now_ns, uint64_t cpu_ns)
{
	turn(b, now_ns);
	b->spent_ns[b->slot % MG_BUDGET_SLOTS] += cpu_ns;
}
