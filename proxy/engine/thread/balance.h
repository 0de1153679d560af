/* SPDX-License-Identifier: MIT */
/*
 * A network card with a single queue raises all its interrupts on one CPU, and where
 * connections are served on the CPU that got their SYN (steering.h) one thread would do
 * all the work.  So threads compare what they have accepted now and then; when one has
 * far more than its share the program is detached.
 */
#ifndef SIDETRACK_BALANCE_H
#define SIDETRACK_BALANCE_H

struct thread;

void balance_review(struct thread *thread);

#endif /* SIDETRACK_BALANCE_H */
