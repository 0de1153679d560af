/* SPDX-License-Identifier: MIT */
/* What is in a bundle, in words; nothing is asked of the kernel. */
#ifndef SIDETRACK_LOADER_CHECK_H
#define SIDETRACK_LOADER_CHECK_H

#include <stdio.h>

#include "contents.h"

int check_print(const struct contents *contents, FILE *out, struct fault *fault);

#endif /* SIDETRACK_LOADER_CHECK_H */
