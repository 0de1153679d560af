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

#include "base/client-table.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/recent.h"
#include "bytes/coalesce.h"
#include "connection/connection.h"
#include "connection/express-flow.h"
#include "connection/express.h"
#include "connection/read-ahead.h"
#include "connection/relaying.h"
#include "sockets/steering.h"
#include "thread/boxes.h"
#include "thread/probe-rounds.h"
#include "thread/probe.h"
#include "thread/refusal.h"
#include "upstreams/generation.h"
#include "upstreams/guard.h"

#define EVENTS 256	/* taken at a time */
#define BUFFER_SIZE (64U << 10)
/* Chosen: a system call in so long is not felt, nor is so long in a round trip. */
#define TURNS_LEAST_US 300
#define TURNS_MOST_US 1000

/* What was short may be there again now. */
static void connection_gone(struct thread_context *context)
{
	counter_subtract(&context->counters->active, 1);
	limits_leave(context->limits);
	listener_resume(thread_of(context));
}

/* --- phases ------------------------------------------------------------------- */

static void abort_all(struct thread *thread)
{
	snapshot_abandon(thread);
	probe_end_all(thread);
	while (!list_empty(&thread->context.connections))
		connection_close(&thread->context,
				 container_of(thread->context.connections.next,
					      struct connection, node),
				 OUTCOME_DRAINED);
}

static void drain_timer(struct timer *timer, void *context)
{
	(void)timer;
	abort_all(thread_of(context));
}

static void enter_phase(struct thread *thread, enum phase phase)
{
	if (phase == thread->phase)
		return;
	thread->phase = phase;
	if (phase != PHASE_DRAINING)
		return;
	listener_close(thread);
	probe_rounds_cancel(thread);
	if (thread->group->drain_deadline_ms != UINT64_MAX)
		timer_set(&thread->context.timers, &thread->drain_timer,
			  thread->group->drain_deadline_ms);
}

static void wake_event(struct thread_context *context, struct event_source *source,
		       uint32_t events)
{
	struct thread *thread = thread_of(context);
	uint64_t count;

	(void)source;
	(void)events;
	if (read(thread->wake, &count, sizeof(count)) != sizeof(count))
		return;
	boxes_adopt(thread);
	listener_obey(thread);
	enter_phase(thread, thread_group_phase(thread->group));
}

/* --- the loop ------------------------------------------------------------------- */

static int sleep_ms(const struct thread *thread)
{
	if (!list_empty(&thread->context.queue) || snapshot_wanted(&thread->snapshot))
		return 0;
	return timer_wheel_wait(&thread->context.timers, clock_ms());
}

/* A poll is due sooner than epoll_wait(), which counts milliseconds, can tell. */
static int wait_until_poll(struct thread *thread, struct epoll_event *event, int64_t us)
{
	struct timespec timeout = { .tv_nsec = us * 1000 };
	int count = epoll_pwait2(thread->context.epoll, event, EVENTS, &timeout, NULL);

	if (count < 0 && errno != EINTR)	/* Linux 5.11; or a filter that is older */
		coalesce_give_up(&thread->context);
	return count;
}

static int wait_for_events(struct thread *thread, struct epoll_event *event)
{
	int ms = sleep_ms(thread);
	int64_t us = ms ? coalesce_wait_us(&thread->context.coalescing, clock_us()) : -1;

	if (us > 0)
		return wait_until_poll(thread, event, us);
	return epoll_wait(thread->context.epoll, event, EVENTS, us == 0 ? 0 : ms);
}

static void take_events(struct thread *thread)
{
	struct epoll_event event[EVENTS];
	int count = wait_for_events(thread, event);

	thread->context.io.now_us = clock_us();
	thread->context.io.now_ms = thread->context.io.now_us / 1000;
	thread->context.io.announced_us = thread->context.io.now_us;
	context_dispatch(&thread->context, event, count);
	if (coalesce_wait_us(&thread->context.coalescing, thread->context.io.now_us) == 0)
		coalesce_poll(&thread->context);
}

/*
 * How long bulk may go on now, before those who go first are looked for again: as long as they
 * have just had, so that they do not keep it waiting for ever, and never long.
 */
static uint64_t turns_end(const struct thread *thread)
{
	uint64_t now_us = clock_us();
	uint64_t took_us = now_us - thread->context.io.now_us;

	if (took_us < TURNS_LEAST_US)
		took_us = TURNS_LEAST_US;
	return now_us + (took_us < TURNS_MOST_US ? took_us : TURNS_MOST_US);
}

/*
 * One at least, and only those queued so far: a busy connection queues itself again.  Bytes
 * that were handed over have read the clock.
 */
static void take_turns(struct thread *thread)
{
	struct thread_context *context = &thread->context;
	uint32_t most = context->queued;
	uint64_t until_us = most > 1 ? turns_end(thread) : UINT64_MAX;

	while (most-- > 0 && !list_empty(&context->queue)) {
		struct connection *connection =
			container_of(context->queue.next, struct connection, turn);

		context_unqueue(context, &connection->turn);
		relaying_resume(context, connection);
		if (context->io.delivered_us >= until_us)
			return;
	}
}

static void free_deferred(struct thread *thread)
{
	while (!list_empty(&thread->context.deferred_free)) {
		struct list *node = thread->context.deferred_free.next;

		list_remove(node);
		free(node);	/* the first thing in its memory */
	}
}

