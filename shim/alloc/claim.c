/* SPDX-License-Identifier: Apache-2.0 */
/* Claim: glibc's free pages go back to the kernel without malloc_trim, which holds an arena's lock for as long as it takes
 * (seconds). A helper thread takes the arena's free chunks with malloc, gives the pages inside back while no lock is held, and
 * frees the chunks again. The program meets the lock for one malloc or free at a time. Called by glibc.c on the runtime thread.
 *
 * What makes it end, and keeps the heap from growing: the helper runs under a seccomp filter of its own (it binds this one
 * thread and dies with it) under which mmap, mremap and mprotect fail with ENOMEM. So its malloc either finds a free chunk or
 * returns NULL, exactly as under a hard limit, and going through falling sizes takes every free chunk once. After a failure
 * glibc looks into the main arena, so the first helper reaches the main arena of a program with one thread. brk cannot be made
 * to fail this way (libc would store the errno as the break), but the break before the pass tells new memory from old.
 *
 * Other arenas are reached by attaching helpers to them, which stay parked until the pass ends: a new thread gets an unowned
 * arena, else a new one, else (8 arenas per core) the next in a ring. Where the ring is further away than MAX_HELPERS, arenas
 * that a live thread owns are out of reach.
 *
 * Nothing here reads malloc's own data. Guesses (which arena a block is from, whether a heap was seen before) decide how much
 * work is done, never whether it is right: a block belongs to the helper from malloc to free and only pages wholly inside it
 * are given back. A program that forks during a pass leaves the child with the held chunks' address space unused; their pages
 * are empty. Transparent huge pages: chunks are taken whole up to LARGEST and given back in one range, so that a huge page is
 * split at a chunk's two ends only; what is split there stays charged until reclaim although resident memory has fallen. */
#include "shim/alloc/claim.h"

#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "shim/alloc/host.h"
#include "shim/sys.h"

#define MAX_HELPERS  64          /* threads parked at the same time */
#define MAX_RANGES   1024        /* one process_madvise takes no more (UIO_MAXIOV) */
#define BATCH_BYTES  (16u << 20) /* held and still resident at most; also bounds how long the mmap lock is held */
#define LEAST_BATCH  (1u << 20)
#define LARGEST      (32u << 20) /* first size asked for; half of glibc's largest heap */
#define FINE_BELOW   (256u << 10)
#define SEED_BYTES   2000        /* past the thread cache, so that it comes from the arena */
#define HEAP_SHIFT   26          /* glibc's heaps are aligned to 64 MiB */
#define REST_EVERY   64          /* blocks between two rests, which let a waiting thread have the arena's lock */
#define REST_NS      20000
#define ARENAS_PER_CORE 8       /* glibc's limit on 64-bit machines */
#define SHIM_THREADS 2           /* link and runtime: what a program with one thread has besides */

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

MG_WEAK(pthread_join);

struct block {
	struct block *next;
};

struct helper {
	pthread_t thread;
	_Atomic uint32_t done; /* the sweep is over; the helper is parked */
	int error;             /* negative errno of the filter, 0 */
	uint64_t cpu_ns;
	uintptr_t heap;        /* of its first block: which heap it landed in */
	uint64_t chunks;
};

/* One pass. Helpers run one at a time, so all but `done` and `leave` have one user. */
struct pass {
	const struct mg_claim_libc *libc;
	const struct mg_purge_request *q;
	struct mg_claim_result *ret;
	_Atomic uint32_t leave;      /* parked helpers may exit */
	unsigned n;
	struct helper helper[MAX_HELPERS];
	uintptr_t break_at_start;
	uint64_t anon_at_start, room;
	uint64_t cpu_ns;             /* of the helpers that are done */
	uint64_t held_bytes;
	uint64_t batch_bytes;        /* shrinks where the kernel is slow */
	bool main_swept, no_batches;
	struct block *held, *held_main;
	size_t page;
	int pidfd;
	unsigned n_ranges;
	uint64_t range_bytes;
	struct iovec range[MAX_RANGES];
};

static struct pass the_pass; /* passes do not overlap: there is one runtime thread */

/* Looks at every bound of the request; called between batches. */
static bool over_bound(struct pass *p)
{
	const struct mg_purge_request *q = p->q;

	if (mg_host_cancelled(q))
		p->ret->stopped = true;
	if (q->cpu_budget_ns && p->cpu_ns + mg_host_cpu_ns() > q->cpu_budget_ns)
		p->ret->stopped = true;
	if (q->bytes != UINT64_MAX && mg_host_above(p->anon_at_start, mg_host_anon()) >= q->bytes)
		p->ret->stopped = true;
	if (p->held_bytes > p->room)
		p->ret->stopped = true;
	return p->ret->stopped;
}

