// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pins.h"

/* Return: 0 or -ENOMEM */
int names_add(struct names *names, const char *name)
{
	char **moved = reallocarray(names->name, names->count + 1, sizeof(*moved));
	char *copy = strdup(name);

	if (moved)
		names->name = moved;
	if (!moved || !copy) {
		free(copy);
		return -ENOMEM;
	}
	names->name[names->count++] = copy;
	return 0;
}

bool names_have(const struct names *names, const char *name)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		if (!strcmp(names->name[i], name))
			return true;
	return false;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_sort(struct names *names)
{
	if (names->count)
		qsort(names->name, names->count, sizeof(*names->name), by_bytes);
}

void names_free(struct names *names)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct names){ 0 };
}
