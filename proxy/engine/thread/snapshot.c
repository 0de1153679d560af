// SPDX-License-Identifier: MIT
#include "thread/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "connection/connection.h"
#include "connection/establish.h"
#include "connection/record.h"
#include "sockets/tcp-info.h"
#include "thread/thread.h"

#define SLICE 32	/* connections in a turn of the loop: about 50 us */

/* --- the control side ------------------------------------------------------------- */

static enum walk_state walk_state(const struct walk *walk)
{
	return (enum walk_state)__atomic_load_n(&walk->state, __ATOMIC_ACQUIRE);
}

bool walk_busy(const struct walk *walk)
{
	return walk_state(walk) == WALK_WANTED;
}

/* Frees what the last walk found.  The thread must not have it. */
void walk_forget(struct walk *walk)
{
	free(walk->entry);
	free(walk->id);
	memset(walk, 0, sizeof(*walk));
}

/**
 * walk_prepare() - Get ready all that a walk needs
 * @walk:	Walk that is not busy; what it found before is gone
 * @kind:	What for
 * @room:	Most connections to report
 * @id:		Those to close
 * @id_count:	How many
 *
 * Return: 0 or -ENOMEM
 */
int walk_prepare(struct walk *walk, enum walk_kind kind, uint32_t room, const uint64_t *id,
		 uint32_t id_count)
{
	walk_forget(walk);
	walk->kind = kind;
	walk->room = room;
	walk->entry = calloc(room ? room : 1, sizeof(*walk->entry));
	walk->id = calloc(id_count ? id_count : 1, sizeof(*walk->id));
	if (!walk->entry || !walk->id) {
		walk_forget(walk);
		return -ENOMEM;
	}
	if (id_count)
		memcpy(walk->id, id, id_count * sizeof(*id));
	walk->id_count = id_count;
	return 0;
}

/* The thread has to be woken. */
void walk_want(struct walk *walk)
{
	__atomic_store_n(&walk->state, WALK_WANTED, __ATOMIC_RELEASE);
}

/* --- what is seen of a connection ------------------------------------------------- */

static uint32_t flag(bool set, enum entry_flag bit)
{
	return (uint32_t)set << bit;
}

static uint32_t entry_flags(const struct connection *connection)
{
	const struct direction *upload = &connection->direction[CLIENT];
	const struct direction *download = &connection->direction[UPSTREAM];

	return flag(upload->splicing, ENTRY_UPLOAD_SPLICE_BIT) |
	       flag(download->splicing, ENTRY_DOWNLOAD_SPLICE_BIT) |
	       flag(upload->pending, ENTRY_UPLOAD_STALLED_BIT) |
	       flag(download->pending, ENTRY_DOWNLOAD_STALLED_BIT) |
	       flag(upload->finished, ENTRY_UPLOAD_ENDED_BIT) |
	       flag(download->finished, ENTRY_DOWNLOAD_ENDED_BIT);
}

/* Our side of the client's leg, which conntrack needs to find the client by. */
static void entry_local(struct sidetrack_relay_entry *entry, int fd)
{
	union socket_address address;
	socklen_t length = sizeof(address);
	struct endpoint local;

	if (getsockname(fd, &address.any, &length) < 0)
		return;
	endpoint_from_socket_address(&local, &address);
	memcpy(entry->local, &local.address, sizeof(entry->local));
	entry->local_port = local.port;
}

static void entry_endpoints(struct sidetrack_relay_entry *entry,
			    const struct connection *connection)
{
	memcpy(entry->client, &connection->client.address, sizeof(entry->client));
	memcpy(entry->destination, &connection->destination.address, sizeof(entry->destination));
	entry->client_port = connection->client.port;
	entry->destination_port = connection->destination.port;
	entry_local(entry, connection->leg[CLIENT].fd);
}

static void entry_fill(struct sidetrack_relay_entry *entry, const struct worker *worker,
		       const struct connection *connection)
{
	struct vitals vitals[SIDES] = { 0 };
	uint64_t now_ms = worker->transfer.now_ms;
	int side;

	entry->id = record_id(worker, connection);
	entry->accepted_ms = connection->accepted_unix_ms;
	entry->age_us = clock_us() - connection->accepted_us;
	entry->idle_ms = now_ms > connection->active_ms ? now_ms - connection->active_ms : 0;
	entry->upload_bytes = connection->direction[CLIENT].bytes;
	entry->download_bytes = connection->direction[UPSTREAM].bytes;
	entry->upstream = attempt_slot(connection);
	entry->route = connection->route;
	entry->state = connection->state;
	entry->flags = entry_flags(connection);
	entry_endpoints(entry, connection);
	for (side = 0; side < SIDES; side++) {
		if (side == CLIENT || connection->state != CONNECTING)
			vitals_read(connection->leg[side].fd, &vitals[side]);
		entry->rtt_us[side] = vitals[side].rtt_us;
	}
}

/* --- the thread ------------------------------------------------------------------- */

bool walk_wanted(const struct walk *walk)
{
	return walk_busy(walk);
}

static void walk_end(struct walk *walk)
{
	list_remove(&walk->cursor);
	__atomic_store_n(&walk->state, WALK_DONE, __ATOMIC_RELEASE);
}

static void walk_begin(struct walk *walk, struct list *connections)
{
	walk->begun = true;
	walk->begun_us = clock_us();
	list_add(connections->next, &walk->cursor);	/* before the first */
}

static bool is_to_close(const struct walk *walk, uint64_t id)
{
	uint32_t i;

	for (i = 0; i < walk->id_count; i++)
		if (walk->id[i] == id)
			return true;
	return false;
}

static void visit(struct worker *worker, struct connection *connection)
{
	struct walk *walk = &worker->walk;
	bool close = walk->kind == WALK_CLOSE;

	if (connection->probe)	/* nobody's */
		return;
	if (close && !is_to_close(walk, record_id(worker, connection)))
		return;
	entry_fill(&walk->entry[walk->count++], worker, connection);
	if (close)
		connection_close(worker, connection, OUTCOME_CLOSED);
}

/* Return: the connection behind the cursor, which moves past it, or NULL at the end */
static struct connection *walk_step(struct walk *walk, const struct list *connections)
{
	struct list *node = walk->cursor.next;
	struct connection *connection;

	if (node == connections || walk->count == walk->room)
		return NULL;
	connection = container_of(node, struct connection, node);
	if (connection->accepted_us > walk->begun_us)
		return NULL;	/* and so are all behind it */
	list_remove(&walk->cursor);
	list_add(node->next, &walk->cursor);
	return connection;
}

/**
 * walk_slice() - Look at the next few connections, if anybody wants it
 * @worker:	The thread
 */
void walk_slice(struct worker *worker)
{
	struct walk *walk = &worker->walk;
	int i;

	if (!walk_wanted(walk))
		return;
	if (!walk->begun)
		walk_begin(walk, &worker->connections);
	for (i = 0; i < SLICE; i++) {
		struct connection *connection = walk_step(walk, &worker->connections);

		if (!connection) {
			walk_end(walk);
			return;
		}
		visit(worker, connection);
	}
}

/**
 * walk_abandon() - End a walk with what it has found so far
 * @worker:	The thread, which is about to close all its connections
 */
void walk_abandon(struct worker *worker)
{
	if (!walk_wanted(&worker->walk))
		return;
	if (!worker->walk.begun)
		walk_begin(&worker->walk, &worker->connections);
	walk_end(&worker->walk);
}
