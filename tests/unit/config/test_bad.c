/* SPDX-License-Identifier: Apache-2.0 */
/* Every way a policy file can be wrong: a row is a text, where the finding stands, and how it starts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "governor/config/config.h"
#include "tests/check.h"

#define V "version: 1\n"
#define TARGET V "targets:\n  a:\n"                    /* the next line is 4 */
#define RULE TARGET "    rules:\n      - "             /* the rule starts at 5:9 */
#define SOURCE V "sources:\n  app:\n"                  /* the next line is 4 */
#define URL SOURCE "    prometheus: http://h/m\n"      /* the next line is 5 */
#define HOLD "targets: { a: { rules: [ { policy: hold } ] } }\n"

static struct mg_findings f;

struct row {
	const char *yaml;
	unsigned line, column;
	const char *text; /* the finding's start */
};

static bool found(const struct row *row, enum mg_severity severity)
{
	for (unsigned i = 0; i < f.n; i++)
		if (f.at[i].severity == severity && f.at[i].line == row->line && f.at[i].column == row->column &&
		    strncmp(f.at[i].text, row->text, strlen(row->text)) == 0)
			return true;
	return false;
}

static void show_findings(void)
{
	for (unsigned i = 0; i < f.n; i++)
		fprintf(stderr, "  %u:%u: %s\n", f.at[i].line, f.at[i].column, f.at[i].text);
}

/* One error, and nothing else wrong. */
static void check_errors(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct mg_config *c = NULL;
		int r = mg_config_parse("p.yaml", rows[i].yaml, strlen(rows[i].yaml), &c, &f);
		if (!found(&rows[i], MG_SEV_ERROR) || f.errors != 1)
			show_findings();
		check(r == -EINVAL && !c, "refused and nothing returned, not %d:\n%s", r, rows[i].yaml);
		check(found(&rows[i], MG_SEV_ERROR), "%u:%u: `%s` is found in\n%s", rows[i].line, rows[i].column, rows[i].text, rows[i].yaml);
		check(f.errors == 1, "one mistake is one error, not %u, in\n%s", f.errors, rows[i].yaml);
	}
}
#define CHECK_ERRORS(rows) check_errors(rows, sizeof(rows) / sizeof(rows)[0])

static void test_not_yaml(void **state)
{
	static const struct row rows[] = {
		{ "", 1, 1, "the file is empty" },
		{ "# nothing\n", 2, 1, "the file is empty" },
		{ V "mode: [\n", 3, 1, "not YAML: did not find expected node content" },
		{ V "\tmode: off\n", 2, 1, "not YAML: found a tab character that violates indentation" },
		{ V "mode: 'off\n", 3, 1, "not YAML: found unexpected end of stream" },
		{ V "mode: off\n interval: 1s\n", 3, 10, "not YAML: mapping values are not allowed in this context" },
		{ V "mode: @x\n", 2, 7, "not YAML: found character that cannot start any token" },
		{ V "mode: \"\\q\"\n", 2, 8, "not YAML: found unknown escape character" },
		{ V "mode: \xff\n", 2, 7, "not YAML: invalid leading UTF-8 octet" },
		{ V "# \xc3\xa9\xc3\xa9\nmode: \xc3", 3, 7, "not YAML: incomplete UTF-8 octet sequence" },
		{ V "# \xc3\xa9\xc3\xa9 \xed\xa0\x80\n", 2, 6, "not YAML: invalid Unicode character" },
		{ V "# \xc2\x85mode: \x01\n", 3, 7, "not YAML: control characters are not allowed" },
		{ "\xff\xfev\0", 1, 1, "not UTF-8: save the file as UTF-8" },
		{ "\xfe\xff", 1, 1, "not UTF-8: save the file as UTF-8" },
		{ V "---\n" V, 2, 1, "a second document" },
		{ V HOLD "...\n---\nmode: off\n", 4, 1, "a second document" },
		{ "%TAG !x! tag:x,2000:\n---\n" V HOLD, 1, 1, "tags are not accepted: remove %TAG" },
		{ "- version: 1\n", 1, 1, "`the file` must be a map, not a list" },
		{ "version\n", 1, 1, "`the file` must be a map, not a single value" },
	};

	(void)state;
	CHECK_ERRORS(rows);
}

