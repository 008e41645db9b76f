/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_TESTS_CHECK_H
#define MG_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* An assertion with its sentence: check(x == 3, "three replies expected, got %d", x). */
#define check(cond, ...) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #cond); \
			fprintf(stderr, __VA_ARGS__); \
			fputc('\n', stderr); \
			fail(); \
		} \
	} while (0)

#endif
