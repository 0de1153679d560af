/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The line between the classifier and TypeScript.
 *
 * All that both sides must agree on stands here and nowhere else.  abi-gen.c,
 * compiled against this header, prints abi.ts with the offsets that the
 * compiler chose; `make -C bpf check-abi` fails when abi.ts is stale.
 *
 * Integers are in the machine's byte order, addresses of servers, next hops
 * and keys of flows in network order, as they stand in the packet.
 */
#ifndef SIDETRACK_BPF_ABI_H
#define SIDETRACK_BPF_ABI_H

#include <linux/types.h>

/* Guards and rules together; one bit each in a row of the rule matrix. */
#define RULES_MAX 1024
#define ROW_WORDS (RULES_MAX / 64)
#define SERVERS_MAX 16
#define TARGETS_MAX 16	/* a power of two */
#define RULE_NAME_LENGTH 128
#define NAT64_MAX 8
/* Network devices that one program set's XDP program may sit on. */
#define PORTS_MAX 16

/* Of policy/choice.ts: slots of a table, how many targets each names, and room for the slots. */
#define CHOICE_SLOTS 1021
#define CHOICE_LEVELS 3
#define CHOICE_ROOM 1024
/* Tables of a group: of each family, of its servers and of its backups. */
#define TABLES_PER_GROUP 4

/* Without a heartbeat for so long a server is given no new flow: HEARTBEAT_ALIVE_MS of server-health.ts. */
#define HEARTBEAT_ALIVE_NS 2000000000ull
/* A return within so long of the one before is held the longer; how long is HOLD_SECONDS of heartbeat.h. */
#define FLAP_NS 120000000000ull

/* An interior node of the IPv6 tree has 7 keys between 8 references. */
#define TREE_KEYS 7
/* Levels of both halves of an address together. */
#define TREE_DEPTH 18

/* Small numbers stand in blocks, since an array's elements are padded to 8 bytes. */
#define REFS_PER_BLOCK 16
#define REF_KIND_SHIFT 30
#define REF_VALUE_MASK ((1u << REF_KIND_SHIFT) - 1)

/* Codes of a /24: 0 to 2 name a class of the palette. */
#define CODE_ESCAPE 3

/* Flow ages are counted in units of 2^30 ns: a shift where a second would need a division. */
#define FLOW_CLOCK_SHIFT 30

/* X(NAME, what it means) */
#define VERDICTS(X)							\
	X(DIRECT, "leave alone")					\
	X(PROXY, "hand over to the server")				\
	X(BLOCK, "drop")

/* X(NAME, what it means) */
#define FLOW_STATES(X)							\
	X(OPENING, "its SYN was seen")					\
	X(ESTABLISHED, "the client has sent data")			\
	X(CLOSING, "the client sent FIN or RST")

/*
 * X(name, what it means).  Every packet is counted under exactly one outcome,
 * so that they sum up to what the interface received.
 */
#define OUTCOMES(X)							\
	X(not_for_us, "frames to another station's MAC address")	\
	X(other_vlan, "frames with a VLAN id, left to the VLAN's interface")	\
	X(not_ip, "neither IPv4 nor IPv6")				\
	X(malformed, "truncated, or headers that contradict themselves")	\
	X(embedded_v4, "dropped: IPv6 addresses that stand for an IPv4 one")	\
	X(unseen, "dropped: headers that cannot be seen, and a rule that could block them")	\
	X(from_server, "sent by a server")				\
	X(heartbeat, "heartbeats of servers")				\
	X(heartbeat_ignored, "dropped: to the heartbeats' port from a server's address, and not authentic")	\
	X(fragment, "TCP fragments, which are never steered")		\
	X(unjudged, "other protocols while no rule could block them")	\
	X(unknown_flow, "later packets of TCP flows that are not steered")	\
	X(direct, "judged, and left alone")				\
	X(blocked, "judged, and dropped")				\
	X(marked, "steered by mark")					\
	X(redirected, "steered straight to the server's link address")

/* X(name, what it means): what happened besides */
#define EVENTS(X)							\
	X(admitted, "flows entered into the flow table")		\
	X(closing, "steered flows that the client closed")		\
	X(expired, "flows found too old, and forgotten")		\
	X(local, "flows to an address of this router that no guard listed")	\
	X(on_failure, "flows that could not be handed over")		\
	X(over_share, "of these, flows of clients over their share")	\
	X(table_full, "of these, flows without room in the table")	\
	X(no_route, "of these, flows without a way to the server")	\
	X(no_server, "of these, flows while no server was fit")		\
	X(heartbeat_stranger, "packets to the heartbeats' port from no server's address, left alone")	\
	X(fallback_neighbour, "marked: the server's link address is unknown")	\
	X(fallback_ttl, "marked: the TTL ends here, and the stack must say so")	\
	X(fallback_mtu, "marked: too large for the way to the server")	\
	X(fallback_vlan, "marked: the frame has a VLAN tag")		\
	X(fallback_silent, "marked: the server is silent, and nftables resets the flow")	\
	X(xdp_passed, "steered packets that XDP had to leave to tc")

