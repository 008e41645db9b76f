/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses a source may reach. */
#include <arpa/inet.h>
#include <string.h>

#include "collectors/address.h"
#include "tests/check.h"

static const struct {
	const char *text;
	bool valid, loopback, forbidden;
} rows[] = {
	{ "127.0.0.1", true, true, false },
	{ "127.255.3.4", true, true, false },
	{ "128.0.0.1", true, false, false },
	{ "::1", true, true, false },
	{ "::2", true, false, false },
	{ "::ffff:127.0.0.1", true, true, false },
	{ "10.0.0.1", true, false, false },
	{ "169.254.169.254", true, false, true },
	{ "169.254.0.1", true, false, true },
	{ "169.253.255.255", true, false, false },
	{ "::ffff:169.254.169.254", true, false, true },
	{ "64:ff9b::a9fe:a9fe", true, false, true },
	{ "64:ff9b::1.2.3.4", true, false, false },
	{ "fe80::1", true, false, true },
	{ "febf::1", true, false, true },
	{ "fec0::1", true, false, false },
	{ "fd00:ec2::254", true, false, true },
	{ "fd00:ec3::254", true, false, false },
	{ "100.100.100.200", true, false, true },
	{ "100.100.100.201", true, false, false },
	{ "168.63.129.16", true, false, true },
	{ "192.0.0.192", true, false, true },
	{ "2001:db8::1", true, false, false },
	{ "localhost", false, false, false },
	{ "", false, false, false },
	{ "1.2.3", false, false, false },
};

static void addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_address a;
		bool valid = mg_address_parse(rows[i].text, &a);
		check(valid == rows[i].valid, "`%s` is %san address", rows[i].text, rows[i].valid ? "" : "not ");
		if (!valid)
			continue;
		check(mg_address_is_loopback(&a) == rows[i].loopback, "%s: loopback should be %d", rows[i].text,
		      rows[i].loopback);
		check(mg_address_is_forbidden(&a) == rows[i].forbidden, "%s: forbidden should be %d", rows[i].text,
		      rows[i].forbidden);
	}
}

static void socket_addresses(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr local = { .sa_family = AF_UNIX };
	struct mg_address a;

	(void)state;
	inet_pton(AF_INET, "169.254.169.254", &v4.sin_addr);
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &v6.sin6_addr);
	check(mg_address_of((struct sockaddr *)&v4, &a) && mg_address_is_forbidden(&a), "an IPv4 socket address is read");
	check(mg_address_of((struct sockaddr *)&v6, &a) && mg_address_is_loopback(&a),
	      "a mapped IPv6 socket address is what it maps");
	check(!mg_address_of(&local, &a), "a unix socket has no internet address");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(addresses), cmocka_unit_test(socket_addresses) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
