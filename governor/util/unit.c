/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities as policy files write them and as people read them. One table of suffixes. Called by config, decide, cli. */
#include "governor/util/unit.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "governor/util/num.h"
#include "governor/util/str.h"

#define KI 1024.0
#define K  1000.0

static const struct { const char *suffix; double factor; enum mg_unit unit; } suffixes[] = {
	{ "B", 1, MG_UNIT_BYTES },
	{ "KiB", KI, MG_UNIT_BYTES }, { "MiB", KI * KI, MG_UNIT_BYTES }, { "GiB", KI * KI * KI, MG_UNIT_BYTES }, { "TiB", KI * KI * KI * KI, MG_UNIT_BYTES },
	{ "Ki", KI, MG_UNIT_BYTES }, { "Mi", KI * KI, MG_UNIT_BYTES }, { "Gi", KI * KI * KI, MG_UNIT_BYTES }, { "Ti", KI * KI * KI * KI, MG_UNIT_BYTES },
	{ "kB", K, MG_UNIT_BYTES }, { "MB", K * K, MG_UNIT_BYTES }, { "GB", K * K * K, MG_UNIT_BYTES }, { "TB", K * K * K * K, MG_UNIT_BYTES },
	{ "%", 0.01, MG_UNIT_RATIO },
	{ "ms", 0.001, MG_UNIT_SECONDS }, { "s", 1, MG_UNIT_SECONDS }, { "m", 60, MG_UNIT_SECONDS }, { "h", 3600, MG_UNIT_SECONDS }, { "d", 86400, MG_UNIT_SECONDS },
	{ "x", 1, MG_UNIT_ANY },
};

static const char *const unit_names[MG_UNIT__COUNT] = {
	[MG_UNIT_ANY] = "any", [MG_UNIT_COUNT] = "count", [MG_UNIT_BYTES] = "bytes", [MG_UNIT_RATIO] = "ratio",
	[MG_UNIT_PERCENT] = "percent", [MG_UNIT_SECONDS] = "seconds", [MG_UNIT_PER_S] = "per_second",
	[MG_UNIT_BYTES_PER_S] = "bytes_per_second", [MG_UNIT_BOOL] = "condition",
};

const char *mg_unit_name(enum mg_unit unit)
{
	return unit < MG_UNIT__COUNT ? unit_names[unit] : "?";
}

int mg_unit_find(const char *name, size_t len)
{
	for (int i = 0; i < MG_UNIT__COUNT; i++)
		if (i != MG_UNIT_BOOL && mg_equal(name, len, unit_names[i]))
			return i;
	return -1;
}

static size_t suffix_length(const char *s, size_t len)
{
	if (len > 0 && s[0] == '%')
		return 1;
	size_t n = 0;
	while (n < len && (mg_is_word(s[n])))
		n++;
	return n;
}

size_t mg_unit_scan(const char *s, size_t len, double *v, enum mg_unit *unit, struct mg_err *err)
{
	double number;
	size_t n = mg_scan_decimal(s, len, &number);
	if (n == 0) {
		mg_fail(err, 0, "expected a number");
		return 0;
	}
	size_t k = suffix_length(s + n, len - n);
	if (k == 0) {
		*v = number;
		*unit = MG_UNIT_ANY;
		return n;
	}
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		if (!mg_equal(s + n, k, suffixes[i].suffix))
			continue;
		*v = number * suffixes[i].factor;
		*unit = suffixes[i].unit;
		return n + k;
	}
	mg_fail(err, 0, "unknown unit `%.*s`: use KiB MiB GiB TiB, kB MB GB TB, Ki Mi Gi Ti, %%, ms s m h d or x",
		(int)(k > 16 ? 16 : k), s + n);
	return 0;
}

static const char *example(enum mg_unit unit)
{
	switch (unit) {
	case MG_UNIT_BYTES: return "bytes, like 512MiB or 1GB";
	case MG_UNIT_RATIO: return "a share, like 20% or 0.2";
	case MG_UNIT_SECONDS: return "a duration with its unit, like 10ms, 15s or 5m";
	case MG_UNIT_PERCENT: return "a plain number of percent, like 100";
	case MG_UNIT_ANY: case MG_UNIT_COUNT: case MG_UNIT_PER_S: case MG_UNIT_BYTES_PER_S: case MG_UNIT_BOOL: case MG_UNIT__COUNT: break;
	}
	return "a plain number";
}

