// SPDX-License-Identifier: MIT
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "connection.h"
#include "dial.h"
#include "relay.h"
#include "steering.h"
#include "worker.h"

#define BATCH 64		/* accepted in one go before old connections go on */
#define LAST_BATCH 8192		/* before closing; a flood must not keep us open */
#define DEFAULT_BACKLOG 4096
#define FIRST_PAUSE_MS 10
#define LONGEST_PAUSE_MS 250

static int option_on(int fd, int level, int name)
{
	int on = 1;

	return setsockopt(fd, level, name, &on, sizeof(on));
}

/* Everywhere unless told: both families if there are both. */
static int listener_socket(const struct sidetrack_relay_options *options, uint16_t port,
			   union socket_address *address, socklen_t *length)
{
	struct endpoint local = { .port = port };
	int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int off = 0;
	int fd;

	memcpy(&local.address, options->address, sizeof(local.address));
	*length = endpoint_to_socket_address(&local, address);
	fd = socket(address->any.sa_family, type, 0);
	if (fd >= 0 && address->any.sa_family == AF_INET6)
		(void)setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (fd >= 0 || errno != EAFNOSUPPORT || !endpoint_is_unspecified(&local))
		return fd;
	local.address = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	*length = endpoint_to_socket_address(&local, address);
	return socket(AF_INET, type, 0);
}

static int listener_bind(int fd, const union socket_address *address, socklen_t length, bool first)
{
	if (option_on(fd, SOL_SOCKET, SO_REUSEADDR) < 0)
		return -errno;
	if (!first && option_on(fd, SOL_SOCKET, SO_REUSEPORT) < 0)
		return -errno;
	if (bind(fd, &address->any, length) < 0)
		return -errno;
	if (first && option_on(fd, SOL_SOCKET, SO_REUSEPORT) < 0)
		return -errno;
	return 0;
}

/* One option serves a dual-stack socket: both are the same bit. */
static int listener_set_transparent(int fd, int family)
{
	int error = family == AF_INET6 ? option_on(fd, SOL_IPV6, IPV6_TRANSPARENT)
				       : option_on(fd, SOL_IP, IP_TRANSPARENT);

	return error < 0 ? -errno : 0;
}

/* What accepted sockets inherit, and what must be so before bind(). */
static int listener_configure(int fd, int family, const struct sidetrack_relay_options *options)
{
	dial_set_options(fd, options);
	dial_set_no_delay(fd);
	dial_set_keepalive(fd, options);
	return options->capture == CAPTURE_TPROXY ? listener_set_transparent(fd, family) : 0;
}

static uint16_t listener_port(int fd)
{
	union socket_address address = { 0 };
	socklen_t length = sizeof(address);
	struct endpoint local;

	if (getsockname(fd, &address.any, &length) < 0)
		return 0;
	endpoint_from_socket_address(&local, &address);
	return local.port;
}

static int listener_listen(int fd, const struct sidetrack_relay_options *options)
{
	int backlog = options->backlog ? (int)options->backlog : DEFAULT_BACKLOG;

	/* best effort: net.ipv4.tcp_fastopen has the last word anyway */
	if (options->fast_open)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &backlog, sizeof(backlog));
	return listen(fd, backlog);
}

/**
 * listener_open() - Open one listening socket
 * @options:	The relay's options
 * @port:	0 for the first socket of the relay; the port it got, for the rest
 *
 * Return: descriptor, or -errno: -EPERM when TPROXY is beyond our privileges
 */
int listener_open(const struct sidetrack_relay_options *options, uint16_t *port)
{
	bool first = *port == 0;
	union socket_address address;
	socklen_t length;
	int fd, error;

	fd = listener_socket(options, first ? (uint16_t)options->port : *port, &address, &length);
	if (fd < 0)
		return -errno;
	error = listener_configure(fd, address.any.sa_family, options);
	if (!error)
		error = listener_bind(fd, &address, length, first);
	if (error)
		goto fail;
	error = -EIO;
	*port = listener_port(fd);
	if (!*port)
		goto fail;
	if (listener_listen(fd, options) == 0)
		return fd;
	error = -errno;

fail:
	close(fd);
	return error;
}

/* --- sockets from outside -------------------------------------------------------- */

static int option_of(int fd, int level, int name)
{
	int value = 0;
	socklen_t length = sizeof(value);

	return getsockopt(fd, level, name, &value, &length) < 0 ? -errno : value;
}

