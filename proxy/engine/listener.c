// SPDX-License-Identifier: MIT
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "connection.h"
#include "relay.h"
#include "steering.h"
#include "worker.h"

#define BATCH 64		/* accepted in one go before old connections go on */
#define LAST_BATCH 8192		/* before closing; a flood must not keep us open */
#define FIRST_PAUSE_MS 10
#define LONGEST_PAUSE_MS 250

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
