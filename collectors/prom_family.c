/* SPDX-License-Identifier: Apache-2.0 */
/* Which family a series belongs to and what has been said of it: reads names, gives a slot with type and help. Kept as hashes
 * in tables of fixed size, so that an exposition of any length costs the same. Called by prom_text.c for every line. */
#include "collectors/prom_family.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/prom_text.h"
#include "governor/util/str.h"

#define USER_BITS (MG_FAMILY_TYPE | MG_FAMILY_HELP)

/* Two thirds full at most: look-ups stay short. */
int mg_set_new(struct mg_set *s, unsigned max)
{
	unsigned slots = 1;

	while (slots < max + max / 3)
		slots *= 2;
	*s = (struct mg_set){ .slot = calloc(slots, sizeof *s->slot), .slots = slots, .max = max };
	return s->slot ? 0 : -ENOMEM;
}

void mg_set_clear(struct mg_set *s)
{
	memset(s->slot, 0, s->slots * sizeof *s->slot);
	s->used = 0;
}

void mg_set_done(struct mg_set *s)
{
	free(s->slot);
	s->slot = NULL;
}

static uint64_t key_of(uint64_t hash)
{
	hash &= ~USER_BITS;
	return hash ? hash : USER_BITS + 1;
}

/* The slot that holds key, or the free one where it belongs. */
static uint64_t *find(const struct mg_set *s, uint64_t key)
{
	for (uint64_t i = (key >> 8) & (s->slots - 1);; i = (i + 1) & (s->slots - 1))
		if (s->slot[i] == 0 || ((s->slot[i] ^ key) & ~USER_BITS) == 0)
			return &s->slot[i];
}

bool mg_set_add(struct mg_set *s, uint64_t hash)
{
	uint64_t *slot = find(s, key_of(hash));

	if (*slot != 0)
		return false;
	if (s->used < s->max) {
		s->used++;
		*slot = key_of(hash);
	}
	return true;
}

/* Which suffix of a series' name leads to a family of which type. */
static const struct {
	const char *suffix;
	enum mg_prom_type type;
	bool text;
} suffixes[] = {
	{ "_sum", MG_PROM_SUMMARY, true },      { "_count", MG_PROM_SUMMARY, true },
	{ "_sum", MG_PROM_HISTOGRAM, true },    { "_count", MG_PROM_HISTOGRAM, true },
	{ "_bucket", MG_PROM_HISTOGRAM, true }, { "_total", MG_PROM_COUNTER, false },
	{ "_info", MG_PROM_INFO, false },       { "_bucket", MG_PROM_GAUGE_HISTOGRAM, false },
};

static uint64_t *parent(const struct mg_families *f, const char *name, size_t len, bool openmetrics)
{
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		size_t n = strlen(suffixes[i].suffix);
		if ((!suffixes[i].text && !openmetrics) || len <= n || memcmp(name + len - n, suffixes[i].suffix, n) != 0)
			continue;
		uint64_t *family = find(&f->set, key_of(mg_hash(name, len - n, 0)));
		if (*family != 0 && mg_family_type(family) == suffixes[i].type)
			return family;
	}
	return NULL;
}

static uint64_t *look_up(struct mg_families *f, const char *name, size_t len, bool openmetrics)
{
	uint64_t *own = find(&f->set, key_of(f->last_hash));

	if (*own != 0)
		return own;
	uint64_t *other = parent(f, name, len, openmetrics);
	if (other)
		return other;
	if (f->set.used >= f->set.max) {
		f->stranger = 0;
		return &f->stranger;
	}
	f->set.used++;
	*own = key_of(f->last_hash);
	return own;
}

uint64_t *mg_family_of(struct mg_families *f, const char *name, size_t len, bool openmetrics)
{
	if (len == f->last_name_len && memcmp(name, f->last_name, len) == 0)
		return f->last;
	f->last_hash = mg_hash(name, len, 0);
	f->last = look_up(f, name, len, openmetrics);
	f->last_name_len = 0;
	if (len <= sizeof f->last_name) {
		memcpy(f->last_name, name, len);
		f->last_name_len = len;
	}
	return f->last;
}

int mg_families_new(struct mg_families *f)
{
	*f = (struct mg_families){ .last_name_len = 0 };
	return mg_set_new(&f->set, MG_MAX_PROM_FAMILIES);
}

void mg_families_clear(struct mg_families *f)
{
	mg_set_clear(&f->set);
	f->last_name_len = 0;
}