static void test_not_for_policy_files(void **state)
{
	static const struct row rows[] = {
		{ V HOLD "mode: &m off\n", 3, 7, "anchors are not accepted" },
		{ V HOLD "mode: *m\n", 3, 7, "aliases are not accepted" },
		{ V HOLD "mode: !!str off\n", 3, 7, "tags are not accepted" },
		{ V HOLD "control: &c { lease: 30s }\n", 3, 10, "anchors are not accepted" },
		{ V HOLD "control: { allow_uids: !x [ 1 ] }\n", 3, 24, "tags are not accepted" },
		{ V HOLD "mode: off\nmode: enforce\n", 4, 1, "`mode` is given twice, first on line 3" },
		{ V "targets:\n  a: { rules: [ { policy: hold } ] }\n  a: { rules: [ { policy: hold } ] }\n", 4, 3,
		  "`a` is given twice, first on line 3" },
		{ V HOLD "? [ mode ]\n: off\n", 3, 3, "a key must be one word" },
		{ V HOLD "? *a\n: off\n", 3, 3, "aliases are not accepted" },
		{ V HOLD "mode: \"o\\0ff\"\n", 3, 7, "a control character in a text" },
		{ V HOLD "mode: \"\\x1b[31moff\"\n", 3, 7, "a control character in a text" },
		{ V HOLD "mode: \"\\x9boff\"\n", 3, 7, "a control character in a text" },
		{ V HOLD "mode: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n", 3, 22, "nested too deeply" },
	};

	(void)state;
	CHECK_ERRORS(rows);
}

static void test_top_level(void **state)
{
	static const struct row rows[] = {
		{ HOLD, 1, 1, "`version` is missing" },
		{ "version: 2\n" HOLD, 1, 10, "`version` is 2: this memgov reads version 1" },
		{ "version:\n" HOLD, 1, 9, "`version` has no value" },
		{ V HOLD "moed: off\n", 3, 1, "unknown key `moed`: did you mean `mode`?" },
		{ V HOLD "zebra: off\n", 3, 1, "unknown key `zebra`: there is version, mode, interval, control" },
		{ V HOLD "mode: enfroce\n", 3, 7, "`mode` cannot be `enfroce`: did you mean `enforce`?" },
		{ V HOLD "mode: canary\n", 3, 7, "`mode` cannot be `canary`: there is off, dry-run, enforce" },
		{ V HOLD "mode: [ off ]\n", 3, 7, "`mode` must be a single value, not a list" },
		{ V HOLD "interval: 5\n", 3, 11, "`interval`: `5` is not a duration with its unit" },
		{ V HOLD "interval: 5 parsecs\n", 3, 11, "`interval`: `5 parsecs` is not a duration" },
		{ V HOLD "interval: 1ms\n", 3, 11, "`interval` must be at least 100ms and at most 1m, not 1ms" },
		{ V HOLD "interval: 2m\n", 3, 11, "`interval` must be at least 100ms and at most 1m, not 2m" },
		{ V HOLD "interval: -1s\n", 3, 11, "`interval`: `-1s` is not a duration" },
		{ V HOLD "interval: nan\n", 3, 11, "`interval`: `nan` is not a duration" },
		{ V HOLD "interval: 20s\n", 3, 11, "`lease` must be at least three times `interval`" },
		{ V HOLD "interval: 20s\ncontrol: { lease: 45s }\n", 4, 19, "`lease` must be at least three times `interval`" },
	};

	(void)state;
	CHECK_ERRORS(rows);
}

