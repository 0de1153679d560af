// SPDX-License-Identifier: MIT
#include "thread/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/list.h"
#include "connection/connection.h"
#include "relay/relay.h"
#include "sockets/listen.h"
#include "sockets/steering.h"
#include "thread/refusal.h"
#include "thread/thread.h"

#define BATCH 64		/* accepted in one go before old connections go on */
#define LAST_BATCH 8192		/* before closing; a flood must not keep us open */
#define FIRST_PAUSE_MS 10
#define LONGEST_PAUSE_MS 250

/* Return: 0 or -errno */
static int listening_watch(struct worker *worker, struct listening *listening, int operation,
			   uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = &listening->source };

	return epoll_ctl(worker->epoll, operation, listening->fd, &event) < 0 ? -errno : 0;
}

/* --- pausing ------------------------------------------------------------------- */

static void listener_arm(struct worker *worker, uint32_t events)
{
	struct listener *listener = &worker->listener;
	unsigned int i;

	for (i = 0; i < listener->count; i++)
		if (!listener->socket[i].refuses)
			(void)listening_watch(worker, &listener->socket[i], EPOLL_CTL_MOD, events);
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
	case EINVAL:		/* it listens no more, which an event tells, too */
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

/* --- refusing -------------------------------------------------------------------- */

/* What the kernel has accepted already is served like what came before. */
static void listening_refuse(struct worker *worker, struct listening *listening)
{
	if (!listening->refuses) {
		if (!worker->listener.paused)
			accept_batch(worker, listening->fd, LAST_BATCH);
		(void)epoll_ctl(worker->epoll, EPOLL_CTL_DEL, listening->fd, NULL);
		listening->refuses = true;
	}
	/* also when it has been done: somebody who shares it may have opened it */
	listen_end(listening->fd);
}

/* Should it fail there is another try whenever the thread is woken. */
static void listening_admit(struct worker *worker, struct listening *listening)
{
	struct relay *relay = worker->relay;

	if (listen_begin(listening->fd, &relay->options) < 0)
		return;
	/* the program went with the last socket that stopped listening */
	if (__atomic_load_n(&relay->steering, __ATOMIC_RELAXED))
		(void)steering_attach(listening->fd, &relay->cpus);
	if (listening_watch(worker, listening, EPOLL_CTL_ADD,
			    worker->listener.paused ? 0 : EPOLLIN) == 0)
		listening->refuses = false;
}

/* Somebody who shares it has closed it, and we want it open. */
static void listening_lost(struct worker *worker, struct listening *listening)
{
	(void)epoll_ctl(worker->epoll, EPOLL_CTL_DEL, listening->fd, NULL);
	listening->refuses = true;
	listener_obey(worker);
}

/* Return: @wanted, and what the thread before us still refuses */
static uint32_t after_the_others(const struct worker *worker, uint32_t wanted)
{
	const struct worker *before = worker - 1;

	if (!worker->index)
		return wanted;
	return wanted | (worker->listener.refused &
			 __atomic_load_n(&before->listener.refused, __ATOMIC_ACQUIRE));
}

/**
 * listener_obey() - Refuse the families that are to be refused, and no others
 * @worker:	Thread that has been woken
 */
void listener_obey(struct worker *worker)
{
	struct relay *relay = worker->relay;
	struct listener *listener = &worker->listener;
	uint32_t before = listener->refused;
	uint32_t wanted = after_the_others(worker, refusal_of(relay));
	unsigned int i;

	if (relay_phase(relay) != PHASE_RUNNING)
		return;
	for (i = 0; i < listener->count; i++) {
		struct listening *listening = &listener->socket[i];

		if (!(listening->families & ~wanted))
			listening_refuse(worker, listening);
		else if (listening->refuses)
			listening_admit(worker, listening);
	}
	__atomic_store_n(&listener->refused, wanted, __ATOMIC_RELEASE);
	if (before & ~wanted && worker->index + 1 < relay->thread_count)
		worker_wake(worker + 1);
}

/* --- life ------------------------------------------------------------------------ */

static void listener_event(struct worker *worker, struct event_source *source, uint32_t events)
{
	struct listening *listening = container_of(source, struct listening, source);

	if (!worker->listener.count || listening->refuses)
		return;
	if (events & EPOLLHUP)
		listening_lost(worker, listening);
	else if (!worker->listener.paused)
		accept_batch(worker, listening->fd, BATCH);
}

void listener_init(struct listener *listener)
{
	*listener = (struct listener){ .reserve = -1 };
	timer_init(&listener->resume, resume_timer);
}

/* Before the thread starts; the descriptor is the listener's from now on. */
void listener_add(struct listener *listener, int fd, uint32_t families)
{
	listener->socket[listener->count++] = (struct listening){
		.source = { listener_event }, .fd = fd, .families = families,
	};
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
	int error = listener_has_reserve(worker) ? 0 : -errno;
	unsigned int i;

	for (i = 0; !error && i < listener->count; i++)
		error = listening_watch(worker, &listener->socket[i], EPOLL_CTL_ADD, EPOLLIN);
	return error;
}

/* Give back descriptors that no thread uses any more. */
void listener_release(struct listener *listener)
{
	while (listener->count > 0)
		close(listener->socket[--listener->count].fd);
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
		(void)epoll_ctl(worker->epoll, EPOLL_CTL_DEL, worker->listener.socket[i].fd,
				NULL);
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
		if (!listener->socket[i].refuses)
			accept_batch(worker, listener->socket[i].fd, LAST_BATCH);
	timer_cancel(&worker->timers, &listener->resume);
	listener_forget(worker);
	listener_release(listener);
	relay_listens_no_more(worker->relay);
}
