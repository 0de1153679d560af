/* SPDX-License-Identifier: MIT */
/*
 * Which congestion control a socket has: TCP_CONGESTION.
 *
 * The two legs of a connection lie in different networks.  What suits a long way with
 * losses (BBR, which paces by timers) makes the short one to the LAN dear.  Accepted
 * sockets inherit the listener's, so that the client's leg costs no system call; the
 * upstream's has one, where something is configured.  Names are chosen in TypeScript.
 */
#ifndef SIDETRACK_CONGESTION_H
#define SIDETRACK_CONGESTION_H

void congestion_set(int fd, const char *name);
void congestion_settle(int listener, const char *name);

#endif /* SIDETRACK_CONGESTION_H */
