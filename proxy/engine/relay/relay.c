// SPDX-License-Identifier: MIT
#include "relay/relay.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "relay/pending.h"
#include "relay/sockets.h"
#include "thread/thread.h"

#define DESCRIPTORS_PER_CONNECTION 2
#define DESCRIPTORS_PER_THREAD 6	/* epoll twice, wake, two listeners, reserve */
#define DESCRIPTORS_PER_PIPE 2
#define PIPES_EXPECTED 8		/* per thread, when reckoning what is left */

enum phase relay_phase(const struct relay *relay)
{
	return (enum phase)__atomic_load_n(&relay->phase, __ATOMIC_ACQUIRE);
}

/**
 * relay_admit() - Count one more connection, unless that is too many
 * @relay:	Relay
 *
 * Return: false if max_connections are there already
 */
bool relay_admit(struct relay *relay)
{
	if (__atomic_add_fetch(&relay->active, 1, __ATOMIC_RELAXED) <=
	    __atomic_load_n(&relay->max_connections, __ATOMIC_RELAXED))
		return true;
	relay_leave(relay);
	return false;
}

void relay_leave(struct relay *relay)
{
	__atomic_sub_fetch(&relay->active, 1, __ATOMIC_RELAXED);
}

/**
 * relay_handshake_begin() - Count one more connection that waits for an upstream
 * @relay:	Relay
 * @most:	max_handshakes; 0 is no limit
 *
 * Beyond max_handshakes newcomers are refused, while beyond max_connections
 * accepting pauses.  Upstreams that never answer hold their connections until
 * the time-outs; pausing for them would make everybody else's connections look
 * open and dead for as long, and those in the backlog would only be the next to
 * wait.  A reset frees both descriptors now and lets the client try elsewhere.
 *
 * Return: false if max_handshakes are there already
 */
bool relay_handshake_begin(struct relay *relay, uint32_t most)
{
	uint32_t count = __atomic_add_fetch(&relay->handshakes, 1, __ATOMIC_RELAXED);

	if (!most || count <= most)
		return true;
	relay_handshake_end(relay);
	return false;
}

void relay_handshake_end(struct relay *relay)
{
	__atomic_sub_fetch(&relay->handshakes, 1, __ATOMIC_RELAXED);
}

/* A thread has closed its listener; what it accepted before is counted. */
void relay_listens_no_more(struct relay *relay)
{
	__atomic_sub_fetch(&relay->listening, 1, __ATOMIC_RELEASE);
}

/* A child may have copies of the descriptors that this thread has just closed. */
bool relay_forking(const struct relay *relay)
{
	return __atomic_load_n(&relay->forking, __ATOMIC_ACQUIRE);
}

/**
 * relay_fail() - Keep a sentence for sidetrack_relay_read_error()
 * @relay:	Relay
 * @error:	-errno
 * @format:	As printf()
 *
 * Return: @error
 */
int relay_fail(struct relay *relay, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(relay->error, sizeof(relay->error), format, arguments);
	va_end(arguments);
	return error;
}

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

/*
 * As many as the descriptors suffice for, after what the threads and the rest
 * of the process need.  An option may ask for less, not for more.
 */
uint32_t relay_max_connections(const struct relay *relay,
			       const struct sidetrack_relay_options *options)
{
	uint64_t asked = options->max_connections ? options->max_connections : UINT32_MAX;
	uint64_t own = relay->thread_count * (DESCRIPTORS_PER_THREAD +
					      PIPES_EXPECTED * DESCRIPTORS_PER_PIPE);
	uint64_t kept = own + relay->options.descriptor_reserve;
	struct rlimit limit;
	uint64_t possible;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return (uint32_t)asked;
	possible = limit.rlim_cur > kept ? (limit.rlim_cur - kept) / DESCRIPTORS_PER_CONNECTION : 1;
	return (uint32_t)(asked < possible ? asked : possible);
}

