// SPDX-License-Identifier: MIT
/*
 * The mode `express`: the kernel's eBPF program moves packets from end to end, and no byte comes
 * here.  connection/express.h says how that begins and ends.
 */
#include "bytes/mode.h"

static enum progress express_pass(struct direction *direction, struct io_context *io, int source,
				  int sink, size_t *moved)
{
	(void)direction;
	(void)io;
	(void)source;
	(void)sink;
	*moved = 0;
	return PROGRESS_SOURCE_EMPTY;
}

const struct mode_ops express_mode = { .pass = express_pass };
