/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses a source may not reach: reads what a name resolved to, gives yes or no to http.c, before a byte is sent. Pure. */
#include "collectors/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

struct net {
	int family;
	unsigned char b[16];
	unsigned bits;
};

static const struct net forbidden[] = {
	{ AF_INET, { 169, 254 }, 16 },                /* link-local; metadata of most clouds */
	{ AF_INET, { 100, 100, 100, 200 }, 32 },      /* metadata: Alibaba */
	{ AF_INET, { 168, 63, 129, 16 }, 32 },        /* metadata: Azure's wire server */
	{ AF_INET, { 192, 0, 0, 192 }, 32 },          /* metadata: Oracle */
	{ AF_INET6, { 0xfe, 0x80 }, 10 },             /* link-local */
	{ AF_INET6, { 0xfd, 0x00, 0x0e, 0xc2 }, 32 }, /* metadata: EC2 over IPv6 */
};

static const struct net loopback[] = {
	{ AF_INET, { 127 }, 8 },
	{ AF_INET6, { [15] = 1 }, 128 },
};

/* Prefixes of 96 bits after which an IPv4 address stands: mapped, and translated (NAT64). */
static const unsigned char v4_prefixes[][12] = {
	{ [10] = 0xff, [11] = 0xff },
	{ 0x00, 0x64, 0xff, 0x9b },
};

static bool in_net(const struct mg_address *a, const struct net *n)
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;

	if (a->family != n->family || memcmp(a->b, n->b, whole) != 0)
		return false;
	return rest == 0 || ((a->b[whole] ^ n->b[whole]) >> (8 - rest)) == 0;
}

static bool in_any(const struct mg_address *a, const struct net nets[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in_net(a, &nets[i]))
			return true;
	return false;
}

static struct mg_address from_v6(const unsigned char b[16])
{
	struct mg_address a = { .family = AF_INET6 };

	for (size_t i = 0; i < sizeof v4_prefixes / sizeof v4_prefixes[0]; i++) {
		if (memcmp(b, v4_prefixes[i], 12) != 0)
			continue;
		a.family = AF_INET;
		memcpy(a.b, b + 12, 4);
		return a;
	}
	memcpy(a.b, b, 16);
	return a;
}

bool mg_address_of(const struct sockaddr *sa, struct mg_address *ret)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof v4);
		*ret = (struct mg_address){ .family = AF_INET };
		memcpy(ret->b, &v4.sin_addr, 4);
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(&v6, sa, sizeof v6);
	*ret = from_v6(v6.sin6_addr.s6_addr);
	return true;
}

bool mg_address_parse(const char *text, struct mg_address *ret)
{
	unsigned char b[16];

	if (inet_pton(AF_INET6, text, b) == 1) {
		*ret = from_v6(b);
		return true;
	}
	*ret = (struct mg_address){ .family = AF_INET };
	return inet_pton(AF_INET, text, ret->b) == 1;
}

bool mg_address_is_loopback(const struct mg_address *a)
{
	return in_any(a, loopback, sizeof loopback / sizeof loopback[0]);
}

bool mg_address_is_forbidden(const struct mg_address *a)
{
	return in_any(a, forbidden, sizeof forbidden / sizeof forbidden[0]);
}
