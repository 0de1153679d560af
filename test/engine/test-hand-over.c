// SPDX-License-Identifier: MIT
/* Listening sockets change hands, and the service manager is told. */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "check.h"
#include "harness.h"
#include "relay/relay.h"
#include "thread/thread.h"
#include "world.h"

#define MANY 120

/* As the next program would get them: descriptors of its own for the same sockets. */
static int inherit(struct relay *relay, int *fd)
{
	int32_t listener[SIDETRACK_RELAY_LISTENERS];
	int i, count = sidetrack_relay_read_listeners(relay, (uint8_t *)listener, sizeof(listener));

	expect(count > 0);
	for (i = 0; i < count; i++) {
		expect(fcntl(listener[i], F_GETFD) == FD_CLOEXEC);
		fd[i] = dup(listener[i]);
		expect(fd[i] >= 0);
	}
	return count;
}

static struct relay *successor(uint32_t threads, const int *fd, int count)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	int i;

	options.threads = threads;
	relay = sidetrack_relay_create((uint8_t *)&options, sizeof(options));
	for (i = 0; i < count; i++)
		expect_equal(sidetrack_relay_adopt_listener(relay, fd[i]), 0);
	expect_equal(sidetrack_relay_start(relay), 0);
	return relay;
}

static struct relay *first(uint32_t threads)
{
	struct sidetrack_relay_options options = default_options();

	options.threads = threads;
	return begin(&options);
}

static uint64_t accepted(struct relay *relay)
{
	return counters_of(relay).accepted_ipv4;
}

/* Many clients, one after the other; each gets its byte. */
static void serve_many(int listener)
{
	int i;

	for (i = 0; i < MANY; i++) {
		int client = client_connect(AF_INET, INTERNET, PORT);
		int upstream = take(listener);

		write_all(upstream, "x", 1);
		expect(recv(client, &(char){ 0 }, 1, MSG_WAITALL) == 1);
		close(upstream);
		close(client);
	}
}

/* From one number of threads to another: no socket may be left without a thread. */
static void change_threads(uint32_t from, uint32_t to)
{
	int fd[SIDETRACK_RELAY_LISTENERS], count, most = (int)(from > to ? from : to);
	int listener = upstream_listen(AF_INET);
	struct relay *old = first(from);
	struct relay *new;

	count = inherit(old, fd);
	expect_equal(count, 2 * from);
	new = successor(to, fd, count);
	expect_equal(sidetrack_relay_hand_over(old, 20000), 0);
	wait_for(sidetrack_relay_drained(old));
	serve_many(listener);
	expect_equal(accepted(old), 0);
	expect_equal(accepted(new), MANY);
	most *= 2;	/* families */
	expect_equal(inherit(new, fd), most);
	while (most > 0)
		close(fd[--most]);
	finish(old);
	finish(new);
	close(listener);
}

static void as_many_threads(void)
{
	change_threads(2, 2);
}

static void fewer_threads(void)
{
	change_threads(5, 2);
}

static void more_threads(void)
{
	change_threads(2, 5);
}

/* What waits in the queues when the old relay lets go is served by the new one. */
static void queue_survives(void)
{
	enum { WAITING = 40 };
	int fd[SIDETRACK_RELAY_LISTENERS], client[WAITING], count, i;
	int listener = upstream_listen(AF_INET);
	struct relay *old = first(3), *new;

	count = inherit(old, fd);
	expect_equal(sidetrack_relay_hand_over(old, 20000), 0);
	wait_for(sidetrack_relay_drained(old));
	for (i = 0; i < WAITING; i++)
		client[i] = client_connect(AF_INET, INTERNET, PORT);
	expect(!readable(listener, 0));
	new = successor(2, fd, count);
	for (i = 0; i < WAITING; i++)
		close(take(listener));
	for (i = 0; i < WAITING; i++) {
		expect_end(client[i]);
		close(client[i]);
	}
	expect_equal(accepted(new), WAITING);
	finish(old);
	finish(new);
	close(listener);
}

/* The connections of the old one live on, and end at the deadline. */
static void old_connections(void)
{
	int fd[SIDETRACK_RELAY_LISTENERS], count;
	struct relay *old = first(2), *new;
	struct pair pair = pair_open(AF_INET);

	count = inherit(old, fd);
	new = successor(2, fd, count);
	expect_equal(sidetrack_relay_hand_over(old, 600), 0);
	expect_equal(sidetrack_relay_hand_over(old, 600), -EALREADY);
	send_pattern(pair.client, 0, 1 << 20, 64 << 10);
	expect_pattern(pair.upstream, 0, 1 << 20, 64 << 10);
	expect_reset(pair.client);
	pair_close(&pair);
	wait_for(sidetrack_relay_drained(old));
	expect_equal(ended(old, OUTCOME_DRAINED), 1);
	finish(old);
	finish(new);
}

