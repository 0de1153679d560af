/* SPDX-License-Identifier: MIT */
/* An address and a port of either family in one shape: IPv4 is ::ffff:a.b.c.d. */
#ifndef SIDETRACK_ENDPOINT_H
#define SIDETRACK_ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "abi.h"

struct endpoint {
	struct in6_addr address;
	uint16_t port;	/* host order */
};

union socket_address {
	struct sockaddr any;
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
};

#define ENDPOINT_TEXT_LENGTH 64

bool endpoint_is_ipv4(const struct endpoint *endpoint);
enum family endpoint_family(const struct endpoint *endpoint);
uint64_t endpoint_host(const struct endpoint *endpoint);
bool endpoint_is_unspecified(const struct endpoint *endpoint);
void endpoint_from_socket_address(struct endpoint *endpoint, const union socket_address *from);
socklen_t endpoint_to_socket_address(const struct endpoint *endpoint, union socket_address *to);
void endpoint_format(const struct endpoint *endpoint, char text[ENDPOINT_TEXT_LENGTH]);

#endif /* SIDETRACK_ENDPOINT_H */
