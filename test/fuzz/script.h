/* SPDX-License-Identifier: MIT */
/* The fuzzer's input, as it is used up. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stddef.h>
#include <stdint.h>

struct script {
	const uint8_t *next;
	size_t left;
};

/* Behind the end everything is zero. */
static inline uint8_t take_byte(struct script *script)
{
	if (!script->left)
		return 0;
	script->left--;
	return *script->next++;
}

#endif /* SCRIPT_H */
