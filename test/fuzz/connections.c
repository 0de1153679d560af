// SPDX-License-Identifier: MIT
/*
 * libFuzzer: the engine's connections, whatever happens and in whatever order.
 *
 * The input begins with the relay's options and upstreams.  What follows is
 * played whenever the engine would sleep: clients come, connects are answered,
 * peers send, read, finish, reset, proxies speak sense or nonsense, calls fail,
 * time passes, the relay is told to reload or to close a connection, and some of the events that are due are delivered, in any order,
 * with events among them that tell nothing.  When the input is used up all
 * peers read what there is; then everything must have arrived (no edge was
 * missed), the relay is stopped, and nothing may be left.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/recent.h"
#include "base/trace.h"
#include "connection/connection.h"
#include "kernel/invariant.h"
#include "kernel/kernel.h"
#include "relay/relay.h"
#include "script.h"
#include "settings.h"
#include "thread/thread.h"

#define CLIENTS_AT_ONCE 6		/* at a time */
#define SOCKETS_AT_ONCE (2 * CLIENTS_AT_ONCE + UPSTREAMS_MOST)	/* with probes */
#define CLIENTS_IN_ALL 200
#define SETTLING_MOST 3000
#define SETTLING_CAPACITY (4U << 20)	/* so that it does not take long */
#define CHECKS_OF_RESETS 6
#define CHECK_MS 100
#define SOON_US 2000			/* no timer, but a poll by the thread of its second set */

static struct {
	struct script script;
	struct relay *relay;
	unsigned int clients;
	unsigned int settling;
	unsigned int checks;
	uint64_t moved;
	unsigned int sleepless;
} world;

/* Mostly little, sometimes a lot. */
static uint64_t take_length(struct script *script)
{
	uint64_t byte = take_byte(script);

	if (byte < 128)
		return byte + 1;
	return byte < 224 ? (byte - 127) * 1024 : (byte - 223) * 65536;
}

/* Return: one of the open sockets, or NULL */
static struct file *take_socket(struct script *script)
{
	unsigned int nth = take_byte(script), i, found = 0;
	struct file *candidate[SOCKETS_AT_ONCE];

	for (i = kernel.opened; i-- && found < SOCKETS_AT_ONCE; )
		if (kernel.file[i].kind == FILE_TCP &&
		    (kernel.file[i].connected || kernel.file[i].connecting))
			candidate[found++] = &kernel.file[i];
	return found ? candidate[nth % found] : NULL;
}

/* --- what may happen -------------------------------------------------------------------- */

static void client_comes(struct script *script)
{
	unsigned int i, open = kernel.backlog;

	(void)script;
	for (i = 0; i < kernel.opened; i++)
		open += kernel.file[i].kind == FILE_TCP && kernel.file[i].accepted;
	if (!kernel.listener || open >= CLIENTS_AT_ONCE || world.clients == CLIENTS_IN_ALL)
		return;
	world.clients++;
	kernel.backlog++;
}

static void connect_is_answered(struct script *script)
{
	struct file *file = take_socket(script);

	if (!file || !file->connecting)
		return;
	file->connecting = false;
	file->connected = true;
	tcp_wake(file);
}

static void connect_fails(struct script *script)
{
	static const int errors[] = { ECONNREFUSED, EHOSTUNREACH, ETIMEDOUT, ECONNRESET };
	struct file *file = take_socket(script);
	uint8_t which = take_byte(script);

	if (!file || !file->connecting)
		return;
	file->connecting = false;
	file->broken = file->connected = true;
	file->error = errors[which % 4];
	tcp_wake(file);
}

static bool can_send(const struct file *file)
{
	return file && file->connected && !file->fin && !file->broken;
}

static void peer_sends(struct script *script)
{
	struct file *file = take_socket(script);
	uint64_t length = take_length(script);

	if (!can_send(file))
		return;
	file->received += length;
	tcp_wake(file);
}

static void peer_sends_urgent(struct script *script)
{
	struct file *file = take_socket(script);

	if (!can_send(file))
		return;
	file->urgent = file->received++;
	tcp_wake(file);
}

static void peer_reads(struct script *script)
{
	struct file *file = take_socket(script);
	uint64_t length = take_length(script);

	if (!file || !file->queued)
		return;
	file->queued -= length < file->queued ? length : file->queued;
	tcp_wake(file);
}

static void peer_finishes(struct script *script)
{
	struct file *file = take_socket(script);

	if (!can_send(file))
		return;
	file->fin = true;
	tcp_wake(file);
}

