/* SPDX-License-Identifier: MIT */
/*
 * The ways to move bytes from a source to a sink, and the choice among them.
 *
 * abi.h has the list.  A mode `name` of it is a file that defines `name_mode`,
 * its operations; what counts and shows modes goes through the list.
 *
 *  copy	recv() into the thread's buffer, send() from it.  Cheapest for
 *		small messages: two system calls and a short memcpy.
 *  splice	splice() into a pipe and out of it.  Cheapest for bulk: the
 *		pages move and the bytes are never touched.
 *  express	an eBPF program sends each packet on, and none comes here.  A
 *		connection as a whole changes to it: see connection/express.h.
 *
 * A direction starts by copying.  Some large passes in a row prove bulk and
 * promote it; some small ones, or a pause, demote it again.
 */
#ifndef SIDETRACK_MODE_H
#define SIDETRACK_MODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

struct direction;
struct io_context;

enum progress {
	PROGRESS_MADE,		/* go on */
	PROGRESS_SOURCE_EMPTY,	/* wait for the source to be readable */
	PROGRESS_SINK_FULL,	/* wait for the sink to be writable */
	PROGRESS_TURN_OVER,	/* run again after the others */
	PROGRESS_FINISHED,	/* FIN received and everything delivered */
	PROGRESS_SOURCE_FAILED,
	PROGRESS_SINK_FAILED,
	PROGRESS_NO_MEMORY,
};

/**
 * struct mode_ops - What a mode does for a direction
 * @begin:	Gets ready; 0, or -errno and the direction stays in the mode it has.
 *		NULL: there is nothing to do
 * @pass:	Reads once and hands on as much as the sink takes.  Nothing is pending
 *		when it is called.  *moved becomes the bytes that were read
 * @end:	Another mode takes over, or the direction ends.  What is pending stays.
 *		NULL: there is nothing to do
 */
struct mode_ops {
	int (*begin)(struct direction *direction, struct io_context *io);
	enum progress (*pass)(struct direction *direction, struct io_context *io, int source,
			      int sink, size_t *moved);
	void (*end)(struct direction *direction, struct io_context *io);
};

#define X(NAME, name, help) extern const struct mode_ops name##_mode;
SIDETRACK_RELAY_MODES(X)
#undef X

extern const struct mode_ops *const mode_ops[MODE_COUNT];

/* What is known when a direction's mode is chosen: before a run, and after each pass. */
struct mode_facts {
	enum mode mode;		/* the present one */
	uint8_t streak;		/* passes in a row that spoke for another one */
	size_t bytes;		/* of the last pass; 0: there has been none since the last choice */
	bool idle;		/* the last run is long ago */
	bool urgent;		/* an urgent byte has been seen, which blocks splice() for ever */
	bool may_splice;	/* the configuration allows it */
};

struct mode_choice {
	enum mode mode;
	uint8_t streak;
};

struct mode_choice mode_choose(const struct mode_facts *facts);

#endif /* SIDETRACK_MODE_H */
