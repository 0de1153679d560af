/* SPDX-License-Identifier: MIT */
#ifndef SIDETRACK_MEMORY_H
#define SIDETRACK_MEMORY_H

#include <stddef.h>

#define CACHE_LINE 64

void *memory_allocate(size_t size);

#endif /* SIDETRACK_MEMORY_H */
