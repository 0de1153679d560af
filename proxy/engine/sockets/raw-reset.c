// SPDX-License-Identifier: MIT
#include "sockets/raw-reset.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOPS 64

struct ipv4_reset {
	struct iphdr ip;
	struct tcphdr tcp;
};

struct ipv6_reset {
	struct ip6_hdr ip;
	struct tcphdr tcp;
};

static uint32_t add(uint32_t sum, const void *bytes, size_t length)
{
	const unsigned char *byte = bytes;
	size_t i;

	for (i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)byte[i] << 8 | byte[i + 1];
	return sum;
}

static void fill(struct tcphdr *tcp, const struct express_key *key, uint32_t sequence)
{
	size_t size = key->family == 4 ? 4 : 16;
	uint32_t sum = IPPROTO_TCP + sizeof(*tcp);

	memset(tcp, 0, sizeof(*tcp));
	tcp->source = key->destination_port;
	tcp->dest = key->source_port;
	tcp->seq = htonl(sequence);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	sum = add(sum, key->source, size);
	sum = add(sum, key->destination, size);
	sum = add(sum, tcp, sizeof(*tcp));
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	tcp->check = htons((uint16_t)~sum);
}

static void send_ipv4(int fd, const struct express_key *key, uint32_t sequence)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = key->source[0] };
	struct ipv4_reset packet;

	memset(&packet, 0, sizeof(packet));	/* the kernel fills in length and checksum */
	packet.ip.version = 4;
	packet.ip.ihl = sizeof(packet.ip) / 4;
	packet.ip.ttl = HOPS;
	packet.ip.protocol = IPPROTO_TCP;
	packet.ip.saddr = key->destination[0];
	packet.ip.daddr = key->source[0];
	fill(&packet.tcp, key, sequence);
	(void)sendto(fd, &packet, sizeof(packet), MSG_DONTWAIT, (struct sockaddr *)&to,
		     sizeof(to));
}

static void send_ipv6(int fd, const struct express_key *key, uint32_t sequence)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 };
	struct ipv6_reset packet;

	memset(&packet, 0, sizeof(packet));
	packet.ip.ip6_flow = htonl(6U << 28);
	packet.ip.ip6_plen = htons(sizeof(packet.tcp));
	packet.ip.ip6_nxt = IPPROTO_TCP;
	packet.ip.ip6_hlim = HOPS;
	memcpy(&packet.ip.ip6_src, key->destination, sizeof(packet.ip.ip6_src));
	memcpy(&packet.ip.ip6_dst, key->source, sizeof(packet.ip.ip6_dst));
	to.sin6_addr = packet.ip.ip6_dst;
	fill(&packet.tcp, key, sequence);
	(void)sendto(fd, &packet, sizeof(packet), MSG_DONTWAIT, (struct sockaddr *)&to,
		     sizeof(to));
}

/**
 * raw_reset() - Reset a connection, without a socket of it
 * @from_peer:	How the peer's packets come
 * @sequence:	What the peer waits for
 *
 * Takes CAP_NET_RAW.  Best effort: a peer that is not reached is reset by its own next packet.
 */
void raw_reset(const struct express_key *from_peer, uint32_t sequence)
{
	int family = from_peer->family == 4 ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	if (fd < 0)
		return;
	if (family == AF_INET)
		send_ipv4(fd, from_peer, sequence);
	else
		send_ipv6(fd, from_peer, sequence);
	close(fd);
}
