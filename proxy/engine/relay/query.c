// SPDX-License-Identifier: MIT
/*
 * What the control thread reads of a relay, and what it asks the threads to list or close.
 */
#include <errno.h>
#include <string.h>

#include "base/client-table.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/recent.h"
#include "relay/relay.h"
#include "relay/sockets.h"
#include "sockets/conntrack.h"
#include "thread/refusal.h"
#include "thread/snapshot.h"
#include "thread/thread.h"

#define SNAPSHOT_SLACK 64		/* connections that come while a list is asked for */
#define SNAPSHOT_IDS 1024

static struct thread *find_thread(struct relay *relay, int32_t index)
{
	if (!relay->group.threads || index < 0 || (uint32_t)index >= relay->group.thread_count)
		return NULL;
	return &relay->group.threads[index];
}

static uint32_t count_adopted(const struct relay *relay)
{
	uint32_t i, adopted = 0;

	for (i = 0; relay->group.threads && i < relay->group.thread_count; i++)
		adopted += !__atomic_load_n(&relay->group.threads[i].next, __ATOMIC_ACQUIRE);
	return adopted;
}

static void set_bit_if(uint32_t *bits, uint32_t number, bool on)
{
	if (on)
		bits[number / 32] |= 1U << number % 32;
}

static void fill_health(const struct health *health, uint32_t slot,
			struct sidetrack_relay_status *status)
{
	uint32_t i;

	set_bit_if(&status->silent_upstreams, slot, health_is_silent(health));
	for (i = 0; i < SIDETRACK_RELAY_FORBIDDEN_PORTS; i++)
		status->forbidden_ports[slot][i] = (uint16_t)__atomic_load_n(
			&health->forbidden[i], __ATOMIC_RELAXED);
}

/* What only the current generation knows. */
static void fill_current(const struct upstream_set *upstreams,
			 struct sidetrack_relay_status *status)
{
	uint32_t i, family;

	for (i = 0; i < upstreams->count; i++) {
		const struct upstream *upstream = &upstreams->entry[i].upstream;
		uint32_t lacking = upstreams_lacking(upstreams, i);

		set_bit_if(&status->unresolved_upstreams, upstream->slot,
			   upstream->address_count == 0);
		for (family = 0; family < FAMILIES; family++)
			set_bit_if(&status->lacking_upstreams[family], upstream->slot,
				   lacking >> family & 1);
	}
}

/* What is changing meanwhile may be a moment old. */
static void fill_slots(const struct relay *relay, struct sidetrack_relay_status *status)
{
	const struct occupancy *occupancy = &relay->occupancy;
	uint64_t now_ms = clock_ms();
	uint32_t i;

	for (i = 0; i < SIDETRACK_RELAY_UPSTREAM_SLOTS; i++) {
		set_bit_if(&status->busy_upstreams, i,
			   __atomic_load_n(&occupancy->upstream[i], __ATOMIC_ACQUIRE) != 0);
		set_bit_if(&status->failing_upstreams, i,
			   backoff_is_due(&relay->health[i].backoff));
		set_bit_if(&status->resting_upstreams, i,
			   backoff_until(&relay->health[i].backoff) > now_ms);
		fill_health(&relay->health[i], i, status);
	}
	if (relay->current)
		fill_current(&relay->current->upstreams, status);
	for (i = 0; i < SIDETRACK_RELAY_ROUTE_SLOTS; i++)
		set_bit_if(status->busy_routes, i,
			   __atomic_load_n(&occupancy->route[i], __ATOMIC_ACQUIRE) != 0);
}

/* Return: 0, or -EINVAL if @out is not one struct sidetrack_relay_status */
int32_t sidetrack_relay_read_status(struct relay *relay, uint8_t *out, int32_t length)
{
	struct sidetrack_relay_status status = {
		.port = relay->port,
		.threads = relay->group.thread_count,
		.max_connections = relay->group.limits.max_connections,
		.active = (uint32_t)sidetrack_relay_active(relay),
		.generations = __atomic_load_n(&relay->occupancy.generations, __ATOMIC_ACQUIRE),
		.adopted = count_adopted(relay),
	};

	if (relay_phase(relay) == PHASE_RUNNING) {
		status.listening_families = sockets_families(relay, refusal_of(&relay->group));
		status.refused_families = sockets_families(relay, 0) & ~status.listening_families;
	}
	fill_slots(relay, &status);
	if (length != (int32_t)sizeof(status))
		return -EINVAL;
	memcpy(out, &status, sizeof(status));
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

	for (i = 0; relay->group.threads && i < relay->group.thread_count; i++)
		if (relay->group.threads[i].has_thread && !thread_turned(&relay->group.threads[i]))
			hanging++;
	if (relay->asked_heartbeat)
		return hanging;
	relay->asked_heartbeat = true;
	return 0;
}

