/* SPDX-License-Identifier: MIT */
/* RFC 4648 base64, for Basic authentication. */
#ifndef SIDETRACK_BASE64_H
#define SIDETRACK_BASE64_H

#include <stddef.h>

/* Characters that @bytes turn into, padding included. */
#define BASE64_LENGTH(bytes) (((bytes) + 2) / 3 * 4)

size_t base64_encode(const unsigned char *bytes, size_t length, char *out);

#endif /* SIDETRACK_BASE64_H */