static void test_control_serve_audit(void **state)
{
	static const struct row rows[] = {
		{ V HOLD "control:\n", 3, 1, "`control` has no value: write a map" },
		{ V HOLD "control: { sokcet: /x }\n", 3, 12, "unknown key `sokcet`: did you mean `socket`?" },
		{ V HOLD "control: { socket: run/x }\n", 3, 20, "`socket`: `run/x` is not an absolute path" },
		{ V HOLD "control: { socket: /0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789 }\n",
		  3, 20, "`socket` is longer than 96 bytes" },
		{ V HOLD "control: { mode: 0666 }\n", 3, 18, "`mode`: 0666 lets everyone in" },
		{ V HOLD "control: { mode: 0662 }\n", 3, 18, "`mode`: 0662 lets everyone in" },
		{ V HOLD "control: { mode: 4660 }\n", 3, 18, "`mode`: 4660 lets everyone in" },
		{ V HOLD "control: { mode: rw }\n", 3, 18, "`mode`: `rw` is not an octal file mode" },
		{ V HOLD "control: { allow_uids: 5 }\n", 3, 24, "`allow_uids` must be a list, not a single value" },
		{ V HOLD "control: { allow_uids: [ bob ] }\n", 3, 26, "`allow_uids` holds numeric ids, not `bob`" },
		{ V HOLD "control: { allow_uids: [ -1 ] }\n", 3, 26, "`allow_uids` holds numeric ids, not `-1`" },
		{ V HOLD "control: { allow_uids: [ 4294967295 ] }\n", 3, 26, "`allow_uids` holds numeric ids, not `4294967295`" },
		{ V HOLD "control: { allow_gids: [ 1, 65534 ] }\n", 3, 29, "`allow_gids`: 65534 stands for every id unknown here" },
		{ V HOLD "control: { lease: 1h }\n", 3, 19, "`lease` must be at least 3s and at most 5m, not 1h" },
		{ V HOLD "serve: { listen: 80 }\n", 3, 18, "`listen`: `80` is not ADDR:PORT" },
		{ V HOLD "serve: { listen: localhost:80 }\n", 3, 18, "`listen`: `localhost:80` is not ADDR:PORT" },
		{ V HOLD "serve: { listen: \"::1:80\" }\n", 3, 18, "`listen`: `::1:80` is not ADDR:PORT" },
		{ V HOLD "serve: { listen: \"127.0.0.1:0\" }\n", 3, 18, "`listen`: `127.0.0.1:0` is not ADDR:PORT" },
		{ V HOLD "serve: { listen: \"127.0.0.1:65536\" }\n", 3, 18, "`listen`: `127.0.0.1:65536` is not ADDR:PORT" },
		{ V HOLD "serve: { admin: unix:x }\n", 3, 17, "`admin`: `unix:x` is neither unix:/PATH nor ADDR:PORT" },
		{ V HOLD "audit: { file: stdout }\n", 3, 16, "`file`: `stdout` is not an absolute path" },
		{ V HOLD "audit: { max_size: 1KiB }\n", 3, 20, "`max_size` must be at least 64KiB and at most 1TiB, not 1KiB" },
		{ V HOLD "audit: { max_size: 1KB }\n", 3, 20, "`max_size`: unknown unit `KB`" },
	};

	(void)state;
	CHECK_ERRORS(rows);
}

static void test_sources(void **state)
{
	static const struct row rows[] = {
		{ V HOLD "sources: [ x ]\n", 3, 10, "`sources` must be a map, not a list" },
		{ SOURCE "    signals: { a: b }\n", 3, 3, "source `app` needs `prometheus` or `promql`" },
		{ URL, 3, 3, "`signals` is missing" },
		{ URL "    promql: http://p\n    signals: { a: b }\n", 5, 13, "a source is either `prometheus` or `promql`" },
		{ V "sources:\n  proc: { prometheus: http://h, signals: { a: b } }\n", 3, 3, "`proc` is built in" },
		{ V "sources:\n  a.b: { prometheus: http://h, signals: { a: b } }\n", 3, 3,
		  "source `a.b`: a name has letters, digits and `_`" },
		{ V "sources:\n  1a: { prometheus: http://h, signals: { a: b } }\n", 3, 3, "source `1a`: a name has letters" },
		{ V "sources:\n  app:\n", 3, 3, "`app` has no value: write a map" },
		{ SOURCE "    prometheus: h:80\n    signals: { a: b }\n", 4, 17, "`prometheus`: `h:80` is no http:// or https:// address" },
		{ SOURCE "    prometheus: http://u:p@h/\n    signals: { a: b }\n", 4, 17,
		  "`prometheus`: `http://u:p@h/` holds a user or password" },
		{ SOURCE "    prometheus: http:///m\n    signals: { a: b }\n", 4, 17, "`prometheus`: `http:///m` has no host" },
		{ SOURCE "    prometheus: http://[::1/m\n    signals: { a: b }\n", 4, 17, "`prometheus`: `http://[::1/m` has no host" },
		{ SOURCE "    prometheus: http://%31/m\n    signals: { a: b }\n", 4, 17, "`prometheus`: `http://%31/m` has a `%` in its host" },
		{ SOURCE "    promql: http://h/?x\n    signals: { a: b }\n", 4, 13, "`promql` is the server's address alone" },
		{ URL "    signals: { a: sum(b) }\n", 5, 19, "`sum(b)` is no series" },
		{ URL "    signals: { a: \"b{c=\\\"d\" }\n", 5, 19, "`b{c=\"d` is no series" },
		{ URL "    signals: { a: { query: b } }\n", 5, 28, "a prometheus source has `series`" },
		{ URL "    signals: { a: { } }\n", 5, 19, "a signal needs `series`" },
		{ URL "    signals: { a: [ b ] }\n", 5, 19, "a signal is a series, a query, or a map" },
		{ URL "    signals: { a-b: c }\n", 5, 16, "signal `a-b`: a name has letters" },
		{ URL "    signals: { a: { series: b, unit: byte } }\n", 5, 38, "`unit` cannot be `byte`: did you mean `bytes`?" },
		{ URL "    signals: { a: { series: b, kind: histogram } }\n", 5, 38, "`kind` cannot be `histogram`: there is gauge, counter" },
		{ SOURCE "    promql: http://h\n    signals: { a: { series: b } }\n", 5, 29, "a promql source is asked with `query`" },
		{ URL "    range: 5m\n    signals: { a: b }\n", 5, 12, "`range` is for promql sources" },
		{ URL "    every: 1ms\n    signals: { a: b }\n", 5, 12, "`every` must be at least 100ms" },
	};

	(void)state;
	CHECK_ERRORS(rows);
}