/*
 * X(NAME, what was wrong): packets to the heartbeats' port from a server's address that are no heartbeat
 * of its; the order of IGNORED_HEARTBEATS of server-health.ts, where `address` is from no server's.
 */
#define IGNORED(X)							\
	X(tag, "the hash is not that of its key")			\
	X(address, "unused: counted as heartbeat_stranger")		\
	X(mac, "from another link address than the configured one")	\
	X(replay, "the counter did not go up")				\
	X(malformed, "no heartbeat of a version that is known")

enum ignored {
#define X(name, help) IGNORED_##name,
	IGNORED(X)
#undef X
	IGNORED_KINDS
};

/* Bits of a heartbeat's flags: HEARTBEAT_FLAGS of server-health.ts. */
#define HEARTBEAT_FIT4 1
#define HEARTBEAT_FIT6 2
#define HEARTBEAT_LEAVING 4

/* X(NAME, what is hashed) */
#define BALANCES(X)							\
	X(client, "the source address")					\
	X(client_destination, "both addresses")				\
	X(flow, "both addresses and ports")

enum balance {
#define X(name, help) BALANCE_##name,
	BALANCES(X)
#undef X
};

enum verdict {
#define X(name, help) VERDICT_##name,
	VERDICTS(X)
#undef X
};

/* The top two bits of a reference; what the others number depends on where it stands. */
enum ref_kind {
	REF_CLASS = 0,	/* the class itself */
	/* in v4_refs */
	REF_PAIR = 1,	/* a /24 of two classes */
	REF_LEAF = 2,	/* a /24 of more classes */
	/* in v6_index and v6_nodes */
	REF_NODE = 1,	/* a node of the tree */
	REF_LOW = 2,	/* the root of a tree over the low half of the address */
};

enum flow_state {
#define X(name, help) FLOW_##name,
	FLOW_STATES(X)
#undef X
};

enum counter_name {
#define X(name, help) COUNT_##name,
	OUTCOMES(X)
	EVENTS(X)
#undef X
	COUNTERS
};

/* X(name, what it means): 32 bits each */
#define SETTINGS(X)							\
	X(targets, "entries used of target")				\
	X(groups, "groups of targets; 0: every flow goes to the first of its family")	\
	X(balance, "what a flow's target is chosen by")			\
	X(choice_seed, "of the hash")					\
	X(heartbeats, "whether a target has heartbeats")		\
	X(heartbeat_port, "UDP port that they come to, in network order")	\
	X(rise, "heartbeats in a row that a server needs to come back")	\
	X(reset_after, "seconds of silence after which its flows are left to nftables")	\
	X(follows_macs, "whether a server may move to another link address")	\
	X(ports, "entries used of port")				\
	X(blocks, "whether a rule may block anything")			\
	X(judges_others, "whether a rule may block what is not TCP")	\
	X(blocks_on_failure, "on_failure: block or reset")		\
	X(reset_mark, "on_failure: reset: the bits by which nftables knows what to reset; 0: dropped")	\
	X(reset_mask, "the bits of the mark that are ours")		\
	X(max_flows_per_client, "of each family; 0: no limit")		\
	X(has_macs, "whether a rule names a MAC address")		\
	X(server_macs, "entries used of server_mac")			\
	X(server_v4s, "entries used of server_v4")			\
	X(server_v6s, "entries used of server_v6")			\
	X(nat64s, "entries used of nat64")				\
	X(has_reserved, "whether one of them is shorter than /96")	\
	X(guards, "bits of the first rules, which look at no embedded address")	\
	X(rules, "number of rules, and the index of the default")	\
	X(row_words, "words used of each row")				\
	X(from_rows, "row of class 0 as a source")			\
	X(port_rows, "row of port class 0 over TCP")			\
	X(port_classes, "port classes, the last one for a port that cannot be seen")	\
	X(mac_rows, "row of MAC class 0 as a condition of its own")	\
	X(from_mac_rows, "row of MAC class 0 as a source")

/* X(name, what it means): 32 bits each, of one server that packets are steered to */
#define TARGET_SETTINGS(X)						\
	X(mark_value, "the bits to set")				\
	X(mark_mask, "the bits that are ours")				\
	X(redirect_ifindex, "the way to the server; 0 marks instead")	\
	X(xdp_ifindex, "XDP: the device, or the port of it, that the server is behind")	\
	X(route_v4, "interface that the policy route must use; 0: any")	\
	X(route_v6, "interface that the policy route must use; 0: any")	\
	X(steers_v4, "0: the server has no IPv4 address")		\
	X(steers_v6, "0: the server has no IPv6 address")		\
	X(has_heartbeat, "judged by its heartbeat")			\
	X(asks_route, "judged by the way to it")			\
	X(needs_route, "another program has its route: a known neighbour alone is no way")	\
	X(state, "its entry in servers")

