// SPDX-License-Identifier: MIT
#include "sockets/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/endpoint.h"

#define MESSAGE_LENGTH 256
#define ANSWER_LENGTH 8192

/* --- asking ----------------------------------------------------------------------- */

struct message {
	union {
		struct nlmsghdr header;
		char bytes[MESSAGE_LENGTH];
	};
};

/* Where the next attribute goes. */
static struct nlattr *tail(struct message *message)
{
	return (struct nlattr *)(message->bytes + NLMSG_ALIGN(message->header.nlmsg_len));
}

static void put(struct message *message, uint16_t type, const void *value, size_t length)
{
	struct nlattr *attribute = tail(message);

	attribute->nla_type = type;
	attribute->nla_len = (uint16_t)(NLA_HDRLEN + length);
	memcpy((char *)attribute + NLA_HDRLEN, value, length);
	message->header.nlmsg_len = NLMSG_ALIGN(message->header.nlmsg_len) +
				    NLA_ALIGN(attribute->nla_len);
}

static struct nlattr *nest(struct message *message, uint16_t type)
{
	struct nlattr *attribute = tail(message);

	put(message, type | NLA_F_NESTED, "", 0);
	return attribute;
}

static void nest_end(struct message *message, struct nlattr *attribute)
{
	attribute->nla_len = (uint16_t)((char *)tail(message) - (char *)attribute);
}

static void put_addresses(struct message *message, bool ipv4,
			  const struct sidetrack_relay_entry *entry)
{
	struct nlattr *addresses = nest(message, CTA_TUPLE_IP);

	if (ipv4) {
		put(message, CTA_IP_V4_SRC, entry->local + 12, 4);
		put(message, CTA_IP_V4_DST, entry->client + 12, 4);
	} else {
		put(message, CTA_IP_V6_SRC, entry->local, 16);
		put(message, CTA_IP_V6_DST, entry->client, 16);
	}
	nest_end(message, addresses);
}

static void put_ports(struct message *message, const struct sidetrack_relay_entry *entry)
{
	struct nlattr *protocol = nest(message, CTA_TUPLE_PROTO);
	uint16_t local = htons(entry->local_port), client = htons(entry->client_port);
	uint8_t tcp = IPPROTO_TCP;

	put(message, CTA_PROTO_NUM, &tcp, sizeof(tcp));
	put(message, CTA_PROTO_SRC_PORT, &local, sizeof(local));
	put(message, CTA_PROTO_DST_PORT, &client, sizeof(client));
	nest_end(message, protocol);
}

static void message_begin(struct message *message, int type, bool ipv4, uint32_t sequence)
{
	struct nfgenmsg *netfilter = NLMSG_DATA(&message->header);

	memset(message, 0, sizeof(*message));
	message->header.nlmsg_len = NLMSG_LENGTH(sizeof(*netfilter));
	message->header.nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	message->header.nlmsg_flags = NLM_F_REQUEST;
	message->header.nlmsg_seq = sequence;
	netfilter->nfgen_family = ipv4 ? AF_INET : AF_INET6;
}

/* The reply's tuple: from us to the client as accept() saw it. */
static void message_fill(struct message *message, const struct sidetrack_relay_entry *entry,
			 bool ipv4, uint32_t sequence)
{
	struct nlattr *tuple;

	message_begin(message, IPCTNL_MSG_CT_GET, ipv4, sequence);
	tuple = nest(message, CTA_TUPLE_REPLY);
	put_addresses(message, ipv4, entry);
	put_ports(message, entry);
	nest_end(message, tuple);
}

/* --- understanding ---------------------------------------------------------------- */

/* Return: the value of the attribute in these bytes, at least @least long, or NULL */
static const unsigned char *find(const unsigned char *bytes, size_t length, uint16_t type,
				 size_t least, size_t *found)
{
	struct nlattr attribute;

	while (length >= sizeof(attribute)) {
		memcpy(&attribute, bytes, sizeof(attribute));
		if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > length)
			return NULL;
		*found = attribute.nla_len - NLA_HDRLEN;
		if ((attribute.nla_type & NLA_TYPE_MASK) == type)
			return *found >= least ? bytes + NLA_HDRLEN : NULL;
		if ((size_t)NLA_ALIGN(attribute.nla_len) > length)
			return NULL;
		bytes += NLA_ALIGN(attribute.nla_len);
		length -= NLA_ALIGN(attribute.nla_len);
	}
	return NULL;
}