int mg_unit_parse(const char *s, size_t len, enum mg_unit unit, double *ret, struct mg_err *err)
{
	double v;
	enum mg_unit got;
	size_t n = mg_unit_scan(s, len, &v, &got, err);

	if (n == 0 && err && strncmp(err->text, "unknown unit", 12) == 0)
		return -EINVAL;
	if (n == 0 || n != len)
		return mg_fail(err, -EINVAL, "`%.*s` is not %s", (int)(len > 64 ? 64 : len), s, example(unit));
	bool plain_ok = unit != MG_UNIT_SECONDS;
	bool percent = unit == MG_UNIT_PERCENT && got == MG_UNIT_RATIO;
	if (got != unit && !(got == MG_UNIT_ANY && plain_ok) && !percent)
		return mg_fail(err, -EINVAL, "`%.*s` is not %s", (int)(len > 64 ? 64 : len), s, example(unit));
	if (unit == MG_UNIT_RATIO && got == MG_UNIT_ANY && v > 1)
		return mg_fail(err, -ERANGE, "`%.*s` is above 1: write a share as 0..1 or with %%", (int)(len > 64 ? 64 : len), s);
	*ret = percent ? v * 100 : v;
	return 0;
}

int mg_duration_parse(const char *s, size_t len, uint64_t *ret_ns, struct mg_err *err)
{
	double seconds;
	int r = mg_unit_parse(s, len, MG_UNIT_SECONDS, &seconds, err);

	if (r < 0)
		return r;
	if (seconds > 366.0 * 86400)
		return mg_fail(err, -ERANGE, "`%.*s` is longer than a year", (int)(len > 64 ? 64 : len), s);
	*ret_ns = (uint64_t)llround(seconds * 1e9);
	return 0;
}

int mg_amount_parse(const char *s, size_t len, enum mg_unit unit, struct mg_amount *ret, struct mg_err *err)
{
	struct mg_amount a = { .given = true, .share = unit != MG_UNIT_PERCENT && len > 0 && s[len - 1] == '%' };
	int r = mg_unit_parse(s, len, a.share ? MG_UNIT_RATIO : unit, &a.v, err);

	if (r == 0)
		*ret = a;
	return r;
}

static const char *show_bytes(double v, const char *per, char *buf, size_t cap)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	unsigned i = 0;

	if (v >= 1.8e19)
		return strncpy(buf, "max", cap);
	for (; fabs(v) >= 1024 && i + 1 < sizeof names / sizeof names[0]; i++)
		v /= 1024;
	snprintf(buf, cap, fabs(v) < 10 && i > 0 ? "%.1f %s%s" : "%.0f %s%s", v, names[i], per);
	return buf;
}

static const char *show_seconds(double v, char *buf, size_t cap)
{
	if (v < 0.9995) /* else it rounds to 1e+03 ms */
		snprintf(buf, cap, "%.3g ms", v * 1e3);
	else if (v < 120)
		snprintf(buf, cap, "%.3g s", v);
	else if (v < 7200)
		snprintf(buf, cap, "%.0f min", v / 60);
	else
		snprintf(buf, cap, "%.1f h", v / 3600);
	return buf;
}

const char *mg_unit_show(double v, enum mg_unit unit, char *buf, size_t cap)
{
	if (isnan(v)) {
		snprintf(buf, cap, "unknown");
		return buf;
	}
	switch (unit) {
	case MG_UNIT_BYTES: return show_bytes(v, "", buf, cap);
	case MG_UNIT_BYTES_PER_S: return show_bytes(v, "/s", buf, cap);
	case MG_UNIT_SECONDS: return show_seconds(v, buf, cap);
	case MG_UNIT_RATIO: snprintf(buf, cap, "%.3g %%", v * 100); return buf;
	case MG_UNIT_PERCENT: snprintf(buf, cap, "%.0f", v); return buf;
	case MG_UNIT_PER_S: snprintf(buf, cap, "%.3g/s", v); return buf;
	case MG_UNIT_BOOL: snprintf(buf, cap, "%s", v != 0 ? "yes" : "no"); return buf;
	case MG_UNIT_ANY: case MG_UNIT_COUNT: case MG_UNIT__COUNT: break;
	}
	snprintf(buf, cap, "%.6g", v);
	return buf;
}