static void test_secrets(void **state)
{
	static const struct row rows[] = {
		{ URL "    bearer_token_file: /t\n    signals: { a: b }\n", 5, 24, "a token goes over https only: http://h/m would show it" },
		{ URL "    bearer_token_file: /t\n    insecure_token: true\n    signals: { a: b }\n", 5, 24,
		  "a token goes over https only: http://h/m" },
		{ SOURCE "    prometheus: http://127.0.0.1/m\n    bearer_token_file: /t\n    signals: { a: b }\n", 5, 24,
		  "a token goes over https only; to send it to loopback as it is, add insecure_token: true" },
		{ URL "    insecure_token: yes\n    signals: { a: b }\n", 5, 21, "`insecure_token` must be true or false, not `yes`" },
		{ SOURCE "    prometheus: https://h/m\n    cert_file: /c\n    signals: { a: b }\n", 5, 16,
		  "`cert_file` and `key_file` come together" },
		{ URL "    ca_file: /c\n    signals: { a: b }\n", 5, 14, "`ca_file` has no effect over http" },
		{ SOURCE "    prometheus: http://169.254.169.254/m\n    signals: { a: b }\n", 4, 17, "169.254.169.254 is a link-local" },
		{ SOURCE "    prometheus: http://0xa9fea9fe/m\n    signals: { a: b }\n", 4, 17, "0xa9fea9fe is a link-local" },
		{ SOURCE "    prometheus: http://2852039166/m\n    signals: { a: b }\n", 4, 17, "2852039166 is a link-local" },
		{ SOURCE "    prometheus: http://[::ffff:169.254.1.1]:80/m\n    signals: { a: b }\n", 4, 17,
		  "::ffff:169.254.1.1 is a link-local" },
		{ SOURCE "    prometheus: http://[fe80::1%25eth0]/m\n    signals: { a: b }\n", 4, 17, "fe80::1 is a link-local" },
		{ SOURCE "    prometheus: http://[fd00:ec2::254]/m\n    signals: { a: b }\n", 4, 17, "fd00:ec2::254 is a link-local" },
		{ SOURCE "    prometheus: http://metadata.google.internal./m\n    signals: { a: b }\n", 4, 17,
		  "metadata.google.internal is a link-local" },
		{ SOURCE "    promql: http://100.100.100.200\n    signals: { a: b }\n", 4, 13, "100.100.100.200 is a link-local" },
	};

	(void)state;
	CHECK_ERRORS(rows);
}

