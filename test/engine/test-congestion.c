// SPDX-License-Identifier: MIT
/* Each leg has the congestion control that is configured for it. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/endpoint.h"
#include "bytes/leg.h"
#include "check.h"
#include "harness.h"
#include "sockets/congestion.h"
#include "world.h"

#define LENGTH SIDETRACK_RELAY_CONGESTION_LENGTH
#define ATTACHED (1U << GUARD_ATTACHED_BIT)
#define DESCRIPTORS 200

static void name_of(int fd, char name[LENGTH])
{
	socklen_t length = LENGTH;

	memset(name, 0, LENGTH);
	expect(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length) == 0);
}

/* What a socket gets that nothing is said to. */
static void system_name(char name[LENGTH])
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	expect(fd >= 0);
	name_of(fd, name);
	close(fd);
}

/* Another one than the system's, that everybody may use. */
static const char *other_name(void)
{
	static const char *const names[] = { "reno", "cubic", "bbr" };
	char system[LENGTH];
	size_t i;

	system_name(system);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(system, names[i]) &&
		    sidetrack_congestion((const uint8_t *)names[i], (int32_t)strlen(names[i])) == 0)
			return names[i];
	return NULL;
}

static bool endpoint_of(int fd, int (*ask)(int, struct sockaddr *, socklen_t *),
			struct endpoint *endpoint)
{
	union socket_address address = { 0 };
	socklen_t length = sizeof(address);

	if (ask(fd, &address.any, &length) < 0)
		return false;
	endpoint_from_socket_address(endpoint, &address);
	return true;
}

static bool is_same(const struct endpoint *one, const struct endpoint *other)
{
	return one->port == other->port &&
	       !memcmp(&one->address, &other->address, sizeof(one->address));
}

/*
 * The relay runs in this process: its end is the one with the address of which the other
 * end knows.  Destinations are rewritten, sources are not.
 */
static int relays_end(int fd, enum side side)
{
	struct endpoint wanted, found;
	int other;

	expect(endpoint_of(fd, side == CLIENT ? getsockname : getpeername, &wanted));
	for (other = 0; other < DESCRIPTORS; other++)
		if (other != fd &&
		    endpoint_of(other, side == CLIENT ? getpeername : getsockname, &found) &&
		    is_same(&wanted, &found))
			return other;
	return -1;
}

static void expect_name(int fd, enum side side, const char *wanted)
{
	char name[LENGTH];
	int end = relays_end(fd, side);

	expect(end >= 0);
	name_of(end, name);
	if (strcmp(name, wanted))
		fprintf(stderr, "  %s, expected %s\n", name, wanted);
	expect(strcmp(name, wanted) == 0);
}

static void expect_legs(const char *client, const char *upstream)
{
	struct pair pair = pair_open(AF_INET);

	expect_name(pair.client, CLIENT, client);
	expect_name(pair.upstream, UPSTREAM, upstream);
	send_pattern(pair.client, 0, 1000, 1000);
	expect_pattern(pair.upstream, 0, 1000, 1000);
	pair_close(&pair);
}

static struct sidetrack_relay_options options_with(const char *client, const char *elsewhere,
						   const char *upstream)
{
	struct sidetrack_relay_options options = default_options();

	strncpy(options.congestion[CONGESTION_CLIENT], client, LENGTH - 1);
	strncpy(options.congestion[CONGESTION_ELSEWHERE], elsewhere, LENGTH - 1);
	strncpy(options.congestion[CONGESTION_UPSTREAM], upstream, LENGTH - 1);
	return options;
}

static void each_leg(void)
{
	const char *other = other_name();
	struct sidetrack_relay_options options;
	char system[LENGTH];
	struct relay *relay;

	system_name(system);
	if (!other)
		return;
	options = options_with(other, "", "");
	relay = begin(&options);
	expect_legs(other, system);
	finish(relay);
	options = options_with("", "", other);
	relay = begin(&options);
	expect_legs(system, other);
	finish(relay);
}

/* A reload says something else for new connections, also nothing again. */
static void reload_changes(void)
{
	const char *other = other_name();
	struct sidetrack_relay_options options = options_with("", "", "");
	struct relay *relay = begin(&options);
	char system[LENGTH];
	struct pair pair;

	system_name(system);
	if (other) {
		options = options_with(other, "", other);
		expect_equal(sidetrack_relay_begin(relay, (const uint8_t *)&options,
						   sizeof(options)), 0);
		expect_equal(sidetrack_relay_commit(relay), 0);
		wait_for(status_of(relay).adopted == 2);
		expect_legs(other, other);
		pair = pair_open(AF_INET);
		options = options_with("", "", "");
		expect_equal(sidetrack_relay_begin(relay, (const uint8_t *)&options,
						   sizeof(options)), 0);
		expect_equal(sidetrack_relay_commit(relay), 0);
		wait_for(status_of(relay).adopted == 2);
		expect_name(pair.client, CLIENT, other);
		pair_close(&pair);
		expect_legs(system, system);
	}
	finish(relay);
}

struct table {
	struct sidetrack_relay_destinations header;
	uint32_t ipv4_start[2];
	uint32_t ipv4_bits[2];
};

static void set_attached(struct relay *relay, const char *first, const char *behind)
{
	struct in_addr from, to;
	struct table table = { .header = { 2, 0 }, .ipv4_bits = { ATTACHED, 0 } };

	expect(inet_pton(AF_INET, first, &from) == 1 && inet_pton(AF_INET, behind, &to) == 1);
	table.ipv4_start[0] = ntohl(from.s_addr);
	table.ipv4_start[1] = ntohl(to.s_addr);
	expect_equal(sidetrack_relay_set_guard(relay, (const uint8_t *)&table, sizeof(table)), 0);
	expect_equal(sidetrack_relay_publish_guard(relay), 0);
}

static bool client_has(const char *wanted)
{
	struct pair pair = pair_open(AF_INET);
	char name[LENGTH];

	name_of(relays_end(pair.client, CLIENT), name);
	pair_close(&pair);
	return strcmp(name, wanted) == 0;
}

/* The client is 10.0.0.2. */
static void attached_or_not(void)
{
	const char *other = other_name();
	struct sidetrack_relay_options options;
	struct relay *relay;
	char system[LENGTH];

	system_name(system);
	if (!other)
		return;
	options = options_with(other, system, "");
	relay = begin(&options);
	expect_legs(system, system);	/* of a machine of which nothing is known, nobody is */
	set_attached(relay, "10.0.0.0", "10.0.1.0");
	wait_for(client_has(other));
	set_attached(relay, "10.1.0.0", "10.1.1.0");
	wait_for(client_has(system));
	finish(relay);
}

static void refusals(void)
{
	static const uint8_t nonsense[] = "nonsense", longest[] = "sixteen_letters_";

	expect_equal(sidetrack_congestion(nonsense, 8), -ENOENT);
	expect_equal(sidetrack_congestion(longest, 16), -EINVAL);
	expect_equal(sidetrack_congestion(nonsense, 0), -EINVAL);
	expect_equal(sidetrack_congestion((const uint8_t *)"reno", 4), 0);
}

const struct test congestion_tests[] = {
	{ "congestion control: each leg has its own", each_leg },
	{ "congestion control: a reload changes it for new connections", reload_changes },
	{ "congestion control: clients on attached networks and others", attached_or_not },
	{ "congestion control: what the kernel refuses", refusals },
	{ NULL, NULL }
};
