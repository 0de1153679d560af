// SPDX-License-Identifier: MIT
#include "thread/listener.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/list.h"
#include "connection/open.h"
#include "sockets/listen.h"
#include "sockets/steering.h"
#include "thread/balance.h"
#include "thread/refusal.h"
#include "thread/thread.h"

#define BATCH 64		/* accepted in one go before old connections go on */
#define LAST_BATCH 8192		/* before closing; a flood must not keep us open */
#define FIRST_PAUSE_MS 10
#define LONGEST_PAUSE_MS 250

/* Return: 0 or -errno */
static int listening_watch(struct thread *thread, struct listening *listening, int operation,
			   uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = &listening->source };

	return epoll_ctl(thread->context.epoll, operation, listening->fd, &event) < 0 ? -errno : 0;
}

/* --- pausing ------------------------------------------------------------------- */

static void listener_arm(struct thread *thread, uint32_t events)
{
	struct listener *listener = &thread->listener;
	unsigned int i;

	for (i = 0; i < listener->count; i++)
		if (!listener->socket[i].refuses)
			(void)listening_watch(thread, &listener->socket[i], EPOLL_CTL_MOD, events);
}

static void listener_pause(struct thread *thread, uint64_t *counter)
{
	struct listener *listener = &thread->listener;

	listener->paused = true;
	listener->backoff_ms = listener->backoff_ms ? listener->backoff_ms * 2 : FIRST_PAUSE_MS;
	if (listener->backoff_ms > LONGEST_PAUSE_MS)
		listener->backoff_ms = LONGEST_PAUSE_MS;
	counter_add(counter, 1);
	listener_arm(thread, 0);
	timer_set(&thread->context.timers, &listener->resume,
		  thread->context.io.now_ms + listener->backoff_ms);
}

/**
 * listener_resume() - Try to accept again: a connection has gone, or time has passed
 * @thread:	Its thread
 */
void listener_resume(struct thread *thread)
{
	if (!thread->listener.paused || !thread->listener.count)
		return;
	thread->listener.paused = false;
	timer_cancel(&thread->context.timers, &thread->listener.resume);
	listener_arm(thread, EPOLLIN);
}

static void resume_timer(struct timer *timer, void *context)
{
	(void)timer;
	listener_resume(thread_of(context));
}

/* Return: true to go on accepting */
static bool accept_failed(struct thread *thread, int error)
{
	struct sidetrack_relay_counters *counters = thread->context.counters;

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
		listener_pause(thread, &counters->paused_descriptors);
		return false;
	case ENOMEM:
	case ENOBUFS:
		listener_pause(thread, &counters->paused_memory);
		return false;
	default:
		listener_pause(thread, &counters->paused_other);
		return false;
	}
}

/* --- accepting ------------------------------------------------------------------- */

/* Return: true if there may be more to accept */
static bool accept_one(struct thread *thread, int listening)
{
	union socket_address address;
	socklen_t length = sizeof(address);
	struct endpoint client;
	int fd, error;

	if (!context_fill_reserve(&thread->context)) {
		listener_pause(thread, &thread->context.counters->paused_descriptors);
		return false;
	}
	if (!limits_admit(thread->context.limits)) {
		listener_pause(thread, &thread->context.counters->paused_connections);
		return false;
	}
	fd = accept4(listening, &address.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		error = errno;
		limits_leave(thread->context.limits);
		return accept_failed(thread, error);
	}
	thread->listener.backoff_ms = 0;
	endpoint_from_socket_address(&client, &address);
	if (accept_check_is_own(&thread->group->accept_check, &client)) {
		close(fd);
		limits_leave(thread->context.limits);
		return true;
	}
	counter_add(endpoint_is_ipv4(&client) ? &thread->context.counters->accepted_ipv4
					      : &thread->context.counters->accepted_ipv6, 1);
	counter_add(&thread->context.counters->active, 1);
	balance_review(thread);
	connection_open(&thread->context, fd, &client);
	return true;
}

static void accept_batch(struct thread *thread, int listening, unsigned int most)
{
	while (most-- > 0 && accept_one(thread, listening))
		;
}

/* --- refusing -------------------------------------------------------------------- */

/* What the kernel has accepted already is served like what came before. */
static void listening_refuse(struct thread *thread, struct listening *listening)
{
	if (!listening->refuses) {
		if (!thread->listener.paused)
			accept_batch(thread, listening->fd, LAST_BATCH);
		(void)epoll_ctl(thread->context.epoll, EPOLL_CTL_DEL, listening->fd, NULL);
		listening->refuses = true;
	}
	/* also when it has been done: another process that shares it may have opened it */
	listen_end(listening->fd);
}