static void one_by_one(const struct pass *p)
{
	for (unsigned i = 0; i < p->n_ranges; i++)
		(void)mg_sys3(__NR_madvise, p->range[i].iov_base, p->range[i].iov_len, MADV_DONTNEED);
}

/* Gives the batch back. process_madvise on oneself needs Linux 6.13; before that, and where a filter refuses it, one call per
 * range. Locked pages stay: both calls leave them. */
static void flush(struct pass *p)
{
	uint64_t start = mg_host_now_ns();

	if (p->n_ranges == 0)
		return;
	if (!p->no_batches)
		p->no_batches = mg_sys5(__NR_process_madvise, p->pidfd, p->range, p->n_ranges, MADV_DONTNEED, 0) < (long)p->range_bytes;
	if (p->no_batches)
		one_by_one(p);
	if (p->q->max_pause_ns && mg_host_now_ns() - start > p->q->max_pause_ns / 2 && p->batch_bytes > LEAST_BATCH)
		p->batch_bytes /= 2; /* mmap and the page faults of the program wait for this call too */
	p->ret->given += p->range_bytes;
	p->n_ranges = 0;
	p->range_bytes = 0;
}

/* Adds the whole pages inside a block to the batch, in parts no larger than a batch. */
static bool give_back(struct pass *p, struct block *b, size_t usable)
{
	uintptr_t at = ((uintptr_t)(b + 1) + p->page - 1) & ~(uintptr_t)(p->page - 1);
	uintptr_t end = ((uintptr_t)b + usable) & ~(uintptr_t)(p->page - 1);

	while (at < end) {
		uint64_t part = end - at < p->batch_bytes ? end - at : p->batch_bytes;

		p->range[p->n_ranges++] = (struct iovec){ .iov_base = (void *)at, .iov_len = part };
		p->range_bytes += part;
		at += part;
		if (p->n_ranges < MAX_RANGES && p->range_bytes < p->batch_bytes)
			continue;
		flush(p);
		if (over_bound(p))
			return false;
	}
	return true;
}

static void note_time(struct pass *p, uint64_t since)
{
	uint64_t took = mg_host_now_ns() - since;

	if (took > p->ret->longest_ns)
		p->ret->longest_ns = took;
}

static void *timed_malloc(struct pass *p, size_t size)
{
	uint64_t start = mg_host_now_ns();
	void *block = p->libc->malloc(size);

	note_time(p, start);
	return block;
}

static void timed_free(struct pass *p, void *block)
{
	uint64_t start = mg_host_now_ns();

	p->libc->free(block);
	note_time(p, start);
}

static void rest(void)
{
	struct __kernel_timespec ts = { 0, REST_NS };

	(void)mg_sys2(__NR_nanosleep, &ts, NULL);
}

static uintptr_t present_break(void)
{
	return (uintptr_t)mg_sys1(__NR_brk, 0);
}

/* True when the block is, or ends in, memory by which the main arena grew just now: there was no free chunk of this size. */
static bool is_new(const struct pass *p, uintptr_t block, size_t usable)
{
	if (block + usable <= p->break_at_start)
		return false;
	return block < p->break_at_start || block < present_break();
}

static bool is_main(const struct pass *p, uintptr_t block)
{
	return block < p->break_at_start;
}

/* Takes one free chunk of at least this size. False when there is none left in reach. */
static bool claim_one(struct pass *p, struct helper *h, size_t size)
{
	struct block *b = timed_malloc(p, size);

	if (!b)
		return false;
	size_t usable = p->libc->usable_size(b);
	bool of_main = is_main(p, (uintptr_t)b);
	if (is_new(p, (uintptr_t)b, usable) || (of_main && p->main_swept)) {
		timed_free(p, b);
		return false;
	}
	struct block **list = of_main ? &p->held_main : &p->held;
	b->next = *list;
	*list = b;
	p->held_bytes += usable;
	if (++h->chunks % REST_EVERY == 0)
		rest();
	return give_back(p, b, usable);
}

/* Frees a list of chunks. What was freed is unsorted until the next malloc sorts it: ask now and then, so that this falls on
 * the helper and not, thousands at a time, on the program. */
static void release(struct pass *p, struct block **list)
{
	unsigned n = 0;

	while (*list) {
		struct block *b = *list;

		*list = b->next;
		p->held_bytes -= p->libc->usable_size(b);
		timed_free(p, b);
		if (++n % REST_EVERY)
			continue;
		timed_free(p, timed_malloc(p, SEED_BYTES));
		rest();
	}
}

