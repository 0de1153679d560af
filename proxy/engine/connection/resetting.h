/* SPDX-License-Identifier: MIT */
/*
 * RESETTING: one leg is broken, and all that it had sent is with the kernel on the other.
 *
 * The reset follows when the receiver has acknowledged everything, or acknowledges
 * nothing any more.
 */
#ifndef SIDETRACK_RESETTING_H
#define SIDETRACK_RESETTING_H

#include "connection/connection.h"

void resetting_begin(struct thread_context *thread, struct connection *connection);

#endif /* SIDETRACK_RESETTING_H */
