/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_TESTS_RIG_H
#define MG_TESTS_RIG_H

#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

#include "governor/serve/control.h"
#include "tests/check.h"

/* A real loop with a control socket, a tick of 20 ms whose lateness is measured, and an owner that counts what it is told. Peers
 * are child processes: a test says what they do, the rig runs the loop meanwhile. */

#define RIG_LATE_NS 200000000ULL /* no tick may be later */
#define RIG_HELLO   "memgov/1 HELLO\nmin=1\nmax=1\nrole=target\nid=1\n"

struct rig {
	struct mg_loop *loop;
	struct mg_control *control;
	struct mg_control_conf conf;
	char dir[64];
	struct mg_timer beat;
	uint64_t due_ns, run_delay_ns, until_ns;
	uint64_t worst_late_ns;      /* of all ticks, without the time this process waited for a CPU */
	unsigned ticks;
	bool (*until)(struct rig *r);
	pid_t child;
	int child_status;            /* -1: still running */
	/* What the owner was told. */
	unsigned hellos, messages, gones, refusals;
	struct mg_peer *peer;        /* the last that said HELLO */
	struct mg_hello hello;       /* and what the kernel said of it */
	char gone_why[160], why[160], line[160], text[256];
	enum mg_wire_verb verb;
	/* What the owner does. */
	int hello_answer;            /* returned from hello() */
	bool drop_in_hello, drop_in_message, welcome;
	int taken_fd;                /* take_fd: the first descriptor of the last HELLO; -1: none */
	bool take_fd;
	bool in_callback, gone_inside;
};

/* Defaults: own uid and root allowed, 256 peers, 64 a uid, HELLO within 2 s. change: may edit the configuration. */
void rig_open(struct rig *r, void (*change)(struct mg_control_conf *conf));
/* Checks on the way that no tick was late, no descriptor is left (waits 3 s for threads that close), nothing in the directory. */
void rig_close(struct rig *r, const char *what);
void rig_run(struct rig *r, unsigned ms);
/* Runs the loop until f is true; fails the test after ms, with what. */
void rig_until(struct rig *r, bool (*f)(struct rig *r), unsigned ms, const char *what);
/* Starts a child that runs f with only the standard descriptors open, and runs the loop until the child ended, well. */
void rig_child(struct rig *r, void (*f)(const struct rig *r), unsigned ms, const char *what);
void rig_start(struct rig *r, void (*f)(const struct rig *r));
void rig_join(struct rig *r, unsigned ms, const char *what);
unsigned count_fds(void);

/* For children. A failure prints its sentence and ends the child, and with it the test. */
#define demand(cond, ...) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: in the child: %s: ", __FILE__, __LINE__, #cond); \
			fprintf(stderr, __VA_ARGS__); \
			fputc('\n', stderr); \
			_exit(1); \
		} \
	} while (0)
int dial(const struct rig *r);
/* Sends one datagram with n descriptors, trying again while the governor has not accepted (EPERM). 0 or negative errno. */
int send_with(int fd, const void *text, size_t len, const int *fds, unsigned n);
int send_once(int fd, const void *text, size_t len, const int *fds, unsigned n);
int say(int fd, const char *text);
/* Reads one datagram within 3 s. Returns its length, 0 when the connection ended; text is terminated. */
int hear(int fd, char text[static MG_WIRE_MAX + 1]);
/* The code of the ERROR that comes next, "" when the connection ended without one. Static storage. */
const char *hear_error(int fd);
void nap(unsigned ms);
/* A connected TCP socket whose close waits six seconds: unsent data, SO_LINGER, a peer that does not read. */
int lingering_socket(void);

#endif