/* Where a connection of our own reaches the listener. */
static struct endpoint own_listener(const struct relay *relay, uint32_t families)
{
	static const struct in6_addr anywhere, loopback = IN6ADDR_LOOPBACK_INIT;
	struct endpoint listening = { .port = relay->port };

	memcpy(&listening.address, relay->options.address, sizeof(listening.address));
	if (memcmp(&listening.address, &anywhere, sizeof(anywhere)))
		return listening;
	if (!(families & 1U << FAMILY_IPV4)) {
		listening.address = loopback;
		return listening;
	}
	listening.address.s6_addr16[5] = 0xffff;
	listening.address.s6_addr32[3] = htonl(INADDR_LOOPBACK);
	return listening;
}

/**
 * sidetrack_relay_check_accept() - Do we accept?  By a connection to ourselves
 * @relay:	Handle
 * @on:		0: make none any more, until this is asked again
 *
 * To be asked often: each time tells of the connection that was made the last time.
 *
 * Return: 0 if it was accepted; for how many milliseconds none has been, 1 at least, the
 * first time too; -ESHUTDOWN if we do not accept by intention; another -errno if
 * no connection can be made
 */
int32_t sidetrack_relay_check_accept(struct relay *relay, int32_t on)
{
	uint32_t families = sockets_families(relay, refusal_of(&relay->group));
	struct endpoint listening = own_listener(relay, families);

	if (on && relay_phase(relay) == PHASE_RUNNING && families)
		return accept_check_ask(&relay->group.accept_check, &listening,
					sockets_have_queued(relay));
	accept_check_end(&relay->group.accept_check);
	return -ESHUTDOWN;
}

/* Return: 0, or -EINVAL if there is no such thread or @out is not one page */
int32_t sidetrack_relay_read_counters(struct relay *relay, int32_t index, uint8_t *out,
				      int32_t length)
{
	struct thread *thread = find_thread(relay, index);
	struct sidetrack_relay_counters counters;

	if (!thread || !thread->page || length != (int32_t)sizeof(counters))
		return -EINVAL;
	counters_copy(thread->page, &counters);
	counters.cpu_us = thread_cpu_us(thread);
	memcpy(out, &counters, sizeof(counters));
	return 0;
}

/**
 * sidetrack_relay_read_clients() - What one thread has done for each client
 * @relay:	Handle
 * @index:	Number of the thread
 * @out:	struct sidetrack_relay_client, as many as fit
 * @length:	Bytes there
 *
 * Return: entries copied, -EAGAIN while clients come too fast, or -EINVAL if there is no such thread
 */
int32_t sidetrack_relay_read_clients(struct relay *relay, int32_t index, uint8_t *out,
				     int32_t length)
{
	struct thread *thread = find_thread(relay, index);
	struct sidetrack_relay_client client[SIDETRACK_RELAY_CLIENTS];
	int limit = length / (int)sizeof(client[0]);
	int count;

	if (!thread || !thread->context.clients || length < 0)
		return -EINVAL;
	if (limit > SIDETRACK_RELAY_CLIENTS)
		limit = SIDETRACK_RELAY_CLIENTS;
	count = client_table_read(thread->context.clients, client, limit);
	if (count > 0)
		memcpy(out, client, (size_t)count * sizeof(client[0]));
	return count;
}

/* Return: records copied, as many as fit, or -EINVAL if there is no such thread */
int32_t sidetrack_relay_read_recent(struct relay *relay, int32_t index, uint8_t *out,
				    int32_t length)
{
	struct thread *thread = find_thread(relay, index);
	struct sidetrack_relay_record record[SIDETRACK_RELAY_RECENT];
	int limit = length / (int)sizeof(record[0]);
	int count;

	if (!thread || !thread->context.recent || length < 0)
		return -EINVAL;
	if (limit > SIDETRACK_RELAY_RECENT)
		limit = SIDETRACK_RELAY_RECENT;
	count = recent_read(thread->context.recent, record, limit);
	memcpy(out, record, (size_t)count * sizeof(record[0]));
	return count;
}

/**
 * sidetrack_relay_read_log() - Take finished connections as lines of JSON
 * @relay:		Handle
 * @index:		Number of the thread
 * @names:		Names of the upstreams, see log_take_lines()
 * @names_length:	Bytes of them
 * @out:		Where to put the lines
 * @length:		Bytes there
 *
 * Return: bytes, 0 if there is nothing, or -EINVAL if there is no log
 */
