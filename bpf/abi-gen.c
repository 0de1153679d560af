// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Prints abi.ts: the lists and the layout of abi.h, as the compiler sees them. */
#include <stddef.h>
#include <stdio.h>

#include "abi.h"

static void entry(const char *name, size_t value, const char *help)
{
	printf("  /** %s */\n  %s: %zu,\n", help, name, value);
}

static void begin(const char *name, const char *help)
{
	printf("\n/** %s */\nexport const %s = {\n", help, name);
}

static void end(void)
{
	printf("} as const;\n");
}

static void constant(const char *name, size_t value)
{
	printf("export const %s = %zu;\n", name, value);
}

static void names(const char *name, const char *help)
{
	printf("\n/** %s */\nexport const %s = [\n", help, name);
}

static void print_limits(void)
{
	printf("\n");
	constant("RULES_MAX", RULES_MAX);
	constant("ROW_WORDS", ROW_WORDS);
	constant("SERVERS_MAX", SERVERS_MAX);
	constant("TARGETS_MAX", TARGETS_MAX);
	constant("RULE_NAME_LENGTH", RULE_NAME_LENGTH);
	constant("NAT64_MAX", NAT64_MAX);
	constant("PORTS_MAX", PORTS_MAX);
	constant("CHOICE_SLOTS", CHOICE_SLOTS);
	constant("CHOICE_LEVELS", CHOICE_LEVELS);
	constant("CHOICE_ROOM", CHOICE_ROOM);
	constant("TABLES_PER_GROUP", TABLES_PER_GROUP);
	constant("HEARTBEAT_ALIVE_NS", HEARTBEAT_ALIVE_NS);
	constant("TREE_KEYS", TREE_KEYS);
	constant("TREE_DEPTH", TREE_DEPTH);
	constant("REFS_PER_BLOCK", REFS_PER_BLOCK);
	constant("REF_KIND_SHIFT", REF_KIND_SHIFT);
	constant("REF_VALUE_MASK", REF_VALUE_MASK);
	constant("CODE_ESCAPE", CODE_ESCAPE);
	constant("FLOW_CLOCK_SHIFT", FLOW_CLOCK_SHIFT);
}

static void print_kinds(void)
{
	begin("refKind", "The top two bits of a reference.");
	entry("class", REF_CLASS, "the class itself");
	entry("node", REF_NODE, "IPv6: a node of the tree");
	entry("low", REF_LOW, "IPv6: the root of a tree over the low half of the address");
	entry("pair", REF_PAIR, "IPv4: a /24 of two classes");
	entry("leaf", REF_LEAF, "IPv4: a /24 of more classes");
	end();
	begin("verdictNumber", "What becomes of a packet.");
#define X(name, help) entry(#name, VERDICT_##name, help);
	VERDICTS(X)
#undef X
	end();
	begin("flowState", "Of an entry of the flow table.");
#define X(name, help) entry(#name, FLOW_##name, help);
	FLOW_STATES(X)
#undef X
	end();
	begin("balanceNumber", "What a flow's target is chosen by.");
#define X(name, help) entry(#name, BALANCE_##name, help);
	BALANCES(X)
#undef X
	end();
}

static void print_counters(void)
{
#define X(name, help) printf("  /** %s */\n  '%s',\n", help, #name);
	names("outcomes", "Counters: each packet is counted under exactly one of these.");
	OUTCOMES(X)
	printf("] as const;\n");
	names("events", "The counters that follow: what happened besides.");
	EVENTS(X)
	printf("] as const;\n");
	names("ignoredHeartbeats", "What was wrong with heartbeats, as a server's state counts it.");
	IGNORED(X)
	printf("] as const;\n");
#undef X
}

static void print_config(void)
{
	begin("configOffset", "Byte offsets of 32-bit settings.");
#define X(name, help) entry(#name, offsetof(struct config, name), help);
	SETTINGS(X)
#undef X
	end();
	begin("configArray", "Byte offsets of the arrays behind them.");
	entry("palette", offsetof(struct config, palette), "u32 classes of the codes 0 to 2");
	entry("target", offsetof(struct config, target), "a server that packets are steered to");
	entry("server_v4", offsetof(struct config, server_v4), "4 bytes each");
	entry("server_v6", offsetof(struct config, server_v6), "16 bytes each");
	entry("server_mac", offsetof(struct config, server_mac), "6 bytes, each in 8");
	entry("port", offsetof(struct config, port), "XDP: u32 device, u32 its router interface, MAC in 8");
	entry("nat64", offsetof(struct config, nat64), "u64 prefix and mask in halves, length");
	entry("verdict", offsetof(struct config, verdict), "u8 of each rule, then the default");
	entry("group", offsetof(struct config, group), "u16 of each rule, then the default");
	end();
	constant("CONFIG_SIZE", sizeof(struct config));
	begin("targetOffset", "Byte offsets in a target.");
#define X(name, help) entry(#name, offsetof(struct target, name), help);
	TARGET_SETTINGS(X)
#undef X
	entry("next_hop_v4", offsetof(struct target, next_hop_v4), "4 bytes");
	entry("next_hop_v6", offsetof(struct target, next_hop_v6), "16 bytes");
	entry("heartbeat_v4", offsetof(struct target, heartbeat_v4), "4 bytes");
	entry("heartbeat_v6", offsetof(struct target, heartbeat_v6), "16 bytes");
	entry("heartbeat_mac", offsetof(struct target, heartbeat_mac), "6 bytes, in 8");
	entry("owner", offsetof(struct target, owner), "u64");
	end();
}