static void test_targets(void **state)
{
	static const struct row rows[] = {
		{ V "targets:\n  a b: { rules: [ { policy: hold } ] }\n", 3, 3, "target `a b`: a name has letters" },
		{ V "targets:\n  -a: { rules: [ { policy: hold } ] }\n", 3, 3, "target `-a`: a name has letters" },
		{ V "targets:\n  a: 5\n", 3, 6, "`a` must be a map, not a single value" },
		{ TARGET "    match: { exee: x }\n    rules: [ { policy: hold } ]\n", 4, 14, "unknown key `exee`: did you mean `exe`?" },
		{ TARGET "    match: { label.: x }\n    rules: [ { policy: hold } ]\n", 4, 14, "unknown key `label.`" },
		{ TARGET "    match: { uid: bob }\n    rules: [ { policy: hold } ]\n", 4, 19, "`uid`: `bob` is not a numeric id" },
		{ TARGET "    bounds: { gc_percnt: 1..2 }\n    rules: [ { policy: hold } ]\n", 4, 15,
		  "unknown knob `gc_percnt`: did you mean `gc_percent`?" },
		{ TARGET "    bounds: { gc_percent: 25 }\n    rules: [ { policy: hold } ]\n", 4, 27, "`gc_percent`: `25` is not a range" },
		{ TARGET "    bounds: { gc_percent: 400..25 }\n    rules: [ { policy: hold } ]\n", 4, 27,
		  "`gc_percent`: the range 400..25 is empty" },
		{ TARGET "    bounds: { gc_percent: 5..25 }\n    rules: [ { policy: hold } ]\n", 4, 27, "`gc_percent` goes from 10 to 10000" },
		{ TARGET "    bounds: { gc_percent: ..25 }\n    rules: [ { policy: hold } ]\n", 4, 27,
		  "`gc_percent`: `` is not a plain number" },
		{ TARGET "    bounds: { memory_limit: 1GiB..120% }\n    rules: [ { policy: hold } ]\n", 4, 29,
		  "`memory_limit`: a share is above 0% and at most 100%" },
		{ TARGET "    bounds: { decay: 10%..5s }\n    rules: [ { policy: hold } ]\n", 4, 22, "`decay` cannot be a share here" },
		{ TARGET "    guards: { max_step: 3x }\n    rules: [ { policy: hold } ]\n", 4, 25,
		  "`max_step` must be at least 1.01x and at most 2x, not 3x" },
		{ TARGET "    guards: { live_margin: 1x }\n    rules: [ { policy: hold } ]\n", 4, 28, "`live_margin` must be at least 1.1x" },
		{ TARGET "    guards: { actions_per_hour: 1.5 }\n    rules: [ { policy: hold } ]\n", 4, 33,
		  "`actions_per_hour`: `1.5` is not a whole number" },
		{ TARGET "    guards: { slo: proc.rss }\n    rules: [ { policy: hold } ]\n", 4, 20, "`slo`: proc.rss is in bytes" },
		{ TARGET "    workers: 1\n    rules: [ { policy: hold } ]\n", 4, 14, "`workers` must be true or false, not `1`" },
		{ TARGET "    rules: { policy: hold }\n", 4, 12, "`rules` must be a list, not a map" },
		{ TARGET "    rules: [ hold ]\n", 4, 14, "a rule is a map, like" },
	};

	(void)state;
	CHECK_ERRORS(rows);
}

