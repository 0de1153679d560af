// SPDX-License-Identifier: MIT
#include "connection/establish.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/counters.h"
#include "sockets/dial.h"

/**
 * establish_init() - Nothing has been chosen yet
 * @establish:	Zeroed
 * @thread:	Whose current generation it holds from now on, until establish_release()
 */
void establish_init(struct establish *establish, struct thread_context *thread)
{
	establish->upstream = NO_UPSTREAM;
	establish->generation = thread->generation;
	generation_enter(establish->generation, thread->index);
}

void establish_release(struct establish *establish, struct thread_context *thread)
{
	generation_leave(establish->generation, thread->index);
}

/* --- which upstream ---------------------------------------------------------------- */

const struct upstream *establish_upstream(const struct establish *establish)
{
	return &establish_upstreams(establish)->entry[establish->upstream].upstream;
}

/* Return: where the upstream is counted, or NO_UPSTREAM before there is one */
uint32_t establish_slot(const struct establish *establish)
{
	return establish->upstream == NO_UPSTREAM ? NO_UPSTREAM
						  : establish_upstream(establish)->slot;
}

struct sidetrack_relay_upstream_counters *
establish_counters(const struct establish *establish, const struct thread_context *thread)
{
	return &thread->counters->upstream[establish_slot(establish)];
}

/* Return: true if the upstream has been asked, and may be waiting for the destination */
bool establish_has_asked(const struct establish *establish)
{
	return establish->connected && establish->has_handshake &&
	       handshake_asked(&establish->handshake);
}

/* Return: true if the next upstream, or address, may be tried and may do better */
bool establish_may_go_on(const struct establish *establish, enum outcome outcome,
			 enum fault fault)
{
	if (outcome == OUTCOME_HANDSHAKE_TIMEOUT && establish_has_asked(establish))
		return false;
	if (establish->early && outcome != OUTCOME_UPSTREAM_AUTH)
		return false;
	return fault != FAULT_NONE || outcome == OUTCOME_NO_PORTS ||
	       fault_is_forbidden(&establish->handshake, outcome);
}

/**
 * establish_choose() - Take the next upstream
 * @establish:	Of a connection or a probe
 * @thread:	Its thread
 *
 * Return: false if every upstream has been tried
 */
bool establish_choose(struct establish *establish, struct thread_context *thread)
{
	int chosen = upstreams_choose(establish_upstreams(establish), &thread->rotation,
				      establish_family(establish), establish->tried,
				      thread->io.now_ms);

	if (chosen < 0)
		return false;
	establish->upstream = (uint32_t)chosen;
	establish->tried |= 1U << chosen;
	establish->tried_addresses = 0;
	establish->counted = true;
	counter_add(&establish_counters(establish, thread)->active, 1);
	return true;
}

/* It no longer counts as one of its upstream's, of which there may be none. */
void establish_leave(struct establish *establish, struct thread_context *thread)
{
	if (!establish->counted)
		return;
	establish->counted = false;
	counter_subtract(&establish_counters(establish, thread)->active, 1);
	upstreams_leave(establish_upstreams(establish), establish->upstream);
}

/* --- which address ------------------------------------------------------------------ */

void establish_judge_address(const struct establish *establish, struct thread_context *thread,
			     bool reached)
{
	upstreams_judge_address(establish_upstreams(establish), establish->upstream,
				establish->address, reached, thread->io.now_ms);
}

/**
 * establish_next_address() - The upstream may do better at another one of its addresses
 * @establish:		Of a connection or a probe
 * @thread:		Its thread
 * @is_at_fault:	The address is what has failed
 *
 * Return: false if all have been tried, or there is only one
 */
bool establish_next_address(struct establish *establish, struct thread_context *thread,
			    bool is_at_fault)
{
	uint32_t count = establish_upstream(establish)->address_count;

	if (count < 2)
		return false;
	if (is_at_fault)
		establish_judge_address(establish, thread, false);
	establish->tried_addresses |= (uint8_t)(1U << establish->address);
	return establish->tried_addresses != (1U << count) - 1;
}

/* --- dialling ----------------------------------------------------------------------- */

/* Return: OUTCOME_OPEN with the leg on its way, or why not */
static enum outcome dial_address(const struct establish *establish, struct thread_context *thread,
				 struct greeting *greeting, int *fd)
{
	const struct sidetrack_relay_options *options = establish_options(establish);
	const struct endpoint *destination = &establish->destination;
	const struct endpoint *address = upstream_address(establish_upstream(establish),
							  establish->address, destination);
	enum outcome outcome = dial(options, address, destination, greeting, fd);

	if (outcome == OUTCOME_NO_DESCRIPTORS && context_spend_reserve(thread))
		outcome = dial(options, address, destination, greeting, fd);
	return outcome;
}

/* The first words for a proxy are known before it has answered. */
static enum outcome reach(struct establish *establish, struct thread_context *thread, int *fd)
{
	struct handshake *handshake = &establish->handshake;
	unsigned char message[HANDSHAKE_MESSAGE_MOST];
	struct greeting greeting = { .bytes = message };
	enum outcome outcome;

	establish->has_handshake = handshake_begin(handshake, establish_upstream(establish),
						   &establish->destination);
	if (establish->has_handshake && thread->options->fast_open)
		greeting.length = handshake_message(handshake, message);
	outcome = dial_address(establish, thread, &greeting, fd);
	if (greeting.sent)
		handshake_sent(handshake, greeting.sent, greeting.length);
	return outcome;
}

/**
 * establish_dial() - Connect to an address of the upstream that was chosen
 * @establish:	Of a connection or a probe
 * @thread:	Its thread
 * @leg:	Gets the socket, in the thread's epoll set
 *
 * Return: OUTCOME_OPEN with the leg on its way, or why not
 */
enum outcome establish_dial(struct establish *establish, struct thread_context *thread,
			    struct leg *leg)
{
	enum outcome outcome;

	establish->address = (uint8_t)upstreams_choose_address(
		establish_upstreams(establish), &thread->rotation, establish->upstream,
		establish->tried_addresses, thread->io.now_ms);
	establish->connect_us = clock_us();
	establish->connected = false;
	establish->early = 0;
	outcome = reach(establish, thread, &leg->fd);
	if (outcome == OUTCOME_OPEN && leg_watch(thread->epoll, leg) < 0)
		outcome = OUTCOME_NO_MEMORY;
	return outcome;
}

/* How connect() ended; a socket without an error does not announce one. */
int establish_error(const struct leg *leg, uint32_t events)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (!(events & (EPOLLERR | EPOLLHUP)))
		return 0;
	return getsockopt(leg->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

/* Give up what has been dialled, to dial something else. */
void establish_close(struct thread_context *thread, struct leg *leg)
{
	leg_unwatch(thread->epoll, leg);
	leg_close(leg, true);
}
