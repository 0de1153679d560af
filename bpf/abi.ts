// Generated from bpf/abi.h by `make -C bpf abi`; do not edit.

export const RULES_MAX = 1024;
export const ROW_WORDS = 16;
export const SERVERS_MAX = 16;
export const TARGETS_MAX = 16;
export const RULE_NAME_LENGTH = 128;
export const NAT64_MAX = 8;
export const PORTS_MAX = 16;
export const CHOICE_SLOTS = 1021;
export const CHOICE_LEVELS = 3;
export const CHOICE_ROOM = 1024;
export const TABLES_PER_GROUP = 4;
export const HEARTBEAT_ALIVE_NS = 2000000000;
export const TREE_KEYS = 7;
export const TREE_DEPTH = 18;
export const REFS_PER_BLOCK = 16;
export const REF_KIND_SHIFT = 30;
export const REF_VALUE_MASK = 1073741823;
export const CODE_ESCAPE = 3;
export const FLOW_CLOCK_SHIFT = 30;

/** The top two bits of a reference. */
export const refKind = {
  /** the class itself */
  class: 0,
  /** IPv6: a node of the tree */
  node: 1,
  /** IPv6: the root of a tree over the low half of the address */
  low: 2,
  /** IPv4: a /24 of two classes */
  pair: 1,
  /** IPv4: a /24 of more classes */
  leaf: 2,
} as const;

/** What becomes of a packet. */
export const verdictNumber = {
  /** leave alone */
  DIRECT: 0,
  /** hand over to the server */
  PROXY: 1,
  /** drop */
  BLOCK: 2,
} as const;

/** Of an entry of the flow table. */
export const flowState = {
  /** its SYN was seen */
  OPENING: 0,
  /** the client has sent data */
  ESTABLISHED: 1,
  /** the client sent FIN or RST */
  CLOSING: 2,
} as const;

/** What a flow's target is chosen by. */
export const balanceNumber = {
  /** the source address */
  client: 0,
  /** both addresses */
  client_destination: 1,
  /** both addresses and ports */
  flow: 2,
} as const;

/** Counters: each packet is counted under exactly one of these. */
export const outcomes = [
  /** frames to another station's MAC address */
  'not_for_us',
  /** frames with a VLAN id, left to the VLAN's interface */
  'other_vlan',
  /** neither IPv4 nor IPv6 */
  'not_ip',
  /** truncated, or headers that contradict themselves */
  'malformed',
  /** dropped: IPv6 addresses that stand for an IPv4 one */
  'embedded_v4',
  /** dropped: headers that cannot be seen, and a rule that could block them */
  'unseen',
  /** sent by a server */
  'from_server',
  /** heartbeats of servers */
  'heartbeat',
  /** dropped: to the heartbeats' port from a server's address, and not authentic */
  'heartbeat_ignored',
  /** TCP fragments, which are never steered */
  'fragment',
  /** other protocols while no rule could block them */
  'unjudged',
  /** later packets of TCP flows that are not steered */
  'unknown_flow',
  /** judged, and left alone */
  'direct',
  /** judged, and dropped */
  'blocked',
  /** steered by mark */
  'marked',
  /** steered straight to the server's link address */
  'redirected',
] as const;

/** The counters that follow: what happened besides. */
export const events = [
  /** flows entered into the flow table */
  'admitted',
  /** steered flows that the client closed */
  'closing',
  /** flows found too old, and forgotten */
  'expired',
  /** flows to an address of this router that no guard listed */
  'local',
  /** flows that could not be handed over */
  'on_failure',
  /** of these, flows of clients over their share */
  'over_share',
  /** of these, flows without room in the table */
  'table_full',
  /** of these, flows without a way to the server */
  'no_route',
  /** of these, flows while no server was fit */
  'no_server',
  /** packets to the heartbeats' port from no server's address, left alone */
  'heartbeat_stranger',
  /** marked: the server's link address is unknown */
  'fallback_neighbour',
  /** marked: the TTL ends here, and the stack must say so */
  'fallback_ttl',
  /** marked: too large for the way to the server */
  'fallback_mtu',
  /** marked: the frame has a VLAN tag */
  'fallback_vlan',
  /** marked: the server is silent, and nftables resets the flow */
  'fallback_silent',
  /** steered packets that XDP had to leave to tc */
  'xdp_passed',
] as const;

/** What was wrong with heartbeats, as a server's state counts it. */
export const ignoredHeartbeats = [
  /** the hash is not that of its key */
  'tag',
  /** unused: counted as heartbeat_stranger */
  'address',
  /** from another link address than the configured one */
  'mac',
  /** the counter did not go up */
  'replay',
  /** no heartbeat of a version that is known */
  'malformed',
] as const;

