/* SPDX-License-Identifier: MIT */
/*
 * Rounds of probes: one through each upstream every now and then, by the first thread.
 *
 * There may be a destination for each family of addresses; then each is judged by
 * itself, as long as one of them works.
 */
#ifndef SIDETRACK_PROBE_ROUNDS_H
#define SIDETRACK_PROBE_ROUNDS_H

struct thread;

void probe_rounds_init(struct thread *thread);
void probe_rounds_schedule(struct thread *thread);
void probe_rounds_cancel(struct thread *thread);

#endif /* SIDETRACK_PROBE_ROUNDS_H */
