/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the relay and the program of the mode `express` share: one slot for each flow.
 *
 * The slots are one array in the kernel that the relay maps into its memory, so that both
 * directions change their state by one store, and counters are read without a system call.
 * The hash `flows` leads from a packet's addresses and ports to a slot and a side.
 *
 * bpf/ and proxy/engine/ have a copy each, which `make -C bpf check` compares.
 */
#ifndef SIDETRACK_EXPRESS_FLOW_H
#define SIDETRACK_EXPRESS_FLOW_H

#include <linux/types.h>

/* Raised with every change; the maps' pins carry it in their names. */
#define EXPRESS_VERSION 1

#define EXPRESS_SLOTS 16384
#define EXPRESS_SIDES 2

enum express_state {
	EXPRESS_FREE,
	EXPRESS_HOLD,	/* payload and FIN are dropped and come again, all else passes */
	EXPRESS_PASSING,	/* packets are translated and sent on */
	EXPRESS_ENDED,	/* the same, but a SYN is a new connection's */
	EXPRESS_KILLED,	/* packets are dropped while the relay resets both ends */
};

/* Addresses as on the wire: IPv4 uses the first word. */
struct express_key {
	__u32 source[4];
	__u32 destination[4];
	__u16 source_port;	/* both in network order */
	__u16 destination_port;
	__u16 family;		/* 4 or 6 */
	__u16 zero;
};

struct express_place {
	__u32 slot;
	__u32 side;
};

/*
 * Packets that come from one side.  Sequence numbers are those of that side's own
 * connection with the relay, before any translation.
 */
struct express_side {
	/* written by the relay before the flow passes */
	struct express_key key;		/* how they come */
	__u32 source[4];		/* how they leave */
	__u32 destination[4];
	__u16 source_port;
	__u16 destination_port;
	__u32 sequence_delta;		/* added to what is sent */
	__u32 acknowledge_delta;	/* added to what is acknowledged, SACK blocks too */
	__u32 timestamp_base;		/* what the relay would have said as that began */
	__u8 window_left;		/* the scale that this side announced */
	__u8 window_right;		/* the scale that the relay announced to the other side */
	__u8 has_timestamps;
	__u8 pad;
	/* written by the program */
	__u32 interface;		/* where its last packet came in */
	__u32 seen;			/* a packet has come since the hold began */
	__u32 end;			/* highest sequence number that it has sent, FIN included */
	__u32 acknowledged;		/* highest that it has acknowledged, in the other side's numbers */
	__u32 window;			/* bytes that it takes beyond that */
	__u32 fin;			/* has_fin: the number behind its FIN */
	__u32 has_fin;
	__u64 timestamp_delta;		/* bit 32: known; below it what is added */
	__u64 packets;			/* as they come, merged by GRO */
};

struct express_slot {
	__u32 state;		/* enum express_state */
	__u32 owner;		/* process that has it, 0: none */
	__u64 begun_ns;
	__u64 last_ns;		/* of CLOCK_MONOTONIC: the last packet */
	__u32 reset;		/* 1 + the side of an RST that the other side has to believe */
	__u32 dropped;		/* packets held, or that cannot be sent on */
	struct express_side side[EXPRESS_SIDES];
};

#endif /* SIDETRACK_EXPRESS_FLOW_H */
