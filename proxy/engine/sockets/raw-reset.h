/* SPDX-License-Identifier: MIT */
/* An RST by hand, in the name of a connection that no socket of ours speaks for. */
#ifndef SIDETRACK_RAW_RESET_H
#define SIDETRACK_RAW_RESET_H

#include <stdint.h>

#include "sockets/express-flow.h"

void raw_reset(const struct express_key *from_peer, uint32_t sequence);

#endif /* SIDETRACK_RAW_RESET_H */
