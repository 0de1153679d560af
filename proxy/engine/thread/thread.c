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
void worker_queue(struct worker *worker, struct connection *connection)
{
	if (list_empty(&connection->turn))
		list_add(&worker->queue, &connection->turn);
}

/* An active connection has ended; its memory may still be named by events. */
void worker_bury(struct worker *worker, struct connection *connection)
{
	list_remove(&connection->node);
	list_add(&worker->graves, &connection->node);
	if (!connection->probe)
		worker_connection_gone(worker);
}

/* What was short may be there again now. */
void worker_connection_gone(struct worker *worker)
{
	counter_subtract(&worker->counters->active, 1);
	relay_leave(worker->relay);
	listener_resume(worker);
}

/* Hands events to whom they belong. */
void worker_dispatch(struct worker *worker, const struct epoll_event *event, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		struct event_source *source = event[i].data.ptr;

		source->handle(worker, source, event[i].events);
	}
}

/* --- phases ------------------------------------------------------------------- */

static void abort_all(struct worker *worker)
{
	walk_abandon(worker);
	while (!list_empty(&worker->connections))
		connection_close(worker, container_of(worker->connections.next,
						      struct connection, node),
				 OUTCOME_DRAINED);
}

static void drain_timer(struct timer *timer, void *context)
{
	(void)timer;
	abort_all(context);
}

static void enter_phase(struct worker *worker, enum phase phase)
{
	if (phase == worker->phase)
		return;
	worker->phase = phase;
	if (phase != PHASE_DRAINING)
		return;
	listener_close(worker);
	probe_cancel(worker);
	if (worker->relay->drain_deadline_ms != UINT64_MAX)
		timer_set(&worker->timers, &worker->drain_timer, worker->relay->drain_deadline_ms);
}

/* Turns begin anew: the numbers now stand for other upstreams. */
static void adopt_generation(struct worker *worker)
{
	struct generation *next = __atomic_exchange_n(&worker->next, NULL, __ATOMIC_ACQ_REL);

	if (!next)
		return;
	if (worker->generation)
		generation_retire(worker->generation, worker->index);
	worker->generation = next;
	memset(&worker->rotation, 0, sizeof(worker->rotation));
	probe_schedule(worker);
	refusal_review(worker);
}

static void wake_event(struct worker *worker, struct event_source *source, uint32_t events)
{
	uint64_t count;

	(void)source;
	(void)events;
	if (read(worker->wake, &count, sizeof(count)) != sizeof(count))
		return;
	adopt_generation(worker);
	guard_adopt(worker);
	listener_obey(worker);
	enter_phase(worker, relay_phase(worker->relay));
}

/* --- the loop ------------------------------------------------------------------- */

static int sleep_ms(const struct worker *worker)
{
	if (!list_empty(&worker->queue) || walk_wanted(&worker->walk))
		return 0;
	return timer_wheel_wait(&worker->timers, clock_ms());
}

/* A look is due sooner than epoll_wait(), which counts milliseconds, can tell. */
static int wait_until_look(struct worker *worker, struct epoll_event *event, int64_t us)
{
	struct timespec timeout = { .tv_nsec = us * 1000 };
	int count = epoll_pwait2(worker->epoll, event, EVENTS, &timeout, NULL);

	if (count < 0 && errno != EINTR)	/* Linux 5.11; or a filter that is older */
		coalesce_give_up(worker);
	return count;
}

static int wait_for_events(struct worker *worker, struct epoll_event *event)
{
	int ms = sleep_ms(worker);
	int64_t us = ms ? coalesce_wait_us(&worker->coalescing, clock_us()) : -1;

	if (us > 0)
		return wait_until_look(worker, event, us);
	return epoll_wait(worker->epoll, event, EVENTS, us == 0 ? 0 : ms);
}

static void take_events(struct worker *worker)
{
	struct epoll_event event[EVENTS];
	int count = wait_for_events(worker, event);

	worker->transfer.now_us = clock_us();
	worker->transfer.now_ms = worker->transfer.now_us / 1000;
	worker->transfer.announced_us = worker->transfer.now_us;
	worker_dispatch(worker, event, count);
	if (coalesce_wait_us(&worker->coalescing, worker->transfer.now_us) == 0)
		coalesce_look(worker);
}

/* Only those queued so far: a busy connection queues itself again. */
static void take_turns(struct worker *worker)
{
	struct list turn;

	list_init(&turn);
	list_move_all(&worker->queue, &turn);
	while (!list_empty(&turn)) {
		struct connection *connection = container_of(turn.next, struct connection, turn);

		list_remove(&connection->turn);
		relaying_resume(worker, connection);
	}
}

