/* SPDX-License-Identifier: MIT */
/*
 * Towards the sink: what is handed over is counted, what the sink would not take
 * is kept.
 *
 * Bytes that were read but not delivered are *pending*: in the pipe, which then
 * belongs to this direction alone, or in a stash of exactly their size.  Nothing
 * more is read until they are gone.
 */
#ifndef SIDETRACK_DELIVER_H
#define SIDETRACK_DELIVER_H

#include <stddef.h>
#include <sys/types.h>

#include "bytes/direction.h"

enum progress direction_source_failed(struct direction *direction);
enum progress direction_sink_failed(struct direction *direction);

void deliver_count(struct direction *direction, struct io_context *io, enum mode mode,
		   size_t bytes);
ssize_t deliver_bytes(struct direction *direction, struct io_context *io, int sink,
		      const unsigned char *bytes, size_t length, int flags);
enum progress deliver_stash(struct direction *direction, const unsigned char *bytes,
			    size_t length);
enum progress deliver_pending(struct direction *direction, struct io_context *io, int sink);
enum progress deliver_unpipe(struct direction *direction, struct io_context *io);
void deliver_discard(struct direction *direction, struct io_context *io);

#endif /* SIDETRACK_DELIVER_H */
