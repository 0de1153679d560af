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
static uint32_t choose_max_connections(const struct relay *relay,
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
	return fail(relay, -EINVAL, "there is no capture %u", relay->options.capture);
}

/* Each thread finds it in its box; who has not taken the last one never will. */
static void hand_out(struct relay *relay, struct generation *generation)
{
	uint32_t i;

	for (i = 0; i < relay->thread_count; i++) {
		struct worker *worker = &relay->workers[i];
		struct generation *missed =
			__atomic_exchange_n(&worker->next, generation, __ATOMIC_ACQ_REL);

		if (missed)
			generation_retire(missed, i);
		worker_wake(worker);
	}
}

static void discard_draft(struct relay *relay)
{
	generation_discard(relay->draft);
	relay->draft = NULL;
}

static int settle_draft(struct relay *relay)
{
	if (!relay->draft)
		return fail(relay, -EINVAL, "nothing has been begun");
	if (relay->draft->options.strategy >= STRATEGY_COUNT)
		return fail(relay, -EINVAL, "there is no strategy %u",
			    relay->draft->options.strategy);
	if (generation_complete(relay->draft) < 0)
		return fail(relay, -EINVAL, "a route goes through an upstream that is not there");
	return 0;
}

/* It becomes the current one; for each thread once that is awake. */
static void publish_draft(struct relay *relay)
{
	struct generation *generation = relay->draft;

	generation_publish(generation, relay->current, &relay->occupancy, relay->thread_count);
	relay->current = generation;
	relay->draft = NULL;
	__atomic_store_n(&relay->max_connections,
			 choose_max_connections(relay, &generation->options), __ATOMIC_RELAXED);
	hand_out(relay, generation);
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
	int error = clients_init(&relay->clients,
				 choose_max_connections(relay, &relay->options));

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
		relay->draft = generation_create(&relay->options, relay->health);
	if (relay->draft)
		return relay;
	free(relay);
	return NULL;
}

/**
 * sidetrack_relay_begin() - Begin a new generation, beside the one that runs
 * @relay:	Handle, running
 * @options:	struct sidetrack_relay_options; what cannot change is not looked at
 * @length:	Its size
 *
 * Add upstreams and routes to it, then sidetrack_relay_commit() it.  What was
 * begun before and not committed is forgotten.
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_begin(struct relay *relay, const uint8_t *options, int32_t length)
{
	struct sidetrack_relay_options from;

	if (relay_phase(relay) != PHASE_RUNNING)
		return fail(relay, -EALREADY, "the relay is not running");
	if (length != (int32_t)sizeof(from))
		return fail(relay, -EINVAL, "the options are of another version");
	memcpy(&from, options, sizeof(from));
	discard_draft(relay);
	relay->draft = generation_create(&from, relay->health);
	return relay->draft ? 0 : fail(relay, -ENOMEM, "out of memory");
}

/**
 * sidetrack_relay_commit() - New connections use what has been begun
 * @relay:	Handle, running
 *
 * Threads change over as they wake up; sidetrack_relay_status.adopted tells.
 *
 * Return: 0, or -errno with a sentence, and then nothing has changed
 */
int32_t sidetrack_relay_commit(struct relay *relay)
{
	int error;

	if (relay_phase(relay) != PHASE_RUNNING)
		error = fail(relay, -EALREADY, "the relay is not running");
	else
		error = settle_draft(relay);
	if (error)
		discard_draft(relay);
	else
		publish_draft(relay);
	return error;
}

/**
 * sidetrack_relay_add_upstream() - Add one more upstream behind the others
 * @relay:	Handle, with a generation begun
 * @upstream:	struct sidetrack_relay_upstream; the copy is wiped with its last connection
 * @length:	Its size
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_add_upstream(struct relay *relay, const uint8_t *upstream, int32_t length)
{
	struct sidetrack_relay_upstream from;
	uint32_t number;
	int error;

	if (!relay->draft)
		return fail(relay, -EINVAL, "nothing has been begun");
	number = relay->draft->roster.count + 1;
	if (length != (int32_t)sizeof(from))
		return fail(relay, -EINVAL, "upstream %u is of another version", number);
	memcpy(&from, upstream, sizeof(from));
	error = roster_add(&relay->draft->roster, &from);
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
 * sidetrack_relay_add_route() - Add one more route behind the others
 * @relay:	Handle, with a generation begun
 * @route:	struct sidetrack_relay_route
 * @length:	Its size
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_add_route(struct relay *relay, const uint8_t *route, int32_t length)
{
	struct sidetrack_relay_route from;
	uint32_t number;
	int error;

	if (!relay->draft)
		return fail(relay, -EINVAL, "nothing has been begun");
	number = relay->draft->routes.count + 1;
	if (length != (int32_t)sizeof(from))
		return fail(relay, -EINVAL, "route %u is of another version", number);
	memcpy(&from, route, sizeof(from));
	error = route_add(&relay->draft->routes, &from);
	return error ? fail(relay, error, "cannot use route %u: %s", number, strerror(-error)) : 0;
}

/**
 * sidetrack_relay_set_destinations() - Say which addresses the routes name
 * @relay:		Handle, with a generation begun
 * @destinations:	struct sidetrack_relay_destinations and what comes behind it
 * @length:		Of all of it
 *
 * Before any route is added.
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_set_destinations(struct relay *relay, const uint8_t *destinations,
					 int32_t length)
{
	int error;

	if (!relay->draft)
		return fail(relay, -EINVAL, "nothing has been begun");
	error = length < 0 ? -EINVAL
			   : route_set_destinations(&relay->draft->routes, destinations,
						    (size_t)length);
	return error ? fail(relay, error, "cannot use the destinations of the routes: %s",
			    strerror(-error)) : 0;
}

/**
 * sidetrack_relay_find_route() - Which route a new connection would take
 * @relay:	Handle, started
 * @address:	16 bytes, IPv4 as ::ffff:a.b.c.d
 * @port:	Port
 *
 * Return: number of the route in the order they were added, or -ENOENT for none
 */