static void peer_resets(struct script *script)
{
	struct file *file = take_socket(script);

	if (!file || !file->connected || file->broken)
		return;
	file->broken = true;
	file->error = file->fin ? EPIPE : ECONNRESET;
	file->queued = 0;
	tcp_wake(file);
}

static void proxy_says(struct file *file, const void *bytes, size_t length)
{
	if (!can_send(file) || file->accepted || file->received != file->reply_length ||
	    file->reply_length + length > REPLY_MOST)
		return;
	memcpy(file->reply + file->reply_length, bytes, length);
	file->reply_length += length;
	file->received += length;
	file->replied_at = file->asked;
	tcp_wake(file);
}

static void proxy_says_anything(struct script *script)
{
	struct file *file = take_socket(script);
	size_t length = take_byte(script) % 32 + 1u;

	if (length > script->left)
		length = script->left;
	if (file && length)
		proxy_says(file, script->next, length);
	script->next += length;
	script->left -= length;
}

/* The reply that is due, for each kind, or a refusal; never a byte more than that. */
static void proxy_answers(struct script *script)
{
	static const char http[] = "HTTP/1.1 200 OK\r\nVia: x\r\n\r\n";
	static const char login[] = "HTTP/1.1 407 Who are you\r\n\r\n";
	struct file *file = take_socket(script);
	uint8_t kind = take_byte(script);
	bool first;

	if (!file || file->asked == file->replied_at)
		return;
	first = file->reply_length == 0;
	switch (kind % 7) {
	case 0:
		proxy_says(file, first ? "\5\0" : "\5\0\0\1\1\2\3\4\5\6", first ? 2 : 10);
		break;
	case 1:
		proxy_says(file, file->reply_length == 2 ? "\1\0" : "\5\2", 2);
		break;
	case 2:
		proxy_says(file, "\0\132\0\0\0\0\0\0", 8);
		break;
	case 3:
		proxy_says(file, http, sizeof(http) - 1);
		break;
	case 4:
		proxy_says(file, "\5\5\0\1\0\0\0\0\0\0", 10);
		break;
	case 5:
		proxy_says(file, login, sizeof(login) - 1);
		break;
	default:
		proxy_says(file, "\0\135\0\0\0\0\0\0", 8);
	}
}

static void time_passes(struct script *script)
{
	static const uint64_t lengths[] = { 1, 20, 40, 100, 300, 1100, 5000, 11000 };

	kernel.now_us += lengths[take_byte(script) % 8] * 1000;
}

static void calls_fail(struct script *script)
{
	uint8_t call = take_byte(script), how = take_byte(script);

	kernel.failing[call % CALLS] = how % 8 == 7 ? 100 : how % 8 + 1;
	kernel.how = how / 8;
}

/* An edge that tells nothing new. */
static void socket_is_woken(struct script *script)
{
	struct file *file = take_socket(script);

	if (file)
		tcp_wake(file);
}

/* One of the last few: many have ended already, and some have yet to come. */
static void operator_closes(uint8_t back)
{
	uint64_t id = world.relay->group.threads[0].context.recent->count - back % 8;

	if (sidetrack_relay_snapshot(world.relay, SNAPSHOT_CLOSE, (uint8_t *)&id, sizeof(id)) == 0)
		kernel.operator_closed = true;
}

/* Draining ends the relay, so it is rare. */
static void relay_is_told(struct script *script)
{
	uint8_t amount = take_byte(script), what = take_byte(script);

	if (what == 'd')
		sidetrack_relay_drain(world.relay, amount * 100);
	else if (what % 4 == 1)
		settings_reload(world.relay, script);
	else if (what % 4 == 2)
		operator_closes(amount);
	else if (what % 4 == 3)
		sidetrack_relay_snapshot(world.relay, SNAPSHOT_LIST, NULL, 0);
}

static void (*const happenings[])(struct script *script) = {
	client_comes, client_comes, connect_is_answered, connect_is_answered, connect_fails,
	peer_sends, peer_sends, peer_sends_urgent, peer_reads, peer_reads, peer_finishes,
	peer_resets, proxy_answers, proxy_answers, proxy_says_anything, time_passes, calls_fail,
	socket_is_woken, relay_is_told,
};

#define HAPPENINGS (sizeof(happenings) / sizeof(happenings[0]))

/* --- delivering --------------------------------------------------------------------------- */