/* True when a chunk of at least this size is free in an arena still to be swept. */
static bool has_free(struct pass *p, size_t size)
{
	void *b = timed_malloc(p, size);

	if (!b)
		return false;
	bool old = !is_new(p, (uintptr_t)b, p->libc->usable_size(b));
	bool wanted = !is_main(p, (uintptr_t)b) || !p->main_swept;
	timed_free(p, b);
	return old && wanted;
}

/* The next smaller size. What a claimed chunk leaves behind is at most the step, and its header may cost a page that could have
 * gone: one of many in a large chunk, so that small chunks need the small steps. */
static size_t step(size_t size)
{
	return size > FINE_BELOW ? size / 32 : size / 128;
}

/* From large to small by halves, and where there is something in steps. An arena with nothing to give costs a few failed calls. */
static void sweep(struct pass *p, struct helper *h)
{
	size_t least = p->page + sizeof(struct block);

	for (size_t top = LARGEST; top > least && !p->ret->stopped; top /= 2) {
		size_t end = top / 2 > least ? top / 2 : least;

		if (over_bound(p) || !has_free(p, end))
			continue;
		for (size_t size = top; size >= end && !p->ret->stopped; size -= step(size))
			while (claim_one(p, h, size))
				;
	}
	flush(p);
	if (!p->ret->stopped)
		p->main_swept = true;
	p->ret->chunks += h->chunks;
	release(p, &p->held);
}