/** Byte offsets of 32-bit settings. */
export const configOffset = {
  /** entries used of target */
  targets: 0,
  /** groups of targets; 0: every flow goes to the first of its family */
  groups: 4,
  /** what a flow's target is chosen by */
  balance: 8,
  /** of the hash */
  choice_seed: 12,
  /** whether a target has heartbeats */
  heartbeats: 16,
  /** UDP port that they come to, in network order */
  heartbeat_port: 20,
  /** heartbeats in a row that a server needs to come back */
  rise: 24,
  /** seconds of silence after which its flows are left to nftables */
  reset_after: 28,
  /** whether a server may move to another link address */
  follows_macs: 32,
  /** entries used of port */
  ports: 36,
  /** whether a rule may block anything */
  blocks: 40,
  /** whether a rule may block what is not TCP */
  judges_others: 44,
  /** on_failure: block or reset */
  blocks_on_failure: 48,
  /** on_failure: reset: the bits by which nftables knows what to reset; 0: dropped */
  reset_mark: 52,
  /** the bits of the mark that are ours */
  reset_mask: 56,
  /** of each family; 0: no limit */
  max_flows_per_client: 60,
  /** whether a rule names a MAC address */
  has_macs: 64,
  /** entries used of server_mac */
  server_macs: 68,
  /** entries used of server_v4 */
  server_v4s: 72,
  /** entries used of server_v6 */
  server_v6s: 76,
  /** entries used of nat64 */
  nat64s: 80,
  /** whether one of them is shorter than /96 */
  has_reserved: 84,
  /** bits of the first rules, which look at no embedded address */
  guards: 88,
  /** number of rules, and the index of the default */
  rules: 92,
  /** words used of each row */
  row_words: 96,
  /** row of class 0 as a source */
  from_rows: 100,
  /** row of port class 0 over TCP */
  port_rows: 104,
  /** port classes, the last one for a port that cannot be seen */
  port_classes: 108,
  /** row of MAC class 0 as a condition of its own */
  mac_rows: 112,
  /** row of MAC class 0 as a source */
  from_mac_rows: 116,
} as const;

/** Byte offsets of the arrays behind them. */
export const configArray = {
  /** u32 classes of the codes 0 to 2 */
  palette: 120,
  /** a server that packets are steered to */
  target: 136,
  /** 4 bytes each */
  server_v4: 1800,
  /** 16 bytes each */
  server_v6: 1864,
  /** 6 bytes, each in 8 */
  server_mac: 2120,
  /** XDP: u32 device, u32 its router interface, MAC in 8 */
  port: 2248,
  /** u64 prefix and mask in halves, length */
  nat64: 2504,
  /** u8 of each rule, then the default */
  verdict: 2824,
  /** u16 of each rule, then the default */
  group: 3856,
} as const;
export const CONFIG_SIZE = 5920;

/** Byte offsets in a target. */
export const targetOffset = {
  /** the bits to set */
  mark_value: 0,
  /** the bits that are ours */
  mark_mask: 4,
  /** the way to the server; 0 marks instead */
  redirect_ifindex: 8,
  /** XDP: the device, or the port of it, that the server is behind */
  xdp_ifindex: 12,
  /** interface that the policy route must use; 0: any */
  route_v4: 16,
  /** interface that the policy route must use; 0: any */
  route_v6: 20,
  /** 0: the server has no IPv4 address */
  steers_v4: 24,
  /** 0: the server has no IPv6 address */
  steers_v6: 28,
  /** judged by its heartbeat */
  has_heartbeat: 32,
  /** judged by the way to it */
  asks_route: 36,
  /** another program has its route: a known neighbour alone is no way */
  needs_route: 40,
  /** its entry in servers */
  state: 44,
  /** 4 bytes */
  next_hop_v4: 48,
  /** 16 bytes */
  next_hop_v6: 52,
  /** 4 bytes */
  heartbeat_v4: 68,
  /** 16 bytes */
  heartbeat_v6: 72,
  /** 6 bytes, in 8 */
  heartbeat_mac: 88,
  /** u64 */
  owner: 96,
} as const;

/** Bytes of a map's key or value. */
export const structSize = {
  /** source, destination, their ports */
  flowKeyV4: 12,
  /** source, destination, their ports */
  flowKeyV6: 36,
  /** u32 seen, u16 state, u16 target */
  flow: 8,
  /** 16 bytes of the address, u32 family */
  clientKey: 20,
  /** u32 flows, u32 refused */
  client: 8,
  /** a /16 */
  block: 80,
  /** a /24 of two classes */
  pair: 40,
  /** a /24 of more classes: u16 each */
  leaf: 512,
  /** u64 keys, u32 references */
  node: 88,
  /** u64 words */
  row: 128,
  /** XDP: a device */
  port: 16,
  /** a server that packets are steered to */
  target: 104,
  /** a prefix of NAT64 */
  nat64: 40,
  /** 16 bytes */
  heartbeatKey: 16,
  /** what a server's heartbeats said */
  server: 144,
  /** of one family of it */
  family: 32,
  /** u32 entries of order, order, slots */
  choice: 3092,
  /** u64 packets, u64 bytes */
  counter: 16,
} as const;

/** Byte offsets in what a server's heartbeats said. */
export const serverOffset = {
  /** u64 */
  owner: 0,
  /** u64 ns */
  heard: 8,
  /** u64 */
  counter: 16,
  /** 6 bytes, in 8 */
  mac: 24,
  /** IPv4, then IPv6 */
  family: 32,
  /** u8 */
  flags: 96,
  /** u8 */
  reason: 97,
  /** u64 each */
  ignored: 104,
} as const;

/** Byte offsets in one family of it. */
export const familyOffset = {
  /** u64 ns */
  since: 0,
  /** u64 ns */
  returned: 8,
  /** u64 ns */
  heldUntil: 16,
  /** u32 */
  rise: 24,
  /** u16 */
  flaps: 28,
  /** u16 */
  isUp: 30,
} as const;

/** Byte offsets in a table of a group. */
export const choiceOffset = {
  /** u8 each */
  order: 4,
  /** CHOICE_ROOM u8 of each level */
  slots: 20,
} as const;

/** Byte offsets in a /16. */
export const blockOffset = {
  /** 8 u64 */
  codes: 0,
  /** 8 u8 */
  before: 64,
  /** u32 */
  firstRef: 72,
} as const;

/** Byte offsets in a pair. */
export const pairOffset = {
  /** 4 u64 */
  bits: 0,
  /** 2 u32 */
  class: 32,
} as const;

/** Byte offsets in a node. */
export const nodeOffset = {
  /** 7 u64 */
  key: 0,
  /** 8 u32 */
  ref: 56,
} as const;