struct target {
#define X(name, help) __u32 name;
	TARGET_SETTINGS(X)
#undef X
	__u32 next_hop_v4;
	__u32 next_hop_v6[4];
	/* Where its heartbeats come from; 0: from no address of this family. */
	__u32 heartbeat_v4;
	__u32 heartbeat_v6[4];
	__u64 heartbeat_mac;	/* six bytes, then two of zero; 0: any, and followed */
	__u64 owner;		/* which key they are made with */
};

/* Not among the constants: those stand in the verifier's log. */
struct heartbeat_key {
	__u64 word[2];
};

/* Of one family of a server. */
struct family_state {
	__u64 since;		/* when it came to be up */
	__u64 returned;		/* when it last came back; 0: never */
	__u64 held_until;	/* too many returns: only where no other is fit */
	__u32 rise;		/* heartbeats in a row that said fit */
	__u16 flaps;		/* returns, each within FLAP_NS of the one before */
	__u16 is_up;		/* as of the last heartbeat */
};

/* What the heartbeats of a server have said; outlives program sets. Times are CLOCK_MONOTONIC in ns. */
struct server_state {
	__u64 owner;		/* which key they were made with; of another one nothing here is true */
	__u64 heard;		/* when the last authentic one came, or the attach that believed in it */
	__u64 counter;		/* of the last one; 0: none came yet */
	__u64 mac;		/* where the last one came from */
	struct family_state family[2];	/* IPv4, IPv6 */
	__u8 flags;		/* of the last one */
	__u8 reason;
	__u8 unused[6];
	__u64 ignored[IGNORED_KINDS];
};

/* Which of a group's targets has a slot: policy/choice.ts. */
struct choice {
	__u32 count;		/* entries used of order; 0: none of this family, or no backups */
	__u8 order[TARGETS_MAX];
	__u8 slot[CHOICE_LEVELS][CHOICE_ROOM];
};

/* A device with the XDP program, and what it belongs to: itself, or the bridge. */
struct port {
	__u32 ifindex;
	__u32 router_ifindex;
	__u64 mac;	/* of router_ifindex: six bytes, then two of zero */
};

/* A prefix of RFC 6052, in host order. */
struct nat64 {
	__u64 high, low;
	__u64 high_mask, low_mask;
	__u64 length;
};

/* One program set's constants: .rodata, so the verifier folds them. */
struct config {
#define X(name, help) __u32 name;
	SETTINGS(X)
#undef X
	__u32 palette[4];
	struct target target[TARGETS_MAX];
	__u32 server_v4[SERVERS_MAX];
	__u32 server_v6[SERVERS_MAX][4];
	__u64 server_mac[SERVERS_MAX];	/* six bytes, then two of zero */
	struct port port[PORTS_MAX];
	struct nat64 nat64[NAT64_MAX];
	__u8 verdict[RULES_MAX + 8];
	__u16 group[RULES_MAX + 8];	/* which targets a rule means */
};

struct flow_key_v4 {
	__be32 source, destination;
	__be16 source_port, destination_port;
};

struct flow_key_v6 {
	__be32 source[4], destination[4];
	__be16 source_port, destination_port;
};

struct flow {
	__u32 seen;	/* CLOCK_MONOTONIC in units of 2^FLOW_CLOCK_SHIFT ns */
	__u16 state;
	__u16 target;	/* which of config.target it goes to */
};

/* Who counts as one client: an address. */
struct client_key {
	__be32 address[4];	/* IPv4 uses the first word */
	__u32 family;
};

struct client {
	__u32 flows;	/* in the flow table */
	__u32 refused;	/* when it was last over its share, like `seen`; 0: never */
};

/* A /16, found by its number. */
struct v4_block {
	__u64 codes[8];		/* 2 bits a /24, the lowest first */
	__u8 before[8];		/* escapes in this block before each word of codes */
	__u32 first_ref;	/* of its escapes, the rest follow */
	__u32 unused;
};

struct ref_block {
	__u32 ref[REFS_PER_BLOCK];
};

/* A /24 whose addresses are of two classes; most /24s that are mixed at all. */
struct v4_pair {
	__u64 bits[4];
	__u32 class[2];
};

struct v4_leaf {
	__u16 class[256];
};

struct v6_node {
	__u64 key[TREE_KEYS];		/* ascending; unused ones are all ones */
	__u32 ref[TREE_KEYS + 1];	/* unused ones repeat the last */
};

/* Bit r: rule r does not mind this class of address, port or MAC. */
struct row {
	__u64 word[ROW_WORDS];
};

struct counter {
	__u64 packets;
	__u64 bytes;
};

#endif /* SIDETRACK_BPF_ABI_H */