/**
 * listener_check() - Is this a socket that we could have opened ourselves?
 * @fd:		Descriptor that somebody handed to us
 * @options:	The relay's options
 * @port:	Gets the port it listens on
 *
 * Return: 0; -ENOTSOCK or another -errno if it is no socket; -EINVAL if it is no
 * listening TCP socket; -EADDRNOTAVAIL if it listens elsewhere
 */
int listener_check(int fd, const struct sidetrack_relay_options *options, uint16_t *port)
{
	static const struct in6_addr anywhere;
	union socket_address address = { 0 };
	socklen_t length = sizeof(address);
	struct endpoint local;
	int listening = option_of(fd, SOL_SOCKET, SO_ACCEPTCONN);

	if (listening < 0)
		return listening;
	if (listening != 1 || option_of(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP)
		return -EINVAL;
	if (getsockname(fd, &address.any, &length) < 0)
		return -errno;
	endpoint_from_socket_address(&local, &address);
	*port = local.port;
	if (options->port && options->port != local.port)
		return -EADDRNOTAVAIL;
	if (memcmp(options->address, &anywhere, sizeof(anywhere)) &&
	    memcmp(options->address, &local.address, sizeof(local.address)))
		return -EADDRNOTAVAIL;
	return 0;
}

/**
 * listener_adopt() - Make a socket from outside like one of our own
 * @fd:		Descriptor that listener_check() has approved
 * @options:	The relay's options
 *
 * The socket is shared with whoever handed it over, so its options change for
 * both; nothing here hurts a relay that goes on with it.
 *
 * Return: 0 or -errno
 */
int listener_adopt(int fd, const struct sidetrack_relay_options *options)
{
	int flags = fcntl(fd, F_GETFL);
	int error;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || option_on(fd, SOL_SOCKET, SO_REUSEPORT) < 0)
		return -errno;
	error = listener_configure(fd, option_of(fd, SOL_SOCKET, SO_DOMAIN), options);
	if (error)
		return error;
	return listener_listen(fd, options) < 0 ? -errno : 0;
}

/* --- pausing ------------------------------------------------------------------- */

static void listener_arm(struct worker *worker, uint32_t events)
{
	struct listener *listener = &worker->listener;
	struct epoll_event event = { .events = events, .data.ptr = &listener->source };
	unsigned int i;

	for (i = 0; i < listener->count; i++)
		(void)epoll_ctl(worker->epoll, EPOLL_CTL_MOD, listener->fd[i], &event);
}

static void listener_pause(struct worker *worker, uint64_t *counter)
{
	struct listener *listener = &worker->listener;

	listener->paused = true;
	listener->backoff_ms = listener->backoff_ms ? listener->backoff_ms * 2 : FIRST_PAUSE_MS;
	if (listener->backoff_ms > LONGEST_PAUSE_MS)
		listener->backoff_ms = LONGEST_PAUSE_MS;
	counter_add(counter, 1);
	listener_arm(worker, 0);
	timer_set(&worker->timers, &listener->resume,
		  worker->transfer.now_ms + listener->backoff_ms);
}

/**
 * listener_resume() - Try to accept again: a connection has gone, or time has passed
 * @worker:	Its thread
 */
void listener_resume(struct worker *worker)
{
	if (!worker->listener.paused || !worker->listener.count)
		return;
	worker->listener.paused = false;
	timer_cancel(&worker->timers, &worker->listener.resume);
	listener_arm(worker, EPOLLIN);
}

static void resume_timer(struct timer *timer, void *context)
{
	(void)timer;
	listener_resume(context);
}

/* A descriptor that is good for nothing but being closed. */
static bool listener_has_reserve(struct worker *worker)
{
	struct listener *listener = &worker->listener;

	if (listener->reserve < 0)
		listener->reserve = fcntl(worker->epoll, F_DUPFD_CLOEXEC, 0);
	return listener->reserve >= 0;
}

/**
 * listener_spend_reserve() - Free one descriptor for an accepted connection
 * @worker:	Its thread
 *
 * Return: false if there was none left to free
 */
bool listener_spend_reserve(struct worker *worker)
{
	if (worker->listener.reserve < 0)
		return false;
	close(worker->listener.reserve);
	worker->listener.reserve = -1;
	return true;
}

