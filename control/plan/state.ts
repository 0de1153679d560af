/** What a host should look like, as data. Made by `router.ts` and `server.ts`, compared by `diff.ts`. */
import type { Table } from '../nft/json.js';
import type { TableListing } from '../nft/listing.js';
import type { Attachment } from '../policy/attachment.js';

export type Family = 4 | 6;

/**
 * Marks our routes and rules among everybody else's (`ip route … protocol 150`), so that only
 * what sidetrack made is ever removed. Numbers above 4 are free for user space (rtnetlink(7)).
 */
export const ROUTE_PROTOCOL = 150;

/** RT_TABLE_MAIN (linux/rtnetlink.h). */
export const MAIN_TABLE = 254;

/** A route of metric 2^32-1 is the last that the kernel tries. */
export const LAST_METRIC = 4294967295;

export interface IpRule {
  family: Family;
  priority: number;
  iif: string;
  mark: number;
  mask: number;
  table: number;
}

export interface Route {
  family: Family;
  table: number;
  /** Absent, and not `local`: the route is `unreachable`. */
  nextHop?: { via: string; dev: string };
  /** Everything is delivered to this machine itself, by way of `lo`. */
  local?: true;
  metric?: number;
}

/** `key` is the path below /proc/sys. */
export interface Sysctl {
  key: string;
  value: string;
}

/** The desired state of one host. */
export interface HostState {
  /** As in the configuration: `router`, `server1`. */
  name: string;
  table: Table;
  ipRules: IpRule[];
  routes: Route[];
  sysctls: Sysctl[];
  /** A line for /etc/iproute2/rt_tables.d, so that `ip route show table server1` works. */
  tableName?: { id: number; name: string };
  /** What the eBPF classifier does; absent where nftables classifies. */
  classifier?: DesiredClassifier;
}

export interface DesiredClassifier {
  attachment: Attachment;
  /** Names the attachment, except for what may change without a plan. */
  digest: string;
}

/** What `sidetrack bpf show --json` says; more than this is there. */
export interface ObservedClassifier {
  interfaces: { name: string; filter: 'attached' | 'missing' | 'other' }[];
  /** Devices with the XDP program, or that should have it; absent if there is none. */
  xdp?: { name: string; mode: 'native' | 'generic' | 'missing' | 'other' }[];
  /** The bridge port to which XDP sends, and the one on which the server was heard instead. */
  serverMoved?: { from: string; to: string };
  digest?: string;
  /** Attached by another build. */
  outdated: boolean;
  flows: { v4: number; v6: number };
}

export interface InterfaceFacts {
  name: string;
  mac: string;
  up: boolean;
  /** As iproute2 says it: `bridge`, `vlan` …; absent for plain devices. */
  kind?: string;
  addresses: { family: Family; address: string; prefixLength: number }[];
}

export interface ObservedIpRule extends Partial<Omit<IpRule, 'family' | 'priority'>> {
  family: Family;
  priority: number;
  /** `ip rule add not fwmark …`: takes every packet without that mark. */
  inverted?: boolean;
  /** RTPROT number, when the kernel knows one. */
  protocol?: number;
}

export interface ObservedRoute {
  family: Family;
  table: number;
  destination: string;
  /** `unicast` unless the kernel says otherwise. */
  type: string;
  via?: string;
  dev?: string;
  metric?: number;
  protocol?: number;
}

/** What sidetrack wrote down on the host when it last changed something. */
export interface SavedState {
  version: 1;
  /** Original values of the sysctls we changed. */
  sysctls: Record<string, string>;
  /** Digest of every nft object as we wanted it and as nft listed it then. */
  objects: Record<string, { desired: string; listed: string }>;
  /** Digest of the attachment that lies beside this file. */
  classifier?: string;
}

/** A host as found. */
export interface ObservedHost {
  address: string;
  stateDir: string;
  ownsEtc: boolean;
  sidetrack: readonly string[];
  bpfDirectory: string;
  /** Absent where the eBPF classifier is not attached. */
  classifier?: ObservedClassifier;
  interfaces: InterfaceFacts[];
  ipRules: ObservedIpRule[];
  /** All routes of all tables. */
  routes: ObservedRoute[];
  /** Every sysctl that a plan may need; a missing key does not exist on this kernel. */
  sysctls: Record<string, string>;
  /** The table `inet sidetrack`, undefined when there is none. */
  listing?: TableListing;
  saved?: SavedState;
  /** Content of our rt_tables.d file. */
  tableNameFile?: string;
  /** TCP ports on which something listens. */
  listeningPorts: number[];
  /** Resolved MACs by IP address (`ip neigh`). */
  neighbours: Record<string, string>;
}
