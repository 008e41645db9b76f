/* SPDX-License-Identifier: Apache-2.0 */
/* The one number scanner. strtod accepts hex, nan(...) and infinity-like words that Prometheus rejects, and follows the
 * locale; so the text is checked here first and strtod only converts what passed. Called by every parser. */
#include "governor/util/num.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "governor/util/str.h"

#define MAX_FLOAT_TEXT 64 /* promtool accepts longer; no exporter writes them */

int mg_scan_u64(const char *s, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (!mg_is_digit(s[i]))
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10U, &v) || __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

/* The length of [digits][.digits] at s, 0 when there is no digit. */
static size_t decimal_length(const char *s, size_t len)
{
	size_t i = 0, digits = 0;

	for (; i < len && mg_is_digit(s[i]); i++)
		digits++;
	if (i < len && s[i] == '.')
		for (i++; i < len && mg_is_digit(s[i]); i++)
			digits++;
	return digits ? i : 0;
}

static int convert(const char *s, size_t len, double *ret)
{
	char text[MAX_FLOAT_TEXT];

	if (len >= sizeof text)
		return -EINVAL;
	memcpy(text, s, len);
	text[len] = '\0';
	double v = strtod(text, NULL); /* the C locale: memgov never calls setlocale */
	if (isinf(v))
		return -ERANGE;
	*ret = v;
	return 0;
}

static bool special(const char *s, size_t len, double *ret)
{
	bool negative = len > 0 && s[0] == '-';
	size_t sign = len > 0 && (s[0] == '-' || s[0] == '+');

	if (mg_equal_nocase(s + sign, len - sign, "inf") || mg_equal_nocase(s + sign, len - sign, "infinity")) {
		*ret = negative ? -INFINITY : INFINITY;
		return true;
	}
	if (sign == 0 && mg_equal_nocase(s, len, "nan")) {
		*ret = NAN;
		return true;
	}
	return false;
}

int mg_scan_double(const char *s, size_t len, double *ret)
{
	if (special(s, len, ret))
		return 0;
	size_t i = len > 0 && (s[0] == '-' || s[0] == '+');
	size_t n = decimal_length(s + i, len - i);
	if (n == 0)
		return -EINVAL;
	i += n;
	if (i < len && (s[i] == 'e' || s[i] == 'E')) {
		i++;
		if (i < len && (s[i] == '-' || s[i] == '+'))
			i++;
		size_t start = i;
		while (i < len && mg_is_digit(s[i]))
			i++;
		if (i == start)
			return -EINVAL;
	}
	return i == len ? convert(s, len, ret) : -EINVAL;
}

size_t mg_scan_decimal(const char *s, size_t len, double *ret)
{
	size_t n = decimal_length(s, len);

	if (n == 0 || convert(s, n, ret) < 0)
		return 0;
	return n;
}
