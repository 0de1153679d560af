/* SPDX-License-Identifier: MIT */
/*
 * A walk over one thread's open connections, on behalf of the control side: to
 * list them, or to close some.
 *
 * Connections belong to their thread, so it is the thread that looks, a few of
 * them in each turn of its loop, and traffic goes on in between.  Nothing is
 * written for a list that nobody asks for.
 *
 * Whose the walk is says `state`.  While IDLE or DONE the control side may read
 * and free everything; it hands it over with WANTED, and the thread hands it
 * back with DONE.  A cursor in the thread's own list of connections marks how
 * far it has come, whatever opens or closes meanwhile; those accepted after the
 * walk began are left out.
 */
#ifndef SIDETRACK_WALK_H
#define SIDETRACK_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/list.h"

struct worker;

enum walk_state {
	WALK_IDLE,
	WALK_WANTED,
	WALK_DONE,
};

struct walk {
	uint32_t state;			/* enum walk_state, atomic */
	enum walk_kind kind;
	struct list cursor;
	bool begun;			/* the thread's: the cursor is in its list */
	uint64_t begun_us;
	struct sidetrack_relay_entry *entry;	/* found: listed, or closed */
	uint32_t count;
	uint32_t room;
	uint64_t *id;			/* to close, in any order */
	uint32_t id_count;
};

/* the control side */
int walk_prepare(struct walk *walk, enum walk_kind kind, uint32_t room, const uint64_t *id,
		 uint32_t id_count);
void walk_want(struct walk *walk);
bool walk_busy(const struct walk *walk);
void walk_forget(struct walk *walk);

/* the thread */
bool walk_wanted(const struct walk *walk);
void walk_slice(struct worker *worker);
void walk_abandon(struct worker *worker);

#endif /* SIDETRACK_WALK_H */
