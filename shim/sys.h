/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_SYS_H
#define MG_SHIM_SYS_H

/* System calls without libc: no errno, no cancellation points, no wrapper another library may have replaced. Every function
 * returns what the kernel returns: a negative errno, or the result. Numbers come from the kernel's headers. */

#include <asm/unistd.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/time_types.h>
#include <linux/types.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#if defined(__x86_64__)
static inline long mg_sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline long mg_sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory", "cc");
	return x0;
}
#else
#error "libmemgov knows the system calls of x86-64 and aarch64"
#endif

#define MG_SYS_ARG(x) ((long)(x))
#define mg_sys0(nr) mg_sys6(nr, 0, 0, 0, 0, 0, 0)
#define mg_sys1(nr, a) mg_sys6(nr, MG_SYS_ARG(a), 0, 0, 0, 0, 0)
#define mg_sys2(nr, a, b) mg_sys6(nr, MG_SYS_ARG(a), MG_SYS_ARG(b), 0, 0, 0, 0)
#define mg_sys3(nr, a, b, c) mg_sys6(nr, MG_SYS_ARG(a), MG_SYS_ARG(b), MG_SYS_ARG(c), 0, 0, 0)
#define mg_sys4(nr, a, b, c, d) mg_sys6(nr, MG_SYS_ARG(a), MG_SYS_ARG(b), MG_SYS_ARG(c), MG_SYS_ARG(d), 0, 0)
#define mg_sys5(nr, a, b, c, d, e) mg_sys6(nr, MG_SYS_ARG(a), MG_SYS_ARG(b), MG_SYS_ARG(c), MG_SYS_ARG(d), MG_SYS_ARG(e), 0)

#define MG_NS_PER_S  1000000000ull
#define MG_NS_PER_MS 1000000ull
#define MG_NS_PER_US 1000ull

/* What getdents64 fills in. */
struct mg_dirent { uint64_t ino; int64_t off; unsigned short reclen; unsigned char type; char name[]; };

static inline long mg_sys_read(int fd, void *buf, size_t n) { return mg_sys3(__NR_read, fd, buf, n); }
static inline long mg_sys_write(int fd, const void *buf, size_t n) { return mg_sys3(__NR_write, fd, buf, n); }
static inline long mg_sys_pread(int fd, void *buf, size_t n, uint64_t off) { return mg_sys4(__NR_pread64, fd, buf, n, off); }
static inline long mg_sys_open(const char *path, int flags) { return mg_sys4(__NR_openat, AT_FDCWD, path, flags, 0); }
static inline long mg_sys_close(int fd) { return mg_sys1(__NR_close, fd); }
static inline long mg_sys_getpid(void) { return mg_sys0(__NR_getpid); }
static inline long mg_sys_gettid(void) { return mg_sys0(__NR_gettid); }
static inline long mg_sys_getdents(int fd, void *buf, size_t n) { return mg_sys3(__NR_getdents64, fd, buf, n); }
static inline long mg_sys_readlink(const char *path, char *buf, size_t n)
{
	return mg_sys4(__NR_readlinkat, AT_FDCWD, path, buf, n);
}
/* The 64-bit ports' struct stat is the kernel's, in glibc and in musl. */
static inline long mg_sys_stat(const char *path, struct stat *ret) { return mg_sys4(__NR_newfstatat, AT_FDCWD, path, ret, 0); }
static inline long mg_sys_tgkill(long pid, long tid, int sig) { return mg_sys3(__NR_tgkill, pid, tid, sig); }

static inline uint64_t mg_sys_clock_ns(int clock)
{
	struct __kernel_timespec ts = { 0, 0 };

	(void)mg_sys2(__NR_clock_gettime, clock, &ts);
	return (uint64_t)ts.tv_sec * MG_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Waits until the word is no longer `seen`, a wake-up, or the timeout (UINT64_MAX: none). */
static inline long mg_sys_futex_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns)
{
	struct __kernel_timespec ts = { (long long)(timeout_ns / MG_NS_PER_S), (long long)(timeout_ns % MG_NS_PER_S) };

	return mg_sys4(__NR_futex, word, FUTEX_WAIT_PRIVATE, seen, timeout_ns == UINT64_MAX ? NULL : &ts);
}

static inline long mg_sys_futex_wake(_Atomic uint32_t *word)
{
	return mg_sys3(__NR_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

/* poll() where it exists: filters of older programs know it and not ppoll(). */
static inline long mg_sys_poll(struct pollfd *fds, unsigned n, uint64_t timeout_ns)
{
#ifdef __NR_poll
	return mg_sys3(__NR_poll, fds, n, (timeout_ns + MG_NS_PER_MS - 1) / MG_NS_PER_MS);
#else
	struct __kernel_timespec ts = { (long long)(timeout_ns / MG_NS_PER_S), (long long)(timeout_ns % MG_NS_PER_S) };

	return mg_sys5(__NR_ppoll, fds, n, &ts, NULL, 8);
#endif
}

#endif
