/* SPDX-License-Identifier: MIT */
/*
 * Where the control thread puts what a thread is to use from now on: a box for the
 * generation, one for the guard.
 *
 * What is put there comes with a hold already taken; the thread takes it out when it
 * is woken, and gives the hold of the one before back.
 */
#ifndef SIDETRACK_BOXES_H
#define SIDETRACK_BOXES_H

struct generation;
struct guard;
struct thread;

void boxes_give_generation(struct thread *thread, struct generation *generation);
void boxes_give_guard(struct thread *thread, struct guard *guard);
void boxes_adopt(struct thread *thread);

#endif /* SIDETRACK_BOXES_H */
