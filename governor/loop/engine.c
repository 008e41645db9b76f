/* SPDX-License-Identifier: Apache-2.0 */
/* The target registry. Reads HELLO, REPORT, ACK and NAK messages and samples, keeps what each target last said, gives it
 * to the tick (tick.c); called by run.c and by the simulation. A report is a claim: what the kernel says outranks it. */
#include "governor/loop/engine.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "governor/loop/tick.h"
#include "governor/util/str.h"

#define ADOPT_TICKS 2   /* a new governor, or a new target, is watched this many intervals before anything is sent */
#define LIVE_SLACK  1.1 /* live above this times resident is not believed */

const char *mg_mode_name(enum mg_mode m)
{
	static const char *const names[] = {
		[MG_MODE_OFF] = "off", [MG_MODE_DRY_RUN] = "dry-run", [MG_MODE_ENFORCE] = "enforce"
	};

	return names[m];
}

static enum mg_mode least(enum mg_mode a, enum mg_mode b)
{
	return a < b ? a : b;
}

enum mg_mode mg_engine_mode(const struct mg_engine *e, const struct mg_target *t, const struct mg_rule *r)
{
	enum mg_mode m = e->config->mode;

	if (e->enforce_flag)
		m = MG_MODE_ENFORCE;
	if (e->dry_run_flag)
		m = least(m, MG_MODE_DRY_RUN);
	if (t && t->spec)
		m = least(m, t->spec->mode);
	if (r)
		m = least(m, r->mode);
	if (t && t->quarantined)
		m = least(m, MG_MODE_DRY_RUN);
	if (e->paused || e->off_file || (t && (t->paused || t->sealed)))
		m = MG_MODE_OFF;
	return m;
}

void mg_engine_init(struct mg_engine *e, struct mg_config *config, uint64_t now_ns)
{
	*e = (struct mg_engine){ .config = config, .stats.started_ns = now_ns, .stats.config_ns = now_ns };
	for (unsigned i = 0; i < config->n_signals; i++)
		e->source[i].max_age_ns = config->sources[config->signals[i].source].max_age_ns;
}

/* ---- rules of a target ---- */

static void rules_done(struct mg_target *t)
{
	for (unsigned i = 0; t->rules && i < t->spec->n_rules; i++)
		mg_rule_state_done(&t->rules[i].state, t->rules[i].rule);
	free(t->rules);
	t->rules = NULL;
	t->spec = NULL;
	t->wants = 0;
}

static void note_signal(void *ctx, struct mg_signal_ref ref)
{
	struct mg_target *t = ctx;

	if (ref.scope == MG_SCOPE_TARGET)
		t->wants |= 1ULL << ref.id;
}

static int rules_init(struct mg_target *t, const struct mg_target_spec *spec)
{
	t->rules = calloc(spec->n_rules ? spec->n_rules : 1, sizeof *t->rules);
	if (!t->rules)
		return -ENOMEM;
	t->spec = spec;
	for (unsigned i = 0; i < spec->n_rules; i++) {
		const struct mg_rule *r = &spec->rules[i];
		t->rules[i].rule = r;
		t->rules[i].was_holding = true;
		if (mg_rule_state_init(&t->rules[i].state, r) < 0) {
			while (i-- > 0)
				mg_rule_state_done(&t->rules[i].state, t->rules[i].rule);
			free(t->rules);
			t->rules = NULL;
			t->spec = NULL;
			return -ENOMEM;
		}
		for (unsigned k = 0; k < MG_MAX_RULE_EXPR; k++)
			if (r->expr[k])
				mg_expr_signals(r->expr[k], note_signal, t);
		if (r->policy->reads_live)
			t->wants |= 1ULL << MG_SIG_SHIM_LIVE;
	}
	return 0;
}

static bool label_matches(const struct mg_target *t, const char *key, const char *glob)
{
	for (unsigned i = 0; i < t->n_labels; i++)
		if (strcmp(t->label[i].key, key) == 0)
			return mg_glob(glob, t->label[i].value);
	return false;
}

static bool base_matches(const char *glob, const char *path, size_t len)
{
	char name[256];
	const char *slash = memrchr(path, '/', len);
	size_t skip = slash ? (size_t)(slash - path) + 1 : 0;

	return mg_copyn(name, sizeof name, path + skip, len - skip) && mg_glob(glob, name);
}

