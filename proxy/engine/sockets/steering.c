// SPDX-License-Identifier: MIT
#include "sockets/steering.h"

#include <errno.h>
#include <sys/socket.h>

/**
 * steering_cpus() - Ask whether threads and CPUs are one to one
 * @cpus:	Where to put the CPUs that we may run on
 * @threads:	How many threads there are
 *
 * Return: true if each thread can have a CPU of its own and none is left over
 */
bool steering_cpus(cpu_set_t *cpus, uint32_t threads)
{
	CPU_ZERO(cpus);
	return threads > 1 && sched_getaffinity(0, sizeof(*cpus), cpus) == 0 &&
	       (uint32_t)CPU_COUNT(cpus) == threads;
}

/* Return: the CPU of thread @index, counting only those in @cpus; -1 if there is none */
int steering_cpu(const cpu_set_t *cpus, uint32_t index)
{
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, cpus) && index-- == 0)
			return cpu;
	return -1;
}

/**
 * steering_program() - CPU → number of its thread's listener
 * @cpus:	CPUs of the threads
 * @out:	Room for STEERING_INSTRUCTIONS() of them
 *
 * Return: number of instructions
 */
uint32_t steering_program(const cpu_set_t *cpus, struct sock_filter *out)
{
	uint32_t cpu_offset = (uint32_t)(SKF_AD_OFF + SKF_AD_CPU);
	uint32_t count = 0, index = 0;
	int cpu;

	out[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, cpu_offset);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, cpus))
			continue;
		out[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							    (uint32_t)cpu, 0, 1);
		out[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, index++);
	}
	/* no listener has this number: let the kernel's hash choose */
	out[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	return count;
}

/**
 * steering_attach() - Steer a group of listeners
 * @listener:	Any of them; the program is the whole group's
 * @cpus:	CPUs of their threads
 *
 * Return: 0 or -errno; without it the kernel's hash goes on
 */
int steering_attach(int listener, const cpu_set_t *cpus)
{
	struct sock_filter instruction[STEERING_INSTRUCTIONS(CPU_SETSIZE)];
	struct sock_fprog program = {
		.len = (unsigned short)steering_program(cpus, instruction),
		.filter = instruction,
	};

	return setsockopt(listener, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
			  sizeof(program)) < 0 ? -errno : 0;
}
