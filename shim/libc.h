/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_LIBC_H
#define MG_SHIM_LIBC_H

/* What the shim takes from the process's libc: weak references, so that the library loads everywhere and a missing function
 * reads as NULL. They bind unversioned, so a symbol may resolve to its oldest version: no mutexes, no condition variables,
 * nothing whose old version differs. The mem* and str* functions are the shim's own (libc.c), hidden. */

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#define MG_WEAK(fn) extern __typeof(fn) fn __attribute__((weak))

MG_WEAK(getauxval);
MG_WEAK(getenv);
MG_WEAK(pthread_create);
MG_WEAK(pthread_attr_init);
MG_WEAK(pthread_attr_destroy);
MG_WEAK(pthread_attr_setstacksize);
MG_WEAK(pthread_attr_setdetachstate);
MG_WEAK(pthread_atfork);
MG_WEAK(pthread_sigmask);
MG_WEAK(sigfillset);
MG_WEAK(sigdelset);
MG_WEAK(dlsym);
MG_WEAK(pthread_key_create);
MG_WEAK(pthread_setspecific);

extern const char *gnu_get_libc_version(void) __attribute__((weak));
extern int *__errno_location(void) __attribute__((weak));
/* glibc keeps pthread_atfork in a static archive; this is what it calls. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso) __attribute__((weak));

#endif
