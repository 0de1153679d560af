// SPDX-License-Identifier: MIT
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Zeroed, and on cache lines of its own. */
void *memory_allocate(size_t size)
{
	size_t rounded = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	void *memory = aligned_alloc(CACHE_LINE, rounded);

	return memory ? memset(memory, 0, rounded) : NULL;
}
