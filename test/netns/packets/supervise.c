// SPDX-License-Identifier: MIT
/*
 * Plays systemd for one service, as far as the relay can tell: sd_notify(3) with
 * NotifyAccess=main, the fd store, WATCHDOG_USEC.
 *
 *   supervise NOTIFY_SOCKET WATCHDOG_MS PROGRAM ARGUMENT...
 *
 * Each line "start" on standard input starts the program with what the store
 * holds.  Everything that happens is a line on standard output:
 *   started PID STORED | notify PID LINE|LINE | ignored PID LINE | stored NAME | ended PID STATUS
 * Ends with its standard input, and the program with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_STORED 128
#define FIRST_DESCRIPTOR 3

struct stored {
	int fd;
	char name[64];
};

struct supervisor {
	const char *socket_name;
	const char *watchdog_ms;
	char **program;
	int notify;
	int children;
	pid_t main;
	struct stored stored[MOST_STORED];
	int count;
};

static void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static int listen_for_notices(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = 0;
	check(bind(fd, (struct sockaddr *)&address, length) == 0, "bind");
	if (name[0] == '/')
		check(chmod(name, 0777) == 0, "chmod");
	check(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0, "SO_PASSCRED");
	return fd;
}

static void set_number(const char *name, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", value);
	setenv(name, text, 1);
}

/* In the child.  systemd gives stored descriptors back last in, first out. */
static void become_program(struct supervisor *all)
{
	char names[MOST_STORED * 64] = "";
	sigset_t none;
	int i;

	for (i = 0; i < all->count; i++) {
		struct stored *one = &all->stored[all->count - 1 - i];
		int high = fcntl(one->fd, F_DUPFD_CLOEXEC, 200);

		strcat(strcat(names, i ? ":" : ""), one->name);
		one->fd = high;
	}
	for (i = 0; i < all->count; i++)
		dup2(all->stored[all->count - 1 - i].fd, FIRST_DESCRIPTOR + i);
	setenv("NOTIFY_SOCKET", all->socket_name, 1);
	set_number("WATCHDOG_USEC", atoll(all->watchdog_ms) * 1000);
	set_number("WATCHDOG_PID", getpid());
	if (all->count) {
		set_number("LISTEN_FDS", all->count);
		set_number("LISTEN_PID", getpid());
		setenv("LISTEN_FDNAMES", names, 1);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(all->program[0], all->program);
	_exit(127);
}

static void start(struct supervisor *all)
{
	all->main = fork();
	if (all->main == 0)
		become_program(all);
	printf("started %d %d\n", all->main, all->count);
}

static void store(struct supervisor *all, const char *name, int fd)
{
	struct stat new, old;
	int i;

	check(all->count < MOST_STORED && fstat(fd, &new) == 0, "store");
	for (i = 0; i < all->count; i++)
		if (fstat(all->stored[i].fd, &old) == 0 && old.st_ino == new.st_ino) {
			close(fd);
			return;
		}
	all->stored[all->count].fd = fd;
	snprintf(all->stored[all->count++].name, sizeof(all->stored[0].name), "%s", name);
	printf("stored %s\n", name);
}

static void forget(struct supervisor *all, const char *name)
{
	int i, left = 0;

	for (i = 0; i < all->count; i++)
		if (strcmp(all->stored[i].name, name))
			all->stored[left++] = all->stored[i];
		else
			close(all->stored[i].fd);
	all->count = left;
}

static void obey(struct supervisor *all, char *text, int fd)
{
	char *name = "stored", *line, *rest = NULL;
	bool storing = false, forgetting = false;

	for (line = strtok_r(text, "|", &rest); line; line = strtok_r(NULL, "|", &rest)) {
		if (!strncmp(line, "FDNAME=", 7))
			name = line + 7;
		storing |= !strcmp(line, "FDSTORE=1");
		forgetting |= !strcmp(line, "FDSTOREREMOVE=1");
		if (!strncmp(line, "MAINPID=", 8))
			all->main = atoi(line + 8);
	}
	if (forgetting)
		forget(all, name);
	if (storing && fd >= 0)
		store(all, name, fd);
}

static void hear(struct supervisor *all)
{
	char text[1024], control[256], *end;
	struct iovec part = { text, sizeof(text) - 1 };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				 .msg_controllen = sizeof(control) };
	ssize_t length = recvmsg(all->notify, &header, MSG_CMSG_CLOEXEC);
	struct ucred who = { 0 };
	struct cmsghdr *extra;
	int fd = -1;

	check(length >= 0, "recvmsg");
	text[length] = 0;
	for (end = text; (end = strchr(end, '\n')); )
		*end = '|';
	for (extra = CMSG_FIRSTHDR(&header); extra; extra = CMSG_NXTHDR(&header, extra)) {
		if (extra->cmsg_type == SCM_CREDENTIALS)
			memcpy(&who, CMSG_DATA(extra), sizeof(who));
		if (extra->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(extra), sizeof(fd));
	}
	printf("%s %d %s\n", who.pid == all->main ? "notify" : "ignored", who.pid, text);
	if (who.pid == all->main)
		obey(all, text, fd);
}

static void reap_all(struct supervisor *all)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	check(read(all->children, &info, sizeof(info)) == sizeof(info), "signalfd");
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		printf("ended %d %d\n", pid, WIFSIGNALED(status) ? 128 + WTERMSIG(status)
								 : WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	struct supervisor all = { 0 };
	struct pollfd wait[3];
	sigset_t child;

	check(argc > 3, "usage: supervise NOTIFY_SOCKET WATCHDOG_MS PROGRAM ...");
	setvbuf(stdout, NULL, _IOLBF, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	all.socket_name = argv[1];
	all.watchdog_ms = argv[2];
	all.program = argv + 3;
	all.notify = listen_for_notices(argv[1]);
	all.children = signalfd(-1, &child, SFD_CLOEXEC);
	wait[0] = (struct pollfd){ .fd = 0, .events = POLLIN };
	wait[1] = (struct pollfd){ .fd = all.notify, .events = POLLIN };
	wait[2] = (struct pollfd){ .fd = all.children, .events = POLLIN };
	for (;;) {
		char command[64];

		check(poll(wait, 3, -1) > 0 || errno == EINTR, "poll");
		if (wait[1].revents)
			hear(&all);
		else if (wait[2].revents)
			reap_all(&all);
		else if (wait[0].revents && read(0, command, sizeof(command)) <= 0)
			break;
		else if (wait[0].revents)
			start(&all);
	}
	if (all.main > 0)
		kill(all.main, SIGKILL);
	return 0;
}
