// SPDX-License-Identifier: MIT
/*
 * Runs a program under the system call filter that a systemd unit asks for, but
 * where systemd would answer EPERM here the process is killed: nothing that the
 * program needs may be missing, whether or not it could do without.
 *
 *   confine POLICY PROGRAM ARGUMENT...
 *
 * POLICY is a file of lines:
 *   syscall NAME		may be called (SystemCallFilter=, spelled out)
 *   family AF_NAME		may be given to socket() (RestrictAddressFamilies=)
 *   restrict NAME		namespaces | realtime | suidsgid | personality
 *
 * As systemd does, it takes names that this architecture does not have for calls
 * that nobody can make.  no_new_privs must be set already.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "which AUDIT_ARCH is this?"
#endif

#define INSTRUCTIONS_MOST 4096
#define SET_ID_BITS 06000
#define NEW_NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |	\
			CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

struct program {
	struct sock_filter instruction[INSTRUCTIONS_MOST];
	unsigned short length;
};

struct policy {
	uint32_t call[1024];
	unsigned int calls;
	uint32_t family[8];
	unsigned int families;
	bool namespaces, realtime, suidsgid, personality;
};

static const struct name {
	const char *text;
	uint32_t number;
} calls[] = {
#include "syscalls.inc"
}, families[] = {
	{ "AF_INET", AF_INET }, { "AF_INET6", AF_INET6 }, { "AF_UNIX", AF_UNIX },
	{ "AF_NETLINK", AF_NETLINK }, { "AF_PACKET", AF_PACKET },
};

static void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static const struct name *find(const struct name *names, size_t count, const char *text)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(names[i].text, text))
			return &names[i];
	return NULL;
}

/* --- the policy --------------------------------------------------------------------- */

static void allow_call(struct policy *policy, const char *text)
{
	const struct name *name = find(calls, sizeof(calls) / sizeof(calls[0]), text);

	if (name && policy->calls < sizeof(policy->call) / sizeof(policy->call[0]))
		policy->call[policy->calls++] = name->number;
}

static void allow_family(struct policy *policy, const char *text)
{
	const struct name *name = find(families, sizeof(families) / sizeof(families[0]), text);

	errno = EAFNOSUPPORT;
	check(name && policy->families < sizeof(policy->family) / sizeof(policy->family[0]), text);
	policy->family[policy->families++] = name->number;
}

static void restrict_one(struct policy *policy, const char *text)
{
	bool *const restriction = !strcmp(text, "namespaces") ? &policy->namespaces :
				  !strcmp(text, "realtime") ? &policy->realtime :
				  !strcmp(text, "suidsgid") ? &policy->suidsgid :
				  !strcmp(text, "personality") ? &policy->personality : NULL;

	errno = EINVAL;
	check(restriction, text);
	*restriction = true;
}

static void read_policy(struct policy *policy, const char *path)
{
	char kind[16], text[64];
	FILE *file = fopen(path, "r");

	check(file, path);
	while (fscanf(file, "%15s %63s", kind, text) == 2) {
		if (!strcmp(kind, "syscall"))
			allow_call(policy, text);
		else if (!strcmp(kind, "family"))
			allow_family(policy, text);
		else
			restrict_one(policy, text);
	}
	errno = EINVAL;
	check(feof(file) && policy->calls, path);
	fclose(file);
}

/* --- the filter --------------------------------------------------------------------- */

#define ARGUMENT(n) ((uint32_t)offsetof(struct seccomp_data, args[n]))	/* its low half */
#define NUMBER ((uint32_t)offsetof(struct seccomp_data, nr))
#define ARCHITECTURE ((uint32_t)offsetof(struct seccomp_data, arch))

static void emit(struct program *program, uint16_t code, uint32_t value, uint8_t yes, uint8_t no)
{
	check(program->length < INSTRUCTIONS_MOST, "filter");
	program->instruction[program->length++] = (struct sock_filter){ code, yes, no, value };
}

static void load(struct program *program, uint32_t offset)
{
	emit(program, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void answer(struct program *program, uint32_t action)
{
	emit(program, BPF_RET | BPF_K, action, 0, 0);
}

/* Skips @instructions unless the loaded word is @value. */
static void only_if(struct program *program, uint32_t value, uint8_t instructions)
{
	emit(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, instructions);
}

static void answer_call(struct program *program, uint32_t call, uint32_t action)
{
	only_if(program, call, 1);
	answer(program, action);
}

/* Kills if the argument has one of the bits. */
static void forbid_bits(struct program *program, uint32_t call, unsigned int argument,
			uint32_t bits)
{
	only_if(program, call, 4);
	load(program, ARGUMENT(argument));
	emit(program, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
	answer(program, SECCOMP_RET_KILL_PROCESS);
	load(program, NUMBER);
}

/* Kills unless the argument is one of the values. */
static void only_values(struct program *program, uint32_t call, unsigned int argument,
			const uint32_t *values, unsigned int count)
{
	unsigned int i;

	only_if(program, call, (uint8_t)(count + 3));
	load(program, ARGUMENT(argument));
	for (i = 0; i < count; i++)
		emit(program, BPF_JMP | BPF_JEQ | BPF_K, values[i], (uint8_t)(count - i), 0);
	answer(program, SECCOMP_RET_KILL_PROCESS);
	load(program, NUMBER);
}

/* clone3() hides its flags behind a pointer: systemd has the C library do without. */
static void restrict_namespaces(struct program *program)
{
	forbid_bits(program, SYS_clone, 0, NEW_NAMESPACES);
	forbid_bits(program, SYS_unshare, 0, NEW_NAMESPACES);
	answer_call(program, SYS_setns, SECCOMP_RET_KILL_PROCESS);
	answer_call(program, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
}

static void restrict_arguments(struct program *program, const struct policy *policy)
{
	static const uint32_t ordinary[] = { SCHED_OTHER, SCHED_BATCH, SCHED_IDLE };
	static const uint32_t as_it_is[] = { 0, UINT32_MAX };

	if (policy->families)
		only_values(program, SYS_socket, 0, policy->family, policy->families);
	if (policy->namespaces)
		restrict_namespaces(program);
	if (policy->realtime)
		only_values(program, SYS_sched_setscheduler, 1, ordinary, 3);
	if (policy->personality)
		only_values(program, SYS_personality, 0, as_it_is, 2);
	if (!policy->suidsgid)
		return;
#ifdef SYS_chmod
	forbid_bits(program, SYS_chmod, 1, SET_ID_BITS);
#endif
	forbid_bits(program, SYS_fchmod, 1, SET_ID_BITS);
	forbid_bits(program, SYS_fchmodat, 2, SET_ID_BITS);
}

static void make_filter(struct program *program, const struct policy *policy)
{
	unsigned int i;

	load(program, ARCHITECTURE);
	emit(program, BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0);
	answer(program, SECCOMP_RET_KILL_PROCESS);
	load(program, NUMBER);
	restrict_arguments(program, policy);
	for (i = 0; i < policy->calls; i++)
		answer_call(program, policy->call[i], SECCOMP_RET_ALLOW);
	answer(program, SECCOMP_RET_KILL_PROCESS);
}

int main(int argc, char **argv)
{
	static struct policy policy;
	static struct program program;
	struct sock_fprog filter = { .filter = program.instruction };

	if (argc < 3) {
		fprintf(stderr, "usage: confine POLICY PROGRAM ARGUMENT...\n");
		return 2;
	}
	read_policy(&policy, argv[1]);
	make_filter(&program, &policy);
	filter.len = program.length;
	check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0, "seccomp");
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