/* From here on this thread cannot get new memory but through brk. */
static int refuse_memory(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mmap, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mprotect, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mremap, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
	};
	struct sock_fprog prog = { .len = sizeof code / sizeof code[0], .filter = code };

	long r = mg_sys5(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)(r < 0 ? r : mg_sys3(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
}

/* How many helpers before this one had their first block in the same heap. */
static unsigned times_seen(const struct pass *p, const struct helper *h)
{
	unsigned n = 0;

	for (const struct helper *o = p->helper; o < h; o++)
		n += o->heap >> HEAP_SHIFT == h->heap >> HEAP_SHIFT;
	return n;
}

static void *helper_main(void *arg)
{
	struct helper *h = arg;
	struct pass *p = &the_pass;
	void *seed = p->libc->malloc(SEED_BYTES); /* attaches this thread to an arena */

	h->heap = (uintptr_t)seed;
	h->error = seed ? refuse_memory() : -ENOMEM;
	p->libc->free(seed);
	if (h->error == 0 && times_seen(p, h) == 0)
		sweep(p, h);
	h->cpu_ns = mg_host_cpu_ns();
	atomic_store(&h->done, 1);
	(void)mg_sys_futex_wake(&h->done);
	while (!atomic_load(&p->leave))
		(void)mg_sys_futex_wait(&p->leave, 0, UINT64_MAX);
	return NULL;
}

/* 64 KiB are enough, but libc refuses a stack that cannot hold the program's static TLS. */
static int spawn(struct helper *h)
{
	pthread_attr_t attr;
	int r = EAGAIN;

	if (pthread_attr_init(&attr))
		return -EAGAIN;
	for (size_t stack = 64u << 10; stack <= 1u << 20; stack *= 2) {
		if (pthread_attr_setstacksize(&attr, stack))
			continue;
		r = pthread_create(&h->thread, &attr, helper_main, h);
		if (r != EINVAL)
			break;
	}
	(void)pthread_attr_destroy(&attr);
	return -r;
}

static int run_helper(struct pass *p)
{
	struct helper *h = &p->helper[p->n];

	*h = (struct helper){ 0 };
	int r = spawn(h);
	if (r < 0)
		return r;
	p->n++;
	while (!atomic_load(&h->done))
		(void)mg_sys_futex_wait(&h->done, 0, UINT64_MAX);
	p->cpu_ns += h->cpu_ns;
	return h->error;
}

static unsigned cores(void)
{
	unsigned long mask[128] = { 0 };
	long bytes = mg_sys3(__NR_sched_getaffinity, 0, sizeof mask, mask);
	unsigned n = 0;

	for (long i = 0; i < bytes / (long)sizeof mask[0]; i++)
		n += (unsigned)__builtin_popcountl(mask[i]);
	return n ? n : 1;
}

/* Threads that may be started without the program's own pthread_create failing because of them. */
static unsigned thread_room(void)
{
	static const char *const pids[][2] = {
		{ "/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids.current" },
		{ "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids/pids.current" },
	};
	struct rlimit limit = { 0 };
	uint64_t room = MAX_HELPERS, max, now;

	for (unsigned i = 0; i < sizeof pids / sizeof pids[0]; i++)
		if (mg_host_number(pids[i][0], &max) && mg_host_number(pids[i][1], &now) && mg_host_above(max, now) / 4 < room)
			room = mg_host_above(max, now) / 4;
	/* how many threads the user has is not known: stay far below the limit */
	if (mg_sys4(__NR_prlimit64, 0, RLIMIT_NPROC, NULL, &limit) == 0 && limit.rlim_cur / 16 < room)
		room = limit.rlim_cur / 16;
	return (unsigned)room;
}

/* Where address space is limited, chunks held here may not use up what the program has left to grow. */
static uint64_t address_room(void)
{
	static const int which[] = { RLIMIT_AS, RLIMIT_DATA };
	uint64_t used = mg_host_vsize(), room = used;

	for (unsigned i = 0; i < sizeof which / sizeof which[0]; i++) {
		struct rlimit limit = { 0 };

		if (mg_sys4(__NR_prlimit64, 0, which[i], NULL, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
			continue;
		uint64_t left = mg_host_above(limit.rlim_cur, used) / 2;
		room = left < room ? left : room;
	}
	return room;
}

/* The process's threads; 0 when that cannot be told. */
static unsigned task_count(void)
{
	struct statx st;

	if (mg_sys5(__NR_statx, AT_FDCWD, "/proc/self/task", 0, STATX_NLINK, &st) < 0 || st.stx_nlink < 2)
		return 0;
	return st.stx_nlink - 2;
}

/* Starts helpers one after the other until every arena was visited or a bound is met. */
static int visit_arenas(struct pass *p)
{
	unsigned most = thread_room(), tasks = task_count();
	bool alone = tasks > 0 && tasks <= 1 + SHIM_THREADS;
	bool ring_in_reach = ARENAS_PER_CORE * cores() <= MAX_HELPERS / 2;

	while (p->n < most && !p->ret->stopped) {
		uint64_t before = mg_host_vsize();
		int r = run_helper(p);

		if (r < 0)
			return p->n > 1 ? 0 : r;
		if (mg_host_vsize() >= before + (1ull << HEAP_SHIFT)) { /* no unowned arena was left */
			p->ret->made++;
			p->ret->whole = alone;
			if (alone || !ring_in_reach)
				return 0;
		}
		/* once when it was unowned or made, three times in the ring, which skips an arena that is locked just then */
		if (times_seen(p, &p->helper[p->n - 1]) > 3) {
			p->ret->whole = true;
			return 0;
		}
	}
	return p->n ? 0 : -EAGAIN;
}

static void dismiss(struct pass *p)
{
	atomic_store(&p->leave, 1);
	(void)mg_sys_futex_wake(&p->leave);
	for (unsigned i = 0; i < p->n; i++)
		(void)pthread_join(p->helper[i].thread, NULL);
}

/* Helpers inherit this thread's mask: all blocked but what a fault of theirs must raise. */
static uint64_t block_signals(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
	uint64_t mask = UINT64_MAX, old = 0;

	for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++)
		mask &= ~(1ull << (faults[i] - 1));
	(void)mg_sys4(__NR_rt_sigprocmask, SIG_BLOCK, &mask, &old, sizeof old);
	return old;
}

static void prepare(struct pass *p, const struct mg_claim_libc *libc, const struct mg_purge_request *q,
		    struct mg_claim_result *ret)
{
	*ret = (struct mg_claim_result){ 0 };
	p->libc = libc;
	p->q = q;
	p->ret = ret;
	atomic_store(&p->leave, 0);
	p->n = 0;
	p->break_at_start = present_break();
	p->anon_at_start = mg_host_anon();
	p->room = address_room();
	p->cpu_ns = 0;
	p->held_bytes = 0;
	p->batch_bytes = BATCH_BYTES;
	p->main_swept = p->no_batches = false;
	p->page = mg_host_page();
	p->pidfd = (int)mg_sys2(__NR_pidfd_open, mg_sys_getpid(), 0);
}

int mg_claim_run(const struct mg_claim_libc *libc, const struct mg_purge_request *q, struct mg_claim_result *ret)
{
	struct pass *p = &the_pass;

	if (!pthread_create || !pthread_join || !pthread_attr_init || !pthread_attr_setstacksize || !pthread_attr_destroy)
		return -ENOTSUP;
	prepare(p, libc, q, ret);
	uint64_t mask = block_signals();
	int r = visit_arenas(p);
	release(p, &p->held_main);
	dismiss(p);
	(void)mg_sys4(__NR_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask);
	if (p->pidfd >= 0)
		(void)mg_sys_close(p->pidfd);
	ret->helpers = p->n;
	return r == -EINVAL || r == -EPERM || r == -EACCES || r == -ENOSYS ? -ENOTSUP : r;
}