static void test_rules(void **state)
{
	static const struct row rows[] = {
		{ RULE "ratio: 0.8\n", 5, 9, "`policy` is missing" },
		{ RULE "policy: treshold\n        when: anything\n", 5, 17, "unknown policy `treshold`: did you mean `threshold`?" },
		{ RULE "policy: zebra\n", 5, 17, "unknown policy `zebra`: there is hold, threshold" },
		{ RULE "policy: hold\n        foo: 1\n", 6, 9, "unknown key `foo`: there is name, policy" },
		{ RULE "policy: hold\n        ratio: 0.8\n", 6, 9, "`ratio` is a key of policy `memory-limit`, not of `hold`" },
		{ RULE "policy: memory-limit\n        ratoi: 0.8\n", 6, 9, "unknown key `ratoi`: did you mean `ratio`?" },
		{ RULE "policy: memory-limit\n        ratio: 1.8\n", 6, 16, "`ratio`: `1.8` is above 1" },
		{ RULE "policy: memory-limit\n        ratio: 0\n", 6, 16, "ratio: 0 is not a share" },
		{ RULE "policy: memory-limit\n        of: cgroup.headroom\n", 6, 13, "`of`: " },
		{ RULE "policy: threshold\n        set: { gc_percent: 50 }\n", 5, 9, "`when` is missing" },
		{ RULE "policy: threshold\n        when: proc.rss > 1GiB\n", 5, 9, "set: the rule changes nothing" },
		{ RULE "policy: threshold\n        when: prc.rss > 1GiB\n        set: { gc_percent: 50 }\n", 6, 15,
		  "`when`: no signal `prc.rss`; did you mean `proc.rss`?" },
		{ RULE "policy: threshold\n        when: \"proc.rss > 1GiB and cgroup.limt > 1GiB\"\n        set: { gc_percent: 50 }\n", 6, 36,
		  "`when`: no signal `cgroup.limt`; did you mean `cgroup.limit`?" },
		{ RULE "policy: threshold\n        when: >\n          proc.rss >\n          1GiBB\n        set: { gc_percent: 50 }\n", 6, 15,
		  "`when`: " },
		{ RULE "policy: threshold\n        when: proc.rss >\n        set: { gc_percent: 50 }\n", 6, 25, "`when`: the expression ends" },
		{ RULE "policy: threshold\n        when: proc.rss > 1GiB\n        set: { gc_percent: 5 }\n", 7, 28,
		  "`gc_percent` goes from 10 to 10000" },
		{ RULE "policy: threshold\n        when: proc.rss > 1GiB\n        set: { decay: 50% }\n", 7, 23,
		  "`decay` cannot be a share here" },
		{ RULE "policy: threshold\n        when: proc.rss > 1GiB\n        do: { purge: {}, gc: {} }\n", 7, 13,
		  "`do` names one action" },
		{ RULE "policy: threshold\n        when: proc.rss > 1GiB\n        do: { prge: {} }\n", 7, 15,
		  "unknown action `prge`: did you mean `purge`?" },
		{ RULE "policy: threshold\n        when: proc.rss > 1GiB\n        do: { purge: { bytes: 0 } }\n", 7, 31,
		  "`bytes`: 0 is nothing to return" },
		{ RULE "policy: threshold\n        when: proc.rss > 1GiB\n        do: { purge: { max_pause: 1m } }\n", 7, 35,
		  "`max_pause` must be at least 1ms and at most 10s" },
		{ RULE "policy: threshold\n        when: proc.rss > 1GiB\n        do: { gc: { bytes: 5 } }\n", 7, 21,
		  "unknown key `bytes`: there is nothing to write here" },
		{ RULE "policy: hold\n        step: { gc_percent: 0 }\n", 6, 29, "`step` of `gc_percent` must be above 0" },
		{ RULE "policy: hold\n      - policy: hold\n", 6, 9, "a second rule `hold` in target `a`: give it another `name`" },
		{ RULE "{ policy: hold, name: x }\n      - { policy: hold, name: x }\n", 6, 31, "a second rule `x` in target `a`" },
		{ RULE "policy: hold\n        name: a b\n", 6, 15, "name `a b`: a name has letters" },
	};

	(void)state;
	CHECK_ERRORS(rows);
}

