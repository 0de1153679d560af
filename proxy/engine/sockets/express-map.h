/* SPDX-License-Identifier: MIT */
/*
 * The flows that the program of the mode `express` knows: a hash of keys, and slots in memory
 * that we share with it (express-flow.h).
 *
 * The maps may be shared with other relays of this machine: with the one that we take over from, or
 * with none that lives any more.  So a slot is taken by a swap of its owner, a process number,
 * and one that was given back rests for a second before it is used again: a packet on another CPU
 * may still be about to read it.  What a relay that has died left behind goes on by itself, and
 * its slots are taken when it has ended, or has said nothing for hours.
 */
#ifndef SIDETRACK_EXPRESS_MAP_H
#define SIDETRACK_EXPRESS_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "sockets/express-flow.h"

struct express_map {
	int flows;			/* not ours to close */
	struct express_slot *slot;
	uint32_t owner;
	uint32_t next;			/* where to look for a free one; atomic */
};

int express_map_open(struct express_map *map, int flows, int slots);
void express_map_close(struct express_map *map);
struct express_slot *express_map_take(struct express_map *map);
int express_map_enter(const struct express_map *map, struct express_slot *slot);
void express_map_give(const struct express_map *map, struct express_slot *slot);

/* The other writer is a program in the kernel. */
static inline uint32_t express_read(const uint32_t *field)
{
	return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

static inline void express_write(uint32_t *field, uint32_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELEASE);
}

#endif /* SIDETRACK_EXPRESS_MAP_H */
