/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_ERR_H
#define MG_ERR_H

#include <stdarg.h>

/* One sentence about what failed and what to do. Filled by the function that failed, shown by loop, CLI or main. */
#define MG_ERR_MAX 320

struct mg_err {
	char text[MG_ERR_MAX];
};

#define MG_CHECK_RESULT __attribute__((warn_unused_result))
#define MG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Fills err (may be NULL) and returns r, a negative errno: `return mg_fail(err, -EINVAL, "...", ...);` */
int mg_fail(struct mg_err *err, int r, const char *fmt, ...) MG_PRINTF(3, 4);

#endif
