/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_ADDRESS_H
#define MG_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* An internet address; an IPv4 address inside an IPv6 one is what it is inside. */
struct mg_address {
	int family; /* AF_INET, AF_INET6 */
	unsigned char b[16];
};

/* False when it is no internet address. */
bool mg_address_of(const struct sockaddr *sa, struct mg_address *ret);
bool mg_address_parse(const char *text, struct mg_address *ret);
bool mg_address_is_loopback(const struct mg_address *a);
/* Link-local, or the fixed address of a cloud's metadata service: what no scrape reaches unless it is allowed. */
bool mg_address_is_forbidden(const struct mg_address *a);

#endif
