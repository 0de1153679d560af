/* SPDX-License-Identifier: MIT */
/*
 * HTTP CONNECT (RFC 9110, 9.3.6), with Basic authentication.
 *
 * Of the reply only the status counts.  Header fields are skipped, for behind a
 * 2xx there is a tunnel and never a body; Content-Length does not count.
 * Interim 1xx replies are skipped as well.
 */
#ifndef SIDETRACK_HTTP_H
#define SIDETRACK_HTTP_H

#include "upstreams/protocol.h"

extern const struct protocol http_protocol;

#endif /* SIDETRACK_HTTP_H */
