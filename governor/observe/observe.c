/* SPDX-License-Identifier: Apache-2.0 */
/* Samples to values that know their age, windows, rates and means. Reads what the collectors sampled, gives struct mg_value
 * with the time as a parameter; called by the engine (views) and by rule expressions (windows). */
#include "governor/observe/observe.h"

#include <math.h>
#include <stdlib.h>

#include "governor/util/value.h"

/* One more than the resolution: the bucket in progress is part of the span, so at least the whole span stays covered. */
#define RING_SLOTS (MG_WINDOW_BUCKETS + 1)

struct bucket {
	uint64_t slot;       /* time / width; the ring is keyed by it, so that old buckets need no sweeping */
	uint64_t first_ns, last_ns;
	double first, last, min, max, sum;
	double gap;          /* increase of a counter from the sample before this bucket to its first */
	double increase;     /* increase of a counter inside this bucket, resets taken out */
	uint32_t count;      /* 0: empty */
};

struct mg_window {
	uint64_t width_ns;
	enum mg_signal_kind kind;
	double last;
	uint64_t last_ns;    /* 0: nothing pushed yet */
	struct bucket ring[RING_SLOTS];
};

static uint64_t age_of(uint64_t at_ns, uint64_t now_ns)
{
	return now_ns > at_ns ? now_ns - at_ns : 0;
}

struct mg_value mg_sample_read(const struct mg_sample *s, uint64_t now_ns)
{
	struct mg_value v = mg_unknown_value();

	if (s->at_ns == 0)
		return v;
	v.age_ns = age_of(s->at_ns, now_ns);
	v.known = !isnan(s->value) && v.age_ns <= s->max_age_ns;
	v.v = v.known ? s->value : 0;
	return v;
}

struct mg_window *mg_window_new(uint64_t span_ns, enum mg_signal_kind kind)
{
	struct mg_window *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->width_ns = span_ns / MG_WINDOW_BUCKETS + (span_ns % MG_WINDOW_BUCKETS != 0);
	if (w->width_ns == 0)
		w->width_ns = 1;
	w->kind = kind;
	return w;
}

struct mg_window *mg_window_free(struct mg_window *w)
{
	free(w);
	return NULL;
}

/* A counter that reads less than before was reset and counts from zero. */
static double increase_of(double before, double now)
{
	return now >= before ? now - before : now;
}

void mg_window_push(struct mg_window *w, uint64_t at_ns, double value)
{
	if (!isfinite(value) || at_ns <= w->last_ns)
		return; /* unknown, or not newer than what is there: the same sample may be fed twice */
	double more = w->last_ns ? increase_of(w->last, value) : 0;
	uint64_t slot = at_ns / w->width_ns;
	struct bucket *b = &w->ring[slot % RING_SLOTS];

	if (b->count == 0 || b->slot != slot) {
		*b = (struct bucket){ .slot = slot, .first_ns = at_ns, .first = value, .min = value, .max = value, .gap = more };
	} else {
		b->increase += more;
		b->min = fmin(b->min, value);
		b->max = fmax(b->max, value);
	}
	b->last = value;
	b->last_ns = at_ns;
	b->sum += value;
	b->count++;
	w->last = value;
	w->last_ns = at_ns;
}

/* The window folded into one bucket, plus the sums of the straight line through the buckets' averages. */
struct fold {
	struct bucket all;
	uint32_t buckets;
	double sx, sy, sxx, sxy; /* x: seconds since all.first_ns, at each bucket's middle */
};

static void fold_add(struct fold *f, const struct bucket *b)
{
	if (f->buckets++ == 0) {
		f->all = *b; /* its gap came from outside the window and is not counted below */
		f->all.gap = 0;
	} else {
		f->all.min = fmin(f->all.min, b->min);
		f->all.max = fmax(f->all.max, b->max);
		f->all.sum += b->sum;
		f->all.count += b->count;
		f->all.increase += b->gap + b->increase;
		f->all.last = b->last;
		f->all.last_ns = b->last_ns;
	}
	double x = ((double)(b->first_ns - f->all.first_ns) + (double)(b->last_ns - f->all.first_ns)) / 2e9;
	double y = b->sum / b->count;
	f->sx += x;
	f->sy += y;
	f->sxx += x * x;
	f->sxy += x * y;
}

