// SPDX-License-Identifier: MIT
#include "sockets/express-map.h"

#include <errno.h>
#include <linux/bpf.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

#define ORPHAN UINT32_MAX	/* the owner of what a process with our number has left */
#define LOOKS 256		/* slots looked at before it is given up */
#define REST_US 1000000
#define ORPHAN_SILENT_US (7440ULL * 1000000)	/* 2 h 4 min, RFC 5382 */

/* --- the hash ---------------------------------------------------------------------- */

static int map_call(int command, int map, const struct express_key *key,
		    struct express_place *place)
{
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.map_fd = (uint32_t)map;
	attributes.key = (uint64_t)(uintptr_t)key;
	attributes.value = (uint64_t)(uintptr_t)place;
	return syscall(SYS_bpf, command, &attributes, sizeof(attributes)) < 0 ? -errno : 0;
}

static uint32_t number_of(const struct express_map *map, const struct express_slot *slot)
{
	return (uint32_t)(slot - map->slot);
}

/* Unless a newer flow has the same addresses and ports. */
static void leave(const struct express_map *map, const struct express_slot *slot,
		  const struct express_key *key)
{
	struct express_place place;

	if (map_call(BPF_MAP_LOOKUP_ELEM, map->flows, key, &place) < 0 ||
	    place.slot != number_of(map, slot))
		return;
	(void)map_call(BPF_MAP_DELETE_ELEM, map->flows, key, NULL);
}

/**
 * express_map_enter() - Packets of both sides find the slot from now on
 * @map:	The maps
 * @slot:	Slot of ours with its keys and its state
 *
 * Return: 0 or -errno, and then none do
 */
int express_map_enter(const struct express_map *map, struct express_slot *slot)
{
	uint32_t side;
	int error;

	for (side = 0; side < EXPRESS_SIDES; side++) {
		struct express_place place = { .slot = number_of(map, slot), .side = side };

		error = map_call(BPF_MAP_UPDATE_ELEM, map->flows, &slot->side[side].key, &place);
		if (!error)
			continue;
		leave(map, slot, &slot->side[0].key);
		return error;
	}
	return 0;
}

/* --- slots ------------------------------------------------------------------------- */

/**
 * express_map_give() - Give a slot back; its packets are the stack's again
 * @map:	The maps
 * @slot:	Slot of ours
 */
void express_map_give(const struct express_map *map, struct express_slot *slot)
{
	uint32_t side;

	for (side = 0; side < EXPRESS_SIDES; side++)
		leave(map, slot, &slot->side[side].key);
	express_write(&slot->state, EXPRESS_FREE);
	slot->last_ns = clock_us() * 1000;
	express_write(&slot->owner, 0);
}

static bool is_alive(uint32_t process)
{
	return process != ORPHAN && (kill((pid_t)process, 0) == 0 || errno != ESRCH);
}

static bool is_over(const struct express_slot *slot, uint64_t now_us)
{
	return express_read(&slot->state) != EXPRESS_PASSING ||
	       slot->last_ns / 1000 + ORPHAN_SILENT_US < now_us;
}

/* Return: true if it is ours now and nothing is known of what it was */
static bool take(struct express_map *map, struct express_slot *slot, uint64_t now_us)
{
	uint32_t owner = express_read(&slot->owner);
	bool rested = slot->last_ns / 1000 + REST_US <= now_us;

	if (owner == map->owner || (owner && (is_alive(owner) || !is_over(slot, now_us))) ||
	    (!owner && !rested))
		return false;
	if (!__atomic_compare_exchange_n(&slot->owner, &owner, map->owner, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	if (!owner)
		return true;
	express_map_give(map, slot);	/* an orphan's: it rests first */
	return false;
}

/**
 * express_map_take() - Find a slot for a flow
 * @map:	The maps
 *
 * Return: zeroed but for the owner, or NULL if none is free nearby
 */
struct express_slot *express_map_take(struct express_map *map)
{
	uint64_t now_us = clock_us();
	int looks;

	for (looks = 0; looks < LOOKS; looks++) {
		uint32_t number = __atomic_fetch_add(&map->next, 1, __ATOMIC_RELAXED) % EXPRESS_SLOTS;
		struct express_slot *slot = &map->slot[number];

		if (!take(map, slot, now_us))
			continue;
		memset(slot->side, 0, sizeof(slot->side));
		slot->begun_ns = 0;
		slot->last_ns = now_us * 1000;
		slot->reset = 0;
		slot->dropped = 0;
		return slot;
	}
	return NULL;
}

/* --- life -------------------------------------------------------------------------- */

/**
 * express_map_open() - Use the maps of a loaded program
 * @map:	Zeroed
 * @flows:	Descriptor of the hash, which stays the caller's
 * @slots:	Descriptor of the slots, likewise
 *
 * Return: 0 or -errno
 */
int express_map_open(struct express_map *map, int flows, int slots)
{
	size_t size = EXPRESS_SLOTS * sizeof(*map->slot);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, slots, 0);
	uint32_t i;

	if (memory == MAP_FAILED)
		return -errno;
	map->slot = memory;
	map->flows = flows;
	map->owner = (uint32_t)getpid();
	for (i = 0; i < EXPRESS_SLOTS; i++)
		if (express_read(&map->slot[i].owner) == map->owner)
			express_write(&map->slot[i].owner, ORPHAN);
	return 0;
}

void express_map_close(struct express_map *map)
{
	if (map->slot)
		munmap(map->slot, EXPRESS_SLOTS * sizeof(*map->slot));
	map->slot = NULL;
}