/* The source of the original tuple. */
static void take_client(struct sidetrack_relay_entry *entry, bool ipv4,
			const unsigned char *bytes, size_t length)
{
	const unsigned char *tuple, *addresses, *protocol, *address, *port;
	size_t tuple_length, part, ignored, size = ipv4 ? 4 : 16;

	tuple = find(bytes, length, CTA_TUPLE_ORIG, 0, &tuple_length);
	addresses = tuple ? find(tuple, tuple_length, CTA_TUPLE_IP, 0, &part) : NULL;
	address = addresses ? find(addresses, part, ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, size,
				   &ignored) : NULL;
	protocol = tuple ? find(tuple, tuple_length, CTA_TUPLE_PROTO, 0, &part) : NULL;
	port = protocol ? find(protocol, part, CTA_PROTO_SRC_PORT, 2, &ignored) : NULL;
	if (!address || !port)
		return;
	memcpy(entry->client + 16 - size, address, size);
	entry->client_port = (uint16_t)(port[0] << 8 | port[1]);
	entry->flags |= 1U << ENTRY_TRANSLATED_BIT;
}

/*
 * The kernel has answered by the time send() returns, so there is no waiting.
 * Return: 0 to go on, or -errno if asking again would be in vain
 */
static int take_answer(int netlink, struct sidetrack_relay_entry *entry, bool ipv4,
		       uint32_t sequence)
{
	union {
		struct nlmsghdr header;
		struct {
			struct nlmsghdr header;
			struct nlmsgerr error;
		} failure;
		unsigned char bytes[ANSWER_LENGTH];
	} answer;
	const size_t begin = NLMSG_LENGTH(sizeof(struct nfgenmsg));
	ssize_t received = recv(netlink, &answer, sizeof(answer), MSG_DONTWAIT);

	if (received < (ssize_t)begin || answer.header.nlmsg_seq != sequence)
		return 0;
	if (answer.header.nlmsg_type == NLMSG_ERROR)
		return answer.failure.error.error == -EPERM ? -EPERM : 0;
	take_client(entry, ipv4, answer.bytes + begin, (size_t)received - begin);
	return 0;
}

static int translate(int netlink, struct sidetrack_relay_entry *entry, uint32_t sequence)
{
	struct endpoint client = { 0 };
	struct message message;
	bool ipv4;

	memcpy(&client.address, entry->client, sizeof(entry->client));
	ipv4 = endpoint_is_ipv4(&client);
	message_fill(&message, entry, ipv4, sequence);
	if (send(netlink, &message, message.header.nlmsg_len, 0) < 0)
		return -errno;
	return take_answer(netlink, entry, ipv4, sequence);
}

static void put_tuple(struct message *message, const struct express_key *key, bool turned)
{
	const uint32_t *source = turned ? key->destination : key->source;
	const uint32_t *destination = turned ? key->source : key->destination;
	uint16_t source_port = turned ? key->destination_port : key->source_port;
	uint16_t destination_port = turned ? key->source_port : key->destination_port;
	bool ipv4 = key->family == 4;
	struct nlattr *part = nest(message, CTA_TUPLE_IP);
	uint8_t tcp = IPPROTO_TCP;

	put(message, ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, source, ipv4 ? 4 : 16);
	put(message, ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, destination, ipv4 ? 4 : 16);
	nest_end(message, part);
	part = nest(message, CTA_TUPLE_PROTO);
	put(message, CTA_PROTO_NUM, &tcp, sizeof(tcp));
	put(message, CTA_PROTO_SRC_PORT, &source_port, sizeof(source_port));
	put(message, CTA_PROTO_DST_PORT, &destination_port, sizeof(destination_port));
	nest_end(message, part);
}

/**
 * conntrack_forget() - Have the kernel forget a connection whose end it has not seen
 * @key:	How packets of one side come
 * @turned:	The other side has opened it
 *
 * Takes CAP_NET_ADMIN; without it, or where nothing is tracked, nothing happens.
 */
void conntrack_forget(const struct express_key *key, bool turned)
{
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	struct message message;
	struct nlattr *tuple;

	if (netlink < 0)
		return;
	message_begin(&message, IPCTNL_MSG_CT_DELETE, key->family == 4, 1);
	tuple = nest(&message, CTA_TUPLE_ORIG);
	put_tuple(&message, key, turned);
	nest_end(&message, tuple);
	(void)send(netlink, &message, message.header.nlmsg_len, 0);
	close(netlink);
}

/**
 * conntrack_translate() - Put the true clients into a list, as far as they are to be had
 * @entry:	Connections
 * @count:	How many
 */
void conntrack_translate(struct sidetrack_relay_entry *entry, uint32_t count)
{
	int netlink;
	uint32_t i;

	if (!count)
		return;
	netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (netlink < 0)
		return;
	for (i = 0; i < count; i++)
		if (translate(netlink, &entry[i], i + 1) < 0)
			break;
	close(netlink);
}
