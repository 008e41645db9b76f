/* SPDX-License-Identifier: Apache-2.0 */
/* Reads /proc, the auxiliary vector and the dynamic linker's tables, gives numbers and addresses to the allocator adapters
 * beside it. Every file is opened and closed at once: the adapters own no descriptor that the program could meet. */
#include "shim/alloc/host.h"

#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <time.h>

#include "shim/sample.h"
#include "shim/sys.h"

#define SMALL_FILE 128

MG_WEAK(clock_gettime);
MG_WEAK(dladdr);
MG_WEAK(dladdr1);
MG_WEAK(malloc);
MG_WEAK(free);

void *mg_host_alloc(size_t bytes)
{
	return malloc ? malloc(bytes) : NULL;
}

void mg_host_free(void *block)
{
	if (free)
		free(block);
}

void *mg_host_symbol(const char *name)
{
	return dlsym ? dlsym(RTLD_DEFAULT, name) : NULL;
}

size_t mg_host_page(void)
{
	size_t page = getauxval ? (size_t)getauxval(AT_PAGESZ) : 0;

	return page ? page : 4096; /* no auxiliary vector: the smallest page of both machines is a safe rounding unit */
}

/* The file's text, NUL-terminated; false when it cannot be read. */
static bool slurp(const char *path, char text[static SMALL_FILE])
{
	long fd = mg_sys_open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	long n = mg_sys_read((int)fd, text, SMALL_FILE - 1);
	(void)mg_sys_close((int)fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

const char *mg_host_scan(const char *s, uint64_t *ret)
{
	*ret = 0;
	while (*s == ' ')
		s++;
	for (; *s >= '0' && *s <= '9'; s++)
		*ret = *ret * 10 + (uint64_t)(*s - '0');
	return s;
}

/* /proc/self/statm: size resident shared, in pages. */
static bool statm(uint64_t field[static 3])
{
	char text[SMALL_FILE];
	const char *s = text;

	if (mg_sample_statm)
		return mg_sample_statm(field);
	if (!slurp("/proc/self/statm", text))
		return false;
	for (int i = 0; i < 3; i++)
		s = mg_host_scan(s, &field[i]);
	return true;
}

uint64_t mg_host_anon(void)
{
	uint64_t pages[3];

	return statm(pages) ? mg_host_above(pages[1], pages[2]) * mg_host_page() : 0;
}

uint64_t mg_host_vsize(void)
{
	uint64_t pages[3];

	return statm(pages) ? pages[0] * mg_host_page() : 0;
}

bool mg_host_number(const char *path, uint64_t *ret)
{
	char text[SMALL_FILE];

	if (!slurp(path, text) || text[0] < '0' || text[0] > '9')
		return false;
	(void)mg_host_scan(text, ret);
	return true;
}

uint64_t mg_host_now_ns(void)
{
	struct timespec ts;

	/* libc's goes through the vDSO: it is read around every claimed block */
	if (clock_gettime && clock_gettime(CLOCK_MONOTONIC, &ts) == 0)
		return (uint64_t)ts.tv_sec * MG_NS_PER_S + (uint64_t)ts.tv_nsec;
	return mg_sys_clock_ns(CLOCK_MONOTONIC);
}

uint64_t mg_host_cpu_ns(void)
{
	return mg_sys_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

bool mg_host_cancelled(const struct mg_purge_request *q)
{
	return q->cancel && atomic_load_explicit(q->cancel, memory_order_relaxed);
}

const char *mg_host_find(const char *s, const char *part)
{
	size_t n = strlen(part);

	for (; *s; s++)
		if (strncmp(s, part, n) == 0)
			return s;
	return NULL;
}

bool mg_host_owner_has(const char *symbol, const char *part)
{
	void *address = mg_host_symbol(symbol);
	Dl_info where;

	return address && dladdr && dladdr(address, &where) && where.dli_fname && mg_host_find(where.dli_fname, part);
}

bool mg_host_is_import(const void *address)
{
	const ElfW(Sym) *symbol = NULL;
	Dl_info where;

	return dladdr1 && dladdr1(address, &where, (void **)&symbol, RTLD_DL_SYMENT) && symbol && symbol->st_shndx == SHN_UNDEF;
}

/* The program's load address: that of its own headers, which the kernel put into the auxiliary vector. */
bool mg_host_in_program(const char *symbol)
{
	void *address = mg_host_symbol(symbol), *headers = getauxval ? (void *)getauxval(AT_PHDR) : NULL;
	Dl_info where, program;

	if (!address || !dladdr)
		return true;
	return headers && dladdr(address, &where) && dladdr(headers, &program) && where.dli_fbase == program.dli_fbase;
}

void mg_host_no_stats(struct mg_alloc_stats *ret, bool want_live)
{
	(void)want_live;
	*ret = (struct mg_alloc_stats){ MG_STAT_UNKNOWN, MG_STAT_UNKNOWN, MG_STAT_UNKNOWN, 0 };
}

int mg_host_no_purge(const struct mg_purge_request *q, struct mg_purge_result *ret)
{
	(void)q;
	(void)ret;
	return -ENOTSUP;
}
