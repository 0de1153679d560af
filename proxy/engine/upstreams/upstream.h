/* SPDX-License-Identifier: MIT */
/* One way out, as the configuration describes it; it never changes while anybody uses it. */
#ifndef SIDETRACK_UPSTREAM_H
#define SIDETRACK_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "base/endpoint.h"

/* Bytes of any value, without a final zero. */
struct credential {
	uint8_t length;
	unsigned char bytes[SIDETRACK_RELAY_CREDENTIAL_LENGTH];
};

struct upstream {
	enum upstream_kind kind;
	uint32_t weight;
	uint32_t slot;		/* where it is counted */
	bool optimistic;	/* the client's first bytes go along with the request */
	uint32_t families;	/* of destinations: 1 << enum family */
	uint32_t address_count;	/* 1 for DIRECT, too; 0: its name has none yet */
	uint16_t port;		/* of each address */
	struct endpoint address[SIDETRACK_RELAY_ADDRESSES];
	struct credential username;
	struct credential password;
};

int upstream_init(struct upstream *upstream, const struct sidetrack_relay_upstream *from);
bool upstream_has_credentials(const struct upstream *upstream);
int upstream_set_addresses(struct upstream *upstream, const uint8_t *addresses, size_t length);
bool upstream_carries(const struct upstream *upstream, enum family family);
bool upstream_is_kin(const struct upstream *a, const struct upstream *b);
int upstream_find_address(const struct upstream *upstream, const struct endpoint *address);
bool upstream_is_same(const struct upstream *a, const struct upstream *b);
const struct endpoint *upstream_address(const struct upstream *upstream, uint32_t number,
					const struct endpoint *destination);

#endif /* SIDETRACK_UPSTREAM_H */