int32_t sidetrack_relay_read_log(struct relay *relay, int32_t index, const uint8_t *names,
				 int32_t names_length, uint8_t *out, int32_t length)
{
	struct thread *thread = find_thread(relay, index);

	if (!thread || !thread->context.log || names_length < 0)
		return -EINVAL;
	return log_take_lines(thread->context.log, (const char *)names,
			      names_length / SIDETRACK_RELAY_NAME_LENGTH, (char *)out, length);
}

/* --- snapshots of connections ----------------------------------------------------- */

/* A snapshot begins on all threads at once. */
static int snapshot_threads(struct relay *relay, enum snapshot_kind kind, const uint64_t *id,
			    uint32_t id_count)
{
	uint32_t active = (uint32_t)sidetrack_relay_active(relay);
	uint32_t room = id_count ? id_count : active + SNAPSHOT_SLACK;
	uint32_t i;
	int error;

	for (i = 0; i < relay->group.thread_count; i++) {
		error = snapshot_prepare(&relay->group.threads[i].snapshot, kind, room, id,
					 id_count);
		if (error)
			return relay_fail(relay, error,
					  "out of memory for a list of %u connections",
					  room);
	}
	for (i = 0; i < relay->group.thread_count; i++) {
		snapshot_want(&relay->group.threads[i].snapshot);
		thread_wake(&relay->group.threads[i]);
	}
	return 0;
}

/* Return: 1 once all threads have looked at all their connections, else 0 */
int32_t sidetrack_relay_snapshot_done(struct relay *relay)
{
	uint32_t i;

	for (i = 0; relay->group.threads && i < relay->group.thread_count; i++)
		if (snapshot_busy(&relay->group.threads[i].snapshot))
			return 0;
	return 1;
}

/**
 * sidetrack_relay_snapshot() - Have the threads list or close connections
 * @relay:	Handle
 * @kind:	enum snapshot_kind
 * @ids:	To close: numbers of connections, 64 bits each
 * @length:	Bytes of them
 *
 * Returns at once; sidetrack_relay_snapshot_done() tells when it is done.
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_snapshot(struct relay *relay, int32_t kind, const uint8_t *ids,
				 int32_t length)
{
	uint64_t id[SNAPSHOT_IDS];
	uint32_t id_count = kind == SNAPSHOT_CLOSE ? (uint32_t)length / sizeof(id[0]) : 0;
	enum phase phase = relay_phase(relay);

	if (phase != PHASE_RUNNING && phase != PHASE_DRAINING)
		return relay_fail(relay, -ESHUTDOWN, "the relay is not running");
	if (!sidetrack_relay_snapshot_done(relay))
		return relay_fail(relay, -EBUSY, "the connections are being looked at already");
	if (kind == SNAPSHOT_CLOSE && (!id_count || length > (int32_t)sizeof(id)))
		return relay_fail(relay, -EINVAL,
				  "from 1 to %d connections can be closed at a time",
				  SNAPSHOT_IDS);
	if (id_count)
		memcpy(id, ids, id_count * sizeof(id[0]));
	return snapshot_threads(relay, (enum snapshot_kind)kind, id, id_count);
}

static struct snapshot *find_snapshot(struct relay *relay, int32_t index)
{
	struct thread *thread = find_thread(relay, index);

	return thread && !snapshot_busy(&thread->snapshot) ? &thread->snapshot : NULL;
}

/* Return: connections that were listed or closed, or -EINVAL */
int32_t sidetrack_relay_snapshot_count(struct relay *relay, int32_t index)
{
	struct snapshot *snapshot = find_snapshot(relay, index);

	return snapshot ? (int32_t)snapshot->count : -EINVAL;
}

/**
 * sidetrack_relay_read_snapshot() - Take what a snapshot has found, once
 * @relay:	Handle
 * @index:	Number of the thread
 * @out:	struct sidetrack_relay_entry, as many as fit
 * @length:	Bytes there
 *
 * The clients are given as conntrack first saw them, where it may be asked.
 *
 * Return: entries copied, or -EINVAL
 */
int32_t sidetrack_relay_read_snapshot(struct relay *relay, int32_t index, uint8_t *out,
				      int32_t length)
{
	struct snapshot *snapshot = find_snapshot(relay, index);
	uint32_t count;

	if (!snapshot || length < 0)
		return -EINVAL;
	count = (uint32_t)length / sizeof(*snapshot->entry);
	if (count > snapshot->count)
		count = snapshot->count;
	conntrack_translate(snapshot->entry, count);
	if (count)
		memcpy(out, snapshot->entry, count * sizeof(*snapshot->entry));
	snapshot_forget(snapshot);
	return (int32_t)count;
}
