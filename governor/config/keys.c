/* SPDX-License-Identifier: Apache-2.0 */
/* Every key of the policy file, one row each, in the order the documents list them. The loader walks these tables, the
 * schema is printed from them; policies bring their own rows (their field tables). Rows are read in this order, so what
 * an expression may name stands before what holds expressions. */
#include "governor/config/keys.h"

/* The kernel takes 107 bytes; the rest is for what is appended (`.admin`, `.lock`, a temporary name). */
#define SOCKET_SIZE 97

static const struct mg_key control_keys[] = {
	{ "socket", &mg_type_path, "/run/memgov/control.sock", "where targets report", .offset = offsetof(struct mg_config, socket),
	  .size = SOCKET_SIZE },
	{ "mode", &mg_type_octal, "0660", "the socket's file mode; others never get in", MG_AT(mg_config, socket_mode) },
	{ "allow_uids", &mg_type_ids, NULL, "users whose processes may report; default: the governor's own and root",
	  MG_AT(mg_config, allow_uids), .count = offsetof(struct mg_config, n_uids) },
	{ "allow_gids", &mg_type_ids, NULL, "groups whose processes may report", MG_AT(mg_config, allow_gids),
	  .count = offsetof(struct mg_config, n_gids) },
	{ "lease", &mg_type_duration, "30s", "how long a setting outlives the governor", MG_AT(mg_config, lease_ns),
	  .min = "3s", .max = "5m" },
	{ 0 },
};

static const struct mg_key serve_keys[] = {
	{ "listen", &mg_type_listen, "127.0.0.1:19464", "ADDR:PORT of /metrics, /healthz and /readyz; off: none",
	  MG_AT(mg_config, listen) },
	{ "admin", &mg_type_admin, NULL, "unix:PATH or ADDR:PORT of the page and /api; default: the control socket's path and .admin",
	  MG_AT(mg_config, admin) },
	{ 0 },
};

static const struct mg_key audit_keys[] = {
	{ "file", &mg_type_path, NULL, "where decisions are recorded, one JSON object a line; default: stderr",
	  MG_AT(mg_config, audit_file) },
	{ "max_size", &mg_type_bytes, "64MiB", "of the record, rotated files included", MG_AT(mg_config, audit_max_bytes),
	  .min = "64KiB", .max = "1TiB" },
	{ 0 },
};

const struct mg_key mg_signal_keys[] = {
	{ "series", &mg_type_text, NULL, "a series of a prometheus source: NAME or NAME{label=\"value\"}",
	  MG_AT(mg_source_signal, query) },
	{ "query", &mg_type_text, NULL, "a PromQL expression of a promql source", MG_AT(mg_source_signal, query) },
	{ "unit", &mg_type_unit, NULL, "what it measures; default: from the metric's suffix", MG_AT(mg_source_signal, unit) },
	{ "kind", &mg_type_kind, NULL, "counter: only its increase means something; default: from the metric's suffix",
	  MG_AT(mg_source_signal, kind) },
	{ 0 },
};

const struct mg_key mg_source_keys[] = {
	{ "prometheus", &mg_type_url, NULL, "URL of a metrics page", MG_AT(mg_source, url) },
	{ "promql", &mg_type_url, NULL, "URL of a Prometheus server that is asked", MG_AT(mg_source, url) },
	{ "every", &mg_type_duration, "15s", "how often", MG_AT(mg_source, every_ns), .min = "100ms", .max = "1h" },
	{ "max_age", &mg_type_duration, NULL, "an older sample is unknown; default: three times `every`", MG_AT(mg_source, max_age_ns),
	  .min = "100ms", .max = "1d" },
	{ "timeout", &mg_type_duration, NULL, "of one request; default: 5s, or `every` where that is shorter",
	  MG_AT(mg_source, timeout_ns), .min = "10ms", .max = "5m" },
	{ "range", &mg_type_duration, NULL, "promql: a range query over this span, its newest point is read; default: an instant query",
	  MG_AT(mg_source, range_ns), .min = "1s", .max = "1d" },
	{ "ca_file", &mg_type_path, NULL, "certificates the server is checked against; default: the system's",
	  MG_AT(mg_source, ca_file) },
	{ "cert_file", &mg_type_path, NULL, "client certificate", MG_AT(mg_source, cert_file) },
	{ "key_file", &mg_type_path, NULL, "the client certificate's key", MG_AT(mg_source, key_file) },
	{ "bearer_token_file", &mg_type_path, NULL, "token sent with every request, over https", MG_AT(mg_source, bearer_token_file) },
	{ "insecure_token", &mg_type_bool, "false", "send the token over http too, to a loopback address",
	  MG_AT(mg_source, insecure_token) },
	{ "allow_link_local", &mg_type_bool, "false", "accept a link-local or metadata address", MG_AT(mg_source, allow_link_local) },
	{ "signals", &mg_type_signals, NULL, "names for rules, each a series (prometheus) or a query (promql)", .keys = mg_signal_keys,
	  .required = true },
	{ 0 },
};