/* A glob with a slash is over the executable's path, else over its base name, or the name it was started by: Debian's
 * redis-server is a link to another file. */
static bool exe_matches(const struct mg_target *t, const char *glob)
{
	if (*glob == '\0' || strchr(glob, '/'))
		return mg_glob(glob, t->exe);
	return base_matches(glob, t->exe, strlen(t->exe)) || base_matches(glob, t->cmdline, strcspn(t->cmdline, " "));
}

static bool matches(const struct mg_target *t, const struct mg_match *m)
{
	if (!exe_matches(t, m->exe) || !mg_glob(m->cmdline, t->cmdline) || !mg_glob(m->runtime, t->runtime) ||
	    !mg_glob(m->allocator, t->allocator))
		return false;
	if (m->uid >= 0 && (uid_t)m->uid != t->uid)
		return false;
	for (unsigned i = 0; i < m->n_labels; i++)
		if (!label_matches(t, m->label[i].key, m->label[i].value))
			return false;
	return true;
}

int mg_engine_match(struct mg_engine *e, struct mg_target *t)
{
	for (unsigned i = 0; i < e->config->n_targets; i++) {
		const struct mg_target_spec *spec = &e->config->targets[i];
		if (!matches(t, &spec->match))
			continue;
		mg_copy(t->name, sizeof t->name, spec->name);
		return rules_init(t, spec);
	}
	t->name[0] = '\0';
	return 0;
}

int mg_engine_reload(struct mg_engine *e, struct mg_config *config, uint64_t now_ns)
{
	struct mg_config *old = e->config;
	int r = 0;

	for (struct mg_target *t = e->targets; t; t = t->next) {
		mg_tick_gone(e, t); /* commands under way belong to rules that end here */
		rules_done(t);
	}
	e->config = config;
	memset(e->source, 0, sizeof e->source);
	for (unsigned i = 0; i < config->n_signals; i++)
		e->source[i].max_age_ns = config->sources[config->signals[i].source].max_age_ns;
	for (struct mg_target *t = e->targets; t; t = t->next) {
		if (mg_engine_match(e, t) < 0)
			r = -ENOMEM;           /* that target is watched, not governed, until the next reload */
		mg_tick_restore(e, t, now_ns); /* the new rules start from the baseline */
	}
	mg_config_free(old);
	e->stats.reloads++;
	e->stats.config_ns = now_ns;
	return r;
}

/* ---- shares of one cgroup ---- */

static void share_leave(struct mg_engine *e, struct mg_target *t)
{
	if (!t->share || --t->share->n > 0) {
		t->share = NULL;
		return;
	}
	for (struct mg_share **p = &e->shares; *p; p = &(*p)->next)
		if (*p == t->share) {
			*p = t->share->next;
			break;
		}
	free(t->share);
	t->share = NULL;
}

int mg_engine_share(struct mg_engine *e, struct mg_target *t)
{
	struct mg_share *s = e->shares;

	share_leave(e, t);
	if (t->cgroup.version == 0 || t->cgroup.ino == 0)
		return 0;
	for (s = e->shares; s && (s->dev != t->cgroup.dev || s->ino != t->cgroup.ino); s = s->next)
		;
	if (!s) {
		s = calloc(1, sizeof *s);
		if (!s)
			return -ENOMEM;
		s->dev = t->cgroup.dev;
		s->ino = t->cgroup.ino;
		s->next = e->shares;
		e->shares = s;
	}
	s->n++;
	t->share = s;
	return 0;
}

/* ---- samples ---- */

static void feed_rules(struct mg_target *t, struct mg_signal_ref ref, uint64_t at_ns, double value)
{
	for (unsigned i = 0; t->rules && i < t->spec->n_rules; i++)
		mg_rule_feed(t->rules[i].rule, &t->rules[i].state, ref, at_ns, value);
}

void mg_engine_sample(struct mg_engine *e, struct mg_target *t, enum mg_signal signal, double value, uint64_t at_ns)
{
	(void)e;
	t->sig[signal].value = value;
	t->sig[signal].at_ns = at_ns;
	t->stats.samples++;
	if (t->wants & 1ULL << signal)
		feed_rules(t, (struct mg_signal_ref){ MG_SCOPE_TARGET, (uint16_t)signal }, at_ns, value);
	if (signal == MG_SIG_CGROUP_EVENTS_OOM_KILL && value > t->oom_kills)
		t->oom_kill_ns = at_ns;
	if (signal == MG_SIG_CGROUP_EVENTS_OOM_KILL && !isnan(value))
		t->oom_kills = value;
}

