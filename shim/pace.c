/* SPDX-License-Identifier: Apache-2.0 */
/* When to give memory back without being told: pure, time is a parameter. Reads one look at the process, gives how many bytes
 * to purge now and when to look again; called by the shim between the governor's ticks and where there is no governor.
 *
 *   limit   resident > memory_limit             -> resident - memory_limit + memory_limit / 32
 *   pace    free > gc_percent / 100 * live      -> the excess
 *           free = free_resident, or resident - live where only live is known
 *
 * The first is Go's soft limit, the second Go's GOGC read for an allocator (https://go.dev/doc/gc-guide). Where live is not
 * known, the floor stands for it: the least that was resident since the last purge, starting from what that purge left; growth
 * over it stands for free: floor = min(floor, resident), live ~ floor, free ~ resident - floor. A program whose live memory
 * really grew is purged once in vain and has a higher floor afterwards.
 *
 * A purge that gave next to nothing is not repeated before its pause is over (1 s, doubling up to 60 s) or resident memory grew
 * noticeably. The next look is due when the nearer trigger could be reached at the steepest slope seen; a slope is forgotten by
 * half every 10 s. */
#include "shim/alloc/adapter.h"

#define NS_PER_S      1000000000ull
#define SOONEST_NS    20000000ull
#define LATEST_NS     (5 * NS_PER_S)
#define HALF_LIFE_NS  (10 * NS_PER_S)
#define LEAST_BYTES   (1ull << 20) /* less is not worth a purge */
#define MARGIN        32           /* 1/32 of the limit below it, or the next page would be above again */
#define NOTICEABLE    16           /* 1/16 of the floor */
#define FRUITLESS     64           /* 1/64 of resident */
#define LONGEST_BACKOFF_S 60

static uint64_t above(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* a * b / c without overflow in between, saturating. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 v = (unsigned __int128)a * b / c;

	return v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
}

static void note_slope(struct mg_pace *p, const struct mg_pace_look *l)
{
	uint64_t dt = above(l->now_ns, p->last_ns);

	if (p->last_ns && dt) {
		uint64_t halvings = dt / HALF_LIFE_NS;

		p->steepest = halvings < 64 ? p->steepest >> halvings : 0;
		p->steepest -= scale(p->steepest / 2, dt % HALF_LIFE_NS, HALF_LIFE_NS);
		p->steepest = most(p->steepest, scale(above(l->resident, p->last_resident), NS_PER_S, dt));
	}
	p->last_ns = l->now_ns;
	p->last_resident = l->resident;
}

/* How far resident memory is above a trigger (excess) or below it (distance); one of the two is 0. */
struct gap {
	uint64_t excess, distance;
};

static struct gap gap(uint64_t value, uint64_t allowed)
{
	return (struct gap){ .excess = above(value, allowed), .distance = above(allowed, value) };
}

static struct gap gap_to_limit(const struct mg_pace_conf *c, const struct mg_pace_look *l)
{
	if (c->memory_limit == MG_STAT_UNKNOWN)
		return (struct gap){ .distance = UINT64_MAX };
	struct gap g = gap(l->resident, c->memory_limit);
	if (g.excess)
		g.excess = least(g.excess + c->memory_limit / MARGIN, l->resident);
	return g;
}

static struct gap gap_to_pace(const struct mg_pace *p, const struct mg_pace_conf *c, const struct mg_pace_look *l)
{
	if (c->gc_percent == MG_STAT_UNKNOWN)
		return (struct gap){ .distance = UINT64_MAX };
	uint64_t live = l->live == MG_STAT_UNKNOWN ? p->floor_resident : l->live;
	uint64_t unused = above(l->resident, live);
	if (l->live != MG_STAT_UNKNOWN && l->free_resident != MG_STAT_UNKNOWN)
		unused = l->free_resident;
	return gap(unused, scale(live, c->gc_percent, 100));
}

static bool grew_noticeably(const struct mg_pace *p, uint64_t resident)
{
	return above(resident, p->floor_resident) > most(p->floor_resident / NOTICEABLE, LEAST_BYTES);
}

/* What is left of the pause after fruitless purges. */
static uint64_t backoff_left(const struct mg_pace *p, uint64_t now_ns)
{
	if (p->fruitless == 0)
		return 0;
	uint64_t pause_s = p->fruitless > 6 ? LONGEST_BACKOFF_S : least(1ull << (p->fruitless - 1), LONGEST_BACKOFF_S);
	return above(p->purged_at_ns + pause_s * NS_PER_S, now_ns);
}

static uint64_t bounded(uint64_t ns)
{
	return most(SOONEST_NS, least(ns, LATEST_NS));
}

uint64_t mg_pace_step(struct mg_pace *p, const struct mg_pace_conf *c, const struct mg_pace_look *l, uint64_t *next_ns)
{
	note_slope(p, l);
	if (p->floor_resident && grew_noticeably(p, l->resident))
		p->fruitless = 0;
	p->floor_resident = p->floor_resident ? least(p->floor_resident, l->resident) : l->resident;

	struct gap limit = gap_to_limit(c, l), pace = gap_to_pace(p, c, l);
	uint64_t want = most(limit.excess, pace.excess), left = backoff_left(p, l->now_ns);
	uint64_t least_worth = most(LEAST_BYTES, l->resident / MARGIN);
	bool worth = want >= least_worth && l->returnable != 0;

	if (worth && left == 0) {
		*next_ns = SOONEST_NS;
		return want;
	}
	uint64_t distance = least(limit.distance, pace.distance);
	if (distance == 0) /* over a trigger, too little for a purge: until it is enough for one */
		distance = least_worth;
	*next_ns = LATEST_NS;
	if (worth)
		*next_ns = bounded(left);
	else if (p->steepest)
		*next_ns = bounded(scale(distance, NS_PER_S, p->steepest));
	return 0;
}

void mg_pace_purged(struct mg_pace *p, uint64_t now_ns, uint64_t resident_after, uint64_t returned)
{
	bool fruitless = returned < most(LEAST_BYTES / 2, resident_after / FRUITLESS);

	p->fruitless = !fruitless ? 0 : p->fruitless < UINT32_MAX ? p->fruitless + 1 : p->fruitless;
	p->purged_at_ns = now_ns;
	p->floor_resident = resident_after;
	p->last_resident = resident_after; /* the fall is ours: the next slope starts here */
	p->last_ns = now_ns;
}