static const struct mg_key match_keys[] = {
	{ "exe", &mg_type_text, NULL, "glob over the executable's base name", MG_AT(mg_match, exe) },
	{ "cmdline", &mg_type_text, NULL, "glob over the command line", MG_AT(mg_match, cmdline) },
	{ "uid", &mg_type_uid, NULL, "the process's user; the only thing here a target cannot claim", MG_AT(mg_match, uid) },
	{ "runtime", &mg_type_text, NULL, "glob over the runtime: go, jvm, python, node, none", MG_AT(mg_match, runtime) },
	{ "allocator", &mg_type_text, NULL, "glob over the allocator: glibc, jemalloc, tcmalloc, mimalloc", MG_AT(mg_match, allocator) },
	{ "label.", &mg_type_label, NULL, "glob over a label of the target", .offset = 0 },
	{ 0 },
};

static const struct mg_key guard_keys[] = {
	{ "cooldown", &mg_type_duration, "15s", "between two changes of one knob, and between two actions",
	  MG_AT(mg_guard_conf, cooldown_ns), .max = "1d" },
	{ "max_step", &mg_type_factor, "2x", "a knob moves by at most this factor at once; targets refuse more than 2x",
	  MG_AT(mg_guard_conf, max_step_ratio), .min = "1.01x", .max = "2x" },
	{ "actions_per_hour", &mg_type_u32, "120", "how many actions at most", MG_AT(mg_guard_conf, actions_per_hour), .max = "3600" },
	{ "stale_hold", &mg_type_duration, "15s", "hold when the target has not reported for this long",
	  MG_AT(mg_guard_conf, stale_hold_ns), .min = "1s", .max = "1h" },
	{ "live_margin", &mg_type_factor, "1.1x", "no limit below this times live; targets refuse less than 1.1x",
	  MG_AT(mg_guard_conf, live_margin_ratio), .min = "1.1x", .max = "10x" },
	{ "slo", &mg_type_slo, NULL, "a condition that must hold; checked and not acted on by this version", .offset = 0 },
	{ 0 },
};

const struct mg_key mg_rule_keys[] = {
	{ "name", &mg_type_name, NULL, "in records and metrics; default: the policy's name", MG_AT(mg_rule, name) },
	{ "policy", &mg_type_policy, NULL, "the algorithm", MG_AT(mg_rule, policy), .required = true },
	{ "mode", &mg_type_mode, "enforce", "no more than this, whatever the file and the target say", MG_AT(mg_rule, mode) },
	{ "step", &mg_type_step, NULL, "largest change at once, by knob", MG_AT(mg_rule, step) },
	{ "irreversible", &mg_type_bool, "false", "accept knobs that cannot be put back", MG_AT(mg_rule, irreversible) },
	{ 0 },
};

const struct mg_key mg_target_keys[] = {
	{ "match", &mg_type_section, NULL, "which processes; the first target that matches wins; default: all",
	  MG_AT(mg_target_spec, match), .keys = match_keys },
	{ "mode", &mg_type_mode, "enforce", "no more than this, whatever the file says", MG_AT(mg_target_spec, mode) },
	{ "bounds", &mg_type_bounds, NULL, "ranges no rule leaves, by knob; a share is of the present limit",
	  MG_AT(mg_target_spec, bounds) },
	{ "guards", &mg_type_section, NULL, "how fast and how often anything may change", MG_AT(mg_target_spec, guards),
	  .keys = guard_keys },
	{ "workers", &mg_type_bool, "false", "govern forked children too", MG_AT(mg_target_spec, workers) },
	{ "rules", &mg_type_rules, NULL, "first to last; the first that sets a knob wins", .offset = 0, .keys = mg_rule_keys },
	{ 0 },
};

const struct mg_key mg_config_keys[] = {
	{ "version", &mg_type_version, NULL, "of the policy file's format", .offset = 0, .required = true },
	{ "mode", &mg_type_mode, "dry-run", "what --enforce lifts; targets and rules only lower it", MG_AT(mg_config, mode) },
	{ "interval", &mg_type_duration, "1s", "the governor's tick", MG_AT(mg_config, interval_ns), .min = "100ms", .max = "1m" },
	{ "control", &mg_type_section, NULL, "the targets' socket", .offset = 0, .keys = control_keys },
	{ "serve", &mg_type_section, NULL, "the governor's HTTP", .offset = 0, .keys = serve_keys },
	{ "audit", &mg_type_section, NULL, "the record of decisions", .offset = 0, .keys = audit_keys },
	{ "sources", &mg_type_sources, NULL, "metrics from outside, beside cgroup, psi, proc and shim, which every target has",
	  .offset = 0, .keys = mg_source_keys },
	{ "targets", &mg_type_targets, NULL, "what is governed, and how", .offset = 0, .keys = mg_target_keys },
	{ 0 },
};
