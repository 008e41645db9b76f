/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_RUN_H
#define MG_RUN_H

#include <stdbool.h>

/* `memgov run`: sets everything up around one loop and runs it until SIGTERM. Returns the exit status: 0 done, 3 an invalid
 * configuration, 4 a runtime failure. Prints errors on stderr. */
struct mg_run_options {
	const char *config;      /* path */
	bool dry_run, enforce;
	const char *socket;      /* NULL: the file's */
	const char *listen;      /* NULL: the file's */
};
int mg_run(const struct mg_run_options *o);

#endif
