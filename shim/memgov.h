/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMGOV_H
#define MEMGOV_H

/* What a program may ask of libmemgov.so when it is loaded (by LD_PRELOAD or linked). Every function is declared weak: a
 * program that includes this header needs no library to link or to run; it tests the function before it calls it:
 *
 *	if (memgov_active && memgov_active())
 *		...
 */

#ifdef __cplusplus
extern "C" {
#endif

#define MEMGOV_VERSION_MAJOR 0
#define MEMGOV_VERSION_MINOR 1
#define MEMGOV_VERSION_PATCH 0
#define MEMGOV_ABI           1

/* The loaded library's version as major * 10000 + minor * 100 + patch. */
int memgov_version(void) __attribute__((weak));
/* The loaded library's MEMGOV_ABI: functions of this header are never changed within one, only added. */
int memgov_abi(void) __attribute__((weak));
/* 1 while a governor holds a lease on this process, 0 otherwise. Callable from anywhere, signal handlers too. */
int memgov_active(void) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif
