/* SPDX-License-Identifier: MIT */
/* The mode `copy`, which others fall back on. */
#ifndef SIDETRACK_COPY_H
#define SIDETRACK_COPY_H

#include "bytes/mode.h"

enum progress copy_pass(struct direction *direction, struct io_context *io, int source, int sink,
			size_t *moved);

#endif /* SIDETRACK_COPY_H */