static uint32_t due_events(const struct file *file, unsigned int set)
{
	const struct watch *watch = &file->watch[set];

	if (!watch->on)
		return 0;
	if (file->kind == FILE_LISTENER)
		return kernel.backlog ? EPOLLIN & watch->interest : 0;
	if (file == kernel.eventfd)
		return kernel.wakes ? EPOLLIN : 0;
	if (file == kernel.epoll[1])
		return world_deliver(1, NULL, 1, 0) ? EPOLLIN & watch->interest : 0;
	if (file->kind != FILE_TCP || !watch->woken)
		return 0;
	return tcp_mask(file) & (watch->interest | EPOLLERR | EPOLLHUP);
}

/* Without @events it only counts. */
int world_deliver(unsigned int set, struct epoll_event *events, int most, unsigned int start)
{
	unsigned int i;
	int count = 0;

	for (i = 0; i < kernel.opened && count < most; i++) {
		struct file *file = &kernel.file[(start + i) % kernel.opened];
		uint32_t mask = due_events(file, set);

		if (!mask)
			continue;
		if (events) {
			file->watch[set].woken = false;
			events[count] = (struct epoll_event){
				.events = mask, .data.ptr = file->watch[set].data,
			};
		}
		count++;
	}
	return count;
}

/* A thread that does not sleep has work to do, or it spins. */
static void watch_sleep(int64_t timeout_us, int delivered)
{
	if (kernel.moved != world.moved || timeout_us || delivered)
		world.sleepless = 0;
	else
		require(++world.sleepless < 100);
	world.moved = kernel.moved;
}

/* --- the end ------------------------------------------------------------------------------ */

static void all_peers_read(void)
{
	unsigned int i;

	memset(kernel.failing, 0, sizeof(kernel.failing));
	for (i = 0; i < kernel.opened; i++) {
		struct file *file = &kernel.file[i];

		if (file->kind != FILE_TCP || !file->queued)
			continue;
		file->queued = 0;
		file->capacity = SETTLING_CAPACITY;
		tcp_wake(file);
	}
}

static void stop(void)
{
	__atomic_store_n(&world.relay->group.phase, PHASE_STOPPING, __ATOMIC_RELEASE);
	thread_wake(&world.relay->group.threads[0]);
}

/* Nothing new any more: the engine becomes idle, in bounded time. */
static int settle(struct epoll_event *events, int most, int64_t timeout_us)
{
	int count;

	require(++world.settling < SETTLING_MOST);
	all_peers_read();
	count = world_deliver(0, events, most, 0);
	if (count || timeout_us == 0)
		return count;
	if (timeout_us > 0 && timeout_us < SOON_US) {
		kernel.now_us += (uint64_t)timeout_us;
		return 0;
	}
	if (world.checks++ < CHECKS_OF_RESETS) {
		kernel.now_us += CHECK_MS * 1000;
		return 0;
	}
	invariant_settled();
	stop();
	return world_deliver(0, events, most, 0);
}

int world_wait(struct epoll_event *events, int most, int64_t timeout_us)
{
	struct script *script = &world.script;
	int count, limit;
	uint8_t byte;

	invariant_step();
	kernel.idle_calls = 0;
	if (!script->left) {
		count = settle(events, most, timeout_us);
		watch_sleep(timeout_us, count);
		return count;
	}
	do {
		byte = take_byte(script);
		happenings[byte % HAPPENINGS](script);
	} while (script->left && byte < 200);
	limit = byte % 4 == 3 && most > 2 ? 2 : most;
	count = world_deliver(0, events, limit, byte);
	watch_sleep(timeout_us, count);
	if (!count && timeout_us > 0 && byte % 2)
		kernel.now_us += (uint64_t)timeout_us;
	return count;
}

/* --- one run ------------------------------------------------------------------------------ */

/* Flows are shown by `make replay` alone. */
void trace_write(const char *line, int length)
{
	if (getenv("FUZZ_TRACE"))
		fwrite(line, 1, (size_t)length, stderr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kernel_boot();
	memset(&world, 0, sizeof(world));
	world.script = (struct script){ data, size };
	world.relay = settings_begin(&world.script);
	invariant_begin(world.relay);
	kernel.booted = true;
	kernel.thread(kernel.thread_argument);
	invariant_end();
	/* as if it were still running: this is what closes and frees */
	__atomic_store_n(&world.relay->group.phase, PHASE_RUNNING, __ATOMIC_RELEASE);
	sidetrack_relay_stop(world.relay);
	require(kernel.open == 0);
	sidetrack_relay_destroy(world.relay);
	return 0;
}