int32_t sidetrack_relay_find_route(struct relay *relay, const uint8_t *address, int32_t port)
{
	struct endpoint destination = { .port = (uint16_t)port };
	int found;

	if (!relay->current)
		return -EINVAL;
	memcpy(&destination.address, address, sizeof(destination.address));
	found = route_find(&relay->current->routes, &destination);
	return found < 0 ? -ENOENT : found;
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
	error = settle_draft(relay);
	if (!error)
		error = check_capture(relay);
	if (!error)
		error = init_clients(relay);
	if (!error)
		error = init_workers(relay);
	if (!error)
		error = open_listeners(relay);
	if (!error) {
		steer_listeners(relay);
		publish_draft(relay);
	}
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
	discard_draft(relay);
	for (i = 0; relay->workers && i < relay->thread_count; i++)
		worker_release(&relay->workers[i]);
	free(relay->workers);
	clients_release(&relay->clients);
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

static uint32_t count_adopted(const struct relay *relay)
{
	uint32_t i, adopted = 0;

	for (i = 0; relay->workers && i < relay->thread_count; i++)
		adopted += !__atomic_load_n(&relay->workers[i].next, __ATOMIC_ACQUIRE);
	return adopted;
}

static void set_bit_if(uint32_t *bits, uint32_t number, bool on)
{
	if (on)
		bits[number / 32] |= 1U << number % 32;
}

/* What is changing meanwhile may be a moment old. */
static void fill_slots(const struct relay *relay, struct sidetrack_relay_status *status)
{
	const struct occupancy *occupancy = &relay->occupancy;
	uint32_t i;

	for (i = 0; i < SIDETRACK_RELAY_UPSTREAM_SLOTS; i++) {
		set_bit_if(&status->busy_upstreams, i,
			   __atomic_load_n(&occupancy->upstream[i], __ATOMIC_ACQUIRE) != 0);
		set_bit_if(&status->failing_upstreams, i, rest_is_due(&relay->health[i].rest));
	}
	for (i = 0; i < SIDETRACK_RELAY_ROUTE_SLOTS; i++)
		set_bit_if(status->busy_routes, i,
			   __atomic_load_n(&occupancy->route[i], __ATOMIC_ACQUIRE) != 0);
}

/* Return: 0, or -EINVAL if @out is not one struct sidetrack_relay_status */
int32_t sidetrack_relay_read_status(struct relay *relay, uint8_t *out, int32_t length)
{
	struct sidetrack_relay_status status = {
		.port = relay->port,
		.threads = relay->thread_count,
		.max_connections = relay->max_connections,
		.active = (uint32_t)sidetrack_relay_active(relay),
		.generations = __atomic_load_n(&relay->occupancy.generations, __ATOMIC_ACQUIRE),
		.adopted = count_adopted(relay),
	};

	fill_slots(relay, &status);
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
 * sidetrack_relay_forking() - The process is about to fork, or the child has called exec
 * @relay:	Handle
 * @forking:	1 before fork(), 0 once the child has its own program, or has ended
 *
 * Until exec closes them the child has all our descriptors, and a socket that we
 * close in the meantime stays in its epoll set: its events go on naming a
 * connection that is gone.  So as long as this lasts none is freed; a closed one
 * takes no notice of events.  A close() that comes before fork() has copied the
 * descriptors leaves nothing behind, and one that comes later sees the flag.
 *
 * Return: 0
 */
int32_t sidetrack_relay_forking(struct relay *relay, int32_t forking)
{
	uint32_t i;

	__atomic_store_n(&relay->forking, forking != 0, __ATOMIC_SEQ_CST);
	for (i = 0; !forking && relay->workers && i < relay->thread_count; i++)
		worker_wake(&relay->workers[i]);	/* to free them now */
	return 0;
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
