/* SPDX-License-Identifier: MIT */
/* Bytes of a connection, counted by upstream, by route and by client. */
#ifndef SIDETRACK_COUNT_BYTES_H
#define SIDETRACK_COUNT_BYTES_H

#include "connection/connection.h"

void count_bytes(struct thread_context *thread, const struct connection *connection, int side,
		 uint64_t bytes);

#endif /* SIDETRACK_COUNT_BYTES_H */
