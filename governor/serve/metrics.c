/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the counters of engine, control socket, sources, audit and the process itself, gives Prometheus text 0.0.4. One
 * row per family; its emitter writes the samples. Labels are a target's policy name and id, and names from the policy
 * file: nothing a target says of itself becomes a label's name, and the number of targets is capped. Called by http.c. */
#include "governor/serve/pages.h"

#include <dirent.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

struct family;

struct page {
	struct mg_buf *b;
	const struct mg_request *q;
	const struct mg_engine *e;
	const struct family *f;
};

struct family {
	const char *name, *type, *help;
	void (*emit)(const struct page *p);
	size_t at;      /* what the emitter reads: an offset into its struct, or a signal */
	double scale;   /* 0: as it is */
};

/* ---- one sample ---- */

/* Text 0.0.4 knows the escapes \\ \" and \n only and wants UTF-8: other bytes outside printable ASCII become \\xNN. */
static void put_label_value(struct mg_buf *b, const char *z)
{
	for (const unsigned char *s = (const unsigned char *)z; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			mg_buf_printf(b, "\\%c", *s);
		else if (*s == '\n')
			mg_buf_put(b, "\\n", 2);
		else if (*s < 0x20 || *s >= 0x7f)
			mg_buf_printf(b, "\\\\x%02x", *s);
		else
			mg_buf_put(b, (const char *)s, 1);
	}
}

struct label { const char *name, *value; };

static void put_labels(struct mg_buf *b, const struct label *l)
{
	const char *before = "{";

	for (; l->name; l++) {
		mg_buf_printf(b, "%s%s=\"", before, l->name);
		put_label_value(b, l->value);
		mg_buf_put(b, "\"", 1);
		before = ",";
	}
	if (*before == ',')
		mg_buf_put(b, "}", 1);
}

static void put_value(struct mg_buf *b, double v)
{
	if (v == floor(v) && fabs(v) < 9007199254740992.0)
		mg_buf_printf(b, " %.0f\n", v);
	else if (isinf(v))
		mg_buf_printf(b, " %sInf\n", v > 0 ? "+" : "-");
	else
		mg_buf_printf(b, " %.12g\n", v);
}

/* A value that is not known has no sample. */
static void sample(const struct page *p, double v, const struct label *labels)
{
	if (isnan(v))
		return;
	mg_buf_printf(p->b, "%s", p->f->name);
	put_labels(p->b, labels);
	put_value(p->b, p->f->scale != 0 ? v * p->f->scale : v);
}

#define LABELS(...) ((const struct label[]){ __VA_ARGS__, { 0 } })
static const struct label no_labels[] = { { 0 } };

/* ---- the governor ---- */

static double read_u64(const void *base, size_t at)
{
	uint64_t v;

	memcpy(&v, (const char *)base + at, sizeof v);
	return (double)v;
}

static void emit_engine(const struct page *p)
{
	sample(p, read_u64(&p->e->stats, p->f->at), no_labels);
}

/* at_ns: of the loop's clock; shown as seconds since 1970. */
static void emit_wall(const struct page *p, uint64_t at_ns)
{
	sample(p, (double)(p->q->wall_ns - (p->q->now_ns - at_ns)), no_labels);
}

static void emit_config_time(const struct page *p)
{
	emit_wall(p, p->e->stats.config_ns);
}

static void emit_build(const struct page *p)
{
	sample(p, 1, LABELS({ "version", MG_VERSION }));
}

static void emit_config_info(const struct page *p)
{
	sample(p, 1, LABELS({ "hash", p->e->config->hash }, { "mode", mg_mode_name(mg_engine_mode(p->e, NULL, NULL)) }));
}

static void emit_reload_ok(const struct page *p)
{
	sample(p, p->e->last_reload_error[0] == '\0', no_labels);
}

static void emit_paused(const struct page *p)
{
	sample(p, p->e->paused || p->e->off_file, no_labels);
}

static void emit_targets(const struct page *p)
{
	unsigned governed = 0, watched = 0;

	for (const struct mg_target *t = p->e->targets; t; t = t->next)
		*(t->spec ? &governed : &watched) += 1;
	sample(p, governed, LABELS({ "state", "governed" }));
	sample(p, watched, LABELS({ "state", "watched" }));
}

static void emit_left_out(const struct page *p)
{
	sample(p, p->e->n_targets > MG_MAX_SERVED_TARGETS ? p->e->n_targets - MG_MAX_SERVED_TARGETS : 0, no_labels);
}