/* Return: true to go on accepting */
static bool accept_failed(struct worker *worker, int error)
{
	struct sidetrack_relay_counters *counters = worker->counters;

	switch (error) {
	case EAGAIN:
		return false;
	case EINTR:
	case ECONNABORTED:
	case EPROTO:		/* the rest: accept(2), errors of the new connection */
	case ENETDOWN:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
		return true;
	case EMFILE:
	case ENFILE:
		listener_pause(worker, &counters->paused_descriptors);
		return false;
	case ENOMEM:
	case ENOBUFS:
		listener_pause(worker, &counters->paused_memory);
		return false;
	default:
		listener_pause(worker, &counters->paused_other);
		return false;
	}
}

/* --- accepting ------------------------------------------------------------------- */

/* Return: true if there may be more to accept */
static bool accept_one(struct worker *worker, int listening)
{
	union socket_address address;
	socklen_t length = sizeof(address);
	struct endpoint client;
	int fd, error;

	if (!listener_has_reserve(worker)) {
		listener_pause(worker, &worker->counters->paused_descriptors);
		return false;
	}
	if (!relay_admit(worker->relay)) {
		listener_pause(worker, &worker->counters->paused_connections);
		return false;
	}
	fd = accept4(listening, &address.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		error = errno;
		relay_leave(worker->relay);
		return accept_failed(worker, error);
	}
	worker->listener.backoff_ms = 0;
	endpoint_from_socket_address(&client, &address);
	counter_add(endpoint_is_ipv4(&client) ? &worker->counters->accepted_ipv4
					      : &worker->counters->accepted_ipv6, 1);
	counter_add(&worker->counters->active, 1);
	steering_review(worker);
	connection_open(worker, fd, &client);
	return true;
}

static void accept_batch(struct worker *worker, int listening, unsigned int most)
{
	while (most-- > 0 && accept_one(worker, listening))
		;
}

static void listener_event(struct worker *worker, struct event_source *source, uint32_t events)
{
	struct listener *listener = &worker->listener;
	unsigned int i;

	(void)source;
	(void)events;
	/* which of them is readable is not worth asking: there is nearly always one */
	for (i = 0; i < listener->count && !listener->paused; i++)
		accept_batch(worker, listener->fd[i], BATCH);
}

void listener_init(struct listener *listener)
{
	*listener = (struct listener){ .source = { listener_event }, .reserve = -1 };
	timer_init(&listener->resume, resume_timer);
}

/* Before the thread starts; the descriptor is the listener's from now on. */
void listener_add(struct listener *listener, int fd)
{
	listener->fd[listener->count++] = fd;
}

/**
 * listener_watch() - Begin to accept
 * @worker:	Thread whose listeners have been added
 *
 * Return: 0 or -errno
 */
int listener_watch(struct worker *worker)
{
	struct listener *listener = &worker->listener;
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &listener->source };
	unsigned int i;

	if (!listener_has_reserve(worker))
		return -errno;
	for (i = 0; i < listener->count; i++)
		if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, listener->fd[i], &event) < 0)
			return -errno;
	return 0;
}

/* Give back descriptors that no thread uses any more. */
void listener_release(struct listener *listener)
{
	while (listener->count > 0)
		close(listener->fd[--listener->count]);
	if (listener->reserve >= 0)
		close(listener->reserve);
	listener->reserve = -1;
}

/*
 * A descriptor that somebody else has too stays in the epoll set when we close
 * ours, so it is taken out by hand.
 */
static void listener_forget(struct worker *worker)
{
	unsigned int i;

	for (i = 0; i < worker->listener.count; i++)
		(void)epoll_ctl(worker->epoll, EPOLL_CTL_DEL, worker->listener.fd[i], NULL);
}

/**
 * listener_close() - Stop accepting for good
 * @worker:	Its thread
 *
 * Takes what the kernel has already accepted for us: closing the socket would
 * reset it.  When the sockets have been handed over, it is the successor's.
 */
void listener_close(struct worker *worker)
{
	struct listener *listener = &worker->listener;
	unsigned int i;

	if (!listener->count)
		return;
	for (i = 0; i < listener->count && !listener->paused && !worker->relay->handed_over; i++)
		accept_batch(worker, listener->fd[i], LAST_BATCH);
	timer_cancel(&worker->timers, &listener->resume);
	listener_forget(worker);
	listener_release(listener);
	relay_listens_no_more(worker->relay);
}
