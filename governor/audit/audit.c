/* SPDX-License-Identifier: Apache-2.0 */
/* Reads finished decisions from the engine, keeps the newest in a ring for explain and the API, counts them for the
 * metrics, and gives each as a JSONL line to the writer. Allocates once, at start. Called by loop, read by serve. */
#include "governor/audit/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct mg_audit {
	struct mg_writer *w; /* borrowed; NULL: none */
	uint64_t added;      /* records ever; the next goes to ring[added % MG_AUDIT_RING] */
	struct mg_record ring[MG_AUDIT_RING];
	struct mg_audit_stats stats;
	char line[MG_RECORD_JSON_MAX];
};

int mg_audit_new(struct mg_writer *w, struct mg_audit **ret)
{
	struct mg_audit *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	a->w = w;
	*ret = a;
	return 0;
}

struct mg_audit *mg_audit_free(struct mg_audit *a)
{
	free(a);
	return NULL;
}

struct mg_record *mg_audit_add(struct mg_audit *a)
{
	struct mg_record *r = &a->ring[a->added++ % MG_AUDIT_RING];

	memset(r, 0, sizeof *r);
	return r;
}

static unsigned held(const struct mg_audit *a)
{
	return a->added < MG_AUDIT_RING ? (unsigned)a->added : MG_AUDIT_RING;
}

struct mg_record *mg_audit_find(struct mg_audit *a, uint64_t seq)
{
	for (unsigned i = 1; i <= held(a); i++) {
		struct mg_record *r = &a->ring[(a->added - i) % MG_AUDIT_RING];
		if (r->seq == seq)
			return r;
	}
	return NULL;
}

const struct mg_record *mg_audit_at(const struct mg_audit *a, unsigned i)
{
	return i < held(a) ? &a->ring[(a->added - 1 - i) % MG_AUDIT_RING] : NULL;
}

const struct mg_record *mg_audit_newest(const struct mg_audit *a, const char *target_id)
{
	const struct mg_record *r, *newest = NULL;

	for (unsigned i = 0; (r = mg_audit_at(a, i)) != NULL; i++) {
		if (strcmp(r->target_id, target_id) != 0)
			continue;
		if (r->want.verb != MG_VERB_HOLD && !r->want.vetoed)
			return r;
		newest = newest ? newest : r;
	}
	return newest;
}

const struct mg_audit_stats *mg_audit_stats(const struct mg_audit *a)
{
	return &a->stats;
}

static struct mg_audit_count *find_count(struct mg_audit_stats *s, const struct mg_record *r, const char *verb)
{
	struct mg_audit_count *c;

	for (c = s->count; c < s->count + s->n_counts; c++)
		if (c->verb == verb && c->mode == r->mode && strcmp(c->rule, r->rule) == 0 && strcmp(c->target, r->target) == 0)
			return c;
	if (s->n_counts == MG_AUDIT_COUNTS)
		return NULL;
	s->n_counts++;
	*c = (struct mg_audit_count){ .verb = verb, .mode = r->mode };
	memcpy(c->rule, r->rule, sizeof c->rule);
	memcpy(c->target, r->target, sizeof c->target);
	return c;
}

static void count(struct mg_audit_stats *s, const struct mg_record *r)
{
	for (unsigned i = 0; i < MG_MAX_GUARDS; i++)
		s->cuts[i] += r->want.guards >> i & 1;
	if (r->want.vetoed)
		return;
	struct mg_audit_count *c = find_count(s, r, mg_want_verb(&r->want));
	if (c)
		c->n++;
	else
		s->uncounted++;
}

void mg_audit_write(struct mg_audit *a, const struct mg_record *r)
{
	count(&a->stats, r);
	int n = a->w ? mg_record_json(r, a->line, sizeof a->line) : 0;
	if (n > 0)
		mg_writer_line(a->w, a->line, (size_t)n);
}
