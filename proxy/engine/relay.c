// SPDX-License-Identifier: MIT
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "conntrack.h"
#include "endpoint.h"
#include "listener.h"
#include "memory.h"
#include "steering.h"
#include "walk.h"
#include "worker.h"

#define THREADS_MOST 64
#define DESCRIPTORS_PER_CONNECTION 2
#define DESCRIPTORS_PER_THREAD 4	/* epoll, wake, listener, reserve */
#define DESCRIPTORS_PER_PIPE 2
#define WALK_SLACK 64		/* connections that come while a list is asked for */
#define WALK_IDS 1024
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
	if (__atomic_add_fetch(&relay->active, 1, __ATOMIC_RELAXED) <= relay->max_connections)
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
 *
 * Beyond max_handshakes newcomers are refused, while beyond max_connections
 * accepting pauses.  Upstreams that never answer hold their connections until
 * the time-outs; pausing for them would make everybody else's connections look
 * open and dead for as long, and those in the backlog would only be the next to
 * wait.  A reset frees both descriptors now and lets the client try elsewhere.
 *
 * Return: false if max_handshakes are there already
 */
bool relay_handshake_begin(struct relay *relay)
{
	uint32_t count = __atomic_add_fetch(&relay->handshakes, 1, __ATOMIC_RELAXED);

	if (!relay->options.max_handshakes || count <= relay->options.max_handshakes)
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

/* --- starting --------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4)))
static int fail(struct relay *relay, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(relay->error, sizeof(relay->error), format, arguments);
	va_end(arguments);
	return error;
}

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
static uint32_t choose_max_connections(const struct relay *relay)
{
	uint64_t asked = relay->options.max_connections ? relay->options.max_connections
							: UINT32_MAX;
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
	return fail(relay, -EINVAL, "there is no capture %u", relay->options.capture);
}

/* Without any upstream the relay connects by itself. */
static int settle_roster(struct relay *relay)
{
	static const struct sidetrack_relay_upstream direct = { .kind = UPSTREAM_DIRECT };

	if (relay->options.strategy >= STRATEGY_COUNT)
		return fail(relay, -EINVAL, "there is no strategy %u", relay->options.strategy);
	relay->roster.strategy = (enum strategy)relay->options.strategy;
	return relay->roster.count ? 0 : roster_add(&relay->roster, &direct);
}

/* Socket i belongs to thread i, so that a relay of as many threads finds each in its place. */
static void give_listener(struct relay *relay, uint32_t i, int fd)
{
	listener_add(&relay->workers[i % relay->thread_count].listener, fd);
}

static int place_adopted(struct relay *relay)
{
	int error = 0;
	uint32_t i;

	relay->listeners_placed = true;
	for (i = 0; i < relay->listener_count; i++) {
		int failed = listener_adopt(relay->listener[i], &relay->options);

		give_listener(relay, i, relay->listener[i]);
		error = error ? error : failed;
	}
	if (error)
		fail(relay, error, "cannot use the sockets handed to us: %s", strerror(-error));
	return error;
}

static int open_listener(struct relay *relay, uint32_t i)
{
	struct endpoint local = { .port = (uint16_t)relay->options.port };
	char text[ENDPOINT_TEXT_LENGTH];
	int fd = listener_open(&relay->options, &relay->port);

	if (fd >= 0) {
		relay->listener[relay->listener_count++] = fd;
		give_listener(relay, i, fd);
		return 0;
	}
	memcpy(&local.address, relay->options.address, sizeof(local.address));
	endpoint_format(&local, text);
	if (fd == -EPERM)
		return fail(relay, fd, "cannot listen transparently on %s: tproxy needs "
			    "CAP_NET_ADMIN or CAP_NET_RAW", text);
	return fail(relay, fd, "cannot listen on %s: %s", text, strerror(-fd));
}

static int share_listener(struct relay *relay, uint32_t i, uint32_t adopted)
{
	int fd = fcntl(relay->listener[i % adopted], F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return fail(relay, -errno, "cannot share a socket: %s", strerror(errno));
	give_listener(relay, i, fd);
	return 0;
}

/* Every thread has one at least, and every one that was handed to us has a thread. */
static int open_listeners(struct relay *relay)
{
	uint32_t adopted = relay->listener_count, i;
	int error = place_adopted(relay);

	for (i = adopted; !error && i < relay->thread_count; i++) {
		error = open_listener(relay, i);
		if (error && adopted)
			error = share_listener(relay, i, adopted);
	}
	return error;
}

/*
 * An improvement, no condition: an old kernel serves all the same.  Threads that
 * share a socket have none of their own to steer to.
 */
static void steer_listeners(struct relay *relay)
{
	if (relay->listener_count < relay->thread_count)
		return;
	relay->pinned = steering_cpus(&relay->cpus, relay->thread_count);
	relay->steering = relay->pinned &&
			  steering_attach(relay->listener[0], &relay->cpus) == 0;
}

static int init_clients(struct relay *relay)
{
	int error = clients_init(&relay->clients, relay->options.max_connections_per_client,
				 relay->max_connections);

	if (error)
		return fail(relay, error, "cannot count connections by client: %s",
			    strerror(-error));
	return 0;
}

static int init_workers(struct relay *relay)
{
	uint32_t i;
	int error = 0;

	relay->workers = calloc(relay->thread_count, sizeof(*relay->workers));
	if (!relay->workers)
		return fail(relay, -ENOMEM, "out of memory for %u threads", relay->thread_count);
	/* all of them, so that each may be released whatever happened */
	for (i = 0; i < relay->thread_count; i++) {
		int failed = worker_init(&relay->workers[i], relay, i);

		error = error ? error : failed;
	}
	if (error)
		fail(relay, error, "cannot set up %u threads: %s", relay->thread_count,
		     strerror(-error));
	return error;
}

static int start_workers(struct relay *relay)
{
	uint32_t i;
	int error;

	relay->listening = relay->thread_count;
	__atomic_store_n(&relay->phase, PHASE_RUNNING, __ATOMIC_RELEASE);
	for (i = 0; i < relay->thread_count; i++) {
		error = worker_start(&relay->workers[i]);
		if (error)
			return fail(relay, error, "cannot start thread %u: %s", i,
				    strerror(-error));
	}
	return 0;
}

static void enter_phase(struct relay *relay, enum phase phase)
{
	uint32_t i;

	__atomic_store_n(&relay->phase, phase, __ATOMIC_RELEASE);
	for (i = 0; relay->workers && i < relay->thread_count; i++)
		worker_wake(&relay->workers[i]);
}

static void stop_workers(struct relay *relay)
{
	uint32_t i;

	enter_phase(relay, PHASE_STOPPING);
	for (i = 0; relay->workers && i < relay->thread_count; i++) {
		worker_join(&relay->workers[i]);
		worker_close(&relay->workers[i]);
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
		return relay;
	free(relay);
	return NULL;
}

/**
 * sidetrack_relay_add_upstream() - Add one more upstream behind the others
 * @relay:	Handle, not started yet
 * @upstream:	struct sidetrack_relay_upstream; a copy is kept until destroy()
 * @length:	Its size
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_add_upstream(struct relay *relay, const uint8_t *upstream, int32_t length)
{
	struct sidetrack_relay_upstream from;
	uint32_t number = relay->roster.count + 1;
	int error;

	if (relay->phase != PHASE_IDLE)
		return fail(relay, -EALREADY, "the relay was started before");
	if (length != (int32_t)sizeof(from))
		return fail(relay, -EINVAL, "upstream %u is of another version", number);
	memcpy(&from, upstream, sizeof(from));
	error = roster_add(&relay->roster, &from);
	explicit_bzero(&from, sizeof(from));
	if (error)
		return fail(relay, error, "cannot use upstream %u: %s", number, strerror(-error));
	return 0;
}

/**
 * sidetrack_relay_adopt_listener() - Use a socket that somebody else has opened
 * @relay:	Handle, not started yet
 * @fd:		Descriptor; the relay's own once this has succeeded
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_adopt_listener(struct relay *relay, int32_t fd)
{
	uint16_t port = 0;
	int error;

	if (relay->phase != PHASE_IDLE)
		return fail(relay, -EALREADY, "the relay was started before");
	if (relay->listener_count == SIDETRACK_RELAY_LISTENERS)
		return fail(relay, -E2BIG, "more than %d sockets", SIDETRACK_RELAY_LISTENERS);
	error = listener_check(fd, &relay->options, &port);
	if (error == -EADDRNOTAVAIL)
		return fail(relay, error, "it listens elsewhere, on port %u", port);
	if (error)
		return fail(relay, error, "it is no listening TCP socket");
	if (relay->port && relay->port != port)
		return fail(relay, -EADDRNOTAVAIL, "it listens on port %u, others on %u", port,
			    relay->port);
	relay->port = port;
	relay->listener[relay->listener_count++] = fd;
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

	if (relay->phase != PHASE_IDLE)
		return fail(relay, -EALREADY, "the relay was started before");
	relay->thread_count = choose_threads(&relay->options);
	relay->max_connections = choose_max_connections(relay);
	error = check_capture(relay);
	if (!error)
		error = settle_roster(relay);
	if (!error)
		error = init_clients(relay);
	if (!error)
		error = init_workers(relay);
	if (!error)
		error = open_listeners(relay);
	if (!error)
		steer_listeners(relay);
	if (!error)
		error = start_workers(relay);
	if (error)
		stop_workers(relay);
	return error;
}

static int drain(struct relay *relay, int32_t deadline_ms, bool handed_over)
{
	if (relay_phase(relay) != PHASE_RUNNING)
		return fail(relay, -EALREADY, "the relay is not running");
	relay->handed_over = handed_over;
	relay->drain_deadline_ms = clock_ms() + (uint64_t)(deadline_ms > 0 ? deadline_ms : 0);
	enter_phase(relay, PHASE_DRAINING);
	return 0;
}

/**
 * sidetrack_relay_drain() - Take no more connections and let the rest finish
 * @relay:		Handle
 * @deadline_ms:	From now; what is left then is reset
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

/* Return: bits of the upstreams that are at rest */
int32_t sidetrack_relay_resting(struct relay *relay)
{
	return (int32_t)roster_resting(&relay->roster);
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
		stop_workers(relay);
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
	for (i = 0; relay->workers && i < relay->thread_count; i++)
		worker_release(&relay->workers[i]);
	free(relay->workers);
	clients_release(&relay->clients);
	explicit_bzero(&relay->roster, sizeof(relay->roster));	/* passwords */
	free(relay);
	return 0;
}

/* --- reading ---------------------------------------------------------------------- */

static struct worker *find_worker(struct relay *relay, int32_t thread)
{
	if (!relay->workers || thread < 0 || (uint32_t)thread >= relay->thread_count)
		return NULL;
	return &relay->workers[thread];
}

/* Return: 0, or -EINVAL if @out is not one struct sidetrack_relay_status */
int32_t sidetrack_relay_read_status(struct relay *relay, uint8_t *out, int32_t length)
{
	struct sidetrack_relay_status status = {
		.port = relay->port,
		.threads = relay->thread_count,
		.max_connections = relay->max_connections,
		.active = (uint32_t)sidetrack_relay_active(relay),
	};

	if (length != (int32_t)sizeof(status))
		return -EINVAL;
	memcpy(out, &status, sizeof(status));
	return 0;
}

/* Return: listening sockets, whose descriptors are in @out as int32_t; none unless running */
int32_t sidetrack_relay_read_listeners(struct relay *relay, uint8_t *out, int32_t length)
{
	int32_t fd[SIDETRACK_RELAY_LISTENERS];
	uint32_t i, count = relay_phase(relay) == PHASE_RUNNING ? relay->listener_count : 0;

	if (length < 0 || (uint32_t)length < count * sizeof(fd[0]))
		return -EINVAL;
	for (i = 0; i < count; i++)
		fd[i] = relay->listener[i];
	memcpy(out, fd, count * sizeof(fd[0]));
	return (int32_t)count;
}

/**
 * sidetrack_relay_heartbeat() - Do all threads turn their loops?
 * @relay:	Handle
 *
 * To be asked every few seconds: each time tells of the time since the last.
 *
 * Return: threads that have not turned; the first time 0
 */
int32_t sidetrack_relay_heartbeat(struct relay *relay)
{
	int32_t hanging = 0;
	uint32_t i;

	for (i = 0; relay->workers && i < relay->thread_count; i++)
		if (relay->workers[i].has_thread && !worker_turned(&relay->workers[i]))
			hanging++;
	if (relay->asked_heartbeat)
		return hanging;
	relay->asked_heartbeat = true;
	return 0;
}

/* Return: 0, or -EINVAL if there is no such thread or @out is not one page */
int32_t sidetrack_relay_read_counters(struct relay *relay, int32_t thread, uint8_t *out,
				      int32_t length)
{
	struct worker *worker = find_worker(relay, thread);
	struct sidetrack_relay_counters counters;

	if (!worker || !worker->page || length != (int32_t)sizeof(counters))
		return -EINVAL;
	counters_copy(worker->page, &counters);
	memcpy(out, &counters, sizeof(counters));
	return 0;
}

/* Return: records copied, as many as fit, or -EINVAL if there is no such thread */
int32_t sidetrack_relay_read_recent(struct relay *relay, int32_t thread, uint8_t *out,
				    int32_t length)
{
	struct worker *worker = find_worker(relay, thread);
	struct sidetrack_relay_record record[SIDETRACK_RELAY_RECENT];
	int limit = length / (int)sizeof(record[0]);
	int count;

	if (!worker || !worker->recent || length < 0)
		return -EINVAL;
	if (limit > SIDETRACK_RELAY_RECENT)
		limit = SIDETRACK_RELAY_RECENT;
	count = recent_read(worker->recent, record, limit);
	memcpy(out, record, (size_t)count * sizeof(record[0]));
	return count;
}

/* --- looking at connections ------------------------------------------------------- */

/* A walk begins on all threads at once. */
static int walk_threads(struct relay *relay, enum walk_kind kind, const uint64_t *id,
			uint32_t id_count)
{
	uint32_t room = id_count ? id_count : (uint32_t)sidetrack_relay_active(relay) + WALK_SLACK;
	uint32_t i;
	int error;

	for (i = 0; i < relay->thread_count; i++) {
		error = walk_prepare(&relay->workers[i].walk, kind, room, id, id_count);
		if (error)
			return fail(relay, error, "out of memory for a list of %u connections",
				    room);
	}
	for (i = 0; i < relay->thread_count; i++) {
		walk_want(&relay->workers[i].walk);
		worker_wake(&relay->workers[i]);
	}
	return 0;
}

/**
 * sidetrack_relay_walk() - Have the threads list or close connections
 * @relay:	Handle
 * @kind:	enum walk_kind
 * @ids:	To close: numbers of connections, 64 bits each
 * @length:	Bytes of them
 *
 * Returns at once; sidetrack_relay_walked() tells when it is done.
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_walk(struct relay *relay, int32_t kind, const uint8_t *ids, int32_t length)
{
	uint64_t id[WALK_IDS];
	uint32_t id_count = kind == WALK_CLOSE ? (uint32_t)length / sizeof(id[0]) : 0;
	enum phase phase = relay_phase(relay);

	if (phase != PHASE_RUNNING && phase != PHASE_DRAINING)
		return fail(relay, -ESHUTDOWN, "the relay is not running");
	if (!sidetrack_relay_walked(relay))
		return fail(relay, -EBUSY, "the connections are being looked at already");
	if (kind == WALK_CLOSE && (!id_count || length > (int32_t)sizeof(id)))
		return fail(relay, -EINVAL, "from 1 to %d connections can be closed at a time",
			    WALK_IDS);
	if (id_count)
		memcpy(id, ids, id_count * sizeof(id[0]));
	return walk_threads(relay, (enum walk_kind)kind, id, id_count);
}

/* Return: 1 once all threads have looked at all their connections, else 0 */
int32_t sidetrack_relay_walked(struct relay *relay)
{
	uint32_t i;

	for (i = 0; relay->workers && i < relay->thread_count; i++)
		if (walk_busy(&relay->workers[i].walk))
			return 0;
	return 1;
}

static struct walk *find_walk(struct relay *relay, int32_t thread)
{
	struct worker *worker = find_worker(relay, thread);

	return worker && !walk_busy(&worker->walk) ? &worker->walk : NULL;
}

/* Return: connections that were listed or closed, or -EINVAL */
int32_t sidetrack_relay_walk_count(struct relay *relay, int32_t thread)
{
	struct walk *walk = find_walk(relay, thread);

	return walk ? (int32_t)walk->count : -EINVAL;
}

/**
 * sidetrack_relay_read_walk() - Take what a walk has found, once
 * @relay:	Handle
 * @thread:	Number of the thread
 * @out:	struct sidetrack_relay_entry, as many as fit
 * @length:	Bytes there
 *
 * The clients are given as conntrack first saw them, where it may be asked.
 *
 * Return: entries copied, or -EINVAL
 */
int32_t sidetrack_relay_read_walk(struct relay *relay, int32_t thread, uint8_t *out, int32_t length)
{
	struct walk *walk = find_walk(relay, thread);
	uint32_t count;

	if (!walk || length < 0)
		return -EINVAL;
	count = (uint32_t)length / sizeof(*walk->entry);
	if (count > walk->count)
		count = walk->count;
	conntrack_translate(walk->entry, count);
	if (count)
		memcpy(out, walk->entry, count * sizeof(*walk->entry));
	walk_forget(walk);
	return (int32_t)count;
}

/**
 * sidetrack_relay_read_log() - Take finished connections as lines of JSON
 * @relay:		Handle
 * @thread:		Number of the thread
 * @names:		Names of the upstreams, see log_take_lines()
 * @names_length:	Bytes of them
 * @out:		Where to put the lines
 * @length:		Bytes there
 *
 * Return: bytes, 0 if there is nothing, or -EINVAL if there is no log
 */
int32_t sidetrack_relay_read_log(struct relay *relay, int32_t thread, const uint8_t *names,
				 int32_t names_length, uint8_t *out, int32_t length)
{
	struct worker *worker = find_worker(relay, thread);

	if (!worker || !worker->log || names_length < 0)
		return -EINVAL;
	return log_take_lines(worker->log, (const char *)names,
			      names_length / SIDETRACK_RELAY_NAME_LENGTH, (char *)out, length);
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