/* Folds the buckets that lie in the span before now, oldest first. */
static struct fold fold_window(const struct mg_window *w, uint64_t now_ns)
{
	struct fold f = { 0 };
	uint64_t newest = now_ns / w->width_ns;
	uint64_t oldest = newest >= MG_WINDOW_BUCKETS ? newest - MG_WINDOW_BUCKETS : 0;

	for (uint64_t slot = oldest; slot <= newest; slot++) {
		const struct bucket *b = &w->ring[slot % RING_SLOTS];
		if (b->count > 0 && b->slot == slot)
			fold_add(&f, b);
	}
	return f;
}

static double delta_of(const struct mg_window *w, const struct bucket *all)
{
	return w->kind == MG_SIGNAL_COUNTER ? all->increase : all->last - all->first;
}

static double seconds_of(const struct bucket *all)
{
	return (double)(all->last_ns - all->first_ns) / 1e9;
}

/* Least squares through the buckets' averages; through first and last while there is one bucket. */
static double slope_of(const struct fold *f)
{
	double n = f->buckets, spread = n * f->sxx - f->sx * f->sx;

	if (f->buckets < 2 || spread <= 0)
		return (f->all.last - f->all.first) / seconds_of(&f->all);
	return (n * f->sxy - f->sx * f->sy) / spread;
}

static double apply(const struct mg_window *w, enum mg_window_fn fn, const struct fold *f)
{
	switch (fn) {
	case MG_WINDOW_MIN: return f->all.min;
	case MG_WINDOW_MAX: return f->all.max;
	case MG_WINDOW_AVG: return f->all.sum / f->all.count;
	case MG_WINDOW_DELTA: return delta_of(w, &f->all);
	case MG_WINDOW_RATE: return delta_of(w, &f->all) / seconds_of(&f->all);
	case MG_WINDOW_SLOPE: return slope_of(f);
	}
	return NAN;
}

struct mg_value mg_window_read(const struct mg_window *w, enum mg_window_fn fn, uint64_t now_ns, uint64_t max_age_ns)
{
	struct mg_value v = mg_unknown_value();
	bool level = fn == MG_WINDOW_MIN || fn == MG_WINDOW_MAX || fn == MG_WINDOW_AVG;

	if (w->last_ns == 0)
		return v;
	v.age_ns = age_of(w->last_ns, now_ns);
	/* A sample taken after the tick began lies ahead of now: the window ends where its newest sample is. */
	struct fold f = fold_window(w, now_ns > w->last_ns ? now_ns : w->last_ns);
	if (v.age_ns > max_age_ns || f.all.count < (level ? 1U : 2U))
		return v;
	double r = apply(w, fn, &f);
	v.known = isfinite(r);
	v.v = v.known ? r : 0;
	return v;
}

void mg_ewma_push(struct mg_ewma *e, uint64_t now_ns, double x, uint64_t tau_ns)
{
	if (!isfinite(x))
		return;
	if (e->at_ns == 0 || tau_ns == 0)
		e->v = x;
	else
		e->v += (x - e->v) * -expm1(-(double)age_of(e->at_ns, now_ns) / (double)tau_ns);
	e->at_ns = now_ns;
}

struct mg_value mg_rate_push(struct mg_rate *r, uint64_t now_ns, double reading)
{
	struct mg_value v = mg_unknown_value();

	if (!isfinite(reading) || (r->at_ns != 0 && now_ns <= r->at_ns))
		return v;
	if (r->at_ns != 0)
		v = mg_known_value(increase_of(r->last, reading) / ((double)(now_ns - r->at_ns) / 1e9));
	*r = (struct mg_rate){ .last = reading, .at_ns = now_ns };
	return v;
}
