/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a decision record, gives its JSON: the whole for the audit file and the API, and the decision alone for comparing
 * a replay. The names are an interface (docs: audit). Called by audit.c and serve. */
#include "governor/audit/audit.h"

#include <errno.h>
#include <math.h>

#include "governor/audit/json.h"
#include "governor/guard/guard.h"

static const char *const mode_names[] = { [MG_MODE_OFF] = "off", [MG_MODE_DRY_RUN] = "dry-run", [MG_MODE_ENFORCE] = "enforce" };

static const char *const outcome_names[] = {
	[MG_OUTCOME_PENDING] = "pending", [MG_OUTCOME_DRY] = "dry-run", [MG_OUTCOME_VETOED] = "vetoed",
	[MG_OUTCOME_DONE] = "done", [MG_OUTCOME_REFUSED] = "refused", [MG_OUTCOME_LOST] = "lost",
};

const char *mg_want_verb(const struct mg_want *w)
{
	switch (w->verb) {
	case MG_VERB_HOLD: break;
	case MG_VERB_SET: return "set";
	case MG_VERB_ACTION: return mg_action_info(w->action)->name;
	case MG_VERB_RESTORE: return "restore";
	}
	return "hold";
}

/* An action has no knob: `to` is how many bytes it may return (null: all), `from` is null. */
static void put_want(struct mg_json *j, const struct mg_want *w)
{
	bool action = w->verb == MG_VERB_ACTION, set = w->verb == MG_VERB_SET, knob = set || w->verb == MG_VERB_RESTORE;

	mg_json_str(j, "verb", mg_want_verb(w));
	if (knob)
		mg_json_str(j, "knob", mg_knob_info(w->knob)->name);
	else
		mg_json_null(j, "knob");
	mg_json_num(j, "from", knob ? w->from : NAN);
	mg_json_num(j, "to", set ? w->to : action ? w->bytes : NAN);
	if (action)
		mg_json_seconds(j, "max_pause_s", w->max_pause_ns);
}

void mg_json_cuts(struct mg_json *j, const char *key, const struct mg_cuts *cuts)
{
	mg_json_open(j, key, '[');
	for (unsigned i = 0; i < cuts->n; i++) {
		mg_json_open(j, NULL, '{');
		mg_json_str(j, "name", mg_guards[cuts->at[i].guard].name);
		mg_json_str(j, "why", cuts->at[i].why);
		mg_json_close(j, '}');
	}
	mg_json_close(j, ']');
}

/* Signals the target never had are left out; one that went stale is null. */
static void put_inputs(struct mg_json *j, const struct mg_record *r)
{
	mg_json_open(j, "inputs", '{');
	for (int i = 0; i < MG_SIG__BUILTIN; i++)
		if (r->sig[i].known || (r->sig[i].age_ns != 0 && r->sig[i].age_ns != MG_NEVER))
			mg_json_num(j, mg_signal_info((enum mg_signal)i)->name, r->sig[i].known ? r->sig[i].v : NAN);
	for (unsigned i = 0; i < r->n_sources && i < MG_RECORD_SOURCES; i++)
		mg_json_num(j, r->source[i].name, r->source[i].v.known ? r->source[i].v.v : NAN);
	mg_json_close(j, '}');
}

static void put_outcome(struct mg_json *j, const struct mg_record *r)
{
	mg_json_open(j, "outcome", '{');
	mg_json_str(j, "state", outcome_names[r->outcome.state]);
	mg_json_num(j, "expected_bytes", r->outcome.expected_bytes);
	mg_json_num(j, "achieved_bytes", r->outcome.achieved_bytes);
	mg_json_open(j, "cost", '{');
	mg_json_seconds(j, "took_s", r->outcome.took_ns);
	mg_json_seconds(j, "longest_pause_s", r->outcome.longest_pause_ns);
	mg_json_num(j, "minflt", r->outcome.minflt);
	mg_json_num(j, "majflt", r->outcome.majflt);
	mg_json_close(j, '}');
	if (r->outcome.text[0] != '\0')
		mg_json_str(j, "text", r->outcome.text);
	mg_json_close(j, '}');
}

static void put_decision(struct mg_json *j, const struct mg_record *r)
{
	mg_json_str(j, "target", r->target);
	mg_json_str(j, "id", r->target_id);
	mg_json_str(j, "rule", r->rule);
	mg_json_str(j, "rule_at", r->rule_at);
	put_want(j, &r->want);
	mg_json_str(j, "why", r->why);
	mg_json_bool(j, "vetoed", r->want.vetoed);
	mg_json_cuts(j, "guards", &r->cuts);
	put_inputs(j, r);
}

int mg_record_json(const struct mg_record *r, char *buf, size_t cap)
{
	struct mg_buf b = mg_buf(buf, cap);
	struct mg_json j = { .b = &b };

	mg_json_open(&j, NULL, '{');
	mg_json_stamp(&j, "ts", r->ts_wall_ns);
	mg_json_u64(&j, "seq", r->seq);
	mg_json_str(&j, "mode", mode_names[r->mode]);
	put_decision(&j, r);
	put_outcome(&j, r);
	mg_json_close(&j, '}');
	return b.full ? -ENOSPC : (int)b.len;
}

int mg_record_decision_json(const struct mg_record *r, char *buf, size_t cap)
{
	struct mg_buf b = mg_buf(buf, cap);
	struct mg_json j = { .b = &b };

	mg_json_open(&j, NULL, '{');
	put_decision(&j, r);
	mg_json_close(&j, '}');
	return b.full ? -ENOSPC : (int)b.len;
}