static void emit_decisions(const struct page *p)
{
	const struct mg_audit_stats *s = p->e->audit ? mg_audit_stats(p->e->audit) : NULL;

	for (unsigned i = 0; s && i < s->n_counts; i++)
		sample(p, (double)s->count[i].n, LABELS({ "target", s->count[i].target }, { "rule", s->count[i].rule },
			{ "verb", s->count[i].verb }, { "mode", mg_mode_name(s->count[i].mode) }));
}

static void emit_cuts(const struct page *p)
{
	const struct mg_audit_stats *s = p->e->audit ? mg_audit_stats(p->e->audit) : NULL;

	for (unsigned i = 0; s && i < MG_MAX_GUARDS && mg_guards[i].name; i++)
		sample(p, (double)s->cuts[i], LABELS({ "guard", mg_guards[i].name }));
}

static void emit_audit_dropped(const struct page *p)
{
	const struct mg_writer *w = p->q->ctx->audit_writer;

	sample(p, w ? (double)mg_writer_dropped(w) : 0, no_labels);
}

static void emit_audit_errors(const struct page *p)
{
	const struct mg_writer *w = p->q->ctx->audit_writer;

	sample(p, w ? (double)mg_writer_errors(w) : 0, no_labels);
}

/* ---- control socket and sources ---- */

static void emit_control(const struct page *p)
{
	struct mg_control_stats s;

	if (!p->q->ctx->control)
		return;
	mg_control_stats(p->q->ctx->control, &s);
	sample(p, read_u64(&s, p->f->at), no_labels);
}

static void emit_peers(const struct page *p)
{
	struct mg_control_stats s;

	if (!p->q->ctx->control)
		return;
	mg_control_stats(p->q->ctx->control, &s);
	sample(p, s.peers, no_labels);
}

static void each_source(const struct page *p, double (*read)(const struct page *p, const struct mg_source_stats *s))
{
	struct mg_source_stats s;

	const struct mg_sources *all = p->q->ctx->sources ? *p->q->ctx->sources : NULL;

	for (unsigned i = 0; all && i < p->e->config->n_sources; i++) {
		mg_sources_stats(all, i, &s);
		sample(p, read(p, &s), LABELS({ "source", p->e->config->sources[i].name }));
	}
}

static double source_counter(const struct page *p, const struct mg_source_stats *s)
{
	return read_u64(s, p->f->at);
}

static double source_up(const struct page *p, const struct mg_source_stats *s)
{
	(void)p;
	return s->last_ok_ns != 0 && s->last_error[0] == '\0';
}

static double source_age(const struct page *p, const struct mg_source_stats *s)
{
	return s->last_ok_ns != 0 ? (double)(p->q->now_ns - s->last_ok_ns) : NAN;
}

static void emit_source_counter(const struct page *p)
{
	each_source(p, source_counter);
}

static void emit_source_up(const struct page *p)
{
	each_source(p, source_up);
}

static void emit_source_age(const struct page *p)
{
	each_source(p, source_age);
}

/* ---- targets ---- */

#define TARGET_LABELS(t) { "target", (t)->name }, { "id", (t)->id }

static void each_target(const struct page *p, double (*read)(const struct page *p, const struct mg_target *t))
{
	unsigned n = 0;

	for (const struct mg_target *t = p->e->targets; t && n < MG_MAX_SERVED_TARGETS; t = t->next, n++)
		sample(p, read(p, t), LABELS(TARGET_LABELS(t)));
}

static double target_signal(const struct page *p, const struct mg_target *t)
{
	struct mg_value v = mg_sample_read(&t->sig[p->f->at], p->q->now_ns);

	return v.known ? v.v : NAN;
}

static double target_counter(const struct page *p, const struct mg_target *t)
{
	return read_u64(&t->stats, p->f->at);
}

static double target_bytes(const struct page *p, const struct mg_target *t)
{
	double v;

	memcpy(&v, (const char *)&t->stats + p->f->at, sizeof v);
	return v;
}

static double target_flag(const struct page *p, const struct mg_target *t)
{
	bool v;

	memcpy(&v, (const char *)t + p->f->at, sizeof v);
	return v;
}

static double target_restore_pending(const struct page *p, const struct mg_target *t)
{
	(void)p;
	return t->restore_pending != 0;
}

static double target_report_age(const struct page *p, const struct mg_target *t)
{
	return t->seen_report ? (double)(p->q->now_ns - t->report_ns) : NAN;
}

#define EMIT_TARGET(what) \
	static void emit_target_##what(const struct page *p) { each_target(p, target_##what); }
