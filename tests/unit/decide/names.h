/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_TESTS_NAMES_H
#define MG_TESTS_NAMES_H

#include "governor/decide/expr.h"

/* Names as a loader would give them: every built-in signal and three of a source `app`. */
enum { APP_HEAP_INUSE, APP_GCS, APP_LEVEL, N_APP };
extern const struct mg_names test_names;

#endif
