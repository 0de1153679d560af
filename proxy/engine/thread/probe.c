// SPDX-License-Identifier: MIT
#include "thread/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/counters.h"
#include "connection/exchange.h"
#include "sockets/dial.h"
#include "thread/refusal.h"
#include "thread/thread.h"

/* --- the end ------------------------------------------------------------------------ */

static uint64_t *counter_of(struct sidetrack_relay_upstream_counters *counters,
			    enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_FINISHED:
		return &counters->probes_succeeded;
	case OUTCOME_NO_PORTS:
	case OUTCOME_NO_DESCRIPTORS:
	case OUTCOME_NO_MEMORY:
	case OUTCOME_LOOP:
	case OUTCOME_DRAINED:
		return &counters->probes_skipped;
	default:
		return &counters->probes_failed;
	}
}

/* Count it, and let the next one come. */
static void count(struct thread *thread, const struct probe *probe, enum outcome outcome)
{
	const struct establish *establish = &probe->establish;
	struct sidetrack_relay_upstream_counters *counters =
		establish_counters(establish, &thread->context);

	thread->probing[establish_family(establish)] &= ~(1U << establish_slot(establish));
	counter_add(counter_of(counters, outcome), 1);
	if (outcome == OUTCOME_FINISHED)
		counter_set(&counters->probe_us, clock_us() - probe->begun_us);
}

/* @outcome: OUTCOME_FINISHED, or why not */
static void end(struct thread *thread, struct probe *probe, enum outcome outcome)
{
	struct thread_context *context = &thread->context;

	probe->state = PROBE_ENDED;
	leg_close(&probe->leg, outcome != OUTCOME_FINISHED);
	establish_leave(&probe->establish, context);
	count(thread, probe, outcome);
	establish_release(&probe->establish, context);
	timer_cancel(&context->timers, &probe->timer);
	context_free_later(context, &probe->node);
}

/* --- what it tells ------------------------------------------------------------------ */

static void judge(struct thread *thread, const struct probe *probe, enum fault fault)
{
	const struct establish *establish = &probe->establish;

	upstreams_judge_probe(establish_upstreams(establish), establish->upstream,
			      establish_family(establish), fault, thread->context.io.now_ms);
	refusal_review(thread);
}

static void succeed(struct thread *thread, struct probe *probe)
{
	judge(thread, probe, FAULT_NONE);
	establish_judge_address(&probe->establish, &thread->context, true);
	end(thread, probe, OUTCOME_FINISHED);
}

/* Return: true if another address may do better */
static bool next_address(struct thread *thread, struct probe *probe, enum outcome outcome,
			 enum fault fault)
{
	struct establish *establish = &probe->establish;

	/* once connected, its destination may be what one family of addresses lacks */
	return establish_may_go_on(establish, outcome, fault) && fault_is_of_address(outcome) &&
	       establish_next_address(establish, &thread->context, !establish->connected);
}

static void fail(struct thread *thread, struct probe *probe, enum outcome outcome)
{
	const struct establish *establish = &probe->establish;
	enum fault fault = fault_of_probe(outcome);

	/* being out of ports, descriptors or memory says nothing about the upstream */
	if (fault != FAULT_NONE)
		judge(thread, probe, fault);
	if (fault_is_forbidden(&establish->handshake, outcome))
		upstreams_forbid(establish_upstreams(establish), establish->upstream,
				 establish->destination.port);
	end(thread, probe, outcome);
}

/* --- dialling ------------------------------------------------------------------------ */

/* Its time is for all that it tries. */
static enum outcome dial_upstream(struct thread *thread, struct probe *probe)
{
	struct thread_context *context = &thread->context;

	probe->state = PROBE_CONNECTING;
	probe->hangup = false;
	probe->length = 0;
	if (probe->deadline_ms)
		timer_set(&context->timers, &probe->timer, probe->deadline_ms);
	return establish_dial(&probe->establish, context, &probe->leg);
}

