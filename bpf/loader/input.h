/* SPDX-License-Identifier: MIT */
/* A bundle as it comes in by a pipe: base64, in it gzip. */
#ifndef SIDETRACK_LOADER_INPUT_H
#define SIDETRACK_LOADER_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "fault.h"

int input_read(int fd, uint8_t **bytes, size_t *length, struct fault *fault);
int input_unpack(const uint8_t *text, size_t length, uint8_t **bytes, size_t *unpacked,
		 struct fault *fault);

#endif /* SIDETRACK_LOADER_INPUT_H */
