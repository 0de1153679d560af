/* SPDX-License-Identifier: MIT */
/*
 * Connections are served on the CPU that got their SYN.
 *
 * Left alone the kernel spreads connections over a SO_REUSEPORT group by a hash
 * of their addresses: packets are then handled on one CPU and the thread that
 * reads them sleeps on another.  When there is one thread for each CPU we may
 * run on, each is pinned to its CPU and a classic BPF program at the group
 * answers with the number of the CPU's listener.  Listeners are numbered in the
 * order in which they began to listen, which is the order of threads.
 *
 * The answer never loses a connection.  For a CPU that has no thread, and for a
 * number that is no listener's any more, the kernel goes back to its hash; when
 * a listener closes, the last one takes its number, so for the moment in which a
 * relay drains a connection may be served on another CPU than its own.
 *
 * Where all interrupts are raised on one CPU, balance.h detaches the program again.
 */
#ifndef SIDETRACK_STEERING_H
#define SIDETRACK_STEERING_H

#include <linux/filter.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/* load the CPU, a jump and a return for each thread, and the way out */
#define STEERING_INSTRUCTIONS(threads) (2 + 2 * (threads))

bool steering_cpus(cpu_set_t *cpus, uint32_t threads);
int steering_cpu(const cpu_set_t *cpus, uint32_t index);
uint32_t steering_program(const cpu_set_t *cpus, struct sock_filter *out);
int steering_attach(int listener, const cpu_set_t *cpus);

#endif /* SIDETRACK_STEERING_H */
