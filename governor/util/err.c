/* SPDX-License-Identifier: Apache-2.0 */
#include "governor/util/err.h"

#include <stdio.h>

int mg_fail(struct mg_err *err, int r, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		(void)vsnprintf(err->text, sizeof err->text, fmt, ap);
		va_end(ap);
	}
	return r;
}