void mg_engine_source_sample(struct mg_engine *e, uint16_t id, double value, uint64_t at_ns)
{
	if (id >= e->config->n_signals)
		return;
	e->source[id].value = value;
	e->source[id].at_ns = at_ns;
	for (struct mg_target *t = e->targets; t; t = t->next)
		feed_rules(t, (struct mg_signal_ref){ MG_SCOPE_SOURCE, id }, at_ns, value);
}

/* ---- what a target says ---- */

/* Calls f for each item of a comma-separated value. */
static void each_item(const char *list, void (*f)(struct mg_target *t, const char *item, size_t len), struct mg_target *t)
{
	while (*list != '\0') {
		size_t len = strcspn(list, ",");
		if (len > 0)
			f(t, list, len);
		list += len + (list[len] == ',');
	}
}

static void knob_item(struct mg_target *t, const char *item, size_t len)
{
	static const char *const restores[] = {
		[MG_RESTORE_EXACT] = "exact", [MG_RESTORE_DEFAULT] = "default", [MG_RESTORE_NONE] = "none"
	};
	const char *colon = memchr(item, ':', len);
	size_t name = colon ? (size_t)(colon - item) : len;
	int k = mg_knob_find(item, name);

	if (k < 0)
		return; /* a knob of a later version */
	t->knob[k].supported = true;
	t->knob[k].restore = MG_RESTORE_NONE;
	for (unsigned i = 0; colon && i < 3; i++)
		if (mg_equal(colon + 1, len - name - 1, restores[i]))
			t->knob[k].restore = (enum mg_restore)i;
}

static void action_item(struct mg_target *t, const char *item, size_t len)
{
	int a = mg_action_find(item, len);

	if (a >= 0)
		t->action[a] = true;
}

static void contended_item(struct mg_target *t, const char *item, size_t len)
{
	int k = mg_knob_find(item, len);

	if (k >= 0)
		t->contended |= 1U << k;
}

static void pending_item(struct mg_target *t, const char *item, size_t len)
{
	int k = mg_knob_find(item, len);

	if (k >= 0)
		t->restore_pending |= 1U << k;
}

/* A knob's value from the wire (decay in milliseconds) in the knob's unit; `max` and what cannot be read are unknown. */
static bool wire_knob(const struct mg_wire_msg *m, const char *prefix, enum mg_knob k, struct mg_value *ret)
{
	char key[64];
	uint64_t v;
	struct mg_buf b = mg_buf(key, sizeof key);

	mg_buf_printf(&b, "%s%s", prefix, mg_knob_info(k)->name);
	int r = mg_wire_u64(m, key, &v);
	if (r == -ENOENT)
		return false;
	*ret = r < 0 || v == UINT64_MAX ? mg_unknown_value() : mg_known_value((double)v / (k == MG_KNOB_DECAY ? 1000.0 : 1.0));
	return true;
}

static void read_knobs(struct mg_target *t, const struct mg_wire_msg *m)
{
	for (unsigned k = 0; k < MG_KNOB__COUNT; k++) {
		wire_knob(m, "knob.", (enum mg_knob)k, &t->knob[k].present);
		wire_knob(m, "baseline.", (enum mg_knob)k, &t->knob[k].baseline);
	}
}

static bool differs_from_baseline(const struct mg_target *t)
{
	for (unsigned k = 0; k < MG_KNOB__COUNT; k++) {
		const struct mg_knob_view *v = &t->knob[k];
		if (v->supported &&
		    (v->present.known != v->baseline.known || (v->present.known && v->present.v != v->baseline.v)))
			return true;
	}
	return false;
}

static void read_labels(struct mg_target *t, const struct mg_wire_msg *m)
{
	for (unsigned i = 0; i < m->n && t->n_labels < MG_MAX_LABELS; i++) {
		const struct mg_wire_key *k = &m->key[i];
		if (k->key_len <= 6 || memcmp(k->key, "label.", 6) != 0 || k->key_len - 6U >= sizeof t->label[0].key)
			continue;
		mg_copyn(t->label[t->n_labels].key, sizeof t->label[0].key, k->key + 6, k->key_len - 6U);
		if (mg_wire_unescape(k, t->label[t->n_labels].value, sizeof t->label[0].value) >= 0)
			t->n_labels++;
	}
}

