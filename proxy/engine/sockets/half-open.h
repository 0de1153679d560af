/* SPDX-License-Identifier: MIT */
/*
 * The lines of /proc/net/tcp and tcp6 that are about handshakes which wait for the client's ACK.
 *
 * The kernel writes a line for each socket, a page at a time: thousands of reads where there are
 * ten thousand connections, too many for Node's main thread.  This is called in one of its own.
 */
#ifndef SIDETRACK_HALF_OPEN_H
#define SIDETRACK_HALF_OPEN_H

#include "abi.h"

#endif /* SIDETRACK_HALF_OPEN_H */
