/* SPDX-License-Identifier: MIT */
/*
 * How much the kernel keeps for a socket: what is read ahead of a slow receiver.
 *
 * A receive buffer of a fixed size (SO_RCVBUF) is held; SO_BUF_LOCK 0 lets the kernel size
 * it by itself again (Linux 5.14).  It is set on a connected socket only: before that it would
 * limit the window scale, for good.  TCP_NOTSENT_LOWAT bounds what waits to be sent.
 */
#ifndef SIDETRACK_BUFFERS_H
#define SIDETRACK_BUFFERS_H

#include <stdbool.h>
#include <stdint.h>

bool buffer_can_be_freed(void);
uint32_t buffer_most(void);
void buffer_hold(int fd, uint32_t bytes);
void buffer_free(int fd);
void buffer_bound_unsent(int fd, uint32_t bytes);
uint32_t buffer_memory(int fd);

#endif /* SIDETRACK_BUFFERS_H */
