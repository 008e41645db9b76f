/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_SAMPLE_H
#define MG_SHIM_SAMPLE_H

/* The process's /proc/self/statm for whoever may open nothing: the runtime thread shares the program's descriptor table, where
 * even a short-lived descriptor takes a number the program may be counting on, and an open() may be fatal in a sandbox. The
 * link thread reads it from its kept descriptor and leaves it here. Weak: the adapters' own tests run without a link thread. */

#include <stdbool.h>
#include <stdint.h>

/* Size, resident and shared, in pages, read after this call began. False: nobody serves, or not within a fifth of a second. */
bool mg_sample_statm(uint64_t field[3]) __attribute__((weak));
/* Link thread: true when somebody waits; then it reads, and publishes with the ticket. */
bool mg_sample_wanted(uint32_t *ret_ticket);
/* Nobody serves from now on (or somebody does again): an asker must not wait for a thread that leaves. */
void mg_sample_close(bool closed);
void mg_sample_publish(uint32_t ticket, const uint64_t field[3]);

#endif