/* Goes on with the next address for as long as that may help. */
static void give_up(struct thread *thread, struct probe *probe, enum outcome outcome)
{
	while (next_address(thread, probe, outcome, fault_of_probe(outcome))) {
		establish_close(&thread->context, &probe->leg);
		outcome = dial_upstream(thread, probe);
		if (outcome == OUTCOME_OPEN)
			return;
	}
	fail(thread, probe, outcome);
}

/* --- question and answer -------------------------------------------------------------- */

static enum probe_answer wanted(const struct probe *probe)
{
	return (enum probe_answer)establish_options(&probe->establish)->probe_answer;
}

/* Return: OUTCOME_OPEN with the question on its way, or why not */
static enum outcome ask(const struct probe *probe)
{
	const struct establish *establish = &probe->establish;
	const struct sidetrack_relay_probe *options =
		&establish_options(establish)->probe[establish_family(establish)];
	size_t length = options->request_length;
	ssize_t sent;

	if (length > sizeof(options->request))
		length = sizeof(options->request);
	if (!length)
		return OUTCOME_OPEN;
	sent = send(probe->leg.fd, options->request, length, MSG_NOSIGNAL);
	if (sent < 0)
		return dial_outcome(errno);
	/* a fresh socket has room for so little */
	return (size_t)sent == length ? OUTCOME_OPEN : OUTCOME_CONNECT_OTHER;
}

/*
 * Look at what of the answer has come; nothing is taken from the socket.
 *
 * Return: OUTCOME_FINISHED if it is the right one, OUTCOME_OPEN to wait for more, or
 * why it is none
 */
static enum outcome hear(const struct probe *probe)
{
	unsigned char bytes[PROBE_ANSWER_MOST];
	size_t length = probe->length;
	ssize_t received = 0;
	enum outcome outcome;
	int error = 0;

	memcpy(bytes, probe->answer, length);
	if (length < sizeof(bytes)) {
		received = recv(probe->leg.fd, bytes + length, sizeof(bytes) - length, MSG_PEEK);
		error = received < 0 ? errno : 0;
	}
	if (received > 0)
		length += (size_t)received;
	outcome = probe_answer_judge(wanted(probe), bytes, length);
	if (outcome != OUTCOME_OPEN)
		return outcome;
	if (error && error != EAGAIN)
		return dial_outcome(error);
	/* it has ended, or too little came before the end */
	if (probe->hangup && !error)
		return OUTCOME_UPSTREAM_PROTOCOL;
	return received || error ? OUTCOME_OPEN : OUTCOME_UPSTREAM_PROTOCOL;
}

static void listen_for_answer(struct thread *thread, struct probe *probe)
{
	enum outcome outcome = hear(probe);

	if (outcome == OUTCOME_FINISHED)
		succeed(thread, probe);
	else if (outcome != OUTCOME_OPEN)
		give_up(thread, probe, outcome);
}

/* Bytes can pass; the probe may want some. */
static void established(struct thread *thread, struct probe *probe)
{
	enum outcome outcome;

	if (wanted(probe) == PROBE_ANSWER_NONE) {
		succeed(thread, probe);
		return;
	}
	probe->state = PROBE_ASKING;
	outcome = ask(probe);
	if (outcome == OUTCOME_OPEN)
		listen_for_answer(thread, probe);
	else
		give_up(thread, probe, outcome);
}

/* --- the handshake -------------------------------------------------------------------- */

/* What came behind a proxy's reply in the same read is the beginning of the answer. */
static void keep_answer(struct probe *probe, const struct exchange *exchange)
{
	size_t length = exchange->rest_length;

	if (length > sizeof(probe->answer))
		length = sizeof(probe->answer);
	memcpy(probe->answer, exchange->rest, length);
	probe->length = (uint8_t)length;
}

