/* SPDX-License-Identifier: MIT */
/* A doubly linked list whose links live in the elements, so that adding and
 * removing can neither fail nor search. */
#ifndef SIDETRACK_LIST_H
#define SIDETRACK_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

#define container_of(pointer, type, member) \
	((type *)((char *)(pointer) - offsetof(type, member)))

struct list {
	struct list *next;
	struct list *previous;
};

static inline void list_init(struct list *list)
{
	list->next = list;
	list->previous = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

/* Adds at the end.  The node is in no list: as list_init() left it, or all zero. */
static inline void list_add(struct list *list, struct list *node)
{
	ASSERT(!node->next || list_empty(node));
	node->previous = list->previous;
	node->next = list;
	list->previous->next = node;
	list->previous = node;
}

/* Leaves the node empty, so that a second removal does nothing. */
static inline void list_remove(struct list *node)
{
	node->previous->next = node->next;
	node->next->previous = node->previous;
	list_init(node);
}

/* Moves everything in `from` to `to`, which must be empty. */
static inline void list_move_all(struct list *from, struct list *to)
{
	ASSERT(list_empty(to));
	if (list_empty(from))
		return;
	*to = *from;
	to->next->previous = to;
	to->previous->next = to;
	list_init(from);
}

#endif /* SIDETRACK_LIST_H */
