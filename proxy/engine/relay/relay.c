// SPDX-License-Identifier: MIT
#include "relay/relay.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "relay/pending.h"
#include "relay/sockets.h"
#include "thread/thread.h"

/* --- starting --------------------------------------------------------------------- */

static uint32_t choose_threads(const struct sidetrack_relay_options *options)
{
	uint32_t threads = options->threads;
	cpu_set_t cpus;

	if (!threads && sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		threads = (uint32_t)CPU_COUNT(&cpus);
	if (!threads)
		threads = 1;
	return threads < THREADS_MOST ? threads : THREADS_MOST;
}

static int check_capture(struct relay *relay)
{
	if (relay->options.capture < CAPTURE_COUNT)
		return 0;
	return relay_fail(relay, -EINVAL, "there is no capture %u", relay->options.capture);
}

static int init_clients(struct relay *relay)
{
	int error = clients_init(&relay->group.limits.clients,
				 relay_max_connections(relay, &relay->options));

	if (error)
		return relay_fail(relay, error, "cannot count connections by client: %s",
				  strerror(-error));
	return 0;
}

static int init_threads(struct relay *relay)
{
	uint32_t i;
	int error = 0;

	relay->group.threads = calloc(relay->group.thread_count, sizeof(*relay->group.threads));
	if (!relay->group.threads)
		return relay_fail(relay, -ENOMEM, "out of memory for %u threads",
				  relay->group.thread_count);
	/* all of them, so that each may be released in any case */
	for (i = 0; i < relay->group.thread_count; i++) {
		int failed = thread_init(&relay->group.threads[i], &relay->group, i);

		error = error ? error : failed;
	}
	if (error)
		relay_fail(relay, error, "cannot set up %u threads: %s", relay->group.thread_count,
			   strerror(-error));
	return error;
}

static int start_threads(struct relay *relay)
{
	uint32_t i;
	int error;

	relay->group.listening = relay->group.thread_count;
	__atomic_store_n(&relay->group.phase, PHASE_RUNNING, __ATOMIC_RELEASE);
	for (i = 0; i < relay->group.thread_count; i++) {
		error = thread_start(&relay->group.threads[i]);
		if (error)
			return relay_fail(relay, error, "cannot start thread %u: %s", i,
					  strerror(-error));
	}
	return 0;
}

static void stop_threads(struct relay *relay)
{
	uint32_t i;

	thread_group_enter_phase(&relay->group, PHASE_STOPPING);
	for (i = 0; relay->group.threads && i < relay->group.thread_count; i++) {
		thread_join(&relay->group.threads[i]);
		thread_close(&relay->group.threads[i]);
	}
}

/* --- the interface ---------------------------------------------------------------- */

/**
 * sidetrack_relay_create() - Make a relay that does nothing yet
 * @options:	struct sidetrack_relay_options
 * @length:	Its size, to catch a caller built for another version
 *
 * Return: handle, or NULL if the options are of another version or memory is out
 */
struct relay *sidetrack_relay_create(const uint8_t *options, int32_t length)
{
	struct relay *relay;

	if (length != (int32_t)sizeof(relay->options))
		return NULL;
	relay = memory_allocate(sizeof(*relay));
	if (!relay)
		return NULL;
	memcpy(&relay->options, options, sizeof(relay->options));
	relay->group.options = &relay->options;
	if (relay->options.abi_version == SIDETRACK_RELAY_ABI_VERSION)
		relay->pending = generation_create(&relay->options, relay->health);
	if (relay->pending)
		return relay;
	free(relay);
	return NULL;
}

/**
 * sidetrack_relay_set_express() - Say by which maps connections may pass in the kernel
 * @relay:	Handle, not started
 * @flows:	Descriptor of the hash, which stays open as long as the relay lives
 * @slots:	Descriptor of the slots, likewise
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_set_express(struct relay *relay, int32_t flows, int32_t slots)
{
	int error = express_map_open(&relay->express, flows, slots);

	if (error)
		return relay_fail(relay, error, "cannot use the maps of express: %s",
				  strerror(-error));
	relay->group.express = &relay->express;
	return 0;
}

/**
 * sidetrack_relay_start() - Listen and start the threads
 * @relay:	Handle
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_start(struct relay *relay)
{
	int error;

	if (relay->group.phase != PHASE_IDLE)
		return relay_fail(relay, -EALREADY, "the relay was started before");
	relay->group.thread_count = choose_threads(&relay->options);
	error = pending_settle(relay);
	if (!error)
		error = check_capture(relay);
	if (!error)
		error = init_clients(relay);
	if (!error)
		error = init_threads(relay);
	if (!error)
		error = sockets_open(relay);
	if (!error) {
		sockets_steer(relay);
		pending_publish(relay);
	}
	if (!error)
		error = start_threads(relay);
	if (error)
		stop_threads(relay);
	return error;
}

static int drain(struct relay *relay, int32_t deadline_ms, bool handed_over)
{
	if (relay_phase(relay) != PHASE_RUNNING)
		return relay_fail(relay, -EALREADY, "the relay is not running");
	relay->group.handed_over = handed_over;
	relay->group.drain_deadline_ms =
		deadline_ms < 0 ? UINT64_MAX : clock_ms() + (uint64_t)deadline_ms;
	thread_group_enter_phase(&relay->group, PHASE_DRAINING);
	return 0;
}

/**
 * sidetrack_relay_drain() - Take no more connections and let the rest finish
 * @relay:		Handle
 * @deadline_ms:	From now; what is left then is reset.  -1: never
 *
 * Returns at once; sidetrack_relay_drained() tells when it is done.
 *
 * Return: 0 or -errno
 */
int32_t sidetrack_relay_drain(struct relay *relay, int32_t deadline_ms)
{
	return drain(relay, deadline_ms, false);
}

/**
 * sidetrack_relay_hand_over() - Drain, but leave what has arrived to the successor
 * @relay:		Handle
 * @deadline_ms:	As above
 *
 * For a relay whose sockets another process has adopted and accepts from.
 *
 * Return: 0 or -errno
 */
int32_t sidetrack_relay_hand_over(struct relay *relay, int32_t deadline_ms)
{
	return drain(relay, deadline_ms, true);
}

/**
 * sidetrack_relay_forking() - The process is about to fork, or the child runs by itself
 * @relay:	Handle
 * @forking:	1 before fork(), 0 once the child's own program has spoken, or has ended
 *
 * Until exec closes them the child has all our descriptors, and a socket that we
 * close in the meantime stays in our epoll set: its events go on naming a
 * connection that is gone.  The kernel gives the last of them back only when the
 * child returns to user space, after a pipe that exec closes has said end of file.
 * So as long as this lasts none is freed; a closed one takes no notice of events.  A close() that comes before fork() has copied the
 * descriptors leaves nothing behind, and one that comes later sees the flag.
 *
 * Return: 0
 */
int32_t sidetrack_relay_forking(struct relay *relay, int32_t forking)
{
	uint32_t i;

	__atomic_store_n(&relay->group.forking, forking != 0, __ATOMIC_SEQ_CST);
	for (i = 0; !forking && relay->group.threads && i < relay->group.thread_count; i++)
		thread_wake(&relay->group.threads[i]);	/* to free them now */
	return 0;
}

/* Return: 1 once no thread listens any more and no connection is left, else 0 */
int32_t sidetrack_relay_drained(struct relay *relay)
{
	return __atomic_load_n(&relay->group.listening, __ATOMIC_ACQUIRE) == 0 &&
	       sidetrack_relay_active(relay) == 0;
}

/* Return: connections open now */
int32_t sidetrack_relay_active(struct relay *relay)
{
	return (int32_t)__atomic_load_n(&relay->group.limits.active, __ATOMIC_RELAXED);
}

/**
 * sidetrack_relay_stop() - Reset what is left, end the threads, close everything
 * @relay:	Handle; its counters stay readable
 *
 * Return: 0
 */
int32_t sidetrack_relay_stop(struct relay *relay)
{
	if (relay_phase(relay) != PHASE_STOPPING)
		stop_threads(relay);
	return 0;
}

/**
 * sidetrack_relay_destroy() - Stop if need be, and free the memory
 * @relay:	Handle, not to be used again
 *
 * Return: 0
 */
int32_t sidetrack_relay_destroy(struct relay *relay)
{
	uint32_t i;

	for (i = 0; !relay->listeners_placed && i < relay->listener_count; i++)
		close(relay->listener[i]);
	sidetrack_relay_stop(relay);
	accept_check_end(&relay->group.accept_check);
	pending_discard(relay);
	for (i = 0; relay->group.threads && i < relay->group.thread_count; i++)
		thread_release(&relay->group.threads[i]);
	free(relay->group.threads);
	clients_release(&relay->group.limits.clients);
	express_map_close(&relay->express);
	free(relay);
	return 0;
}

/* Return: length of the sentence in @out, without a final zero byte */
int32_t sidetrack_relay_read_error(struct relay *relay, uint8_t *out, int32_t length)
{
	size_t bytes = strlen(relay->error);

	if (length < 0)
		return -EINVAL;
	if (bytes > (size_t)length)
		bytes = (size_t)length;
	memcpy(out, relay->error, bytes);
	return (int32_t)bytes;
}
