// SPDX-License-Identifier: MIT
#include "base/endpoint.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

bool endpoint_is_ipv4(const struct endpoint *endpoint)
{
	return IN6_IS_ADDR_V4MAPPED(&endpoint->address);
}

enum family endpoint_family(const struct endpoint *endpoint)
{
	return endpoint_is_ipv4(endpoint) ? FAMILY_IPV4 : FAMILY_IPV6;
}

/**
 * endpoint_host() - Whose an address is
 * @endpoint:	Address; the port is of no interest
 *
 * Return: the same number for all that one host may have: the /64, or the IPv4 address.
 * ::ffff:a.b.c.d has a place of its own: no IPv6 host is in 0:ffff::/32.
 */
uint64_t endpoint_host(const struct endpoint *endpoint)
{
	uint64_t prefix;

	if (endpoint_is_ipv4(endpoint))
		return 0xffffULL << 32 | endpoint->address.s6_addr32[3];
	memcpy(&prefix, endpoint->address.s6_addr, sizeof(prefix));
	return be64toh(prefix);
}

bool endpoint_is_unspecified(const struct endpoint *endpoint)
{
	if (endpoint_is_ipv4(endpoint))
		return endpoint->address.s6_addr32[3] == INADDR_ANY;
	return IN6_IS_ADDR_UNSPECIFIED(&endpoint->address);
}

void endpoint_from_socket_address(struct endpoint *endpoint, const union socket_address *from)
{
	memset(endpoint, 0, sizeof(*endpoint));
	if (from->any.sa_family == AF_INET6) {
		endpoint->address = from->ipv6.sin6_addr;
		endpoint->port = ntohs(from->ipv6.sin6_port);
		return;
	}
	endpoint->address.s6_addr16[5] = 0xffff;
	endpoint->address.s6_addr32[3] = from->ipv4.sin_addr.s_addr;
	endpoint->port = ntohs(from->ipv4.sin_port);
}

/* Return: length of the address that was written */
socklen_t endpoint_to_socket_address(const struct endpoint *endpoint, union socket_address *to)
{
	memset(to, 0, sizeof(*to));
	if (endpoint_is_ipv4(endpoint)) {
		to->ipv4.sin_family = AF_INET;
		to->ipv4.sin_port = htons(endpoint->port);
		to->ipv4.sin_addr.s_addr = endpoint->address.s6_addr32[3];
		return sizeof(to->ipv4);
	}
	to->ipv6.sin6_family = AF_INET6;
	to->ipv6.sin6_port = htons(endpoint->port);
	to->ipv6.sin6_addr = endpoint->address;
	return sizeof(to->ipv6);
}

/* The way people write it: 192.0.2.1:443, [2001:db8::1]:443 */
void endpoint_format(const struct endpoint *endpoint, char text[ENDPOINT_TEXT_LENGTH])
{
	char address[INET6_ADDRSTRLEN];

	if (endpoint_is_ipv4(endpoint)) {
		inet_ntop(AF_INET, &endpoint->address.s6_addr32[3], address, sizeof(address));
		snprintf(text, ENDPOINT_TEXT_LENGTH, "%s:%u", address, endpoint->port);
		return;
	}
	inet_ntop(AF_INET6, &endpoint->address, address, sizeof(address));
	snprintf(text, ENDPOINT_TEXT_LENGTH, "[%s]:%u", address, endpoint->port);
}
