/* SPDX-License-Identifier: MIT */
/* The beginning of a connection: where its client wanted to go, and whether it may. */
#ifndef SIDETRACK_OPEN_H
#define SIDETRACK_OPEN_H

#include "base/endpoint.h"
#include "bytes/thread-context.h"

void connection_open(struct thread_context *thread, int fd, const struct endpoint *client);

#endif /* SIDETRACK_OPEN_H */
