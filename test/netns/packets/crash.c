// SPDX-License-Identifier: MIT
/*
 * Preloaded into `sidetrack bpf VERB` it kills the process with SIGKILL just before its Nth call that leaves
 * something in the kernel: SIDETRACK_CRASH=N.  A crash at every point can be had that way, and always at the same.
 * Whoever else inherits the environment goes on; SIDETRACK_CRASH_PARENT=1 takes the apply along that runs the step,
 * and the shell between them.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Whether this is `node …/main.js bpf VERB …`. */
static bool runs_bpf(void)
{
	static const char word[] = "\0bpf";
	char words[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, words, sizeof(words));

	close(fd);
	return size > 0 && memmem(words, size, word, sizeof(word)) != NULL;
}

/* The fourth word of /proc/PID/stat; the second, a name, is in parentheses. */
static pid_t parent_of(pid_t pid)
{
	char path[32], line[256] = "";
	FILE *file;
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(line, sizeof(line), file) && strrchr(line, ')'))
		sscanf(strrchr(line, ')') + 1, " %*c %d", &parent);
	fclose(file);
	return parent;
}

static void take_along_apply(void)
{
	pid_t shell = getppid(), apply = parent_of(shell);

	if (apply > 1)
		kill(apply, SIGKILL);
	kill(shell, SIGKILL);
}

static void approach(void)
{
	static int calls;
	const char *last = getenv("SIDETRACK_CRASH");

	if (!last || ++calls != atoi(last) || !runs_bpf())
		return;
	if (getenv("SIDETRACK_CRASH_PARENT"))
		take_along_apply();
	kill(getpid(), SIGKILL);
}

int mkdir(const char *path, mode_t mode)
{
	approach();
	return REAL(mkdir)(path, mode);
}

int rmdir(const char *path)
{
	approach();
	return REAL(rmdir)(path);
}

int unlink(const char *path)
{
	approach();
	return REAL(unlink)(path);
}

int rename(const char *from, const char *to)
{
	approach();
	return REAL(rename)(from, to);
}

static bool is_change(const void *bytes, size_t size)
{
	const struct nlmsghdr *message = bytes;

	if (size < sizeof(*message))
		return false;
	switch (message->nlmsg_type) {
	case RTM_NEWQDISC:
	case RTM_DELQDISC:
	case RTM_NEWTFILTER:
	case RTM_DELTFILTER:
	case RTM_SETLINK:
		return true;
	default:
		return false;
	}
}

ssize_t send(int socket, const void *bytes, size_t size, int flags)
{
	if (is_change(bytes, size))
		approach();
	return REAL(send)(socket, bytes, size, flags);
}

/* libbpf calls bpf(2) through it; no other caller here has more than six arguments. */
long syscall(long number, ...)
{
	long a[6];
	va_list arguments;
	int i;

	va_start(arguments, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	if (number == SYS_bpf && a[0] == BPF_OBJ_PIN)
		approach();
	return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