static int check_capture(struct relay *relay)
{
	if (relay->options.capture < CAPTURE_COUNT)
		return 0;
	return relay_fail(relay, -EINVAL, "there is no capture %u", relay->options.capture);
}

static int init_clients(struct relay *relay)
{
	int error = clients_init(&relay->clients,
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

	relay->threads = calloc(relay->thread_count, sizeof(*relay->threads));
	if (!relay->threads)
		return relay_fail(relay, -ENOMEM, "out of memory for %u threads",
				  relay->thread_count);
	/* all of them, so that each may be released whatever happened */
	for (i = 0; i < relay->thread_count; i++) {
		int failed = thread_init(&relay->threads[i], relay, i);

		error = error ? error : failed;
	}
	if (error)
		relay_fail(relay, error, "cannot set up %u threads: %s", relay->thread_count,
			   strerror(-error));
	return error;
}

static int start_threads(struct relay *relay)
{
	uint32_t i;
	int error;

	relay->listening = relay->thread_count;
	__atomic_store_n(&relay->phase, PHASE_RUNNING, __ATOMIC_RELEASE);
	for (i = 0; i < relay->thread_count; i++) {
		error = thread_start(&relay->threads[i]);
		if (error)
			return relay_fail(relay, error, "cannot start thread %u: %s", i,
					  strerror(-error));
	}
	return 0;
}

static void enter_phase(struct relay *relay, enum phase phase)
{
	uint32_t i;

	__atomic_store_n(&relay->phase, phase, __ATOMIC_RELEASE);
	for (i = 0; relay->threads && i < relay->thread_count; i++)
		thread_wake(&relay->threads[i]);
}

static void stop_threads(struct relay *relay)
{
	uint32_t i;

	enter_phase(relay, PHASE_STOPPING);
	for (i = 0; relay->threads && i < relay->thread_count; i++) {
		thread_join(&relay->threads[i]);
		thread_close(&relay->threads[i]);
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
	if (relay->options.abi_version == SIDETRACK_RELAY_ABI_VERSION)
		relay->pending = generation_create(&relay->options, relay->health);
	if (relay->pending)
		return relay;
	free(relay);
	return NULL;
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

	if (relay->phase != PHASE_IDLE)
		return relay_fail(relay, -EALREADY, "the relay was started before");
	relay->thread_count = choose_threads(&relay->options);
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
	relay->handed_over = handed_over;
	relay->drain_deadline_ms =
		deadline_ms < 0 ? UINT64_MAX : clock_ms() + (uint64_t)deadline_ms;
	enter_phase(relay, PHASE_DRAINING);
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
 * child returns to user space, after a pipe that exec closes has said end of file.  So as long as this lasts none is freed; a closed one
 * takes no notice of events.  A close() that comes before fork() has copied the
 * descriptors leaves nothing behind, and one that comes later sees the flag.
 *
 * Return: 0
 */
int32_t sidetrack_relay_forking(struct relay *relay, int32_t forking)
{
	uint32_t i;

	__atomic_store_n(&relay->forking, forking != 0, __ATOMIC_SEQ_CST);
	for (i = 0; !forking && relay->threads && i < relay->thread_count; i++)
		thread_wake(&relay->threads[i]);	/* to free them now */
	return 0;
}

/* Return: 1 once no thread listens any more and no connection is left, else 0 */
int32_t sidetrack_relay_drained(struct relay *relay)
{
	return __atomic_load_n(&relay->listening, __ATOMIC_ACQUIRE) == 0 &&
	       sidetrack_relay_active(relay) == 0;
}

/* Return: connections open now */
int32_t sidetrack_relay_active(struct relay *relay)
{
	return (int32_t)__atomic_load_n(&relay->active, __ATOMIC_RELAXED);
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
	pending_discard(relay);
	for (i = 0; relay->threads && i < relay->thread_count; i++)
		thread_release(&relay->threads[i]);
	free(relay->threads);
	clients_release(&relay->clients);
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