/* Should it fail there is another try whenever the thread is woken. */
static void listening_admit(struct thread *thread, struct listening *listening)
{
	struct thread_group *group = thread->group;

	if (listen_begin(listening->fd, group->options) < 0)
		return;
	/* the program went with the last socket that stopped listening */
	if (__atomic_load_n(&group->steering, __ATOMIC_RELAXED))
		(void)steering_attach(listening->fd, &group->cpus);
	if (listening_watch(thread, listening, EPOLL_CTL_ADD,
			    thread->listener.paused ? 0 : EPOLLIN) == 0)
		listening->refuses = false;
}

/* Another process that shares it has closed it, and we want it open. */
static void listening_lost(struct thread *thread, struct listening *listening)
{
	(void)epoll_ctl(thread->context.epoll, EPOLL_CTL_DEL, listening->fd, NULL);
	listening->refuses = true;
	listener_obey(thread);
}

/* Return: @wanted, and what the thread before us still refuses */
static uint32_t after_the_others(const struct thread *thread, uint32_t wanted)
{
	const struct thread *before = thread - 1;

	if (!thread->context.index)
		return wanted;
	return wanted | (thread->listener.refused &
			 __atomic_load_n(&before->listener.refused, __ATOMIC_ACQUIRE));
}

/**
 * listener_obey() - Refuse the families that are to be refused, and no others
 * @thread:	Thread that has been woken
 */
void listener_obey(struct thread *thread)
{
	struct thread_group *group = thread->group;
	struct listener *listener = &thread->listener;
	uint32_t before = listener->refused;
	uint32_t wanted = after_the_others(thread, refusal_of(group));
	unsigned int i;

	if (thread_group_phase(group) != PHASE_RUNNING)
		return;
	for (i = 0; i < listener->count; i++) {
		struct listening *listening = &listener->socket[i];

		if (!(listening->families & ~wanted))
			listening_refuse(thread, listening);
		else if (listening->refuses)
			listening_admit(thread, listening);
	}
	__atomic_store_n(&listener->refused, wanted, __ATOMIC_RELEASE);
	if (before & ~wanted && thread->context.index + 1 < group->thread_count)
		thread_wake(thread + 1);
}

/* --- life ------------------------------------------------------------------------ */

static void listener_event(struct thread_context *context, struct event_source *source,
			   uint32_t events)
{
	struct thread *thread = thread_of(context);
	struct listening *listening = container_of(source, struct listening, source);

	if (!thread->listener.count || listening->refuses)
		return;
	if (events & EPOLLHUP)
		listening_lost(thread, listening);
	else if (!thread->listener.paused)
		accept_batch(thread, listening->fd, BATCH);
}

void listener_init(struct listener *listener)
{
	*listener = (struct listener){ 0 };
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
 * @thread:	Thread whose listeners have been added
 *
 * Return: 0 or -errno
 */
int listener_watch(struct thread *thread)
{
	struct listener *listener = &thread->listener;
	int error = context_fill_reserve(&thread->context) ? 0 : -errno;
	unsigned int i;

	for (i = 0; !error && i < listener->count; i++)
		error = listening_watch(thread, &listener->socket[i], EPOLL_CTL_ADD, EPOLLIN);
	return error;
}

/* Give back descriptors that no thread uses any more. */
void listener_release(struct thread *thread)
{
	struct listener *listener = &thread->listener;

	while (listener->count > 0)
		close(listener->socket[--listener->count].fd);
	(void)context_spend_reserve(&thread->context);
}

/*
 * A descriptor that another process has too stays in the epoll set when we close
 * ours, so it is taken out by hand.
 */
static void listener_forget(struct thread *thread)
{
	unsigned int i;

	for (i = 0; i < thread->listener.count; i++)
		(void)epoll_ctl(thread->context.epoll, EPOLL_CTL_DEL, thread->listener.socket[i].fd,
				NULL);
}

/**
 * listener_close() - Stop accepting for good
 * @thread:	Its thread
 *
 * Takes what the kernel has already accepted for us: closing the socket would
 * reset it.  When the sockets have been handed over, it is the successor's.
 */
void listener_close(struct thread *thread)
{
	struct listener *listener = &thread->listener;
	unsigned int i;

	if (!listener->count)
		return;
	for (i = 0; i < listener->count && !listener->paused && !thread->group->handed_over; i++)
		if (!listener->socket[i].refuses)
			accept_batch(thread, listener->socket[i].fd, LAST_BATCH);
	timer_cancel(&thread->context.timers, &listener->resume);
	listener_forget(thread);
	listener_release(thread);
	thread_group_listens_no_more(thread->group);
}