/* One socket of another user, as systemd opens them: no sibling may be bound. */
static void one_socket_for_all(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(RELAY_PORT) };
	struct relay *relay;
	int fd, listener;

	if (!has_other_user())
		return;
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	listener = upstream_listen(AF_INET);
	expect(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0);
	expect(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	expect(listen(fd, 10) == 0);
	expect(setresuid(65534, 65534, 0) == 0);
	relay = successor(3, &fd, 1);
	expect(setresuid(0, 0, 0) == 0);
	expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
	expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	serve_many(listener);
	expect_equal(accepted(relay), MANY);
	finish(relay);
	close(listener);
}

static void expect_refused(struct relay *relay, int fd, int error, const char *words)
{
	char text[SIDETRACK_RELAY_ERROR_LENGTH + 1] = { 0 };

	expect_equal(sidetrack_relay_adopt_listener(relay, fd), error);
	sidetrack_relay_read_error(relay, (uint8_t *)text, SIDETRACK_RELAY_ERROR_LENGTH);
	if (!strstr(text, words))
		fprintf(stderr, "  the error is: %s\n", text);
	expect(strstr(text, words));
	expect(fcntl(fd, F_GETFD) >= 0);
	close(fd);
}

static void wrong_sockets(void)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = sidetrack_relay_create((uint8_t *)&options, sizeof(options));
	int fd[SIDETRACK_RELAY_LISTENERS], count;

	expect_equal(sidetrack_relay_adopt_listener(relay, 999), -EBADF);
	expect_refused(relay, dup(0), -ENOTSOCK, "no listening TCP socket");
	expect_refused(relay, socket(AF_INET, SOCK_DGRAM, 0), -EINVAL, "no listening TCP");
	expect_refused(relay, socket(AF_INET, SOCK_STREAM, 0), -EINVAL, "no listening TCP");
	expect_refused(relay, upstream_listen(AF_INET), -EADDRNOTAVAIL, "port 8080");
	sidetrack_relay_destroy(relay);
	/* taken, but never started: closed all the same */
	relay = first(2);
	count = inherit(relay, fd);
	expect_equal(count, 4);
	finish(relay);
	relay = sidetrack_relay_create((uint8_t *)&options, sizeof(options));
	while (count > 0)
		expect_equal(sidetrack_relay_adopt_listener(relay, fd[--count]), 0);
	sidetrack_relay_destroy(relay);
}

static void hanging_event(struct thread_context *thread, struct event_source *source,
			  uint32_t events);

static bool hang, hangs;
static struct {
	struct event_source source;
	int fd;
} hanging = { .source = { hanging_event } };

static void hanging_event(struct thread_context *thread, struct event_source *source,
			  uint32_t events)
{
	(void)thread;
	(void)source;
	(void)events;
	expect(read(hanging.fd, &(uint64_t){ 0 }, sizeof(uint64_t)) == sizeof(uint64_t));
	__atomic_store_n(&hangs, true, __ATOMIC_RELEASE);
	while (__atomic_load_n(&hang, __ATOMIC_ACQUIRE))
		usleep(1000);
}

static void __attribute__((noreturn)) child_main(int client, bool executes)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(client);		/* the last to do so sends the reset */
	if (executes)
		execl("/bin/sleep", "sleep", "600", NULL);
	for (;;)
		pause();
}

/*
 * The child that becomes the successor has our descriptors until it calls exec; a
 * socket that we close stays alive there, and in our epoll set.
 */
static void hand_over_to_child(bool executes)
{
	struct relay *relay = begin_default();
	struct pair early = pair_open(AF_INET), late;
	struct sidetrack_relay_counters counters;
	pid_t child;

	expect_equal(sidetrack_relay_forking(relay, 1), 0);
	child = fork();
	if (child == 0)
		child_main(early.client, executes);
	expect(child > 0);
	reset(early.client);
	wait_for((counters = counters_of(relay)).outcome[OUTCOME_CLIENT_RESET] == 1);
	/* nobody has told the upstream: what it sends wakes the connection that is gone */
	if (!executes)
		send_pattern(early.upstream, 0, 100000, 100000);
	else
		expect_reset(early.upstream);
	late = pair_open(AF_INET6);
	send_pattern(late.upstream, 0, 100000, 100000);
	expect_pattern(late.client, 0, 100000, 100000);
	kill(child, SIGKILL);
	expect(waitpid(child, NULL, 0) == child);
	expect_equal(sidetrack_relay_forking(relay, 0), 0);
	if (!executes)
		expect_reset(early.upstream);
	early.client = -1;
	close(early.upstream);
	close(early.listener);
	pair_close(&late);
	finish(relay);
}

static void child_has_our_sockets(void)
{
	hand_over_to_child(false);
}

static void child_has_executed(void)
{
	hand_over_to_child(true);
}

#define NO_THREAD 3
#define HANGING_THREAD 1