static void read_list(struct mg_target *t, const struct mg_wire_msg *m, const char *key,
		      void (*f)(struct mg_target *t, const char *item, size_t len))
{
	char list[512];

	if (mg_wire_str(m, key, list, sizeof list) > 0)
		each_item(list, f, t);
}

static void read_str(const struct mg_wire_msg *m, const char *key, char *out, size_t cap, const char *fallback)
{
	if (mg_wire_str(m, key, out, cap) < 0)
		mg_copy(out, cap, fallback);
}

static void read_hello(struct mg_target *t, const struct mg_wire_msg *m)
{
	read_str(m, "exe", t->exe, sizeof t->exe, "unknown");
	read_str(m, "cmdline", t->cmdline, sizeof t->cmdline, "");
	read_str(m, "runtime", t->runtime, sizeof t->runtime, "unknown");
	read_str(m, "allocator", t->allocator, sizeof t->allocator, "unknown");
	read_str(m, "libc", t->libc, sizeof t->libc, "unknown");
	read_str(m, "scope", t->scope, sizeof t->scope, "own");
	if (mg_wire_u64(m, "page_size", &t->page_size) < 0)
		t->page_size = 4096;
	read_labels(t, m);
	read_list(t, m, "knobs", knob_item);
	read_list(t, m, "actions", action_item);
	read_knobs(t, m);
}

struct mg_target *mg_engine_hello(struct mg_engine *e, const struct mg_wire_msg *m, uint64_t now_ns)
{
	struct mg_target *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	mg_cgroup_init(&t->cgroup);
	mg_proc_init(&t->proc);
	read_str(m, "id", t->id, sizeof t->id, "");
	read_hello(t, m);
	for (unsigned i = 0; i < MG_SIG__BUILTIN; i++)
		t->sig[i] = (struct mg_sample){ .value = NAN, .max_age_ns = mg_signal_info((enum mg_signal)i)->max_age_ns };
	t->seen_ns = t->report_ns = t->renewed_ns = now_ns;
	t->pidfd = -1;
	t->share_ratio = 1;
	t->leased = t->enforced = differs_from_baseline(
		t); /* an earlier governor's settings: kept alive while this one watches */
	t->act = &mg_act_null;
	t->next = e->targets;
	e->targets = t;
	e->n_targets++;
	e->stats.targets_seen++;
	return t;
}

void mg_engine_gone(struct mg_engine *e, struct mg_target *t)
{
	for (struct mg_target **p = &e->targets; *p; p = &(*p)->next)
		if (*p == t) {
			*p = t->next;
			e->n_targets--;
			break;
		}
	mg_tick_gone(e, t);
	share_leave(e, t);
	rules_done(t);
	mg_cgroup_close(&t->cgroup);
	mg_proc_close(&t->proc);
	if (t->pidfd >= 0)
		close(t->pidfd);
	free(t);
}

void mg_engine_done(struct mg_engine *e)
{
	while (e->targets)
		mg_engine_gone(e, e->targets);
	e->config = mg_config_free(e->config);
}

static const struct {
	const char *key;
	enum mg_signal signal;
	double scale;
} report_keys[] = {
	{ "resident", MG_SIG_SHIM_RESIDENT, 1 },        { "free_resident", MG_SIG_SHIM_FREE_RESIDENT, 1 },
	{ "returnable", MG_SIG_SHIM_RETURNABLE, 1 },    { "alloc_rate", MG_SIG_SHIM_ALLOC_RATE, 1 },
	{ "heap.live", MG_SIG_HEAP_LIVE, 1 },           { "heap.goal", MG_SIG_HEAP_GOAL, 1 },
	{ "heap.committed", MG_SIG_HEAP_COMMITTED, 1 }, { "heap.released", MG_SIG_HEAP_RELEASED, 1 },
	{ "heap.gc_cpu", MG_SIG_HEAP_GC_CPU, 1e-6 }, /* parts per million on the wire */
	{ "heap.limit", MG_SIG_HEAP_LIMIT, 1 },         { "heap.gc_percent", MG_SIG_HEAP_GC_PERCENT, 1 },
};