static void test_warnings(void **state)
{
	static const struct row rows[] = {
		{ V, 1, 1, "no `targets`: nothing is governed" },
		{ V "targets: {}\n", 1, 1, "no `targets`: nothing is governed" },
		{ TARGET "    workers: true\n", 3, 3, "target `a` has no rules" },
		{ V HOLD "serve: { admin: 127.0.0.1:80 }\n", 3, 17, "`admin`: every process of this machine may pause" },
		{ V HOLD "serve: { admin: 10.0.0.1:80 }\n", 3, 17, "`admin`: everyone who reaches this address may pause" },
		{ URL "    signals: { a: b }\n" HOLD, 5, 16, "signal `app.a` is used by no rule" },
		{ URL "    every: 30s\n    max_age: 20s\n    signals: {}\n" HOLD, 6, 14, "`max_age` is shorter than `every`" },
		{ URL "    every: 3s\n    timeout: 4s\n    signals: {}\n" HOLD, 6, 14, "`timeout` is longer than `every`" },
		{ RULE "policy: memory-limit\n        of: proc.rss\n", 6, 13, "`of` follows proc.rss down as memory is given back" },
		{ RULE "policy: memory-limit\n        of: heap.limit\n", 6, 13, "`of` follows heap.limit down" },
		{ TARGET "    guards: { slo: proc.rss < 1GiB }\n    rules: [ { policy: hold } ]\n", 4, 20,
		  "`slo` is checked and not acted on" },
		{ V "targets:\n  a: { rules: [ { policy: hold } ] }\n  b: { match: { exe: x }, rules: [ { policy: hold } ] }\n", 4, 3,
		  "target `b` is never reached: `a` before it" },
		{ V "targets:\n  a: { match: { exe: x }, rules: [ { policy: hold } ] }\n  b: { match: { exe: x }, rules: [ { policy: hold } ] }\n", 4, 3,
		  "target `b` is never reached: `a` before it" },
		{ TARGET "    bounds: { gc_percent: 50..100 }\n    rules:\n      - policy: threshold\n        when: proc.rss > 1GiB\n"
			 "        set: { gc_percent: 25 }\n", 8, 28, "`gc_percent`: 25 is outside the target's bounds" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_config *c = NULL;
		int r = mg_config_parse("p.yaml", rows[i].yaml, strlen(rows[i].yaml), &c, &f);
		c = mg_config_free(c);
		if (!found(&rows[i], MG_SEV_WARNING))
			show_findings();
		check(r == 0, "a warning does not refuse, not %d:\n%s", r, rows[i].yaml);
		check(found(&rows[i], MG_SEV_WARNING), "%u:%u: `%s` is found in\n%s", rows[i].line, rows[i].column, rows[i].text, rows[i].yaml);
		check(f.warnings == 1, "one warning, not %u, for\n%s", f.warnings, rows[i].yaml);
	}
}

/* ---- caps: texts that are made ---- */

static char big[MG_MAX_CONFIG_BYTES + 2];

static void expect_one(size_t len, const char *text, const char *what)
{
	struct mg_config *c = NULL;
	int r = mg_config_parse("p.yaml", big, len, &c, &f);

	check(r == -EINVAL && f.n > 0, "%s: refused, not %d", what, r);
	check(strstr(f.at[0].text, text), "%s: says `%s`, not `%s`", what, text, f.at[0].text);
}

static size_t repeat(const char *start, const char *piece, unsigned n)
{
	size_t at = strlen(start), len = strlen(piece);

	memcpy(big, start, at);
	for (unsigned i = 0; i < n && at + len < sizeof big; i++, at += len)
		memcpy(big + at, piece, len);
	return at;
}

static void test_caps(void **state)
{
	(void)state;
	memset(big, '#', sizeof big);
	expect_one(MG_MAX_CONFIG_BYTES + 1, "larger than", "a file above the cap");
	expect_one(MG_MAX_CONFIG_BYTES, "the file is empty", "a file at the cap is read");
	memset(big, 0, 16);
	expect_one(16, "control characters are not allowed", "NUL bytes");
	expect_one(repeat("a: [", "1,", 1100), "more than 1024 entries", "a long list");
	expect_one(repeat("a: [", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
			  "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],", 1000),
		   "too many values", "many values");
	expect_one(repeat(V "control: { allow_uids: [", "7,", 70), "not YAML", "an open list");
	size_t len = repeat(V HOLD "control: { allow_uids: [", "7,", 70);
	memcpy(big + len, "]}", 2);
	expect_one(len + 2, "`allow_uids` holds at most 64 ids", "65 ids");
}

static void test_findings_past_the_cap_are_counted(void **state)
{
	struct mg_config *c = NULL;

	(void)state;
	size_t len = repeat(V HOLD "control: { allow_uids: [", "x,", 100);
	memcpy(big + len, "]}", 2);
	int r = mg_config_parse("p.yaml", big, len + 2, &c, &f);
	check(r == -EINVAL, "refused");
	check(f.n == MG_MAX_FINDINGS && f.errors == 100, "%d are kept of 100, not %u of %u", MG_MAX_FINDINGS, f.n, f.errors);
	int fd = memfd_create("report", MFD_CLOEXEC);
	mg_findings_print(&f, "p.yaml", big, len + 2, fd);
	char end[64] = "";
	check(pread(fd, end, sizeof end - 1, lseek(fd, 0, SEEK_END) - 35) == 35, "the report's end reads back");
	close(fd);
	check(strstr(end, "36 more findings are not shown\n"), "the rest is told: %s", end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_yaml),
		cmocka_unit_test(test_not_for_policy_files),
		cmocka_unit_test(test_top_level),
		cmocka_unit_test(test_control_serve_audit),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_findings_past_the_cap_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
