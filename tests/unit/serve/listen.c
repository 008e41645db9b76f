/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: addresses, the Host header, and how a unix socket comes and goes. */
#include "governor/serve/listen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"

static void addresses_are_numbers(void **state)
{
	static const struct { const char *where; int r; bool any; } rows[] = {
		{ "127.0.0.1:0", 0, false },      { "localhost:0", 0, false }, { ":0", 0, true },      { "0.0.0.0:0", 0, true },
		{ "127.0.0.1", -EINVAL, false }, { "", -EINVAL, false }, { "127.0.0.1:", -EINVAL, false },
		{ "127.0.0.1:65536", -EINVAL, false },
		{ "example.org:80", -EINVAL, false }, { "127.0.0.1:80x", -EINVAL, false }, { "[::1:80", -EINVAL, false },
		{ "192.0.2.1:0", -EADDRNOTAVAIL, false }, { "unix:relative", -EINVAL, false }, { "unix:", -EINVAL, false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_listener_socket s = { .fd = -1 };
		struct mg_err err = { "" };
		int r = mg_listen(rows[i].where, &s, &err);
		check(r == rows[i].r, "`%s` gives %d, expected %d (%s)", rows[i].where, r, rows[i].r, err.text);
		check((r < 0) == (s.fd < 0) && (r == 0 || err.text[0]), "`%s`: a descriptor or a sentence", rows[i].where);
		check(r < 0 || s.any == rows[i].any, "`%s` is%s a wildcard", rows[i].where, rows[i].any ? "" : " not");
		mg_listen_close(&s);
	}
}

static void the_host_header_names_us(void **state)
{
	static const struct { const char *where, *host; bool ok; } rows[] = {
		{ "127.0.0.1:0", NULL, true }, { "127.0.0.1:0", "127.0.0.1", true },
		{ "127.0.0.1:0", "127.0.0.1:19464", true },
		{ "127.0.0.1:0", "localhost:1", true }, { "127.0.0.1:0", "LocalHost", true },
		{ "127.0.0.1:0", "[::1]:1", true },
		{ "127.0.0.1:0", "evil.example", false }, { "127.0.0.1:0", "localhost.evil.example", false },
		{ "127.0.0.1:0", "127.0.0.1.evil.example", false },
		{ "127.0.0.1:0", "10.0.0.1", false }, { "127.0.0.1:0", "", false }, { "127.0.0.1:0", "[::1", false },
		{ "0.0.0.0:0", "10.0.0.1:19464", true }, { "0.0.0.0:0", "[fd00::1]:19464", true },
		{ "0.0.0.0:0", "pod.example", false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_listener_socket s;
		struct mg_err err;
		check(mg_listen(rows[i].where, &s, &err) == 0, "%s: %s", rows[i].where, err.text);
		check(mg_listen_host_ok(&s, rows[i].host) == rows[i].ok, "on %s a Host of `%s` is%s answered", rows[i].where,
		      rows[i].host ? rows[i].host : "(none)", rows[i].ok ? "" : " not");
		mg_listen_close(&s);
	}
}

static void a_unix_socket_is_private_and_never_stolen(void **state)
{
	char dir[] = "/tmp/memgov-listen-XXXXXX", path[64], where[80], temporary[80];
	struct mg_listener_socket first, second;
	struct mg_err err;
	struct stat st;

	(void)state;
	check(mkdtemp(dir) != NULL, "a directory");
	snprintf(path, sizeof path, "%s/admin", dir);
	snprintf(where, sizeof where, "unix:%s", path);
	snprintf(temporary, sizeof temporary, "%s.new", path);
	check(mg_listen(where, &first, &err) == 0, "it listens: %s", err.text);
	check(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600, "mode 0600, not %04o", st.st_mode & 07777);
	check(access(temporary, F_OK) < 0, "no temporary name is left");
	check(mg_listen(where, &second, &err) == -EADDRINUSE, "a socket that answers is not taken over");
	check(shutdown(first.fd, SHUT_RDWR) == 0 && close(first.fd) == 0, "the first governor dies");
	first.fd = -1;
	check(mg_listen(where, &second, &err) == 0, "its socket is replaced: %s", err.text);
	check(unlink(path) == 0 && mkdir(path, 0700) == 0, "somebody replaces it");
	mg_listen_close(&second);
	check(rmdir(path) == 0, "what is not ours is not removed");
	check(mg_listen(where, &second, &err) == 0, "it listens again: %s", err.text);
	mg_listen_close(&second);
	check(rmdir(dir) == 0, "closing removes the socket");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_numbers),
		cmocka_unit_test(the_host_header_names_us),
		cmocka_unit_test(a_unix_socket_is_private_and_never_stolen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