EMIT_TARGET(signal)
EMIT_TARGET(counter)
EMIT_TARGET(bytes)
EMIT_TARGET(flag)
EMIT_TARGET(restore_pending)
EMIT_TARGET(report_age)

static void emit_target_info(const struct page *p)
{
	unsigned n = 0;

	for (const struct mg_target *t = p->e->targets; t && n < MG_MAX_SERVED_TARGETS; t = t->next, n++)
		sample(p, 1,
		       LABELS(TARGET_LABELS(t), { "runtime", t->runtime }, { "allocator", t->allocator }, { "libc", t->libc }));
}

static void emit_cgroup_info(const struct page *p)
{
	static const char *const versions[] = { "none", "1", "2" };
	unsigned n = 0;

	for (const struct mg_target *t = p->e->targets; t && n < MG_MAX_SERVED_TARGETS; t = t->next, n++)
		sample(p, 1, LABELS(TARGET_LABELS(t), { "source", t->cgroup.source }, { "scope", t->cgroup.scope },
			{ "version", versions[t->cgroup.version] }));
}

static void each_knob(const struct page *p, struct mg_value (*read)(const struct mg_knob_view *k))
{
	unsigned n = 0;

	for (const struct mg_target *t = p->e->targets; t && n < MG_MAX_SERVED_TARGETS; t = t->next, n++) {
		for (int k = 0; k < MG_KNOB__COUNT; k++) {
			struct mg_value v = read(&t->knob[k]);
			sample(p, t->knob[k].supported && v.known ? v.v : NAN,
			       LABELS(TARGET_LABELS(t), { "knob", mg_knob_info((enum mg_knob)k)->name }));
		}
	}
}

static struct mg_value knob_present(const struct mg_knob_view *k)
{
	return k->present;
}

static struct mg_value knob_baseline(const struct mg_knob_view *k)
{
	return k->baseline;
}

static void emit_knob(const struct page *p)
{
	each_knob(p, knob_present);
}

static void emit_knob_baseline(const struct page *p)
{
	each_knob(p, knob_baseline);
}

/* ---- the process itself ---- */

static void emit_own_rss(const struct page *p)
{
	unsigned long size, resident;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%lu %lu", &size, &resident) == 2)
		sample(p, (double)resident * (double)sysconf(_SC_PAGESIZE), no_labels);
	if (f)
		fclose(f);
}

static void emit_own_cpu(const struct page *p)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u) == 0)
		sample(p,
		       (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6,
		       no_labels);
}

static void emit_own_fds(const struct page *p)
{
	DIR *d = opendir("/proc/self/fd");
	int n = -3; /* `.`, `..` and this directory's own descriptor */

	while (d && readdir(d))
		n++;
	if (d) {
		closedir(d);
		sample(p, n, no_labels);
	}
}

static void emit_own_max_fds(const struct page *p)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0)
		sample(p, (double)l.rlim_cur, no_labels);
}

static void emit_own_start(const struct page *p)
{
	emit_wall(p, p->e->stats.started_ns);
}

/* ---- the table ---- */

#define ENGINE(field)  emit_engine, offsetof(struct mg_engine_stats, field)
#define CONTROL(field) emit_control, offsetof(struct mg_control_stats, field)
#define SOURCE(field)  emit_source_counter, offsetof(struct mg_source_stats, field)
#define TARGET(field)  emit_target_counter, offsetof(struct mg_target_stats, field)
#define TBYTES(field)  emit_target_bytes, offsetof(struct mg_target_stats, field)
#define FLAG(field)    emit_target_flag, offsetof(struct mg_target, field)
#define SIGNAL(id)     emit_target_signal, MG_SIG_##id
#define NS 1e-9

