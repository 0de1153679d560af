/* SPDX-License-Identifier: MIT */
/*
 * What a service tells the manager that started it: sd_notify(3), without its library.
 *
 * A datagram of lines such as READY=1 goes to the Unix socket that NOTIFY_SOCKET
 * names; a descriptor may ride along, for FDSTORE=1.  Here because Node cannot
 * send to Unix datagram sockets.
 */
#ifndef SIDETRACK_NOTIFY_H
#define SIDETRACK_NOTIFY_H

#include "abi.h"

#endif /* SIDETRACK_NOTIFY_H */
