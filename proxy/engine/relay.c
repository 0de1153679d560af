// SPDX-License-Identifier: MIT
#include "relay.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "clock.h"
#include "endpoint.h"
#include "listener.h"
#include "memory.h"
#include "worker.h"

#define DESCRIPTORS_PER_CONNECTION 2
#define DESCRIPTORS_PER_THREAD 4	/* epoll, wake, listener, reserve */
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

static int open_listeners(struct relay *relay)
{
	struct endpoint local = { .port = (uint16_t)relay->options.port };
	char text[ENDPOINT_TEXT_LENGTH];
	uint32_t i;

	memcpy(&local.address, relay->options.address, sizeof(local.address));
	endpoint_format(&local, text);
	for (i = 0; i < relay->thread_count; i++) {
		int fd = listener_open(&relay->options, &relay->port);

		if (fd < 0)
			return fail(relay, fd, "cannot listen on %s: %s", text, strerror(-fd));
		listener_init(&relay->workers[i].listener, fd);
	}
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
		error = init_workers(relay);
	if (!error)
		error = open_listeners(relay);
	if (!error)
		publish_draft(relay);
	if (!error)
		error = start_workers(relay);
	if (error)
		stop_workers(relay);
	return error;
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
	if (relay_phase(relay) != PHASE_RUNNING)
		return fail(relay, -EALREADY, "the relay is not running");
	relay->drain_deadline_ms = clock_ms() + (uint64_t)(deadline_ms > 0 ? deadline_ms : 0);
	enter_phase(relay, PHASE_DRAINING);
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

	sidetrack_relay_stop(relay);
	discard_draft(relay);
	for (i = 0; relay->workers && i < relay->thread_count; i++)
		worker_release(&relay->workers[i]);
	free(relay->workers);
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