static const struct family families[] = {
	{ "memgov_build_info", "gauge", "The version that runs.", emit_build, 0, 0 },
	{ "memgov_config_info", "gauge", "The policy in force: hash of the file, and its mode.", emit_config_info, 0, 0 },
	{ "memgov_config_last_reload_successful", "gauge",
	  "1 when the last reload succeeded; at 0 the last good policy is kept.", emit_reload_ok, 0, 0 },
	{ "memgov_config_loaded_timestamp_seconds", "gauge",
	  "When the policy in force was loaded, since 1970.", emit_config_time, 0, NS },
	{ "memgov_config_reloads_total", "counter", "Policies loaded anew.", ENGINE(reloads), 0 },
	{ "memgov_config_reload_failures_total", "counter", "Policies refused at a reload.", ENGINE(reload_failures), 0 },
	{ "memgov_paused", "gauge", "1 while everything is paused by the operator or the off file.", emit_paused, 0, 0 },
	{ "memgov_ticks_total", "counter", "Ticks done.", ENGINE(ticks), 0 },
	{ "memgov_late_ticks_total", "counter",
	  "Ticks later than a third of the lease: they tighten nothing.", ENGINE(late_ticks), 0 },
	{ "memgov_tick_lateness_seconds", "gauge",
	  "How much later than planned the last tick came.", ENGINE(tick_lateness_ns), NS },
	{ "memgov_tick_lateness_max_seconds", "gauge", "The latest tick since start.", ENGINE(tick_lateness_max_ns), NS },
	{ "memgov_tick_duration_seconds", "gauge", "What the last tick cost.", ENGINE(tick_cost_ns), NS },
	{ "memgov_decisions_total", "counter",
	  "Decisions recorded, but for vetoed ones; in dry run nothing is sent.", emit_decisions, 0, 0 },
	{ "memgov_guard_cuts_total", "counter", "Decisions a guard cut or vetoed.", emit_cuts, 0, 0 },
	{ "memgov_quarantines_total", "counter",
	  "Executables put to dry run because they died after actions.", ENGINE(quarantines), 0 },
	{ "memgov_crashes_total", "counter", "Targets that ended by a signal soon after an action.", ENGINE(crashes), 0 },
	{ "memgov_audit_dropped_total", "counter",
	  "Audit lines dropped because the file or pipe was too slow.", emit_audit_dropped, 0, 0 },
	{ "memgov_audit_errors_total", "counter", "Failed writes of the audit file.", emit_audit_errors, 0, 0 },
	{ "memgov_targets", "gauge", "Connected processes, by whether a target of the policy matches.", emit_targets, 0, 0 },
	{ "memgov_targets_seen_total", "counter", "Processes that said HELLO since start.", ENGINE(targets_seen), 0 },
	{ "memgov_targets_left_out", "gauge", "Targets past the cap, not shown in memgov_target_*.", emit_left_out, 0, 0 },
	{ "memgov_control_peers", "gauge", "Connections of the control socket.", emit_peers, 0, 0 },
	{ "memgov_control_accepted_total", "counter", "Connections accepted.", CONTROL(accepted), 0 },
	{ "memgov_control_refused_total", "counter",
	  "Peers refused: their uid or gid is not allowed, or a cap is reached.", CONTROL(refused), 0 },
	{ "memgov_control_malformed_total", "counter", "Messages that broke the protocol.", CONTROL(malformed), 0 },
	{ "memgov_control_rights_refused_total", "counter", "Descriptors refused.", CONTROL(rights_refused), 0 },
	{ "memgov_control_banned_total", "counter", "Times a uid was banned for a while.", CONTROL(banned), 0 },
	{ "memgov_control_received_messages_total", "counter", "Messages of targets.", CONTROL(messages), 0 },
	{ "memgov_control_sent_messages_total", "counter", "Messages sent to targets.", CONTROL(sent), 0 },
	{ "memgov_control_dropped_messages_total", "counter",
	  "Messages dropped because a target did not read.", CONTROL(send_dropped), 0 },
	{ "memgov_source_up", "gauge", "1 when the source's last answer was good.", emit_source_up, 0, 0 },
	{ "memgov_source_age_seconds", "gauge", "Time since the source's last good answer.", emit_source_age, 0, NS },
	{ "memgov_source_scrapes_total", "counter", "Times the source was asked.", SOURCE(scrapes), 0 },
	{ "memgov_source_failures_total", "counter", "Times the source did not answer, or not well.", SOURCE(failures), 0 },
	{ "memgov_source_received_bytes_total", "counter", "Bytes read from the source.", SOURCE(bytes), 0 },
	{ "memgov_source_series", "gauge", "Series in the source's last answer.", SOURCE(series), 0 },
	{ "memgov_target_info", "gauge", "What the target is, as it says.", emit_target_info, 0, 0 },
	{ "memgov_target_cgroup_info", "gauge",
	  "Where the target's cgroup is read from, how far up it is seen, and its version.", emit_cgroup_info, 0, 0 },
	{ "memgov_target_rss_bytes", "gauge", "Resident bytes of the process.", SIGNAL(PROC_RSS), 0 },
	{ "memgov_target_usage_bytes", "gauge", "Charge of the target's cgroup.", SIGNAL(CGROUP_USAGE), 0 },
	{ "memgov_target_limit_bytes", "gauge",
	  "The smallest limit of the target's cgroup on the way up.", SIGNAL(CGROUP_LIMIT), 0 },
	{ "memgov_target_headroom_ratio", "gauge", "Share of the limit still free.", SIGNAL(CGROUP_HEADROOM), 0 },
	{ "memgov_target_pressure_some_ratio", "gauge",
	  "Share of the last window in which some task waited for memory.", SIGNAL(PSI_SOME), 0 },
	{ "memgov_target_live_bytes", "gauge", "Bytes the program holds, as its allocator counts them.", SIGNAL(SHIM_LIVE), 0 },
	{ "memgov_target_free_resident_bytes", "gauge",
	  "Bytes freed by the program and still resident.", SIGNAL(SHIM_FREE_RESIDENT), 0 },
	{ "memgov_target_returnable_bytes", "gauge", "Bytes a purge is expected to return.", SIGNAL(SHIM_RETURNABLE), 0 },
	{ "memgov_target_report_age_seconds", "gauge", "Time since the target last reported.", emit_target_report_age, 0, NS },
	{ "memgov_target_knob", "gauge", "A knob's present value, in the knob's unit (memgov list knobs).", emit_knob, 0, 0 },
	{ "memgov_target_knob_baseline", "gauge", "The value the knob had before memgov.", emit_knob_baseline, 0, 0 },
	{ "memgov_target_paused", "gauge", "1 while the target is paused.", FLAG(paused), 0 },
	{ "memgov_target_quarantined", "gauge", "1 while the crash breaker keeps the target in dry run.", FLAG(quarantined), 0 },
	{ "memgov_target_sealed", "gauge", "1 when the target went silent because of a seccomp filter.", FLAG(sealed), 0 },
	{ "memgov_target_restore_pending", "gauge",
	  "1 while a restore waits for the target's runtime.", emit_target_restore_pending, 0, 0 },
	{ "memgov_target_sets_total", "counter", "Knob settings the target was sent.", TARGET(sets), 0 },
	{ "memgov_target_actions_total", "counter", "Actions the target was asked for.", TARGET(actions), 0 },
	{ "memgov_target_vetoes_total", "counter", "Wants that the guards kept back.", TARGET(vetoes), 0 },
	{ "memgov_target_naks_total", "counter", "Commands the target refused.", TARGET(naks), 0 },
	{ "memgov_target_lost_total", "counter", "Commands without an answer.", TARGET(lost), 0 },
	{ "memgov_target_restores_total", "counter", "Times the target was put back to its baseline.", TARGET(restores), 0 },
	{ "memgov_target_bad_samples_total", "counter",
	  "Files of the target that did not parse, and values it cannot have.", TARGET(bad_samples), 0 },
	{ "memgov_target_returned_bytes_total", "counter",
	  "Bytes returned by actions that were asked for.", TBYTES(returned_bytes), 0 },
	{ "memgov_target_shim_purges_total", "counter",
	  "Purges by the soft limit and the pace, inside the target.", TBYTES(shim_purges), 0 },
	{ "memgov_target_shim_purged_bytes_total", "counter", "Bytes these returned.", TBYTES(shim_purged_bytes), 0 },
	{ "memgov_target_longest_pause_seconds", "gauge",
	  "Longest time an action may have kept the program waiting.", TARGET(longest_pause_ns), NS },
	{ "process_resident_memory_bytes", "gauge", "Resident bytes of the governor.", emit_own_rss, 0, 0 },
	{ "process_cpu_seconds_total", "counter", "CPU time of the governor.", emit_own_cpu, 0, 0 },
	{ "process_open_fds", "gauge", "Open descriptors of the governor.", emit_own_fds, 0, 0 },
	{ "process_max_fds", "gauge", "Most descriptors the governor may open.", emit_own_max_fds, 0, 0 },
	{ "process_start_time_seconds", "gauge", "When the governor started, since 1970.", emit_own_start, 0, NS },
};

unsigned mg_page_metrics(const struct mg_request *q, struct mg_buf *b)
{
	struct page p = { .b = b, .q = q, .e = q->ctx->engine };

	for (unsigned i = 0; i < sizeof families / sizeof families[0]; i++) {
		p.f = &families[i];
		mg_buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", p.f->name, p.f->help, p.f->name, p.f->type);
		p.f->emit(&p);
	}
	return 200;
}

bool mg_metric_info(unsigned i, struct mg_metric_info *ret)
{
	if (i >= sizeof families / sizeof families[0])
		return false;
	*ret = (struct mg_metric_info){ families[i].name, families[i].type, families[i].help };
	return true;
}