static void free_graves(struct worker *worker)
{
	while (!list_empty(&worker->graves)) {
		struct list *node = worker->graves.next;

		list_remove(node);
		free(container_of(node, struct connection, node));
	}
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;

	adopt_generation(worker);
	guard_adopt(worker);
	listener_obey(worker);
	while (worker->phase != PHASE_STOPPING) {
		take_events(worker);
		take_turns(worker);
		walk_slice(worker);
		timer_wheel_run(&worker->timers, worker->transfer.now_ms, worker);
		if (!relay_forking(worker->relay))
			free_graves(worker);
		__atomic_store_n(&worker->turns, worker->turns + 1, __ATOMIC_RELAXED);
	}
	listener_close(worker);
	abort_all(worker);
	free_graves(worker);
	return NULL;
}

/* --- life ------------------------------------------------------------------------- */

static int worker_open(struct worker *worker)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &worker->wake_source };

	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (worker->epoll < 0)
		return -errno;
	worker->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (worker->wake < 0)
		return -errno;
	if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->wake, &event) < 0)
		return -errno;
	return coalesce_open(worker);
}

/**
 * worker_init() - Get a zeroed worker all it needs but a listener and a thread
 * @worker:	Worker
 * @relay:	The relay it belongs to
 * @index:	Its number
 *
 * Return: 0 or -errno; worker_release() is due either way
 */
int worker_init(struct worker *worker, struct relay *relay, uint32_t index)
{
	worker->relay = relay;
	worker->index = index;
	worker->epoll = -1;
	worker->wake = -1;
	worker->phase = PHASE_RUNNING;
	worker->wake_source.handle = wake_event;
	listener_init(&worker->listener);
	coalesce_init(&worker->coalescing);
	list_init(&worker->connections);
	list_init(&worker->queue);
	list_init(&worker->graves);
	timer_init(&worker->drain_timer, drain_timer);
	probe_init(worker);
	timer_wheel_init(&worker->timers, clock_ms());
	worker->page = memory_allocate(sizeof(*worker->page));
	worker->recent = memory_allocate(sizeof(*worker->recent));
	worker->transfer.buffer = memory_allocate(BUFFER_SIZE);
	if (relay->options.log_records)
		worker->log = log_create(relay->options.log_records);
	if (!worker->page || !worker->recent || !worker->transfer.buffer ||
	    (relay->options.log_records && !worker->log))
		return -ENOMEM;
	worker->counters = &worker->page->counters;
	worker->transfer.counters = worker->counters;
	worker->transfer.buffer_size = BUFFER_SIZE;
	worker->transfer.may_splice = relay->options.splice;
	worker->transfer.now_ms = clock_ms();
	pipe_pool_init(&worker->transfer.pipes, &relay->options, worker->counters);
	return worker_open(worker);
}

/* Best effort: a CPU may have been taken from us since we looked. */
static void worker_pin(struct worker *worker)
{
	const struct relay *relay = worker->relay;
	cpu_set_t own;

	if (!relay->pinned)
		return;
	CPU_ZERO(&own);
	CPU_SET((size_t)steering_cpu(&relay->cpus, worker->index), &own);
	(void)pthread_setaffinity_np(worker->thread, sizeof(own), &own);
}

/**
 * worker_start() - Start the thread
 * @worker:	Worker with an open listener
 *
 * The thread takes no signals: those belong to the program that loaded us.
 *
 * Return: 0 or -errno
 */
int worker_start(struct worker *worker)
{
	sigset_t all, before;
	char name[16];
	int error;

	error = listener_watch(worker);
	if (error)
		return error;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		return -error;
	worker->has_thread = true;
	snprintf(name, sizeof(name), "relay/%u", worker->index);
	pthread_setname_np(worker->thread, name);
	worker_pin(worker);
	return 0;
}

/* Tell the thread that the phase has changed. */
void worker_wake(struct worker *worker)
{
	uint64_t one = 1;

	while (worker->wake >= 0 && write(worker->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/**
 * worker_turned() - Has the loop turned since this was asked last?
 * @worker:	Worker; asked by the control thread only
 *
 * An idle thread sleeps as long as it likes, so it is woken for the next time.
 */
bool worker_turned(struct worker *worker)
{
	uint64_t turns = __atomic_load_n(&worker->turns, __ATOMIC_RELAXED);
	bool turned = turns != worker->turns_seen;

	worker->turns_seen = turns;
	worker_wake(worker);
	return turned;
}

void worker_join(struct worker *worker)
{
	if (!worker->has_thread)
		return;
	pthread_join(worker->thread, NULL);
	worker->has_thread = false;
}

static void close_if_open(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Give back descriptors; the counters stay readable until worker_release(). */
void worker_close(struct worker *worker)
{
	pipe_pool_release(&worker->transfer.pipes);
	listener_release(&worker->listener);
	coalesce_close(&worker->coalescing);
	close_if_open(&worker->wake);
	close_if_open(&worker->epoll);
}

void worker_release(struct worker *worker)
{
	adopt_generation(worker);
	if (worker->generation)
		generation_retire(worker->generation, worker->index);
	guard_forget(worker);
	free(worker->page);
	free(worker->recent);
	free(worker->log);
	walk_forget(&worker->walk);
	free(worker->transfer.buffer);
}