static void converse(struct thread *thread, struct probe *probe)
{
	struct exchange exchange = { .client = -1 };

	switch (exchange_run(&exchange, &probe->establish, &thread->context, probe->leg.fd)) {
	case EXCHANGE_DONE:
		keep_answer(probe, &exchange);
		established(thread, probe);
		break;
	case EXCHANGE_FAILED:
		give_up(thread, probe, exchange.why);
		break;
	default:
		break;
	}
}

static void connected(struct thread *thread, struct probe *probe)
{
	probe->establish.connected = true;
	if (!probe->establish.has_handshake) {
		established(thread, probe);
		return;
	}
	probe->state = PROBE_HANDSHAKING;
	converse(thread, probe);
}

/* --- events ---------------------------------------------------------------------------- */

static void connecting_event(struct thread *thread, struct probe *probe, uint32_t events)
{
	int error;

	if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return;
	error = establish_error(&probe->leg, events);
	if (error)
		give_up(thread, probe, dial_outcome(error));
	else
		connected(thread, probe);
}

static void probe_event(struct thread_context *context, struct event_source *source,
			uint32_t events)
{
	struct leg *leg = container_of(source, struct leg, source);
	struct probe *probe = container_of(leg, struct probe, leg);

	probe->hangup |= (events & END_EVENTS) != 0;
	switch (probe->state) {
	case PROBE_CONNECTING:
		connecting_event(thread_of(context), probe, events);
		break;
	case PROBE_HANDSHAKING:
		converse(thread_of(context), probe);
		break;
	case PROBE_ASKING:
		listen_for_answer(thread_of(context), probe);
		break;
	case PROBE_ENDED:
		break;
	}
}

static void probe_timer(struct timer *timer, void *context)
{
	struct probe *probe = container_of(timer, struct probe, timer);

	give_up(thread_of(context), probe,
		probe->state == PROBE_CONNECTING ? OUTCOME_CONNECT_TIMEOUT
						 : OUTCOME_HANDSHAKE_TIMEOUT);
}

/* --- life ------------------------------------------------------------------------------- */

static struct probe *create(struct thread *thread, const struct endpoint *destination,
			    uint32_t upstream)
{
	struct thread_context *context = &thread->context;
	struct probe *probe = calloc(1, sizeof(*probe));
	uint32_t timeout_ms;

	if (!probe)
		return NULL;
	probe->leg = (struct leg){ .source = { probe_event }, .fd = -1, .side = UPSTREAM };
	establish_init(&probe->establish, context);
	probe->establish.destination = *destination;
	probe->establish.tried = ~(1U << upstream);
	probe->begun_us = clock_us();
	timeout_ms = establish_options(&probe->establish)->probe_timeout_ms;
	probe->deadline_ms = timeout_ms ? context->io.now_ms + timeout_ms : 0;
	timer_init(&probe->timer, probe_timer);
	list_add(&thread->probes, &probe->node);
	return probe;
}

/**
 * probe_begin() - Try an upstream
 * @thread:		The thread
 * @destination:	Where to, of a family that the upstream carries
 * @upstream:		Its number, the only one to try
 *
 * Without memory for it there is none this time, but there may be the next.
 */
void probe_begin(struct thread *thread, const struct endpoint *destination, uint32_t upstream)
{
	uint32_t slot = thread->context.generation->upstreams.entry[upstream].upstream.slot;
	struct probe *probe = create(thread, destination, upstream);
	enum outcome outcome;

	if (!probe) {
		counter_add(&thread->context.counters->upstream[slot].probes_skipped, 1);
		return;
	}
	thread->probing[endpoint_family(destination)] |= 1U << slot;
	(void)establish_choose(&probe->establish, &thread->context);	/* there is just one */
	outcome = dial_upstream(thread, probe);
	if (outcome != OUTCOME_OPEN)
		give_up(thread, probe, outcome);
}

/* The thread ends, or the drain deadline has come. */
void probe_end_all(struct thread *thread)
{
	while (!list_empty(&thread->probes))
		end(thread, container_of(thread->probes.next, struct probe, node),
		    OUTCOME_DRAINED);
}
