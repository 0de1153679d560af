// SPDX-License-Identifier: MIT
#include "thread/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "bytes/coalesce.h"
#include "connection/connection.h"
#include "connection/relaying.h"
#include "relay/relay.h"
#include "sockets/steering.h"
#include "thread/probe.h"
#include "thread/refusal.h"
#include "upstreams/guard.h"

#define EVENTS 256	/* taken at a time */
#define BUFFER_SIZE (64U << 10)

/* --- what connections ask of their thread ------------------------------------ */

/* Run again after everybody else has had a turn. */
void thread_queue(struct thread *thread, struct connection *connection)
{
	if (list_empty(&connection->turn))
		list_add(&thread->queue, &connection->turn);
}

/* An active connection has ended; its memory may still be named by events. */
void thread_free_later(struct thread *thread, struct connection *connection)
{
	list_remove(&connection->node);
	list_add(&thread->deferred_free, &connection->node);
	if (!connection->probe)
		thread_connection_gone(thread);
}

/* What was short may be there again now. */
void thread_connection_gone(struct thread *thread)
{
	counter_subtract(&thread->counters->active, 1);
	relay_leave(thread->relay);
	listener_resume(thread);
}

/* Hands events to whom they belong. */
void thread_dispatch(struct thread *thread, const struct epoll_event *event, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		struct event_source *source = event[i].data.ptr;

		source->handle(thread, source, event[i].events);
	}
}

/* --- phases ------------------------------------------------------------------- */

static void abort_all(struct thread *thread)
{
	snapshot_abandon(thread);
	while (!list_empty(&thread->connections))
		connection_close(thread, container_of(thread->connections.next,
						      struct connection, node),
				 OUTCOME_DRAINED);
}

static void drain_timer(struct timer *timer, void *context)
{
	(void)timer;
	abort_all(context);
}

static void enter_phase(struct thread *thread, enum phase phase)
{
	if (phase == thread->phase)
		return;
	thread->phase = phase;
	if (phase != PHASE_DRAINING)
		return;
	listener_close(thread);
	probe_cancel(thread);
	if (thread->relay->drain_deadline_ms != UINT64_MAX)
		timer_set(&thread->timers, &thread->drain_timer, thread->relay->drain_deadline_ms);
}

/* Turns begin anew: the numbers now stand for other upstreams. */
static void adopt_generation(struct thread *thread)
{
	struct generation *next = __atomic_exchange_n(&thread->next, NULL, __ATOMIC_ACQ_REL);

	if (!next)
		return;
	if (thread->generation)
		generation_retire(thread->generation, thread->index);
	thread->generation = next;
	memset(&thread->rotation, 0, sizeof(thread->rotation));
	probe_schedule(thread);
	refusal_review(thread);
}

static void wake_event(struct thread *thread, struct event_source *source, uint32_t events)
{
	uint64_t count;

	(void)source;
	(void)events;
	if (read(thread->wake, &count, sizeof(count)) != sizeof(count))
		return;
	adopt_generation(thread);
	guard_adopt(thread);
	listener_obey(thread);
	enter_phase(thread, relay_phase(thread->relay));
}

/* --- the loop ------------------------------------------------------------------- */

static int sleep_ms(const struct thread *thread)
{
	if (!list_empty(&thread->queue) || snapshot_wanted(&thread->snapshot))
		return 0;
	return timer_wheel_wait(&thread->timers, clock_ms());
}

/* A poll is due sooner than epoll_wait(), which counts milliseconds, can tell. */
static int wait_until_poll(struct thread *thread, struct epoll_event *event, int64_t us)
{
	struct timespec timeout = { .tv_nsec = us * 1000 };
	int count = epoll_pwait2(thread->epoll, event, EVENTS, &timeout, NULL);

	if (count < 0 && errno != EINTR)	/* Linux 5.11; or a filter that is older */
		coalesce_give_up(thread);
	return count;
}

static int wait_for_events(struct thread *thread, struct epoll_event *event)
{
	int ms = sleep_ms(thread);
	int64_t us = ms ? coalesce_wait_us(&thread->coalescing, clock_us()) : -1;

	if (us > 0)
		return wait_until_poll(thread, event, us);
	return epoll_wait(thread->epoll, event, EVENTS, us == 0 ? 0 : ms);
}

static void take_events(struct thread *thread)
{
	struct epoll_event event[EVENTS];
	int count = wait_for_events(thread, event);

	thread->io.now_us = clock_us();
	thread->io.now_ms = thread->io.now_us / 1000;
	thread->io.announced_us = thread->io.now_us;
	thread_dispatch(thread, event, count);
	if (coalesce_wait_us(&thread->coalescing, thread->io.now_us) == 0)
		coalesce_poll(thread);
}

/* Only those queued so far: a busy connection queues itself again. */
static void take_turns(struct thread *thread)
{
	struct list turn;

	list_init(&turn);
	list_move_all(&thread->queue, &turn);
	while (!list_empty(&turn)) {
		struct connection *connection = container_of(turn.next, struct connection, turn);

		list_remove(&connection->turn);
		relaying_resume(thread, connection);
	}
}

static void free_deferred(struct thread *thread)
{
	while (!list_empty(&thread->deferred_free)) {
		struct list *node = thread->deferred_free.next;

		list_remove(node);
		free(container_of(node, struct connection, node));
	}
}

