/* SPDX-License-Identifier: MIT */
/*
 * A snapshot of one thread's open connections, on behalf of the control side: to
 * list them, or to close some.
 *
 * Connections belong to their thread, so it is the thread that looks, a few of
 * them in each turn of its loop, and traffic goes on in between.  Nothing is
 * written while no list is asked for.
 *
 * Whose the snapshot is says `state`.  While IDLE or DONE the control side may read
 * and free everything; it hands it over with WANTED, and the thread hands it
 * back with DONE.  A cursor in the thread's own list of connections marks how
 * far it has come, whatever opens or closes meanwhile; those accepted after the
 * snapshot began are left out.
 */
#ifndef SIDETRACK_SNAPSHOT_H
#define SIDETRACK_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/list.h"

struct thread;

enum snapshot_state {
	SNAPSHOT_IDLE,
	SNAPSHOT_WANTED,
	SNAPSHOT_DONE,
};

struct snapshot {
	uint32_t state;			/* enum snapshot_state, atomic */
	enum snapshot_kind kind;
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
int snapshot_prepare(struct snapshot *snapshot, enum snapshot_kind kind, uint32_t room,
		     const uint64_t *id, uint32_t id_count);
void snapshot_want(struct snapshot *snapshot);
bool snapshot_busy(const struct snapshot *snapshot);
void snapshot_forget(struct snapshot *snapshot);

/* the thread */
bool snapshot_wanted(const struct snapshot *snapshot);
void snapshot_slice(struct thread *thread);
void snapshot_abandon(struct thread *thread);

#endif /* SIDETRACK_SNAPSHOT_H */
