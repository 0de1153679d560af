// SPDX-License-Identifier: MIT
/* What is judged of upstreams: whose fault, which answers, which families.  No sockets. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "connection/limits.h"
#include "thread/probe-answer.h"
#include "upstreams/families.h"
#include "upstreams/fault.h"

#define NOW 1000000ULL
#define V4 (1U << FAMILY_IPV4)
#define V6 (1U << FAMILY_IPV6)

/* --- faults ---------------------------------------------------------------------- */

static void faults(void)
{
	/* a destination that cannot be reached is not the relay's own network's fault */
	expect_equal(fault_of(UPSTREAM_DIRECT, false, OUTCOME_REFUSED), FAULT_NONE);
	expect_equal(fault_of(UPSTREAM_SOCKS5, false, OUTCOME_REFUSED), FAULT_CERTAIN);
	/* who has been asked may wait for the destination, or be cut off by it */
	expect_equal(fault_of(UPSTREAM_HTTP, false, OUTCOME_HANDSHAKE_TIMEOUT), FAULT_CERTAIN);
	expect_equal(fault_of(UPSTREAM_HTTP, true, OUTCOME_HANDSHAKE_TIMEOUT), FAULT_DOUBTFUL);
	expect_equal(fault_of(UPSTREAM_HTTP, true, OUTCOME_DESTINATION_REFUSED), FAULT_NONE);
	expect_equal(fault_of(UPSTREAM_SOCKS4A, false, OUTCOME_NO_PORTS), FAULT_NONE);
}

static void faults_of_probes(void)
{
	expect_equal(fault_of_probe(OUTCOME_DESTINATION_REFUSED), FAULT_CERTAIN);
	expect_equal(fault_of_probe(OUTCOME_UPSTREAM_AUTH), FAULT_CERTAIN);
	expect_equal(fault_of_probe(OUTCOME_NO_DESCRIPTORS), FAULT_NONE);
	/* the same at each of its addresses */
	expect(!fault_is_of_address(OUTCOME_UPSTREAM_AUTH));
	expect(fault_is_of_address(OUTCOME_CONNECT_TIMEOUT));
}

/* --- answers --------------------------------------------------------------------- */

static enum outcome answer(enum probe_answer wanted, const char *bytes)
{
	return probe_answer_judge(wanted, (const unsigned char *)bytes, strlen(bytes));
}

static void answers(void)
{
	expect_equal(answer(PROBE_ANSWER_BANNER, ""), OUTCOME_OPEN);
	expect_equal(answer(PROBE_ANSWER_BANNER, "S"), OUTCOME_FINISHED);
	expect_equal(answer(PROBE_ANSWER_TLS, "\26\3\3"), OUTCOME_FINISHED);
	expect_equal(answer(PROBE_ANSWER_TLS, "\25"), OUTCOME_FINISHED);
	expect_equal(answer(PROBE_ANSWER_TLS, "H"), OUTCOME_UPSTREAM_PROTOCOL);
	expect_equal(answer(PROBE_ANSWER_HTTP, "HTTP/1.1 20"), OUTCOME_OPEN);
	expect_equal(answer(PROBE_ANSWER_HTTP, "HTTP/1.1 204"), OUTCOME_FINISHED);
	expect_equal(answer(PROBE_ANSWER_HTTP, "HTTP/1.0 404"), OUTCOME_FINISHED);
	expect_equal(answer(PROBE_ANSWER_HTTP, "HTTP/1.1 503"), OUTCOME_UPSTREAM_PROTOCOL);
	expect_equal(answer(PROBE_ANSWER_HTTP, "SSH-2.0-OpenSSH"), OUTCOME_UPSTREAM_PROTOCOL);
}

/* --- families -------------------------------------------------------------------- */

/* Two proxies that are to carry both families, which probes look after. */
static struct upstream_set *make_set(void)
{
	struct upstream_set *upstreams = memory_allocate(sizeof(*upstreams));
	uint32_t i;

	expect(upstreams);
	upstreams->health = memory_allocate(SIDETRACK_RELAY_UPSTREAM_SLOTS *
					    sizeof(*upstreams->health));
	expect(upstreams->health);
	upstreams->probed = V4 | V6;
	upstreams->used = 3;
	for (i = 0; i < 2; i++) {
		struct sidetrack_relay_upstream from = {
			.kind = UPSTREAM_SOCKS5, .port = 1080, .address = { [15] = 1 }, .slot = i,
		};

		expect_equal(upstreams_add(upstreams, &from), 0);
	}
	return upstreams;
}

static void free_set(struct upstream_set *upstreams)
{
	free(upstreams->health);
	free(upstreams);
}

static void probe(struct upstream_set *upstreams, uint32_t index, enum family family, bool works)
{
	upstreams_judge_probe(upstreams, index, family, works ? FAULT_NONE : FAULT_CERTAIN, NOW);
}

static void refused_while_another_works(void)
{
	struct upstream_set *upstreams = make_set();

	expect_equal(families_to_refuse(upstreams, 0), 0);
	probe(upstreams, 0, FAMILY_IPV6, false);
	probe(upstreams, 1, FAMILY_IPV6, false);
	expect_equal(families_to_refuse(upstreams, 0), 0);	/* nothing works, as far as is known */
	probe(upstreams, 1, FAMILY_IPV4, true);
	expect_equal(families_to_refuse(upstreams, 0), V6);
	probe(upstreams, 0, FAMILY_IPV6, true);		/* one is enough */
	expect_equal(families_to_refuse(upstreams, V6), 0);
	free_set(upstreams);
}

/* What is less than before ends nothing; that nobody asks any more does. */
static void refused_until_a_probe_tells(void)
{
	struct upstream_set *upstreams = make_set();

	expect_equal(families_to_refuse(upstreams, V6), V6);
	probe(upstreams, 0, FAMILY_IPV6, false);
	expect_equal(families_to_refuse(upstreams, V6), V6);
	expect_equal(families_to_refuse(upstreams, 0), 0);
	upstreams->probed = V4;
	expect_equal(families_to_refuse(upstreams, V6), 0);
	upstreams->probed = V4 | V6;
	upstreams->used = 0;		/* no client could be sent there */
	expect_equal(families_to_refuse(upstreams, V6), 0);
	free_set(upstreams);
}

/* --- limits ---------------------------------------------------------------------- */

static void limits(void)
{
	struct limits limits = { .max_connections = 2 };

	expect(limits_admit(&limits) && limits_admit(&limits) && limits_are_reached(&limits));
	expect(!limits_admit(&limits));
	expect_equal(limits.active, 2);		/* who is turned away is not counted */
	limits_leave(&limits);
	expect(!limits_are_reached(&limits) && limits_admit(&limits));
	expect(limits_handshake_begin(&limits, 1) && !limits_handshake_begin(&limits, 1));
	expect(limits_handshake_begin(&limits, 0));
	expect_equal(limits.handshakes, 2);
	limits_handshake_end(&limits);
	expect(!limits_handshake_begin(&limits, 1));
}

const struct test judge_tests[] = {
	{ "faults: of upstreams", faults },
	{ "faults: of a probe", faults_of_probes },
	{ "probe: what counts as an answer", answers },
	{ "refusal: only while another family works", refused_while_another_works },
	{ "refusal: until a probe tells", refused_until_a_probe_tells },
	{ "limits: connections and handshakes", limits },
	{ NULL, NULL }
};
