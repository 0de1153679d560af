// SPDX-License-Identifier: MIT
#include "upstreams/upstream.h"

#include <errno.h>
#include <string.h>

#define WEIGHT_MOST 65535
#define EVERY_FAMILY ((1U << FAMILIES) - 1)

static int credential_init(struct credential *credential, const uint8_t *bytes, uint32_t length)
{
	if (length > sizeof(credential->bytes))
		return -EINVAL;
	credential->length = (uint8_t)length;
	memcpy(credential->bytes, bytes, length);
	return 0;
}

/* What a proxy needs that a direct way does not; it may have no address yet. */
static bool can_be_dialled(const struct upstream *upstream, uint32_t port)
{
	uint32_t i;

	for (i = 0; i < upstream->address_count; i++)
		if (endpoint_is_unspecified(&upstream->address[i]))
			return false;
	return port > 0 && port <= UINT16_MAX;
}

static void set_addresses(struct upstream *upstream, const struct sidetrack_relay_upstream *from)
{
	uint32_t i;

	upstream->address_count = 1 + from->more_addresses;
	upstream->port = (uint16_t)from->port;
	for (i = 0; i < upstream->address_count; i++) {
		memcpy(&upstream->address[i].address,
		       i ? from->more_address[i - 1] : from->address, sizeof(from->address));
		upstream->address[i].port = upstream->port;
	}
	if (upstream->kind != UPSTREAM_DIRECT && upstream->address_count == 1 &&
	    IN6_IS_ADDR_UNSPECIFIED(&upstream->address[0].address))
		upstream->address_count = 0;
}

/**
 * upstream_set_addresses() - Its name stands for other addresses now
 * @upstream:	A proxy that is not in use yet
 * @addresses:	16 bytes each
 * @length:	Of all of them
 *
 * Return: 0, or -EINVAL if there are none, or too many
 */
int upstream_set_addresses(struct upstream *upstream, const uint8_t *addresses, size_t length)
{
	size_t size = sizeof(upstream->address[0].address), count = length / size, i;

	if (upstream->kind == UPSTREAM_DIRECT || !count || length % size ||
	    count > SIDETRACK_RELAY_ADDRESSES)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		memcpy(&upstream->address[i].address, addresses + i * size, size);
		upstream->address[i].port = upstream->port;
	}
	upstream->address_count = (uint32_t)count;
	return can_be_dialled(upstream, upstream->port) ? 0 : -EINVAL;
}

/* Return: true if it may be tried for a destination of this family */
bool upstream_carries(const struct upstream *upstream, enum family family)
{
	return upstream->address_count > 0 && upstream->families & 1U << family;
}

/* SOCKS4 ends the user with a zero; one inside would end it early. */
static bool fits_protocol(const struct upstream *upstream)
{
	return upstream->kind != UPSTREAM_SOCKS4A ||
	       !memchr(upstream->username.bytes, 0, upstream->username.length);
}

/**
 * upstream_init() - Take over one upstream of the configuration
 * @upstream:	Zeroed upstream
 * @from:	As TypeScript wrote it
 *
 * Return: 0, or -EINVAL if no such upstream can be
 */
int upstream_init(struct upstream *upstream, const struct sidetrack_relay_upstream *from)
{
	if (from->kind >= UPSTREAM_KIND_COUNT || from->weight > WEIGHT_MOST ||
	    from->families > EVERY_FAMILY ||
	    from->more_addresses >= SIDETRACK_RELAY_ADDRESSES)
		return -EINVAL;
	upstream->kind = (enum upstream_kind)from->kind;
	upstream->weight = from->weight ? from->weight : 1;
	upstream->slot = from->slot;
	upstream->optimistic = from->optimistic != 0;
	upstream->families = from->families ? from->families : EVERY_FAMILY;
	set_addresses(upstream, from);
	if (upstream->kind != UPSTREAM_DIRECT && !can_be_dialled(upstream, from->port))
		return -EINVAL;
	if (credential_init(&upstream->username, from->username, from->username_length) < 0 ||
	    credential_init(&upstream->password, from->password, from->password_length) < 0)
		return -EINVAL;
	return fits_protocol(upstream) ? 0 : -EINVAL;
}

bool upstream_has_credentials(const struct upstream *upstream)
{
	return upstream->username.length > 0;
}

static bool credential_is_same(const struct credential *a, const struct credential *b)
{
	return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* Return: true if they are the same but for their addresses */
bool upstream_is_kin(const struct upstream *a, const struct upstream *b)
{
	return a->kind == b->kind && a->port == b->port &&
	       credential_is_same(&a->username, &b->username) &&
	       credential_is_same(&a->password, &b->password);
}

/* Return: number of the address, or -1 */
int upstream_find_address(const struct upstream *upstream, const struct endpoint *address)
{
	uint32_t i;

	for (i = 0; i < upstream->address_count; i++)
		if (IN6_ARE_ADDR_EQUAL(&upstream->address[i].address, &address->address))
			return (int)i;
	return -1;
}

/* Return: true if what is known of the health of one holds for the other */
bool upstream_is_same(const struct upstream *a, const struct upstream *b)
{
	uint32_t i;

	if (!upstream_is_kin(a, b) || a->address_count != b->address_count)
		return false;
	for (i = 0; i < a->address_count; i++)
		if (!IN6_ARE_ADDR_EQUAL(&a->address[i].address, &b->address[i].address))
			return false;
	return true;
}

/* Return: the address to dial so that bytes get to @destination */
const struct endpoint *upstream_address(const struct upstream *upstream, uint32_t number,
					const struct endpoint *destination)
{
	return upstream->kind == UPSTREAM_DIRECT ? destination : &upstream->address[number];
}
