// SPDX-License-Identifier: Apache-2.0
/* The library's constructor: reads the environment once and either starts memgov's threads or does nothing at all. Nothing
 * at all is the answer under AT_SECURE, when switched off, in an executable that was not asked for, without a thread
 * library, and where neither a governor's directory nor a local limit exists: LD_PRELOAD is inherited by every helper
 * process of a program. The destructor and the main thread's end are noticed here too, so that neither waits for memgov. */

#include <errno.h>
#include <string.h>

#include "shim/libc.h"
#include "shim/log.h"
#include "shim/proc.h"
#include "shim/shim.h"
#include "shim/sys.h"

#define PAGE_DEFAULT  4096u
#define TICKS_DEFAULT 100u
#define MAX_AUXV      1024

/* Without getauxval the vector is read from /proc; what cannot be read counts as secure. */
static uint64_t aux(unsigned long type, uint64_t missing)
{
	_Alignas(8) char buf[MAX_AUXV];
	const unsigned long *pair = (const void *)buf;
	long n;

	if (getauxval)
		return getauxval(type);
	n = mg_file_read("/proc/self/auxv", buf, sizeof(buf));
	for (long i = 0; i + 16 <= n; i += 16, pair += 2)
		if (pair[0] == type)
			return pair[1];
	return missing;
}

static const char *env_get(const char *name)
{
	return getenv ? getenv(name) : NULL;
}

static const char *base_name(const char *path)
{
	const char *base = path;

	for (; *path; path++)
		if (*path == '/')
			base = path + 1;
	return base;
}

static void read_process(void)
{
	char status[3072];
	long n = mg_sys_readlink("/proc/self/exe", mg_shim.exe, sizeof(mg_shim.exe) - 1);

	mg_shim.exe[n > 0 ? n : 0] = '\0';
	mg_shim.page_size = aux(AT_PAGESZ, PAGE_DEFAULT);
	mg_shim.ticks_per_s = aux(AT_CLKTCK, TICKS_DEFAULT);
	mg_shim.filters = mg_file_read("/proc/self/status", status, sizeof(status)) > 0 ? mg_proc_filters(status) : UINT64_MAX;
}

/* The directory, not the socket: a governor may come later. */
static bool governor_possible(void)
{
	struct stat st;

	return mg_shim.env.socket_set || mg_sys_stat("/run/memgov", &st) == 0;
}

/* Runs when the main thread ends by pthread_exit, not at exit(): from then on the runtime thread watches for the end. */
static void main_thread_ended(void *unused)
{
	(void)unused;
	atomic_store(&mg_shim.main_gone, true);
	mg_mailbox_ring(&mg_shim.box);
}

static void watch_main(void)
{
	pthread_key_t key;

	if (!pthread_key_create || !pthread_setspecific || mg_sys_getpid() != mg_sys_gettid())
		return;
	if (pthread_key_create(&key, main_thread_ended) == 0)
		(void)pthread_setspecific(key, &mg_shim);
}

__attribute__((constructor)) static void load(void)
{
	mg_interpose_resolve();
	if (aux(AT_SECURE, 1) != 0 || !pthread_create)
		return;
	mg_env_read(&mg_shim.env, env_get);
	if (mg_shim.env.disabled || (!governor_possible() && !mg_env_limits(&mg_shim.env)))
		return;
	read_process();
	if (!mg_env_wants_exe(&mg_shim.env, base_name(mg_shim.exe)))
		return;
	mg_log_open(mg_shim.env.log);
	if (mg_shim.env.bad)
		mg_log(MG_LOG_ERROR, "bad-environment", "variable", mg_shim.env.bad);
	watch_main();
	mg_threads_register_fork();
	mg_threads_start();
}

/* A purge under way holds locks that the exit handlers may want. */
__attribute__((destructor)) static void unload(void)
{
	mg_mailbox_cancel(&mg_shim.box);
}
