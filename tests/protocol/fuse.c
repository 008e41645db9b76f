/* SPDX-License-Identifier: Apache-2.0 */
/* A file of a FUSE server that answers until the file is open and then never again: fstat, fstatfs, read and close of it wait for
 * ever. The peer sends it in place of /proc/self/statm. The server speaks the kernel's protocol itself; it needs /dev/fuse. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/protocol/rig.h"

#define NODE 2

static char mount_point[128];

static void reply(int dev, const struct fuse_in_header *in, const void *body, size_t len)
{
	char buf[512];
	const struct fuse_out_header out = { .len = (uint32_t)(sizeof out + len), .unique = in->unique };

	memcpy(buf, &out, sizeof out);
	memcpy(buf + sizeof out, body, len);
	demand(write(dev, buf, out.len) == (ssize_t)out.len, "reply to FUSE opcode %u: %s", in->opcode, strerror(errno));
}

static void answer(int dev, const struct fuse_in_header *in)
{
	const bool root = in->nodeid == FUSE_ROOT_ID && in->opcode == FUSE_GETATTR;
	const struct fuse_attr attr = { .ino = root ? FUSE_ROOT_ID : NODE,
					.mode = root ? S_IFDIR | 0555 : S_IFREG | 0666,
					.nlink = 1 };
	const struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096 };
	const struct fuse_entry_out entry = { .nodeid = NODE, .entry_valid = 3600, .attr_valid = 3600, .attr = attr };
	const struct fuse_attr_out attr_out = { .attr_valid = 3600, .attr = attr };
	const struct fuse_open_out open_out = { .fh = 1 };

	switch (in->opcode) {
	case FUSE_INIT: return reply(dev, in, &init, sizeof init);
	case FUSE_LOOKUP: return reply(dev, in, &entry, sizeof entry);
	case FUSE_GETATTR: return reply(dev, in, &attr_out, sizeof attr_out);
	case FUSE_OPEN: return reply(dev, in, &open_out, sizeof open_out);
	default: return; /* mute: STATFS, FLUSH, READ, ... */
	}
}

static void serve(int dev)
{
	static _Alignas(struct fuse_in_header) char request[FUSE_MIN_READ_BUFFER * 2];

	while (read(dev, request, sizeof request) > 0)
		answer(dev, (const struct fuse_in_header *)(const void *)request);
}

/* Mounts in a mount namespace of its own. Returns the device, or negative errno. */
static int mount_fuse(void)
{
	char options[64];
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (dev < 0 || unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	if (mount("memgov-test", mount_point, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		return -errno;
	return dev;
}

/* Starts the server; returns its process. */
static pid_t serve_mute(void)
{
	int dev = mount_fuse();

	demand(dev >= 0, "FUSE cannot be mounted: %s", strerror(-dev));
	pid_t server = fork();
	demand(server >= 0, "fork: %s", strerror(errno));
	if (server == 0) {
		serve(dev);
		_exit(0);
	}
	close(dev);
	return server;
}

static int open_mute(int flags)
{
	char path[160];

	snprintf(path, sizeof path, "%s/statm", mount_point);
	int fd = open(path, flags | O_CLOEXEC);
	demand(fd >= 0, "open on FUSE: %s", strerror(errno));
	return fd;
}

/* What the attack rests on: a child that asks fstatfs does not come back. */
static void must_be_mute(int fd)
{
	pid_t asker = fork();

	if (asker == 0) {
		struct statfs sf;
		(void)fstatfs(fd, &sf);
		_exit(0);
	}
	nap(200);
	demand(waitpid(asker, NULL, WNOHANG) == 0, "the FUSE server is not mute");
	kill(asker, SIGKILL);
}

static void send_file(const struct rig *r, int flags, unsigned connections)
{
	static const char hello[] = RIG_HELLO "fds=statm\n";
	pid_t server = serve_mute();
	int file = open_mute(flags), fd[16];

	must_be_mute(file);
	for (unsigned i = 0; i < connections; i++)
		fd[i] = dial(r);
	for (unsigned i = 0; i < connections; i++)
		(void)send_with(fd[i], hello, sizeof hello - 1, &file, 1); /* those after the first may be closed already */
	const char *code = hear_error(fd[0]);
	demand(strcmp(code, "denied") == 0, "a mute file is answered `%s`", code);
	nap(1500); /* the user's next connections are refused while its descriptor cannot be closed, ban or not */
	code = hear_error(dial(r));
	demand(strcmp(code, "full") == 0, "while its descriptor waits the user is answered `%s`", code);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static void send_one(const struct rig *r) { send_file(r, O_RDONLY, 1); }
static void send_writable(const struct rig *r) { send_file(r, O_RDWR, 1); }
static void send_crowd(const struct rig *r) { send_file(r, O_RDONLY, 16); }

static void test_mute(void **state)
{
	static const struct { const char *name, *why; void (*f)(const struct rig *r); } attack[] = {
		{ "a mute file", "a descriptor whose file system does not answer", send_one },
		{ "a mute file that is open for writing", "a descriptor that is not opened for reading alone", send_writable },
		{ "a crowd with mute files", NULL, send_crowd },
	};
	(void)state;

	for (size_t i = 0; i < sizeof attack / sizeof attack[0]; i++) {
		struct rig r;
		rig_open(&r, NULL);
		snprintf(mount_point, sizeof mount_point, "%s/fuse", r.dir);
		check(mkdir(mount_point, 0755) == 0, "mkdir: %s", strerror(errno));
		rig_start(&r, attack[i].f);
		rig_run(&r, 1000);
		check(r.hellos == 0 && r.refusals >= 1, "%s: %u hellos, %u refusals", attack[i].name, r.hellos, r.refusals);
		check(!attack[i].why || strcmp(r.why, attack[i].why) == 0, "%s: the refusal says `%s`", attack[i].name, r.why);
		rig_join(&r, 10000, attack[i].name);
		rmdir(mount_point);
		rig_close(&r, attack[i].name);
	}
}

static bool fuse_works(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(mount_fuse() < 0);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_mute) };

	strcpy(mount_point, "/tmp");
	if (geteuid() != 0 || !fuse_works()) {
		puts("skipped: mounting a FUSE file system needs root and /dev/fuse");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
