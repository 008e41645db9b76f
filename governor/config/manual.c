/* SPDX-License-Identifier: Apache-2.0 */
/* The reference of the policy file, printed from the tables that parse it: a man page (memgov.yaml(5)) or Markdown
 * (docs/policy-reference.md). Called by `memgov help` and by the test that holds the committed page against the tables. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "governor/config/keys.h"
#include "governor/util/unit.h"

struct page {
	FILE *f;
	enum mg_manual format;
};

static const struct {
	const char *title, *path, *about;
	const struct mg_key *keys;
} chapters[] = {
	{ "The file", "", "Top-level keys, with their sections.", mg_config_keys },
	{ "A source", "sources.NAME.", "Metrics from outside. Each signal is then `NAME.signal` in expressions.",
	  mg_source_keys },
	{ "A signal of a source", "sources.NAME.signals.NAME.", "In short the value alone: the series or the query.",
	  mg_signal_keys },
	{ "A target", "targets.NAME.", "Which processes, within which bounds, by which rules.", mg_target_keys },
	{ "A rule", "targets.NAME.rules[].", "What every rule may say; the rest are the keys of its policy.", mg_rule_keys },
};

static void heading(const struct page *p, const char *title, const char *about)
{
	if (p->format == MG_MANUAL_MAN)
		fprintf(p->f, ".SH \"%s\"\n%s\n", title, about);
	else
		fprintf(p->f, "\n## %s\n%s\n\n| key | default | range | meaning |\n|---|---|---|---|\n", title, about);
}

/* troff reads a leading dot or quote, and every backslash, as its own. */
static void troff_text(FILE *f, const char *s)
{
	if (*s == '.' || *s == '\'')
		fputs("\\&", f);
	for (; *s != '\0'; s++) {
		if (*s == '\\')
			fputs("\\e", f);
		else
			fputc(*s, f);
	}
}

static void table_text(FILE *f, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '|')
			fputc('\\', f);
		fputc(*s, f);
	}
}

struct entry {
	const char *path, *name, *def, *min, *max, *help;
	bool required;
};

static void range_text(char *out, size_t cap, const struct entry *e)
{
	struct mg_buf b = mg_buf(out, cap);

	if (e->min && e->max)
		mg_buf_printf(&b, "%s to %s", e->min, e->max);
	else if (e->min || e->max)
		mg_buf_printf(&b, e->min ? "%s or more" : "up to %s", e->min ? e->min : e->max);
}

static void put_entry(const struct page *p, const struct entry *e)
{
	const char *def = e->required ? "required" : e->def ? e->def : "";
	char range[64];

	range_text(range, sizeof range, e);
	if (p->format == MG_MANUAL_MAN) {
		fprintf(p->f, ".TP\n.B %s%s\n", e->path, e->name);
		troff_text(p->f, e->help);
		fprintf(p->f, "%s%s%s%s%s.\n", *def ? (e->required ? "; " : "; default ") : "", def, *range ? " (" : "", range,
			*range ? ")" : "");
		return;
	}
	fprintf(p->f, "| `%s%s` | %s%s%s | %s | ", e->path, e->name, *def && !e->required ? "`" : "", def,
		*def && !e->required ? "`" : "", range);
	table_text(p->f, e->help);
	fputs(" |\n", p->f);
}

static void put_keys(const struct page *p, const char *path, const struct mg_key *keys)
{
	char below[128];

	for (const struct mg_key *k = keys; k->name; k++) {
		bool prefix = k->name[strlen(k->name) - 1] == '.';
		char name[64];
		struct mg_buf n = mg_buf(name, sizeof name), b = mg_buf(below, sizeof below);

		mg_buf_printf(&n, "%s%s", k->name, prefix ? "NAME" : "");
		put_entry(p, &(struct entry){ path, name, k->def, k->min, k->max, k->help, k->required });
		if (!k->keys || k->type != &mg_type_section)
			continue;
		mg_buf_printf(&b, "%s%s.", path, k->name);
		put_keys(p, below, k->keys);
	}
}

static void put_policies(const struct page *p)
{
	for (const struct mg_policy_ops *const *o = mg_policies; *o; o++) {
		char title[96], about[256];
		struct mg_buf t = mg_buf(title, sizeof title), a = mg_buf(about, sizeof about);

		mg_buf_printf(&t, "policy: %s", (*o)->name);
		mg_buf_printf(&a, "%s.", (*o)->help);
		heading(p, title, about);
		for (const struct mg_field *f = (*o)->fields; f && f->name; f++)
			put_entry(p, &(struct entry){ "", f->name, f->def, NULL, NULL, f->help, f->required });
	}
}

static void put_rows(const struct page *p)
{
	char unit[64];

	heading(p, "Knobs", "What `set:`, `otherwise:`, `step:` and `bounds:` name.");
	for (unsigned i = 0; i < MG_KNOB__COUNT; i++) {
		const struct mg_knob_info *k = mg_knob_info((enum mg_knob)i);
		put_entry(p, &(struct entry){ "", k->name, mg_unit_name(k->unit), NULL, NULL, k->help, false });
	}
	heading(p, "Actions", "What `do:` names.");
	for (unsigned i = 0; i < MG_ACTION__COUNT; i++)
		put_entry(p, &(struct entry){ "", mg_action_info((enum mg_action)i)->name, NULL, NULL, NULL,
					      mg_action_info((enum mg_action)i)->help, false });
	heading(p, "Signals", "What every target has; the default column shows the unit, the range how old a sample may be.");
	for (unsigned i = 0; i < MG_SIG__BUILTIN; i++) {
		const struct mg_signal_info *s = mg_signal_info((enum mg_signal)i);
		mg_unit_show((double)s->max_age_ns / 1e9, MG_UNIT_SECONDS, unit, sizeof unit);
		put_entry(p, &(struct entry){ "", s->name, mg_unit_name(s->unit), NULL, unit, s->help, false });
	}
}

static void put_head(const struct page *p)
{
	if (p->format == MG_MANUAL_MAN)
		fputs(".TH MEMGOV.YAML 5 \"\" \"memgov\" \"File formats\"\n.SH NAME\nmemgov.yaml \\- policy file of the memory "
		      "governor\n"
		      ".SH DESCRIPTION\nUnits: KiB MiB GiB TiB, kB MB GB TB, Ki Mi Gi Ti, %, ms s m h d, 2x. Unknown keys are "
		      "errors;\n"
		      "anchors and aliases are refused. Check a file with\n.BR \"memgov check-config FILE\" .\n",
		      p->f);
	else
		fputs("# Reference of the policy file\n\nPrinted by `memgov help --markdown policy` from the tables that parse "
		      "the file. "
		      "Units: `KiB MiB GiB TiB`, `kB MB GB TB`,\n`Ki Mi Gi Ti`, `%`, `ms s m h d`, `2x`. Unknown keys are "
		      "errors; anchors "
		      "and aliases are refused.\n",
		      p->f);
}

int mg_config_manual(int fd, enum mg_manual format)
{
	int copy = dup(fd);
	struct page p = { copy < 0 ? NULL : fdopen(copy, "w"), format };

	if (!p.f) {
		int r = -errno;
		if (copy >= 0)
			close(copy);
		return r;
	}
	put_head(&p);
	for (unsigned i = 0; i < sizeof chapters / sizeof chapters[0]; i++) {
		heading(&p, chapters[i].title, chapters[i].about);
		put_keys(&p, chapters[i].path, chapters[i].keys);
	}
	put_policies(&p);
	put_rows(&p);
	return fclose(p.f) == 0 ? 0 : -errno;
}