/* live <= resident by the kernel's word, else it is not believed: unknown, and the rules that need it hold. */
static void sample_live(struct mg_engine *e, struct mg_target *t, const struct mg_wire_msg *m, uint64_t now_ns)
{
	uint64_t live, age_ms = 0;

	if (mg_wire_u64(m, "live", &live) < 0)
		return;
	if (mg_wire_u64(m, "live_age_ms", &age_ms) < 0 || age_ms > now_ns / MG_NS_PER_MS)
		age_ms = 0;
	struct mg_value rss = mg_sample_read(&t->sig[MG_SIG_PROC_RSS], now_ns);
	bool believed = !rss.known || (double)live <= rss.v * LIVE_SLACK;
	t->stats.bad_samples += !believed;
	mg_engine_sample(e, t, MG_SIG_SHIM_LIVE, believed ? (double)live : NAN, now_ns - age_ms * MG_NS_PER_MS);
}

/* A value that the target no longer knows is unknown at once: what it said before is not kept until it is too old. */
static void sample_key(struct mg_engine *e, struct mg_target *t, const struct mg_wire_msg *m, unsigned i, uint64_t now_ns)
{
	uint64_t v;
	int r = mg_wire_u64(m, report_keys[i].key, &v);

	if (r == -ENODATA || (r == 0 && v == UINT64_MAX))
		mg_engine_sample(e, t, report_keys[i].signal, NAN, now_ns);
	else if (r == 0)
		mg_engine_sample(e, t, report_keys[i].signal, (double)v * report_keys[i].scale, now_ns);
}

static void take_report(struct mg_engine *e, struct mg_target *t, const struct mg_wire_msg *m, uint64_t now_ns)
{
	uint64_t v;

	t->report_ns = now_ns;
	t->seen_report = true;
	for (unsigned i = 0; i < sizeof report_keys / sizeof report_keys[0]; i++)
		sample_key(e, t, m, i, now_ns);
	sample_live(e, t, m, now_ns);
	read_knobs(t, m);
	t->contended = t->restore_pending = 0;
	read_list(t, m, "contended", contended_item);
	read_list(t, m, "pending", pending_item);
	t->sealed = mg_wire_u64(m, "sealed", &v) == 0 && v == 1;
	t->cow = mg_wire_u64(m, "cow", &v) == 0 && v == 1;
	if (mg_wire_u64(m, "purges", &v) == 0)
		t->stats.shim_purges = (double)v;
	if (mg_wire_u64(m, "purged_bytes", &v) == 0)
		t->stats.shim_purged_bytes = (double)v;
	if (mg_wire_u64(m, "longest_pause_us", &v) == 0)
		t->stats.longest_pause_ns = v * 1000;
}

void mg_engine_message(struct mg_engine *e, struct mg_target *t, const struct mg_wire_msg *m, uint64_t now_ns)
{
	if (m->verb == MG_WIRE_REPORT)
		take_report(e, t, m, now_ns);
	else if (m->verb == MG_WIRE_ACK || m->verb == MG_WIRE_NAK)
		mg_tick_answer(e, t, m, now_ns);
	if (m->verb == MG_WIRE_ACK)
		read_knobs(t, m);
}

/* ---- the operator ---- */

void mg_engine_pause(struct mg_engine *e, struct mg_target *t, bool paused, uint64_t now_ns)
{
	if (t)
		t->paused = paused;
	else
		e->paused = paused;
	for (struct mg_target *i = e->targets; paused && i; i = i->next)
		if (!t || i == t)
			mg_tick_restore(e, i, now_ns);
}

void mg_engine_restore_all(struct mg_engine *e, uint64_t now_ns)
{
	for (struct mg_target *t = e->targets; t; t = t->next)
		mg_tick_restore(e, t, now_ns);
}

struct mg_target *mg_engine_find(struct mg_engine *e, const char *name_or_id)
{
	for (struct mg_target *t = e->targets; t; t = t->next)
		if (strcmp(t->id, name_or_id) == 0)
			return t;
	for (struct mg_target *t = e->targets; t; t = t->next)
		if (strcmp(t->name, name_or_id) == 0 || strcmp(t->exe, name_or_id) == 0)
			return t;
	return NULL;
}

bool mg_engine_watching(const struct mg_engine *e, const struct mg_target *t, uint64_t now_ns)
{
	return !t->seen_report || now_ns - t->seen_ns < ADOPT_TICKS * e->config->interval_ns;
}