/* Whether those that the last heartbeat woke have turned, @except for one. */
static bool have_turned(struct relay *relay, uint32_t except)
{
	uint32_t i;

	for (i = 0; i < relay->group.thread_count; i++) {
		struct thread *thread = &relay->group.threads[i];

		if (i != except &&
		    __atomic_load_n(&thread->turns, __ATOMIC_RELAXED) == thread->turns_seen)
			return false;
	}
	return true;
}

/* Idle threads are alive; one that never comes back is not. */
static void heartbeat(void)
{
	struct relay *relay = first(3);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &hanging.source };
	int i;

	hanging.fd = eventfd(0, EFD_CLOEXEC);
	expect(epoll_ctl(relay->group.threads[HANGING_THREAD].context.epoll, EPOLL_CTL_ADD,
			 hanging.fd, &event) == 0);

	for (i = 0; i < 5; i++) {
		expect_equal(sidetrack_relay_heartbeat(relay), 0);
		wait_for(have_turned(relay, NO_THREAD));
	}
	__atomic_store_n(&hang, true, __ATOMIC_RELEASE);
	expect(eventfd_write(hanging.fd, 1) == 0);
	wait_for(__atomic_load_n(&hangs, __ATOMIC_ACQUIRE));
	sidetrack_relay_heartbeat(relay);	/* it turned, the last time, before it hung */
	for (i = 0; i < 2; i++) {
		wait_for(have_turned(relay, HANGING_THREAD));
		expect_equal(sidetrack_relay_heartbeat(relay), 1);
	}
	__atomic_store_n(&hang, false, __ATOMIC_RELEASE);
	wait_for(have_turned(relay, NO_THREAD));
	expect_equal(sidetrack_relay_heartbeat(relay), 0);
	finish(relay);
	close(hanging.fd);
}

/* --- notify ----------------------------------------------------------------------- */

static int manager(const char *name, bool abstract)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = offsetof(struct sockaddr_un, sun_path) + strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	memcpy(address.sun_path, name, strlen(name));
	if (abstract)
		address.sun_path[0] = 0;
	expect(bind(fd, (struct sockaddr *)&address, (socklen_t)(length + !abstract)) == 0);
	return fd;
}

static int notify(const char *name, const char *message, int fd)
{
	return sidetrack_notify((const uint8_t *)name, (int32_t)strlen(name),
				(const uint8_t *)message, (int32_t)strlen(message), fd);
}

/* Return: the descriptor that came along, or -1 */
static int expect_notice(int from, const char *wanted)
{
	char text[256] = { 0 }, control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { text, sizeof(text) - 1 };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				 .msg_controllen = sizeof(control) };
	int fd = -1;

	expect(recvmsg(from, &header, 0) >= 0);
	expect(strcmp(text, wanted) == 0);
	if (CMSG_FIRSTHDR(&header))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(fd));
	return fd;
}

static void notifies(void)
{
	char path[] = "/tmp/sidetrack-notify-XXXXXX";
	const char *abstract = "@sidetrack-notify-test";
	int file = mkstemp(path), from, fd;

	close(file);
	unlink(path);
	from = manager(path, false);
	expect_equal(notify(path, "READY=1\nSTATUS=fine", -1), 0);
	expect_equal(expect_notice(from, "READY=1\nSTATUS=fine"), -1);
	close(from);
	unlink(path);
	expect_equal(notify(path, "READY=1", -1), -ENOENT);
	from = manager(abstract, true);
	file = socket(AF_INET, SOCK_STREAM, 0);
	expect_equal(notify(abstract, "FDSTORE=1\nFDNAME=relay", file), 0);
	close(file);
	fd = expect_notice(from, "FDSTORE=1\nFDNAME=relay");
	expect(fd >= 0);
	close(fd);
	close(from);
	expect_equal(notify("relative", "READY=1", -1), -EAFNOSUPPORT);
	expect_equal(notify("", "READY=1", -1), -EAFNOSUPPORT);
}

static void notify_never_blocks_long(void)
{
	const char *name = "@sidetrack-notify-deaf";
	int deaf = manager(name, true), i, error = 0;

	for (i = 0; i < 10000 && !error; i++)
		error = notify(name, "WATCHDOG=1", -1);
	expect_equal(error, -EAGAIN);
	close(deaf);
}

const struct test hand_over_tests[] = {
	{ "hand-over: as many threads", as_many_threads },
	{ "hand-over: fewer threads", fewer_threads },
	{ "hand-over: more threads", more_threads },
	{ "hand-over: the queue survives", queue_survives },
	{ "hand-over: old connections drain", old_connections },
	{ "hand-over: one socket for all threads", one_socket_for_all },
	{ "hand-over: wrong sockets", wrong_sockets },
	{ "hand-over: a child has our sockets", child_has_our_sockets },
	{ "hand-over: a child has called exec", child_has_executed },
	{ "hand-over: heartbeat", heartbeat },
	{ "hand-over: notifies", notifies },
	{ "hand-over: notify never blocks for long", notify_never_blocks_long },
	{ NULL, NULL }
};