static void *thread_main(void *argument)
{
	struct thread *thread = argument;

	adopt_generation(thread);
	guard_adopt(thread);
	listener_obey(thread);
	while (thread->phase != PHASE_STOPPING) {
		take_events(thread);
		take_turns(thread);
		snapshot_slice(thread);
		timer_wheel_run(&thread->timers, thread->io.now_ms, thread);
		if (!relay_forking(thread->relay))
			free_deferred(thread);
		__atomic_store_n(&thread->turns, thread->turns + 1, __ATOMIC_RELAXED);
	}
	listener_close(thread);
	abort_all(thread);
	free_deferred(thread);
	return NULL;
}

/* --- life ------------------------------------------------------------------------- */

static int thread_open(struct thread *thread)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &thread->wake_source };

	thread->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (thread->epoll < 0)
		return -errno;
	thread->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (thread->wake < 0)
		return -errno;
	if (epoll_ctl(thread->epoll, EPOLL_CTL_ADD, thread->wake, &event) < 0)
		return -errno;
	return coalesce_open(thread);
}

/**
 * thread_init() - Get a zeroed thread all it needs but a listener and a thread
 * @thread:	Thread
 * @relay:	The relay it belongs to
 * @index:	Its number
 *
 * Return: 0 or -errno; thread_release() is due either way
 */
int thread_init(struct thread *thread, struct relay *relay, uint32_t index)
{
	thread->relay = relay;
	thread->index = index;
	thread->epoll = -1;
	thread->wake = -1;
	thread->phase = PHASE_RUNNING;
	thread->wake_source.handle = wake_event;
	listener_init(&thread->listener);
	coalesce_init(&thread->coalescing);
	list_init(&thread->connections);
	list_init(&thread->queue);
	list_init(&thread->deferred_free);
	timer_init(&thread->drain_timer, drain_timer);
	probe_init(thread);
	timer_wheel_init(&thread->timers, clock_ms());
	thread->page = memory_allocate(sizeof(*thread->page));
	thread->recent = memory_allocate(sizeof(*thread->recent));
	thread->io.buffer = memory_allocate(BUFFER_SIZE);
	if (relay->options.log_records)
		thread->log = log_create(relay->options.log_records);
	if (!thread->page || !thread->recent || !thread->io.buffer ||
	    (relay->options.log_records && !thread->log))
		return -ENOMEM;
	thread->counters = &thread->page->counters;
	thread->io.counters = thread->counters;
	thread->io.buffer_size = BUFFER_SIZE;
	thread->io.may_splice = relay->options.splice;
	thread->io.now_ms = clock_ms();
	pipe_pool_init(&thread->io.pipes, &relay->options, thread->counters);
	return thread_open(thread);
}

/* Best effort: a CPU may have been taken from us since we looked. */
static void thread_pin(struct thread *thread)
{
	const struct relay *relay = thread->relay;
	cpu_set_t own;

	if (!relay->pinned)
		return;
	CPU_ZERO(&own);
	CPU_SET((size_t)steering_cpu(&relay->cpus, thread->index), &own);
	(void)pthread_setaffinity_np(thread->pthread, sizeof(own), &own);
}

/**
 * thread_start() - Start the thread
 * @thread:	Thread with an open listener
 *
 * The thread takes no signals: those belong to the program that loaded us.
 *
 * Return: 0 or -errno
 */
int thread_start(struct thread *thread)
{
	sigset_t all, before;
	char name[16];
	int error;

	error = listener_watch(thread);
	if (error)
		return error;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread->pthread, NULL, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		return -error;
	thread->has_thread = true;
	snprintf(name, sizeof(name), "relay/%u", thread->index);
	pthread_setname_np(thread->pthread, name);
	thread_pin(thread);
	return 0;
}

/* Tell the thread that the phase has changed. */
void thread_wake(struct thread *thread)
{
	uint64_t one = 1;

	while (thread->wake >= 0 && write(thread->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/**
 * thread_turned() - Has the loop turned since this was asked last?
 * @thread:	Thread; asked by the control thread only
 *
 * An idle thread sleeps as long as it likes, so it is woken for the next time.
 */
bool thread_turned(struct thread *thread)
{
	uint64_t turns = __atomic_load_n(&thread->turns, __ATOMIC_RELAXED);
	bool turned = turns != thread->turns_seen;

	thread->turns_seen = turns;
	thread_wake(thread);
	return turned;
}

void thread_join(struct thread *thread)
{
	if (!thread->has_thread)
		return;
	pthread_join(thread->pthread, NULL);
	thread->has_thread = false;
}

static void close_if_open(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Give back descriptors; the counters stay readable until thread_release(). */
void thread_close(struct thread *thread)
{
	pipe_pool_release(&thread->io.pipes);
	listener_release(&thread->listener);
	coalesce_close(&thread->coalescing);
	close_if_open(&thread->wake);
	close_if_open(&thread->epoll);
}

void thread_release(struct thread *thread)
{
	adopt_generation(thread);
	if (thread->generation)
		generation_retire(thread->generation, thread->index);
	guard_forget(thread);
	free(thread->page);
	free(thread->recent);
	free(thread->log);
	snapshot_forget(&thread->snapshot);
	free(thread->io.buffer);
}