static void print_sizes(void)
{
	begin("structSize", "Bytes of a map's key or value.");
	entry("flowKeyV4", sizeof(struct flow_key_v4), "source, destination, their ports");
	entry("flowKeyV6", sizeof(struct flow_key_v6), "source, destination, their ports");
	entry("flow", sizeof(struct flow), "u32 seen, u16 state, u16 target");
	entry("clientKey", sizeof(struct client_key), "16 bytes of the address, u32 family");
	entry("client", sizeof(struct client), "u32 flows, u32 refused");
	entry("block", sizeof(struct v4_block), "a /16");
	entry("pair", sizeof(struct v4_pair), "a /24 of two classes");
	entry("leaf", sizeof(struct v4_leaf), "a /24 of more classes: u16 each");
	entry("node", sizeof(struct v6_node), "u64 keys, u32 references");
	entry("row", sizeof(struct row), "u64 words");
	entry("port", sizeof(struct port), "XDP: a device");
	entry("target", sizeof(struct target), "a server that packets are steered to");
	entry("nat64", sizeof(struct nat64), "a prefix of NAT64");
	entry("heartbeatKey", sizeof(struct heartbeat_key), "16 bytes");
	entry("server", sizeof(struct server_state), "what a server's heartbeats said");
	entry("family", sizeof(struct family_state), "of one family of it");
	entry("choice", sizeof(struct choice), "u32 entries of order, order, slots");
	entry("counter", sizeof(struct counter), "u64 packets, u64 bytes");
	end();
	begin("serverOffset", "Byte offsets in what a server's heartbeats said.");
	entry("owner", offsetof(struct server_state, owner), "u64");
	entry("heard", offsetof(struct server_state, heard), "u64 ns");
	entry("counter", offsetof(struct server_state, counter), "u64");
	entry("mac", offsetof(struct server_state, mac), "6 bytes, in 8");
	entry("family", offsetof(struct server_state, family), "IPv4, then IPv6");
	entry("flags", offsetof(struct server_state, flags), "u8");
	entry("reason", offsetof(struct server_state, reason), "u8");
	entry("ignored", offsetof(struct server_state, ignored), "u64 each");
	end();
	begin("familyOffset", "Byte offsets in one family of it.");
	entry("since", offsetof(struct family_state, since), "u64 ns");
	entry("returned", offsetof(struct family_state, returned), "u64 ns");
	entry("heldUntil", offsetof(struct family_state, held_until), "u64 ns");
	entry("rise", offsetof(struct family_state, rise), "u32");
	entry("flaps", offsetof(struct family_state, flaps), "u16");
	entry("isUp", offsetof(struct family_state, is_up), "u16");
	end();
	begin("choiceOffset", "Byte offsets in a table of a group.");
	entry("order", offsetof(struct choice, order), "u8 each");
	entry("slots", offsetof(struct choice, slot), "CHOICE_ROOM u8 of each level");
	end();
	begin("blockOffset", "Byte offsets in a /16.");
	entry("codes", offsetof(struct v4_block, codes), "8 u64");
	entry("before", offsetof(struct v4_block, before), "8 u8");
	entry("firstRef", offsetof(struct v4_block, first_ref), "u32");
	end();
	begin("pairOffset", "Byte offsets in a pair.");
	entry("bits", offsetof(struct v4_pair, bits), "4 u64");
	entry("class", offsetof(struct v4_pair, class), "2 u32");
	end();
	begin("nodeOffset", "Byte offsets in a node.");
	entry("key", offsetof(struct v6_node, key), "7 u64");
	entry("ref", offsetof(struct v6_node, ref), "8 u32");
	end();
}

int main(void)
{
	printf("// Generated from bpf/abi.h by `make -C bpf abi`; do not edit.\n");
	print_limits();
	print_kinds();
	print_counters();
	print_config();
	print_sizes();
	return 0;
}