static void *thread_main(void *argument)
{
	struct thread *thread = argument;

	boxes_adopt(thread);
	listener_obey(thread);
	while (thread->phase != PHASE_STOPPING) {
		take_events(thread);
		take_turns(thread);
		snapshot_slice(thread);
		timer_wheel_run(&thread->context.timers, thread->context.io.now_ms,
				&thread->context);
		if (!thread_group_forking(thread->group))
			free_deferred(thread);
		__atomic_store_n(&thread->turns, thread->turns + 1, __ATOMIC_RELAXED);
	}
	listener_close(thread);
	abort_all(thread);
	express_flows_release(&thread->context);
	free_deferred(thread);
	__atomic_store_n(&thread->cpu_us, clock_read_us(CLOCK_THREAD_CPUTIME_ID), __ATOMIC_RELEASE);
	return NULL;
}

/* --- life ------------------------------------------------------------------------- */

static int thread_open(struct thread *thread)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &thread->wake_source };

	thread->context.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (thread->context.epoll < 0)
		return -errno;
	thread->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (thread->wake < 0)
		return -errno;
	if (epoll_ctl(thread->context.epoll, EPOLL_CTL_ADD, thread->wake, &event) < 0)
		return -errno;
	return coalesce_open(&thread->context);
}

/* Return: 0 or -ENOMEM */
static int allocate(struct thread *thread, uint32_t log_records)
{
	struct thread_context *context = &thread->context;

	thread->page = memory_allocate(sizeof(*thread->page));
	context->recent = memory_allocate(sizeof(*context->recent));
	context->clients = client_table_create();
	context->io.buffer = memory_allocate(BUFFER_SIZE);
	if (log_records)
		context->log = log_create(log_records);
	if (!thread->page || !context->recent || !context->clients || !context->io.buffer ||
	    (log_records && !context->log))
		return -ENOMEM;
	context->counters = &thread->page->counters;
	return 0;
}

static void init_context(struct thread *thread)
{
	struct thread_context *context = &thread->context;

	context->epoll = -1;
	context->reserve = -1;
	context->thread_count = thread->group->thread_count;
	context->options = thread->group->options;
	context->limits = &thread->group->limits;
	context->express = thread->group->express;
	context->connection_gone = connection_gone;
	coalesce_init(&context->coalescing);
	list_init(&context->connections);
	list_init(&context->queue);
	list_init(&context->deferred_free);
	timer_wheel_init(&context->timers, clock_ms());
	express_init(context);
}

static void init_io(struct thread_context *context)
{
	context->io.counters = context->counters;
	context->io.buffer_size = BUFFER_SIZE;
	context->io.turn_bytes = TURN_BYTES;
	context->io.may_splice = context->options->splice;
	context->io.now_ms = clock_ms();
	pipe_pool_init(&context->io.pipes, context->options, context->counters);
}

/**
 * thread_init() - Get a zeroed thread all it needs but a listener and to be started
 * @thread:	Thread
 * @group:	The group it belongs to
 * @index:	Its number
 *
 * Return: 0 or -errno; thread_release() is due either way
 */
int thread_init(struct thread *thread, struct thread_group *group, uint32_t index)
{
	int error;

	thread->group = group;
	thread->context.index = index;
	thread->wake = -1;
	thread->phase = PHASE_RUNNING;
	thread->wake_source.handle = wake_event;
	init_context(thread);
	listener_init(&thread->listener);
	timer_init(&thread->drain_timer, drain_timer);
	list_init(&thread->probes);
	probe_rounds_init(thread);
	error = allocate(thread, group->options->log_records);
	if (error)
		return error;
	if (!read_ahead_init(&thread->context))
		return -EIO;
	init_io(&thread->context);
	return thread_open(thread);
}

/* Best effort: a CPU may have been taken from us since we looked. */
static void thread_pin(struct thread *thread)
{
	const struct thread_group *group = thread->group;
	cpu_set_t own;

	if (!group->pinned)
		return;
	CPU_ZERO(&own);
	CPU_SET((size_t)steering_cpu(&group->cpus, thread->context.index), &own);
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
	snprintf(name, sizeof(name), "relay/%u", thread->context.index);
	pthread_setname_np(thread->pthread, name);
	thread_pin(thread);
	return 0;
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

/**
 * thread_cpu_us() - CPU time that the thread has used
 * @thread:	Thread; asked by the control thread only
 *
 * The kernel keeps it anyway, and tells others of it: the thread itself does nothing for it.
 *
 * Return: microseconds
 */
uint64_t thread_cpu_us(const struct thread *thread)
{
	uint64_t running = 0;
	uint64_t ended;
	clockid_t clock;

	if (thread->has_thread && pthread_getcpuclockid(thread->pthread, &clock) == 0)
		running = clock_read_us(clock);
	/* Last: of a thread that ends meanwhile the clock says nothing, but it has left its time behind. */
	ended = __atomic_load_n(&thread->cpu_us, __ATOMIC_ACQUIRE);
	return ended ? ended : running;
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
	pipe_pool_release(&thread->context.io.pipes);
	listener_release(thread);
	coalesce_close(&thread->context.coalescing);
	close_if_open(&thread->wake);
	close_if_open(&thread->context.epoll);
}

void thread_release(struct thread *thread)
{
	boxes_adopt(thread);
	if (thread->context.generation)
		generation_retire(thread->context.generation, thread->context.index);
	guard_release(thread->context.guard);
	free(thread->page);
	free(thread->context.recent);
	free(thread->context.clients);
	free(thread->context.log);
	snapshot_forget(&thread->snapshot);
	free(thread->context.io.buffer);
}
